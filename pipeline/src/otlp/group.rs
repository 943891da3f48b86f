//! Groups a batch's points by metric, scope and resource, as a request holds them.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::batch::Batch;
use crate::metric::{Metric, Resource, Scope};
use crate::series::Series;

/// Points of one metric that stand side by side in a batch.
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// The series of the first of them, for what all share.
    pub(super) series: &'a Series,
    pub(super) points: Range<usize>,
    /// What is new here, compared to the run before.
    pub(super) level: Level,
}

/// How much of what is around the points changes with a run; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// More points of the same metric.
    Points,
    Metric,
    Scope,
    Resource,
}

/// Cuts a batch into runs, and puts runs of one resource, scope or metric next to each other where a
/// batch that was merged from several mixes them.
pub(super) fn runs(batch: &Batch) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    for (index, point) in batch.iter().enumerate() {
        let level = runs.last().map_or(Level::Resource, |run| level(run.series, &point.series));
        match runs.last_mut() {
            Some(run) if level == Level::Points => run.points.end = index + 1,
            _ => runs.push(Run { series: &point.series, points: index..index + 1, level }),
        }
    }
    if is_mixed(&runs) {
        unmix(&mut runs);
    }
    runs
}

/// What is new with `series` after `previous`; a shared part is recognised by its address.
#[inline]
fn level(previous: &Series, series: &Series) -> Level {
    if !Arc::ptr_eq(previous.resource(), series.resource()) {
        Level::Resource
    } else if !Arc::ptr_eq(previous.scope(), series.scope()) {
        Level::Scope
    } else if !Arc::ptr_eq(previous.metric(), series.metric()) {
        Level::Metric
    } else {
        Level::Points
    }
}

/// Whether a resource, or a scope of one, comes again after another. That a metric does is let pass:
/// to find out would cost more than to say its name twice.
fn is_mixed(runs: &[Run<'_>]) -> bool {
    let (mut resources, mut scopes) = (HashSet::new(), HashSet::new());
    runs.iter().filter(|run| run.level >= Level::Scope).any(|run| {
        let (resource, scope, _) = addresses(run.series);
        (run.level == Level::Resource && !resources.insert(resource)) || !scopes.insert((resource, scope))
    })
}

fn unmix(runs: &mut [Run<'_>]) {
    let mut places = [HashMap::new(), HashMap::new(), HashMap::new()];
    // Where each part was first met, so that what comes first stays first.
    for (place, run) in runs.iter().enumerate() {
        let (resource, scope, metric) = addresses(run.series);
        for (places, key) in places.iter_mut().zip(prefixes(resource, scope, metric)) {
            places.entry(key).or_insert(place);
        }
    }
    runs.sort_by_cached_key(|run| {
        let (resource, scope, metric) = addresses(run.series);
        let keys = prefixes(resource, scope, metric);
        [0, 1, 2].map(|index| places[index].get(&keys[index]).copied())
    });
    for index in (1..runs.len()).rev() {
        runs[index].level = level(runs[index - 1].series, runs[index].series);
    }
}

type Addresses = (*const Resource, *const Scope, *const Metric);

fn addresses(series: &Series) -> Addresses {
    (Arc::as_ptr(series.resource()), Arc::as_ptr(series.scope()), Arc::as_ptr(series.metric()))
}

fn prefixes(resource: *const Resource, scope: *const Scope, metric: *const Metric) -> [Addresses; 3] {
    use std::ptr::null;
    [(resource, null(), null()), (resource, scope, null()), (resource, scope, metric)]
}
