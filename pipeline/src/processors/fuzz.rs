//! Body of a fuzz target: any points through the processors that change what they count since when.
//!
//! The target is one line that calls this; a test calls it with random bytes.

mod counter;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use config::Section;
use futures_util::FutureExt;

use self::counter::Counter;
use self::stream::{SHAPES, Stream, is_consistent};
use super::PROCESSORS;
use crate::choices::Choices;
use crate::component::{BatchProcessor, Context, Processor};
use crate::net::Net;
use crate::point::Value;
use crate::telemetry::ledger::Ledger;
use crate::{Batch, Clock, Point, Registry};

/// When the processors begin, in nanoseconds since 1970.
const BEGUN: u64 = 100;

const STEPS_MAX: usize = 300;

const INITIAL_VALUES: [&str; 3] = ["auto", "keep", "drop"];

/// Streams that some runs have room for, and some do not.
const STREAMS_MAX: [usize; 2] = [3, 100];

/// A processor, and what it counts.
struct Stage {
    processor: Box<dyn BatchProcessor>,
    ledger: Ledger,
    streams_max: usize,
}

/// Cumulative points made deltas and added up again, and the same points given a start.
struct Run {
    streams: Vec<Stream>,
    to_delta: Stage,
    to_cumulative: Stage,
    start_time: Stage,
    counter: Counter,
    /// For each stream the last delta: when it ended.
    ends: Vec<u64>,
    /// For each stream the last sum: since when, until when, and how much.
    sums: Vec<Option<(u64, u64, f64)>>,
}

/// Takes points of any streams through, as the bytes say.
pub fn temporality(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without drivers");
    let _inside = runtime.enter();
    let mut choices = Choices::new(bytes);
    let mut run = Run::new(&mut choices);
    let mut batch = Batch::new();
    for _ in 0..STEPS_MAX {
        match choices.below(16) {
            _ if choices.is_empty() => break,
            0 => run.wait(Duration::from_mins(choices.byte().into())),
            1 => run.sweep(),
            2..6 => run.feed(std::mem::take(&mut batch)),
            _ => {
                let index = choices.below(run.streams.len());
                batch.push(run.streams[index].point(&mut choices));
            }
        }
    }
    run.feed(batch);
}

impl Stage {
    fn new(name: &str, yaml: &str, (registry, streams_max): (&Arc<Registry>, usize)) -> Self {
        let ledger = Ledger::default();
        let context = Context {
            id: name.to_owned(),
            registry: registry.clone(),
            clock: Clock::starting_at(BEGUN),
            meter: ledger.meter(),
            net: Arc::new(Net::default()),
            mappings: Arc::default(),
            storages: Arc::default(),
        };
        let yaml = format!("{{max_streams: {streams_max}, {yaml}}}");
        let section = Section::from_yaml("processors.fuzz", &yaml).expect("a section");
        let entry = PROCESSORS.iter().find(|entry| entry.name == name).expect("a processor");
        match (entry.build)(&section, &context) {
            Ok(Processor::Batch(processor)) => Self { processor, ledger, streams_max },
            other => panic!("{other:?}"),
        }
    }

    /// What becomes of a batch. Whatever does not go on is counted, and no more is remembered than may be.
    fn feed(&mut self, mut batch: Batch) -> Batch {
        let dropped = || self.ledger.sum("inferometer_processor_dropped_metric_points{");
        let (came, dropped_before) = (batch.len() as u64, dropped());
        self.processor.process(&mut batch);
        assert_eq!(came, batch.len() as u64 + dropped() - dropped_before);
        assert!(self.ledger.sum("inferometer_processor_streams{") <= self.streams_max as u64);
        batch
    }
}

impl Run {
    fn new(choices: &mut Choices<'_>) -> Self {
        let registry = Arc::new(Registry::new(100));
        let initial_value = INITIAL_VALUES[choices.below(3)];
        let streams_max = STREAMS_MAX[choices.below(2)];
        let room = (&registry, streams_max);
        let strategy = ["true_reset_point", "subtract_initial_point"][choices.below(2)];
        let gaps = ["add", "reset"][choices.below(2)];
        let streams: Vec<Stream> = (0..SHAPES).map(|index| Stream::new(index, &registry)).collect();
        Self {
            to_delta: Stage::new("cumulative_to_delta", &format!("initial_value: {initial_value}"), room),
            to_cumulative: Stage::new("delta_to_cumulative", &format!("gaps: {gaps}"), room),
            start_time: Stage::new("metric_start_time", &format!("strategy: {strategy}"), room),
            counter: Counter::new(initial_value, streams_max >= streams.len()),
            ends: vec![0; streams.len()],
            sums: vec![None; streams.len()],
            streams,
        }
    }

    fn wait(&mut self, time: Duration) {
        // Nothing else runs that would have to be let on.
        let _ = tokio::time::advance(time).now_or_never();
        self.counter.wait(time);
    }

    fn sweep(&mut self) {
        for stage in [&mut self.to_delta, &mut self.to_cumulative, &mut self.start_time] {
            stage.processor.sweep();
        }
        self.counter.sweep();
    }

    fn feed(&mut self, batch: Batch) {
        let started = self.start_time.feed(batch.clone());
        assert!(
            started
                .iter()
                .all(|point| point.start_unix_nano <= point.time_unix_nano || came_so(&batch, point))
        );
        let deltas = self.to_delta.feed(batch.clone());
        self.counter.check(&batch, &deltas);
        deltas.iter().for_each(|point| self.check_delta(point));
        let sums = self.to_cumulative.feed(deltas);
        sums.iter().for_each(|point| self.check_sum(point));
    }

    fn index(&self, point: &Point) -> usize {
        let name = &point.series.metric().name;
        self.streams.iter().position(|stream| stream.name() == name).expect("one of the streams")
    }

    /// Deltas do not overlap, and say nothing that cannot be.
    fn check_delta(&mut self, point: &Point) {
        if point.is_stale() {
            return;
        }
        let index = self.index(point);
        let (start, time) = (point.start_unix_nano, point.time_unix_nano);
        assert!(start <= time, "{point:?}");
        let end = std::mem::replace(&mut self.ends[index], time);
        assert!(
            start >= end || start == 0 || self.counter.has_waited(),
            "{point:?} overlaps what ended at {end}"
        );
        check_value(&point.value, self.streams[index].is_consistent);
    }

    /// A sum grows, or begins anew.
    fn check_sum(&mut self, point: &Point) {
        let index = self.index(point);
        if point.is_stale() {
            self.sums[index] = None;
            return;
        }
        check_value(&point.value, self.streams[index].is_consistent);
        let (start, time) = (point.start_unix_nano, point.time_unix_nano);
        let sum = match &point.value {
            Value::Int(value) => *value as f64,
            Value::Double(value) => *value,
            Value::Histogram(histogram) => histogram.count as f64,
            Value::ExponentialHistogram(histogram) => histogram.count as f64,
            Value::Empty | Value::Summary(_) => return,
        };
        // What took no time may have begun anew at the same; what was forgotten comes whole again.
        if let Some((since, until, before)) = self.sums[index].replace((start, time, sum))
            && since == start
            && since < until
            && !self.counter.has_waited()
        {
            assert!(sum >= before, "{point:?} is less than {before}");
        }
    }
}

/// Whether a point came with the start that it has.
fn came_so(batch: &Batch, point: &Point) -> bool {
    let mut came = batch.iter().filter(|other| other.series == point.series);
    came.any(|other| other.start_unix_nano == point.start_unix_nano)
}

#[track_caller]
fn check_value(value: &Value, is_consistent_stream: bool) {
    match value {
        Value::Int(value) => assert!(*value >= 0, "{value}"),
        Value::Double(value) => assert!(*value >= 0.0 && value.is_finite(), "{value}"),
        value => assert!(!is_consistent_stream || is_consistent(value), "{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn whatever_comes_is_counted_once_or_said_to_be_dropped() {
        for seed in 0..2000 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut bytes = vec![0; random.random_range(10..1500)];
            random.fill(&mut bytes[..]);
            super::temporality(&bytes);
        }
    }
}
