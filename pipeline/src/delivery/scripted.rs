//! An exporter that does as told, and what tests need around it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Config, Outbox, QueueConfig, RetryConfig};
use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::{BoxError, BuiltExporter, Context, Delivery, ExportError, Exporter, Receipt};
use crate::net::Net;
use crate::telemetry::ledger::Ledger;
use crate::{Attributes, Kind, Metric, Point, Registry, Resource, Value};

/// What the other side does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    Take,
    /// Takes it after so many milliseconds.
    TakeAfter(u64),
    Reject(u64),
    Retry,
    RetryAfter(u64),
    Drop,
    /// Does not take more points than this.
    AtMost(usize),
    /// Calls a request bad that has a value divisible by this.
    BadAt(i64),
    /// Fails, as if it might pass, at a request that has a value divisible by this.
    FailAt(i64),
    /// Turns away a request that has a value divisible by this.
    DenyAt(i64),
    /// Takes it, and leaves so many out for want of a form, and so many for being late.
    LeaveOut(u64, u64),
    Hang,
    /// Answers nothing to more points than this.
    HangAbove(usize),
    Panic,
}

/// A request, with the values of its points.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) at: Duration,
    pub(crate) values: Vec<i64>,
    pub(crate) was_taken: bool,
}

pub(crate) struct Scripted {
    script: Mutex<VecDeque<Act>>,
    otherwise: Act,
    requests: Mutex<Vec<Request>>,
    started: Instant,
    pub(crate) stopped: AtomicU64,
    pub(crate) parts: AtomicUsize,
    pub(crate) merges_services: AtomicBool,
    is_held: watch::Sender<bool>,
}

impl Scripted {
    /// Follows the script, and then does the same for ever.
    pub(crate) fn new(script: impl IntoIterator<Item = Act>, otherwise: Act) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(script.into_iter().collect()),
            otherwise,
            requests: Mutex::default(),
            started: Instant::now(),
            stopped: AtomicU64::new(0),
            parts: AtomicUsize::new(1),
            merges_services: AtomicBool::new(false),
            is_held: watch::Sender::new(false),
        })
    }

    /// Answers nothing while it is held, however much time passes.
    pub(crate) fn hold(&self, is_held: bool) {
        self.is_held.send_replace(is_held);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The values that were taken, in the order of the requests.
    pub(crate) fn taken(&self) -> Vec<i64> {
        let requests = self.requests();
        requests.into_iter().filter(|request| request.was_taken).flat_map(|request| request.values).collect()
    }

    /// The sizes of the requests that were taken.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let requests = self.requests();
        requests.iter().filter(|request| request.was_taken).map(|request| request.values.len()).collect()
    }
}

impl Exporter for Scripted {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(async { Ok(vec!["scripted".to_owned()]) })
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        let act = self.script.lock().unwrap().pop_front().unwrap_or(self.otherwise);
        assert_ne!(act, Act::Panic, "as told");
        Box::pin(async move {
            let mut is_held = self.is_held.subscribe();
            is_held.wait_for(|is_held| !is_held).await.unwrap();
            let at = self.started.elapsed();
            let values: Vec<_> = batch.iter().map(value_of).collect();
            let was_taken = match act {
                Act::Take | Act::TakeAfter(_) | Act::Reject(_) | Act::LeaveOut(..) => true,
                Act::AtMost(most) | Act::HangAbove(most) => batch.len() <= most,
                Act::BadAt(divisor) | Act::DenyAt(divisor) | Act::FailAt(divisor) => {
                    values.iter().all(|value| value % divisor != 0)
                }
                _ => false,
            };
            self.requests.lock().unwrap().push(Request { at, values, was_taken });
            let reason = || "as\ntold".to_owned();
            match act {
                Act::Reject(rejected) => return Ok(Receipt { rejected, ..Receipt::default() }),
                Act::Retry => return Err(ExportError::Retry { after: None, reason: reason() }),
                Act::RetryAfter(seconds) => {
                    let after = Some(Duration::from_secs(seconds));
                    return Err(ExportError::Retry { after, reason: reason() });
                }
                Act::LeaveOut(unsupported, out_of_order) => {
                    return Ok(Receipt { unsupported, out_of_order, ..Receipt::default() });
                }
                Act::BadAt(_) if !was_taken => return Err(ExportError::Bad { reason: reason() }),
                Act::Drop => return Err(ExportError::Drop { reason: reason() }),
                Act::FailAt(_) if !was_taken => {
                    return Err(ExportError::Retry { after: None, reason: reason() });
                }
                Act::DenyAt(_) if !was_taken => return Err(ExportError::Denied { reason: reason() }),
                Act::Hang => std::future::pending().await,
                Act::HangAbove(_) if !was_taken => std::future::pending().await,
                Act::TakeAfter(milliseconds) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                }
                _ if !was_taken => return Err(ExportError::Split { reason: reason() }),
                _ => {}
            }
            Ok(Receipt::default())
        })
    }

    fn parts(&self, _: usize) -> usize {
        self.parts.load(Ordering::Relaxed)
    }

    fn merges_services(&self) -> bool {
        self.merges_services.load(Ordering::Relaxed)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.stopped.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            let mut is_held = self.is_held.subscribe();
            is_held.wait_for(|is_held| !is_held).await.unwrap();
        })
    }
}

fn value_of(point: &Point) -> i64 {
    match &point.value {
        Value::Int(value) => *value,
        Value::ExponentialHistogram(histogram) => histogram.count as i64,
        _ => panic!("tests write integers and exponential histograms"),
    }
}

/// The registry of the series of tests: they are the same series in all batches of a thread.
pub(crate) fn registry() -> Arc<Registry> {
    thread_local! {
        static REGISTRY: Arc<Registry> = Arc::new(Registry::new(1_000_000));
    }
    REGISTRY.with(Arc::clone)
}

/// Points of one series, of a resource of its own, with these values.
pub(crate) fn points(resource: &str, values: Range<i64>) -> Vec<Point> {
    let registry = registry();
    let attributes = Attributes::of_strings([("service.name", resource)]);
    let resource = registry.resource(Resource { attributes, ..Resource::default() });
    let metric = registry.metric(Metric::new("m", "", Kind::Gauge));
    let series = registry.series(&resource, &Arc::default(), &metric, Attributes::empty()).unwrap();
    values.map(|value| Point::new(series.clone(), 1, Value::Int(value))).collect()
}

/// A batch of one series with these values; each batch has a resource of its own.
pub(crate) fn batch(values: Range<i64>) -> Batch {
    let registry = Registry::new(1);
    let metric = Arc::new(Metric::new("m", "", Kind::Gauge));
    let resource = Arc::new(Resource::default());
    let series = registry.series(&resource, &Arc::default(), &metric, Attributes::empty()).unwrap();
    values.map(|value| Point::new(series.clone(), 1, Value::Int(value))).collect()
}

pub(crate) fn context(id: &str, ledger: &Ledger) -> Context {
    Context {
        id: id.to_owned(),
        registry: Arc::new(Registry::new(1000)),
        clock: Clock::system(),
        meter: ledger.meter(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

pub(crate) async fn start(
    id: &str,
    exporter: &Arc<Scripted>,
    config: Config,
    ledger: &Ledger,
) -> Arc<Outbox> {
    let built = BuiltExporter { exporter: exporter.clone(), delivery: Delivery::Queued(config) };
    Outbox::start(&context(id, ledger), built).await.unwrap().0
}

pub(crate) async fn start_direct(id: &str, exporter: &Arc<Scripted>, ledger: &Ledger) -> Arc<Outbox> {
    let built = BuiltExporter { exporter: exporter.clone(), delivery: Delivery::Direct };
    Outbox::start(&context(id, ledger), built).await.unwrap().0
}

/// One consumer, so that the order is kept, and no jitter, so that times are known.
pub(crate) fn in_order() -> Config {
    Config {
        sending_queue: QueueConfig { num_consumers: 1, ..QueueConfig::default() },
        retry_on_failure: RetryConfig { randomization_factor: 0.0, ..RetryConfig::default() },
        ..Config::default()
    }
}
