//! Makes of a file what the engine applies, and finds everything that is wrong with it.

mod condition;
mod head;
mod input;
mod label;
mod nature;
mod order;
mod rule;
mod shape;
mod zero;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use config::{Problem, Problems, Section};

use super::builtin;
use super::catalogue::catalogue;
use super::compiled::{Labels, Mapping, MappingKind, NameMatch, OutputKind};
use super::file::{MappingFile, Unmapped};
use super::names::{glob, is_match};
use nature::Nature;

pub(super) use head::{resolve_parameters, stand_ins};

/// A file that is being checked, and what is wrong with it so far.
struct Scope<'a> {
    file: &'a MappingFile,
    section: &'a Section,
    parameters: &'a BTreeMap<String, String>,
    vocabulary: Vec<NameMatch>,
    /// The rules by the metric they make.
    rules: HashMap<&'a str, usize>,
    problems: RefCell<Vec<Problem>>,
}

/// What a name stands for.
enum Meaning {
    Rule(usize),
    Metric(Nature),
    Unknown,
}

/// Compiles a file; `parameters` has a value for each of its parameters.
pub(super) fn compile(
    file: &MappingFile,
    section: &Section,
    parameters: &BTreeMap<String, String>,
) -> Result<Mapping, Problems> {
    let mut scope = Scope {
        file,
        section,
        parameters,
        vocabulary: Vec::new(),
        rules: HashMap::new(),
        problems: RefCell::default(),
    };
    scope.vocabulary = scope.globs("vocabulary", &file.vocabulary);
    let detect = scope.globs("detect", &file.detect);
    for (index, rule) in file.rules.iter().enumerate() {
        if let Some(metric) = rule.metric.as_deref().filter(|metric| !metric.contains('$')) {
            scope.rules.entry(metric).or_insert(index);
        }
    }
    scope.check_head();
    let labels = scope.file_labels();
    let rules = scope.compile_rules();
    if let Some(way) = order::cycle(&rules) {
        let names: Vec<_> = way.iter().map(|index| scope.metric_of(*index)).collect();
        let first = way.first().copied().unwrap_or_default();
        scope.say(&format!("rules[{first}]"), format!("leads back to itself: {}", names.join(" -> ")));
    }
    let problems = scope.problems.into_inner();
    if !problems.is_empty() {
        return Err(Problems(problems).in_order());
    }
    Ok(Mapping {
        name: file.mapping.clone(),
        kind: file.kind,
        about: file.about.clone(),
        vocabulary: scope.vocabulary,
        detect,
        keeps_unmapped: file.unmapped.map_or(file.kind == MappingKind::Dialect, |own| own == Unmapped::Keep),
        labels,
        rules: order::in_order(rules),
    })
}

impl Scope<'_> {
    /// Notes a problem with the value at `key`, once.
    fn say(&self, key: &str, message: impl Into<String>) {
        let problem = self.section.problem(key, message);
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// The value, or `None` with its problem noted.
    fn or_say<T>(&self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.say(key, message)).ok()
    }

    fn globs(&self, key: &str, texts: &[String]) -> Vec<NameMatch> {
        let one = |(at, text): (usize, &String)| {
            let key = format!("{key}[{at}]");
            if text.is_empty() {
                self.say(&key, "expected a name, or a glob such as `vllm:*`, got nothing");
                return None;
            }
            self.or_say(&key, glob(text))
        };
        texts.iter().enumerate().filter_map(one).collect()
    }

    /// What every rule has, for rules that are added later.
    fn file_labels(&self) -> Labels {
        let labels = self.file.labels.0.iter().filter_map(|(name, spec)| {
            let key = joined("labels", name);
            self.check_name(&key, name);
            self.label(&key, name, spec, 0)
        });
        Labels { labels: labels.collect(), keep: self.globs("keep", &self.file.keep) }
    }

    fn is_schema(&self) -> bool {
        self.file.kind == MappingKind::Schema
    }

    /// What a rule makes, for people.
    fn metric_of(&self, index: usize) -> String {
        let metric = self.file.rules.get(index).and_then(|rule| rule.metric.clone());
        metric.unwrap_or_else(|| format!("rules[{index}]"))
    }

    fn is_of_vocabulary(&self, name: &str) -> bool {
        self.vocabulary.iter().any(|chosen| is_match(chosen, name))
    }

    /// What a name is, to the rule of this index.
    fn meaning(&self, rule: usize, name: &str) -> Meaning {
        let outside = self.outside(name);
        match self.rules.get(name) {
            // A rule that has the name of its own input passes it through.
            Some(index) if *index != rule || outside.is_none() => Meaning::Rule(*index),
            _ => outside.map_or(Meaning::Unknown, Meaning::Metric),
        }
    }

    /// What a metric that comes in is; `None` where nothing says that there is such a one.
    fn outside(&self, name: &str) -> Option<Nature> {
        let counter = name.strip_suffix("_total");
        let known = self.declared(name).or_else(|| {
            counter.and_then(|name| self.declared(name)).filter(|own| own.kind == Some(OutputKind::Counter))
        });
        let is_runners = || match self.file.kind {
            MappingKind::Dialect => self.is_of_vocabulary(name),
            MappingKind::Schema => builtin::vocabulary().iter().any(|chosen| is_match(chosen, name)),
        };
        known.or_else(|| is_runners().then(Nature::default))
    }

    fn declared(&self, name: &str) -> Option<Nature> {
        let input = self.file.inputs.get(name);
        let input = input.map(|input| Nature { kind: Some(input.kind), unit: input.unit.clone() });
        let convention = || catalogue().metrics.get(name);
        input
            .or_else(|| convention().map(|own| Nature { kind: Some(own.kind), unit: Some(own.unit.clone()) }))
    }

    /// What to say of a name that nothing has.
    fn unknown(&self, name: &str) -> String {
        let conventions = catalogue().metrics.keys();
        let known = self.rules.keys().copied().chain(self.file.inputs.keys()).chain(conventions);
        match config::nearest(name, known) {
            Some(near) => format!("no metric is called `{name}`; did you mean `{near}`?"),
            None if self.is_schema() => format!(
                "no metric is called `{name}` in the conventions or among the rules; if it comes in, list it under `inputs`"
            ),
            None => {
                format!("`{name}` is outside the vocabulary; if the runner has it, list it under `inputs`")
            }
        }
    }
}

/// The key of a member of a map.
fn joined(key: &str, member: &str) -> String {
    if member.contains(['.', '[', '"', ' ']) {
        format!("{key}.\"{member}\"")
    } else {
        format!("{key}.{member}")
    }
}

#[cfg(test)]
mod tests;
