//! Kills and losses of power, at every change on the disk.

use std::collections::BTreeSet;

use super::*;

/// Work with two readers that leaves some of everything; what was acknowledged and is not settled, for each.
struct Work {
    rig: Rig,
    kept: [BTreeSet<Sequence>; 2],
}

/// Nothing of this work waits for anything but the disk, so each run makes the same changes in about the same order.
fn work(disk: SimDisk, config: Config) -> Work {
    let rig = Rig::on(disk, config);
    let readers = [rig.reader("ana"), rig.reader("ben")];
    let mut kept = [BTreeSet::new(), BTreeSet::new()];
    for number in 1..=24_u64 {
        let is_for: Vec<usize> = (0..2).filter(|reader| number % 3 != *reader as u64).collect();
        let chosen: Vec<&Reader> = is_for.iter().map(|reader| &readers[*reader]).collect();
        let padding = if number % 5 == 0 { 60_000 } else { 100 };
        if let Ok(sequence) = rig.add_large(number, padding, &chosen) {
            is_for.iter().for_each(|reader| assert!(kept[*reader].insert(sequence)));
        }
        let settled = number.saturating_sub(4 + number % 3);
        for (reader, kept) in readers.iter().zip(&mut kept) {
            reader.settle(settled);
            kept.remove(&settled);
        }
    }
    drop(readers);
    Work { rig, kept }
}

/// Opens what is left: all that was acknowledged and is not settled must be there, as it was written.
#[track_caller]
fn check(disk: SimDisk, kept: &[BTreeSet<Sequence>; 2], what: &str) {
    let rig = Rig::on(disk, config());
    for (exporter, kept) in ["ana", "ben"].iter().zip(kept) {
        let reader = rig.reader(exporter);
        let records = all(&reader);
        let found: BTreeSet<Sequence> = records.iter().map(|record| record.sequence).collect();
        let lost: Vec<_> = kept.difference(&found).collect();
        assert!(lost.is_empty(), "{what}: {exporter} lost {lost:?}");
        for record in records.iter().filter(|record| kept.contains(&record.sequence)) {
            assert!(!record.is_damaged, "{what}: {record:?}");
        }
        for record in records.iter().filter(|record| !record.is_damaged) {
            let padding = if record.sequence % 5 == 0 { 60_000 } else { 100 };
            assert_eq!(record.request, request(record.sequence, padding), "{what}: {}", record.sequence);
        }
        // What is added now is not taken for something that was settled.
        let sequence = rig.add(1000, &[&reader]).unwrap();
        assert!(sequences(&reader).contains(&sequence), "{what}");
    }
}

fn operations() -> u64 {
    let disk = SimDisk::default();
    drop(work(disk.clone(), config()));
    disk.operations()
}

#[test]
fn whenever_the_process_is_killed_what_was_acknowledged_is_there() {
    for fsync in [Fsync::Always, Fsync::Never] {
        for operation in 0..operations() {
            let disk = SimDisk::default();
            disk.crash_at(operation);
            let Work { rig, kept } = work(disk, Config { fsync, ..config() });
            check(rig.disk.killed(), &kept, &format!("{fsync:?}, {operation}"));
        }
    }
}

#[test]
fn whenever_power_is_lost_what_was_synced_is_there() {
    for operation in 0..operations() {
        let disk = SimDisk::default();
        disk.crash_at(operation);
        let Work { rig, kept } = work(disk, config());
        for seed in 0..4 {
            let seed = operation * 100 + seed;
            check(rig.disk.without_power(seed), &kept, &format!("{operation}, seed {seed}"));
        }
    }
}

#[test]
fn without_sync_a_loss_of_power_costs_records_and_never_the_log() {
    for fsync in [Fsync::Never, Fsync::Interval] {
        for operation in (0..operations()).step_by(3) {
            let disk = SimDisk::default();
            disk.crash_at(operation);
            let Work { rig, .. } = work(disk, Config { fsync, ..config() });
            let nothing = [BTreeSet::new(), BTreeSet::new()];
            check(rig.disk.without_power(operation), &nothing, &format!("{fsync:?}, {operation}"));
        }
    }
}

#[test]
fn after_a_kill_only_what_was_about_to_be_settled_is_read_again() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    for number in 1..=20 {
        rig.add(number, &[&ana]).unwrap();
    }
    for sequence in 1..=10 {
        ana.settle(sequence);
    }
    // The writer has written what is in its hands when it has written a record that came later.
    rig.add(21, &[&ana]).unwrap();
    eventually(|| {
        let after = Rig::on(rig.disk.killed(), config());
        sequences(&after.reader("ana")) == (11..=21).collect::<Vec<_>>()
    });
}
