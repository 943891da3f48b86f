//! A log on a simulated disk, for tests and fuzz targets.

#![cfg_attr(not(test), expect(dead_code, reason = "fuzz targets use a part of what tests use"))]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::config::ByteSize;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;

use super::log::Time;
use super::sim::SimDisk;
use super::{Config, Log, Reader, Record, Sequence, Storages, Unwritable};
use crate::component::BoxError;
use crate::{Batch, Clock, Registry, notation, otlp};

/// 2026-01-01.
pub(super) const START: u64 = 1_767_225_600;

/// A log on a simulated disk, with a clock that stands still.
pub(crate) struct Rig {
    pub(super) log: Arc<Log>,
    pub(crate) disk: SimDisk,
    /// In seconds since the start.
    pub(super) steady: Arc<AtomicU64>,
    /// In seconds since 1970.
    pub(super) wall: Arc<AtomicU64>,
}

/// Small segments, so that there are many.
pub(crate) fn config() -> Config {
    Config { max_size: ByteSize::mib(1), segment_size: ByteSize(128 << 10), ..Config::default() }
}

impl Rig {
    pub(super) fn new(config: Config) -> Self {
        Self::on(SimDisk::default(), config)
    }

    pub(crate) fn on(disk: SimDisk, config: Config) -> Self {
        Self::at(disk, config, START)
    }

    pub(super) fn at(disk: SimDisk, config: Config, wall: u64) -> Self {
        Self::try_at(disk, config, wall).expect("the log opens")
    }

    pub(super) fn try_at(disk: SimDisk, config: Config, wall: u64) -> Result<Self, BoxError> {
        let (steady, wall) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(wall)));
        let (steady_clock, wall_clock) = (steady.clone(), wall.clone());
        let clock = Clock::from_fn(move || wall_clock.load(Ordering::SeqCst) * 1_000_000_000);
        let time =
            Time::new(clock, Arc::new(move || Duration::from_secs(steady_clock.load(Ordering::SeqCst))));
        let meter = NoopMeterProvider::new().meter("test").into();
        let log = Arc::new(Log::open("file_storage", config, Arc::new(disk.clone()), time, &meter)?);
        Ok(Self { log, disk, steady, wall })
    }

    /// Lets go of the log, and opens it again from what is on the disk.
    pub(super) fn reopened(self, config: Config) -> Self {
        let disk = self.disk.clone();
        drop(self);
        Self::on(disk, config)
    }

    pub(super) fn reader(&self, exporter: &str) -> Reader {
        self.log.reader(exporter).expect("the place is free").0
    }

    /// A storage with this id, whose folder this disk has taken the place of.
    pub(crate) fn storages(&self, id: &str, folder: &Path) -> Arc<Storages> {
        let directory = folder.to_str().expect("a path in UTF-8").to_owned();
        let configs = HashMap::from([(id.to_owned(), Config { directory, ..config() })]);
        let storages = Storages { configs, ..Storages::default() };
        let path = folder.canonicalize().expect("the folder is there");
        storages.open.try_lock().expect("nobody else has it").insert(path, Arc::downgrade(&self.log));
        Arc::new(storages)
    }

    /// Time passes, by both clocks.
    pub(crate) fn pass(&self, seconds: u64) {
        self.steady.fetch_add(seconds, Ordering::SeqCst);
        self.wall.fetch_add(seconds, Ordering::SeqCst);
        self.log.shared.wake();
    }

    pub(super) fn add(&self, number: u64, readers: &[&Reader]) -> Result<Sequence, Unwritable> {
        let append = self.log.append(&batch(number, 0), readers, None);
        wait(append.written).map(|()| append.sequence).map_err(|late| late.unwritable)
    }

    /// Adds a record of about so many bytes.
    pub(super) fn add_large(
        &self,
        number: u64,
        bytes: usize,
        readers: &[&Reader],
    ) -> Result<Sequence, Unwritable> {
        let append = self.log.append(&batch(number, bytes), readers, None);
        wait(append.written).map(|()| append.sequence).map_err(|late| late.unwritable)
    }
}

/// One point with this value.
pub(super) fn batch(number: u64, padding: usize) -> Arc<Batch> {
    let text = format!("gauge g{{padding=\"{}\"}} = {number}", "x".repeat(padding));
    Arc::new(notation::parse(&text, &Registry::new(10)).expect("the notation of a point"))
}

pub(super) fn request(number: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    otlp::encode(&batch(number, padding), &mut bytes);
    bytes
}

#[track_caller]
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let waited = runtime
        .expect("a runtime with a timer")
        .block_on(async { tokio::time::timeout(Duration::from_mins(1), future).await });
    waited.expect("it does not come")
}

/// Everything the reader has not settled.
pub(super) fn all(reader: &Reader) -> Vec<Record> {
    let (mut records, mut from) = (Vec::new(), 0);
    loop {
        let more = reader.read_here(from, 10_000).expect("the disk can be read");
        let Some(last) = more.last() else { return records };
        from = last.sequence + 1;
        records.extend(more);
    }
}

pub(super) fn sequences(reader: &Reader) -> Vec<Sequence> {
    all(reader).iter().map(|record| record.sequence).collect()
}

/// Waits for what another thread is about to do.
#[track_caller]
pub(super) fn eventually(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}
