//! The log's own telemetry.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use super::log::Shared;
use crate::telemetry::{Gauge, Meter, Observed};

/// In seconds, from what a cache in a disk takes to what a slow disk takes.
const SYNC_BOUNDS: [f64; 9] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];

#[derive(Debug)]
pub(super) struct Levels {
    failures: Counter<u64>,
    damaged_records: Counter<u64>,
    damaged_bytes: Counter<u64>,
    dropped: Counter<u64>,
    sync: Histogram<f64>,
    attributes: [KeyValue; 1],
}

impl Levels {
    pub(super) fn new(meter: &Meter, id: &str) -> Self {
        let counter =
            |name, about, unit| meter.u64_counter(name).with_description(about).with_unit(unit).build();
        Self {
            failures: counter(
                "inferometer_storage_write_failures",
                "How often the disk could not be written.",
                "{failures}",
            ),
            damaged_records: counter(
                "inferometer_storage_damaged_records",
                "Records and stretches between records that could not be read.",
                "{records}",
            ),
            damaged_bytes: counter("inferometer_storage_damaged_bytes", "What they took on disk.", "By"),
            dropped: counter(
                "inferometer_storage_dropped_metric_points",
                "Points given up that waited for an exporter that is not configured, by reason.",
                "{datapoints}",
            ),
            sync: meter
                .f64_histogram("inferometer_storage_sync_duration_seconds")
                .with_description("How long the disk took to make sure of what was written.")
                .with_unit("s")
                .with_boundaries(SYNC_BOUNDS.to_vec())
                .build(),
            attributes: [KeyValue::new("storage", id.to_owned())],
        }
    }

    pub(super) fn failed(&self) {
        self.failures.add(1, &self.attributes);
    }

    pub(super) fn damaged(&self, records: u64, bytes: u64) {
        self.damaged_records.add(records, &self.attributes);
        self.damaged_bytes.add(bytes, &self.attributes);
    }

    pub(super) fn dropped(&self, points: u64) {
        let [storage] = &self.attributes;
        self.dropped.add(points, &[storage.clone(), KeyValue::new("reason", "unclaimed")]);
    }

    pub(super) fn synced(&self, took: Duration) {
        self.sync.record(took.as_secs_f64(), &self.attributes);
    }
}

/// Shown for as long as the log is open.
impl Observed for Shared {
    const GAUGES: &'static [Gauge<Self>] = &[
        Gauge {
            name: "inferometer_storage_size_bytes",
            unit: "By",
            about: "What the files of records take on disk.",
            read: |shared| Some(shared.state().bytes()),
        },
        Gauge {
            name: "inferometer_storage_size_max_bytes",
            unit: "By",
            about: "What they may take, as `max_size` says.",
            read: |shared| Some(shared.state().config.max_size.0),
        },
        Gauge {
            name: "inferometer_storage_segments",
            unit: "{files}",
            about: "Files of records.",
            read: |shared| Some(shared.state().segments.len() as u64),
        },
        Gauge {
            name: "inferometer_storage_oldest_record_age_seconds",
            unit: "s",
            about: "How long ago the oldest record was written that some exporter has yet to send.",
            read: |shared| {
                let oldest = shared.state().oldest_written();
                let age = |written| u64::from(shared.time.unix_seconds().saturating_sub(written));
                Some(oldest.map_or(0, age))
            },
        },
    ];

    fn attributes(&self) -> &[KeyValue] {
        &self.levels.attributes
    }
}
