//! Histograms and summaries being put together from their lines.
//!
//! A group remembers what its lines looked like the scrape before, so that in steady state a line only
//! stores a number, and a point is made from numbers already in order.

use std::sync::Arc;

use foldhash::HashMap;
use pipeline::point::{Exemplar, Histogram, Summary};
use pipeline::{Exemplars, Kind, Point, Series, Value};

use super::text::Format;

#[derive(Debug, Default)]
pub(crate) struct Groups {
    slots: Vec<Option<Group>>,
    free: Vec<u32>,
    by_series: HashMap<Series, u32>,
}

#[derive(Debug)]
struct Group {
    series: Series,
    /// Buckets or quantiles, in the order they were first seen.
    parts: Vec<Numbered>,
    /// The parts by key, once there are more than a look along them takes no time for.
    by_key: Option<Box<HashMap<u64, u32>>>,
    sum: Option<f64>,
    count: Option<f64>,
    start_unix_nano: u64,
    time_unix_nano: u64,
    exemplars: Vec<Exemplar>,
    /// The scrape in which a line of the group was last seen.
    scrape: u32,
    /// How many parts this scrape has.
    seen: usize,
    /// The parts in the order of their keys, as long as every one is seen; empty before the first time.
    order: Vec<u32>,
    bounds: Arc<[f64]>,
    /// A point was made of it, and no stale marker since.
    is_live: bool,
    has_own_time: bool,
}

#[derive(Debug, Clone, Copy)]
struct Numbered {
    key: f64,
    value: f64,
    scrape: u32,
}

/// What of a group a line gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Field {
    Part(u32),
    Sum,
    Count,
    Created,
}

/// Why a group gives no point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incomplete {
    NoCount,
    Decreasing,
}

/// How histograms are put together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) format: Format,
    /// Buckets that hold more than the count have been added up twice.
    pub(crate) takes_apart: bool,
}

/// When a line's value was true.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) scrape: u32,
    pub(crate) time_unix_nano: u64,
    pub(crate) is_own: bool,
}

/// Up to this many parts are looked along for a key.
const SCANNED_MAX: usize = 64;

impl Groups {
    /// The group of this series, made where there is none.
    pub(crate) fn find(&mut self, series: &Series) -> u32 {
        if let Some(id) = self.by_series.get(series) {
            return *id;
        }
        let group = Some(Group::new(series.clone()));
        let id = if let Some(id) = self.free.pop() {
            self.slots[id as usize] = group;
            id
        } else {
            self.slots.push(group);
            self.slots.len() as u32 - 1
        };
        self.by_series.insert(series.clone(), id);
        id
    }

    /// The part with this key, made where there is none.
    pub(crate) fn part(&mut self, group: u32, key: f64) -> Field {
        let Some(group) = self.get(group) else { return Field::Part(u32::MAX) };
        Field::Part(group.part(key))
    }

    fn get(&mut self, id: u32) -> Option<&mut Group> {
        self.slots.get_mut(id as usize)?.as_mut()
    }

    /// Stores a line's number; `false` where this scrape has had that line already.
    #[inline]
    pub(crate) fn put(&mut self, id: u32, field: Field, value: f64, moment: Moment) -> bool {
        let Some(group) = self.get(id) else { return false };
        if group.scrape != moment.scrape {
            group.begin(moment);
        }
        match field {
            Field::Part(part) => {
                let Some(part) = group.parts.get_mut(part as usize) else { return false };
                if part.scrape == moment.scrape {
                    return false;
                }
                part.value = value;
                part.scrape = moment.scrape;
                group.seen += 1;
                true
            }
            Field::Sum => group.sum.replace(value).is_none(),
            Field::Count => group.count.replace(value).is_none(),
            Field::Created => {
                group.start_unix_nano = (value * 1e9) as u64;
                true
            }
        }
    }

    pub(crate) fn push_exemplar(&mut self, id: u32, exemplar: Exemplar) {
        if let Some(group) = self.get(id) {
            group.exemplars.push(exemplar);
        }
    }

    /// Makes the point of each group that this scrape has lines of.
    pub(crate) fn finish(
        &mut self,
        scrape: u32,
        manner: Manner,
        mut take: impl FnMut(Result<Point, Incomplete>),
    ) {
        for group in self.slots.iter_mut().flatten().filter(|group| group.scrape == scrape) {
            let point = group.point(scrape, manner);
            let was_live = std::mem::replace(&mut group.is_live, point.is_ok());
            if was_live && !group.is_live {
                take(Ok(Point::stale(group.series.clone(), group.time_unix_nano)));
            }
            take(point);
        }
    }

    /// Forgets the groups that this scrape had no line of; gives the series that have ended with that.
    pub(crate) fn retire(&mut self, scrape: u32, mut ended: impl FnMut(Series)) {
        for (id, slot) in self.slots.iter_mut().enumerate() {
            let Some(group) = slot.take_if(|group| group.scrape != scrape) else { continue };
            self.by_series.remove(&group.series);
            self.free.push(id as u32);
            if group.is_live && !group.has_own_time {
                ended(group.series);
            }
        }
    }

    /// Forgets the parts of groups that hold some without a line any more; says which groups.
    pub(crate) fn compact(&mut self, scrape: u32) -> Vec<u32> {
        let mut compacted = Vec::new();
        for (id, group) in self.slots.iter_mut().enumerate() {
            let Some(group) = group else { continue };
            if group.scrape == scrape && group.seen < group.parts.len() {
                group.parts = Vec::new();
                group.by_key = None;
                group.order = Vec::new();
                group.bounds = Arc::default();
                compacted.push(id as u32);
            }
        }
        compacted
    }

    pub(crate) fn contains(&self, series: &Series) -> bool {
        self.by_series.contains_key(series)
    }

    /// The live series, and nothing remembered any more.
    pub(crate) fn drain(&mut self) -> Vec<Series> {
        let groups = std::mem::take(self).slots.into_iter().flatten();
        groups.filter(|group| group.is_live && !group.has_own_time).map(|group| group.series).collect()
    }
}

impl Group {
    fn new(series: Series) -> Self {
        Self {
            series,
            parts: Vec::new(),
            by_key: None,
            sum: None,
            count: None,
            start_unix_nano: 0,
            time_unix_nano: 0,
            exemplars: Vec::new(),
            scrape: u32::MAX,
            seen: 0,
            order: Vec::new(),
            bounds: Arc::default(),
            is_live: false,
            has_own_time: false,
        }
    }

    fn part(&mut self, key: f64) -> u32 {
        // Both zeros are one key.
        let bits = (key + 0.0).to_bits();
        let found = match &self.by_key {
            Some(by_key) => by_key.get(&bits).copied(),
            None => self.parts.iter().position(|part| part.key == key).map(|part| part as u32),
        };
        if let Some(part) = found {
            return part;
        }
        let part = self.parts.len() as u32;
        self.parts.push(Numbered { key, value: 0.0, scrape: u32::MAX });
        match &mut self.by_key {
            Some(by_key) => {
                by_key.insert(bits, part);
            }
            None if self.parts.len() > SCANNED_MAX => {
                let keys = self.parts.iter().map(|part| (part.key + 0.0).to_bits());
                self.by_key = Some(Box::new(keys.zip(0..).collect()));
            }
            None => {}
        }
        part
    }

    fn begin(&mut self, moment: Moment) {
        self.scrape = moment.scrape;
        self.time_unix_nano = moment.time_unix_nano;
        self.has_own_time = moment.is_own;
        self.seen = 0;
        self.sum = None;
        self.count = None;
        self.start_unix_nano = 0;
        self.exemplars.clear();
    }

    fn point(&mut self, scrape: u32, manner: Manner) -> Result<Point, Incomplete> {
        if self.order.len() != self.parts.len() || self.seen != self.parts.len() {
            self.arrange(scrape);
        }
        let value = match self.series.metric().kind {
            Kind::Summary => Value::Summary(Box::new(self.summary()?)),
            _ => Value::Histogram(Box::new(self.histogram(manner)?)),
        };
        if self.seen != self.parts.len() {
            // The order holds for this scrape alone.
            self.order.clear();
        }
        Ok(Point {
            start_unix_nano: self.start_unix_nano,
            exemplars: Exemplars::new(std::mem::take(&mut self.exemplars)),
            ..Point::new(self.series.clone(), self.time_unix_nano, value)
        })
    }

    fn arrange(&mut self, scrape: u32) {
        self.order.clear();
        self.order
            .extend((0..self.parts.len() as u32).filter(|part| self.parts[*part as usize].scrape == scrape));
        let parts = &self.parts;
        self.order.sort_by(|left, right| parts[*left as usize].key.total_cmp(&parts[*right as usize].key));
        self.bounds =
            self.order.iter().map(|part| parts[*part as usize].key).filter(|key| key.is_finite()).collect();
    }

    fn summary(&self) -> Result<Summary, Incomplete> {
        let quantiles = self.order.iter().map(|part| {
            let part = self.parts[*part as usize];
            (part.key, part.value)
        });
        Ok(Summary {
            count: whole(self.count.ok_or(Incomplete::NoCount)?)?,
            sum: self.sum.unwrap_or(0.0),
            quantiles: quantiles.collect(),
        })
    }

    fn histogram(&self, manner: Manner) -> Result<Histogram, Incomplete> {
        let mut counts = Vec::with_capacity(self.order.len() + 1);
        let mut below = 0;
        let mut infinite = None;
        for part in &self.order {
            let part = self.parts[*part as usize];
            let cumulative = whole(part.value)?;
            if part.key == f64::INFINITY {
                infinite = Some(cumulative);
                break;
            }
            counts.push(cumulative.checked_sub(below).ok_or(Incomplete::Decreasing)?);
            below = cumulative;
        }
        if !manner.takes_apart && infinite.is_some_and(|infinite| infinite < below) {
            return Err(Incomplete::Decreasing);
        }
        let count = match (self.count, self.sum) {
            (Some(count), _) => whole(count)?,
            // OpenMetrics leaves out sum and count together, and the last bucket is the count.
            (None, None) if manner.format == Format::OpenMetrics => infinite.ok_or(Incomplete::NoCount)?,
            (None, _) => return Err(Incomplete::NoCount),
        };
        // What is in no bucket is above the last; without any line of a bucket, nothing is known of them.
        if !self.order.is_empty() {
            if manner.takes_apart && below > count {
                below = take_apart(&mut counts)?;
            }
            counts.push(count.checked_sub(below).ok_or(Incomplete::Decreasing)?);
        }
        Ok(Histogram {
            count,
            sum: self.sum,
            min: None,
            max: None,
            bounds: self.bounds.clone(),
            bucket_counts: counts,
        })
    }
}

/// Takes back a second accumulation: what stood in a bucket is the cumulative count. Gives the last of these.
fn take_apart(counts: &mut [u64]) -> Result<u64, Incomplete> {
    let mut below = 0_u64;
    for count in counts {
        let cumulative = *count;
        *count = cumulative.checked_sub(below).ok_or(Incomplete::Decreasing)?;
        below = cumulative;
    }
    Ok(below)
}

/// A count as an integer; what is none says that counting went wrong.
fn whole(value: f64) -> Result<u64, Incomplete> {
    if value >= 0.0 && value.is_finite() { Ok(value as u64) } else { Err(Incomplete::Decreasing) }
}
