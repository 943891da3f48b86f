//! What a limiter counts and shows.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use super::MemoryLimiter;
use crate::telemetry::{Gauge, Meter, Observed, ProcessorMetrics};

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

impl Observed for MemoryLimiter {
    const GAUGES: &'static [Gauge<Self>] = &[
        Gauge {
            name: "inferometer_process_memory_limit_bytes",
            unit: "By",
            about: "Memory above which data is turned away.",
            read: |limiter| Some(limiter.limits.taken_bytes),
        },
        Gauge {
            name: "inferometer_process_memory_used_bytes",
            unit: "By",
            about: "Memory in use that the kernel cannot take back.",
            read: |limiter| (limiter.measure)(),
        },
    ];

    fn attributes(&self) -> &[KeyValue] {
        std::slice::from_ref(&self.metrics.processor)
    }
}
