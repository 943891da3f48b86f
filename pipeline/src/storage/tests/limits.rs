//! The bounds: bytes on disk, age, and what nobody claims.

use tokio::sync::watch;

use super::*;
use crate::Batch;

const LARGE: usize = 20_000;

fn dropping() -> Config {
    Config { when_full: WhenFull::DropOldest, ..config() }
}

/// Adds a record, as a pipeline would: only where there is room.
fn offer(rig: &Rig, number: u64, reader: &Reader) -> Result<Sequence, Unwritable> {
    rig.log.room(LARGE as u64)?;
    rig.add_large(number, LARGE, &[reader])
}

/// What was asked last.
fn asked(pressure: &watch::Receiver<Option<GiveUp>>) -> Option<(Sequence, &'static str)> {
    pressure.borrow().map(|give_up| (give_up.up_to, give_up.reason))
}

/// Fills the log until it takes nothing more; the last number.
fn fill(rig: &Rig, reader: &Reader) -> u64 {
    let mut number = 0;
    loop {
        eventually(|| rig.disk.is_idle() || rig.log.shared.state().room.lack.is_some());
        if offer(rig, number + 1, reader).is_err() {
            return number;
        }
        number += 1;
    }
}

#[test]
fn a_full_log_refuses_and_its_files_are_never_larger() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let number = fill(&rig, &ana);
    let used = rig.disk.used();
    assert!((900_000..=1_048_576).contains(&used), "{used}");
    let reason = rig.log.room(LARGE as u64).unwrap_err().reason;
    assert_eq!(reason, "`/sim` takes nothing more: `max_size` of 1MiB is used up");
    assert_eq!(sequences(&ana).len() as u64, number);
    assert_eq!(asked(&ana.pressure()), None);

    (1..=12).for_each(|sequence| ana.settle(sequence));
    eventually(|| offer(&rig, 100, &ana).is_ok());
    assert_eq!(sequences(&ana).len() as u64, number - 12 + 1);
}

#[test]
fn before_it_is_full_the_oldest_are_asked_for() {
    let rig = Rig::new(dropping());
    let ana = rig.reader("ana");
    let pressure = ana.pressure();
    // A reader that gives up what it is asked for; nothing is ever refused.
    let mut given_up = 0;
    for number in 1..=300 {
        eventually(|| rig.disk.is_idle() || asked(&pressure).is_some_and(|(up_to, _)| up_to > given_up));
        if let Some((up_to, reason)) = asked(&pressure) {
            assert_eq!(reason, "storage_full");
            for record in ana.read_here(0, u64::MAX).unwrap().iter().filter(|record| record.sequence <= up_to)
            {
                ana.settle(record.sequence);
            }
            given_up = up_to;
        }
        offer(&rig, number, &ana).unwrap();
        assert!(rig.disk.used() <= 1 << 20);
    }
    let left = sequences(&ana);
    assert_eq!(*left.last().unwrap(), 300);
    assert!(left.len() > 25, "{}", left.len());
}

#[test]
fn what_is_being_sent_is_passed_over_after_a_while() {
    let rig = Rig::new(dropping());
    let ana = rig.reader("ana");
    let pressure = ana.pressure();
    fill(&rig, &ana);
    eventually(|| asked(&pressure).is_some());
    let (first, _) = asked(&pressure).unwrap();
    // All but one is given up: its segment stays.
    (2..=first).for_each(|sequence| ana.settle(sequence));
    for _ in 0..3 {
        rig.pass(1);
    }
    eventually(|| {
        rig.pass(1);
        asked(&pressure).is_some_and(|(up_to, _)| up_to > first)
    });
    let (second, _) = asked(&pressure).unwrap();
    (first + 1..=second).for_each(|sequence| ana.settle(sequence));
    eventually(|| offer(&rig, 1000, &ana).is_ok());
    assert_eq!(sequences(&ana)[0], 1);
    // No time passes before more is asked for when it is full again.
    fill(&rig, &ana);
    eventually(|| asked(&pressure).is_some_and(|(up_to, _)| up_to > second));
}

#[test]
fn a_record_larger_than_a_segment_does_not_wait_until_nobody_else_writes() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let small = rig.log.keep(1000).unwrap();
    let large = rig.log.keep(300_000).unwrap();
    // It is the next, so that those who come all the time do not keep it out.
    assert!(rig.log.room(100).is_err() && rig.log.room(300_000).is_err());
    let append = rig.log.append(&batch(1, 299_000), &[&ana], Some(&large));
    wait(append.written).unwrap();
    drop(large);
    let append = rig.log.append(&batch(2, 500), &[&ana], Some(&small));
    wait(append.written).unwrap();
    drop(small);
    eventually(|| rig.log.room(300_000).is_ok());
    assert_eq!(sequences(&ana), [1, 2]);
}

#[test]
fn segments_can_be_made_larger_while_there_is_a_small_one_ahead() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.log.apply(&Config { max_size: ByteSize::mib(64), segment_size: ByteSize::mib(4), ..config() });
    eventually(|| {
        rig.pass(1);
        rig.log.shared.state().room.free > 32 << 20
    });
    assert_eq!(rig.log.room(600_000), Ok(()));
    rig.add_large(1, 600_000, &[&ana]).unwrap();
    assert_eq!(sequences(&ana), [1]);
}

#[test]
fn a_record_larger_than_a_segment_is_taken_where_there_is_room_for_it() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let large = 300_000;
    rig.log.room(large).unwrap();
    assert_eq!(rig.add_large(1, large as usize, &[&ana]), Ok(1));
    eventually(|| rig.disk.is_idle());
    assert!(rig.log.room(2_000_000).is_err());
    let reason = rig.add_large(2, 2_000_000, &[&ana]).unwrap_err().reason;
    assert!(reason.contains("`max_size` of 1MiB is used up"), "{reason}");
    assert_eq!(rig.add(3, &[&ana]), Ok(3));
    drop(ana);
    let rig = rig.reopened(config());
    let records = all(&rig.reader("ana"));
    assert_eq!(records[0].request, request(1, large as usize));
    assert_eq!(records.len(), 2);
}

#[test]
fn what_is_too_old_is_asked_for_and_nothing_else() {
    let config = Config { max_age: ::config::Duration::from_secs(100), ..config() };
    let rig = Rig::new(config);
    let ana = rig.reader("ana");
    let pressure = ana.pressure();
    rig.add(1, &[&ana]).unwrap();
    rig.pass(60);
    rig.add(2, &[&ana]).unwrap();
    rig.pass(30);
    rig.add(3, &[&ana]).unwrap();
    assert_eq!(asked(&pressure), None);
    rig.pass(15);
    eventually(|| asked(&pressure) == Some((1, "too_old")));
    assert_eq!(ana.oldest_age(), Some(Duration::from_secs(105)));
    ana.settle(1);
    rig.pass(60);
    eventually(|| asked(&pressure) == Some((2, "too_old")));
}

#[test]
fn a_clock_that_jumps_makes_nothing_old() {
    let config = Config { max_age: ::config::Duration::from_secs(100), ..config() };
    let rig = Rig::new(config.clone());
    let ana = rig.reader("ana");
    rig.add(1, &[&ana]).unwrap();
    let ten_years = 10 * 365 * 86_400;
    rig.wall.fetch_add(ten_years, Ordering::SeqCst);
    rig.steady.fetch_add(2, Ordering::SeqCst);
    rig.log.shared.wake();
    rig.add(2, &[&ana]).unwrap();
    rig.wall.store(0, Ordering::SeqCst);
    rig.steady.fetch_add(2, Ordering::SeqCst);
    rig.log.shared.wake();
    rig.add(3, &[&ana]).unwrap();
    assert_eq!(asked(&ana.pressure()), None);
    assert_eq!(ana.oldest_age(), Some(Duration::from_secs(4)));
    // Opened with the clock back at 1970, what was written later is as old as the log is open.
    drop(ana);
    let disk = rig.disk.clone();
    drop(rig);
    let rig = Rig::at(disk, config, 1000);
    let ana = rig.reader("ana");
    assert_eq!(sequences(&ana), [1, 2, 3]);
    rig.pass(50);
    rig.add(4, &[&ana]).unwrap();
    assert_eq!(asked(&ana.pressure()), None);
    rig.pass(60);
    eventually(|| asked(&ana.pressure()) == Some((3, "too_old")));
}

#[test]
fn without_a_limit_nothing_is_old_even_by_a_clock_that_was_never_told_the_time() {
    let rig = Rig::at(SimDisk::default(), config(), 0);
    let ana = rig.reader("ana");
    rig.add(1, &[&ana]).unwrap();
    rig.pass(100);
    rig.add(2, &[&ana]).unwrap();
    eventually(|| rig.disk.is_idle());
    assert_eq!(asked(&ana.pressure()), None);
}

/// A log that holds records of an exporter that nobody claims.
fn left_behind(config: &Config) -> Rig {
    let rig = Rig::new(config.clone());
    let (ana, eve) = (rig.reader("ana"), rig.reader("eve"));
    for number in 1..=12 {
        rig.add_large(number, LARGE, &[&ana, &eve]).unwrap();
        ana.settle(number);
    }
    drop((ana, eve));
    rig.reopened(config.clone())
}

#[test]
fn what_nobody_claims_is_kept() {
    let rig = left_behind(&config());
    let ana = rig.reader("ana");
    rig.pass(120);
    rig.add(13, &[&ana]).unwrap();
    let eve = rig.reader("eve");
    assert_eq!(sequences(&eve), (1..=12).collect::<Vec<_>>());
}

#[test]
fn what_nobody_claims_goes_first_when_there_is_no_room() {
    for config in [config(), dropping()] {
        let rig = left_behind(&config);
        let ana = rig.reader("ana");
        rig.pass(120);
        fill(&rig, &ana);
        assert_eq!(sequences(&ana)[0], 13);
        assert_eq!(sequences(&rig.reader("eve")), NONE);
    }
}

#[test]
fn what_nobody_claims_is_dropped_where_that_was_asked_for_but_not_at_once() {
    let config = Config { unclaimed: Unclaimed::Drop, ..config() };
    let rig = left_behind(&config);
    rig.pass(30);
    let eve = rig.reader("eve");
    rig.pass(90);
    let ana = rig.reader("ana");
    rig.add(13, &[&ana]).unwrap();
    assert_eq!(sequences(&eve).len(), 12);
    drop(eve);
    rig.pass(30);
    rig.add(14, &[&ana]).unwrap();
    assert_eq!(rig.disk.segments(), 3);
    rig.pass(40);
    eventually(|| rig.disk.segments() == 1);
    assert_eq!(sequences(&rig.reader("eve")), NONE);
}

#[test]
fn changed_limits_hold_for_an_open_log() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    fill(&rig, &ana);
    rig.log.apply(&Config { max_size: ByteSize::mib(4), ..config() });
    rig.pass(2);
    eventually(|| rig.log.room(LARGE as u64).is_ok());
    offer(&rig, 1000, &ana).unwrap();
}

/// A log that is full, of which `eve`, who is not here, holds the beginning of every file.
fn full_and_awaited(config: &Config) -> (Rig, Reader) {
    let rig = Rig::new(config.clone());
    let (ana, eve) = (rig.reader("ana"), rig.reader("eve"));
    let mut number = 0;
    loop {
        eventually(|| rig.disk.is_idle() || rig.log.shared.state().room.lack.is_some());
        if rig.log.room(LARGE as u64).is_err() {
            break;
        }
        number += 1;
        rig.add_large(number, LARGE, &[&ana, &eve]).unwrap();
    }
    drop(eve);
    (rig, ana)
}

#[test]
fn nobody_is_asked_for_what_an_exporter_holds_that_may_yet_come() {
    let (rig, ana) = full_and_awaited(&dropping());
    let pressure = ana.pressure();
    let asked_at_first = asked(&pressure);
    let held = sequences(&ana);
    for _ in 0..50 {
        rig.pass(1);
        // Whatever was asked before it went, the next is not asked for.
        assert!(rig.log.room(LARGE as u64).is_err());
        // It has looked at its limits when it answers the second.
        wait(rig.log.caught_up().1);
        wait(rig.log.caught_up().1);
    }
    assert_eq!(asked(&pressure), asked_at_first);
    assert_eq!(sequences(&ana), held);
    // Then it is one that nobody waits for.
    rig.pass(15);
    let first = held[0];
    eventually(|| {
        rig.log.shared.wake();
        asked(&pressure).is_some_and(|(up_to, _)| up_to >= first)
    });
    let (up_to, _) = asked(&pressure).unwrap();
    (first..=up_to).for_each(|sequence| ana.settle(sequence));
    eventually(|| offer(&rig, 1000, &ana).is_ok());
    // The rest of what nobody claims is not gone with it.
    assert!(rig.reader("eve").backlog().records > 20);
}

#[test]
fn what_nobody_claims_is_kept_where_letting_go_of_it_frees_nothing() {
    let (rig, ana) = full_and_awaited(&config());
    let held = sequences(&ana).len() as u64;
    rig.pass(120);
    for _ in 0..5 {
        rig.pass(1);
        // It has looked at its limits when it answers the second.
        wait(rig.log.caught_up().1);
        wait(rig.log.caught_up().1);
    }
    assert_eq!(rig.reader("eve").backlog().records, held);
}

#[test]
fn what_was_written_before_the_clock_was_set_is_as_old_as_the_log_is_open() {
    let config = Config { max_age: ::config::Duration::from_secs(100), ..config() };
    let rig = Rig::at(SimDisk::default(), config.clone(), 1000);
    let ana = rig.reader("ana");
    rig.add(1, &[&ana]).unwrap();
    drop(ana);
    let disk = rig.disk.clone();
    drop(rig);
    let rig = Rig::at(disk, config, START);
    let ana = rig.reader("ana");
    rig.pass(50);
    rig.add(2, &[&ana]).unwrap();
    eventually(|| rig.disk.is_idle());
    assert_eq!(asked(&ana.pressure()), None);
    assert_eq!(ana.oldest_age(), Some(Duration::from_secs(50)));
    rig.pass(60);
    eventually(|| asked(&ana.pressure()) == Some((1, "too_old")));
}

#[test]
fn what_room_was_kept_for_is_written_however_many_ask_at_once() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    let mut number = 0;
    loop {
        eventually(|| rig.disk.is_idle() || rig.log.shared.state().room.lack.is_some());
        // They come five at a time, and all ask before any of them writes.
        let batches: Vec<Arc<Batch>> = (number..number + 5).map(|number| batch(number, LARGE)).collect();
        let keep = |batch: &Arc<Batch>| rig.log.keep(Log::record_len(batch, 1)).ok();
        let kept: Vec<_> = batches.iter().map_while(keep).collect();
        if kept.is_empty() {
            break;
        }
        let appends =
            batches.iter().zip(&kept).map(|(batch, kept)| rig.log.append(batch, &[&ana], Some(kept)));
        for append in appends.collect::<Vec<_>>() {
            wait(append.written).unwrap();
            number += 1;
        }
    }
    assert!(number >= 42, "{number}");
    assert_eq!(rig.log.shared.state().room.taken, 0);
}
