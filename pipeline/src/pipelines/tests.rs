mod again;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::component::{BatchProcessor, SeriesProcessor};
use crate::delivery::scripted::{Act, Scripted, batch, context, in_order, start, start_direct};
use crate::delivery::{BatchConfig, Config, QueueConfig};
use crate::output::Output;
use crate::telemetry::ledger::Ledger;
use crate::{Attributes, Full, Metric, Point, Registry, Series, Value};

type Asked = Arc<AtomicU64>;

/// Puts a prefix before the name, and counts how often it is asked.
struct Prefix {
    text: &'static str,
    registry: Arc<Registry>,
    asked: Asked,
}

/// Drops the series of this name.
struct Without(&'static str);

/// Changes nothing.
struct Keep;

/// Adds what it has seen so far to each point, so that the order and repetitions show.
#[derive(Default)]
struct Running {
    sum: i64,
}

struct Panics;

impl SeriesProcessor for Prefix {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut metric = Metric::clone(series.metric());
        metric.name.insert_str(0, self.text);
        let metric = self.registry.metric(metric);
        let attributes = series.attributes().clone();
        self.registry.series(series.resource(), series.scope(), &metric, attributes).map(Some)
    }
}

impl SeriesProcessor for Without {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        Ok((series.metric().name != self.0).then(|| series.clone()))
    }
}

impl SeriesProcessor for Keep {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        Ok(Some(series.clone()))
    }
}

impl BatchProcessor for Running {
    fn process(&mut self, batch: &mut Batch) {
        for point in batch {
            if let Value::Int(value) = &mut point.value {
                self.sum += *value;
                *value = self.sum;
            }
        }
    }

    fn sweep(&mut self) {
        self.sum = 0;
    }
}

/// Sends a point of its own at each tick.
struct Ticks(Series);

impl BatchProcessor for Ticks {
    fn process(&mut self, _: &mut Batch) {}

    fn tick(&mut self) -> Batch {
        Batch::from_iter([Point::new(self.0.clone(), 1, Value::Int(7))])
    }

    fn sweep(&mut self) {}
}

impl SeriesProcessor for Panics {
    fn process(&self, _: &Series) -> Result<Option<Series>, Full> {
        panic!("as told")
    }
}

fn prefix(prefix: &'static str, registry: &Arc<Registry>, asked: &Asked) -> (String, Processor) {
    let processor = Prefix { text: prefix, registry: registry.clone(), asked: asked.clone() };
    (prefix.to_owned(), Processor::Series(Box::new(processor)))
}

fn series(id: &str, processor: impl SeriesProcessor + 'static) -> (String, Processor) {
    (id.to_owned(), Processor::Series(Box::new(processor)))
}

fn running() -> (String, Processor) {
    ("running".to_owned(), Processor::Batch(Box::<Running>::default()))
}

fn chain(processors: Vec<(String, Processor)>, ledger: &Ledger) -> Chain {
    let mut chain = Chain::default();
    for (id, processor) in processors {
        chain.push(processor, ProcessorMetrics::new(&ledger.meter(), &id));
    }
    chain
}

fn point(registry: &Registry, name: &str) -> Point {
    let metric = registry.metric(Metric::new(name, "", crate::Kind::Gauge));
    let series = registry.series(&Arc::default(), &Arc::default(), &metric, Attributes::empty()).unwrap();
    Point::new(series, 1, Value::Int(1))
}

fn names(batch: &Batch) -> Vec<&str> {
    batch.iter().map(|point| point.series.metric().name.as_str()).collect()
}

fn pipeline(
    processors: Vec<(String, Processor)>,
    outboxes: &[&Arc<Outbox>],
    ledger: &Ledger,
) -> Arc<Pipeline> {
    let outboxes = outboxes.iter().map(|outbox| Arc::clone(outbox)).collect();
    Arc::new(Pipeline::new(&context("metrics", ledger), processors, outboxes))
}

fn output(pipelines: &[&Arc<Pipeline>]) -> Output {
    Output::new(FanOut(pipelines.iter().map(|pipeline| Arc::clone(pipeline)).collect()))
}

fn queue(queue: QueueConfig) -> Config {
    Config { sending_queue: QueueConfig { num_consumers: 1, ..queue }, ..in_order() }
}

async fn drain(outbox: &Outbox) -> (u64, u64, u64) {
    let drained = outbox.drain(Instant::now() + Duration::from_secs(1)).await;
    (drained.delivered, drained.dropped, drained.undelivered)
}

#[test]
fn a_chain_of_series_processors_is_asked_once_a_series() {
    let (registry, ledger, asked) = (Arc::new(Registry::new(100)), Ledger::default(), Asked::default());
    let mut chain = chain(
        vec![
            prefix("a_", &registry, &asked),
            series("without", Without("a_y")),
            prefix("b_", &registry, &asked),
        ],
        &ledger,
    );
    assert_eq!(chain.len(), 1);
    let points = [point(&registry, "x"), point(&registry, "y"), point(&registry, "x")];
    for _ in 0..3 {
        let mut batch: Batch = points.iter().cloned().collect();
        assert_eq!(chain.process(&mut batch), 0);
        assert_eq!(names(&batch), ["b_a_x", "b_a_x"]);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 3, "`x` by both, `y` by the first");
    let counted =
        |name: &str, id: &str| ledger.sum(&format!("otelcol_processor_{name}_items{{{id},metrics}}"));
    assert_eq!((counted("incoming", "a_"), counted("outgoing", "a_")), (9, 9));
    assert_eq!((counted("incoming", "without"), counted("outgoing", "without")), (9, 6));
    assert_eq!((counted("incoming", "b_"), counted("outgoing", "b_")), (6, 6));
}

#[test]
fn a_series_that_stays_is_not_kept_alive_by_the_chain() {
    let (registry, ledger) = (Arc::new(Registry::new(100)), Ledger::default());
    let mut chain = chain(vec![series("keep", Keep)], &ledger);
    let mut batch: Batch = std::iter::once(point(&registry, "x")).collect();
    chain.process(&mut batch);
    assert_eq!(Arc::strong_count(&batch.iter().next().unwrap().series.0), 1);
    drop(batch);
    assert_eq!(registry.live(), 0);
}

#[test]
fn a_sweep_forgets_what_was_made_of_dead_series() {
    let (registry, ledger, asked) = (Arc::new(Registry::new(100_000)), Ledger::default(), Asked::default());
    let pipeline = pipeline(vec![prefix("a_", &registry, &asked), running()], &[], &ledger);
    let points: Batch = (0..10_000).map(|index| point(&registry, &index.to_string())).collect();
    let kept = points.iter().next().unwrap().series.clone();
    pipeline.carry(points, &mut Permits::new(), &mut Rest::default());
    assert_eq!(registry.live(), 10_001);
    pipeline.sweep();
    assert_eq!(registry.live(), 2, "one, and what was made of it");
    drop(kept);
}

#[test]
fn a_full_registry_costs_the_point_but_is_asked_again() {
    let (registry, ledger, asked) = (Arc::new(Registry::new(2)), Ledger::default(), Asked::default());
    let pipeline = pipeline(vec![prefix("a_", &registry, &asked)], &[], &ledger);
    let (first, second) = (point(&registry, "x"), point(&registry, "y"));
    let send = |point: &Point| {
        let batch = std::iter::once(point.clone()).collect();
        pipeline.process(&mut lock(pipeline.chain.as_ref().unwrap()), batch).len()
    };
    assert_eq!((send(&first), send(&first)), (0, 0));
    drop(second);
    assert_eq!(send(&first), 1);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert_eq!(ledger.sum("inferometer_pipeline_dropped_metric_points{metrics,series_limit}"), 2);
}

#[tokio::test(start_paused = true)]
async fn points_pass_a_pipeline_without_processors_untouched() {
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = start_direct("x", &exporter, &ledger).await;
    let pipeline = pipeline(Vec::new(), &[&outbox], &ledger);
    output(&[&pipeline]).send(batch(0..10)).await.unwrap();
    assert_eq!(exporter.taken(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_one_queue_cannot_take_is_in_no_queue_and_no_processor_saw_it() {
    let ledger = Ledger::default();
    let (open, stuck) = (Scripted::new([], Act::Take), Scripted::new([], Act::Hang));
    let first = start("x", &open, in_order(), &ledger).await;
    let second =
        start("y", &stuck, queue(QueueConfig { queue_size: 1, ..QueueConfig::default() }), &ledger).await;
    let one = pipeline(vec![running()], &[&first], &ledger);
    let two = pipeline(Vec::new(), &[&second], &ledger);
    let output = output(&[&one, &two]);
    output.send(batch(1..2)).await.unwrap();
    let refused = output.send(batch(1..2)).await.unwrap_err();
    assert_eq!(refused.reason, "the queue of `y` is full");
    // A scrape goes to whoever has room.
    output.offer(batch(10..11)).await;
    assert_eq!(drain(&first).await, (2, 0, 0));
    assert_eq!(open.taken(), [1, 11]);
    assert_eq!(drain(&second).await, (0, 0, 1));
    assert_eq!(ledger.sum("otelcol_exporter_enqueue_failed_metric_points{y}"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_exporter_of_two_pipelines_gets_a_batch_from_each_or_from_none() {
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let config = queue(QueueConfig { queue_size: 1, ..QueueConfig::default() });
    let outbox = start("x", &exporter, config, &ledger).await;
    let (one, two) =
        (pipeline(Vec::new(), &[&outbox], &ledger), pipeline(vec![running()], &[&outbox], &ledger));
    let output = output(&[&one, &two]);
    // Twice the batch is more than the queue may hold; when it is empty it is taken all the same.
    output.send(batch(1..3)).await.unwrap();
    output.send(batch(1..3)).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(1)).await;
    output.send(batch(1..3)).await.unwrap();
    assert_eq!(drain(&outbox).await, (8, 0, 0));
    assert_eq!(exporter.taken(), [1, 2, 1, 3, 1, 2, 4, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_waits_for_room_where_the_queue_says_so() {
    let (exporter, ledger) = (Scripted::new([], Act::TakeAfter(1000)), Ledger::default());
    let config = QueueConfig { queue_size: 1, block_on_overflow: true, ..QueueConfig::default() };
    let outbox = start("x", &exporter, queue(config), &ledger).await;
    let pipeline = pipeline(Vec::new(), &[&outbox], &ledger);
    let output = output(&[&pipeline]);
    let began = Instant::now();
    for value in 0..3 {
        output.send(batch(value..value + 1)).await.unwrap();
    }
    output.offer(batch(3..4)).await;
    assert_eq!(began.elapsed().as_secs(), 3);
    let waiting = tokio::spawn(async move { output.send(batch(4..5)).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(drain(&outbox).await, (4, 0, 0));
    assert_eq!(waiting.await.unwrap().unwrap_err().reason, "`x` is stopping");
}

#[tokio::test(start_paused = true)]
async fn two_senders_that_wait_for_two_queues_both_get_there() {
    let ledger = Ledger::default();
    let exporters = [Scripted::new([], Act::TakeAfter(100)), Scripted::new([], Act::TakeAfter(150))];
    let config = QueueConfig { queue_size: 1, block_on_overflow: true, ..QueueConfig::default() };
    let x = start("x", &exporters[0], queue(config.clone()), &ledger).await;
    let y = start("y", &exporters[1], queue(config), &ledger).await;
    let (one, two) = (pipeline(Vec::new(), &[&x, &y], &ledger), pipeline(Vec::new(), &[&y, &x], &ledger));
    let send = |output: Output| async move {
        for value in 0..20 {
            output.send(batch(value..value + 1)).await.unwrap();
        }
    };
    tokio::join!(send(output(&[&one])), send(output(&[&two])));
    assert_eq!((drain(&x).await, drain(&y).await), ((40, 0, 0), (40, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_sender_may_wait_for_the_result() {
    let acts = [Act::TakeAfter(700), Act::Drop, Act::Retry];
    let (exporter, ledger) = (Scripted::new(acts, Act::Take), Ledger::default());
    let mut config = queue(QueueConfig { wait_for_result: true, ..QueueConfig::default() });
    config.retry_on_failure.enabled = false;
    let outbox = start("x", &exporter, config, &ledger).await;
    let pipeline = pipeline(Vec::new(), &[&outbox], &ledger);
    let output = output(&[&pipeline]);
    let began = Instant::now();
    output.send(batch(0..1)).await.unwrap();
    assert_eq!(began.elapsed().as_millis() / 10, 70);
    // Sending it again would not help, so the sender is not asked to.
    output.send(batch(1..2)).await.unwrap();
    assert_eq!(output.send(batch(2..3)).await.unwrap_err().reason, "`x` could not be reached");
    // A scrape has nobody who waits.
    output.offer(batch(3..4)).await;
    assert_eq!(drain(&outbox).await, (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_senders_wait_for_their_turn_and_their_result() {
    let (exporter, ledger) = (Scripted::new([], Act::TakeAfter(100)), Ledger::default());
    let outbox =
        start("x", &exporter, queue(QueueConfig { enabled: false, ..QueueConfig::default() }), &ledger).await;
    let pipeline = pipeline(Vec::new(), &[&outbox], &ledger);
    let output = output(&[&pipeline]);
    let began = Instant::now();
    let (first, second) = tokio::join!(output.send(batch(0..1)), output.send(batch(1..2)));
    assert_eq!((first, second), (Ok(()), Ok(())));
    assert_eq!(began.elapsed().as_millis() / 10, 20);
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_panics_costs_its_batch_and_no_more() {
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    let (bad, good) = (
        pipeline(vec![series("panics", Panics)], &[&outbox], &ledger),
        pipeline(Vec::new(), &[&outbox], &ledger),
    );
    let output = output(&[&bad, &good]);
    output.send(batch(0..5)).await.unwrap();
    output.send(batch(5..6)).await.unwrap();
    assert_eq!(ledger.sum("inferometer_pipeline_dropped_metric_points{metrics,panic}"), 6);
    assert_eq!(drain(&outbox).await, (6, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_senders_at_once_lose_and_double_nothing() {
    let ledger = Ledger::default();
    let exporters = [Scripted::new([], Act::AtMost(7)), Scripted::new([], Act::Take)];
    let flush_timeout = ::config::Duration::from_millis(1);
    let merge = BatchConfig { flush_timeout, ..BatchConfig::default() };
    let small = QueueConfig { queue_size: 8, batch: Some(merge), ..QueueConfig::default() };
    let config = Config { sending_queue: small, ..in_order() };
    let x = start("x", &exporters[0], config, &ledger).await;
    let y = start("y", &exporters[1], in_order(), &ledger).await;
    let (one, two) =
        (pipeline(vec![series("keep", Keep)], &[&x, &y], &ledger), pipeline(Vec::new(), &[&x], &ledger));
    let output = output(&[&one, &two]);
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..4 {
        let output = output.clone();
        senders.spawn(async move {
            for first in (0..1000).step_by(10) {
                let first = sender * 1000 + first;
                while output.send(batch(first..first + 10)).await.is_err() {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    senders.join_all().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    assert_eq!((x.drain(deadline).await.delivered, y.drain(deadline).await.delivered), (8000, 4000));
    let sorted = |exporter: &Scripted| {
        let mut taken = exporter.taken();
        taken.sort_unstable();
        taken
    };
    assert_eq!(sorted(&exporters[0]), (0..4000).flat_map(|value| [value, value]).collect::<Vec<_>>());
    assert_eq!(sorted(&exporters[1]), (0..4000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_tick_makes_goes_through_the_processors_behind_and_no_others() {
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = start_direct("x", &exporter, &ledger).await;
    let registry = Arc::new(Registry::new(10));
    let metric = Arc::new(Metric::new("ticks", "", crate::Kind::Gauge));
    let series = registry.series(&Arc::default(), &Arc::default(), &metric, Attributes::empty()).unwrap();
    let running = || Processor::Batch(Box::new(Running::default()));
    let ticks = Processor::Batch(Box::new(Ticks(series)));
    let without = Processor::Series(Box::new(Without("ticks")));
    let named = |processor| ("p".to_owned(), processor);
    let pipeline =
        Pipeline::new(&context("p", &ledger), vec![named(ticks), named(running())], vec![outbox.clone()]);
    pipeline.tick().await;
    pipeline.tick().await;
    assert_eq!(exporter.taken(), [7, 14]);
    let series =
        Ticks(registry.series(&Arc::default(), &Arc::default(), &metric, Attributes::empty()).unwrap());
    let pipeline = Pipeline::new(
        &context("p", &ledger),
        vec![named(Processor::Batch(Box::new(series))), named(without)],
        vec![outbox],
    );
    pipeline.tick().await;
    assert_eq!(exporter.taken(), [7, 14]);
}
