//! The ways of a point into rules, and of what they make of it to the batch and to other rules.

use super::groups::Turn;
use super::liveness::NO_CHOICE;
use super::plan::{Feed, Path, Target};
use super::{Engine, is_there};
use crate::point::Point;
use crate::series::Series;

impl Engine {
    pub(super) fn feed_all(&mut self, feeds: &mut [Feed], point: &Point) {
        for feed in feeds {
            if let Target::Member(member) = feed.target {
                self.contribute(feed, member, point);
            } else if let Some(made) = self.one_to_one(feed, point) {
                self.emit(feed.at.rule, made);
            }
        }
    }

    fn contribute(&mut self, feed: &Feed, member: u32, point: &Point) {
        if point.is_stale() {
            self.leave(member);
            return;
        }
        let state = self.groups.members.get_mut(member);
        state.seen = self.now;
        if state.wake(self.now) && self.choices.wake(feed.choice, feed.at.rank, self.now) {
            self.groups.touch_all(feed.at.rule);
        }
        let value = match &feed.convert {
            Some(convert) => convert.apply(&point.value, self.now),
            None => Some(&point.value).filter(|value| is_there(value)).cloned(),
        };
        if value.is_none() {
            self.rules.count_invalid(feed.at.rule);
        }
        let turn = Turn {
            is_active: self.choices.is_active(feed.choice, feed.at.rank),
            changed_at: self.choices.changed_at(feed.choice),
        };
        self.groups.contribute(member, point, value, turn);
    }

    /// The member has ended; what it has brought to a sum stays.
    pub(super) fn leave(&mut self, member: u32) {
        let state = self.groups.members.get_mut(member);
        state.seen = self.now;
        let (at, group) = (state.at, state.group);
        if std::mem::take(&mut state.is_live) {
            let choice = self.groups.get(group).map_or(NO_CHOICE, |group| group.place.choice);
            if self.choices.sleep(choice, at.rank, self.now) {
                self.groups.touch_all(at.rule);
            }
            self.groups.touch(group);
        }
    }

    /// The input is live.
    pub(super) fn wake(&mut self, feed: &mut Feed) {
        let has_woken = match feed.target {
            Target::Series { .. } => !std::mem::replace(&mut feed.is_live, true),
            Target::Member(member) => self.groups.members.get_mut(member).wake(self.now),
        };
        if has_woken && self.choices.wake(feed.choice, feed.at.rank, self.now) {
            self.groups.touch_all(feed.at.rule);
        }
    }

    /// Hands on what a rule has made: to the batch, and to the rules that are made of it.
    pub(super) fn emit(&mut self, rule: u32, point: Point) {
        let state = self.rules.state(rule);
        let is_hidden = state.is_hidden;
        if state.feeds_others() {
            self.hand_on(rule, &point);
        }
        if !is_hidden {
            self.made.push(point);
        }
    }

    pub(super) fn hand_on(&mut self, rule: u32, point: &Point) {
        let value = if point.is_stale() { None } else { crate::growth::number(&point.value) };
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
    pub(super) fn end(&mut self, rule: u32, output: Series) {
        if self.rules.list.get(rule as usize).is_none_or(|state| !state.is_hidden) {
            self.ended.push(output);
        }
    }
}
