//! What is remembered of each series: how it is rendered, and up to when it was sent.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use pipeline::{Clock, PerSeries, Point, Resource, Series};
use tokio::time::Instant;

use super::Format;
use super::forms::Forms;
use super::plan::{Reason, milliseconds};
use super::rendered::{Family, Layout, Order, Part, Rendered};
use super::targets::Targets;
use crate::prometheus::escaping::Escaping;
use crate::prometheus::identity::{Identity, MetricType, Rules, is_literal};
use crate::prometheus::labels::{self, Labels};
use crate::prometheus::stored::{ByBounds, Pace};

/// The name of the series that tells of a resource.
pub(super) const TARGET_INFO: &str = "target_info";

/// The least time between two rounds through what is remembered.
const ROUND_PAUSE: Duration = Duration::from_mins(1);

/// A point may be so far ahead of the clock and still move the time up to which its series was sent. Receivers
/// refuse what is further ahead, and had it moved the time, all that follow would seem to come too late.
const AHEAD_NANOS_MAX: u64 = 600 * 1_000_000_000;

/// Series looked at while others wait.
const SWEEP_COUNT: usize = 4096;

/// Room for so many more is not worth giving back.
const ROOM_MIN: usize = 1024;

/// Everything that requests are made from besides the points.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) rules: Rules,
    /// Put on every series that has no such label.
    pub(super) external: Vec<(String, String)>,
    pub(super) forms: Forms,
    clock: Clock,
    state: Mutex<State>,
}

/// The part that changes, under one lock that is held for a plan.
#[derive(Debug)]
pub(super) struct State {
    series: PerSeries<Slots>,
    /// By name and labels, a format each.
    identities: [Identities; 2],
    families: HashMap<(Box<str>, MetricType), Weak<Family>>,
    new_families: Pace,
    pub(super) layouts: ByBounds<Layout>,
    pub(super) targets: Targets,
    /// Counts plans.
    pub(super) plans: u32,
    sweep_from: usize,
    rested: Instant,
    /// Whether a series is left out because of another, which may end.
    has_conflicts: bool,
}

type Slots = [Slot; 2];

/// How a series is written in one format.
#[derive(Debug, Clone, Default)]
pub(super) enum Slot {
    #[default]
    Unknown,
    Rendered(Arc<Rendered>),
    Left(Reason),
}

static UNKNOWN: Slot = Slot::Unknown;

/// Who has which name and labels.
#[derive(Debug, Default)]
struct Identities {
    by_hash: HashMap<u64, Vec<Weak<Rendered>>>,
    new: Pace,
    hasher: foldhash::fast::RandomState,
}

impl Memory {
    pub(super) fn new(rules: Rules, external: Vec<(String, String)>, forms: Forms, clock: Clock) -> Self {
        let state = State {
            series: PerSeries::default(),
            identities: Default::default(),
            families: HashMap::new(),
            new_families: Pace::default(),
            layouts: ByBounds::default(),
            targets: Targets::default(),
            plans: 0,
            sweep_from: 0,
            rested: Instant::now(),
            has_conflicts: false,
        };
        Self { rules, external, forms, clock, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest time that is believed now.
    pub(super) fn time_max_ms(&self) -> i64 {
        milliseconds(self.clock.unix_nano().saturating_add(AHEAD_NANOS_MAX))
    }

    /// How the series of a point is written, found once.
    #[inline]
    pub(super) fn slot<'a>(&self, state: &'a mut State, point: &Point, format: Format) -> &'a Slot {
        let series = &point.series;
        let is_known =
            state.series.get(series).is_some_and(|slots| !matches!(slots[format as usize], Slot::Unknown));
        if !is_known {
            let slot = self.render(state, series, format);
            state.has_conflicts |= slot.is_left_for_another();
            state.series.get_or_insert_with(series, Slots::default)[format as usize] = slot;
        }
        let slot = state.series.get(series).map_or(&UNKNOWN, |slots| &slots[format as usize]);
        if let Slot::Rendered(rendered) = slot {
            rendered.meet(point);
        }
        slot
    }

    /// A number that is the same for points of series that are one to the other side.
    pub(super) fn stream(&self, state: &mut State, point: &Point, format: Format) -> usize {
        match self.slot(state, point, format) {
            // By address; mixed, as the low bits are the same in all.
            Slot::Rendered(rendered) => {
                let address = Arc::as_ptr(&rendered.order).addr() as u64;
                (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
            }
            // It is not sent.
            Slot::Left(_) | Slot::Unknown => 0,
        }
    }

    fn render(&self, state: &mut State, series: &Series, format: Format) -> Slot {
        let Some(mut identity) = self.rules.identify(series, format.escaping()) else {
            return Slot::Left(Reason::Unnamed);
        };
        self.add_external(&mut identity.labels, format.escaping());
        // Under other names it is the same series: what was sent is not forgotten with the format.
        let order = match state.series.get(series) {
            Some([Slot::Rendered(rendered), _] | [_, Slot::Rendered(rendered)]) => rendered.order.clone(),
            _ => Arc::new(Order::new()),
        };
        let family = state.family(&identity, &series.metric().description);
        let rendered = Rendered::new(family, &identity.labels, order);
        let ours = self.rules.has_target_info && !is_literal(series.metric());
        if ours && rendered.family.name(Part::Whole) == TARGET_INFO {
            let resource = series.resource();
            let is_own = self.rules.labels.of_target(resource, format.escaping()).is_some();
            if is_own || state.targets.has(&labels::target(resource), format) {
                return Slot::Left(Reason::TargetTold);
            }
        }
        let parts = self.forms.parts(series.metric().kind, format);
        match state.identities[format as usize].claim(rendered, parts) {
            Ok(rendered) => Slot::Rendered(rendered),
            Err(reason) => Slot::Left(reason),
        }
    }

    fn add_external(&self, labels: &mut Labels, escaping: Escaping) {
        for (name, value) in &self.external {
            labels.entry(self.rules.labels.name(name, escaping)).or_insert_with(|| value.clone());
        }
    }

    /// The `target_info` of a resource, with the job and instance it is of; `None` where it has none.
    pub(super) fn render_target(
        &self,
        state: &mut State,
        resource: &Resource,
        format: Format,
    ) -> Option<(Arc<Rendered>, Labels)> {
        let mut labels = self.rules.labels.of_target(resource, format.escaping())?;
        let target = labels::target(resource);
        self.add_external(&mut labels, format.escaping());
        let identity = Identity {
            family: TARGET_INFO.to_owned(),
            metric_type: MetricType::Gauge,
            unit: String::new(),
            labels: Labels::new(),
        };
        let family = state.family(&identity, "Target metadata");
        Some((Arc::new(Rendered::new(family, &labels, Arc::new(Order::new()))), target))
    }
}

impl Slot {
    /// Whether another has its place, who may end.
    fn is_left_for_another(&self) -> bool {
        matches!(self, Self::Left(Reason::TypeConflict | Reason::TargetTold))
    }
}

impl State {
    fn family(&mut self, identity: &Identity, help: &str) -> Arc<Family> {
        let key = (identity.family.as_str().into(), identity.metric_type);
        if let Some(family) = self.families.get(&key).and_then(Weak::upgrade) {
            return family;
        }
        let family = Arc::new(Family::new(&identity.family, identity.metric_type, &identity.unit, help));
        if self.new_families.is_due(self.families.len()) {
            self.families.retain(|_, family| family.strong_count() > 0);
        }
        self.families.insert(key, Arc::downgrade(&family));
        family
    }

    /// The families that series live of, in the order of their names.
    pub(super) fn living_families(&self) -> Vec<Arc<Family>> {
        let mut families: Vec<_> = self.families.values().filter_map(Weak::upgrade).collect();
        families.sort_by(|left, right| left.name(Part::Whole).cmp(right.name(Part::Whole)));
        families
    }

    /// Forgets, a part at a time, what belongs to series that are gone.
    pub(super) fn sweep(&mut self) {
        if self.sweep_from == 0 && self.rested.elapsed() < ROUND_PAUSE {
            return;
        }
        self.sweep_from = self.series.sweep_some(self.sweep_from, SWEEP_COUNT).unwrap_or(0);
        if self.sweep_from == 0 {
            self.rested = Instant::now();
            self.targets.sweep();
            self.families.retain(|_, family| family.strong_count() > 0);
            shrink(&mut self.families);
            self.identities.iter_mut().for_each(Identities::sweep);
            if std::mem::take(&mut self.has_conflicts) {
                self.forget_conflicts();
            }
        }
    }

    /// Lets those that were left out because of others try again.
    fn forget_conflicts(&mut self) {
        for slot in self.series.values_mut().flatten() {
            if slot.is_left_for_another() {
                *slot = Slot::Unknown;
            }
        }
    }
}

impl Identities {
    /// Gives the one that has the name and labels, which may be another series'; or says why none can.
    ///
    /// One of another type is no hindrance once it has ended: the new one goes on with its order.
    fn claim(&mut self, mut rendered: Rendered, parts: &[Part]) -> Result<Arc<Rendered>, Reason> {
        let mut order = rendered.order.clone();
        let hashes: Vec<u64> = parts.iter().map(|part| self.hash(&rendered, *part)).collect();
        for (hash, part) in hashes.iter().zip(parts) {
            let others = self.by_hash.get(hash).into_iter().flatten().filter_map(Weak::upgrade);
            for other in others.filter(|other| other.has_labels_of(&rendered)) {
                if other.family.metric_type == rendered.family.metric_type
                    && other.family.name(Part::Whole) == rendered.family.name(Part::Whole)
                {
                    return Ok(other);
                }
                let name = rendered.family.name(*part);
                if other.family.parts().iter().any(|part| other.family.name(*part) == name) {
                    if !other.is_ended() {
                        return Err(Reason::TypeConflict);
                    }
                    order = other.order.clone();
                }
            }
        }
        if self.new.is_due(self.by_hash.len()) {
            self.sweep();
        }
        rendered.order = order;
        let rendered = Arc::new(rendered);
        for hash in hashes {
            let holders = self.by_hash.entry(hash).or_default();
            // A series that comes and goes does not pile up.
            holders.retain(|holder| holder.strong_count() > 0);
            holders.push(Arc::downgrade(&rendered));
        }
        Ok(rendered)
    }

    /// Forgets who is gone.
    fn sweep(&mut self) {
        self.by_hash.retain(|_, holders| {
            holders.retain(|holder| holder.strong_count() > 0);
            !holders.is_empty()
        });
        shrink(&mut self.by_hash);
    }

    fn hash(&self, rendered: &Rendered, part: Part) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        rendered.family.name(part).hash(&mut hasher);
        rendered.labels().hash(&mut hasher);
        hasher.finish()
    }
}

/// Gives back what a burst took.
fn shrink<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.capacity() > ROOM_MIN + 4 * map.len() {
        map.shrink_to_fit();
    }
}

impl Order {
    pub(super) fn sent_ms(&self) -> i64 {
        self.sent_ms.load(Ordering::Relaxed)
    }

    pub(super) fn mark_sent(&self, time_ms: i64) {
        self.sent_ms.fetch_max(time_ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(value: &str) -> Rendered {
        let labels = Labels::from([(String::from("a"), value.to_owned())]);
        let family = Arc::new(Family::new("x", MetricType::Gauge, "", ""));
        Rendered::new(family, &labels, Arc::new(Order::new()))
    }

    fn held(identities: &Identities) -> usize {
        identities.by_hash.values().map(Vec::len).sum()
    }

    #[test]
    fn a_series_that_comes_and_goes_does_not_pile_up() {
        let mut identities = Identities::default();
        for _ in 0..1000 {
            identities.claim(rendered("b"), &[Part::Whole]).unwrap();
        }
        assert_eq!(held(&identities), 1);
    }

    #[test]
    fn who_is_gone_is_forgotten_and_who_lives_is_not() {
        let mut identities = Identities::default();
        let kept = identities.claim(rendered("kept"), &[Part::Whole]).unwrap();
        for index in 0..10_000 {
            identities.claim(rendered(&index.to_string()), &[Part::Whole]).unwrap();
            assert!(held(&identities) <= 40, "{index}");
        }
        assert!(Arc::ptr_eq(&identities.claim(rendered("kept"), &[Part::Whole]).unwrap(), &kept));
        identities.sweep();
        assert_eq!(held(&identities), 1);
    }

    #[test]
    fn a_burst_leaves_no_room_behind() {
        let mut identities = Identities::default();
        let claim = |index: i32| identities.claim(rendered(&index.to_string()), &[Part::Whole]).unwrap();
        drop((0..10_000).map(claim).collect::<Vec<_>>());
        identities.sweep();
        assert!(identities.by_hash.capacity() <= ROOM_MIN, "{}", identities.by_hash.capacity());
    }

    #[test]
    fn many_that_live_are_seldom_looked_through() {
        let mut pace = Pace::default();
        let looked_at: usize = (0..100_000).filter(|len| pace.is_due(*len)).sum();
        assert!(looked_at < 400_000, "{looked_at}");
    }
}
