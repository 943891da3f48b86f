//! What time does: sources end, and what nobody sends any more is said again.

use std::collections::HashSet;

use super::Engine;
use super::groups::{Place, zero};
use super::kinds::{literal, output_kind, output_metric, reading};
use super::labels::fixed;
use super::liveness::NO_CHOICE;
use super::plan::{Path, Target};
use super::rules::fixed_name;
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::mapping::compiled::{Inputs, OutputKind, Rule};
use crate::metric::{Kind, Metric, Temporality};
use crate::point::{Point, Value};
use crate::series::Series;

type Pairs = Vec<(String, String)>;

/// A source that was not heard of for so long is gone.
const LIVE: u64 = 300 * 1_000_000_000;
/// A plan that was not used for so long is made anew.
const PLAN_KEPT: u64 = 600 * 1_000_000_000;

impl Engine {
    /// What is there without having been brought by a batch: constants, zeros, sums whose sources have gone, rates;
    /// and markers of what has ended. Called at the start and every few seconds.
    pub fn tick(&mut self) -> Batch {
        self.now = self.now.max(self.clock.unix_nano());
        self.handover.begin();
        self.count_live();
        for (output, rule) in self.owners.unconfirmed() {
            self.end_now(rule, output);
        }
        let before = std::mem::take(&mut self.fixed);
        self.begin_zeros();
        self.groups.touch_all(None);
        for operands in self.operands.values_mut() {
            operands.is_touched = true;
        }
        self.constants();
        self.flush(true);
        self.settle(&mut Vec::new());
        let fixed: HashSet<&Series> = self.fixed.iter().map(|(_, series)| series).collect();
        let unfixed = before.into_iter().map(|(_, series)| series).filter(|series| !fixed.contains(series));
        self.ended.extend(unfixed);
        let mut made = std::mem::take(&mut self.made);
        let ended = std::mem::take(&mut self.ended);
        // What has come back meanwhile, or is made in another way now, has not ended.
        let mut is_there: HashSet<Series> = HashSet::new();
        if !ended.is_empty() {
            is_there.extend(made.iter().map(|point| point.series.clone()));
        }
        let ended =
            ended.into_iter().filter(|series| !self.owners.has(series) && is_there.insert(series.clone()));
        made.extend(ended.map(|series| Point::stale(series, self.now)));
        made.into_iter().collect()
    }

    /// Forgets what belongs to series that are gone.
    pub fn sweep(&mut self) {
        self.now = self.now.max(self.clock.unix_nano());
        self.plans.sweep();
        self.consumers.retain(|_, plan| !matches!(plan.path, Path::Open));
        for (rule, output) in self.groups.sweep(self.now) {
            self.end(rule, output);
        }
        self.count_live();
        self.choices.sweep();
        self.resources.sweep();
    }

    /// Finds out anew who is live.
    fn count_live(&mut self) {
        let now = self.now;
        self.choices.reset();
        self.owners.reset();
        for plan in self.plans.values_mut().chain(self.consumers.values_mut()) {
            let is_heard = plan.seen.saturating_add(LIVE) >= now;
            for feed in plan.path.feeds_mut() {
                let Target::Series { output, token } = &feed.target else { continue };
                feed.is_live &= is_heard;
                feed.is_owner &= is_heard && self.choices.is_active(feed.choice, feed.at.rank);
                self.choices.recount(feed.choice, feed.at.rank, feed.is_live);
                if feed.is_owner {
                    self.owners.confirm(output, *token);
                }
            }
            if plan.seen.saturating_add(PLAN_KEPT) < now {
                plan.path = Path::Open;
            }
        }
        for member in self.groups.members.iter_mut() {
            member.is_live &= member.seen.saturating_add(LIVE) >= now;
        }
        for group in self.groups.iter() {
            self.choices.recount(group.place.choice, 0, false);
            for member in &group.members {
                let member = self.groups.members.get(*member);
                self.choices.recount(group.place.choice, member.at.rank, member.is_live);
            }
        }
        self.choices.choose(self.now);
    }

    /// The output of a one-to-one rule has nobody any more.
    fn end_now(&mut self, rule: u32, output: Series) {
        let marker = Point::stale(output.clone(), self.now);
        if self.rules.state(rule).feeds_others() {
            self.hand_on(rule, &marker);
        }
        self.end(rule, output);
    }

    fn constants(&mut self) {
        for rule in 0..self.rules.list.len() as u32 {
            let state = self.rules.state(rule);
            let definition = state.rule.clone();
            let Inputs::Constant { value, labels } = &definition.inputs else { continue };
            if state.is_off {
                continue;
            }
            let kind = match definition.kind {
                Some(OutputKind::Counter | OutputKind::UpDown) => output_kind(state, Kind::COUNTER),
                _ => Kind::Gauge,
            };
            let value = if value.fract() == 0.0 && value.abs() < 9e15 {
                Value::Int(*value as i64)
            } else {
                Value::Double(*value)
            };
            if let Some(output) = self.fixed_output(&definition, rule, kind, fixed(labels)) {
                self.fixed.push((rule, output.clone()));
                self.emit(rule, Point::new(output, self.now, value));
            }
        }
    }

    /// A series of a schema that no input has a say in. (A dialect's belongs to a resource.)
    fn fixed_output(
        &self,
        of: &Rule,
        rule: u32,
        kind: Kind,
        labels: Vec<(String, String)>,
    ) -> Option<Series> {
        if self.rules.is_dialect(rule) {
            return None;
        }
        let mut metric =
            Metric::new(fixed_name(of.metric.as_ref()?)?, of.unit.clone().unwrap_or_default(), kind);
        metric.description = of.help.clone().unwrap_or_default();
        metric.metadata = literal(of);
        let metric = self.registry.metric(metric);
        let labels =
            Attributes::of_strings(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.registry.series(&self.no_resource, &self.no_scope, &metric, labels).ok()
    }

    /// Makes the series that are there at zero from the start.
    fn begin_zeros(&mut self) {
        for rule in 0..self.rules.list.len() as u32 {
            let state = self.rules.state(rule);
            let definition = state.rule.clone();
            if definition.zero.is_empty() || state.is_off {
                continue;
            }
            let is_combined = state.is_combined();
            let Some((input_kind, kind, base)) = self.zero_kind(rule, &definition) else { continue };
            for set in &definition.zero {
                let mut labels = base.clone();
                labels.retain(|(name, _)| !set.iter().any(|(other, _)| other == name));
                labels.extend(set.iter().cloned());
                let Some(output) = self.fixed_output(&definition, rule, kind, labels) else { continue };
                if is_combined {
                    self.begin_group(rule, &definition, output, input_kind);
                } else if !self.owners.has(&output) {
                    let start = if kind == Kind::Gauge { 0 } else { self.started };
                    let value = zero(kind);
                    self.fixed.push((rule, output.clone()));
                    let point = Point { start_unix_nano: start, ..Point::new(output, self.now, value) };
                    self.emit(rule, point);
                }
            }
        }
    }

    /// What the inputs are said to be, what the output is, and its fixed labels.
    fn zero_kind(&self, rule: u32, definition: &Rule) -> Option<(Kind, Kind, Pairs)> {
        let Inputs::Ranked(ranks) = &definition.inputs else { return None };
        let input = ranks.first()?.first()?;
        let cumulative = Temporality::Cumulative;
        let known = [Kind::COUNTER, Kind::Gauge, Kind::Histogram { temporality: cumulative }, Kind::Summary];
        let wanted = |kind: Kind| match definition.kind {
            Some(OutputKind::Counter) => kind == Kind::COUNTER,
            Some(OutputKind::UpDown) => kind == Kind::Sum { temporality: cumulative, is_monotonic: false },
            Some(OutputKind::Gauge | OutputKind::Untyped) => kind == Kind::Gauge,
            Some(OutputKind::Histogram) => matches!(kind, Kind::Histogram { .. }),
            Some(OutputKind::Summary) => kind == Kind::Summary,
            None => true,
        };
        let state = self.rules.state(rule);
        known.into_iter().find_map(|own| {
            let metric = Metric::new("", "", own);
            let reading = reading(definition, input, &metric)?;
            let output = output_metric(state, String::new(), &reading, &metric).kind;
            wanted(output).then(|| (reading.kind, output, fixed(&input.labels)))
        })
    }

    fn begin_group(&mut self, rule: u32, definition: &Rule, output: Series, kind: Kind) {
        let choice = match self.rules.ranks(rule) {
            0 | 1 => NO_CHOICE,
            ranks => self.choices.of(rule, None, ranks),
        };
        let place = Place { rule, choice, is_dialect: false, kind };
        let group = self.groups.of(place, output, definition, self.now);
        let started = self.started;
        if let Some(group) = self.groups.get_mut(group)
            && !group.is_zero
        {
            group.begin_at_zero(started);
        }
    }
}
