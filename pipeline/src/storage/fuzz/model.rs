//! Any work on a log, against a model of what a log is.

use std::collections::{BTreeMap, BTreeSet};

use crate::choices::Choices;
use crate::storage::rig::{Rig, all, batch, config, eventually, request, sequences, wait};
use crate::storage::sim::SimDisk;
use crate::storage::{Backlog, Reader, Sequence};

const EXPORTERS: [&str; 3] = ["a", "b", "c"];

/// More would say nothing new, and take long.
const STEPS_MAX: usize = 60;

/// Each waits for another thread a few times.
const FAILS_MAX: usize = 2;

#[derive(Debug, Clone)]
pub(in crate::storage) enum Step {
    /// For these readers, a bit each.
    Add {
        readers: u8,
        padding: usize,
    },
    /// The so-manieth that the reader holds.
    Settle {
        reader: usize,
        index: usize,
    },
    Reopen,
    Kill,
    LosePower(u64),
    /// The process is killed, and then one bit of one file is another.
    Flip {
        file: usize,
        bit: usize,
    },
    /// The disk fails, and is well again when records have met that.
    Fail,
    Read {
        reader: usize,
        from: u64,
        bytes_max: u64,
    },
}

/// Requests by sequence.
type Requests = BTreeMap<Sequence, Vec<u8>>;

/// What each reader holds, by sequence.
#[derive(Default)]
struct Model {
    held: [Requests; 3],
    /// What was settled since the log was opened; after a crash it may be read again.
    settled: [Requests; 3],
    /// What was settled before, or lost: it may be read again when what says so is damaged, or no longer is.
    long_settled: [Requests; 3],
    number: u64,
}

struct Run {
    rig: Rig,
    readers: Vec<Reader>,
    model: Model,
}

/// Does all this, and checks after each opening and at the end that the log holds what the model does.
pub(in crate::storage) fn run(steps: &[Step]) {
    let mut run = Run::new();
    for step in steps {
        run.take(step);
    }
    run.check();
}

/// The steps that these bytes stand for.
pub(super) fn steps(bytes: &[u8]) -> Vec<Step> {
    let (mut choices, mut steps, mut fails) = (Choices::new(bytes), Vec::new(), 0);
    while !choices.is_empty() && steps.len() < STEPS_MAX {
        let step = step(&mut choices);
        fails += usize::from(matches!(step, Step::Fail));
        if fails <= FAILS_MAX || !matches!(step, Step::Fail) {
            steps.push(step);
        }
    }
    steps
}

fn step(choices: &mut Choices<'_>) -> Step {
    let (kind, reader) = (choices.below(16), choices.below(3));
    match kind {
        0..5 => {
            let padding = [0, 100, 30_000][choices.below(3)];
            Step::Add { readers: choices.below(7) as u8 + 1, padding }
        }
        5..10 => Step::Settle { reader, index: choices.below(8) },
        10 => Step::Reopen,
        11 => Step::Kill,
        12 => Step::LosePower(choices.number()),
        13 => Step::Flip { file: reader, bit: choices.number() as usize },
        14 => Step::Fail,
        _ => Step::Read { reader, from: choices.number(), bytes_max: choices.number().saturating_mul(1000) },
    }
}

impl Run {
    fn new() -> Self {
        let rig = Rig::new(config());
        let readers = EXPORTERS.map(|exporter| rig.reader(exporter)).into();
        Self { rig, readers, model: Model::default() }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Add { readers, padding } => self.add(readers, padding),
            Step::Settle { reader, index } => {
                let sequence = self.model.held[reader].keys().nth(index).copied();
                if let Some((sequence, request)) =
                    sequence.and_then(|sequence| self.model.held[reader].remove_entry(&sequence))
                {
                    self.readers[reader].settle(sequence);
                    self.model.settled[reader].insert(sequence, request);
                }
            }
            Step::Reopen => {
                self.readers.clear();
                let disk = self.rig.disk.clone();
                // The old log must be gone before the new one is opened.
                self.rig = Rig::new(config());
                self.open(disk);
                self.model.forget_settled();
                self.check();
            }
            Step::Kill => self.crash(self.rig.disk.killed()),
            Step::LosePower(seed) => self.crash(self.rig.disk.without_power(seed)),
            Step::Flip { file, bit } => self.flip(file, bit),
            Step::Fail => self.fail(),
            Step::Read { reader, from, bytes_max } => self.read(reader, from, bytes_max),
        }
    }

    fn add(&mut self, readers: u8, padding: usize) {
        if self.rig.log.room(padding as u64 + 200).is_err() {
            return;
        }
        self.model.number += 1;
        let chosen = self.readers.iter().enumerate().filter(|(index, _)| readers & 1 << index != 0);
        let chosen: Vec<&Reader> = chosen.map(|(_, reader)| reader).collect();
        let added = self.rig.add_large(self.model.number, padding, &chosen);
        let sequence = added.expect("there was room");
        for held in (0..3).filter(|index| readers & 1 << index != 0) {
            self.model.held[held].insert(sequence, request(self.model.number, padding));
        }
    }

    /// What cannot be written is kept, and is written in order when it can be.
    fn fail(&mut self) {
        // The file that is written ends where the disk failed, whatever more it would have held, and others are needed.
        if self.rig.log.room(3 * config().segment_bytes()).is_err() {
            return;
        }
        self.rig.disk.fail(Some(5));
        let chosen: Vec<&Reader> = self.readers.iter().collect();
        let mut lates = Vec::new();
        for _ in 0..2 {
            self.model.number += 1;
            let append = self.rig.log.append(&batch(self.model.number, 0), &chosen, None);
            let late = wait(append.written).expect_err("the disk fails");
            lates.push((append.sequence, request(self.model.number, 0), late));
        }
        self.rig.disk.fail(None);
        self.rig.pass(2);
        for (sequence, request, late) in lates {
            wait(late.written).expect("the disk is well again");
            for held in &mut self.model.held {
                held.insert(sequence, request.clone());
            }
        }
        eventually(|| self.rig.log.room(100).is_ok());
    }

    /// Opens what is left after a crash, and takes over what is read again.
    fn crash(&mut self, disk: SimDisk) {
        self.readers.clear();
        self.open(disk);
        for (reader, settled) in self.model.settled.iter_mut().enumerate() {
            let found: BTreeSet<Sequence> = sequences(&self.readers[reader]).into_iter().collect();
            self.model.held[reader].extend(settled.extract_if(.., |sequence, _| found.contains(sequence)));
        }
        self.model.forget_settled();
        self.check();
    }

    /// One bit costs one record at most, and nothing is read that was not written.
    fn flip(&mut self, file: usize, bit: usize) {
        let disk = self.rig.disk.killed();
        let mut names = disk.list();
        names.retain(|name| disk.len(name) > 0);
        let Some(name) = names.get(file % names.len().max(1)) else { return };
        let mut bytes = disk.bytes(name);
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        disk.put(name, bytes);
        self.readers.clear();
        self.open(disk);
        self.model.forget_settled();
        let mut lost = BTreeSet::new();
        for (index, reader) in self.readers.iter().enumerate() {
            let (held, settled) = (&mut self.model.held[index], &mut self.model.long_settled[index]);
            let mut found = Requests::new();
            for record in all(reader) {
                if record.is_damaged {
                    reader.settle(record.sequence);
                    continue;
                }
                let written = held.get(&record.sequence).or_else(|| settled.get(&record.sequence));
                assert_eq!(written, Some(&record.request.to_vec()), "{name}, bit {bit}");
                found.insert(record.sequence, record.request.to_vec());
            }
            settled.retain(|sequence, _| !found.contains_key(sequence));
            let gone = std::mem::replace(held, found);
            for (sequence, request) in gone {
                if !held.contains_key(&sequence) {
                    lost.insert(sequence);
                    // The same bit may be turned back.
                    settled.insert(sequence, request);
                }
            }
        }
        assert!(lost.len() <= 1, "{name}, bit {bit}: {lost:?}");
        // What was damaged is settled for good only when that is written.
        self.take(&Step::Reopen);
    }

    fn open(&mut self, disk: SimDisk) {
        self.rig = Rig::on(disk, config());
        self.readers = EXPORTERS.map(|exporter| self.rig.reader(exporter)).into();
    }

    fn read(&self, reader: usize, from: Sequence, bytes_max: u64) {
        let records = self.readers[reader].read_here(from, bytes_max).expect("the disk can be read");
        if records.iter().any(|record| record.is_damaged) {
            return;
        }
        let mut expected = self.model.held[reader].range(from..);
        let mut bytes = 0;
        for record in &records {
            assert_eq!(expected.next(), Some((&record.sequence, &record.request.to_vec())));
            bytes += record.request.len() as u64;
        }
        assert!(records.len() <= 1 || bytes <= bytes_max);
        if let Some((_, request)) = expected.next() {
            assert!(!records.is_empty() && bytes + request.len() as u64 > bytes_max, "more could be read");
        }
    }

    fn check(&self) {
        for (reader, held) in self.readers.iter().zip(&self.model.held) {
            let records = all(reader);
            // A tail with a wrong bit is told to its reader when a loss of power undoes that it was cut off.
            let has_damaged = records.iter().any(|record| record.is_damaged);
            let whole = records.iter().filter(|record| !record.is_damaged);
            let found: Requests = whole.map(|record| (record.sequence, record.request.to_vec())).collect();
            let list = self.rig.disk.list();
            assert_eq!(found.keys().collect::<Vec<_>>(), held.keys().collect::<Vec<_>>(), "{list:?}");
            assert!(found == *held);
            let bytes = held.values().map(|request| request.len() as u64).sum();
            let records = held.len() as u64;
            let backlog = Backlog { records, points: records, bytes };
            assert!(has_damaged || reader.backlog() == backlog, "{:?}", reader.backlog());
        }
    }
}

impl Model {
    fn forget_settled(&mut self) {
        for (settled, long_settled) in self.settled.iter_mut().zip(&mut self.long_settled) {
            long_settled.append(settled);
        }
    }
}
