//! Inputs with equal labels, and the one value that they make.

use std::collections::HashMap;

use super::derive::Derived;
use super::liveness::Choices;
use super::members::{Member, Members};
use super::rules::At;
use super::total;
use crate::mapping::compiled::{Combine, OutputKind, Rule};
use crate::metric::Kind;
use crate::point::{Histogram, Point, Value};
use crate::series::Series;

/// For this long a sum stays that nothing has fed.
const SUM_KEPT: u64 = 24 * 3600 * 1_000_000_000;

/// Whether a member's rank has the metric, and when it last changed over from one to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) is_active: bool,
    pub(super) changed_at: u64,
}

/// Where a group belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) rule: u32,
    pub(super) choice: u32,
    pub(super) is_dialect: bool,
    /// What its members are.
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) place: Place,
    pub(super) output: Series,
    pub(super) members: Vec<u32>,
    combine: Combine,
    /// Whether members are counters, which add up to a sum that never falls.
    pub(super) is_sum: bool,
    pub(super) total: Option<Value>,
    start: u64,
    /// The newest of its members.
    pub(super) time: u64,
    pub(super) seen: u64,
    pub(super) is_touched: bool,
    /// Whether its series has had a value and not ended since.
    pub(super) is_out: bool,
    pub(super) is_zero: bool,
    /// The rank that has fed the sum last, and when it took over from another.
    rank: Option<u16>,
    changed_at: Option<u64>,
    pub(super) derived: Derived,
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    by_output: HashMap<(u32, Series), u32>,
    pub(super) list: Vec<Option<Group>>,
    free: Vec<u32>,
    pub(super) members: Members,
    /// By rule.
    touched: Vec<Vec<u32>>,
}

impl Groups {
    /// The group of an output series.
    pub(super) fn of(&mut self, place: Place, output: Series, rule: &Rule, now: u64) -> u32 {
        let key = (place.rule, output);
        if let Some(&index) = self.by_output.get(&key) {
            if let Some(group) = self.get_mut(index)
                && group.members.is_empty()
            {
                // A zero from the start could only guess what its members would be.
                group.is_sum = is_sum(rule, place.kind);
            }
            return index;
        }
        let group = Group::new(place, key.1.clone(), rule, now);
        let index = if let Some(index) = self.free.pop() {
            self.list[index as usize] = Some(group);
            index
        } else {
            self.list.push(Some(group));
            (self.list.len() - 1) as u32
        };
        self.by_output.insert(key, index);
        index
    }

    /// The member of a group for a series; the same as before, where it has been one.
    pub(super) fn member(&mut self, group: u32, series: &Series, at: At, now: u64) -> u32 {
        let (member, is_new) = self.members.of(group, series, at, now);
        if is_new && let Some(Some(group)) = self.list.get_mut(group as usize) {
            group.members.push(member);
        }
        member
    }

    pub(super) fn get(&self, group: u32) -> Option<&Group> {
        self.list.get(group as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, group: u32) -> Option<&mut Group> {
        self.list.get_mut(group as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.list.iter().flatten()
    }

    /// Takes a point of a member into account.
    pub(super) fn contribute(&mut self, member: u32, point: &Point, value: Option<Value>, turn: Turn) {
        let member = self.members.get_mut(member);
        let Some(Some(group)) = self.list.get_mut(member.group as usize) else { return };
        group.time = group.time.max(point.time_unix_nano);
        group.seen = member.seen;
        if group.is_sum {
            if let Some(value) = value {
                group.add(member, point, value, turn);
            }
        } else {
            member.take_latest(value);
        }
        let group = member.group;
        self.touch(group);
    }

    pub(super) fn touch(&mut self, index: u32) {
        let Some(Some(group)) = self.list.get_mut(index as usize) else { return };
        if !group.is_touched {
            group.is_touched = true;
            let rule = group.place.rule as usize;
            if self.touched.len() <= rule {
                self.touched.resize_with(rule + 1, Vec::new);
            }
            self.touched[rule].push(index);
        }
    }

    /// Touches the groups of a rule, or of all.
    pub(super) fn touch_all(&mut self, rule: impl Into<Option<u32>>) {
        let rule = rule.into();
        for index in 0..self.list.len() {
            let is_wanted = |group: &Group| rule.is_none_or(|rule| group.place.rule == rule);
            if self.list[index].as_ref().is_some_and(is_wanted) {
                self.touch(index as u32);
            }
        }
    }

    /// Takes a group of the rule that was touched.
    pub(super) fn next_touched(&mut self, rule: u32) -> Option<u32> {
        self.touched.get_mut(rule as usize)?.pop()
    }

    /// What the group's members make, before anything is derived of it.
    pub(super) fn value(&self, group: &Group, choices: &Choices) -> Option<Value> {
        let has_live = || group.members.iter().any(|member| self.members.get(*member).is_live);
        let value = if group.is_sum {
            // A dialect's metric ends with its target.
            group.total.clone().filter(|_| !group.place.is_dialect || group.is_zero || has_live())
        } else {
            self.latest(group, choices)
        };
        value.or_else(|| group.is_zero.then(|| zero(group.output.metric().kind)))
    }

    fn latest(&self, group: &Group, choices: &Choices) -> Option<Value> {
        let members = group.members.iter().map(|member| self.members.get(*member));
        let is_in =
            |member: &&Member| member.is_live && choices.is_active(group.place.choice, member.at.rank);
        combined(group.combine, members.filter(is_in).filter_map(|member| member.last.as_ref()))
    }

    /// Forgets members that were not heard of for an hour, and groups of which nothing is left. Gives the
    /// outputs that have ended with them.
    pub(super) fn sweep(&mut self, now: u64) -> Vec<(u32, Series)> {
        for group in self.list.iter_mut().flatten() {
            group.members.retain(|member| !self.members.get(*member).is_over(now));
        }
        self.members.sweep(now);
        let is_over = |group: &Group| {
            let kept = if group.is_sum && !group.place.is_dialect { SUM_KEPT } else { 0 };
            group.members.is_empty() && !group.is_zero && group.seen.saturating_add(kept) < now
        };
        self.remove(is_over)
    }

    /// Removes groups; gives the outputs that were there.
    pub(super) fn remove(&mut self, is_over: impl Fn(&Group) -> bool) -> Vec<(u32, Series)> {
        let mut ended = Vec::new();
        for index in 0..self.list.len() {
            let Some(group) = self.list[index].take_if(|group| is_over(group)) else { continue };
            for member in &group.members {
                self.members.remove(*member);
            }
            self.by_output.remove(&(group.place.rule, group.output.clone()));
            self.free.push(index as u32);
            if group.is_out {
                ended.extend(group.outputs().map(|output| (group.place.rule, output.clone())));
            }
        }
        for touched in &mut self.touched {
            touched.retain(|index| self.list[*index as usize].is_some());
        }
        ended
    }
}

impl Group {
    fn new(place: Place, output: Series, rule: &Rule, now: u64) -> Self {
        let combine = rule.combine.unwrap_or(Combine::Sum);
        Self {
            place,
            combine,
            is_sum: is_sum(rule, place.kind),
            members: Vec::new(),
            total: None,
            start: 0,
            time: 0,
            seen: now,
            is_touched: false,
            is_out: false,
            is_zero: false,
            rank: None,
            changed_at: None,
            derived: Derived::new(rule, &output, now),
            output,
        }
    }

    /// Every series the group may have made.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Series> {
        let derived = self.derived.outputs();
        let own = derived.is_none().then_some(&self.output);
        own.into_iter().chain(derived.into_iter().flatten())
    }

    fn add(&mut self, member: &mut Member, point: &Point, value: Value, turn: Turn) {
        let has_restarted = point.start_unix_nano > member.start && member.start != 0;
        member.start = member.start.max(point.start_unix_nano);
        if turn.is_active {
            if self.rank.replace(member.at.rank).is_some_and(|rank| rank != member.at.rank) {
                self.changed_at = Some(turn.changed_at);
                // Over the few bounds that two sources share, or none, nothing could be told of either.
                if self.total.as_ref().is_some_and(|total| !total::can_go_on(total, &value)) {
                    self.total = Some(total::increase(&value, Some(&value)));
                    self.start = point.time_unix_nano;
                }
            }
            if member.is_delta || !self.has_counted(member) {
                let before = member.last.as_ref().filter(|_| !has_restarted && !member.is_delta);
                total::add(&mut self.total, total::increase(&value, before));
            }
            member.fed = member.seen;
            let start = if point.start_unix_nano == 0 { member.seen } else { point.start_unix_nano };
            if self.start == 0 || (!self.is_out && start < self.start) {
                self.start = start;
            }
        }
        member.last = Some(value);
    }

    /// Whether what a member brings with its first point after a change-over was counted by way of the source
    /// before: all that one has which came with the change-over, or nothing but what it grew by if it was live.
    fn has_counted(&self, member: &Member) -> bool {
        let Some(changed_at) = self.changed_at.filter(|at| member.fed < *at) else { return false };
        match member.last {
            None => member.since <= changed_at,
            Some(_) => member.woken >= changed_at,
        }
    }

    /// The start of its points: fixed once one is out, as a later one would say that it began anew.
    pub(super) fn start(&self) -> u64 {
        if self.output.metric().kind == Kind::Gauge { 0 } else { self.start }
    }

    /// The group is there from the start.
    pub(super) fn begin_at_zero(&mut self, start: u64) {
        self.is_zero = true;
        self.start = start;
        if self.is_sum {
            self.total = Some(zero(self.output.metric().kind));
            if self.derived.needs_histogram() {
                self.total = None;
            }
        }
    }
}

fn is_sum(rule: &Rule, kind: Kind) -> bool {
    let is_counter = matches!(kind, Kind::Sum { is_monotonic: true, .. })
        || rule.kind == Some(OutputKind::Counter)
        || !matches!(kind, Kind::Gauge | Kind::Sum { .. });
    rule.combine.unwrap_or(Combine::Sum) == Combine::Sum && rule.states.is_none() && is_counter
}

fn combined<'a>(combine: Combine, values: impl Iterator<Item = &'a Value>) -> Option<Value> {
    let mut result: Option<Value> = None;
    let mut count = 0_i64;
    for value in values {
        count += 1;
        result = Some(match result {
            None => value.clone(),
            Some(before) => both(combine, before, value)?,
        });
    }
    match combine {
        Combine::Count => (count > 0).then_some(Value::Int(count)),
        Combine::Mean => Some(Value::Double(crate::growth::number(&result?)? / count as f64)),
        Combine::Sum | Combine::Min | Combine::Max => result,
    }
}

fn both(combine: Combine, left: Value, right: &Value) -> Option<Value> {
    let (a, b) = (crate::growth::number(&left)?, crate::growth::number(right)?);
    Some(match combine {
        Combine::Count => left,
        Combine::Min => {
            if b < a {
                right.clone()
            } else {
                left
            }
        }
        Combine::Max => {
            if b > a {
                right.clone()
            } else {
                left
            }
        }
        Combine::Sum | Combine::Mean => match (&left, right) {
            (Value::Int(left), Value::Int(right)) => {
                left.checked_add(*right).map_or(Value::Double(a + b), Value::Int)
            }
            _ => Value::Double(a + b),
        },
    })
}

pub(super) fn zero(kind: Kind) -> Value {
    match kind {
        Kind::Gauge | Kind::Sum { .. } => Value::Int(0),
        Kind::Histogram { .. } => Value::Histogram(Box::new(Histogram {
            sum: Some(0.0),
            bucket_counts: Vec::new(),
            ..Histogram::default()
        })),
        Kind::ExponentialHistogram { .. } => Value::ExponentialHistogram(Box::default()),
        Kind::Summary => Value::Summary(Box::default()),
    }
}
