//! Applies mappings to batches.
//!
//! A series is looked up once: what becomes of its points is remembered as a plan. Most plans are a change of
//! the handle; the others feed groups, whose values are made when the batch is through.

mod convert;
mod derive;
mod detect;
mod explain;
mod feed;
mod flush;
mod groups;
mod kinds;
mod labels;
mod liveness;
mod members;
mod one_to_one;
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
pub use self::explain::{Explanation, Source, Status};
use self::groups::Groups;
use self::liveness::Choices;
use self::one_to_one::Handover;
use self::owners::Owners;
use self::plan::{Path, Plan, Target};
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
    handover: Handover,
    left_out: LeftOut,
}

/// Points that a rule takes and that became nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Another input has the series that they would have become.
    pub conflicts: u64,
    /// There was no room for the series that they would have become.
    pub full: u64,
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
            handover: Handover::default(),
            left_out: LeftOut::default(),
        }
    }

    /// Maps a batch where it is.
    pub fn process(&mut self, batch: &mut Batch) {
        self.now = self.now.max(self.clock.unix_nano());
        self.handover.begin();
        // In its own allocation, there and back.
        let mut points: Vec<Point> = std::mem::take(batch).into_iter().collect();
        let (mut kept, mut is_planned) = (0, false);
        for index in 0..points.len() {
            let mut stays = self.map(&mut points[index], kept);
            if stays.is_none() && !is_planned {
                self.plan_all(&points[index..]);
                is_planned = true;
                stays = self.map(&mut points[index], kept);
            }
            match stays {
                Some(true) => {
                    if kept < index {
                        points.swap(kept, index);
                    }
                    kept += 1;
                }
                Some(false) => {}
                None => self.left_out.full += 1,
            }
        }
        points.truncate(kept);
        self.handover.kept = kept;
        self.flush(false);
        self.settle(&mut points);
        points.append(&mut self.made);
        *batch = points.into_iter().collect();
    }

    /// Whether the point stays in the batch, perhaps as another's, where so many stay before it; `None` where that is
    /// to be worked out.
    #[inline]
    fn map(&mut self, point: &mut Point, kept: usize) -> Option<bool> {
        let plan = self.plans.get_mut(&point.series)?;
        plan.seen = self.now;
        match &plan.path {
            Path::Keep => Some(true),
            Path::Drop => Some(false),
            Path::Open => None,
            Path::Swap(feed)
                if feed.convert.is_none()
                    && feed.is_owner
                    && self.choices.is_as_before(feed.choice, feed.changes)
                    && point.flags == 0
                    && is_there(&point.value) =>
            {
                if let Target::Series { output, .. } = &feed.target {
                    point.series = output.clone();
                }
                Some(true)
            }
            Path::Swap(_) | Path::Feeds(_) => Some(self.map_slowly(point, kept)),
        }
    }

    // Apart, so that what most points need is part of the loop over them.
    #[inline(never)]
    fn map_slowly(&mut self, point: &mut Point, kept: usize) -> bool {
        self.handover.kept = kept;
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

    /// Puts other rules in the place of those for the same metrics in the mapping of this name; `None` takes them
    /// away again. What is no longer made ends with the next tick.
    pub fn overlay(&mut self, mapping: &str, overlay: Option<Arc<Overlay>>) {
        let found = self.rules.mappings.iter().position(|other| other.name == mapping);
        let Some(index) = found else { return };
        self.overlay_rules(index, overlay);
    }

    /// What was left out since this was asked last.
    pub fn left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.left_out)
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
