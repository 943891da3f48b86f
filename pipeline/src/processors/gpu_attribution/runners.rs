//! The runners that are scraped: where they are, what they serve, and what they do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::machine::{Process, Reading};
use super::window::{MINUTE, Window};
use super::{LIVE, MODEL, PORT, PROVIDER};
use crate::mapping::RUNNER;
use crate::series::Series;
use crate::value::ValueRef;

/// Runners that are remembered.
const RUNNERS_MAX: usize = 1024;
/// Models of a runner; beyond the first they only tell that it has several.
const MODELS_MAX: usize = 16;
/// A model that was not heard of for so long while another was is not served any more.
const MODEL_KEPT: u64 = 2 * MINUTE;

#[derive(Debug, Default)]
pub(super) struct Runners {
    by_id: HashMap<u64, Runner>,
    by_place: HashMap<(String, i64), u64>,
    next: u64,
    /// Counts what may change which process serves what.
    pub(super) changes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Runner {
    address: String,
    port: i64,
    pod: Pod,
    /// What its resource, or else its points, say is served, and when that was last heard.
    models: BTreeMap<Arc<str>, u64>,
    pub(super) provider: Option<Arc<str>>,
    pub(super) tokens: Window,
    /// When it was last heard what it does, and from which series; `None` where that series has ended.
    pub(super) work_seen: Option<(u64, u64)>,
    /// When it last did something; at first, when it was first heard what it does.
    pub(super) busy: u64,
    /// The share of a GPU's memory that it claims.
    pub(super) claim: Option<Reading>,
    pub(super) seen: u64,
}

/// A pod's namespace and name, where they are known.
pub(super) type Pod = Option<(String, String)>;

impl Runners {
    /// The runner that a series is of; `None` where it is no scraped runner's.
    pub(super) fn of(&mut self, series: &Series, now: u64) -> Option<u64> {
        let of_resource = |key| series.resource().attributes.get(key);
        let place = (text(of_resource("server.address"))?, port(of_resource(PORT)?)?);
        let id = match self.by_place.get(&place) {
            Some(id) => *id,
            None if self.by_id.len() >= RUNNERS_MAX => return None,
            None => {
                self.next += 1;
                self.changes += 1;
                let (address, port) = place.clone();
                let pod = pod(of_resource);
                let runner = Runner { address, port, pod, busy: now, ..Runner::default() };
                self.by_place.insert(place, self.next);
                self.by_id.insert(self.next, runner);
                self.next
            }
        };
        let runner = self.by_id.get_mut(&id)?;
        runner.seen = now;
        if runner.learn(series) {
            self.changes += 1;
        }
        if let Some(model) = model_of(series) {
            self.hear(id, &model, now);
        }
        Some(id)
    }

    /// A point of the runner is about a model.
    pub(super) fn hear(&mut self, id: u64, model: &Arc<str>, now: u64) {
        let Some(runner) = self.by_id.get_mut(&id) else { return };
        if let Some(heard) = runner.models.get_mut(model) {
            *heard = now;
        } else if runner.models.len() < MODELS_MAX {
            runner.models.insert(model.clone(), now);
            self.changes += 1;
        }
    }

    pub(super) fn has(&self, id: u64) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The runner and its port.
    pub(super) fn get(&self, id: u64) -> (i64, &Runner) {
        let runner = &self.by_id[&id];
        (runner.port, runner)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Runner> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn forget_silent(&mut self, now: u64) {
        for runner in self.by_id.values_mut() {
            let (before, last) = (runner.models.len(), runner.models.values().copied().max());
            runner.models.retain(|_, heard| last.is_none_or(|last| heard.saturating_add(MODEL_KEPT) >= last));
            self.changes += u64::from(runner.models.len() != before);
        }
        let before = self.by_id.len();
        self.by_id.retain(|_, runner| runner.seen.saturating_add(LIVE) >= now);
        if self.by_id.len() != before {
            self.changes += 1;
            self.by_place.retain(|_, id| self.by_id.contains_key(id));
        }
    }

    /// The runner that a process is: the nearest of its ports at which one is scraped.
    ///
    /// With GPUs of several hosts in the stream an address such as `127.0.0.1` may be any host's, so only names count.
    /// A port that is contested tells nothing but by a pod's name.
    pub(super) fn serving(
        &self,
        process: &Process,
        is_only_host: bool,
        is_contested: impl Fn(i64) -> bool,
    ) -> Option<u64> {
        let at = |port: &i64| self.at(*port, process, is_only_host, is_contested(*port));
        process.ports.iter().find_map(at)
    }

    fn at(&self, port: i64, process: &Process, is_only_host: bool, is_contested: bool) -> Option<u64> {
        let mut at_port: Vec<_> = self.by_id.iter().filter(|(_, runner)| runner.port == port).collect();
        at_port.sort_by_key(|(id, _)| **id);
        if let Some(pod) = &process.pod {
            let of_pod = at_port.iter().find(|(_, runner)| runner.pod.as_ref() == Some(pod));
            if let Some((id, _)) = of_pod {
                return Some(**id);
            }
            // Another pod's is not this one's.
            at_port.retain(|(_, runner)| runner.pod.is_none());
        }
        if is_contested {
            return None;
        }
        // The same one may be scraped by two names; it is the first then.
        let is_local = |runner: &Runner| runner.is_at(&process.host) || is_only_host && runner.is_loopback();
        let local = at_port.iter().find(|(_, runner)| is_local(runner)).map(|(id, _)| **id);
        let only = || match at_port[..] {
            [(id, _)] if is_only_host => Some(*id),
            _ => None,
        };
        local.or_else(only)
    }
}

impl Runner {
    /// The one model that it serves; none where it serves several.
    pub(super) fn model(&self) -> Option<&str> {
        match self.models.len() {
            1 => self.models.first_key_value().map(|(model, _)| &**model),
            _ => None,
        }
    }

    /// Takes from a series what the runner is; says whether that is news.
    fn learn(&mut self, series: &Series) -> bool {
        let (resource, point) = (&series.resource().attributes, series.attributes());
        let before = self.provider.clone();
        let provider = text(point.get(PROVIDER)).or_else(|| text(resource.get(PROVIDER)));
        if let Some(provider) = provider.or_else(|| text(resource.get(RUNNER))) {
            self.provider = Some(provider.into());
        }
        self.provider != before
    }

    fn is_loopback(&self) -> bool {
        let address = self.address.trim_matches(['[', ']']);
        address == "localhost" || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }

    /// Whether the address is a host's name, with or without its domain.
    fn is_at(&self, host: &str) -> bool {
        let short = |name: &str| name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let is_name = !host.is_empty() && self.address.parse::<std::net::IpAddr>().is_err();
        is_name
            && (self.address.eq_ignore_ascii_case(host)
                || (!(self.address.contains('.') && host.contains('.'))
                    && short(&self.address) == short(host)))
    }
}

/// The model that a series of a runner is about: what was said to whom it scrapes comes first.
pub(super) fn model_of(series: &Series) -> Option<Arc<str>> {
    let of_resource = text(series.resource().attributes.get(MODEL));
    of_resource.or_else(|| text(series.attributes().get(MODEL))).map(Arc::from)
}

pub(super) fn text(value: Option<ValueRef<'_>>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn port(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Int(port) => Some(port),
        ValueRef::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn pod<'a>(get: impl Fn(&'static str) -> Option<ValueRef<'a>>) -> Pod {
    Some((text(get("k8s.namespace.name"))?, text(get("k8s.pod.name"))?))
}
