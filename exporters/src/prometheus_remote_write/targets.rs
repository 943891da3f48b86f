//! When `target_info` is sent: for each job and instance one series, now and then, by one request at a time.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use pipeline::Resource;

use super::Format;
use super::memory::{Memory, State};
use super::rendered::Rendered;
use crate::prometheus::labels::{self, Labels};

/// It is sent again after this time: often enough that it does not vanish while others of its target are there.
const REPEAT_MS: i64 = 60_000;

/// A resource not heard of for this long gives its place to another with the same job and instance.
const SILENCE_MS: i64 = 300_000;

/// The resources that have a `target_info`.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// By address, and by format.
    resources: HashMap<(usize, u8), Known>,
    /// By job and instance, and by format.
    holders: HashMap<(Arc<str>, u8), Holder>,
}

#[derive(Debug)]
struct Known {
    /// The weak handle keeps the address from being reused.
    resource: Weak<Resource>,
    /// With its job and instance; `None` where it has none.
    info: Option<(Arc<str>, Arc<Rendered>)>,
    /// Whether it has never been the one that is told of its target.
    is_new: bool,
}

/// Who tells of a target.
#[derive(Debug)]
struct Holder {
    info: Arc<Rendered>,
    /// Who did before, and is still to be ended.
    ended: Option<Arc<Rendered>>,
    heard_ms: i64,
    tried_ms: i64,
    sent_ms: i64,
    /// Whether a request under way has it.
    is_under_way: bool,
}

/// What a request says of resources; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Claims {
    memory: Arc<Memory>,
    keys: Vec<(Arc<str>, u8)>,
    pub(super) told: Vec<Told>,
    is_sent: bool,
}

/// One sample: that a target is there, or is not any more.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) info: Arc<Rendered>,
    pub(super) time_ms: i64,
    pub(super) is_stale: bool,
}

impl Targets {
    /// Whether one is told of the target with this job and instance.
    pub(super) fn has(&self, target: &Labels, format: Format) -> bool {
        self.holders.contains_key(&(Arc::from(labels::render(target)), format as u8))
    }

    /// Forgets the resources and targets that are gone.
    pub(super) fn sweep(&mut self) {
        self.resources.retain(|_, known| known.resource.strong_count() > 0);
        let living: std::collections::HashSet<(Arc<str>, u8)> = self
            .resources
            .iter()
            .filter_map(|((_, format), known)| Some((known.info.as_ref()?.0.clone(), *format)))
            .collect();
        self.holders.retain(|key, holder| holder.is_under_way || living.contains(key));
    }
}

impl Claims {
    pub(super) fn new(memory: &Arc<Memory>) -> Self {
        Self { memory: memory.clone(), keys: Vec::new(), told: Vec::new(), is_sent: false }
    }

    /// Takes what is to be said of a resource now, if that is anything.
    pub(super) fn claim(
        &mut self,
        state: &mut State,
        resource: &Arc<Resource>,
        time_ms: i64,
        format: Format,
    ) {
        let key = (Arc::as_ptr(resource).addr(), format as u8);
        if !state.targets.resources.contains_key(&key) {
            let info = self.memory.render_target(state, resource, format);
            let info = info.map(|(info, target)| (Arc::from(labels::render(&target)), info));
            let known = Known { resource: Arc::downgrade(resource), info, is_new: true };
            state.targets.resources.insert(key, known);
        }
        let Targets { resources, holders } = &mut state.targets;
        let Some(known) = resources.get_mut(&key) else { return };
        let Some((target, info)) = known.info.clone() else { return };
        let key = (target, format as u8);
        let holder = holders.entry(key.clone()).or_insert_with(|| Holder::new(info.clone()));
        if !holder.is_of(&info) && !holder.yield_to(&info, time_ms, known.is_new) {
            return;
        }
        known.is_new = false;
        holder.heard_ms = holder.heard_ms.max(time_ms);
        if holder.is_due(time_ms) {
            holder.is_under_way = true;
            holder.tried_ms = time_ms;
            self.keys.push(key);
            self.told.extend(holder.ended.clone().map(|info| Told { info, time_ms, is_stale: true }));
            self.told.push(Told { info, time_ms, is_stale: false });
        }
    }

    /// Nobody knows whether it was taken: it is not told again before later points.
    pub(super) fn put_off(&mut self) {
        let mut state = self.memory.lock();
        for key in &self.keys {
            if let Some(holder) = state.targets.holders.get_mut(key) {
                holder.tried_ms = holder.tried_ms.saturating_add(1);
            }
        }
    }

    pub(super) fn mark_sent(&mut self) {
        self.is_sent = true;
    }
}

impl Drop for Claims {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let mut state = self.memory.lock();
        for key in &self.keys {
            if let Some(holder) = state.targets.holders.get_mut(key) {
                holder.is_under_way = false;
                if self.is_sent {
                    holder.sent_ms = holder.tried_ms;
                    holder.ended = None;
                }
            }
        }
    }
}

impl Holder {
    fn new(info: Arc<Rendered>) -> Self {
        Self {
            info,
            ended: None,
            heard_ms: i64::MIN,
            tried_ms: i64::MIN,
            sent_ms: i64::MIN,
            is_under_way: false,
        }
    }

    fn is_of(&self, info: &Rendered) -> bool {
        self.info.has_labels_of(info)
    }

    /// The newest wins; the one before only comes back when the newest is silent.
    fn yield_to(&mut self, info: &Arc<Rendered>, time_ms: i64, is_new: bool) -> bool {
        let is_silent = time_ms.saturating_sub(SILENCE_MS) > self.heard_ms;
        let is_free = !self.is_under_way && time_ms > self.tried_ms;
        if !(is_free && (is_new || is_silent)) {
            return false;
        }
        let ended = (self.sent_ms > i64::MIN).then(|| self.info.clone()).or_else(|| self.ended.clone());
        *self = Self {
            ended: ended.filter(|ended| !ended.has_labels_of(info)),
            tried_ms: self.tried_ms,
            ..Self::new(info.clone())
        };
        true
    }

    fn is_due(&self, time_ms: i64) -> bool {
        !self.is_under_way
            && time_ms >= self.tried_ms
            && time_ms > self.sent_ms
            && time_ms.saturating_sub(REPEAT_MS) >= self.sent_ms
    }
}
