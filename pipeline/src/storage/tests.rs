//! The log against a disk that breaks, and against a real one.

#![expect(clippy::needless_for_each, reason = "a step of a test is a line")]

mod crash;
mod damage;
mod deleted;
mod faults;
mod files;
mod hanging;
mod leftovers;
mod limits;
mod model;
mod put_back;
mod stopped;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ::config::ByteSize;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;

use super::log::Time;
use super::rig::{Rig, START, all, batch, config, eventually, request, sequences, wait};
use super::sim::SimDisk;
use super::*;

const NONE: [Sequence; 0] = [];

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
fn the_name_of_an_exporter_is_known_that_has_settled_nothing() {
    let rig = Rig::new(config());
    let ana = rig.reader("otlp/ana");
    rig.add(1, &[&ana]).unwrap();
    eventually(|| rig.disk.list().contains(&String::from("readers/otlp%2Fana")));
    let after = Rig::on(rig.disk.killed(), config());
    let state = after.log.shared.state();
    let names: Vec<_> = state.places.iter().map(|place| place.exporter.clone()).collect();
    assert_eq!(names, [Some(String::from("otlp/ana"))]);
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
    let append = rig.log.append(&batch(1, 0), &[&ana], None);
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
        (0..10_000).map(|number| rig.log.append(&batch(number, 0), &[&ana, &ben], None)).collect();
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
    let appends: Vec<Append> =
        (0..500).map(|number| rig.log.append(&batch(number, 0), &[&ana], None)).collect();
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
    let appends: Vec<Append> =
        (0..100).map(|number| rig.log.append(&batch(number, 0), &[&ana], None)).collect();
    rig.disk.release_syncs();
    for append in appends {
        wait(append.written).unwrap();
    }
    assert!(rig.disk.syncs() - before <= 3, "{}", rig.disk.syncs() - before);
}
