//! The points of one scrape, as its lines give them.

use std::borrow::Cow;
use std::collections::hash_map::Entry;

use foldhash::HashMap;
use pipeline::point::{Exemplar, ExemplarValue};
use pipeline::{Attributes, Batch, Exemplars, Point, Series, Value};

use super::group::{Field, Groups, Incomplete, Manner, Moment};
use super::place::What;
use super::text::{self, Format, Tail};

/// What became of the lines of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Sample lines, before relabelling.
    pub(crate) scraped: usize,
    /// Dropped by relabelling.
    pub(crate) dropped: usize,
    /// Samples whose line was not there the scrape before.
    pub(crate) added: usize,
    /// Lines that repeat a series of the same scrape.
    pub(crate) duplicates: usize,
    /// Histograms and summaries without a count, or with counts that decrease.
    pub(crate) incomplete: usize,
    /// Lines of gauge histograms.
    pub(crate) unsupported: usize,
    /// Lines whose series was one too many.
    pub(crate) refused: usize,
    /// Lines with a time before 1970 or more than ten minutes ahead.
    pub(crate) out_of_time: usize,
    /// Starts after the time of their point.
    pub(crate) late_starts: usize,
    /// Metadata with a type that is none.
    pub(crate) unknown_types: usize,
    /// Points that were made.
    pub(crate) points: usize,
}

impl Counts {
    /// What was read and gives no point, by reason; series over the limit are not among it.
    pub(crate) fn losses(&self) -> [(&'static str, usize); 4] {
        [
            ("duplicate", self.duplicates),
            ("incomplete", self.incomplete),
            ("unsupported", self.unsupported),
            ("out_of_time", self.out_of_time),
        ]
    }
}

#[derive(Debug)]
pub(crate) struct Points<'a> {
    pub(crate) groups: &'a mut Groups,
    pub(crate) batch: Batch,
    pub(crate) counts: Counts,
    pub(crate) format: Format,
    pub(crate) scrape: u32,
    pub(crate) time_unix_nano: u64,
    pub(crate) honor_timestamps: bool,
    pub(crate) track_staleness: bool,
    pub(crate) sums_duplicates: bool,
    pub(crate) takes_apart: bool,
    /// The series that have a point, and where it stands; kept once there is a new line of a series that lived before.
    claimed: Option<HashMap<Series, usize>>,
    /// Starts of counters that no point was found for yet.
    starts: Vec<(Series, u64)>,
}

/// A point this far ahead of its scrape is from a broken clock.
const AHEAD_NANO_MAX: i128 = 10 * 60 * 1_000_000_000;

/// A counter and its start stand this close together, or are looked for at the end.
const NEAR: usize = 64;

impl<'a> Points<'a> {
    pub(crate) fn new(groups: &'a mut Groups, points: usize, format: Format) -> Self {
        Self {
            groups,
            batch: Batch::with_capacity(points),
            counts: Counts::default(),
            format,
            scrape: 0,
            time_unix_nano: 0,
            honor_timestamps: true,
            track_staleness: false,
            sums_duplicates: false,
            takes_apart: false,
            claimed: None,
            starts: Vec::new(),
        }
    }

    /// Takes a line's value where nothing stands behind it; `false` where another line gave it already.
    #[inline]
    pub(crate) fn put_value(&mut self, what: &mut What, value: f64) -> bool {
        let moment = Moment { scrape: self.scrape, time_unix_nano: self.time_unix_nano, is_own: false };
        match what {
            What::Number { series, has_own_time } if self.claimed.is_none() => {
                if *has_own_time {
                    *has_own_time = false;
                }
                self.batch.push(Point::new(series.clone(), moment.time_unix_nano, Value::Double(value)));
                true
            }
            What::Part { group, field } => self.groups.put(*group, *field, value, moment),
            what => self.put(what, &Tail { value, timestamp: None, exemplar: None }),
        }
    }

    /// From here on looks whether a series has a point already.
    pub(crate) fn claim(&mut self) {
        let batch = &self.batch;
        self.claimed.get_or_insert_with(|| {
            let numbered = batch.iter().enumerate();
            // The first of several, which differ in their times.
            numbered.rev().map(|(index, point)| (point.series.clone(), index)).collect()
        });
    }

    /// Takes a line that [`Points::put`] did not: adds it to the other of its series, or counts it as lost.
    pub(crate) fn double(&mut self, series: Option<&Series>, value: f64) {
        let index = series.and_then(|series| self.claimed.as_ref()?.get(series)).copied();
        let point = index.filter(|_| self.sums_duplicates).and_then(|index| self.batch.iter_mut().nth(index));
        match point.map(|point| &mut point.value) {
            Some(Value::Double(sum)) => *sum += value,
            _ => self.counts.duplicates += 1,
        }
    }

    /// Takes a line's value; `false` where another line gave it already.
    pub(crate) fn put(&mut self, what: &mut What, tail: &Tail<'_>) -> bool {
        let Some(moment) = self.moment(tail.timestamp) else {
            self.counts.out_of_time += 1;
            return true;
        };
        match what {
            What::Number { series, has_own_time } => {
                if let Some(claimed) = &mut self.claimed {
                    match claimed.entry(series.clone()) {
                        Entry::Occupied(_) => return false,
                        Entry::Vacant(vacant) => _ = vacant.insert(self.batch.len()),
                    }
                }
                *has_own_time = moment.is_own && !self.track_staleness;
                self.push(series, moment, tail);
            }
            What::Again(series) => {
                let is_same =
                    |point: &Point| point.time_unix_nano == moment.time_unix_nano && point.series == *series;
                if self.batch.iter().rev().take(NEAR).any(is_same) {
                    self.counts.duplicates += 1;
                } else {
                    self.push(series, moment, tail);
                }
            }
            What::Part { group, field } => return self.put_part(*group, *field, moment, tail),
            What::CounterCreated(series) => self.start(series.clone(), (tail.value * 1e9) as u64),
            What::Dropped => self.counts.dropped += 1,
            What::Unsupported => self.counts.unsupported += 1,
            What::TargetInfo | What::Silent | What::Gone => {}
        }
        true
    }

    fn put_part(&mut self, group: u32, field: Field, moment: Moment, tail: &Tail<'_>) -> bool {
        let moment = Moment { is_own: moment.is_own && !self.track_staleness, ..moment };
        let is_first = self.groups.put(group, field, tail.value, moment);
        if is_first && let Some(exemplar) = &tail.exemplar {
            self.groups.push_exemplar(group, convert(exemplar));
        }
        is_first
    }

    fn push(&mut self, series: &Series, moment: Moment, tail: &Tail<'_>) {
        let exemplars = match &tail.exemplar {
            Some(exemplar) => Exemplars::new(vec![convert(exemplar)]),
            None => Exemplars::NONE,
        };
        let point = Point::new(series.clone(), moment.time_unix_nano, Value::Double(tail.value));
        self.batch.push(Point { exemplars, ..point });
    }

    fn moment(&self, timestamp: Option<i128>) -> Option<Moment> {
        let own = timestamp.filter(|_| self.honor_timestamps);
        let time_unix_nano = match own {
            None => self.time_unix_nano,
            Some(time) if time > i128::from(self.time_unix_nano) + AHEAD_NANO_MAX => return None,
            Some(time) => u64::try_from(time).ok().filter(|time| *time > 0)?,
        };
        Some(Moment { scrape: self.scrape, time_unix_nano, is_own: own.is_some() })
    }

    fn start(&mut self, series: Series, start_unix_nano: u64) {
        let mut near = self.batch.iter_mut().rev().take(NEAR);
        match near.find(|point| point.series == series) {
            Some(point) => point.start_unix_nano = start_unix_nano,
            None => self.starts.push((series, start_unix_nano)),
        }
    }

    /// Makes the points that need all lines, and looks over the others.
    pub(crate) fn finish(&mut self) {
        if !self.starts.is_empty() {
            let starts: HashMap<_, _> = self.starts.drain(..).collect();
            for point in &mut self.batch {
                if let Some(start) = starts.get(&point.series) {
                    point.start_unix_nano = *start;
                }
            }
        }
        let manner = Manner { format: self.format, takes_apart: self.takes_apart };
        let (batch, counts) = (&mut self.batch, &mut self.counts);
        self.groups.finish(self.scrape, manner, |point| match point {
            Ok(point) => batch.push(point),
            Err(Incomplete::NoCount | Incomplete::Decreasing) => counts.incomplete += 1,
        });
        if self.format == Format::OpenMetrics {
            for point in batch.iter_mut().filter(|point| point.start_unix_nano > point.time_unix_nano) {
                point.start_unix_nano = 0;
                counts.late_starts += 1;
            }
        }
        counts.points = batch.len();
    }
}

fn convert(exemplar: &text::Exemplar<'_>) -> Exemplar {
    let labels = exemplar.labels.iter().map(|label| (label.name.unescape(), label.value.unescape()));
    let time_unix_nano = exemplar.timestamp.and_then(|time| u64::try_from(time).ok()).unwrap_or(0);
    exemplar_of(labels, exemplar.value, time_unix_nano)
}

/// An exemplar with these labels; those that tell where it came from become ids.
pub(crate) fn exemplar_of<'a>(
    labels: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    value: f64,
    time_unix_nano: u64,
) -> Exemplar {
    let (mut trace_id, mut span_id) = (Vec::new(), Vec::new());
    let mut rest = Vec::new();
    for (name, value) in labels {
        match (name.as_ref(), decode_hex(&value)) {
            ("trace_id", Some(id)) if id.len() == 16 => trace_id = id,
            ("span_id", Some(id)) if id.len() == 8 => span_id = id,
            _ => rest.push((name, value)),
        }
    }
    Exemplar {
        attributes: Attributes::of_strings(rest.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))),
        time_unix_nano,
        value: ExemplarValue::Double(value),
        trace_id,
        span_id,
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
