//! What a limiter counts and shows.

use std::sync::{Arc, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Meter};

use super::MemoryLimiter;
use crate::telemetry::ProcessorMetrics;

/// What came through and what was kept out.
pub(super) struct Metrics {
    accepted: Counter<u64>,
    refused: Counter<u64>,
    items: ProcessorMetrics,
    processor: KeyValue,
}

impl Metrics {
    pub(super) fn new(meter: &Meter, id: &str) -> Self {
        let counter = |name: &'static str, about: &'static str| {
            meter.u64_counter(name).with_description(about).with_unit("{datapoints}").build()
        };
        Self {
            accepted: counter(
                "otelcol_processor_memory_limiter_accepted_metric_points",
                "Points that were let in.",
            ),
            refused: counter(
                "otelcol_processor_memory_limiter_refused_metric_points",
                "Points that were turned away after they had been read.",
            ),
            items: ProcessorMetrics::new(meter, id),
            processor: KeyValue::new("processor", id.to_owned()),
        }
    }

    pub(super) fn accepted(&self, points: u64) {
        self.accepted.add(points, std::slice::from_ref(&self.processor));
        self.items.processed(points, points);
    }

    pub(super) fn refused(&self, points: u64) {
        self.refused.add(points, std::slice::from_ref(&self.processor));
        self.items.processed(points, 0);
    }
}

/// Shows the limit, and what it is compared with, for as long as the limiter lives.
pub(super) fn observe(meter: &Meter, limiter: &Arc<MemoryLimiter>) {
    let observed = |read: fn(&MemoryLimiter) -> Option<u64>| {
        // The meter keeps the callbacks for ever, so they must not keep the limiter.
        let limiter: Weak<MemoryLimiter> = Arc::downgrade(limiter);
        move |observer: &dyn AsyncInstrument<u64>| {
            if let Some(limiter) = limiter.upgrade()
                && let Some(bytes) = read(&limiter)
            {
                observer.observe(bytes, std::slice::from_ref(&limiter.metrics.processor));
            }
        }
    };
    meter
        .u64_observable_gauge("inferometer_process_memory_limit_bytes")
        .with_unit("By")
        .with_description("Memory above which data is turned away.")
        .with_callback(observed(|limiter| Some(limiter.limits.taken_bytes)))
        .build();
    meter
        .u64_observable_gauge("inferometer_process_memory_used_bytes")
        .with_unit("By")
        .with_description("Memory in use that the kernel cannot take back.")
        .with_callback(observed(|limiter| (limiter.measure)()))
        .build();
}
