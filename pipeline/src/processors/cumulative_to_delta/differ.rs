//! What one point of a cumulative stream becomes, from what is remembered of the one before.

use serde::{Deserialize, Serialize};

use crate::growth::{grown, have_same_buckets, without_extremes};
use crate::point::{Point, Value};
use crate::processors::streams::{Report, is_negative, unusable};

/// What is made of the first point of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum InitialValue {
    /// It goes on where all of it was counted since the processor began, and cannot have been told already.
    Auto,
    /// It goes on, whatever it counted before.
    Keep,
    /// It is only what the next one is compared with.
    Drop,
}

pub(super) struct Differ {
    pub(super) initial_value: InitialValue,
    /// When the processor began.
    pub(super) begun_unix_nano: u64,
}

/// The last point of a stream.
pub(super) struct Last {
    start_unix_nano: u64,
    time_unix_nano: u64,
    value: Value,
}

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is a delta now.
    Delta,
    /// Nothing is known of what was before it: it is as it came.
    First,
    Dropped,
}

/// What was counted between two points.
enum Growth {
    Since(Value),
    /// Counting was started anew, so all of it.
    Restarted(&'static str),
    /// Nobody can tell, for this reason.
    Unknown(&'static str),
}

impl Differ {
    /// Makes a delta of the point, where there is one before it.
    pub(super) fn convert(point: &mut Point, last: &mut Option<Last>, report: &mut Report) -> Outcome {
        if let Some(reason) = unusable(&point.value) {
            report.dropped(reason);
            return Outcome::Dropped;
        }
        if point.start_unix_nano > point.time_unix_nano {
            point.start_unix_nano = 0;
        }
        let Some(last) = last else {
            *last = Some(Last::of(point));
            if is_negative(&point.value) {
                report.dropped("negative");
                return Outcome::Dropped;
            }
            return Outcome::First;
        };
        if point.time_unix_nano <= last.time_unix_nano {
            let is_again = point.time_unix_nano == last.time_unix_nano;
            report.dropped(if is_again { "duplicate" } else { "out_of_order" });
            return Outcome::Dropped;
        }
        let growth = growth(point, last);
        let start = last.time_unix_nano;
        last.start_unix_nano = point.start_unix_nano;
        last.time_unix_nano = point.time_unix_nano;
        let own_start = std::mem::replace(&mut point.start_unix_nano, start);
        match growth {
            Growth::Since(value) => last.value = std::mem::replace(&mut point.value, value),
            Growth::Restarted(reason) => {
                report.reset(reason);
                last.value.clone_from(&point.value);
                // Not before the last point: what was counted until then has been told.
                point.start_unix_nano = own_start.max(start);
            }
            Growth::Unknown(reason) => {
                report.dropped(reason);
                last.value.clone_from(&point.value);
                return Outcome::Dropped;
            }
        }
        Outcome::Delta
    }

    /// Whether the first point of a stream goes on; one that began until `forgotten_unix_nano` may have been told
    /// before it was forgotten.
    pub(super) fn keeps_first(&self, point: &Point, forgotten_unix_nano: u64) -> bool {
        match self.initial_value {
            InitialValue::Keep => true,
            InitialValue::Drop => false,
            // A start that is the time says that nobody knows it.
            InitialValue::Auto => {
                point.start_unix_nano >= self.begun_unix_nano
                    && point.start_unix_nano > forgotten_unix_nano
                    && point.start_unix_nano < point.time_unix_nano
                    && point.start_unix_nano > 0
            }
        }
    }
}

impl Last {
    pub(super) fn time(last: Option<&Self>) -> Option<u64> {
        last.map(|last| last.time_unix_nano)
    }

    fn of(point: &Point) -> Self {
        Self {
            start_unix_nano: point.start_unix_nano,
            time_unix_nano: point.time_unix_nano,
            value: point.value.clone(),
        }
    }
}

fn growth(point: &Point, last: &Last) -> Growth {
    let start = point.start_unix_nano;
    // A start that only moves a little is that of a source that is not sure of it, and one that is the time says that
    // nobody knows it.
    let is_known = start < point.time_unix_nano;
    if is_known && start >= last.time_unix_nano && start > last.start_unix_nano {
        return restarted(point, "start");
    }
    match (&point.value, &last.value) {
        (Value::Histogram(now), Value::Histogram(before)) => {
            if now.count < before.count {
                return restarted(point, "value");
            }
            if !have_same_buckets(now, before) {
                return Growth::Unknown("bounds_changed");
            }
        }
        (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_))
        | (Value::ExponentialHistogram(_), Value::ExponentialHistogram(_)) => {}
        _ => return Growth::Unknown("type_changed"),
    }
    match grown(&point.value, &last.value) {
        Some(value) => Growth::Since(without_extremes(value)),
        None => restarted(point, "value"),
    }
}

/// Nothing that only grows can be less than nothing.
fn restarted(point: &Point, reason: &'static str) -> Growth {
    if is_negative(&point.value) { Growth::Unknown("negative") } else { Growth::Restarted(reason) }
}
