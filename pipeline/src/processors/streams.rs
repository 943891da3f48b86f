//! What a processor remembers of each stream that it converts, bounded in number and age.
//!
//! A stream holds its series: whoever brings the points may let go of it between two of them, and what was
//! counted so far must not be lost for that. So a stream lasts until nothing has been heard of it for a while,
//! and holds one of the places for series until then.

mod report;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(super) use self::report::Report;
use crate::clock::Clock;
use crate::metric::{Kind, Metric};
use crate::per_series::PerSeries;
use crate::point::Value;
use crate::registry::{Full, Registry};
use crate::series::Series;

/// A point may be so far ahead of the clock; one from further away would make all that follow it too old.
const AHEAD_NANOS_MAX: u64 = 600 * 1_000_000_000;

/// The streams of one processor.
pub(super) struct Streams<T> {
    registry: Arc<Registry>,
    roles: PerSeries<Role<T>>,
    tracked: usize,
    tracked_max: usize,
    /// `None`: for ever.
    age_max: Option<Duration>,
    /// When the last of the streams that were forgotten was heard of.
    forgotten: Option<Instant>,
}

/// What a series is to the processor.
enum Role<T> {
    Passes,
    // In a box, as there is a role for each series that passes.
    Stream(Box<Stream<T>>),
}

/// A stream that is converted.
pub(super) struct Stream<T> {
    /// Held so that the stream lasts.
    _input: Series,
    /// What its points belong to then.
    pub(super) output: Series,
    /// When a point of it was last of use.
    seen: Instant,
    /// `None` before the first point, and after a silence of the greatest age.
    pub(super) state: Option<T>,
}

/// What a series turned out to be.
pub(super) enum Found<'a, T> {
    /// No business of this processor.
    Passes,
    Stream(&'a mut Stream<T>),
    /// There is no room for it, for this reason.
    Refused(&'static str),
}

impl<T> Streams<T> {
    pub(super) fn new(registry: Arc<Registry>, tracked_max: usize, age_max: Option<Duration>) -> Self {
        Self { registry, roles: PerSeries::default(), tracked: 0, tracked_max, age_max, forgotten: None }
    }

    /// The stream of a series; `kind` is asked once what kind is made of it, or `None` where it passes.
    #[inline]
    pub(super) fn find(
        &mut self,
        series: &Series,
        now: Instant,
        kind: impl FnOnce(&Series) -> Option<Kind>,
    ) -> Found<'_, T> {
        if self.roles.get(series).is_none()
            && let Err(reason) = self.meet(series, now, kind(series))
        {
            return Found::Refused(reason);
        }
        match self.roles.get_mut(series) {
            Some(Role::Stream(stream)) => {
                if is_older(stream.seen, now, self.age_max) && stream.state.take().is_some() {
                    self.forgotten = self.forgotten.max(Some(stream.seen));
                }
                Found::Stream(stream)
            }
            Some(Role::Passes) | None => Found::Passes,
        }
    }

    fn meet(&mut self, series: &Series, now: Instant, kind: Option<Kind>) -> Result<(), &'static str> {
        let role = match kind {
            None => Role::Passes,
            Some(_) if self.tracked >= self.tracked_max => return Err("stream_limit"),
            Some(kind) => {
                let output = of_kind(&self.registry, series, kind).map_err(|Full { .. }| "series_limit")?;
                self.tracked += 1;
                Role::Stream(Box::new(Stream { _input: series.clone(), output, seen: now, state: None }))
            }
        };
        self.roles.insert(series, role);
        Ok(())
    }

    /// Forgets what is known of a series.
    pub(super) fn end(&mut self, series: &Series) {
        if let Some(Role::Stream(_)) = self.roles.remove(series) {
            self.tracked -= 1;
        }
    }

    /// How many streams are held.
    pub(super) fn tracked(&self) -> usize {
        self.tracked
    }

    /// When the last of the streams that were forgotten for their silence was heard of; `None` where none was.
    pub(super) fn forgotten(&self) -> Option<Instant> {
        self.forgotten
    }

    /// Forgets streams that have been silent for too long, and what belongs to series that are gone; a part, as
    /// [`PerSeries::sweep_some`] does.
    pub(super) fn sweep_some(&mut self, from: usize, count: usize) -> Option<usize> {
        let (now, age_max) = (Instant::now(), self.age_max);
        let (tracked, forgotten) = (&mut self.tracked, &mut self.forgotten);
        self.roles.retain_some(from, count, |role, is_living| match role {
            Role::Passes => is_living(),
            Role::Stream(stream) => {
                let keeps = !is_older(stream.seen, now, age_max);
                if !keeps {
                    *tracked -= 1;
                    if stream.state.is_some() {
                        *forgotten = (*forgotten).max(Some(stream.seen));
                    }
                }
                keeps
            }
        })
    }
}

impl<T> Stream<T> {
    /// A point of it was of use. One that is not keeps no stream alive: had the last one a time far from now, all
    /// that follow would be too old for ever.
    pub(super) fn heard(&mut self, now: Instant) {
        self.seen = now;
    }
}

fn is_older(seen: Instant, now: Instant, age_max: Option<Duration>) -> bool {
    age_max.is_some_and(|age_max| now.duration_since(seen) > age_max)
}

/// What a series becomes once its metric is of another kind.
pub(super) fn of_kind(registry: &Registry, series: &Series, kind: Kind) -> Result<Series, Full> {
    if series.metric().kind == kind {
        return Ok(series.clone());
    }
    let metric = registry.metric(Metric { kind, ..Metric::clone(series.metric()) });
    registry.series(series.resource(), series.scope(), &metric, series.attributes().clone())
}

/// The latest time that a point may have now.
pub(super) fn time_max(clock: &Clock) -> u64 {
    clock.unix_nano().saturating_add(AHEAD_NANOS_MAX)
}

/// Why a value cannot be counted with; `None` where it can.
pub(super) fn unusable(value: &Value) -> Option<&'static str> {
    match value {
        Value::Empty => Some("empty"),
        Value::Double(value) if !value.is_finite() => Some("not_finite"),
        _ => None,
    }
}

pub(super) fn is_negative(value: &Value) -> bool {
    match value {
        Value::Int(value) => *value < 0,
        Value::Double(value) => *value < 0.0,
        _ => false,
    }
}
