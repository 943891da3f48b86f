//! Applies mappings to batches.
//!
//! A series is looked up once: what becomes of its points is remembered as a plan. Most plans are a change of
//! the handle; the others feed groups, whose values are made when the batch is through.

mod convert;
mod derive;
mod detect;
mod explain;
mod exponential;
mod flush;
mod groups;
mod kinds;
mod labels;
mod liveness;
mod members;
mod owners;
mod plan;
mod relay;
mod rules;
mod tick;
mod total;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use self::derive::operands::Operands;
use self::detect::Resources;
use self::groups::Groups;
use self::liveness::{Choices, NO_CHOICE};
use self::owners::Owners;
use self::plan::{Feed, Path, Plan, Target};
use self::rules::Rules;
use super::compiled::Mapping;
use super::live::Overlay;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::metric::{Resource, Scope};
use crate::per_series::PerSeries;
use crate::point::{Point, Value};
use crate::registry::Registry;
use crate::series::Series;

/// How an engine treats what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Series that a rule takes stay beside what is made of them.
    pub keeps_originals: bool,
}

/// Mappings at work, with what they remember.
#[derive(Debug)]
pub struct Engine {
    rules: Rules,
    options: Options,
    registry: Arc<Registry>,
    clock: Clock,
    no_resource: Arc<Resource>,
    no_scope: Arc<Scope>,
    started: u64,
    /// Of the call at hand, in nanoseconds since 1970.
    now: u64,
    plans: PerSeries<Plan>,
    /// Of what a rule made, for the rules that are made of it.
    consumers: HashMap<(u32, Series), Plan>,
    resources: Resources,
    choices: Choices,
    owners: Owners,
    groups: Groups,
    operands: HashMap<u32, Operands>,
    /// What the batch at hand gets besides its own points.
    made: Vec<Point>,
    /// What has ended since the last tick.
    ended: Vec<Series>,
    /// What no input has a say in, with its rule: constants, and zeros until a source comes.
    fixed: Vec<(u32, Series)>,
    /// Points that were left out as another input had their series.
    conflicts: u64,
}

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
    /// What stands in the way, in sentences; empty where the metric exists.
    pub missing: Vec<String>,
}

impl Engine {
    pub fn new(mappings: Vec<Arc<Mapping>>, options: Options, registry: Arc<Registry>, clock: Clock) -> Self {
        let now = clock.unix_nano();
        Self {
            rules: Rules::new(mappings),
            options,
            no_resource: registry.resource(Resource::default()),
            no_scope: registry.scope(Scope::default()),
            registry,
            clock,
            started: now,
            now,
            plans: PerSeries::default(),
            consumers: HashMap::new(),
            resources: Resources::default(),
            choices: Choices::default(),
            owners: Owners::default(),
            groups: Groups::default(),
            operands: HashMap::new(),
            made: Vec::new(),
            ended: Vec::new(),
            fixed: Vec::new(),
            conflicts: 0,
        }
    }

    /// Maps a batch where it is.
    pub fn process(&mut self, batch: &mut Batch) {
        self.now = self.now.max(self.clock.unix_nano());
        // In its own allocation, there and back.
        let mut points: Vec<Point> = std::mem::take(batch).into_iter().collect();
        let (mut kept, mut is_planned) = (0, false);
        for index in 0..points.len() {
            if !is_planned && self.is_open(&points[index].series) {
                self.plan_all(&points[index..]);
                is_planned = true;
            }
            if self.map(&mut points[index]) {
                points.swap(kept, index);
                kept += 1;
            }
        }
        points.truncate(kept);
        self.flush(false);
        points.append(&mut self.made);
        *batch = points.into_iter().collect();
    }

    fn is_open(&self, series: &Series) -> bool {
        self.plans.get(series).is_none_or(|plan| matches!(plan.path, Path::Open))
    }

    /// Whether the point stays in the batch, perhaps as another's.
    #[inline]
    fn map(&mut self, point: &mut Point) -> bool {
        let Some(plan) = self.plans.get_mut(&point.series) else { return false };
        plan.seen = self.now;
        match &plan.path {
            Path::Keep => true,
            Path::Drop | Path::Open => false,
            Path::Swap(feed) if feed.is_owner && feed.convert.is_none() && feed.choice == NO_CHOICE => {
                if point.flags != 0 && point.is_stale() {
                    return self.map_slowly(point);
                }
                if let Value::Double(value) = point.value
                    && !value.is_finite()
                {
                    return false;
                }
                if let Target::Series { output, .. } = &feed.target {
                    point.series = output.clone();
                }
                true
            }
            Path::Swap(_) | Path::Feeds(_) => self.map_slowly(point),
        }
    }

    fn map_slowly(&mut self, point: &mut Point) -> bool {
        // Out of its place meanwhile, as the feeds and the engine change each other.
        let Some(plan) = self.plans.get_mut(&point.series) else { return false };
        let mut path = std::mem::replace(&mut plan.path, Path::Open);
        let is_kept = plan.stays;
        let input = point.series.clone();
        let stays = match &mut path {
            Path::Swap(feed) => match self.one_to_one(feed, point) {
                Some(made) => {
                    *point = made;
                    true
                }
                None => false,
            },
            Path::Feeds(feeds) => {
                self.feed_all(feeds, point);
                is_kept
            }
            Path::Open | Path::Keep | Path::Drop => false,
        };
        if let Some(plan) = self.plans.get_mut(&input) {
            plan.path = path;
        }
        stays
    }

    fn feed_all(&mut self, feeds: &mut [Feed], point: &Point) {
        for feed in feeds {
            if let Target::Member(member) = feed.target {
                self.contribute(feed, member, point);
            } else if let Some(made) = self.one_to_one(feed, point) {
                self.emit(feed.at.rule, made);
            }
        }
    }

    /// The point that a one-to-one rule makes of this one; `None` where it makes none now.
    fn one_to_one(&mut self, feed: &mut Feed, point: &Point) -> Option<Point> {
        if point.is_stale() {
            return self.one_to_one_ended(feed, point);
        }
        self.wake(feed);
        let Target::Series { output, token } = &feed.target else { return None };
        if !self.choices.is_active(feed.choice, feed.at.rank) {
            feed.is_owner = false;
            return None;
        }
        if !feed.is_owner || feed.choice != NO_CHOICE {
            // A rank that is not active any more has nothing to say against it.
            let superseded = feed.choice != NO_CHOICE && self.is_superseded(output);
            feed.is_owner = self.owners.acquire(output, *token, (feed.at, feed.choice), superseded);
        }
        if !feed.is_owner {
            self.conflicts += 1;
            return None;
        }
        let value = match &feed.convert {
            Some(convert) => convert.apply(&point.value, self.now)?,
            None => match point.value {
                Value::Empty => return None,
                Value::Double(value) if !value.is_finite() => return None,
                ref value => value.clone(),
            },
        };
        Some(Point { series: output.clone(), value, ..point.clone() })
    }

    fn one_to_one_ended(&mut self, feed: &mut Feed, point: &Point) -> Option<Point> {
        if std::mem::take(&mut feed.is_live) && self.choices.sleep(feed.choice, feed.at.rank) {
            self.groups.touch_all(feed.at.rule);
        }
        let Target::Series { output, token } = &feed.target else { return None };
        feed.is_owner = false;
        if !self.owners.is_owner(output, *token) {
            return None;
        }
        self.owners.release(output, *token);
        Some(Point { series: output.clone(), ..point.clone() })
    }

    fn is_superseded(&self, output: &Series) -> bool {
        self.owners.at(output).is_some_and(|(at, choice)| !self.choices.is_active(choice, at.rank))
    }

    fn contribute(&mut self, feed: &Feed, member: u32, point: &Point) {
        if point.is_stale() {
            self.leave(member);
            return;
        }
        let member_state = self.groups.members.get_mut(member);
        member_state.seen = self.now;
        if !std::mem::replace(&mut member_state.is_live, true) && self.choices.wake(feed.choice, feed.at.rank)
        {
            self.groups.touch_all(feed.at.rule);
        }
        let value = match &feed.convert {
            Some(convert) => convert.apply(&point.value, self.now),
            None => Some(point.value.clone()).filter(is_there),
        };
        let is_active = self.choices.is_active(feed.choice, feed.at.rank);
        self.groups.contribute(member, point, value, is_active);
    }

    /// The member has ended; what it has brought to a sum stays.
    fn leave(&mut self, member: u32) {
        let state = self.groups.members.get_mut(member);
        let (at, group) = (state.at, state.group);
        if std::mem::take(&mut state.is_live) {
            let choice = self.groups.get(group).map_or(NO_CHOICE, |group| group.place.choice);
            if self.choices.sleep(choice, at.rank) {
                self.groups.touch_all(at.rule);
            }
            self.groups.touch(group);
        }
    }

    /// The input is live.
    fn wake(&mut self, feed: &mut Feed) {
        let was_live = match feed.target {
            Target::Series { .. } => std::mem::replace(&mut feed.is_live, true),
            Target::Member(member) => {
                std::mem::replace(&mut self.groups.members.get_mut(member).is_live, true)
            }
        };
        if !was_live && self.choices.wake(feed.choice, feed.at.rank) {
            self.groups.touch_all(feed.at.rule);
        }
    }

    /// Hands on what a rule has made: to the batch, and to the rules that are made of it.
    fn emit(&mut self, rule: u32, point: Point) {
        let state = self.rules.state(rule);
        let is_hidden = state.is_hidden;
        if state.feeds_others() {
            self.hand_on(rule, &point);
        }
        if !is_hidden {
            self.made.push(point);
        }
    }

    fn hand_on(&mut self, rule: u32, point: &Point) {
        let value = if point.is_stale() { None } else { convert::number(&point.value) };
        for index in 0..self.rules.state(rule).operand_of.len() {
            let (of, side) = self.rules.state(rule).operand_of[index];
            self.operands.entry(of).or_default().put(side, &point.series, value);
        }
        if self.rules.state(rule).consumers.is_empty() {
            return;
        }
        let key = (rule, point.series.clone());
        let plan = match self.consumers.remove(&key) {
            Some(plan) if !matches!(plan.path, Path::Open) => Ok(plan),
            _ => self.plan_consumers(rule, &point.series),
        };
        // Without room for its series it is tried again with the next point.
        let Ok(mut plan) = plan else { return };
        plan.seen = self.now;
        self.feed_all(plan.path.feeds_mut(), point);
        self.consumers.insert(key, plan);
    }

    /// The output of a rule has ended; said with the next tick.
    fn end(&mut self, rule: u32, output: Series) {
        if self.rules.list.get(rule as usize).is_none_or(|state| !state.is_hidden) {
            self.ended.push(output);
        }
    }

    /// Puts other rules in the place of those for the same metrics in the mapping of this name; `None` takes them
    /// away again. What is no longer made ends with the next tick.
    pub fn overlay(&mut self, mapping: &str, overlay: Option<Arc<Overlay>>) {
        let found = self.rules.mappings.iter().position(|other| other.name == mapping);
        let Some(index) = found else { return };
        self.overlay_rules(index, overlay);
    }

    /// The names of the mappings.
    pub fn mappings(&self) -> Vec<&str> {
        self.rules.mappings.iter().map(|mapping| mapping.name.as_str()).collect()
    }
}

fn is_there(value: &Value) -> bool {
    match value {
        Value::Empty => false,
        Value::Double(value) => value.is_finite(),
        _ => true,
    }
}
