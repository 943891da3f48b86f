//! Which points of a batch go into a request, under which names, and in which order.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use pipeline::component::Receipt;
use pipeline::{Batch, Kind, Point, Series, Value};

use super::Format;
use super::forms::Form;
use super::memory::{Memory, Slot, State};
use super::native::{self, Native};
use super::rendered::{Layout, Rendered};
use super::targets::Claims;
use crate::prometheus::{exponential, identity, stored};

/// Why a point is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Delta,
    /// It tells no time.
    Timeless,
    /// Its value is none that its kind may have, or contradicts itself.
    Invalid,
    /// A native histogram that has no sum, or a scale or count without a form.
    NoForm,
    Unnamed,
    /// Another metric's series has its name and labels.
    TypeConflict,
    /// It is a `target_info` of a target that is told of already.
    TargetTold,
}

/// What one request is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) format: Format,
    pub(super) items: Vec<Arc<Rendered>>,
    /// Of each item together, in the order of their times.
    pub(super) entries: Vec<Entry>,
    /// Where bounds or quantiles change, in the order of the entries.
    changes: Vec<Change>,
    /// Where items turn classic, or native again, in the order of the entries.
    turns: Vec<(u32, bool)>,
    /// What is said of resources.
    pub(super) targets: Claims,
    pub(super) receipt: Receipt,
    /// What is later says nothing about the order of what follows, nor about resources.
    time_max_ms: i64,
    /// The first point that has no form, for the log.
    pub(super) first_unsupported: Option<(Reason, Series)>,
    pub(super) first_out_of_order: Option<Series>,
}

/// A point of an item.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) item: u32,
    /// Its place in the batch.
    pub(super) point: u32,
    pub(super) time_ms: i64,
    /// Bounds or quantiles, of what has them.
    pub(super) layout: Option<Arc<Layout>>,
    /// Whether a histogram with explicit bounds has a native form.
    pub(super) is_native: bool,
    /// The bounds of the classic series that it ends, which those before it had for want of a native form.
    pub(super) ended: Option<Arc<Layout>>,
}

/// An entry with other bounds or quantiles than what was before it.
#[derive(Debug)]
struct Change {
    item: u32,
    time_ms: i64,
    layout: Arc<Layout>,
    /// `None` where nothing was.
    former: Option<Arc<Layout>>,
}

impl Reason {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Delta => "it is a delta; `delta_to_cumulative` would make it one to send",
            Self::Timeless => "it has no time",
            Self::Invalid => "its value contradicts itself or is none",
            Self::NoForm => {
                "no native histogram can be made of it: it has no sum, or a scale below -4, or counts beyond 63 bits"
            }
            Self::Unnamed => "nothing is left of its name",
            Self::TypeConflict => "a metric of another type has its name and labels",
            Self::TargetTold => "its job and instance have a `target_info` made here of their resource",
        }
    }
}

impl Plan {
    /// Plans a request for what can be sent of the batch.
    ///
    /// The same batch gives the same plan until it was sent, but for what is said of resources.
    pub(super) fn new(memory: &Arc<Memory>, batch: &Batch, format: Format) -> Self {
        let mut state = memory.lock();
        state.sweep();
        state.plans = state.plans.checked_add(1).unwrap_or(1);
        let mut plan = Self {
            format,
            items: Vec::new(),
            entries: Vec::with_capacity(batch.len()),
            changes: Vec::new(),
            turns: Vec::new(),
            targets: Claims::new(memory),
            receipt: Receipt::default(),
            time_max_ms: memory.time_max_ms(),
            first_unsupported: None,
            first_out_of_order: None,
        };
        let mut has_repeated = false;
        for (index, point) in batch.iter().enumerate() {
            match plan.item(memory, &mut state, point) {
                Ok((item, is_repeated)) => {
                    has_repeated |= is_repeated;
                    let time_ms = milliseconds(point.time_unix_nano);
                    plan.entries.push(Entry::new(item, index as u32, time_ms));
                }
                Err(reason) => plan.leave(reason, &point.series),
            }
        }
        if has_repeated {
            plan.entries.sort_by_key(|entry| (entry.item, entry.time_ms));
        }
        plan.keep_order(batch);
        plan.lay_out(memory, &mut state, batch);
        if memory.rules.has_target_info {
            plan.claim_targets(&mut state, batch);
        }
        plan
    }

    /// The item of a point, and whether it has others.
    #[inline]
    fn item(
        &mut self,
        memory: &Memory,
        state: &mut MutexGuard<'_, State>,
        point: &Point,
    ) -> Result<(u32, bool), Reason> {
        let form = memory.forms.of(point.series.metric().kind, self.format).ok_or(Reason::Delta)?;
        if point.time_unix_nano == 0 {
            return Err(Reason::Timeless);
        }
        if !point.is_stale() {
            check(point, form)?;
        }
        let plan = u64::from(state.plans) << 32;
        let rendered = match memory.slot(state, point, self.format) {
            Slot::Rendered(rendered) => rendered,
            Slot::Left(reason) => return Err(*reason),
            Slot::Unknown => return Err(Reason::Unnamed),
        };
        let stamp = rendered.stamp.load(Ordering::Relaxed);
        if stamp & !u64::from(u32::MAX) == plan {
            return Ok((stamp as u32, true));
        }
        let item = self.items.len() as u32;
        rendered.stamp.store(plan | u64::from(item), Ordering::Relaxed);
        self.items.push(rendered.clone());
        Ok((item, false))
    }

    #[cold]
    fn leave(&mut self, reason: Reason, series: &Series) {
        self.receipt.unsupported += 1;
        self.first_unsupported.get_or_insert_with(|| (reason, series.clone()));
    }

    /// Leaves out what is not later than what was sent, or than the point before it.
    fn keep_order(&mut self, batch: &Batch) {
        let (mut item, mut last) = (u32::MAX, i64::MIN);
        let (items, receipt, first) = (&self.items, &mut self.receipt, &mut self.first_out_of_order);
        self.entries.retain(|entry| {
            if entry.item != item {
                (item, last) = (entry.item, items[entry.item as usize].order.sent_ms());
            }
            let is_later = entry.time_ms > last;
            if is_later {
                last = entry.time_ms;
            } else {
                receipt.out_of_order += 1;
                first.get_or_insert_with(|| batch.as_slice()[entry.point as usize].series.clone());
            }
            is_later
        });
    }

    /// Finds the bounds and quantiles of what has them; a stale marker ends those that were there before it.
    fn lay_out(&mut self, memory: &Memory, state: &mut MutexGuard<'_, State>, batch: &Batch) {
        let (mut item, mut current, mut was_classic) = (u32::MAX, None, false);
        for entry in &mut self.entries {
            let point = &batch.as_slice()[entry.point as usize];
            let kind = point.series.metric().kind;
            let form = memory.forms.of(kind, self.format);
            if matches!(kind, Kind::Gauge | Kind::Sum { .. })
                || form == Some(Form::Native) && matches!(kind, Kind::ExponentialHistogram { .. })
            {
                continue;
            }
            if entry.item != item {
                let rendered = &self.items[entry.item as usize];
                (item, current, was_classic) = (entry.item, rendered.layout(), rendered.is_classic());
            }
            if let Some(form @ (Form::Native | Form::Both)) = form {
                entry.is_native = native::has_form(point);
                let is_classic = form == Form::Native && !entry.is_native;
                if was_classic != is_classic {
                    entry.ended = current.clone().filter(|_| was_classic);
                    was_classic = is_classic;
                    self.turns.push((item, is_classic));
                }
            }
            let values = match &point.value {
                _ if point.is_stale() => None,
                Value::Histogram(histogram) => Some(histogram.bounds.clone()),
                Value::ExponentialHistogram(histogram) => {
                    let buckets = exponential::classic(&exponential::bounded(histogram));
                    Some(buckets.iter().map(|(bound, _)| *bound).collect())
                }
                Value::Summary(summary) => {
                    Some(summary.quantiles.iter().map(|(quantile, _)| *quantile).collect())
                }
                _ => None,
            };
            if let Some(values) = values
                && current.as_ref().is_none_or(|current: &Arc<Layout>| current.values != values)
            {
                let layout = state.layouts.find(&values, Layout::new);
                let former = current.replace(layout.clone());
                self.changes.push(Change { item, time_ms: entry.time_ms, layout, former });
            }
            entry.layout.clone_from(&current);
        }
    }

    fn claim_targets(&mut self, state: &mut MutexGuard<'_, State>, batch: &Batch) {
        // Points of one resource mostly stand side by side.
        let mut newest: Vec<(&Point, i64)> = Vec::new();
        for entry in &self.entries {
            let point = &batch.as_slice()[entry.point as usize];
            let is_believed = entry.time_ms <= self.time_max_ms;
            if !is_believed || point.is_stale() || identity::is_literal(point.series.metric()) {
                continue;
            }
            let is_same = |(other, _): &&mut (&Point, i64)| {
                Arc::ptr_eq(other.series.resource(), point.series.resource())
            };
            match newest.last_mut().filter(is_same) {
                Some((_, time_ms)) => *time_ms = entry.time_ms.max(*time_ms),
                None => newest.push((point, entry.time_ms)),
            }
        }
        for (point, time_ms) in newest {
            self.targets.claim(state, point.series.resource(), time_ms, self.format);
        }
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bounds or quantiles before this entry, where it has others.
    pub(super) fn former(&self, entry: &Entry) -> Option<&Layout> {
        let place = (entry.item, entry.time_ms);
        let found = self.changes.binary_search_by_key(&place, |change| (change.item, change.time_ms));
        self.changes[found.ok()?].former.as_deref()
    }

    /// Leaves only what is said of resources.
    pub(super) fn leave_points(&mut self) {
        self.entries.clear();
        self.changes.clear();
        self.turns.clear();
    }

    /// Remembers that everything in it was sent.
    pub(super) fn mark_sent(mut self) -> Receipt {
        for entry in self.entries.iter().filter(|entry| entry.time_ms <= self.time_max_ms) {
            self.items[entry.item as usize].order.mark_sent(entry.time_ms);
        }
        for change in &self.changes {
            self.items[change.item as usize].remember(&change.layout);
        }
        for (item, is_classic) in &self.turns {
            self.items[*item as usize].turn(*is_classic);
        }
        self.targets.mark_sent();
        self.receipt
    }
}

impl Entry {
    fn new(item: u32, point: u32, time_ms: i64) -> Self {
        Self { item, point, time_ms, layout: None, is_native: false, ended: None }
    }
}

/// Whether the value is one that its kind may have, and has the form it is to be sent in.
fn check(point: &Point, form: Form) -> Result<(), Reason> {
    match (point.series.metric().kind, &point.value) {
        (Kind::Gauge | Kind::Sum { .. }, Value::Int(_) | Value::Double(_)) => Ok(()),
        (Kind::Histogram { .. }, Value::Histogram(histogram)) => {
            stored::check(histogram).map_err(|_| Reason::Invalid)
        }
        (Kind::ExponentialHistogram { .. }, Value::ExponentialHistogram(histogram)) => match form {
            Form::Native if Native::of_exponential(histogram).is_none() => Err(Reason::NoForm),
            _ => Ok(()),
        },
        (Kind::Summary, Value::Summary(summary)) => {
            let is_ascending = summary.quantiles.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let is_number = summary.quantiles.iter().all(|(quantile, _)| !quantile.is_nan());
            if is_ascending && is_number { Ok(()) } else { Err(Reason::Invalid) }
        }
        _ => Err(Reason::Invalid),
    }
}

/// Milliseconds since 1970, as every time is told.
pub(super) fn milliseconds(unix_nano: u64) -> i64 {
    (unix_nano / 1_000_000) as i64
}
