//! Any folder: its files are put together of pieces with right checksums, as random bytes never have them.

use std::collections::BTreeMap;

use crate::choices::Choices;
use crate::storage::format::{Head, Keys, PLACE_MAGIC, SEGMENT_MAGIC, SEQUENCE_MAX, VERSION, key, prelude};
use crate::storage::index::Segment;
use crate::storage::place;
use crate::storage::ranges::Ranges;
use crate::storage::rig::{Rig, START, all, config, request};
use crate::storage::sim::SimDisk;
use crate::storage::{Reader, Record, Sequence};

const FILES_MAX: usize = 5;

const EXPORTERS: [&str; 2] = ["a", "b"];

/// Larger requests are no other.
const PADDING: u64 = 200;

type Requests = BTreeMap<Sequence, Vec<u8>>;

/// A record: its sequence, its request, and the keys of those it is for.
type Written = (Sequence, Vec<u8>, Keys);

/// A folder that is being filled, and what must be found in it.
#[derive(Default)]
struct Folder {
    disk: SimDisk,
    /// By sequence, what was written and the keys of those it is for, of segments with nothing wrong in them.
    whole: BTreeMap<Sequence, (Vec<u8>, Keys)>,
    settled: [Ranges; 2],
}

/// Opens such a folder, works on it, and opens it again.
pub(super) fn open(bytes: &[u8]) {
    let Folder { disk, whole, settled } = Folder::filled(&mut Choices::new(bytes));
    let before = contents(&disk);
    let Ok(rig) = Rig::try_at(disk.clone(), config(), START) else {
        assert!(before == contents(&disk), "what a newer program wrote is left as it is");
        return;
    };
    let readers = EXPORTERS.map(|exporter| rig.reader(exporter));
    let mut held = [0, 1].map(|index| found(&readers[index]));
    for (index, found) in held.iter().enumerate() {
        let own = key(EXPORTERS[index]);
        let is_held =
            |sequence: &Sequence, keys: &Keys| keys.contains(&own) && !settled[index].contains(*sequence);
        for (sequence, (request, _)) in whole.iter().filter(|(sequence, (_, keys))| is_held(sequence, keys)) {
            assert_eq!(found.get(sequence), Some(request), "{sequence} was whole");
        }
    }
    let last = held.iter().filter_map(|found| found.last_key_value()).map(|(last, _)| *last).max();
    for number in 0..2 {
        if rig.log.room(1000).is_err() {
            break;
        }
        let sequence = rig.add(number, &readers.each_ref()).expect("there was room");
        assert!(last.is_none_or(|last| sequence > last), "{sequence} was given out before");
        for held in &mut held {
            held.insert(sequence, request(number, 0));
        }
    }
    // Of one of them every second, the other keeps all.
    let gone: Vec<Sequence> = held[0].keys().copied().step_by(2).collect();
    for sequence in &gone {
        readers[0].settle(*sequence);
        held[0].remove(sequence);
    }
    // Records in the wrong segment are read or not by what is around it.
    let is_sure =
        |sequence: &Sequence| whole.contains_key(sequence) || last.is_none_or(|last| *sequence > last);
    for held in &mut held {
        held.retain(|sequence, _| is_sure(sequence));
    }
    let killed = disk.killed();
    drop(readers);
    drop(rig);
    let found = check(disk, &held);
    assert!(!gone.iter().any(|sequence| found.contains_key(sequence)), "{gone:?} was settled");
    check(killed, &held);
}

/// Opens the log again: all that is held is found. Returns what the first reader finds.
#[track_caller]
fn check(disk: SimDisk, held: &[Requests; 2]) -> Requests {
    let rig = Rig::on(disk, config());
    let [first, second] = EXPORTERS.map(|exporter| found(&rig.reader(exporter)));
    for (found, held) in [&first, &second].into_iter().zip(held) {
        let lost: Vec<_> =
            held.iter().filter(|(sequence, request)| found.get(sequence) != Some(request)).collect();
        assert!(lost.is_empty(), "{lost:?} of {:?}", rig.disk.list());
    }
    first
}

/// What a reader can read; what it cannot is told to it, and counted all the same.
fn found(reader: &Reader) -> Requests {
    let records = all(reader);
    let backlog = reader.backlog();
    assert_eq!(backlog.records, records.len() as u64);
    assert_eq!(backlog.points, records.iter().map(|record| record.points).sum::<u64>());
    assert!(records.is_sorted_by(|left, right| left.sequence < right.sequence));
    let whole = records.into_iter().filter(|record| !record.is_damaged);
    whole.map(|Record { sequence, request, .. }| (sequence, request.to_vec())).collect()
}

fn contents(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    disk.list().into_iter().map(|name| (name.clone(), disk.bytes(&name))).collect()
}

impl Folder {
    fn filled(choices: &mut Choices<'_>) -> Self {
        let mut folder = Self::default();
        let mut segments = BTreeMap::new();
        for _ in 0..FILES_MAX {
            match choices.below(4) {
                _ if choices.is_empty() => break,
                0 => folder.place(choices),
                _ => _ = segments.insert(choices.number(), segment(choices)),
            }
        }
        for (first, (bytes, _)) in &segments {
            folder.disk.put(&Segment::file_name(*first), bytes.clone());
        }
        let nexts = segments.keys().skip(1).copied().chain([SEQUENCE_MAX]);
        for ((first, (_, records)), next) in segments.iter().zip(nexts) {
            let sequences = (*first).max(1)..next;
            let is_sorted = records.is_sorted_by(|(left, ..), (right, ..)| left < right);
            if is_sorted && records.iter().all(|(sequence, ..)| sequences.contains(sequence)) {
                let records = records.iter().cloned();
                folder.whole.extend(records.map(|(sequence, request, keys)| (sequence, (request, keys))));
            }
        }
        folder
    }

    fn place(&mut self, choices: &mut Choices<'_>) {
        let index = choices.below(2);
        let version = version(choices);
        let mut bytes = prelude(PLACE_MAGIC, version).to_vec();
        for _ in 0..choices.below(8) {
            let (from, to) = (choices.number(), choices.number());
            if choices.below(4) == 0 {
                bytes.extend_from_slice(choices.bytes(20));
                continue;
            }
            place::put(&mut bytes, from, to);
        }
        self.settled[index] = place::parse(&bytes).map(|parsed| parsed.settled).unwrap_or_default();
        self.disk.put(&place::name(EXPORTERS[index]), bytes);
    }
}

/// The bytes of a segment and, where nothing is wrong with it, what is in it.
fn segment(choices: &mut Choices<'_>) -> (Vec<u8>, Vec<Written>) {
    let mut bytes = prelude(SEGMENT_MAGIC, version(choices)).to_vec();
    let mut records = Vec::new();
    let mut is_right = true;
    for _ in 0..choices.below(16) {
        match choices.below(8) {
            0 => {
                bytes.extend_from_slice(choices.bytes(usize::from(bytes.len() as u8)));
                is_right = false;
            }
            1 => {
                bytes.resize(bytes.len() + choices.below(64), 0);
                is_right = false;
            }
            kind => {
                let (mut head, request) = record(choices);
                let written = (head.sequence, request.clone(), head.keys.clone());
                match kind {
                    2 => head.length = choices.number() as u32,
                    3 => head.checksum ^= 1,
                    _ => {}
                }
                is_right &= kind > 3;
                head.put(&mut bytes);
                bytes.extend_from_slice(&request);
                records.push(written);
            }
        }
    }
    if !is_right {
        records.clear();
    }
    (bytes, records)
}

fn record(choices: &mut Choices<'_>) -> (Head, Vec<u8>) {
    let (sequence, written_unix_nano, points) = (choices.number(), choices.number(), choices.number() as u32);
    let exporters = choices.below(8);
    let mut keys: Keys =
        (0..2).filter(|index| exporters & 1 << index != 0).map(|index| key(EXPORTERS[index])).collect();
    if exporters > 3 {
        keys.push(choices.number());
    }
    let request = request(sequence % 1000, (choices.number() % PADDING) as usize);
    let (length, checksum) = (request.len() as u32, crc32fast::hash(&request));
    (Head { sequence, written_unix_nano, points, length, checksum, keys }, request)
}

/// Mostly this program's own.
fn version(choices: &mut Choices<'_>) -> u32 {
    if choices.below(32) == 31 { choices.number() as u32 } else { VERSION }
}
