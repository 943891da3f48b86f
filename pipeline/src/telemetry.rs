//! The collector's own counters, under the OpenTelemetry Collector's names.
//!
//! Counted a batch, never a point. Attribute sets are built once, with the component.

mod exporter;
#[cfg(any(test, fuzzing))]
pub(crate) mod ledger;
mod meter;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

pub use self::exporter::{ExporterMetrics, InFlight, QueueLevels};
pub use self::meter::{Gauge, Meter, Observed};

/// What a receiver took and what it could not hand on.
#[derive(Debug, Clone)]
pub struct ReceiverMetrics {
    accepted: Counter<u64>,
    refused: Counter<u64>,
    failed: Counter<u64>,
    duplicate_keys: Counter<u64>,
    dropped_exemplars: Counter<u64>,
    refused_requests: Counter<u64>,
    rejected_requests: Counter<u64>,
    attributes: [KeyValue; 2],
}

/// What one of the scrapers of a receiver read and what it could not read.
#[derive(Debug, Clone)]
pub struct ScraperMetrics {
    scraped: Counter<u64>,
    errored: Counter<u64>,
    dropped: Counter<u64>,
    attributes: [KeyValue; 2],
}

/// What came into a processor and what left it.
#[derive(Debug, Clone)]
pub struct ProcessorMetrics {
    incoming: Counter<u64>,
    outgoing: Counter<u64>,
    dropped: Counter<u64>,
    attributes: [KeyValue; 2],
}

/// Points that a pipeline itself could not carry on.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    dropped: Counter<u64>,
    skipped_scrapes: Counter<u64>,
    pipeline: KeyValue,
}

fn counter(meter: &Meter, name: &'static str, about: &'static str) -> Counter<u64> {
    meter.u64_counter(name).with_description(about).with_unit("{datapoints}").build()
}

impl ReceiverMetrics {
    /// `transport` is `grpc`, `http`, or empty where there is none.
    pub fn new(meter: &Meter, id: &str, transport: &'static str) -> Self {
        Self {
            accepted: counter(
                meter,
                "otelcol_receiver_accepted_metric_points",
                "Points handed to the pipeline.",
            ),
            refused: counter(
                meter,
                "otelcol_receiver_refused_metric_points",
                "Points the pipeline could not take; the sender was told to try later.",
            ),
            failed: counter(
                meter,
                "otelcol_receiver_failed_metric_points",
                "Points that were not valid and were rejected for good.",
            ),
            duplicate_keys: meter
                .u64_counter("inferometer_receiver_duplicate_attribute_keys")
                .with_description("Attributes dropped because another with the same key came after them.")
                .with_unit("{attributes}")
                .build(),
            dropped_exemplars: meter
                .u64_counter("inferometer_receiver_dropped_exemplars")
                .with_description("Exemplars that were not valid, or for which no point came.")
                .with_unit("{exemplars}")
                .build(),
            refused_requests: meter
                .u64_counter("inferometer_receiver_refused_requests")
                .with_description(
                    "Requests turned away before they were read; the sender was told to try later.",
                )
                .with_unit("{requests}")
                .build(),
            rejected_requests: meter
                .u64_counter("inferometer_receiver_rejected_requests")
                .with_description("Requests that were wrong and rejected for good, by reason.")
                .with_unit("{requests}")
                .build(),
            attributes: [KeyValue::new("receiver", id.to_owned()), KeyValue::new("transport", transport)],
        }
    }

    /// Counts points that every exporter's queue has taken.
    pub fn accepted(&self, points: u64) {
        self.accepted.add(points, &self.attributes);
    }

    /// Counts points that were valid and for which there was no room.
    pub fn refused(&self, points: u64) {
        self.refused.add(points, &self.attributes);
    }

    /// Counts points that were not valid.
    pub fn failed(&self, points: u64) {
        self.failed.add(points, &self.attributes);
    }

    /// Counts a request that was not read, so that nobody knows what it held.
    pub fn refused_request(&self) {
        self.refused_requests.add(1, &self.attributes);
    }

    /// Counts a request of which nothing is taken, whoever sends it again.
    ///
    /// `reason` is one of a few fixed words: `unauthorized`, `invalid`, `too_large`, `unsupported`.
    pub fn rejected_request(&self, reason: &'static str) {
        let [receiver, transport] = &self.attributes;
        self.rejected_requests
            .add(1, &[receiver.clone(), transport.clone(), KeyValue::new("reason", reason)]);
    }

    pub fn duplicate_keys(&self, attributes: u64) {
        self.duplicate_keys.add(attributes, &self.attributes);
    }

    /// Counts exemplars that are lost, their points being what they are.
    pub fn dropped_exemplars(&self, exemplars: u64) {
        self.dropped_exemplars.add(exemplars, &self.attributes);
    }
}

impl ScraperMetrics {
    /// `id` is the receiver's.
    pub fn new(meter: &Meter, id: &str, scraper: &'static str) -> Self {
        Self {
            scraped: counter(meter, "otelcol_scraper_scraped_metric_points", "Points a scraper read."),
            errored: counter(
                meter,
                "otelcol_scraper_errored_metric_points",
                "Points a scraper could not read.",
            ),
            dropped: counter(
                meter,
                "inferometer_scraper_dropped_metric_points",
                "Points a scraper read and did not pass on, by reason.",
            ),
            attributes: [KeyValue::new("receiver", id.to_owned()), KeyValue::new("scraper", scraper)],
        }
    }

    /// Counts points that were read.
    pub fn scraped(&self, points: u64) {
        self.scraped.add(points, &self.attributes);
    }

    /// Counts points that could not be read.
    pub fn errored(&self, points: u64) {
        self.errored.add(points, &self.attributes);
    }

    /// `reason` is one of a few fixed words: `duplicate`, `incomplete`, `unsupported`, `out_of_time`.
    pub fn dropped(&self, points: u64, reason: &'static str) {
        let [receiver, scraper] = &self.attributes;
        self.dropped.add(points, &[receiver.clone(), scraper.clone(), KeyValue::new("reason", reason)]);
    }
}

impl ProcessorMetrics {
    pub fn new(meter: &Meter, id: &str) -> Self {
        Self {
            incoming: counter(
                meter,
                "otelcol_processor_incoming_items",
                "Points that came into the processor.",
            ),
            outgoing: counter(meter, "otelcol_processor_outgoing_items", "Points that left the processor."),
            dropped: counter(
                meter,
                "inferometer_processor_dropped_metric_points",
                "Points a processor had a use for and could not use, by reason.",
            ),
            attributes: [KeyValue::new("processor", id.to_owned()), KeyValue::new("otel_signal", "metrics")],
        }
    }

    /// Counts the points that went in and those that came out.
    pub fn processed(&self, incoming: u64, outgoing: u64) {
        self.incoming.add(incoming, &self.attributes);
        self.outgoing.add(outgoing, &self.attributes);
    }

    /// `reason` is one of a few fixed words: `conflict`, `series_limit`.
    pub fn dropped(&self, points: u64, reason: &'static str) {
        if points > 0 {
            let [processor, signal] = &self.attributes;
            self.dropped.add(points, &[processor.clone(), signal.clone(), KeyValue::new("reason", reason)]);
        }
    }
}

impl PipelineMetrics {
    pub fn new(meter: &Meter, id: &str) -> Self {
        Self {
            dropped: counter(
                meter,
                "inferometer_pipeline_dropped_metric_points",
                "Points a pipeline could not carry on, by reason.",
            ),
            skipped_scrapes: meter
                .u64_counter("inferometer_pipeline_skipped_scrapes")
                .with_description("Scrapes that were not made because no pipeline would have taken them.")
                .with_unit("{scrapes}")
                .build(),
            pipeline: KeyValue::new("pipeline", id.to_owned()),
        }
    }

    /// `reason` is one of a few fixed words: `series_limit`, `panic`, `memory_limit`.
    pub fn dropped(&self, points: u64, reason: &'static str) {
        self.dropped.add(points, &[self.pipeline.clone(), KeyValue::new("reason", reason)]);
    }

    /// `reason` is one of a few fixed words: `memory_limit`.
    pub fn skipped_scrape(&self, reason: &'static str) {
        self.skipped_scrapes.add(1, &[self.pipeline.clone(), KeyValue::new("reason", reason)]);
    }
}
