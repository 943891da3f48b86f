//! The log's own telemetry.

use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, Histogram, Meter};

use super::log::Shared;

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

/// Shows how full the log is, for as long as it is open.
pub(super) fn observe(shared: &Arc<Shared>, meter: &Meter) {
    // The meter keeps the callbacks for ever, so they must not keep the log.
    let observed = |read: fn(&Shared) -> u64| {
        let shared: Weak<Shared> = Arc::downgrade(shared);
        move |observer: &dyn AsyncInstrument<u64>| {
            if let Some(shared) = shared.upgrade() {
                observer.observe(read(&shared), &shared.levels.attributes);
            }
        }
    };
    meter
        .u64_observable_gauge("inferometer_storage_size_bytes")
        .with_description("What the files of records take on disk.")
        .with_unit("By")
        .with_callback(observed(|shared| shared.state().bytes()))
        .build();
    meter
        .u64_observable_gauge("inferometer_storage_size_max_bytes")
        .with_description("What they may take, as `max_size` says.")
        .with_unit("By")
        .with_callback(observed(|shared| shared.state().config.max_size.0))
        .build();
    meter
        .u64_observable_gauge("inferometer_storage_segments")
        .with_description("Files of records.")
        .with_unit("{files}")
        .with_callback(observed(|shared| shared.state().segments.len() as u64))
        .build();
    meter
        .u64_observable_gauge("inferometer_storage_oldest_record_age_seconds")
        .with_description("How long ago the oldest record was written that some exporter has yet to send.")
        .with_unit("s")
        .with_callback(observed(|shared| {
            let oldest = shared.state().oldest_written();
            oldest.map_or(0, |written| u64::from(shared.time.unix_seconds().saturating_sub(written)))
        }))
        .build();
}
