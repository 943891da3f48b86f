//! Files that somebody deletes while they are in use.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use super::super::disk::Disk;
use super::faults::FIRST;
use super::files::{at, open, storages};
use super::*;

#[test]
fn nothing_is_written_to_a_file_that_was_deleted() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let mut deleted = ana.deleted();
    rig.add(1, &[&ana]).unwrap();
    eventually(|| rig.disk.is_idle());
    Disk::remove(&rig.disk, FIRST).unwrap();
    let late = wait(rig.log.append(&batch(2, 0), &[&ana], None).written).unwrap_err();
    assert!(late.unwritable.reason.contains("somebody has deleted the file"), "{late:?}");
    rig.pass(2);
    assert_eq!(wait(late.written), Ok(()));
    // What was in it is not claimed to be there.
    assert_eq!((sequences(&ana), ana.backlog().records), (vec![2], 1));
    assert!(ana.settler().is_deleted(1) && !ana.settler().is_deleted(2));
    assert_eq!(*deleted.borrow_and_update(), 1);
    let after = Rig::on(rig.disk.killed(), config());
    assert_eq!(sequences(&after.reader("ana")), [2]);
}

#[test]
fn whoever_asks_hears_what_is_there() {
    let rig = Rig::new(config());
    let (ana, ben) = (rig.reader("ana"), rig.reader("ben"));
    (1..=16).for_each(|number| assert!(rig.add_large(number, 20_000, &[&ana, &ben]).is_ok()));
    ana.settle(1);
    let second = rig.log.shared.state().segments[1].name.clone();
    let gone = {
        let state = rig.log.shared.state();
        state.segments[1].first()..=state.segments[1].last
    };
    Disk::remove(&rig.disk, &second).unwrap();
    rig.log.look();
    let left: Vec<Sequence> = (1..=16).filter(|sequence| !gone.contains(sequence)).collect();
    assert_eq!((sequences(&ben), sequences(&ana)), (left.clone(), left[1..].to_vec()));
    assert_eq!(ben.backlog().records, left.len() as u64);
    assert_eq!(ana.backlog_within(2..=*gone.end()).records, gone.start() - 2);
    let files = rig.disk.list().into_iter().filter(|name| name.strip_suffix(".log").is_some()).count();
    assert_eq!(rig.log.shared.state().segments.len(), files);
    // Those that were left go on.
    assert_eq!(rig.add(17, &[&ana]), Ok(17));
}

#[test]
fn a_place_that_was_deleted_is_written_anew() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    (1..=3).for_each(|number| assert!(rig.add(number, &[&ana]).is_ok()));
    ana.settle(1);
    let is_there = || rig.disk.list().contains(&String::from("readers/ana"));
    eventually(is_there);
    Disk::remove(&rig.disk, "readers/ana").unwrap();
    rig.log.look();
    eventually(|| {
        rig.pass(1);
        is_there()
    });
    let after = Rig::on(rig.disk.killed(), config());
    assert_eq!(sequences(&after.reader("ana")), [2, 3]);
}

fn empty(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

#[tokio::test]
async fn a_folder_that_was_deleted_or_emptied_is_made_and_locked_again() {
    let delete = |directory: &Path| fs::remove_dir_all(directory).unwrap();
    for delete in [&delete as &dyn Fn(&Path), &empty] {
        let folder = tempdir().unwrap();
        let directory = folder.path().join("queue");
        let config = Config { timeout: ::config::Duration::default(), ..at(&directory) };
        let storages = storages(config);
        let log = open(&storages).await.unwrap();
        let (ana, _) = log.reader("ana").unwrap();
        for number in 1..=2 {
            log.append(&batch(number, 0), &[&ana], None).written.await.unwrap();
        }
        delete(&directory);
        let is_empty = || ana.backlog() == Backlog::default();
        eventually(|| is_empty() && directory.join("lock").exists() && log.room(1000).is_ok());
        assert!(open(&Storages::default().with(storages.configs.clone())).await.is_err(), "it is not locked");
        log.append(&batch(3, 0), &[&ana], None).written.await.unwrap();
        drop((ana, log));
        let log = open(&storages).await.unwrap();
        let (ana, _) = log.reader("ana").unwrap();
        assert_eq!(ana.read(0, u64::MAX).await.unwrap()[0].request, request(3, 0));
    }
}

#[tokio::test]
async fn the_folder_of_readers_is_made_again_under_the_lock_that_is_held() {
    let folder = tempdir().unwrap();
    let directory = folder.path().join("queue");
    let log = open(&storages(at(&directory))).await.unwrap();
    let (ana, _) = log.reader("ana").unwrap();
    log.append(&batch(1, 0), &[&ana], None).written.await.unwrap();
    let readers = directory.join("readers");
    fs::remove_dir_all(&readers).unwrap();
    eventually(|| readers.exists() && log.room(1000).is_ok());
    log.append(&batch(2, 0), &[&ana], None).written.await.unwrap();
    assert_eq!(ana.backlog().records, 2);
}

#[tokio::test]
async fn a_folder_that_may_not_be_made_again_is_told() {
    let folder = tempdir().unwrap();
    let directory = folder.path().join("queue");
    fs::create_dir(&directory).unwrap();
    let log = open(&storages(Config { create_directory: false, ..at(&directory) })).await.unwrap();
    let (ana, _) = log.reader("ana").unwrap();
    log.append(&batch(1, 0), &[&ana], None).written.await.unwrap();
    let moved = folder.path().join("moved");
    fs::rename(&directory, &moved).unwrap();
    eventually(|| log.room(1000).is_err());
    let reason = log.room(1000).unwrap_err().reason;
    assert!(reason.contains("there is no folder"), "{reason}");
    // Put back, it goes on with what is in it.
    fs::rename(&moved, &directory).unwrap();
    eventually(|| log.room(1000).is_ok());
    log.append(&batch(2, 0), &[&ana], None).written.await.unwrap();
    assert_eq!(ana.backlog().records, 2);
}
