//! The last point of each series, until it is stale or not heard of for too long.

use std::sync::Arc;

use pipeline::{Numbers, Paged, PerSeries, Point, Series, Temporality};

use super::escaping::Escaping;
use super::exemplar::{self, Kept};
use super::identity::{self, Rules};
use super::stored::{BoundsCache, Stored};
use super::targets::Targets;
use super::telemetry::{Drops, Reason};
use super::view::{Placed, View};

/// How many rounds of expiry a view outlives without being asked for.
const IDLE_MAX: u32 = 20;

/// What the exporter remembers.
pub(crate) struct Store {
    pub(crate) rules: Rules,
    pub(crate) limits: Limits,
    index: PerSeries<Slot>,
    pub(crate) entries: Paged<Entry>,
    /// Of the entries.
    numbers: Numbers,
    /// The entry behind the one that had the last point.
    next: u32,
    /// One an escaping scheme that was asked for.
    pub(crate) views: Vec<View>,
    pub(crate) targets: Targets,
    bounds: BoundsCache,
    /// Whether there was a literal name that looks different from one escaping to the next.
    is_escaped: bool,
    live: usize,
    pub(crate) drops: Drops,
}

/// What the store may hold.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) series_max: usize,
    pub(crate) keeps_exemplars: bool,
}

/// Where a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Entry(u32),
    /// It has no name that could be written.
    Unnamed,
    /// The page is not to have it.
    Unwanted,
}

pub(crate) struct Entry {
    pub(crate) series: Series,
    pub(crate) value: Stored,
    pub(crate) start_unix_nano: u64,
    pub(crate) time_unix_nano: u64,
    exemplars: Option<Box<Exemplars>>,
    received: Received,
    /// What the series' metric says.
    is_delta: bool,
    /// Not on the page: its family is hidden, or another series has its labels.
    standing: Standing,
}

/// Behind a pointer of one word, as there are nearly never any.
struct Exemplars {
    kept: Box<[Kept]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Shown,
    Hidden,
    Shadowed,
}

/// When something came, in tenths of a second since the start.
pub(crate) type Received = u32;

/// When a batch came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) received: Received,
    /// For points that tell no time.
    pub(crate) unix_nano: u64,
}

impl Store {
    pub(crate) fn new(rules: Rules, limits: Limits) -> Self {
        let views = vec![View::new(rules.canonical(Escaping::Underscores), rules.has_target_info)];
        Self {
            rules,
            limits,
            index: PerSeries::default(),
            entries: Paged::default(),
            numbers: Numbers::default(),
            next: 0,
            views,
            targets: Targets::default(),
            bounds: BoundsCache::default(),
            is_escaped: false,
            live: 0,
            drops: Drops::default(),
        }
    }

    /// How many series are held.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Takes a point; what is not shown is counted by reason.
    #[inline]
    pub(crate) fn update(&mut self, point: &Point, now: Now) {
        // Points mostly come in the order in which their series did, and then neither the index nor what the series'
        // handle leads to has to be fetched.
        let id = self.next;
        match self.entries.get(id as usize) {
            Some(entry) if entry.series == point.series && !point.is_stale() => self.refresh(id, point, now),
            _ => self.update_any(point, now),
        }
    }

    #[inline(never)]
    fn update_any(&mut self, point: &Point, now: Now) {
        match self.index.get(&point.series) {
            Some(Slot::Entry(id)) => {
                let id = *id;
                if point.is_stale() { self.remove(id) } else { self.refresh(id, point, now) }
            }
            _ if point.is_stale() => {}
            Some(Slot::Unnamed) => self.drops.count(Reason::InvalidName),
            Some(Slot::Unwanted) => {}
            None => self.admit(point, now),
        }
    }

    #[inline]
    fn refresh(&mut self, id: u32, point: &Point, now: Now) {
        self.next = id.wrapping_add(1);
        let Some(entry) = self.entries.get_mut(id as usize) else { return };
        let time = if point.time_unix_nano == 0 { now.unix_nano } else { point.time_unix_nano };
        let taken = if entry.is_delta {
            entry.accumulate(point, time, &mut self.bounds)
        } else {
            entry.replace(point, time, &mut self.bounds)
        };
        if let Err(reason) = taken {
            self.drops.count(reason);
            return;
        }
        entry.received = now.received;
        if self.limits.keeps_exemplars && !(point.exemplars.is_empty() && entry.exemplars.is_none()) {
            entry.keep_exemplars(point);
        }
        match entry.standing {
            Standing::Shown => {}
            Standing::Hidden | Standing::Shadowed => self.contend(id),
        }
    }

    fn admit(&mut self, point: &Point, now: Now) {
        if !self.rules.wants(&point.series) {
            self.index.insert(&point.series, Slot::Unwanted);
            return;
        }
        if self.live >= self.limits.series_max {
            return self.drops.count(Reason::TooManySeries);
        }
        let kind = point.series.metric().kind;
        let Ok(value) = Stored::new(kind, &point.value, &mut self.bounds) else {
            return self.drops.count(Reason::InvalidPoint);
        };
        let time = if point.time_unix_nano == 0 { now.unix_nano } else { point.time_unix_nano };
        let is_delta = kind.temporality() == Some(Temporality::Delta);
        let mut start_unix_nano = point.start_unix_nano;
        if start_unix_nano == 0 && is_delta {
            start_unix_nano = time;
        }
        if !self.rules.has_name(point.series.metric()) {
            self.index.insert(&point.series, Slot::Unnamed);
            return self.drops.count(Reason::InvalidName);
        }
        let mut entry = Entry {
            series: point.series.clone(),
            value,
            start_unix_nano,
            time_unix_nano: time,
            exemplars: None,
            received: now.received,
            is_delta,
            standing: Standing::Shown,
        };
        if self.limits.keeps_exemplars && !point.exemplars.is_empty() {
            entry.keep_exemplars(point);
        }
        let id = self.numbers.take() as u32;
        self.entries.insert(id as usize, entry);
        self.index.insert(&point.series, Slot::Entry(id));
        self.live += 1;
        self.is_escaped |= identity::is_escaped(&point.series);
        if !identity::is_literal(point.series.metric())
            && self.targets.add(point.series.resource(), &self.rules.labels)
        {
            self.drops.count(Reason::TargetConflict);
        }
        for view in 0..self.views.len() {
            self.place(view, id);
        }
        if self.standing(id) == Standing::Hidden {
            self.drops.count(Reason::TypeConflict);
        }
    }

    fn standing(&self, id: u32) -> Standing {
        self.entries.get(id as usize).map_or(Standing::Shown, |entry| entry.standing)
    }

    /// Puts an entry on the page of one scheme.
    fn place(&mut self, view: usize, id: u32) {
        let Some(entry) = self.entries.get(id as usize) else { return };
        let series = entry.series.clone();
        if let Some(identity) = self.rules.identify(&series, self.views[view].escaping) {
            let placed = self.views[view].place(id, &identity, &series.metric().description);
            self.settle(view, id, placed);
        }
    }

    /// Tries to get an entry shown that was not.
    #[cold]
    fn contend(&mut self, id: u32) {
        if let Some(entry) = self.entries.get_mut(id as usize) {
            entry.standing = Standing::Shown;
        }
        for view in 0..self.views.len() {
            match self.views[view].contend(id) {
                Placed::Lost => self.place(view, id),
                placed => self.settle(view, id, placed),
            }
        }
        if self.standing(id) == Standing::Hidden {
            self.drops.count(Reason::TypeConflict);
        }
    }

    /// Of two series with equal labels the one with the newest point is shown.
    fn settle(&mut self, view: usize, id: u32, placed: Placed) {
        let standing = match placed {
            Placed::Shown | Placed::Lost => return,
            Placed::Hidden => {
                self.drops.hide(&self.views[view], id);
                Standing::Hidden
            }
            Placed::Taken(other) => {
                self.drops.collide(
                    &self.views[view],
                    id,
                    [id, other].map(|id| self.entries.get(id as usize)),
                );
                let time = |id: u32| self.entries.get(id as usize).map_or(0, |entry| entry.time_unix_nano);
                if time(id) > time(other) {
                    self.views[view].seize(id);
                    if let Some(entry) = self.entries.get_mut(other as usize) {
                        entry.standing = Standing::Shadowed;
                    }
                    return;
                }
                Standing::Shadowed
            }
        };
        if let Some(entry) = self.entries.get_mut(id as usize) {
            entry.standing = standing;
        }
    }

    fn remove(&mut self, id: u32) {
        let Some(entry) = self.entries.take(id as usize) else { return };
        self.index.remove(&entry.series);
        self.numbers.give_back(id as usize);
        self.live -= 1;
        if !identity::is_literal(entry.series.metric()) {
            self.targets.remove(entry.series.resource(), &self.rules.labels);
        }
        for view in &mut self.views {
            for revealed in view.remove(id) {
                if let Some(entry) = self.entries.get_mut(revealed as usize) {
                    entry.standing = Standing::Shown;
                }
            }
        }
    }

    /// Looks at some entries from `from` on and removes those last heard of before `limit`; gives where to
    /// go on, or nothing at the end.
    pub(crate) fn expire(&mut self, from: usize, count: usize, limit: Received) -> Option<usize> {
        let end = (from + count).min(self.entries.end());
        for id in from..end {
            if self.entries.get(id).is_some_and(|entry| entry.received < limit) {
                self.remove(id as u32);
            }
        }
        if end < self.entries.end() {
            return Some(end);
        }
        // The names that could not be written go with their series.
        self.index.sweep();
        self.forget_views();
        None
    }

    /// Forgets the views that nobody asked for in a while; the first is there for good.
    fn forget_views(&mut self) {
        let mut index = 0;
        self.views.retain_mut(|view| {
            view.idle += 1;
            index += 1;
            index == 1 || view.idle < IDLE_MAX
        });
    }

    /// The place of a scheme's view, which is made the first time.
    pub(crate) fn view(&mut self, escaping: Escaping) -> usize {
        let escaping = if self.is_escaped { escaping } else { self.rules.canonical(escaping) };
        if let Some(view) = self.views.iter().position(|view| view.escaping == escaping) {
            self.views[view].idle = 0;
            return view;
        }
        self.views.push(View::new(escaping, self.rules.has_target_info));
        let view = self.views.len() - 1;
        for id in 0..self.entries.end() as u32 {
            self.place(view, id);
        }
        view
    }
}

impl Entry {
    #[inline]
    fn replace(&mut self, point: &Point, time: u64, bounds: &mut BoundsCache) -> Result<(), Reason> {
        if time < self.time_unix_nano {
            // Batches of several senders overtake each other on their way from the schema that made one metric of
            // them, and the newer holds what the older did.
            let is_made_of_several = identity::is_literal(point.series.metric());
            return if is_made_of_several { Ok(()) } else { Err(Reason::OutOfOrder) };
        }
        self.value.replace(&point.value, bounds).map_err(|_| Reason::InvalidPoint)?;
        self.time_unix_nano = time;
        self.start_unix_nano = point.start_unix_nano;
        Ok(())
    }

    /// Adds a delta that follows; starts again after a gap.
    fn accumulate(&mut self, point: &Point, time: u64, bounds: &mut BoundsCache) -> Result<(), Reason> {
        let start = point.start_unix_nano;
        if time <= self.time_unix_nano {
            return Err(Reason::OutOfOrder);
        }
        if start != 0 && start < self.time_unix_nano {
            return Err(Reason::Misaligned);
        }
        let is_next = start == 0 || start == self.time_unix_nano;
        let is_added = is_next && self.value.add(&point.value).map_err(|_| Reason::InvalidPoint)?;
        if !is_added {
            self.value.replace(&point.value, bounds).map_err(|_| Reason::InvalidPoint)?;
            self.start_unix_nano = if start == 0 { time } else { start };
        }
        self.time_unix_nano = time;
        Ok(())
    }

    fn keep_exemplars(&mut self, point: &Point) {
        let bounds: &[f64] = match &self.value {
            Stored::Histogram(classic) => &classic.bounds.values,
            Stored::Int(_) | Stored::Double(_) => &[],
            Stored::Exponential(_) | Stored::Summary(_) => return,
        };
        let kept = exemplar::kept(&point.exemplars, bounds);
        self.exemplars = (!kept.is_empty()).then(|| Box::new(Exemplars { kept }));
    }

    /// The exemplars that came with the last point.
    pub(crate) fn exemplars(&self) -> &[Kept] {
        self.exemplars.as_ref().map_or(&[], |exemplars| &exemplars.kept)
    }
}

/// The store, behind its lock.
pub(crate) type Shared = Arc<std::sync::Mutex<Store>>;

#[cfg(test)]
mod tests;
