//! What people who come from the OpenTelemetry Collector watch of this processor, under its names.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, UpDownCounter};

use crate::component::Context;
use crate::processors::streams::Report;
use crate::telemetry::{Gauge, Observed};

pub(super) struct Telemetry {
    datapoints: Counter<u64>,
    tracked: UpDownCounter<i64>,
    tracked_shown: i64,
    limits: Arc<Limits>,
    came_of_batch: u64,
}

/// What is configured, shown for as long as the processor lives.
struct Limits {
    streams_max: u64,
    stale_max: Duration,
    processor: KeyValue,
}

impl Telemetry {
    pub(super) fn new(context: &Context, max_streams: usize, max_stale: Duration) -> Self {
        let meter = &context.meter;
        let processor = KeyValue::new("processor", context.id.clone());
        let limits = Arc::new(Limits { streams_max: max_streams as u64, stale_max: max_stale, processor });
        meter.observe(&limits);
        Self {
            datapoints: meter
                .u64_counter("otelcol_deltatocumulative_datapoints")
                .with_description("Delta points that came in; with what was wrong, where they were dropped.")
                .with_unit("{datapoint}")
                .build(),
            tracked: meter
                .i64_up_down_counter("otelcol_deltatocumulative_streams_tracked")
                .with_description("Streams that are added up.")
                .with_unit("{stream}")
                .build(),
            tracked_shown: 0,
            limits,
            came_of_batch: 0,
        }
    }

    pub(super) fn came(&mut self) {
        self.came_of_batch += 1;
    }

    /// Shows what came since the last time; the report still holds what was dropped of it.
    pub(super) fn flush(&mut self, report: &Report, tracked: usize) {
        let mut fine = std::mem::take(&mut self.came_of_batch);
        for (reason, points) in report.dropped_of_batch() {
            fine = fine.saturating_sub(points);
            self.datapoints
                .add(points, &[self.limits.processor.clone(), KeyValue::new("error", error(reason))]);
        }
        if fine > 0 {
            self.datapoints.add(fine, self.limits.attributes());
        }
        self.show(tracked as i64);
    }

    fn show(&mut self, tracked: i64) {
        if tracked != self.tracked_shown {
            self.tracked.add(tracked - self.tracked_shown, self.limits.attributes());
            self.tracked_shown = tracked;
        }
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.show(0);
    }
}

impl Observed for Limits {
    const GAUGES: &'static [Gauge<Self>] = &[
        Gauge {
            name: "otelcol_deltatocumulative_streams_limit",
            unit: "{stream}",
            about: "As configured.",
            read: |limits| Some(limits.streams_max),
        },
        Gauge {
            name: "otelcol_deltatocumulative_streams_max_stale",
            unit: "s",
            about: "As configured.",
            read: |limits| Some(limits.stale_max.as_secs()),
        },
    ];

    fn attributes(&self) -> &[KeyValue] {
        slice::from_ref(&self.processor)
    }
}

/// The collector's word for a reason, where it has one.
fn error(reason: &'static str) -> &'static str {
    match reason {
        "out_of_order" | "duplicate" => "delta.ErrOutOfOrder",
        "overlap" => "delta.ErrOlderStart",
        "stream_limit" | "series_limit" => "limit",
        other => other,
    }
}
