//! When a stream started, as far as its own points tell.

use crate::growth::{grown, has_restarted, without_extremes};
use crate::point::{Point, Value};
use crate::processors::streams::{Report, unusable};

/// What is made of the first point of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstPoint {
    Kept,
    Subtracted,
}

/// What is remembered of a stream.
pub(super) struct Origin {
    start_unix_nano: u64,
    /// What had been counted at the start.
    base: Option<Value>,
    time_unix_nano: u64,
    /// As it came.
    value: Value,
}

impl FirstPoint {
    /// Gives the point a start; `false` where it is to be dropped.
    pub(super) fn start(self, point: &mut Point, origin: &mut Option<Origin>, report: &mut Report) -> bool {
        if unusable(&point.value).is_some() {
            point.start_unix_nano = origin.as_ref().map_or(0, |origin| origin.start_before(point));
            return true;
        }
        let Some(origin) = origin else {
            *origin = Some(Origin::at(point, (self == Self::Subtracted).then(|| point.value.clone())));
            if self == Self::Subtracted {
                report.dropped("first");
                return false;
            }
            point.start_unix_nano = point.time_unix_nano;
            return true;
        };
        if point.time_unix_nano <= origin.time_unix_nano {
            return match self {
                Self::Kept => {
                    point.start_unix_nano = origin.start_before(point);
                    true
                }
                // Whether it is of before a new start cannot be told, nor what to take away.
                Self::Subtracted => {
                    let is_again = point.time_unix_nano == origin.time_unix_nano;
                    report.dropped(if is_again { "duplicate" } else { "out_of_order" });
                    false
                }
            };
        }
        origin.next(point, report);
        true
    }
}

impl Origin {
    pub(super) fn time(origin: Option<&Self>) -> Option<u64> {
        origin.map(|origin| origin.time_unix_nano)
    }

    fn at(point: &Point, base: Option<Value>) -> Self {
        Self {
            start_unix_nano: point.time_unix_nano,
            base,
            time_unix_nano: point.time_unix_nano,
            value: point.value.clone(),
        }
    }

    /// The start, for a point that does not come after the last; 0 where it is of before the start.
    fn start_before(&self, point: &Point) -> u64 {
        if self.start_unix_nano <= point.time_unix_nano { self.start_unix_nano } else { 0 }
    }

    fn next(&mut self, point: &mut Point, report: &mut Report) {
        let growth = match &self.base {
            Some(base) if !has_restarted(&point.value, &self.value) => grown(&point.value, base),
            _ => None,
        };
        let goes_on =
            if self.base.is_some() { growth.is_some() } else { !has_restarted(&point.value, &self.value) };
        if !goes_on {
            report.reset("value");
            self.start_unix_nano = self.time_unix_nano;
            self.base = None;
        }
        self.time_unix_nano = point.time_unix_nano;
        self.value.clone_from(&point.value);
        point.start_unix_nano = self.start_unix_nano;
        if let Some(growth) = growth {
            point.value = without_extremes(growth);
        }
    }
}
