//! The lines of the scrape before, by which the lines of the next are recognised.
//!
//! An exposition changes its numbers far more often than its lines. So a line is first compared with
//! the line that stood in its place; where that fails, with a few that came after it (lines have gone);
//! and where that fails too often, all are found by hash (the order has changed).
//!
//! What is remembered of a line is its length up to the value and a hash of 64 bits, with a seed that no
//! target knows: the bytes themselves would be a sixth of what a series costs.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use pipeline::Series;

use super::group::Field;

/// A line of the scrape before.
#[derive(Debug)]
pub(crate) struct Place {
    hash: u64,
    key_len: u32,
    /// The scrape in which the line was new.
    pub(crate) born: u32,
    pub(crate) what: What,
}

/// What is known of a line.
#[derive(Debug, Default)]
pub(crate) enum What {
    /// A number of its own.
    Number {
        series: Series,
        has_own_time: bool,
    },
    /// Another point of a series that has one already, at another time.
    Again(Series),
    /// A part of a histogram or a summary.
    Part {
        group: u32,
        field: Field,
    },
    /// When a counter began.
    CounterCreated(Series),
    /// Metadata, a comment, an empty line: the whole line is the key.
    Silent,
    TargetInfo,
    /// Relabelling dropped it.
    Dropped,
    /// A gauge histogram's.
    Unsupported,
    /// The line was found, and has another place now.
    #[default]
    Gone,
}

/// The remembered lines of a target.
#[derive(Debug, Default)]
pub(crate) struct Places {
    lines: Vec<Place>,
    hasher: RandomState,
}

/// A body's walk along the places.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    hasher: &'a RandomState,
    scrape: u32,
    /// How many lines there may be, at least.
    lines: usize,
    old: Vec<Place>,
    /// Where the next line is looked for.
    at: usize,
    /// The places of this body, once they are not those of the last.
    new: Vec<Place>,
    is_changed: bool,
    misses: u32,
    by_hash: Option<HashTable<u32>>,
}

/// How far ahead of its place a line is looked for.
const AHEAD: usize = 16;

/// After this many lines found neither in place nor just ahead, lines are looked for by hash.
const MISSES_MAX: u32 = 32;

impl Place {
    /// Whether `rest` begins with the line.
    #[inline]
    fn is_of(&self, rest: &[u8], hasher: &RandomState) -> bool {
        let key = rest.get(..self.key_len as usize);
        key.is_some_and(|key| hasher.hash_one(key) == self.hash) && !matches!(self.what, What::Gone)
    }
}

impl Places {
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Begins a body of about so many lines; [`Places::end`] takes the walk back.
    pub(crate) fn walk(&mut self, scrape: u32, lines: usize) -> Walk<'_> {
        let old = std::mem::take(&mut self.lines);
        Walk {
            hasher: &self.hasher,
            scrape,
            lines,
            old,
            at: 0,
            new: Vec::new(),
            is_changed: false,
            misses: 0,
            by_hash: None,
        }
    }

    /// Keeps the places of the body just read.
    pub(crate) fn end(&mut self, places: Vec<Place>, is_changed: bool) {
        self.lines = places;
        if is_changed {
            self.lines.shrink_to(self.lines.len() + self.lines.len() / 8);
        }
    }

    /// The series that have a number of their own.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = &Series> {
        self.lines.iter().filter_map(|place| match &place.what {
            What::Number { series, .. } => Some(series),
            _ => None,
        })
    }

    /// Forgets the lines of these groups, which are sorted.
    pub(crate) fn forget_groups(&mut self, groups: &[u32]) {
        if !groups.is_empty() {
            let is_forgotten =
                |what: &What| matches!(what, What::Part { group, .. } if groups.binary_search(group).is_ok());
            self.lines.retain(|place| !is_forgotten(&place.what));
        }
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.lines)
    }
}

impl Walk<'_> {
    /// The place of the line that `rest` begins with, and the length of its key.
    #[inline]
    pub(crate) fn find(&mut self, rest: &[u8]) -> Option<(&mut What, usize)> {
        let place = self.old.get(self.at)?;
        let length = place.key_len as usize;
        if !place.is_of(rest, self.hasher) {
            return self.find_ahead(rest);
        }
        self.at += 1;
        if self.is_changed {
            self.move_here(self.at - 1);
            let place = self.new.last_mut()?;
            return Some((&mut place.what, length));
        }
        let place = self.old.get_mut(self.at - 1)?;
        Some((&mut place.what, length))
    }

    #[cold]
    fn find_ahead(&mut self, rest: &[u8]) -> Option<(&mut What, usize)> {
        if self.by_hash.is_some() {
            return None;
        }
        let found = (self.at + 1..self.old.len().min(self.at + 1 + AHEAD))
            .find(|index| self.old[*index].is_of(rest, self.hasher))?;
        self.change();
        self.take(found)
    }

    /// The place of a line whose key is known by now.
    pub(crate) fn find_by_key(&mut self, line_key: &[u8]) -> Option<&mut What> {
        self.misses += 1;
        if self.misses < MISSES_MAX || self.old.is_empty() {
            return None;
        }
        self.change();
        let old = &self.old;
        let by_hash = self.by_hash.get_or_insert_with(|| {
            let mut table = HashTable::with_capacity(old.len());
            for (index, place) in old.iter().enumerate() {
                if !matches!(place.what, What::Gone) {
                    table.insert_unique(place.hash, index as u32, |index| old[*index as usize].hash);
                }
            }
            table
        });
        let hash = self.hasher.hash_one(line_key);
        let found = *by_hash.find(hash, |index| {
            let place = &old[*index as usize];
            !matches!(place.what, What::Gone)
                && place.hash == hash
                && place.key_len as usize == line_key.len()
        })?;
        self.take(found as usize).map(|(what, _)| what)
    }

    fn take(&mut self, index: usize) -> Option<(&mut What, usize)> {
        self.at = index + 1;
        self.move_here(index);
        let place = self.new.last_mut()?;
        Some((&mut place.what, place.key_len as usize))
    }

    /// From here on the places are no longer those of the last body.
    fn change(&mut self) {
        if !self.is_changed {
            self.is_changed = true;
            self.new.reserve(self.old.len().max(self.lines));
            for index in 0..self.at {
                self.move_here(index);
            }
        }
    }

    fn move_here(&mut self, index: usize) {
        let place = &mut self.old[index];
        self.new.push(Place { what: std::mem::take(&mut place.what), ..*place });
    }

    /// Remembers a line that was not known.
    pub(crate) fn insert(&mut self, line_key: &[u8], what: What) {
        self.change();
        let (hash, key_len) = (self.hasher.hash_one(line_key), line_key.len() as u32);
        self.new.push(Place { hash, key_len, born: self.scrape, what });
    }

    /// Forgets the place found last: its line turned out to be another's double.
    pub(crate) fn forget_last(&mut self) {
        self.change();
        self.new.pop();
    }

    /// The places of this body, those of the last that this one does not have, and whether they differ.
    pub(crate) fn finish(mut self) -> (Vec<Place>, Vec<Place>, bool) {
        if self.is_changed {
            self.old.retain(|place| !matches!(place.what, What::Gone));
            return (self.new, self.old, true);
        }
        let left = self.old.split_off(self.at);
        let is_changed = !left.is_empty();
        (self.old, left, is_changed)
    }
}
