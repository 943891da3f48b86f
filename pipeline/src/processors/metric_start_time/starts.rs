//! When the processes behind resources started, as a metric of theirs tells.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tokio::time::Instant;

use crate::growth::number;
use crate::metric::{Kind, Resource, Temporality};
use crate::per_series::PerSeries;
use crate::point::Point;
use crate::series::Series;

pub(super) struct Starts {
    pattern: Regex,
    resources_max: usize,
    age_max: Duration,
    roles: PerSeries<Role>,
    known: HashMap<Arc<Resource>, Start>,
    /// Points of one resource mostly come one after the other.
    last: Option<(Arc<Resource>, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Passes,
    /// Tells the start of its resource.
    Tells,
    /// Wants a start.
    Cumulative,
}

struct Start {
    unix_nano: u64,
    told: Instant,
}

impl Starts {
    pub(super) fn new(pattern: Regex, resources_max: usize, age_max: Duration) -> Self {
        Self {
            pattern,
            resources_max,
            age_max,
            roles: PerSeries::default(),
            known: HashMap::new(),
            last: None,
        }
    }

    /// Looks whether the point tells a start.
    pub(super) fn learn(&mut self, point: &Point) {
        if self.role(&point.series) != Role::Tells {
            return;
        }
        let Some(seconds) = number(&point.value).filter(|seconds| *seconds > 0.0) else { return };
        let start = Start { unix_nano: (seconds * 1e9) as u64, told: Instant::now() };
        let resource = point.series.resource();
        self.last = None;
        if let Some(known) = self.known.get_mut(resource) {
            *known = start;
        } else if self.known.len() < self.resources_max {
            self.known.insert(resource.clone(), start);
        }
    }

    /// Gives the point the start of its resource, where it has none and it is known.
    pub(super) fn start(&mut self, point: &mut Point) {
        if point.start_unix_nano != 0 || self.role(&point.series) != Role::Cumulative {
            return;
        }
        let start = self.start_of(point.series.resource());
        if start <= point.time_unix_nano {
            point.start_unix_nano = start;
        }
    }

    fn start_of(&mut self, resource: &Arc<Resource>) -> u64 {
        match &self.last {
            Some((last, start)) if Arc::ptr_eq(last, resource) => *start,
            _ => {
                let start = self.known.get(resource).map_or(0, |start| start.unix_nano);
                self.last = Some((resource.clone(), start));
                start
            }
        }
    }

    fn role(&mut self, series: &Series) -> Role {
        let pattern = &self.pattern;
        *self.roles.get_or_insert_with(series, || {
            let metric = series.metric();
            match metric.kind {
                Kind::Gauge | Kind::Sum { .. } if pattern.is_match(&metric.name) => Role::Tells,
                Kind::Summary => Role::Cumulative,
                kind if kind.temporality() == Some(Temporality::Cumulative) => Role::Cumulative,
                _ => Role::Passes,
            }
        })
    }

    /// How many resources there are whose start is known.
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }

    pub(super) fn sweep(&mut self) {
        self.roles.sweep();
        self.last = None;
        self.known.retain(|_, start| start.told.elapsed() <= self.age_max);
    }
}
