//! Golden streams: what a processor makes of one batch after the other, as a table.
//!
//! A line is a batch and, behind `->`, what becomes of it: points in the one-line notation with ` & ` between
//! them, then what was counted meanwhile (`dropped first`, `reset gap`). Processors begin at 100. The lines `wait 5s` and `sweep`
//! do what they say; what starts with `#` is passed over.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::Section;

use super::PROCESSORS;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::{BatchProcessor, Context, Processor};
use crate::net::Net;
use crate::notation::{parse, write_point};
use crate::registry::Registry;
use crate::telemetry::ledger::Ledger;

pub(super) struct Bench {
    pub(super) registry: Arc<Registry>,
    pub(super) ledger: Ledger,
    pub(super) processor: Box<dyn BatchProcessor>,
    counted: BTreeMap<String, u64>,
}

impl Bench {
    #[track_caller]
    pub(super) fn new(name: &str, yaml: &str) -> Self {
        let (registry, ledger) = (Arc::new(Registry::new(1000)), Ledger::default());
        let context = Context {
            id: "test".to_owned(),
            registry: registry.clone(),
            clock: Clock::starting_at(100),
            meter: ledger.meter(),
            net: Arc::new(Net::default()),
            mappings: Arc::default(),
            storages: Arc::default(),
        };
        let section = Section::from_yaml("processors.test", yaml).unwrap();
        let entry = PROCESSORS.iter().find(|entry| entry.name == name).unwrap();
        let processor = match (entry.build)(&section, &context) {
            Ok(Processor::Batch(processor)) => processor,
            other => panic!("{yaml}: {other:?}"),
        };
        Self { registry, ledger, processor, counted: BTreeMap::new() }
    }

    #[track_caller]
    pub(super) fn batch(&self, points: &str) -> Batch {
        let lines = points.replace(" & ", "\n");
        parse(&lines, &self.registry).unwrap_or_else(|error| panic!("{points}: {error}"))
    }

    /// Takes a batch through, and tells what became of it.
    #[track_caller]
    pub(super) fn feed(&mut self, points: &str) -> String {
        let mut batch = self.batch(points);
        self.processor.process(&mut batch);
        let mut parts: Vec<String> = Vec::new();
        for point in &batch {
            let mut line = String::new();
            write_point(&mut line, point);
            parts.push(line);
        }
        parts.extend(self.counted("dropped", "inferometer_processor_dropped_metric_points"));
        parts.extend(self.counted("reset", "inferometer_processor_stream_resets"));
        parts.join(" & ")
    }

    /// What was counted since the last time.
    fn counted(&mut self, word: &str, metric: &str) -> Vec<String> {
        let mut news = Vec::new();
        for (row, sum) in self.ledger.rows(metric) {
            let before = self.counted.insert(row.clone(), sum).unwrap_or(0);
            let reason = row.rsplit([',', '}']).nth(1).unwrap();
            news.extend((before..sum).map(|_| format!("{word} {reason}")));
        }
        news
    }

    /// How many streams the processor says it holds.
    pub(super) fn streams(&self) -> u64 {
        self.ledger.sum("inferometer_processor_streams{")
    }
}

#[track_caller]
pub(super) fn check(name: &str, yaml: &str, table: &str) {
    let mut bench = Bench::new(name, yaml);
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(time) = line.strip_prefix("wait ") {
            wait(config::Duration::parse(time).unwrap().0);
        } else if line == "sweep" {
            bench.processor.sweep();
        } else {
            let (batch, expected) = line.split_once("->").unwrap_or_else(|| panic!("{line}"));
            assert_eq!(bench.feed(batch.trim()), expected.trim(), "{line}");
        }
    }
}

/// Moves the paused clock.
pub(super) fn wait(time: std::time::Duration) {
    use futures_util::FutureExt;
    // Nothing else runs that would have to be let on.
    let _ = tokio::time::advance(time).now_or_never();
}

/// Checks that a section is refused for these reasons.
#[track_caller]
pub(super) fn check_refused(name: &str, yaml: &str, expected: &[&str]) {
    let context = Context {
        id: "test".to_owned(),
        registry: Arc::new(Registry::new(1)),
        clock: Clock::starting_at(0),
        meter: Ledger::default().meter(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    };
    let section = Section::from_yaml("processors.test", yaml).unwrap();
    let entry = PROCESSORS.iter().find(|entry| entry.name == name).unwrap();
    let problems = (entry.build)(&section, &context).unwrap_err();
    let problems: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "`{problem}` should contain `{expected}`");
    }
}
