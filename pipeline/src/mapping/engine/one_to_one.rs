//! A series in, a series out: whose the output is, and what it gets.

use std::collections::HashMap;

use super::liveness::NO_CHOICE;
use super::owners::Acquired;
use super::plan::{Feed, Target};
use super::{Engine, is_there};
use crate::point::Point;
use crate::series::Series;

/// What has changed hands while a batch is mapped. Each of its series is to have one point for each that its
/// owner brings.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// How many points of the batch stay so far.
    pub(super) kept: usize,
    /// Series whose owner has said that it ended.
    released: Vec<Series>,
    /// How many points there were, in the batch and made besides, when a series went to another owner.
    taken_over: HashMap<Series, (usize, usize)>,
}

impl Handover {
    /// Nothing of the batch before is left, whatever became of it.
    pub(super) fn begin(&mut self) {
        self.kept = 0;
        self.released.clear();
        self.taken_over.clear();
    }
}

impl Engine {
    /// The point that a one-to-one rule makes of this one; `None` where it makes none now.
    pub(super) fn one_to_one(&mut self, feed: &mut Feed, point: &Point) -> Option<Point> {
        if point.is_stale() {
            return self.one_to_one_ended(feed, point);
        }
        self.wake(feed);
        if !self.choices.is_active(feed.choice, feed.at.rank) {
            feed.is_owner = false;
            return None;
        }
        let value = match &feed.convert {
            Some(convert) => convert.apply(&point.value, self.now),
            None => Some(&point.value).filter(|value| is_there(value)).cloned(),
        };
        let Some(value) = value else {
            self.rules.count_invalid(feed.at.rule);
            return self.given_up(feed, point);
        };
        if !self.is_owner(feed) {
            self.acquire(feed);
        }
        let Target::Series { output, .. } = &feed.target else { return None };
        if !feed.is_owner {
            self.left_out.conflicts += 1;
            return None;
        }
        Some(Point { series: output.clone(), value, ..point.clone() })
    }

    /// Whether the output is the feed's, and was not another's meanwhile.
    #[inline]
    pub(super) fn is_owner(&self, feed: &Feed) -> bool {
        feed.is_owner && self.choices.is_as_before(feed.choice, feed.changes)
    }

    fn acquire(&mut self, feed: &mut Feed) {
        let Target::Series { output, token } = &feed.target else { return };
        // A rank that is not active any more has nothing to say against it.
        let is_superseded = feed.choice != NO_CHOICE && self.is_superseded(output);
        let acquired = self.owners.acquire(output, *token, (feed.at, feed.choice), is_superseded);
        feed.is_owner = acquired != Acquired::Refused;
        feed.changes = self.choices.changes(feed.choice);
        let is_from_another = match acquired {
            Acquired::Free => self.handover.released.contains(output),
            Acquired::Taken => true,
            Acquired::Own | Acquired::Refused => false,
        };
        if is_from_another {
            self.handover.taken_over.insert(output.clone(), (self.handover.kept, self.made.len()));
        }
    }

    fn is_superseded(&self, output: &Series) -> bool {
        self.owners.at(output).is_some_and(|(at, choice)| !self.choices.is_active(choice, at.rank))
    }

    fn one_to_one_ended(&mut self, feed: &mut Feed, point: &Point) -> Option<Point> {
        if std::mem::take(&mut feed.is_live) && self.choices.sleep(feed.choice, feed.at.rank, self.now) {
            self.groups.touch_all(feed.at.rule);
        }
        self.given_up(feed, point)
    }

    /// The marker that the output has ended, where it was the feed's.
    fn given_up(&mut self, feed: &mut Feed, point: &Point) -> Option<Point> {
        let Target::Series { output, token } = &feed.target else { return None };
        feed.is_owner = false;
        if !self.owners.is_owner(output, *token) {
            return None;
        }
        self.owners.release(output, *token);
        self.handover.released.push(output.clone());
        Some(Point::stale(output.clone(), point.time_unix_nano))
    }

    /// Takes out of a batch, and of what was made besides, what owners have brought who are not any more.
    pub(super) fn settle(&mut self, points: &mut Vec<Point>) {
        let taken_over = std::mem::take(&mut self.handover.taken_over);
        if taken_over.is_empty() {
            return;
        }
        let before = |point: &Point| taken_over.get(&point.series).copied().unwrap_or_default();
        let mut index = 0..;
        points.retain(|point| index.next() >= Some(before(point).0));
        let mut index = 0..;
        self.made.retain(|point| index.next() >= Some(before(point).1));
    }
}
