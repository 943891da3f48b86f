//! Says what feeds a metric, and what is missing for it to exist.

use std::collections::HashSet;

use super::Engine;
use super::plan::{Feed, Target};
use super::rules::{At, fixed_name};
use crate::mapping::compiled::{
    Condition, From, Input, Inputs, NameMatch, Part, Place, Runner, Take, Template,
};
use crate::metric::Kind;
use crate::notation;
use crate::series::Series;

/// One metric of an engine's mappings, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub mapping: String,
    pub metric: String,
    /// Where the rule stands: `ainode.yaml:31`.
    pub place: String,
    pub series: usize,
    pub sources: Vec<Source>,
}

/// One element of `from`, or an operand.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// As in the file: ``gen_ai.server.request.duration (count) where `error.type` ``.
    pub input: String,
    /// How many series feed it now.
    pub live: usize,
    /// Whether the metric is made of this one now.
    pub is_used: bool,
}

/// What feeds a metric, or what is missing for it to exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub status: Status,
    /// The series that feed it, in the notation, at most 100: `vllm:num_requests_running{model_name="x"}`.
    pub inputs: Vec<String>,
    /// The series it has, in the notation, at most 100.
    pub outputs: Vec<String>,
    /// What stands in the way, and what is left out, in sentences; empty where the metric exists and nothing is.
    pub missing: Vec<String>,
}

/// More series are not named in a sentence.
const NAMED_MAX: usize = 3;
/// More series are not listed.
const LISTED_MAX: usize = 100;

impl Engine {
    /// Every metric that is not hidden.
    pub fn status(&self) -> Vec<Status> {
        let feeding = self.feeding();
        self.shown().map(|rule| self.status_of(rule, &feeding)).collect()
    }

    /// One answer for each rule that makes a metric of this name.
    pub fn explain(&self, metric: &str) -> Vec<Explanation> {
        let feeding = self.feeding();
        let makes = |rule: &u32| {
            let template = self.rules.state(*rule).rule.metric.as_ref();
            template.and_then(fixed_name).is_some_and(|name| name == metric)
                || self.outputs(*rule).iter().any(|series| series.metric().name == metric)
        };
        self.shown().filter(makes).map(|rule| self.explanation(rule, &feeding)).collect()
    }

    fn shown(&self) -> impl Iterator<Item = u32> {
        let states = self.rules.list.iter().enumerate();
        let is_shown = |state: &super::rules::RuleState| !state.is_off && !state.is_hidden;
        states
            .filter(move |(_, state)| is_shown(state) && state.rule.metric.is_some())
            .map(|(index, _)| index as u32)
    }

    /// The live series, with the inputs they go into.
    fn feeding(&self) -> Vec<(At, Series)> {
        let mut feeding = Vec::new();
        let mut add = |plan: &super::plan::Plan, series: &Series| {
            for feed in plan.path.feeds() {
                let is_live = match feed.target {
                    Target::Series { .. } => feed.is_live,
                    Target::Member(member) => self.groups.members.get(member).is_live,
                };
                if is_live {
                    feeding.push((feed.at, series.clone()));
                }
            }
        };
        for series in self.plans.living() {
            if let Some(plan) = self.plans.get(&series) {
                add(plan, &series);
            }
        }
        for ((_, series), plan) in &self.consumers {
            add(plan, series);
        }
        feeding
    }

    fn status_of(&self, rule: u32, feeding: &[(At, Series)]) -> Status {
        let state = self.rules.state(rule);
        Status {
            mapping: self.rules.mapping(rule).name.clone(),
            metric: state.rule.metric.as_ref().map(written).unwrap_or_default(),
            place: state.rule.place.clone(),
            series: self.outputs(rule).len(),
            sources: self.sources(rule, feeding),
        }
    }

    fn sources(&self, rule: u32, feeding: &[(At, Series)]) -> Vec<Source> {
        let state = self.rules.state(rule);
        let operand = |index: usize| {
            let of = state.base as usize + index;
            let name = self.rules.list.get(of).and_then(|state| state.rule.metric.as_ref());
            let live = self.outputs(of as u32).len();
            Source { input: name.map(written).unwrap_or_default(), live, is_used: live > 0 }
        };
        match &state.rule.inputs {
            Inputs::Ranked(ranks) => {
                let inputs = ranks.iter().enumerate().flat_map(|(rank, inputs)| {
                    inputs.iter().enumerate().map(move |(index, input)| (rank, index, input))
                });
                let source = |(rank, index, input): (usize, usize, &Input)| {
                    let at = At { rule, rank: rank as u16, input: index as u16 };
                    let live = feeding.iter().filter(|(other, _)| *other == at).count();
                    let is_used = live > 0 && self.is_rank_used(rule, at.rank);
                    Source { input: self.described(rule, input), live, is_used }
                };
                inputs.map(source).collect()
            }
            Inputs::Ratio { of, to } => vec![operand(*of), operand(*to)],
            Inputs::Difference { of, less } => vec![operand(*of), operand(*less)],
            Inputs::Constant { value, .. } => {
                vec![Source { input: format!("constant {value}"), live: 1, is_used: true }]
            }
        }
    }

    fn is_rank_used(&self, rule: u32, rank: u16) -> bool {
        self.rules.ranks(rule) < 2 || self.choices.is_used(rule, rank)
    }

    fn outputs(&self, rule: u32) -> Vec<Series> {
        if rule as usize >= self.rules.list.len() {
            return Vec::new();
        }
        let groups = self.groups.iter().filter(|group| group.place.rule == rule && group.is_out);
        let mut outputs: HashSet<Series> = groups.flat_map(|group| group.outputs().cloned()).collect();
        outputs.extend(self.owners.outputs(rule).cloned());
        outputs
            .extend(self.operands.get(&rule).into_iter().flat_map(|operands| operands.made.keys().cloned()));
        outputs.extend(self.fixed.iter().filter(|(of, _)| *of == rule).map(|(_, series)| series.clone()));
        outputs.into_iter().collect()
    }

    fn explanation(&self, rule: u32, feeding: &[(At, Series)]) -> Explanation {
        let status = self.status_of(rule, feeding);
        let listed = |series: Vec<&Series>| {
            let mut lines: Vec<String> = series.into_iter().map(named).collect();
            lines.sort();
            lines.dedup();
            lines.truncate(LISTED_MAX);
            lines
        };
        let inputs = feeding.iter().filter(|(at, _)| at.rule == rule).map(|(_, series)| series).collect();
        let outputs = self.outputs(rule);
        let mut missing = if outputs.is_empty() { missing(&status) } else { Vec::new() };
        missing.extend(self.left_out_of(rule));
        Explanation { inputs: listed(inputs), outputs: listed(outputs.iter().collect()), missing, status }
    }

    /// What the rule is meant to take, and does not.
    fn left_out_of(&self, rule: u32) -> Vec<String> {
        let (mut refused, mut unfit) = (Vec::new(), Vec::new());
        let is_refused = |feed: &Feed| match &feed.target {
            Target::Series { output, token } => {
                let is_active = self.choices.is_active(feed.choice, feed.at.rank);
                let is_owned = self.owners.has(output) && !self.owners.is_owner(output, *token);
                feed.at.rule == rule && feed.is_live && is_active && is_owned
            }
            Target::Member(_) => false,
        };
        for series in self.plans.living() {
            let plan = self.plans.get(&series);
            if plan.is_some_and(|plan| plan.path.feeds().iter().any(is_refused)) {
                refused.push(format!("`{}`", named(&series)));
            }
            let mut candidates = self.rules.candidates(series.metric()).into_iter();
            if candidates
                .any(|at| at.rule == rule && self.is_meant(at, &series) && !self.is_possible(at, &series))
            {
                unfit.push(format!("`{}`, a {}", named(&series), word(series.metric().kind)));
            }
        }
        let listed = |why: &str, mut series: Vec<String>, between: &str| {
            let more = series.len().saturating_sub(NAMED_MAX);
            series.sort();
            series.truncate(NAMED_MAX);
            let rest = if more > 0 { format!("{between}and {more} more") } else { String::new() };
            (!series.is_empty()).then(|| format!("Left out, as {why}: {}{rest}.", series.join(between)))
        };
        let invalid = self.rules.state(rule).invalid;
        let points = if invalid == 1 { "point" } else { "points" };
        let invalid =
            (invalid > 0).then(|| format!("Left out, as they had no valid value: {invalid} {points}."));
        let refused = listed("another has the series that they would become", refused, ", ");
        let unfit = listed("the rule makes nothing of what they are", unfit, "; ");
        [refused, unfit, invalid].into_iter().flatten().collect()
    }

    fn described(&self, rule: u32, input: &Input) -> String {
        let mut text = match &input.from {
            From::Metric(NameMatch::Exact(name)) => name.clone(),
            From::Metric(NameMatch::Prefix(prefix)) => format!("{prefix}*"),
            From::Metric(NameMatch::Pattern(pattern)) => pattern.as_str().to_owned(),
            From::Rule(index) => {
                let of = self.rules.state(rule).base as usize + index;
                let template = self.rules.list.get(of).and_then(|state| state.rule.metric.as_ref());
                template.map(written).unwrap_or_default()
            }
        };
        let take = match input.take {
            Take::Value => "",
            Take::Count => " (count)",
            Take::Sum => " (sum)",
            Take::Mean => " (mean)",
            Take::One => " (one)",
            Take::Age => " (age)",
        };
        text.push_str(take);
        match &input.runner {
            Some(Runner::Named(name)) => text.extend([" of ", name.as_str()]),
            Some(Runner::Any) => text.push_str(" of a runner"),
            Some(Runner::Absent) => text.push_str(" of no runner"),
            None => {}
        }
        if !input.conditions.is_empty() {
            let conditions: Vec<String> = input.conditions.iter().map(condition).collect();
            text.extend([" where ", conditions.join(" and ").as_str()]);
        }
        text
    }
}

fn missing(status: &Status) -> Vec<String> {
    let unused: Vec<&Source> = status.sources.iter().filter(|source| source.live == 0).collect();
    if unused.len() == status.sources.len() {
        let names: Vec<String> = unused.iter().map(|source| format!("`{}`", source.input)).collect();
        return vec![format!("No live series feeds it: none is {}.", names.join(" or "))];
    }
    let mut missing: Vec<String> = Vec::new();
    missing.extend(unused.iter().map(|source| format!("No live series is `{}`.", source.input)));
    missing.push("What feeds it gives no value yet.".to_owned());
    missing
}

fn condition(condition: &Condition) -> String {
    let name = place(&condition.of);
    let test = &condition.test;
    let mut parts = Vec::new();
    if let Some(values) = &test.one_of {
        parts.push(format!("is {}", values.join(" or ")));
    }
    parts.extend(test.prefix.as_ref().map(|prefix| format!("starts with {prefix}")));
    parts.extend(test.pattern.as_ref().map(|pattern| format!("matches {}", pattern.as_str())));
    if !test.none_of.is_empty() {
        parts.push(format!("is not {}", test.none_of.join(" or ")));
    }
    parts.extend(test.at_least.map(|bound| format!("is at least {bound}")));
    parts.extend(test.below.map(|bound| format!("is below {bound}")));
    match test.present {
        Some(true) if parts.is_empty() => format!("`{name}`"),
        Some(false) => format!("no `{name}`"),
        _ => format!("`{name}` {}", parts.join(" and ")),
    }
}

fn place(place: &Place) -> String {
    match place {
        Place::Point(name) => name.clone(),
        Place::Resource(name) => format!("resource:{name}"),
        Place::Scope(name) => format!("scope:{name}"),
    }
}

/// A template as it stands in a file.
fn written(template: &Template) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Attribute(of) => format!("${{{}}}", place(of)),
        Part::Name => "${name}".to_owned(),
        Part::Group(index) => format!("${{{index}}}"),
    };
    template.0.iter().map(part).collect()
}

/// A series in the notation, without kind and value.
fn named(series: &Series) -> String {
    let mut line = String::new();
    notation::write_series(&mut line, series);
    line
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Gauge => "gauge",
        Kind::Sum { is_monotonic: true, .. } => "counter",
        Kind::Sum { is_monotonic: false, .. } => "updown",
        Kind::Histogram { .. } => "histogram",
        Kind::ExponentialHistogram { .. } => "exponential histogram",
        Kind::Summary => "summary",
    }
}
