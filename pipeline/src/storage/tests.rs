//! The log against a disk that breaks, and against a real one.

#![expect(clippy::needless_for_each, reason = "a step of a test is a line")]

mod crash;
mod damage;
pub(crate) mod disk;
mod faults;
mod files;
mod limits;
mod model;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::config::ByteSize;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;

use self::disk::SimDisk;
use super::log::Time;
use super::*;
use crate::{Batch, Registry, notation, otlp};

const NONE: [Sequence; 0] = [];

/// 2026-01-01.
const START: u64 = 1_767_225_600;

/// A log on a simulated disk, with a clock that stands still.
pub(crate) struct Rig {
    log: Arc<Log>,
    pub(crate) disk: SimDisk,
    /// In seconds since the start.
    steady: Arc<AtomicU64>,
    /// In seconds since 1970.
    wall: Arc<AtomicU64>,
}

/// Small segments, so that there are many.
pub(crate) fn config() -> Config {
    Config { max_size: ByteSize::mib(1), segment_size: ByteSize(128 << 10), ..Config::default() }
}

impl Rig {
    fn new(config: Config) -> Self {
        Self::on(SimDisk::default(), config)
    }

    pub(crate) fn on(disk: SimDisk, config: Config) -> Self {
        Self::at(disk, config, START)
    }

    fn at(disk: SimDisk, config: Config, wall: u64) -> Self {
        Self::try_at(disk, config, wall).unwrap()
    }

    fn try_at(disk: SimDisk, config: Config, wall: u64) -> Result<Self, BoxError> {
        let (steady, wall) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(wall)));
        let (steady_clock, wall_clock) = (steady.clone(), wall.clone());
        let clock = Clock::from_fn(move || wall_clock.load(Ordering::SeqCst) * 1_000_000_000);
        let time =
            Time::new(clock, Arc::new(move || Duration::from_secs(steady_clock.load(Ordering::SeqCst))));
        let meter = NoopMeterProvider::new().meter("test");
        let log = Arc::new(Log::open("file_storage", config, Arc::new(disk.clone()), time, &meter)?);
        Ok(Self { log, disk, steady, wall })
    }

    /// Lets go of the log, and opens it again from what is on the disk.
    fn reopened(self, config: Config) -> Self {
        let disk = self.disk.clone();
        drop(self);
        Self::on(disk, config)
    }

    fn reader(&self, exporter: &str) -> Reader {
        self.log.reader(exporter).unwrap().0
    }

    /// A storage with this id, whose folder this disk has taken the place of.
    pub(crate) fn storages(&self, id: &str, folder: &Path) -> Arc<Storages> {
        let directory = folder.to_str().unwrap().to_owned();
        let configs = HashMap::from([(id.to_owned(), Config { directory, ..config() })]);
        let storages = Storages { configs, ..Storages::default() };
        let path = folder.canonicalize().unwrap();
        storages.open.try_lock().unwrap().insert(path, Arc::downgrade(&self.log));
        Arc::new(storages)
    }

    /// Time passes, by both clocks.
    pub(crate) fn pass(&self, seconds: u64) {
        self.steady.fetch_add(seconds, Ordering::SeqCst);
        self.wall.fetch_add(seconds, Ordering::SeqCst);
        self.log.shared.wake();
    }

    fn add(&self, number: u64, readers: &[&Reader]) -> Result<Sequence, Unwritable> {
        let append = self.log.append(&batch(number, 0), readers);
        wait(append.written).map(|()| append.sequence).map_err(|late| late.unwritable)
    }

    /// Adds a record of about so many bytes.
    fn add_large(&self, number: u64, bytes: usize, readers: &[&Reader]) -> Result<Sequence, Unwritable> {
        let append = self.log.append(&batch(number, bytes), readers);
        wait(append.written).map(|()| append.sequence).map_err(|late| late.unwritable)
    }
}

/// One point with this value.
fn batch(number: u64, padding: usize) -> Arc<Batch> {
    let text = format!("gauge g{{padding=\"{}\"}} = {number}", "x".repeat(padding));
    Arc::new(notation::parse(&text, &Registry::new(10)).unwrap())
}

fn request(number: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    otlp::encode(&batch(number, padding), &mut bytes);
    bytes
}

#[track_caller]
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let waited = runtime.block_on(async { tokio::time::timeout(Duration::from_mins(1), future).await });
    waited.expect("it does not come")
}

/// Everything the reader has not settled.
fn all(reader: &Reader) -> Vec<Record> {
    let (mut records, mut from) = (Vec::new(), 0);
    loop {
        let more = reader.read_here(from, 10_000).unwrap();
        let Some(last) = more.last() else { return records };
        from = last.sequence + 1;
        records.extend(more);
    }
}

fn sequences(reader: &Reader) -> Vec<Sequence> {
    all(reader).iter().map(|record| record.sequence).collect()
}

/// Waits for what another thread is about to do.
#[track_caller]
fn eventually(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_is_added_is_read_in_order_by_those_it_is_for() {
    let rig = Rig::new(config());
    let (ana, ben) = (rig.reader("otlp/ana"), rig.reader("otlp/ben"));
    assert_eq!(rig.add(1, &[&ana, &ben]), Ok(1));
    assert_eq!(rig.add(2, &[&ana]), Ok(2));
    assert_eq!(rig.add(3, &[&ben]), Ok(3));
    let records = all(&ana);
    assert_eq!(sequences(&ana), [1, 2]);
    assert_eq!(sequences(&ben), [1, 3]);
    assert_eq!(records[0].request, request(1, 0));
    assert_eq!((records[0].points, records[0].is_damaged), (1, false));
    assert_eq!(records[0].written_unix_nano, START * 1_000_000_000);
    ana.settle(1);
    assert_eq!(sequences(&ana), [2]);
    assert_eq!(sequences(&ben), [1, 3]);
    assert_eq!(ana.backlog().records, 1);
    assert_eq!(ana.backlog().bytes, request(2, 0).len() as u64);
}

#[test]
fn what_was_settled_is_not_read_after_a_restart() {
    let rig = Rig::new(config());
    let (ana, ben) = (rig.reader("ana"), rig.reader("ben"));
    for number in 1..=10 {
        rig.add(number, &[&ana, &ben]).unwrap();
    }
    for sequence in [1, 2, 3, 7] {
        ana.settle(sequence);
    }
    ben.settle(10);
    drop((ana, ben));
    let rig = rig.reopened(config());
    let (ana, backlog) = rig.log.reader("ana").unwrap();
    assert_eq!((backlog.records, backlog.points), (6, 6));
    assert_eq!(sequences(&ana), [4, 5, 6, 8, 9, 10]);
    assert_eq!(sequences(&rig.reader("ben")), (1..10).collect::<Vec<_>>());
    assert_eq!(rig.add(11, &[&ana]), Ok(11));
}

#[test]
fn a_place_that_is_written_anew_says_nothing_of_what_is_held() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    for number in 1..=30 {
        rig.add_large(number, 20_000, &[&ana]).unwrap();
    }
    let settled = [1, 2, 9, 20, 21, 30];
    settled.iter().for_each(|sequence| ana.settle(*sequence));
    drop(ana);
    // Each time it is opened the place is written anew at the first that is settled.
    let mut rig = rig.reopened(config());
    for last in [12, 13] {
        let ana = rig.reader("ana");
        ana.settle(last);
        drop(ana);
        rig = rig.reopened(config());
    }
    let left = (1..=30).filter(|sequence| !settled.contains(sequence) && ![12, 13].contains(sequence));
    assert_eq!(sequences(&rig.reader("ana")), left.collect::<Vec<_>>());
}

#[test]
fn a_record_can_be_settled_before_it_is_written() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let append = rig.log.append(&batch(1, 0), &[&ana]);
    ana.settle(append.sequence);
    wait(append.written).unwrap();
    eventually(|| ana.backlog() == Backlog::default());
    drop(ana);
    let rig = rig.reopened(config());
    assert_eq!(sequences(&rig.reader("ana")), NONE);
}

#[test]
fn what_all_have_settled_is_deleted() {
    let rig = Rig::new(config());
    let (ana, ben) = (rig.reader("ana"), rig.reader("ben"));
    let numbers = 1..=50;
    for number in numbers.clone() {
        rig.add_large(number, 10_000, &[&ana, &ben]).unwrap();
    }
    assert!(rig.disk.segments() >= 4, "{}", rig.disk.segments());
    numbers.clone().for_each(|sequence| ana.settle(sequence));
    assert_eq!(sequences(&ben).len(), 50);
    numbers.for_each(|sequence| ben.settle(sequence));
    eventually(|| rig.disk.segments() == 1);
    assert_eq!(rig.add(51, &[&ana]), Ok(51));
}

#[test]
fn reading_is_bounded_by_bytes_and_gives_at_least_one() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    for number in 1..=5 {
        rig.add_large(number, 1000, &[&ana]).unwrap();
    }
    assert_eq!(ana.read_here(0, 0).unwrap().len(), 1);
    assert_eq!(ana.read_here(0, 2500).unwrap().len(), 2);
    assert_eq!(ana.read_here(5, u64::MAX).unwrap().len(), 1);
    assert_eq!(ana.read_here(6, u64::MAX).unwrap().len(), 0);
}

#[test]
fn a_place_is_one_readers_until_it_is_dropped() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let error = rig.log.reader("ana").unwrap_err().to_string();
    assert_eq!(error, "`ana` already keeps its queue here");
    drop(ana);
    rig.reader("ana");
}

#[test]
fn many_settled_records_take_a_small_place() {
    let rig = Rig::new(Config { fsync: Fsync::Never, max_size: ByteSize::mib(64), ..config() });
    let (ana, ben) = (rig.reader("ana"), rig.reader("ben"));
    let appends: Vec<Append> =
        (0..10_000).map(|number| rig.log.append(&batch(number, 0), &[&ana, &ben])).collect();
    for append in appends {
        wait(append.written).unwrap();
        ana.settle(append.sequence);
    }
    drop((ana, ben));
    let rig = rig.reopened(config());
    assert!(rig.disk.len("readers/ana") < 200_000, "{}", rig.disk.len("readers/ana"));
    assert_eq!(sequences(&rig.reader("ana")), NONE);
    assert_eq!(sequences(&rig.reader("ben")).len(), 10_000);
}

#[test]
fn a_log_that_is_dropped_finishes_what_was_added() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let appends: Vec<Append> = (0..500).map(|number| rig.log.append(&batch(number, 0), &[&ana])).collect();
    drop(ana);
    let rig = rig.reopened(config());
    assert_eq!(sequences(&rig.reader("ana")).len(), 500);
    assert!(appends.into_iter().all(|append| wait(append.written).is_ok()));
}

#[test]
fn appends_that_come_together_are_synced_together() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.add(0, &[&ana]).unwrap();
    eventually(|| rig.disk.is_idle());
    let before = rig.disk.syncs();
    // While the first is synced, the others wait; then all of them go at once.
    rig.disk.hold_syncs();
    let appends: Vec<Append> = (0..100).map(|number| rig.log.append(&batch(number, 0), &[&ana])).collect();
    rig.disk.release_syncs();
    for append in appends {
        wait(append.written).unwrap();
    }
    assert!(rig.disk.syncs() - before <= 3, "{}", rig.disk.syncs() - before);
}
