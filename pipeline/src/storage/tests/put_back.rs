//! Files that cannot be read at the start: what is in them is there once they can be read again.

use super::super::disk::Disk;
use super::faults::{FIRST, INPUT_OUTPUT, closed};
use super::*;

const PLACE: &str = "readers/ana";
const TOO_MANY_OPEN: i32 = 24;

/// The disk can be read again, and somebody has put the file back, if it was put aside.
fn put_back(disk: &SimDisk) -> Rig {
    disk.readable();
    let aside = format!("{FIRST}.damaged");
    if disk.list().contains(&aside) {
        Disk::rename(disk, &aside, FIRST).unwrap();
    }
    Rig::on(disk.clone(), config())
}

/// A life in which a record is added and settled, so that the place is written anew.
fn live(disk: &SimDisk) -> Sequence {
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    let sequence = rig.add(99, &[&ana]).unwrap();
    ana.settle(sequence);
    sequence
}

#[test]
fn what_is_put_back_is_read_whatever_was_settled_meanwhile() {
    let disk = closed();
    disk.unreadable(FIRST, 0..u64::MAX);
    let lives = [live(&disk), live(&disk), live(&disk)];
    assert!(lives[0] > 8 && lives.is_sorted(), "{lives:?}");
    let rig = put_back(&disk);
    assert_eq!(sequences(&rig.reader("ana")), (1..=8).collect::<Vec<_>>());
}

#[test]
fn what_was_settled_of_a_file_that_is_put_back_is_not_read_again() {
    let disk = closed();
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    [1, 2, 7].into_iter().for_each(|sequence| ana.settle(sequence));
    drop((ana, rig));
    disk.unreadable(FIRST, 0..u64::MAX);
    live(&disk);
    live(&disk);
    let rig = put_back(&disk);
    assert_eq!(sequences(&rig.reader("ana")), [3, 4, 5, 6, 8]);
}

#[test]
fn what_could_not_be_read_of_a_file_is_kept_when_the_rest_of_it_is_settled() {
    let disk = closed();
    // The first half can be read.
    let end = disk.len(FIRST) as u64 - 16_000;
    disk.unreadable(FIRST, end..u64::MAX);
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    // Of the fifth it is known that it was there, and cannot be read.
    (1..=5).for_each(|sequence| ana.settle(sequence));
    eventually(|| rig.disk.list().contains(&format!("{FIRST}.damaged")));
    drop((ana, rig));
    live(&disk);
    let rig = put_back(&disk);
    assert_eq!(sequences(&rig.reader("ana")), [6, 7, 8]);
}

#[test]
fn what_could_not_be_read_is_kept_when_the_rest_is_dropped_as_unclaimed() {
    let disk = closed();
    // Of eight records the third.
    disk.unreadable(FIRST, 10_500..11_000);
    let rig = Rig::on(disk.clone(), Config { unclaimed: Unclaimed::Drop, ..config() });
    assert_eq!(rig.log.shared.state().segments[0].held(), 7);
    rig.pass(60);
    eventually(|| {
        rig.pass(1);
        rig.disk.list().contains(&format!("{FIRST}.damaged"))
    });
    drop(rig);
    let rig = put_back(&disk);
    assert_eq!(sequences(&rig.reader("ana")), [3]);
}

#[test]
fn no_sequence_of_a_file_that_waits_to_be_put_back_is_used_again() {
    let disk = closed();
    disk.unreadable(FIRST, 0..u64::MAX);
    drop(Rig::on(disk.clone(), config()));
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    let sequence = rig.add(9, &[&ana]).unwrap();
    assert!(sequence > 8, "{sequence}");
    drop((ana, rig));
    let rig = put_back(&disk);
    assert_eq!(sequences(&rig.reader("ana")), [1, 2, 3, 4, 5, 6, 7, 8, sequence]);
}

#[test]
fn a_file_that_cannot_be_opened_at_the_start_is_put_aside_and_the_others_are_read() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    (1..=12).for_each(|number| assert!(rig.add_large(number, 20_000, &[&ana]).is_ok()));
    let last = rig.log.shared.state().segments[0].last;
    let disk = rig.disk.clone();
    drop((ana, rig));
    disk.unopenable(FIRST, INPUT_OUTPUT);
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    assert_eq!(sequences(&ana), (last + 1..=12).collect::<Vec<_>>());
    (last + 1..=12).for_each(|sequence| ana.settle(sequence));
    let sequence = rig.add(13, &[&ana]).unwrap();
    drop((ana, rig));
    let rig = put_back(&disk);
    let left: Vec<Sequence> = (1..=last).chain([sequence]).collect();
    assert_eq!(sequences(&rig.reader("ana")), left);
}

#[test]
fn a_lack_of_file_descriptors_at_the_start_is_an_error_and_changes_nothing() {
    let disk = closed();
    disk.unopenable(FIRST, TOO_MANY_OPEN);
    let error = Rig::try_at(disk.clone(), config(), START).err().map(|error| chain(&*error)).unwrap();
    assert!(error.contains(FIRST) && error.contains("Too many open files"), "{error}");
    let rig = put_back(&disk);
    assert_eq!(sequences(&rig.reader("ana")).len(), 8);
}

#[test]
fn behind_a_place_that_cannot_be_opened_all_is_read_again() {
    let disk = closed();
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    (1..=4).for_each(|sequence| ana.settle(sequence));
    drop((ana, rig));
    disk.unopenable(PLACE, INPUT_OUTPUT);
    let rig = Rig::on(disk.clone(), config());
    assert_eq!(sequences(&rig.reader("ana")), (1..=8).collect::<Vec<_>>());
}

#[test]
fn what_a_place_says_that_could_not_be_read_for_a_while_is_not_said_of_what_came_since() {
    let disk = closed();
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    (1..=8).for_each(|sequence| ana.settle(sequence));
    drop((ana, rig));
    assert_eq!(disk.segments(), 0);
    disk.unreadable(PLACE, 0..u64::MAX);
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    let sequence = rig.add(9, &[&ana]).unwrap();
    drop(ana);
    // The process is killed before anything is settled.
    let disk = rig.disk.killed();
    let rig = Rig::on(disk, config());
    assert_eq!(sequences(&rig.reader("ana")), [sequence]);
}
