//! Damaged files: the log opens, what is whole is read, and what is not is counted.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use super::super::disk::Disk;
use super::super::format::{Head, Keys, PLACE_MAGIC, PRELUDE, SEGMENT_MAGIC, prelude};
use super::*;

const NAME: &str = "00000000000000000001.log";

/// A closed log with ten records in one segment, one of them settled.
fn disk() -> SimDisk {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    for number in 1..=10 {
        rig.add(number, &[&ana]).unwrap();
    }
    ana.settle(10);
    let disk = rig.disk.clone();
    drop(ana);
    drop(rig);
    disk
}

fn opened(disk: &SimDisk) -> Vec<Record> {
    let rig = Rig::on(disk.clone(), config());
    let ana = rig.reader("ana");
    let records = all(&ana);
    assert_eq!(records.len() as u64, ana.backlog().records);
    for record in records.iter().filter(|record| !record.is_damaged) {
        assert_eq!(record.request, request(record.sequence, 0));
    }
    records
}

fn found(disk: &SimDisk) -> Vec<Sequence> {
    opened(disk).iter().filter(|record| !record.is_damaged).map(|record| record.sequence).collect()
}

fn change(disk: &SimDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.bytes(name);
    change(&mut bytes);
    disk.put(name, bytes);
}

/// The offset of a record.
fn offset(disk: &SimDisk, sequence: u64) -> usize {
    let bytes = disk.bytes(NAME);
    PRELUDE + (bytes.len() - PRELUDE) / 10 * (sequence as usize - 1)
}

#[test]
fn a_request_with_a_wrong_bit_is_told_to_its_reader_and_the_others_are_read() {
    let disk = disk();
    let at = offset(&disk, 5) - 3;
    change(&disk, NAME, |bytes| bytes[at] ^= 1);
    let records = opened(&disk);
    let damaged: Vec<_> = records.iter().filter(|record| record.is_damaged).collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!((damaged[0].sequence, damaged[0].points, damaged[0].request.len()), (4, 1, 0));
    assert_eq!(found(&disk), [1, 2, 3, 5, 6, 7, 8, 9]);
}

#[test]
fn what_becomes_damaged_while_the_log_is_open_is_told_too() {
    let rig = Rig::on(disk(), config());
    let ana = rig.reader("ana");
    let at = offset(&rig.disk, 3) - 3;
    change(&rig.disk, NAME, |bytes| bytes[at] ^= 1);
    let records = all(&ana);
    assert_eq!(records.iter().filter(|record| record.is_damaged).count(), 1);
    assert!(records[1].is_damaged);
    ana.settle(2);
    assert_eq!(sequences(&ana), [1, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn behind_a_damaged_head_the_next_record_is_found() {
    let disk = disk();
    let at = offset(&disk, 4) + 9;
    change(&disk, NAME, |bytes| bytes[at] ^= 0x80);
    assert_eq!(found(&disk), [1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(opened(&disk).len(), 8);
}

#[test]
fn a_damaged_beginning_hides_no_record() {
    let disk = disk();
    change(&disk, NAME, |bytes| bytes[..PRELUDE].fill(0xff));
    assert_eq!(found(&disk).len(), 9);
    let disk = self::disk();
    change(&disk, NAME, |bytes| bytes.truncate(PRELUDE - 1));
    assert_eq!(found(&disk).len(), 0);
}

#[test]
fn a_segment_torn_at_any_byte_keeps_the_records_before() {
    let disk = disk();
    let whole = disk.bytes(NAME);
    let record = offset(&disk, 2) - PRELUDE;
    for len in 0..whole.len() {
        disk.put(NAME, whole[..len].to_vec());
        let expected: Vec<Sequence> = (1..10).take(len.saturating_sub(PRELUDE) / record).collect();
        assert_eq!(found(&disk), expected, "torn at {len}");
        // It is cut where the last record ends, and is not torn any more.
        let left = disk.list().contains(&NAME.to_owned());
        assert_eq!(left, !expected.is_empty(), "torn at {len}");
        if left {
            assert_eq!(
                disk.len(NAME),
                PRELUDE + expected.len() * record + usize::from(len == whole.len()) * record
            );
        }
    }
}

#[test]
fn a_tail_of_zeros_is_an_end() {
    let disk = disk();
    let len = disk.len(NAME);
    change(&disk, NAME, |bytes| bytes.resize(len + 5000, 0));
    assert_eq!(found(&disk).len(), 9);
    assert_eq!(disk.len(NAME), len);
}

#[test]
fn files_that_are_no_segments_are_kept_aside_and_empty_ones_deleted() {
    let disk = disk();
    disk.put("00000000000000000100.log", Vec::new());
    disk.put("00000000000000000200.log", b"something that somebody else has written".to_vec());
    disk.put("notes.txt", b"x".to_vec());
    assert_eq!(found(&disk).len(), 9);
    let list = disk.list();
    assert!(!list.iter().any(|name| name.starts_with("00000000000000000100")), "{list:?}");
    assert!(list.contains(&String::from("00000000000000000200.log.damaged")), "{list:?}");
    assert!(list.contains(&String::from("notes.txt")), "{list:?}");
}

#[test]
fn without_its_file_a_reader_reads_everything_again() {
    for damage in [None, Some(Vec::new()), Some(vec![0xff; 100]), Some(prelude(PLACE_MAGIC, 1).to_vec())] {
        let disk = disk();
        match damage {
            Some(bytes) => disk.put("readers/ana", bytes),
            None => Disk::remove(&disk, "readers/ana").unwrap(),
        }
        assert_eq!(found(&disk), (1..=10).collect::<Vec<_>>());
    }
}

#[test]
fn files_of_a_newer_version_are_refused_and_left_alone() {
    for (name, magic) in [("00000000000000000900.log", SEGMENT_MAGIC), ("readers/eve", PLACE_MAGIC)] {
        let disk = disk();
        let mut newer = prelude(magic, 2).to_vec();
        newer.extend_from_slice(b"in another form");
        disk.put(name, newer.clone());
        let before = disk.list();
        let error = Rig::try_at(disk.clone(), config(), START).err().unwrap().to_string();
        assert!(error.contains("written by a newer version of this program (format 2)"), "{error}");
        assert!(error.contains(name), "{error}");
        assert_eq!((disk.list(), disk.bytes(name)), (before, newer));
    }
}

#[test]
fn what_version_1_wrote_is_read() {
    let disk = SimDisk::default();
    disk.put(NAME, include_bytes!("version_1/segment").to_vec());
    disk.put("readers/otlp%2Fana", include_bytes!("version_1/place").to_vec());
    let rig = Rig::on(disk, config());
    let ana = rig.reader("otlp/ana");
    let records = all(&ana);
    assert_eq!(sequences(&ana), [2, 4]);
    assert_eq!(records[0].request, request(2, 0));
    assert_eq!(records[0].written_unix_nano, START * 1_000_000_000);
    assert_eq!(sequences(&rig.reader("ben")), [1, 2]);
}

#[test]
fn wrong_bits_cost_what_they_hit_and_nothing_else() {
    let pristine = disk();
    for seed in 0..1000 {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = pristine.killed();
        let name = if random.random_bool(0.8) { NAME } else { "readers/ana" };
        let flips = random.random_range(1..4);
        change(&disk, name, |bytes| {
            for _ in 0..flips {
                let bit = random.random_range(0..bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        });
        assert!(found(&disk).len() + flips >= 9, "seed {seed}");
    }
}

#[test]
fn whatever_is_in_a_file_is_read_as_it_is_read_again() {
    let pristine = disk();
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = pristine.bytes(if seed % 4 == 0 { "readers/ana" } else { NAME });
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..bytes.len());
            let end = bytes.len().min(at + random.random_range(1..200));
            match random.random_range(0..4) {
                0 => bytes.truncate(at.max(1)),
                1 => random.fill(&mut bytes[at..end]),
                2 => bytes[at..end].fill(0),
                _ => bytes.extend_from_within(at..end),
            }
        }
        fuzz::files(&bytes);
    }
}

#[test]
fn random_bytes_in_the_middle_are_passed_over() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = disk();
        let at = random.random_range(offset(&disk, 3)..offset(&disk, 6));
        change(&disk, NAME, |bytes| random.fill(&mut bytes[at..at + 40]));
        let found = found(&disk);
        assert!([1, 2, 8, 9].iter().all(|sequence| found.contains(sequence)), "seed {seed}: {found:?}");
    }
}

#[test]
fn bytes_made_to_look_like_records_do_not_keep_the_log_from_opening() {
    let mut bytes = prelude(SEGMENT_MAGIC, 1).to_vec();
    let len = 1 << 20;
    let mut head =
        Head { sequence: 5, written_unix_nano: 0, points: 1, length: 0, checksum: 1, keys: Keys::default() };
    bytes.push(0);
    while bytes.len() < len {
        head.length = (len - bytes.len()) as u32 / 2;
        head.put(&mut bytes);
    }
    let disk = SimDisk::default();
    disk.put(NAME, bytes);
    // Without a bound this would take half a terabyte of checksums.
    assert_eq!(opened(&disk).len(), 0);
}

#[test]
fn numbers_beyond_all_counting_are_damage_and_do_not_end_the_counting() {
    let disk = disk();
    let mut entry = Vec::new();
    place::put(&mut entry, 11, Sequence::MAX - 1);
    change(&disk, "readers/ana", |bytes| bytes.extend(&entry));
    disk.put(&format!("{}.log", Sequence::MAX), prelude(SEGMENT_MAGIC, 1).to_vec());
    let head = Head {
        sequence: Sequence::MAX - 1,
        written_unix_nano: 0,
        points: 1,
        length: 0,
        checksum: 0,
        keys: [format::key("ana")].into_iter().collect(),
    };
    change(&disk, NAME, |bytes| head.put(bytes));
    assert_eq!(found(&disk), (1..10).collect::<Vec<_>>());
    for next in [11, 12, 13] {
        let rig = Rig::on(disk.clone(), config());
        let ana = rig.reader("ana");
        assert_eq!(rig.add(next, &[&ana]), Ok(next));
        assert!(sequences(&ana).contains(&next));
    }
}

#[test]
fn whatever_is_in_the_folder_the_log_opens_and_what_is_whole_is_kept() {
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = vec![0; random.random_range(1..300)];
        random.fill(&mut bytes[..]);
        bytes[0] |= 1;
        fuzz::storage(&bytes);
    }
}
