//! One way through a body.

use foldhash::HashSet;
use pipeline::Series;

use super::ReadError;
use crate::prometheus::family::{Families, Part, ucum};
use crate::prometheus::group::Field;
use crate::prometheus::identity::{Described, Pairs, Resolver, take};
use crate::prometheus::place::{Walk, What};
use crate::prometheus::points::Points;
use crate::prometheus::text::{
    Fault, Format, Labels, Line, Lines, Reason, Sample, Syntax, Type, parse_line, parse_tail,
    parse_value_prefix,
};

pub(super) struct Pass<'a> {
    pub(super) walk: Walk<'a>,
    pub(super) points: Points<'a>,
    pub(super) resolver: &'a mut Resolver,
    pub(super) families: &'a mut Families,
    pub(super) fresh: &'a mut HashSet<Series>,
    pub(super) syntax: Syntax,
    pub(super) sample_limit: usize,
    pub(super) last_group: LastGroup,
    pub(super) may_restart: bool,
    pub(super) has_ended: bool,
}

/// The histogram or summary whose line was new last: the next new line is mostly of the same.
#[derive(Debug, Default)]
pub(super) struct LastGroup {
    name: String,
    kind: Type,
    labels: Vec<(String, String)>,
    group: u32,
}

/// Why a pass did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(ReadError),
    /// What earlier lines were taken for is no longer true.
    Restart,
}

/// The same for a line, which does not know where it stands.
enum Halt {
    Fault(Fault),
    SampleLimit,
    Restart,
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Pass<'_> {
    pub(super) fn run(&mut self, body: &[u8]) -> Result<(), Stop> {
        let mut at = 0;
        let mut number = 0;
        while at < body.len() {
            number += 1;
            at += self.step(&body[at..]).map_err(|halt| match halt {
                Halt::Fault(fault) => Stop::Failed(fault.in_body(number, at).into()),
                Halt::SampleLimit => {
                    self.count_rest(&body[at + line_end(&body[at..])..]);
                    Stop::Failed(ReadError::SampleLimit { limit: self.sample_limit })
                }
                Halt::Restart => Stop::Restart,
            })?;
        }
        if self.syntax.format == Format::OpenMetrics && !self.has_ended {
            return Err(Stop::Failed(Fault::new(at, Reason::NoEof).in_body(number + 1, 0).into()));
        }
        if self.is_over_limit() {
            return Err(Stop::Failed(ReadError::SampleLimit { limit: self.sample_limit }));
        }
        self.points.finish();
        Ok(())
    }

    /// Counts the samples that are read no more: the report tells how many there would have been.
    fn count_rest(&mut self, rest: &[u8]) {
        let is_sample = |line: &[u8]| line.first().is_some_and(|byte| *byte != b'#');
        self.points.counts.scraped += Lines::new(rest).filter(|line| is_sample(line.bytes)).count();
    }

    fn is_over_limit(&self) -> bool {
        let counts = &self.points.counts;
        self.sample_limit > 0 && counts.scraped - counts.dropped > self.sample_limit
    }

    /// Reads the line that `rest` begins with, and says how long it is with its line feed.
    #[inline]
    fn step(&mut self, rest: &[u8]) -> Result<usize, Halt> {
        let Some((what, key_len)) = self.walk.find(rest) else { return self.step_slowly(rest) };
        if matches!(what, What::Silent) {
            return Ok(key_len);
        }
        self.points.counts.scraped += 1;
        if let Some((value, length)) = parse_value_prefix(&rest[key_len..])
            && matches!(rest.get(key_len + length), None | Some(b'\n'))
        {
            if !self.points.put_value(what, value) {
                let series = series_of(what);
                self.double(series, value);
            }
            return Ok(key_len + length + 1);
        }
        let end = line_end(rest);
        let tail = parse_tail(&rest[key_len..end], self.syntax)
            .map_err(|fault| Fault::new(key_len + fault.at, fault.reason))?;
        if tail.exemplar.is_some() {
            check_exemplar(name_of(&rest[..key_len]))?;
        }
        if !self.points.put(what, &tail) {
            let series = series_of(what);
            self.double(series, tail.value);
        }
        Ok(end + 1)
    }

    #[cold]
    fn double(&mut self, series: Option<Series>, value: f64) {
        self.points.double(series.as_ref(), value);
        self.walk.forget_last();
    }

    #[cold]
    fn step_slowly(&mut self, rest: &[u8]) -> Result<usize, Halt> {
        if self.has_ended {
            return Err(Fault::new(0, Reason::AfterEof).into());
        }
        let end = line_end(rest);
        let line = &rest[..end];
        let mut labels = Labels::new();
        match parse_line(line, self.syntax, &mut labels)? {
            Line::Sample(sample) => {
                self.sample(line, &sample, &labels)?;
                return Ok(end + 1);
            }
            Line::Eof => self.has_ended = true,
            Line::Blank | Line::Comment => self.remember(rest, end),
            Line::Help { name, text } => {
                text.unescape().as_ref().clone_into(&mut self.families.entry(&name.unescape()).help);
                self.remember(rest, end);
            }
            Line::Type { name, kind, .. } => {
                self.points.counts.unknown_types += usize::from(kind.is_none());
                let is_other = self.families.type_family(&name.unescape(), kind.unwrap_or_default());
                if is_other && self.may_restart {
                    return Err(Halt::Restart);
                }
                self.remember(rest, end);
            }
            Line::Unit { name, unit } => {
                let has_unit = name.raw.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
                if !unit.is_empty() && !has_unit {
                    return Err(Fault::new(0, Reason::Unit(Reason::excerpt(unit))).into());
                }
                ucum(unit).clone_into(&mut self.families.entry(&name.unescape()).unit);
                self.remember(rest, end);
            }
        }
        Ok(end + 1)
    }

    /// Remembers a line that says nothing new when it comes again.
    fn remember(&mut self, rest: &[u8], end: usize) {
        // Without its line feed the last line would be taken for the beginning of a longer one.
        if end < rest.len() {
            self.walk.insert(&rest[..=end], What::Silent);
        }
    }

    fn sample(&mut self, line: &[u8], sample: &Sample<'_>, labels: &Labels<'_>) -> Result<(), Halt> {
        let points = &mut self.points;
        points.counts.scraped += 1;
        if sample.tail.exemplar.is_some() {
            check_exemplar(sample.name.raw.as_bytes())?;
        }
        let key = &line[..sample.prefix_len];
        if let Some(what) = self.walk.find_by_key(key) {
            if !points.put(what, &sample.tail) {
                let series = series_of(what);
                self.double(series, sample.tail.value);
            }
            return Ok(());
        }
        let Some(mut what) = self.resolve(sample, labels)? else { return Ok(()) };
        // Only a series that lived before can have another line, in this body or the last.
        let has_lived = matches!(what, What::Number { .. }) && !self.resolver.is_new();
        let points = &mut self.points;
        if has_lived {
            // Not what the places before it say: a line found in its place may have been out of time.
            points.claim();
        }
        let out_of_time = points.counts.out_of_time;
        if !self.points.put(&mut what, &sample.tail) {
            let has_own_time = sample.tail.timestamp.is_some() && self.points.honor_timestamps;
            what = match what {
                What::Number { series, .. } if has_own_time => What::Again(series),
                what => {
                    self.points.double(series_of(&what).as_ref(), sample.tail.value);
                    return Ok(());
                }
            };
            self.points.put(&mut what, &sample.tail);
        }
        if matches!(what, What::Number { .. }) && self.points.counts.out_of_time > out_of_time {
            // Remembered, it would stand for a series that another line of this body may have.
            return Ok(());
        }
        if let What::Number { series, .. } = &what
            && has_lived
        {
            self.fresh.insert(series.clone());
        }
        self.points.counts.added += usize::from(matches!(what, What::Number { .. } | What::Part { .. }));
        self.walk.insert(key, what);
        if self.is_over_limit() { Err(Halt::SampleLimit) } else { Ok(()) }
    }

    /// What a line never seen is; `None` where its series is one too many.
    fn resolve(&mut self, sample: &Sample<'_>, labels: &Labels<'_>) -> Result<Option<What>, Halt> {
        let identity = self.resolver.identity();
        let named =
            self.resolver.name(&identity, sample.name, labels).map_err(|reason| Fault::new(0, reason))?;
        let Some(mut named) = named else { return Ok(Some(What::Dropped)) };
        let has_quantile = labels.iter().any(|label| label.name.raw == "quantile");
        let classified = self.families.classify(&sample.name.unescape(), self.syntax.format, has_quantile);
        let (mut part, mut kind) = (classified.part, classified.kind);
        let mut name = named.name.as_ref();
        if let Some(base) = name.strip_suffix(classified.suffix) {
            name = base;
        } else {
            // Relabelling has taken the part out of its histogram.
            (part, kind) = (Part::Number, Type::Unknown);
        }
        let key = match part {
            Part::TargetInfo if self.resolver.knows_info(&named) => return Ok(Some(What::TargetInfo)),
            Part::TargetInfo if self.may_restart => return Err(Halt::Restart),
            Part::TargetInfo => return Ok(Some(What::TargetInfo)),
            Part::GaugeHistogram => return Ok(Some(What::Unsupported)),
            Part::Bucket => take_number(&mut named.labels, "le"),
            Part::Quantile => take_number(&mut named.labels, "quantile"),
            _ => None,
        };
        if matches!(part, Part::Bucket | Part::Quantile) && key.is_none() {
            (part, kind) = (Part::Number, Type::Unknown);
            name = named.name.as_ref();
        }
        let is_of_group = part != Part::Number && !(part == Part::Created && kind == Type::Counter);
        if is_of_group && self.last_group.is(name, kind, &named.labels) {
            return Ok(Some(self.part_of(self.last_group.group, part, key)));
        }
        let counter = (part == Part::Created && kind == Type::Counter).then(|| format!("{name}_total"));
        let name = counter.as_deref().unwrap_or(name);
        let is_untyped = classified.family.kind.is_none();
        let described = Described { name, kind, family: classified.family };
        let group_labels = is_of_group.then(|| named.labels.clone());
        let Ok(series) = self.resolver.series(described, named.labels) else {
            self.points.counts.refused += 1;
            return Ok(None);
        };
        if part == Part::Number {
            if is_untyped {
                self.families.note_untyped(&sample.name.unescape());
            }
            return Ok(Some(What::Number { series, has_own_time: false }));
        }
        if counter.is_some() {
            return Ok(Some(What::CounterCreated(series)));
        }
        let group = self.points.groups.find(&series);
        self.last_group = LastGroup::new(name, kind, group_labels.unwrap_or_default(), group);
        Ok(Some(self.part_of(group, part, key)))
    }

    fn part_of(&mut self, group: u32, part: Part, key: Option<f64>) -> What {
        let field = match (part, key) {
            (Part::Sum, _) => Field::Sum,
            (Part::Count, _) => Field::Count,
            (Part::Created, _) => Field::Created,
            (_, key) => self.points.groups.part(group, key.unwrap_or_default()),
        };
        What::Part { group, field }
    }
}

impl LastGroup {
    fn new(name: &str, kind: Type, labels: Pairs<'_>, group: u32) -> Self {
        let labels = labels.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned()));
        Self { name: name.to_owned(), kind, labels: labels.collect(), group }
    }

    fn is(&self, name: &str, kind: Type, labels: &Pairs<'_>) -> bool {
        self.kind == kind
            && self.name == name
            && self.labels.len() == labels.len()
            && self.labels.iter().zip(labels).all(|(own, other)| own.0 == other.0 && own.1 == other.1)
    }
}

/// The series of a line that is a number.
fn series_of(what: &What) -> Option<Series> {
    match what {
        What::Number { series, .. } => Some(series.clone()),
        _ => None,
    }
}

/// Takes a label out whose value is a number; leaves it where it is none.
fn take_number(labels: &mut Pairs<'_>, name: &str) -> Option<f64> {
    let (_, text) = labels.iter().find(|(other, _)| other == name)?;
    let (value, length) = parse_value_prefix(text.as_bytes())?;
    if length != text.len() || value.is_nan() {
        return None;
    }
    take(labels, name);
    Some(value)
}

/// The metric's name in a key, which is a line up to its value.
fn name_of(key: &[u8]) -> &[u8] {
    let name = match key {
        [b'{', b'"', rest @ ..] => rest,
        key => key,
    };
    let end = name.iter().position(|byte| matches!(byte, b'{' | b' ' | b'\t' | b'"'));
    &name[..end.unwrap_or(name.len())]
}

/// Only counters and buckets have exemplars, as far as a name tells.
fn check_exemplar(name: &[u8]) -> Result<(), Fault> {
    let may_be = name.ends_with(b"_total") || name.ends_with(b"_bucket");
    if may_be { Ok(()) } else { Err(Fault::new(0, Reason::ExemplarPlace)) }
}

fn line_end(rest: &[u8]) -> usize {
    memchr::memchr(b'\n', rest).unwrap_or(rest.len())
}
