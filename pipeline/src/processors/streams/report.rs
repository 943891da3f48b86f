//! What processors with streams count, under the collector's own metrics.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, UpDownCounter};

use crate::component::Context;
use crate::telemetry::ProcessorMetrics;

/// Counts while a batch is worked on, and adds it up at its end.
pub(in crate::processors) struct Report {
    metrics: ProcessorMetrics,
    resets: Counter<u64>,
    // Not a gauge: each pipeline has a processor of its own, by the same name, and they add up.
    tracked: UpDownCounter<i64>,
    tracked_shown: i64,
    attributes: [KeyValue; 2],
    dropped_of_batch: Counts,
    resets_of_batch: Counts,
}

/// Counts by a few fixed words.
#[derive(Default)]
struct Counts(Vec<(&'static str, u64)>);

impl Report {
    pub(in crate::processors) fn new(context: &Context) -> Self {
        let (meter, id) = (&context.meter, &context.id);
        Self {
            metrics: ProcessorMetrics::new(meter, id),
            resets: meter
                .u64_counter("inferometer_processor_stream_resets")
                .with_description("Streams that were begun anew, by reason.")
                .with_unit("{streams}")
                .build(),
            tracked: meter
                .i64_up_down_counter("inferometer_processor_streams")
                .with_description("Streams of which a processor remembers something.")
                .with_unit("{streams}")
                .build(),
            tracked_shown: 0,
            attributes: [KeyValue::new("processor", id.clone()), KeyValue::new("otel_signal", "metrics")],
            dropped_of_batch: Counts::default(),
            resets_of_batch: Counts::default(),
        }
    }

    /// A point could not be used.
    pub(in crate::processors) fn dropped(&mut self, reason: &'static str) {
        self.dropped_of_batch.add(reason);
    }

    /// A stream was begun anew.
    pub(in crate::processors) fn reset(&mut self, reason: &'static str) {
        self.resets_of_batch.add(reason);
    }

    /// What was dropped since the last flush.
    pub(in crate::processors) fn dropped_of_batch(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.dropped_of_batch.0.iter().copied()
    }

    /// Shows what was counted, and how many streams there are now.
    pub(in crate::processors) fn flush(&mut self, tracked: usize) {
        for (reason, points) in self.dropped_of_batch.0.drain(..) {
            self.metrics.dropped(points, reason);
        }
        let [processor, signal] = &self.attributes;
        for (reason, streams) in self.resets_of_batch.0.drain(..) {
            let attributes = [processor.clone(), signal.clone(), KeyValue::new("reason", reason)];
            self.resets.add(streams, &attributes);
        }
        self.show(tracked as i64);
    }

    fn show(&mut self, tracked: i64) {
        if tracked != self.tracked_shown {
            self.tracked.add(tracked - self.tracked_shown, &self.attributes);
            self.tracked_shown = tracked;
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.show(0);
    }
}

impl Counts {
    fn add(&mut self, reason: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.0.push((reason, 1)),
        }
    }
}
