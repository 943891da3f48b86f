//! Full disks, disks with errors, disks that are read-only: nothing breaks, and all goes on by itself.

use super::super::disk::Disk;
use super::*;

const FULL: i32 = 28;
pub(super) const INPUT_OUTPUT: i32 = 5;
const READ_ONLY: i32 = 30;

#[track_caller]
fn reason(result: Result<impl fmt::Debug, Unwritable>) -> String {
    result.unwrap_err().reason
}

/// Adds records until one does not fit; how many did.
pub(super) fn fill(rig: &Rig, reader: &Reader) -> u64 {
    let mut number = 0;
    while rig.log.room(20_000).is_ok() {
        number += 1;
        rig.add_large(number, 20_000, &[reader]).unwrap();
        eventually(|| rig.disk.is_idle() || rig.log.shared.state().room.lack.is_some());
    }
    number
}

#[test]
fn a_full_disk_is_met_before_a_batch_is_taken_and_writing_goes_on_when_there_is_room() {
    let rig = Rig::new(config());
    rig.disk.limit(Some(400_000));
    let ana = rig.reader("ana");
    let number = fill(&rig, &ana);
    assert!(number >= 9, "{number}");
    let reason = reason(rig.log.room(20_000));
    assert!(
        reason.contains("/sim") && reason.contains("No space left") && reason.contains("bytes are free"),
        "{reason}"
    );
    // There may be room for something small.
    assert_eq!(all(&ana).len() as u64, number);

    rig.disk.limit(None);
    rig.pass(2);
    eventually(|| rig.log.room(20_000).is_ok());
    rig.add_large(99, 20_000, &[&ana]).unwrap();
    drop(ana);
    let rig = rig.reopened(config());
    assert_eq!(all(&rig.reader("ana")).len() as u64, number + 1);
}

#[test]
fn what_is_settled_is_deleted_from_a_full_disk() {
    let rig = Rig::new(config());
    rig.disk.limit(Some(400_000));
    let ana = rig.reader("ana");
    fill(&rig, &ana);
    let used = rig.disk.used();
    rig.disk.fail(Some(FULL));
    sequences(&ana).into_iter().for_each(|sequence| ana.settle(sequence));
    eventually(|| rig.disk.used() + 100_000 < used);
    rig.disk.fail(None);
    rig.pass(2);
    eventually(|| rig.log.room(20_000).is_ok());
}

/// A disk that fails in writing, and then does not.
fn check(fail: impl Fn(&SimDisk, Option<i32>), error: i32, text: &str) {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.add(1, &[&ana]).unwrap();
    eventually(|| rig.disk.is_idle());
    fail(&rig.disk, Some(error));
    let second = late(&rig, 2, &ana);
    assert!(second.unwritable.reason.contains(text));
    // The disk is left alone for a second.
    assert!(reason(rig.log.room(100)).contains(text));
    let third = late(&rig, 3, &ana);
    assert!(third.unwritable.reason.contains(text));
    rig.pass(2);
    let fourth = late(&rig, 4, &ana);
    assert!(fourth.unwritable.reason.contains(text));
    let behind = wait(rig.log.barrier().written).unwrap_err();
    // It may be settled before it is written.
    ana.settle(3);
    assert_eq!(sequences(&ana), [1]);

    fail(&rig.disk, None);
    rig.pass(2);
    for late in [second, third, fourth, behind] {
        assert_eq!(wait(late.written), Ok(()));
    }
    eventually(|| rig.log.room(100).is_ok());
    assert_eq!(rig.add(5, &[&ana]), Ok(5));
    assert_eq!(sequences(&ana), [1, 2, 4, 5]);
    assert_eq!(all(&ana)[1].request, request(2, 0));
    eventually(|| rig.disk.is_idle());
    let after = Rig::on(rig.disk.killed(), config());
    assert_eq!(sequences(&after.reader("ana")), [1, 2, 4, 5]);
}

#[track_caller]
fn late(rig: &Rig, number: u64, reader: &Reader) -> Late {
    wait(rig.log.append(&batch(number, 0), &[reader], None).written).unwrap_err()
}

#[test]
fn what_cannot_be_written_is_written_when_it_can_in_order() {
    check(SimDisk::fail, INPUT_OUTPUT, "Input/output error");
    check(SimDisk::fail, READ_ONLY, "Read-only file system");
    check(SimDisk::fail, FULL, "No space left");
}

#[test]
fn what_cannot_be_synced_is_written_again() {
    check(SimDisk::fail_syncs, INPUT_OUTPUT, "Input/output error");
}

#[test]
fn what_cannot_be_written_is_given_up_for_whoever_has_to_know_its_fate() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.disk.fail(Some(INPUT_OUTPUT));
    let first = late(&rig, 1, &ana);
    let behind = wait(rig.log.barrier().written).unwrap_err();
    let (last, caught_up) = rig.log.caught_up();
    wait(caught_up);
    assert_eq!(last, 1);
    assert!(reason(wait(first.written)).contains("Input/output error"));
    assert!(reason(wait(behind.written)).contains("Input/output error"));
    rig.disk.fail(None);
    rig.pass(2);
    eventually(|| rig.log.room(100).is_ok());
    assert_eq!(rig.add(2, &[&ana]), Ok(2));
    assert_eq!(sequences(&ana), [2]);
}

#[test]
fn what_could_not_be_written_is_tried_once_more_at_the_end() {
    for is_well in [true, false] {
        let rig = Rig::new(config());
        let ana = rig.reader("ana");
        rig.disk.fail(Some(INPUT_OUTPUT));
        let first = late(&rig, 1, &ana);
        rig.disk.fail((!is_well).then_some(INPUT_OUTPUT));
        drop(ana);
        let disk = rig.disk.clone();
        drop(rig);
        assert_eq!(wait(first.written).is_ok(), is_well);
        disk.fail(None);
        let expected: &[Sequence] = if is_well { &[1] } else { &[] };
        assert_eq!(sequences(&Rig::on(disk, config()).reader("ana")), expected);
    }
}

#[test]
fn a_record_that_finds_no_room_within_the_limit_waits_for_some() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    // More than was asked for.
    let appends: Vec<Append> =
        (1..=12).map(|number| rig.log.append(&batch(number, 100_000), &[&ana], None)).collect();
    let outcomes: Vec<_> = appends.into_iter().map(|append| wait(append.written)).collect();
    let written = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
    let mut late = outcomes.into_iter().filter_map(Result::err);
    let first = late.next().unwrap();
    assert!(first.unwritable.reason.contains("`max_size` of 1MiB is used up"), "{first:?}");
    assert_eq!(sequences(&ana).len() as u64, written);
    (1..=written).for_each(|sequence| ana.settle(sequence));
    rig.pass(1);
    assert_eq!(wait(first.written), Ok(()));
    late.for_each(|late| assert_eq!(wait(late.written), Ok(())));
    assert_eq!(sequences(&ana), (written + 1..=12).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_fails_from_the_start_is_waited_for() {
    let disk = SimDisk::default();
    disk.fail(Some(READ_ONLY));
    let rig = Rig::on(disk, config());
    let ana = rig.reader("ana");
    assert!(reason(rig.log.room(100)).contains("Read-only"));
    assert!(reason(rig.add(1, &[&ana])).contains("Read-only"));
    rig.disk.fail(None);
    rig.pass(2);
    eventually(|| rig.log.room(100).is_ok());
    assert_eq!(rig.add(2, &[&ana]), Ok(2));
    assert_eq!(sequences(&ana), [1, 2]);
}

#[test]
fn settled_records_whose_file_could_not_be_written_are_written_later() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    (1..=5).for_each(|number| assert!(rig.add(number, &[&ana]).is_ok()));
    eventually(|| rig.disk.is_idle());
    rig.disk.fail(Some(INPUT_OUTPUT));
    ana.settle(1);
    eventually(|| !rig.log.shared.state().is_dirty);
    assert_eq!(sequences(&ana), [2, 3, 4, 5]);
    rig.disk.fail(None);
    rig.pass(2);
    eventually(|| {
        let after = Rig::on(rig.disk.killed(), config());
        sequences(&after.reader("ana")) == [2, 3, 4, 5]
    });
}

#[test]
fn what_the_disk_cannot_read_is_waited_for_and_then_lost() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    (1..=3).for_each(|number| assert!(rig.add(number, &[&ana]).is_ok()));
    let name = "00000000000000000001.log";
    let len = rig.disk.len(name) as u64;
    rig.disk.unreadable(name, len - 1..len);
    // What comes before is read, then the error is told.
    assert_eq!(ana.read_here(0, u64::MAX).unwrap().len(), 2);
    assert!(ana.read_here(3, u64::MAX).is_err());
    rig.pass(5);
    assert!(ana.read_here(3, u64::MAX).is_err());
    rig.disk.readable();
    assert!(!ana.read_here(3, u64::MAX).unwrap()[0].is_damaged);
    rig.disk.unreadable(name, len - 1..len);
    rig.pass(6);
    assert!(ana.read_here(3, u64::MAX).unwrap()[0].is_damaged);
}

#[test]
fn what_the_disk_cannot_read_at_the_start_is_passed_over() {
    let rig = Rig::new(Config { fsync: Fsync::Never, ..config() });
    let ana = rig.reader("ana");
    (1..=8).for_each(|number| assert!(rig.add_large(number, 5000, &[&ana]).is_ok()));
    drop(ana);
    let disk = rig.disk.clone();
    drop(rig);
    disk.unreadable("00000000000000000001.log", 12_000..12_100);
    let rig = Rig::on(disk, config());
    let ana = rig.reader("ana");
    let mut damaged = Vec::new();
    for number in 1..=8 {
        let record = ana.read_here(number, 0).ok().and_then(|records| records.into_iter().next());
        if record.is_none_or(|record| record.is_damaged || record.sequence != number) {
            damaged.push(number);
        }
    }
    assert_eq!(damaged, [3]);
}

#[test]
fn a_file_that_somebody_deletes_is_told_as_damage() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.add(1, &[&ana]).unwrap();
    Disk::remove(&rig.disk, "00000000000000000001.log").unwrap();
    let records = all(&ana);
    assert_eq!((records.len(), records[0].is_damaged, records[0].points), (1, true, 1));
    ana.settle(1);
    assert_eq!(sequences(&ana), NONE);
}

#[test]
fn an_interval_between_syncs_is_kept_that_is_shorter_than_that_between_other_work() {
    let interval = ::config::Duration(Duration::from_millis(300));
    let config = Config { fsync: Fsync::Interval, fsync_interval: interval, ..config() };
    let (disk, millis) = (SimDisk::default(), Arc::new(AtomicU64::new(0)));
    let steady = millis.clone();
    let time = Time::new(
        Clock::from_fn(|| START * 1_000_000_000),
        Arc::new(move || Duration::from_millis(steady.load(Ordering::SeqCst))),
    );
    let meter = NoopMeterProvider::new().meter("test").into();
    let log = Arc::new(Log::open("file_storage", config, Arc::new(disk.clone()), time, &meter).unwrap());
    let ana = log.reader("ana").unwrap().0;
    for now in [300, 600, 900] {
        wait(log.append(&batch(now, 0), &[&ana], None).written).unwrap();
        eventually(|| disk.is_idle());
        let before = disk.syncs();
        millis.store(now, Ordering::SeqCst);
        log.shared.wake();
        eventually(|| disk.syncs() > before);
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_waited_for_once_and_then_its_records_are_lost() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    (1..=12).for_each(|number| assert!(rig.add_large(number, 20_000, &[&ana]).is_ok()));
    let name = "00000000000000000001.log";
    let first: Vec<Sequence> = {
        let state = rig.log.shared.state();
        (1..=state.segments[0].last).collect()
    };
    rig.disk.unopenable(name, INPUT_OUTPUT);
    assert!(ana.read_here(0, u64::MAX).is_err());
    rig.pass(11);
    // One wait is enough for all of them.
    let records = all(&ana);
    let lost: Vec<Sequence> =
        records.iter().filter(|record| record.is_damaged).map(|record| record.sequence).collect();
    assert_eq!(lost, first);
    assert_eq!(records.len(), 12);
}

#[test]
fn a_lack_of_file_descriptors_loses_nothing() {
    const TOO_MANY_OPEN: i32 = 24;
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.add(1, &[&ana]).unwrap();
    rig.disk.unopenable("00000000000000000001.log", TOO_MANY_OPEN);
    assert!(ana.read_here(0, u64::MAX).is_err());
    rig.pass(60);
    assert!(ana.read_here(0, u64::MAX).is_err());
    rig.disk.readable();
    assert!(!ana.read_here(0, u64::MAX).unwrap()[0].is_damaged);
}

pub(super) const FIRST: &str = "00000000000000000001.log";

/// A log with records 1 to 8, 5000 bytes each, that was closed.
pub(super) fn closed() -> SimDisk {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    (1..=8).for_each(|number| assert!(rig.add_large(number, 5000, &[&ana]).is_ok()));
    drop(ana);
    let disk = rig.disk.clone();
    drop(rig);
    disk
}

#[test]
fn a_read_that_fails_once_at_the_start_costs_nothing() {
    let disk = closed();
    disk.fail_reads(2);
    let rig = Rig::on(disk, config());
    let records = all(&rig.reader("ana"));
    assert!(records.len() == 8 && records.iter().all(|record| !record.is_damaged));
}

#[test]
fn a_file_that_cannot_be_read_at_the_start_is_kept() {
    let disk = closed();
    let bytes = disk.bytes(FIRST);
    disk.unreadable(FIRST, 0..u64::MAX);
    let rig = Rig::on(disk, config());
    let ana = rig.reader("ana");
    assert_eq!(sequences(&ana), NONE);
    assert_eq!(rig.disk.bytes(&format!("{FIRST}.damaged")), bytes);
    // None of its sequences is used again, so that it can be put back.
    let sequence = rig.add(9, &[&ana]).unwrap();
    assert!(sequence > 8, "{sequence}");
    drop(ana);
    let disk = rig.disk.clone();
    drop(rig);
    Disk::rename(&disk, &format!("{FIRST}.damaged"), FIRST).unwrap();
    disk.readable();
    let rig = Rig::on(disk, config());
    assert_eq!(sequences(&rig.reader("ana")), [1, 2, 3, 4, 5, 6, 7, 8, sequence]);
}

#[test]
fn a_last_file_whose_end_cannot_be_read_at_the_start_is_neither_cut_nor_deleted() {
    let disk = closed();
    let bytes = disk.bytes(FIRST);
    disk.unreadable(FIRST, bytes.len() as u64 - 16_000..u64::MAX);
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    let readable: Vec<Sequence> =
        all_readable(&ana).iter().filter(|record| !record.is_damaged).map(|record| record.sequence).collect();
    assert_eq!(readable, [1, 2, 3, 4]);
    assert_eq!(disk.bytes(FIRST), bytes);
    let sequence = rig.add(9, &[&ana]).unwrap();
    assert!(sequence > 8, "{sequence}");
    // When it can be read again, all of it is there.
    drop(ana);
    drop(rig);
    disk.readable();
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    assert_eq!(sequences(&ana), [1, 2, 3, 4, 5, 6, 7, 8, sequence]);
    drop(ana);
    drop(rig);
    // Once what can be read of it is sent, the rest is still kept.
    disk.unreadable(FIRST, bytes.len() as u64 - 16_000..u64::MAX);
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    (1..=sequence).for_each(|sequence| ana.settle(sequence));
    eventually(|| disk.list().contains(&format!("{FIRST}.damaged")));
    assert_eq!(disk.bytes(&format!("{FIRST}.damaged")), bytes);
}

/// What comes before the first that the disk cannot read.
fn all_readable(reader: &Reader) -> Vec<Record> {
    let (mut records, mut from) = (Vec::new(), 0);
    while let Ok(more) = reader.read_here(from, 10_000) {
        let Some(last) = more.last() else { break };
        from = last.sequence + 1;
        records.extend(more);
    }
    records
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_log_from_being_dropped() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.add(1, &[&ana]).unwrap();
    eventually(|| rig.disk.is_idle());
    rig.disk.hold_syncs();
    let append = rig.log.append(&batch(2, 0), &[&ana], None);
    drop(ana);
    let disk = rig.disk.clone();
    drop(rig);
    // It comes back later, and what was added is written then.
    disk.release_syncs();
    wait(append.written).unwrap();
}
