//! Makes the values of groups whose members have said something.

use super::Engine;
use super::derive::Derived;
use super::derive::states::state_of;
use super::kinds::{literal, made_by, output_kind};
use crate::attributes::Attributes;
use crate::mapping::compiled::{Combine, Inputs, States};
use crate::metric::{Kind, Metric};
use crate::point::{Point, Value};
use crate::series::Series;

impl Engine {
    /// Goes through the rules in order, so that those that are made of others find these done.
    pub(super) fn flush(&mut self, is_tick: bool) {
        for rule in 0..self.rules.list.len() as u32 {
            while let Some(group) = self.groups.next_touched(rule) {
                self.flush_group(group, is_tick);
            }
            if self.operands.get(&rule).is_some_and(|operands| operands.is_touched) {
                self.flush_operands(rule);
            }
        }
    }

    fn flush_group(&mut self, index: u32, is_tick: bool) {
        let Some(group) = self.groups.get_mut(index) else { return };
        group.is_touched = false;
        let rule = group.place.rule;
        if matches!(group.derived, Derived::States(_)) {
            self.flush_states(index);
            return;
        }
        let Some(group) = self.groups.get(index) else { return };
        let value = self.groups.value(group, &self.choices);
        let Some(group) = self.groups.get_mut(index) else { return };
        let value = value.and_then(|value| group.derived.apply(value, self.now));
        // What was said again at a tick is not followed by what is older, or whoever keeps the last would refuse it.
        if is_tick || group.time == 0 {
            group.time = group.time.max(self.now);
        }
        let time = group.time;
        let output = group.output.clone();
        let was_out = std::mem::replace(&mut group.is_out, value.is_some());
        let start = group.start();
        match value {
            Some(value) => {
                let value = shaped(value, output.metric().kind);
                self.emit(rule, Point { start_unix_nano: start, ..Point::new(output, time, value) });
            }
            None if was_out => self.emit(rule, Point::stale(output, time)),
            None => {}
        }
    }

    fn flush_states(&mut self, index: u32) {
        let Some(group) = self.groups.get(index) else { return };
        let rule = group.place.rule;
        let definition = self.rules.state(rule).rule.clone();
        let Some(states) = &definition.states else { return };
        let is_count = definition.combine == Some(Combine::Count);
        let values = self.state_values(index, states, is_count);
        for ((state, _), value) in states.of.iter().zip(values) {
            let Some(output) = self.state_output(index, &states.label, state) else { continue };
            let Some(group) = self.groups.get_mut(index) else { return };
            let Derived::States(outputs) = &mut group.derived else { return };
            let Some((_, is_out)) = outputs.by_state.get_mut(state) else { continue };
            let was_out = std::mem::replace(is_out, value.is_some());
            group.is_out |= value.is_some();
            match value {
                Some(value) => self.emit(rule, Point::new(output, self.now, value)),
                None if was_out => self.emit(rule, Point::stale(output, self.now)),
                None => {}
            }
        }
    }

    /// A value for each state, in order: how many are in it, or the value of the one that is.
    fn state_values(&self, index: u32, states: &States, is_count: bool) -> Vec<Option<Value>> {
        let Some(group) = self.groups.get(index) else { return Vec::new() };
        let members = group.members.iter().map(|member| self.groups.members.get(*member));
        let is_in = |rank| self.choices.is_active(group.place.choice, rank);
        let found: Vec<_> = members
            .filter(|member| is_in(member.at.rank))
            .filter_map(|member| Some((state_of(states, member, self.now)?, member)))
            .collect();
        let of_state = |state: &str| {
            let mut in_state = found.iter().filter(|(found, _)| *found == state);
            if is_count {
                let is_there = !found.is_empty() || group.is_zero;
                return is_there.then(|| Value::Int(in_state.count() as i64));
            }
            in_state.next().map(|(_, member)| member.last.clone().unwrap_or(Value::Int(0)))
        };
        states.of.iter().map(|(state, _)| of_state(state)).collect()
    }

    fn state_output(&mut self, index: u32, label: &str, state: &str) -> Option<Series> {
        let group = self.groups.get_mut(index)?;
        let Derived::States(outputs) = &mut group.derived else { return None };
        if let Some((output, _)) = outputs.by_state.get(state) {
            return Some(output.clone());
        }
        let base = &group.output;
        let mut pairs = base.attributes().to_pairs();
        pairs.push((label.to_owned(), state.into()));
        let attributes = Attributes::new(pairs);
        let output = self.registry.series(base.resource(), base.scope(), base.metric(), attributes).ok()?;
        outputs.by_state.insert(state.to_owned(), (output.clone(), false));
        Some(output)
    }

    fn flush_operands(&mut self, rule: u32) {
        let Some(mut operands) = self.operands.remove(&rule) else { return };
        operands.is_touched = false;
        let definition = self.rules.state(rule).rule.clone();
        for is_there in operands.made.values_mut() {
            *is_there = false;
        }
        let mut made = Vec::new();
        for (key, left, right) in operands.pairs() {
            let value = match definition.inputs {
                Inputs::Ratio { .. } => left / right,
                _ => left - right,
            };
            if value.is_finite()
                && let Some(output) = self.operand_output(rule, key)
            {
                made.push((output, value));
            }
        }
        for (output, value) in made {
            operands.made.insert(output.clone(), true);
            self.emit(rule, Point::new(output, self.now, Value::Double(value)));
        }
        let ended: Vec<Series> =
            operands.made.extract_if(|_, is_there| !*is_there).map(|(series, _)| series).collect();
        for output in ended {
            self.emit(rule, Point::stale(output, self.now));
        }
        self.operands.insert(rule, operands);
    }

    fn operand_output(&self, rule: u32, key: &super::derive::operands::Key) -> Option<Series> {
        let state = self.rules.state(rule);
        let name = super::rules::fixed_name(state.rule.metric.as_ref()?)?;
        let unit = state.rule.unit.clone().unwrap_or_default();
        let mut metric = Metric::new(name, unit, output_kind(state, Kind::Gauge))
            .with_description(state.rule.help.clone().unwrap_or_default());
        metric.metadata = if self.rules.is_dialect(rule) {
            made_by(&self.rules.mapping(rule).name, Vec::new())
        } else {
            literal(&state.rule)
        };
        let metric = self.registry.metric(metric);
        self.registry.series(&key.resource, &key.scope, &metric, key.labels.clone()).ok()
    }
}

/// A zero of a histogram that is not known yet as what the output is.
fn shaped(value: Value, kind: Kind) -> Value {
    match (&value, kind) {
        (Value::Int(_) | Value::Double(_), Kind::Gauge | Kind::Sum { .. }) => value,
        (Value::Histogram(_), Kind::ExponentialHistogram { .. }) => super::groups::zero(kind),
        _ => value,
    }
}
