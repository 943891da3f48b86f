//! What writing leaves behind when it is broken off: space set aside, records nobody was answered for, files that stay.

use super::faults::{FIRST, INPUT_OUTPUT, fill};
use super::*;

const NOT_PERMITTED: i32 = 1;

/// Sixteen records in several files, all of them settled but those of the file that is written.
fn settled(rig: &Rig) {
    let ana = rig.reader("ana");
    (1..=16).for_each(|number| assert!(rig.add_large(number, 20_000, &[&ana]).is_ok()));
    assert!(rig.disk.segments() >= 3, "{}", rig.disk.segments());
    (1..=16).for_each(|sequence| ana.settle(sequence));
}

#[test]
fn what_was_set_aside_when_the_process_was_killed_is_given_back_at_the_next_start() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let mut disk = rig.disk.clone();
    rig.add(0, &[&ana]).unwrap();
    for number in 1..=5 {
        disk = disk.killed();
        let rig = Rig::on(disk.clone(), config());
        let ana = rig.reader("ana");
        eventually(|| rig.disk.is_idle());
        let counted = rig.log.shared.state().bytes();
        let places: usize =
            disk.list().iter().filter(|name| name.starts_with("readers/")).map(|name| disk.len(name)).sum();
        assert_eq!(disk.used() - places as u64, counted, "after {number} kills");
        rig.add(number, &[&ana]).unwrap();
        disk = rig.disk.clone();
    }
}

#[test]
fn a_file_that_cannot_be_deleted_keeps_no_other() {
    let rig = Rig::new(config());
    rig.disk.undeletable(FIRST, NOT_PERMITTED);
    settled(&rig);
    eventually(|| rig.disk.segments() == 2);
    assert!(rig.disk.list().contains(&FIRST.to_owned()));
    // Once it can be deleted, it is.
    rig.disk.deletable();
    rig.pass(2);
    eventually(|| rig.disk.segments() == 1);
}

#[test]
fn a_file_that_cannot_be_deleted_does_not_keep_the_oldest_from_being_given_up() {
    let rig = Rig::new(Config { when_full: WhenFull::DropOldest, ..config() });
    rig.disk.undeletable(FIRST, NOT_PERMITTED);
    settled(&rig);
    eventually(|| rig.disk.segments() == 2);
    let ben = rig.reader("ben");
    let pressure = ben.pressure();
    fill(&rig, &ben);
    let first = sequences(&ben)[0];
    eventually(|| {
        rig.pass(1);
        let asked = *pressure.borrow();
        asked.is_some_and(|asked| asked.up_to >= first)
    });
}

#[test]
fn a_disk_on_which_nothing_can_be_set_aside_is_found_full_before_a_batch_is_taken() {
    let disk = SimDisk::default();
    disk.set_nothing_aside();
    disk.limit(Some(400_000));
    let rig = Rig::on(disk, config());
    let ana = rig.reader("ana");
    let number = fill(&rig, &ana);
    assert!(number >= 5, "{number}");
    for _ in 0..3 {
        rig.pass(2);
        assert!(rig.log.room(20_000).is_err());
    }
    rig.disk.limit(None);
    rig.pass(2);
    eventually(|| rig.log.room(20_000).is_ok());
    assert!(rig.add_large(99, 20_000, &[&ana]).is_ok());
}

#[test]
fn what_could_not_be_cut_off_is_not_read_after_a_kill_and_cut_off_later() {
    let rig = Rig::new(config());
    let (ana, ben) = (rig.reader("ana"), rig.reader("ben"));
    rig.add(1, &[&ana, &ben]).unwrap();
    rig.add(2, &[&ben]).unwrap();
    // One of the places is there, the other is yet to be made.
    ben.settle(2);
    eventually(|| rig.disk.is_idle() && rig.disk.list().contains(&String::from("readers/ben")));
    let len = rig.disk.len(FIRST);
    rig.disk.fail_syncs(Some(INPUT_OUTPUT));
    rig.disk.fail_cuts(Some(INPUT_OUTPUT));
    let late = rig.log.append(&batch(3, 0), &[&ana, &ben], None);
    eventually(|| rig.log.room(100).is_err());
    assert!(rig.disk.len(FIRST) > len);
    // It still counts as what it takes.
    assert!(rig.log.shared.state().segments[0].bytes > len as u64);

    rig.disk.fail_syncs(None);
    rig.pass(2);
    eventually(|| rig.log.room(100).is_ok());
    // It is written anew, and counts once.
    assert_eq!(rig.add(4, &[&ana]), Ok(4));
    drop(late);
    eventually(|| {
        let after = Rig::on(rig.disk.killed(), config());
        sequences(&after.reader("ana")) == [1, 3, 4] && sequences(&after.reader("ben")) == [1, 3]
    });
    rig.disk.fail_cuts(None);
    rig.pass(2);
    eventually(|| rig.disk.len(FIRST) == len && rig.log.shared.state().segments[0].bytes == len as u64);
    assert_eq!((sequences(&ana), sequences(&ben)), (vec![1, 3, 4], vec![1, 3]));
}
