//! Random work against a model of what a log is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const EXPORTERS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone)]
enum Step {
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
    /// The disk fails, and is well again when a record has met that.
    Fail,
    Read {
        reader: usize,
        from: u64,
        bytes_max: u64,
    },
}

/// What each reader holds, by sequence.
#[derive(Default)]
struct Model {
    held: [BTreeMap<Sequence, Vec<u8>>; 3],
    /// What was settled since the log was opened; after a crash it may be read again.
    settled: [BTreeMap<Sequence, Vec<u8>>; 3],
    number: u64,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..8_u8, prop_oneof![Just(0), Just(100), Just(30_000)])
            .prop_map(|(readers, padding)| Step::Add { readers, padding }),
        8 => (0..3_usize, 0..4_usize).prop_map(|(reader, index)| Step::Settle { reader, index }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => any::<u64>().prop_map(Step::LosePower),
        1 => Just(Step::Fail),
        2 => (0..3_usize, 0..60_u64, 0..100_000_u64)
            .prop_map(|(reader, from, bytes_max)| Step::Read { reader, from, bytes_max }),
    ]
}

struct Run {
    rig: Rig,
    readers: Vec<Reader>,
    model: Model,
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
                if let Some(sequence) = sequence {
                    self.readers[reader].settle(sequence);
                    let request = self.model.held[reader].remove(&sequence).unwrap();
                    self.model.settled[reader].insert(sequence, request);
                }
            }
            Step::Reopen => {
                self.readers.clear();
                let disk = self.rig.disk.clone();
                // The old log must be gone before the new one is opened.
                self.rig = Rig::new(config());
                self.open(disk);
                self.model.settled = Default::default();
                self.check();
            }
            Step::Kill => self.crash(self.rig.disk.killed()),
            Step::LosePower(seed) => self.crash(self.rig.disk.without_power(seed)),
            Step::Fail => {
                self.rig.disk.fail(Some(5));
                self.model.number += 1;
                let chosen: Vec<&Reader> = self.readers.iter().collect();
                let append = self.rig.log.append(&batch(self.model.number, 0), &chosen, None);
                let late = wait(append.written).unwrap_err();
                self.rig.disk.fail(None);
                self.rig.pass(2);
                assert_eq!(wait(late.written), Ok(()));
                for held in &mut self.model.held {
                    held.insert(append.sequence, request(self.model.number, 0));
                }
                eventually(|| self.rig.log.room(100).is_ok());
            }
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
        let sequence = self.rig.add_large(self.model.number, padding, &chosen).unwrap();
        for held in (0..3).filter(|index| readers & 1 << index != 0) {
            self.model.held[held].insert(sequence, request(self.model.number, padding));
        }
    }

    /// Opens what is left after a crash, and takes over what is read again.
    fn crash(&mut self, disk: SimDisk) {
        self.readers.clear();
        self.open(disk);
        let settled = std::mem::take(&mut self.model.settled);
        for (reader, settled) in settled.into_iter().enumerate() {
            let found: BTreeSet<Sequence> = sequences(&self.readers[reader]).into_iter().collect();
            self.model.held[reader]
                .extend(settled.into_iter().filter(|(sequence, _)| found.contains(sequence)));
        }
        self.check();
    }

    fn open(&mut self, disk: SimDisk) {
        self.rig = Rig::on(disk, config());
        self.readers = EXPORTERS.map(|exporter| self.rig.reader(exporter)).into();
    }

    fn read(&self, reader: usize, from: Sequence, bytes_max: u64) {
        let records = self.readers[reader].read_here(from, bytes_max).unwrap();
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
            let found: BTreeMap<Sequence, Vec<u8>> =
                all(reader).into_iter().map(|record| (record.sequence, record.request.to_vec())).collect();
            assert_eq!(
                found.keys().collect::<Vec<_>>(),
                held.keys().collect::<Vec<_>>(),
                "{:?}",
                self.rig.disk.list()
            );
            assert!(found == *held);
            let bytes = held.values().map(|request| request.len() as u64).sum();
            let records = held.len() as u64;
            assert_eq!(reader.backlog(), Backlog { records, points: records, bytes });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_log_holds_what_was_added_until_it_is_settled(steps in vec(step(), 1..60)) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
        }
        run.check();
    }
}
