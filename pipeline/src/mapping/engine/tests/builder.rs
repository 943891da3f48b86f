//! Mappings by hand, and an engine that reads and writes the notation.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Engine, Options};
use crate::mapping::compiled::*;
use crate::{Batch, Clock, Registry, notation};

/// When the tests begin: 100 seconds after 1970.
pub(super) const START: u64 = 100_000_000_000;

pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) registry: Arc<Registry>,
    /// Receivers hold their series.
    held: Vec<Batch>,
}

impl Bench {
    pub(super) fn new(mappings: Vec<Mapping>) -> Self {
        Self::with(mappings, Options::default())
    }

    pub(super) fn with(mappings: Vec<Mapping>, options: Options) -> Self {
        Self::of(mappings, options, 100_000)
    }

    pub(super) fn of(mappings: Vec<Mapping>, options: Options, live_max: usize) -> Self {
        let registry = Arc::new(Registry::new(live_max));
        let mappings = mappings.into_iter().map(Arc::new).collect();
        let engine = Engine::new(mappings, options, registry.clone(), Clock::starting_at(START));
        Self { engine, registry, held: Vec::new() }
    }

    pub(super) fn parse(&self, text: &str) -> Batch {
        notation::parse(text, &self.registry).unwrap()
    }

    /// Maps a batch; gives the points in order, without their times.
    pub(super) fn map(&mut self, text: &str) -> Vec<String> {
        let mut batch = self.parse(text);
        self.held.push(batch.clone());
        self.engine.process(&mut batch);
        lines(&batch)
    }

    /// Lets go of the series.
    pub(super) fn forget(&mut self) {
        self.held.clear();
    }

    pub(super) fn tick(&mut self) -> Vec<String> {
        lines(&self.engine.tick())
    }
}

pub(super) fn lines(batch: &Batch) -> Vec<String> {
    let line = |point| {
        let mut text = String::new();
        notation::write_point(&mut text, point);
        text.split(" @").next().unwrap_or_default().to_owned()
    };
    let mut lines: Vec<String> = batch.iter().map(line).collect();
    lines.sort();
    lines
}

pub(super) async fn after(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

pub(super) fn schema(rules: Vec<Rule>) -> Mapping {
    Mapping {
        name: "example".to_owned(),
        kind: MappingKind::Schema,
        about: String::new(),
        vocabulary: Vec::new(),
        detect: Vec::new(),
        keeps_unmapped: false,
        labels: Labels::default(),
        rules,
    }
}

pub(super) fn dialect(name: &str, rules: Vec<Rule>) -> Mapping {
    let own = vec![NameMatch::Prefix(format!("{name}:"))];
    Mapping {
        name: name.to_owned(),
        kind: MappingKind::Dialect,
        vocabulary: own.clone(),
        detect: own,
        keeps_unmapped: true,
        ..schema(rules)
    }
}

pub(super) fn rule(metric: &str, ranks: Vec<Vec<Input>>) -> Rule {
    Rule {
        metric: Some(text(metric)),
        kind: None,
        unit: None,
        help: None,
        inputs: Inputs::Ranked(ranks),
        combine: None,
        derive: None,
        states: None,
        zero: Vec::new(),
        is_hidden: false,
        is_rest: false,
        place: "example.yaml:1".to_owned(),
    }
}

pub(super) fn one(metric: &str, input: Input) -> Rule {
    rule(metric, vec![vec![input]])
}

pub(super) fn sum(metric: &str, input: Input) -> Rule {
    Rule { combine: Some(Combine::Sum), ..one(metric, input) }
}

/// The first input while it is live, and else the second.
pub(super) fn ranked(metric: &str, first: &str, second: &str) -> Rule {
    rule(metric, vec![vec![input(first)], vec![input(second)]])
}

/// All of a series of this name; its label `model` stays.
pub(super) fn input(name: &str) -> Input {
    input_from(From::Metric(NameMatch::Exact(name.to_owned())))
}

pub(super) fn input_from(from: From) -> Input {
    Input {
        from,
        is_foreign: false,
        conditions: Vec::new(),
        runner: None,
        version: None,
        take: Take::Value,
        kind: None,
        unit: None,
        scale: None,
        offset: 0.0,
        valid: Valid::default(),
        is_whole: false,
        is_accumulated_twice: false,
        labels: Labels { labels: Vec::new(), keep: vec![NameMatch::Exact("model".to_owned())] },
    }
}

pub(super) fn label(name: &str, from: &[&str]) -> Label {
    let from = from.iter().map(|name| {
        let place = match name.strip_prefix("resource:") {
            Some(name) => Place::Resource(name.to_owned()),
            None => Place::Point((*name).to_owned()),
        };
        Template(vec![Part::Attribute(place)])
    });
    Label {
        name: name.to_owned(),
        from: from.collect(),
        translate: Vec::new(),
        is_lower_tail: false,
        default: None,
    }
}

pub(super) fn text(text: &str) -> Template {
    Template(vec![Part::Text(text.to_owned())])
}
