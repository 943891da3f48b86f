//! What becomes of the points of a series, worked out once.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Engine;
use super::convert::Convert;
use super::groups::Place;
use super::kinds::{self, Reading, output_metric, reading};
use super::labels::Subject;
use super::liveness::NO_CHOICE;
use super::rules::At;
use crate::attributes::Attributes;
use crate::mapping::DIALECT;
use crate::mapping::catalogue::{Origin, catalogue};
use crate::mapping::compiled::{From, Inputs, Runner};
use crate::metric::{Metric, Resource};
use crate::registry::Full;
use crate::series::Series;
use crate::value::ValueRef;

#[derive(Debug)]
pub(super) struct Plan {
    /// When its last point came, in nanoseconds since 1970.
    pub(super) seen: u64,
    pub(super) path: Path,
    /// Whether its points stay in the batch beside what is made of them.
    pub(super) stays: bool,
}

#[derive(Debug)]
pub(super) enum Path {
    /// To be worked out.
    Open,
    Keep,
    Drop,
    /// One output, and nothing else.
    Swap(Feed),
    Feeds(Vec<Feed>),
}

/// The way of a series into one rule.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) at: At,
    pub(super) choice: u32,
    /// Of a one-to-one feed: live, and whose the output is; where no choice is, the two are one.
    pub(super) is_live: bool,
    pub(super) is_owner: bool,
    /// How often the choice had changed over when it became the owner.
    pub(super) changes: u32,
    /// `None`: values stay as they are.
    pub(super) convert: Option<Box<Convert>>,
    pub(super) target: Target,
}

#[derive(Debug)]
pub(super) enum Target {
    Series {
        output: Series,
        token: u64,
    },
    /// By its index.
    Member(u32),
}

impl Path {
    pub(super) fn feeds(&self) -> &[Feed] {
        match self {
            Self::Swap(feed) => std::slice::from_ref(feed),
            Self::Feeds(feeds) => feeds,
            Self::Open | Self::Keep | Self::Drop => &[],
        }
    }

    pub(super) fn feeds_mut(&mut self) -> &mut [Feed] {
        match self {
            Self::Swap(feed) => std::slice::from_mut(feed),
            Self::Feeds(feeds) => feeds,
            Self::Open | Self::Keep | Self::Drop => &mut [],
        }
    }

    fn into_feeds(self) -> Vec<Feed> {
        match self {
            Self::Swap(feed) => vec![feed],
            Self::Feeds(feeds) => feeds,
            Self::Open | Self::Keep | Self::Drop => Vec::new(),
        }
    }
}

impl Engine {
    /// Works out the way of a series from outside; feeds that it had before stay where they still hold.
    pub(super) fn plan(&mut self, series: &Series, before: Option<Plan>) -> Result<Plan, Full> {
        let seen = before.as_ref().map_or(self.now, |plan| plan.seen);
        let mut before = before.map(|plan| plan.path.into_feeds()).unwrap_or_default();
        let (taken, is_taken) = self.taken(series, self.rules.candidates(series.metric()));
        let feeds = self.feeds(series, &taken, &mut before)?;
        for feed in before {
            self.close(feed);
        }
        let stays = self.options.keeps_originals || self.is_of_scraping(series, &taken);
        let path = if !is_taken {
            if self.rules.keeps_unmapped(&series.metric().name) { Path::Keep } else { Path::Drop }
        } else if feeds.is_empty() {
            if stays { Path::Keep } else { Path::Drop }
        } else {
            self.path(feeds, stays)
        };
        Ok(Plan { seen, path, stays })
    }

    /// Works out the way of a series that a rule made into the rules that are made of it.
    pub(super) fn plan_consumers(&mut self, rule: u32, series: &Series) -> Result<Plan, Full> {
        let candidates = self.rules.state(rule).consumers.iter().copied().collect();
        let (taken, _) = self.taken(series, candidates);
        let feeds = self.feeds(series, &taken, &mut Vec::new())?;
        Ok(Plan { seen: self.now, path: Path::Feeds(feeds), stays: false })
    }

    /// Whether a dialect takes what no runner has made: `up` is of its target, and watched by others.
    fn is_of_scraping(&self, series: &Series, taken: &[At]) -> bool {
        let is_foreign = |at: &At| self.rules.input(*at).is_some_and(|input| input.is_foreign);
        let known = catalogue().metrics.get(&series.metric().name);
        taken.iter().any(is_foreign) && known.is_some_and(|own| own.origin == Origin::Prometheus)
    }

    fn path(&self, mut feeds: Vec<Feed>, stays: bool) -> Path {
        let is_plain = |feed: &Feed| {
            let state = self.rules.state(feed.at.rule);
            matches!(feed.target, Target::Series { .. }) && !state.is_hidden && !state.feeds_others()
        };
        if feeds.len() == 1
            && !stays
            && let Some(feed) = feeds.pop_if(|feed| is_plain(feed))
        {
            return Path::Swap(feed);
        }
        Path::Feeds(feeds)
    }

    /// The inputs that take the series, and whether one does (which may give nothing).
    fn taken(&self, series: &Series, candidates: SmallVec<[At; 4]>) -> (SmallVec<[At; 4]>, bool) {
        let matching: SmallVec<[At; 4]> =
            candidates.into_iter().filter(|at| self.takes(*at, series)).collect();
        let is_rest = |at: &At| self.rules.state(at.rule).rule.is_rest;
        let mapping = |at: &At| self.rules.state(at.rule).mapping;
        let is_left = |at: &&At| {
            !is_rest(at) || !matching.iter().any(|other| mapping(other) == mapping(at) && !is_rest(other))
        };
        let taken: SmallVec<[At; 4]> = matching.iter().filter(is_left).copied().collect();
        let is_taken = !taken.is_empty();
        (taken.into_iter().filter(|at| self.rules.state(at.rule).rule.metric.is_some()).collect(), is_taken)
    }

    fn takes(&self, at: At, series: &Series) -> bool {
        self.is_possible(at, series) && self.is_meant(at, series)
    }

    /// Whether the rule can make something of what the series is.
    pub(super) fn is_possible(&self, at: At, series: &Series) -> bool {
        let rule = &self.rules.state(at.rule).rule;
        let input = self.rules.input(at);
        rule.metric.is_none() || input.is_some_and(|input| reading(rule, input, series.metric()).is_some())
    }

    /// Whether the input is of such series, whatever they are.
    pub(super) fn is_meant(&self, at: At, series: &Series) -> bool {
        let Some(input) = self.rules.input(at) else { return false };
        let resource = series.resource();
        if input.is_foreign && !self.resources.speaks(resource, &self.rules.mapping(at.rule).name) {
            return false;
        }
        if input.runner.as_ref().is_some_and(|runner| !self.is_of(series, runner)) {
            return false;
        }
        if let Some(range) = &input.version {
            let version = resource.attributes.get("service.version").and_then(ValueRef::as_str);
            if !version.is_some_and(|version| range.contains(version)) {
                return false;
            }
        }
        let subject = Subject::new(series, None);
        input.conditions.iter().all(|condition| subject.meets(condition))
    }

    fn is_of(&self, series: &Series, runner: &Runner) -> bool {
        let resource = series.resource();
        let made_by = series.metric().metadata.get(DIALECT).and_then(ValueRef::as_str);
        match runner {
            Runner::Named(name) => made_by == Some(name.as_str()) || self.resources.speaks(resource, name),
            Runner::Any => made_by.is_some() || self.resources.speaks_any(resource),
            Runner::Absent => made_by.is_none() && !self.resources.speaks_any(resource),
        }
    }

    fn feeds(&mut self, series: &Series, taken: &[At], before: &mut Vec<Feed>) -> Result<Vec<Feed>, Full> {
        let mut feeds = Vec::with_capacity(taken.len());
        for &at in taken {
            if let Some(index) = before.iter().position(|feed| feed.at == at) {
                feeds.push(before.swap_remove(index));
            } else {
                feeds.extend(self.feed(series, at)?);
            }
        }
        Ok(feeds)
    }

    fn feed(&mut self, series: &Series, at: At) -> Result<Option<Feed>, Full> {
        let rule = self.rules.state(at.rule).rule.clone();
        let Inputs::Ranked(ranks) = &rule.inputs else { return Ok(None) };
        let input = &ranks[usize::from(at.rank)][usize::from(at.input)];
        let by = if let From::Metric(by) = &input.from { Some(by) } else { None };
        let subject = Subject::new(series, by);
        let name = rule.metric.as_ref().and_then(|template| subject.fill(template));
        let (Some(name), Some(reading)) = (name, reading(&rule, input, series.metric())) else {
            return Ok(None);
        };
        let is_dialect = self.rules.is_dialect(at.rule);
        if is_dialect && self.options.keeps_originals && name == series.metric().name {
            // The original stays, and another of its name would be taken for more of the same.
            return Ok(None);
        }
        let metric = output_metric(self.rules.state(at.rule), name, &reading, series.metric());
        let attributes = subject.labels(&input.labels);
        let output = self.output(at.rule, series, metric, &attributes)?;
        let choice = if ranks.len() > 1 {
            let resource = is_dialect.then(|| series.resource());
            self.choices.of(at.rule, resource, ranks.len())
        } else {
            NO_CHOICE
        };
        let convert = (!reading.convert.is_plain()).then(|| Box::new(reading.convert.clone()));
        let target = if self.rules.state(at.rule).is_combined() {
            Target::Member(self.member(series, at, choice, (output, &reading)))
        } else {
            Target::Series { output, token: self.groups.members.token(series, at) }
        };
        Ok(Some(Feed { at, choice, is_live: false, is_owner: false, changes: 0, convert, target }))
    }

    fn member(&mut self, series: &Series, at: At, choice: u32, made: (Series, &Reading)) -> u32 {
        let (output, reading) = made;
        let is_dialect = self.rules.is_dialect(at.rule);
        let place = Place { rule: at.rule, choice, is_dialect, kind: reading.kind };
        let rule = self.rules.state(at.rule).rule.clone();
        let group = self.groups.of(place, output, &rule, self.now);
        self.groups.member(group, series, at, self.now)
    }

    /// The series that a rule makes: a dialect's with resource and scope of its input, a schema's without.
    pub(super) fn output(
        &self,
        rule: u32,
        of: &Series,
        mut metric: Metric,
        attributes: &Attributes,
    ) -> Result<Series, Full> {
        let state = self.rules.state(rule);
        if !self.rules.is_dialect(rule) {
            metric.metadata = kinds::literal(&self.rules.state(rule).rule);
            let metric = self.registry.metric(metric);
            return self.registry.series(&self.no_resource, &self.no_scope, &metric, attributes.clone());
        }
        let is_as_it_was = state.rule.kind.is_none() && metric.kind == of.metric().kind;
        let before = if is_as_it_was { of.metric().metadata.to_pairs() } else { Vec::new() };
        metric.metadata = kinds::made_by(&self.rules.mapping(rule).name, before);
        let metric = self.registry.metric(metric);
        self.registry.series(of.resource(), of.scope(), &metric, attributes.clone())
    }

    /// A way that is no more.
    fn close(&mut self, feed: Feed) {
        match feed.target {
            Target::Series { output, token } => {
                if feed.is_live && self.choices.sleep(feed.choice, feed.at.rank, self.now) {
                    self.groups.touch_all(feed.at.rule);
                }
                if self.owners.is_owner(&output, token) {
                    self.owners.release(&output, token);
                    self.end(feed.at.rule, output);
                }
            }
            Target::Member(member) => self.leave(member),
        }
    }

    /// Learns what the resources of new series speak, and plans those series, before any point is mapped.
    pub(super) fn plan_all(&mut self, points: &[crate::point::Point]) {
        let mut changed: Vec<Arc<Resource>> = Vec::new();
        for point in points {
            let series = &point.series;
            let is_new = self.plans.get(series).is_none();
            if is_new && self.resources.learn(series.resource(), &series.metric().name, &self.rules) {
                changed.push(series.resource().clone());
            }
        }
        if !changed.is_empty() {
            self.plan_again(|series| changed.contains(series.resource()));
        }
        for point in points {
            self.plan_one(&point.series);
            if !point.is_stale() {
                self.announce(&point.series);
            }
        }
    }

    /// Plans the series anew for which `is_wanted` says so.
    pub(super) fn plan_again(&mut self, is_wanted: impl Fn(&Series) -> bool) {
        let living: Vec<Series> = self.plans.living().filter(|series| is_wanted(series)).collect();
        for series in living {
            if let Some(before) = self.plans.remove(&series) {
                let seen = before.seen;
                let plan =
                    self.plan(&series, Some(before)).unwrap_or(Plan { seen, path: Path::Open, stays: false });
                self.plans.insert(&series, plan);
            }
        }
    }

    /// Takes the feeds into rules out of the plans for which `stays` does not hold.
    pub(super) fn plan_without(&mut self, stays: impl Fn(u32) -> bool) {
        let mut gone = Vec::new();
        for plan in self.plans.values_mut() {
            if plan.path.feeds().iter().all(|feed| stays(feed.at.rule)) {
                continue;
            }
            let feeds = std::mem::replace(&mut plan.path, Path::Open).into_feeds();
            let (kept, over): (Vec<_>, Vec<_>) = feeds.into_iter().partition(|feed| stays(feed.at.rule));
            plan.path = Path::Feeds(kept);
            gone.extend(over);
        }
        for feed in gone {
            self.close(feed);
        }
    }

    pub(super) fn close_all(&mut self, plan: Plan) {
        for feed in plan.path.into_feeds() {
            self.close(feed);
        }
    }

    fn plan_one(&mut self, series: &Series) {
        if self.plans.get(series).is_some_and(|plan| !matches!(plan.path, Path::Open)) {
            return;
        }
        match self.plan(series, None) {
            Ok(plan) => {
                self.plans.insert(series, plan);
            }
            Err(Full { .. }) => {
                self.plans.remove(series);
            }
        }
    }

    /// Lets the inputs of a new series take part in the choices before any point of its batch is mapped.
    fn announce(&mut self, series: &Series) {
        let Some(plan) = self.plans.get_mut(series) else { return };
        let mut path = std::mem::replace(&mut plan.path, Path::Open);
        for feed in path.feeds_mut() {
            self.wake(feed);
        }
        if let Some(plan) = self.plans.get_mut(series) {
            plan.path = path;
        }
    }
}
