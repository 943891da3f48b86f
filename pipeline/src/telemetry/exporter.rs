//! What became of an exporter's points, and how full its queue is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use tokio::time::Instant;

use super::{Gauge, Meter, Observed, counter};

/// What became of an exporter's points.
#[derive(Debug, Clone)]
pub struct ExporterMetrics {
    sent: Counter<u64>,
    send_failed: Counter<u64>,
    enqueue_failed: Counter<u64>,
    retries: Counter<u64>,
    unwritten: Counter<u64>,
    exporter: KeyValue,
}

/// How full an exporter's queue is, read when somebody asks.
///
/// Once the last handle is dropped, the gauges have no more points for this exporter.
#[derive(Debug)]
pub struct QueueLevels {
    size: AtomicU64,
    points: AtomicU64,
    bytes: AtomicU64,
    oldest: Mutex<Option<Instant>>,
    capacity: u64,
    in_flight: AtomicU64,
    circuit_is_open: AtomicBool,
    attributes: [KeyValue; 2],
}

/// A request under way, counted until this is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<QueueLevels>);

impl ExporterMetrics {
    pub fn new(meter: &Meter, id: &str) -> Self {
        Self {
            sent: counter(meter, "otelcol_exporter_sent_metric_points", "Points the other side took."),
            send_failed: counter(
                meter,
                "otelcol_exporter_send_failed_metric_points",
                "Points given up, by reason.",
            ),
            enqueue_failed: counter(
                meter,
                "otelcol_exporter_enqueue_failed_metric_points",
                "Points that found no room in the queue.",
            ),
            retries: meter
                .u64_counter("inferometer_exporter_retries")
                .with_description("Attempts to send a request again that had failed before.")
                .with_unit("{requests}")
                .build(),
            unwritten: counter(
                meter,
                "inferometer_exporter_unwritten_metric_points",
                "Points taken into the queue that its storage could not write: they wait in memory alone.",
            ),
            exporter: KeyValue::new("exporter", id.to_owned()),
        }
    }

    /// Counts points that the other side took.
    pub fn sent(&self, points: u64) {
        self.sent.add(points, std::slice::from_ref(&self.exporter));
    }

    /// `reason` is one of a few fixed words, which `docs/delivery.md` lists.
    pub fn send_failed(&self, points: u64, reason: &'static str) {
        self.send_failed.add(points, &[self.exporter.clone(), KeyValue::new("error.type", reason)]);
    }

    /// Counts points for which the queue had no room.
    pub fn enqueue_failed(&self, points: u64) {
        self.enqueue_failed.add(points, std::slice::from_ref(&self.exporter));
    }

    /// Counts points that are in the queue, but not on disk as they should be.
    pub fn unwritten(&self, points: u64) {
        self.unwritten.add(points, std::slice::from_ref(&self.exporter));
    }

    /// Counts an attempt after the first.
    pub fn retried(&self) {
        self.retries.add(1, std::slice::from_ref(&self.exporter));
    }
}

impl QueueLevels {
    /// Shows the levels of an exporter's queue; sizes are in units of its `sizer`.
    pub fn register(meter: &Meter, id: &str, capacity: u64) -> Arc<Self> {
        let levels = Arc::new(Self {
            size: AtomicU64::new(0),
            points: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            oldest: Mutex::default(),
            capacity,
            in_flight: AtomicU64::new(0),
            circuit_is_open: AtomicBool::new(false),
            attributes: [KeyValue::new("exporter", id.to_owned()), KeyValue::new("data_type", "metrics")],
        });
        meter.observe(&levels);
        levels
    }

    /// The queue holds this much now: `size` in its unit, and since when the oldest of it.
    pub fn show(&self, size: u64, points: u64, bytes: u64, oldest: Option<Instant>) {
        self.size.store(size, Ordering::Relaxed);
        self.points.store(points, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        *self.oldest.lock().unwrap_or_else(PoisonError::into_inner) = oldest;
    }

    /// Sending is held back, or is not any more.
    pub fn circuit(&self, is_open: bool) {
        self.circuit_is_open.store(is_open, Ordering::Relaxed);
    }

    /// A request goes out.
    pub fn in_flight(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    fn oldest_age_seconds(&self) -> u64 {
        let oldest = *self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.map_or(0, |oldest| oldest.elapsed().as_secs())
    }
}

impl Observed for QueueLevels {
    const GAUGES: &'static [Gauge<Self>] = &[
        Gauge {
            name: "otelcol_exporter_queue_size",
            unit: "",
            about: "What the queue holds, requests under way included.",
            read: |levels| Some(levels.size.load(Ordering::Relaxed)),
        },
        Gauge {
            name: "otelcol_exporter_queue_capacity",
            unit: "",
            about: "What the queue can hold.",
            read: |levels| Some(levels.capacity),
        },
        Gauge {
            name: "otelcol_exporter_in_flight_requests",
            unit: "",
            about: "Requests under way.",
            read: |levels| Some(levels.in_flight.load(Ordering::Relaxed)),
        },
        Gauge {
            name: "inferometer_exporter_queue_points",
            unit: "",
            about: "Points the queue holds, those under way included.",
            read: |levels| Some(levels.points.load(Ordering::Relaxed)),
        },
        Gauge {
            name: "inferometer_exporter_queue_bytes",
            unit: "",
            about: "About how many bytes of OTLP the queue holds, those under way included.",
            read: |levels| Some(levels.bytes.load(Ordering::Relaxed)),
        },
        Gauge {
            name: "inferometer_exporter_queue_oldest_age_seconds",
            unit: "",
            about: "For how long the oldest batch in the queue or under way has been there; 0 where there is none.",
            read: |levels| Some(levels.oldest_age_seconds()),
        },
        Gauge {
            name: "inferometer_exporter_circuit_open",
            unit: "",
            about: "Whether sending is held back after failures in a row: 1 if so, with one attempt at a time.",
            read: |levels| Some(u64::from(levels.circuit_is_open.load(Ordering::Relaxed))),
        },
    ];

    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
