//! Writes the page, a piece at a time, so that neither its length nor a slow scraper costs anybody else.

mod lines;

use std::ops::Bound;
use std::sync::Arc;

use config::ByteSize;

use super::escaping::Escaping;
use super::labels;
use super::negotiation::Format;
use super::store::Store;
use super::telemetry::Reason;
use super::view::{Family, FamilyKey, Form};
use lines::{Lines, push_metadata};

/// What is written besides the values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) has_timestamps: bool,
    pub(crate) has_created: bool,
}

/// What the lines of one point may take together. Each line of a histogram or summary repeats all labels, so without a
/// bound a push of some kilobytes would be a page of gigabytes, for each scrape.
pub(crate) const POINT_SIZE_MAX: ByteSize = ByteSize::mib(4);

/// A page that is being written.
#[derive(Debug)]
pub(crate) struct Page {
    format: Format,
    escaping: Escaping,
    options: Options,
    /// What a page says that has nothing else to say.
    when_empty: Arc<str>,
    is_empty: bool,
    place: Place,
}

/// Where to go on.
#[derive(Debug)]
enum Place {
    /// Behind the line of this target.
    Targets(Option<Arc<str>>),
    /// Behind this series of this family.
    Within {
        family: FamilyKey,
        generation: u32,
        series: Arc<str>,
    },
    /// Behind all series of this family, or before the first.
    Behind(Option<FamilyKey>),
    End,
}

impl Page {
    pub(crate) fn new(format: Format, escaping: Escaping, options: Options) -> Self {
        let place = Place::Targets(None);
        Self { format, escaping, options, when_empty: Arc::default(), is_empty: true, place }
    }

    /// The same, with comments for a page without series.
    pub(crate) fn or_say(self, when_empty: Arc<str>) -> Self {
        Self { when_empty, ..self }
    }

    /// Appends to `buffer` until it holds `size` bytes or a little more; `false` when the page is done.
    ///
    /// What a series shows is of one moment; between two calls the store may change, and series may come
    /// and go, but a family that was begun is gone on with only if it is still the same.
    pub(crate) fn write(&mut self, store: &mut Store, buffer: &mut Vec<u8>, size: usize) -> bool {
        let view = store.view(self.escaping);
        store.views[view].arrange();
        let mut skipped = Vec::new();
        let begun = buffer.len();
        while buffer.len() < size {
            self.place = match std::mem::replace(&mut self.place, Place::End) {
                Place::Targets(after) => self.write_targets(store, buffer, size, after),
                Place::End => break,
                place => self.write_family(store, view, (buffer, size, &mut skipped), place),
            };
            self.is_empty &= buffer.len() == begun;
        }
        for (reason, id) in skipped {
            let series = store.entries.get(id as usize).map(|entry| &entry.series);
            store.drops.leave(reason, series);
        }
        !matches!(self.place, Place::End)
    }

    fn write_targets(
        &self,
        store: &Store,
        buffer: &mut Vec<u8>,
        size: usize,
        after: Option<Arc<str>>,
    ) -> Place {
        if !store.rules.has_target_info {
            return Place::Behind(None);
        }
        let rules = &store.rules.labels;
        let name = self.escaping.metric("target_info");
        let is_typed = self.format.is_open_metrics() && name == "target_info";
        let mut is_first = after.is_none();
        let lines = Lines::new(self.format, self.options, &name);
        for (target, resource) in store.targets.behind(after.as_ref()) {
            let Some(target_labels) = rules.of_target(resource, self.escaping) else { continue };
            if std::mem::replace(&mut is_first, false) {
                let (family, word) = if is_typed { ("target", "info") } else { (&*name, "gauge") };
                push_metadata(buffer, ["TYPE", family, word]);
                push_metadata(buffer, ["HELP", family, "Target metadata"]);
            }
            lines.push_target(buffer, &labels::render(&target_labels));
            if buffer.len() >= size {
                return Place::Targets(Some(target.clone()));
            }
        }
        Place::Behind(None)
    }

    /// Writes a family, or the rest of it.
    fn write_family(
        &self,
        store: &Store,
        view: usize,
        (buffer, size, skipped): (&mut Vec<u8>, usize, &mut Vec<(Reason, u32)>),
        place: Place,
    ) -> Place {
        let (key, generation, after) = match place {
            Place::Within { family, generation, series } => (Some(family), generation, Some(series)),
            Place::Behind(family) => (family, 0, None),
            place => return place,
        };
        let from = match (&key, &after) {
            (None, _) => Bound::Unbounded,
            (Some(key), Some(_)) => Bound::Included(key),
            (Some(key), None) => Bound::Excluded(key),
        };
        let next = store.views[view].order.range((from, Bound::Unbounded)).next();
        let Some((next_key, index)) = next else {
            if self.format.is_open_metrics() {
                buffer.extend_from_slice(b"# EOF\n");
            } else if self.is_empty {
                self.when_empty.lines().for_each(|line| push_line(buffer, line));
            }
            return Place::End;
        };
        let behind = Place::Behind(Some(next_key.clone()));
        let Some(family) = store.views[view].family(*index).filter(|family| !self.is_hidden(family)) else {
            return behind;
        };
        // Another family has taken the place of the one that was begun.
        let after = match after {
            Some(_) if key.as_ref() == Some(next_key) && family.generation != generation => return behind,
            Some(_) if key.as_ref() != Some(next_key) => None,
            after => after,
        };
        let lines = Lines::of_family(self.format, self.options, family);
        if after.is_none() {
            lines.push_head(buffer, family);
        }
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for (labels, id) in family.series.range::<Arc<str>, _>((from, Bound::Unbounded)) {
            let Some(entry) = store.entries.get(*id as usize) else { continue };
            if let Err(reason) = lines.push_entry(buffer, labels, entry) {
                skipped.push((reason, *id));
            }
            if buffer.len() >= size {
                let (family, generation) = (family.key.clone(), family.generation);
                return Place::Within { family, generation, series: labels.clone() };
            }
        }
        behind
    }

    fn is_hidden(&self, family: &Family) -> bool {
        family.is_hidden || (self.format.is_open_metrics() && family.form == Form::Hidden)
    }
}

fn push_line(buffer: &mut Vec<u8>, line: &str) {
    buffer.extend_from_slice(line.as_bytes());
    buffer.push(b'\n');
}

#[cfg(test)]
mod tests;
