//! Body of a fuzz target: what goes into a queue comes out of it once and in order, however it is joined and cut.
//!
//! The target is one line that calls this; a test calls it with random bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::config::{BatchConfig, BatchSizer, QueueConfig};
use super::load::Load;
use super::parcel::{Parcel, Piece, divide};
use super::resources::Resources;
use super::select::{Choice, Rule, Waiting};
use super::size::{Size, encoded_size};
use crate::choices::Choices;
use crate::point::Histogram;
use crate::{Attributes, Batch, Kind, Metric, Point, Registry, Resource, Scope, Series, Temporality, Value};

const RESOURCES: usize = 4;

const STEPS_MAX: usize = 200;

/// A queue, and what is to come out of it.
struct Run {
    rule: Rule,
    config: QueueConfig,
    waiting: Waiting,
    under_way: Vec<Resources>,
    series: Vec<Series>,
    /// The times of the points that wait, by the slot of their series; each time is given once.
    expected: HashMap<usize, VecDeque<u64>>,
    time: u64,
    batches: u64,
    requests: u64,
}

/// Lets batches into a queue and requests out of it, as the bytes say.
pub fn queue(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut run = Run::new(&mut choices);
    for _ in 0..STEPS_MAX {
        match choices.below(4) {
            _ if choices.is_empty() => break,
            0 | 1 => run.push(&mut choices),
            2 => run.send(false, choices.below(4) + 1),
            _ => run.release(choices.below(4)),
        }
    }
    while !run.waiting.is_empty() {
        run.send(true, 2);
        run.release(0);
    }
    assert_eq!((run.waiting.size(), run.requests), (Size::default(), run.batches));
    assert!(run.expected.values().all(VecDeque::is_empty));
}

impl Run {
    fn new(choices: &mut Choices<'_>) -> Self {
        let min_size = choices.below(64) as u64;
        let max_size = [0, min_size.max(1) + choices.below(64) as u64][choices.below(2)];
        let sizer = [BatchSizer::Items, BatchSizer::Bytes][choices.below(2)];
        // Points are of some fifty bytes and more.
        let factor = if sizer == BatchSizer::Bytes { 50 } else { 1 };
        let (min_size, max_size) = (min_size * factor, max_size * factor);
        let batch = BatchConfig { min_size, max_size, sizer: Some(sizer), ..BatchConfig::default() };
        let config = QueueConfig {
            num_consumers: [1, 4][choices.below(2)],
            batch: [None, Some(batch)][choices.below(2)].take(),
            ..QueueConfig::default()
        };
        Self {
            rule: Rule::of(&config),
            config,
            waiting: Waiting::default(),
            under_way: Vec::new(),
            series: series(),
            expected: HashMap::new(),
            time: 0,
            batches: 0,
            requests: 0,
        }
    }

    fn push(&mut self, choices: &mut Choices<'_>) {
        let batch: Batch = (0..=choices.below(24)).map(|_| self.point(choices)).collect();
        for point in &batch {
            self.expected.entry(point.series.slot()).or_default().push_back(point.time_unix_nano);
        }
        self.batches += 1;
        self.waiting.push(Piece::new(Load::new(Arc::new(batch)), None));
        if choices.below(16) == 0 {
            self.waiting.bound.narrow();
        }
    }

    fn point(&mut self, choices: &mut Choices<'_>) -> Point {
        self.time += 1;
        let choice = choices.byte();
        let series = self.series[usize::from(choice) % self.series.len()].clone();
        let value = if matches!(series.metric().kind, Kind::Gauge) {
            Value::Int(1)
        } else {
            let bucket_counts = vec![1; usize::from(choice / 8)];
            Value::Histogram(Box::new(Histogram { bucket_counts, ..Histogram::default() }))
        };
        Point::new(series, self.time, value)
    }

    fn send(&mut self, in_a_hurry: bool, parts: usize) {
        let Choice::Send(mut parcel) = self.waiting.choose(&self.rule, in_a_hurry) else { return };
        let Parcel { size, .. } = parcel;
        let batch = parcel.merge();
        self.requests += size.requests;
        assert!(!batch.is_empty());
        assert_eq!(size.points, batch.len() as u64);
        assert_eq!(size.bytes, batch.iter().map(encoded_size).sum::<u64>());
        self.check_limit(&batch, size);
        let meets = |others: &Resources| parcel.resources.iter().any(|id| others.contains(id));
        assert!(!self.under_way.iter().any(meets), "a resource is in two requests at once");
        if self.config.num_consumers > 1 {
            self.under_way.push(parcel.resources);
        }
        for part in divide(batch, None, parts) {
            for point in &part {
                let next = self.expected.get_mut(&point.series.slot()).and_then(VecDeque::pop_front);
                assert_eq!(next, Some(point.time_unix_nano), "a point was lost, came twice or too soon");
            }
        }
    }

    fn check_limit(&self, batch: &Batch, size: Size) {
        let Some(BatchConfig { max_size: max_size @ 1.., sizer, .. }) = &self.config.batch else { return };
        let measured = if *sizer == Some(BatchSizer::Bytes) { size.bytes } else { size.points };
        assert!(measured <= *max_size || batch.len() == 1, "{measured} is more than {max_size}");
    }

    /// One of the requests that are under way has ended.
    fn release(&mut self, index: usize) {
        if index < self.under_way.len() {
            let resources = self.under_way.swap_remove(index);
            self.waiting.release(&resources);
        }
    }
}

/// A gauge and a histogram of each resource.
fn series() -> Vec<Series> {
    let registry = Registry::new(2 * RESOURCES);
    let scope = registry.scope(Scope::default());
    let histogram = Kind::Histogram { temporality: Temporality::Delta };
    let metrics = [("g", Kind::Gauge), ("h", histogram)]
        .map(|(name, kind)| registry.metric(Metric::new(name, "", kind)));
    let mut series = Vec::new();
    for index in 0..RESOURCES {
        let attributes = Attributes::of_strings([("service.instance.id", index.to_string().as_str())]);
        let resource = registry.resource(Resource { attributes, ..Resource::default() });
        for metric in &metrics {
            let made = registry.series(&resource, &scope, metric, Attributes::default());
            series.push(made.expect("there is room for these"));
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn what_goes_in_comes_out_however_it_is_joined_and_cut() {
        for seed in 0..2000 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut bytes = vec![0; random.random_range(10..600)];
            random.fill(&mut bytes[..]);
            super::queue(&bytes);
        }
    }
}
