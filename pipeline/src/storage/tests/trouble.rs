//! What fails on the disk is counted and said, also where batches are taken all the same.

use super::super::writer::Writer;
use super::faults::INPUT_OUTPUT;
use super::*;
use crate::delivery::told::Told;
use crate::telemetry::ledger::Ledger;

#[test]
fn what_could_not_be_made_safe_at_the_end_of_a_file_is_counted() {
    let (disk, ledger) = (SimDisk::default(), Ledger::default());
    let time = Time::new(Clock::from_fn(|| START * 1_000_000_000), Arc::new(|| Duration::ZERO));
    let config = Config { fsync: Fsync::Interval, ..config() };
    let log = Log::open("x", config, Arc::new(disk.clone()), time, &ledger.meter()).unwrap();
    let log = Arc::new(log);
    let ana = log.reader("ana").unwrap().0;
    wait(log.append(&batch(1, 50_000), &[&ana], None).written).unwrap();
    eventually(|| disk.is_idle() && disk.list().contains(&String::from("readers/ana")));
    disk.fail_syncs(Some(INPUT_OUTPUT));
    // It goes to the next file, and there is none to be made ahead behind it.
    wait(log.append(&batch(2, 100_000), &[&ana], None).written).unwrap();
    eventually(|| log.shared.state().room.lack.is_some());
    assert_eq!(ledger.sum("inferometer_storage_write_failures"), 2);
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let (rig, told) = (Rig::new(config()), Told::new());
    let _ana = rig.reader("ana");
    eventually(|| rig.disk.list().contains(&String::from("readers/ana")));
    rig.disk.fail(Some(INPUT_OUTPUT));
    // Another, in this thread, as it is heard in no other.
    Writer::new(rig.log.shared.clone()).write_places(true);
    let lines = told.with("cannot note what was sent");
    assert!(lines.len() == 1 && lines[0].starts_with("ERROR"), "{lines:#?}");
    assert_eq!(told.with("new batches are refused"), Vec::<String>::new());
}
