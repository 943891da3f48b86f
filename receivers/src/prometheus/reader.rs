//! Turns the bodies of one target into batches, and remembers what it needs to do that fast.

mod pass;
#[cfg(test)]
mod tests;

use std::fmt;

use foldhash::{HashSet, HashSetExt};
use pipeline::{Batch, Point, Series};

use super::check::validate;
use super::family::{Families, TARGET_INFO};
use super::group::Groups;
use super::identity::Resolver;
use super::place::{Places, What};
use super::points::{Counts, Points};
use super::text::{Format, Labels, Line, Lines, ParseError, Reason, Syntax, parse_line};
use pass::{LastGroup, Pass, Stop};

/// What of a target's configuration concerns the reading of its bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) is_strict: bool,
    pub(crate) honor_timestamps: bool,
    pub(crate) track_staleness: bool,
    /// Whether lines of one series are added up, instead of the first being kept.
    pub(crate) sums_duplicates: bool,
    /// Whether buckets that hold more than the count are taken for added up twice, and taken apart.
    pub(crate) takes_apart: bool,
    /// Samples after relabelling; 0 is without limit.
    pub(crate) sample_limit: usize,
}

/// Reads the bodies of one target.
#[derive(Debug)]
pub(crate) struct Reader {
    options: Options,
    resolver: Resolver,
    families: Families,
    places: Places,
    groups: Groups,
    format: Format,
    scrape: u32,
    /// The series that were live when everything about lines was forgotten.
    abandoned: Vec<Series>,
    /// The series of lines that are new in this body, as far as they lived before.
    fresh: HashSet<Series>,
    /// The scrape whose body has not been read to its end: its new lines have given no point.
    unfinished: Option<u32>,
    points: usize,
}

/// Why a body gives no points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadError {
    Parse(ParseError),
    SampleLimit { limit: usize },
}

/// What a body gave.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Points and stale markers; of a body that cannot be read only the markers.
    pub(crate) batch: Batch,
    pub(crate) counts: Counts,
    pub(crate) error: Option<ReadError>,
}

/// So many families more than lines are from lines that have gone.
const IDLE_FAMILIES_MAX: usize = 1024;

impl Reader {
    pub(crate) fn new(resolver: Resolver, options: Options) -> Self {
        Self {
            options,
            resolver,
            families: Families::default(),
            places: Places::default(),
            groups: Groups::default(),
            format: Format::Text,
            scrape: 0,
            abandoned: Vec::new(),
            fresh: HashSet::new(),
            unfinished: None,
            points: 0,
        }
    }

    pub(crate) fn resolver(&mut self) -> &mut Resolver {
        &mut self.resolver
    }

    /// Reads a body: all of it or nothing.
    pub(crate) fn read(&mut self, body: &[u8], format: Format, time_unix_nano: u64) -> Reading {
        self.scrape = (self.scrape + 1) % (u32::MAX - 1);
        if self.options.is_strict
            && let Err(errors) = validate(body, format)
            && let Some(error) = errors.into_iter().next()
        {
            return self.failed(Counts::default(), ReadError::Parse(error), time_unix_nano);
        }
        let has_idle_families = self.families.len() > self.places.len() + IDLE_FAMILIES_MAX;
        if self.places.is_empty() || self.format != format || has_idle_families {
            self.begin_anew(body, format);
        }
        let mut outcome = self.pass(body, time_unix_nano, true);
        if outcome.as_ref().is_err_and(|stopped| matches!(stopped.1, Stop::Restart)) {
            self.begin_anew(body, format);
            outcome = self.pass(body, time_unix_nano, false);
        }
        match outcome.map_err(|stopped| *stopped) {
            Ok(reading) => reading,
            Err((counts, Stop::Failed(error))) => self.failed(counts, error, time_unix_nano),
            Err((counts, Stop::Restart)) => {
                debug_assert!(false, "the second pass does not restart");
                Reading { batch: Batch::new(), counts, error: None }
            }
        }
    }

    /// The target could not be asked: everything it had has ended.
    pub(crate) fn end_all(&mut self, time_unix_nano: u64) -> Batch {
        self.abandon();
        self.abandoned.drain(..).map(|series| Point::stale(series, time_unix_nano)).collect()
    }

    /// Takes over series that somebody else read before: those that the next body does not have get their
    /// marker then.
    pub(crate) fn inherit(&mut self, series: Vec<Series>) {
        if series.is_empty() {
            return;
        }
        // A body may have been read since: what it had is told from the next by its lines.
        let known: HashSet<&Series> = self.places.numbers().collect();
        let groups = &self.groups;
        let unknown = series.into_iter().filter(|series| !known.contains(series) && !groups.contains(series));
        self.abandoned.extend(unknown);
    }

    fn failed(&mut self, counts: Counts, error: ReadError, time_unix_nano: u64) -> Reading {
        Reading { batch: self.end_all(time_unix_nano), counts, error: Some(error) }
    }

    /// Forgets all lines, and learns what must be known before the first.
    fn begin_anew(&mut self, body: &[u8], format: Format) {
        self.abandon();
        self.format = format;
        let syntax = Syntax { format, is_strict: false };
        let resolver = &self.resolver;
        let identity = resolver.identity();
        let mut infos = Vec::new();
        if memchr::memmem::find(body, TARGET_INFO.as_bytes()).is_some() {
            let mut labels = Labels::new();
            for line in Lines::new(body) {
                let is_sample = !line.bytes.starts_with(b"#");
                if !is_sample || memchr::memmem::find(line.bytes, TARGET_INFO.as_bytes()).is_none() {
                    continue;
                }
                // What cannot be read is reported when its turn comes.
                if let Ok(Line::Sample(sample)) = parse_line(line.bytes, syntax, &mut labels)
                    && sample.name.raw == TARGET_INFO
                    && let Ok(Some(named)) = resolver.name(&identity, sample.name, &labels)
                {
                    infos.push(named);
                }
            }
        }
        self.resolver.learn_infos(infos.into_iter());
    }

    fn abandon(&mut self) {
        self.fresh = HashSet::new();
        let unfinished = self.unfinished.take();
        for place in self.places.drain() {
            if let What::Number { series, has_own_time: false } = place.what
                && unfinished != Some(place.born)
            {
                self.abandoned.push(series);
            }
        }
        self.abandoned.extend(self.groups.drain());
        self.families.clear();
    }

    fn pass(
        &mut self,
        body: &[u8],
        time_unix_nano: u64,
        may_restart: bool,
    ) -> Result<Reading, Box<(Counts, Stop)>> {
        self.fresh.clear();
        self.unfinished = Some(self.scrape);
        // Room for everything at once: growing would copy it again and again.
        let lines = if self.places.is_empty() { memchr::memchr_iter(b'\n', body).count() } else { 0 };
        let capacity = if lines > 0 { lines } else { self.points + self.points / 16 };
        let mut points = Points::new(&mut self.groups, capacity, self.format);
        points.scrape = self.scrape;
        points.time_unix_nano = time_unix_nano;
        points.honor_timestamps = self.options.honor_timestamps;
        points.track_staleness = self.options.track_staleness;
        points.sums_duplicates = self.options.sums_duplicates;
        points.takes_apart = self.options.takes_apart;
        let mut pass = Pass {
            walk: self.places.walk(self.scrape, lines),
            points,
            resolver: &mut self.resolver,
            families: &mut self.families,
            fresh: &mut self.fresh,
            syntax: Syntax { format: self.format, is_strict: false },
            sample_limit: self.options.sample_limit,
            last_group: LastGroup::default(),
            may_restart,
            has_ended: false,
        };
        let result = pass.run(body);
        let (mut places, left, is_changed) = pass.walk.finish();
        let Points { mut batch, counts, .. } = pass.points;
        let lost_info = left.iter().any(|place| matches!(place.what, What::TargetInfo));
        let stop = match result {
            Err(stop) => Some(stop),
            Ok(()) if lost_info && may_restart => Some(Stop::Restart),
            Ok(()) => None,
        };
        if let Some(stop) = stop {
            places.extend(left);
            self.places.end(places, true);
            return Err(Box::new((counts, stop)));
        }
        self.points = batch.len();
        self.unfinished = None;
        self.places.end(places, is_changed);
        let ended = left.into_iter().filter_map(|place| match place.what {
            What::Number { series, has_own_time: false } => Some(series),
            _ => None,
        });
        let mut ended: Vec<_> = ended.chain(self.abandoned.drain(..)).collect();
        ended.retain(|series| !self.fresh.contains(series) && !self.groups.contains(series));
        if is_changed {
            self.groups.retire(self.scrape, |series| ended.push(series));
            self.places.forget_groups(&self.groups.compact(self.scrape));
        }
        batch.extend(ended.into_iter().map(|series| Point::stale(series, time_unix_nano)));
        self.fresh = HashSet::new();
        Ok(Reading { batch, counts, error: None })
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => error.fmt(f),
            Self::SampleLimit { limit } => {
                write!(f, "more than {limit} samples after relabelling; raise `sample_limit` or drop some")
            }
        }
    }
}

impl From<ParseError> for ReadError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Failed(ReadError::Parse(ParseError { line: 0, offset: 0, reason }))
    }
}
