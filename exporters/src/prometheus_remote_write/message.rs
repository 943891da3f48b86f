//! From a plan to a message: what each point says, whichever version carries it.

use pipeline::{Batch, Kind, Point, Value, point};

use super::classic::{Classic, same, start_ms};
use super::forms::{Form, Forms};
use super::native::{Native, STALE};
use super::plan::{Entry, Plan, milliseconds};
use super::rendered::{Layout, Part, Rendered};
use crate::prometheus::exemplar;

/// A request that is being written. Nothing is added to one that is too large.
pub(super) trait Message<'a> {
    /// Adds a series with samples, at least one, in the order of their times.
    fn samples(&mut self, name: Name<'a>, samples: &[Sample], exemplars: &[Exemplar])
    -> Result<(), TooLarge>;

    /// Adds a series with histograms, at least one, in the order of their times.
    fn histograms(
        &mut self,
        name: Name<'a>,
        histograms: &[Native],
        exemplars: &[Exemplar],
    ) -> Result<(), TooLarge>;
}

/// The message has come to more bytes than it may have. Each bucket repeats the labels of its histogram, so a small
/// batch can be a message of gigabytes: the rest of it is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// A series of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) rendered: &'a Rendered,
    pub(super) part: Part,
    /// The value of `le` or `quantile`.
    pub(super) extra: Option<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) value: f64,
    pub(super) time_ms: i64,
    /// When counting started; 0 where unknown.
    pub(super) start_ms: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exemplar {
    /// Sorted by name.
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
    pub(super) time_ms: i64,
}

/// Writes everything that is planned.
pub(super) fn write<'a>(
    plan: &'a Plan,
    forms: Forms,
    batch: &'a Batch,
    message: &mut impl Message<'a>,
) -> Result<(), TooLarge> {
    let mut writer = Writer { plan, forms, batch, samples: Vec::new(), exemplars: Vec::new() };
    for entries in plan.entries.chunk_by(|left, right| left.item == right.item) {
        writer.write_item(entries, message)?;
    }
    for told in &plan.targets.told {
        let value = if told.is_stale { STALE } else { 1.0 };
        let name = Name { rendered: &told.info, part: Part::Whole, extra: None };
        message.samples(name, &[Sample { value, time_ms: told.time_ms, start_ms: 0 }], &[])?;
    }
    Ok(())
}

struct Writer<'a> {
    plan: &'a Plan,
    forms: Forms,
    batch: &'a Batch,
    // Kept for their memory.
    samples: Vec<Sample>,
    exemplars: Vec<Exemplar>,
}

impl<'a> Writer<'a> {
    fn point(&self, entry: &Entry) -> &'a Point {
        &self.batch.as_slice()[entry.point as usize]
    }

    /// Two metrics of one name may have different kinds of histograms: each point goes out in its own form.
    fn write_item(
        &mut self,
        mut entries: &'a [Entry],
        message: &mut impl Message<'a>,
    ) -> Result<(), TooLarge> {
        while let Some(first) = entries.first() {
            let is_exponential = self.is_exponential(first);
            let is_alike = |entry: &&Entry| self.is_exponential(entry) == is_exponential;
            let (alike, others) = entries.split_at(entries.iter().take_while(is_alike).count());
            self.write_alike(alike, message)?;
            entries = others;
        }
        Ok(())
    }

    fn is_exponential(&self, entry: &Entry) -> bool {
        matches!(self.point(entry).series.metric().kind, Kind::ExponentialHistogram { .. })
    }

    /// Writes points that are all exponential histograms, or none of them.
    fn write_alike(&mut self, entries: &'a [Entry], message: &mut impl Message<'a>) -> Result<(), TooLarge> {
        let rendered = self.plan.items[entries[0].item as usize].as_ref();
        let kind = self.point(&entries[0]).series.metric().kind;
        match self.forms.of(kind, self.plan.format) {
            Some(Form::Sample) => self.write_samples(rendered, entries, kind, message),
            Some(Form::Classic) => self.write_classic(rendered, entries, message),
            Some(Form::Native) if matches!(kind, Kind::ExponentialHistogram { .. }) => {
                self.write_native(rendered, entries, message)
            }
            // What has no native form goes out in the classic one.
            Some(form @ (Form::Native | Form::Both)) => {
                for entries in entries.chunk_by(|left, right| left.is_native == right.is_native) {
                    let Entry { is_native, ended, .. } = &entries[0];
                    if let Some(layout) = ended {
                        let point = Classic::ended(self.point(&entries[0]), layout, &entries[0]);
                        self.write_parts(rendered, &[point], message)?;
                    }
                    if *is_native {
                        self.write_native(rendered, entries, message)?;
                    }
                    if !*is_native || form == Form::Both {
                        self.write_classic(rendered, entries, message)?;
                    }
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn write_samples(
        &mut self,
        rendered: &'a Rendered,
        entries: &[Entry],
        kind: Kind,
        message: &mut impl Message<'a>,
    ) -> Result<(), TooLarge> {
        let is_counter = matches!(kind, Kind::Sum { is_monotonic: true, .. });
        self.samples.clear();
        self.exemplars.clear();
        for entry in entries {
            let point = self.point(entry);
            let value = match point.value {
                _ if point.is_stale() => STALE,
                Value::Int(value) => value as f64,
                Value::Double(value) => value,
                _ => continue,
            };
            let start_ms = if is_counter { start_ms(point) } else { 0 };
            self.samples.push(Sample { value, time_ms: entry.time_ms, start_ms });
            if is_counter && self.forms.has_exemplars {
                add_exemplars(&mut self.exemplars, point, point.exemplars.iter());
            }
        }
        sort(&mut self.exemplars);
        let name = Name { rendered, part: Part::Whole, extra: None };
        if self.samples.is_empty() {
            return Ok(());
        }
        message.samples(name, &self.samples, &self.exemplars)
    }

    fn write_native(
        &mut self,
        rendered: &'a Rendered,
        entries: &[Entry],
        message: &mut impl Message<'a>,
    ) -> Result<(), TooLarge> {
        self.exemplars.clear();
        let mut histograms = Vec::with_capacity(entries.len());
        for entry in entries {
            let point = self.point(entry);
            let native = match &point.value {
                _ if point.is_stale() => Some(Native::stale()),
                Value::ExponentialHistogram(histogram) => Native::of_exponential(histogram),
                Value::Histogram(histogram) => Native::of_explicit(histogram),
                _ => None,
            };
            histograms.extend(native.map(|native| native.at(entry.time_ms, start_ms(point))));
            if self.forms.has_exemplars {
                add_exemplars(&mut self.exemplars, point, point.exemplars.iter());
            }
        }
        sort(&mut self.exemplars);
        let name = Name { rendered, part: Part::Whole, extra: None };
        if histograms.is_empty() {
            return Ok(());
        }
        message.histograms(name, &histograms, &self.exemplars)
    }

    /// Each bucket's series with all its points, as long as the bounds stay.
    fn write_classic(
        &mut self,
        rendered: &'a Rendered,
        entries: &'a [Entry],
        message: &mut impl Message<'a>,
    ) -> Result<(), TooLarge> {
        let has_exemplars = self.forms.has_exemplars;
        let classic = |entry| {
            let point = Classic::new(self.point(entry), entry);
            if has_exemplars { point.with_exemplars() } else { point }
        };
        let points: Vec<_> = entries.iter().map(classic).collect();
        let mut entries = entries.iter();
        for points in points.chunk_by(|left, right| same(left.layout, right.layout)) {
            let former = entries.next().and_then(|entry| self.plan.former(entry));
            entries.by_ref().take(points.len() - 1).for_each(drop);
            if let (Some(former), Some(layout)) = (former, points[0].layout) {
                write_ended(rendered, (former, layout), &points[0], message)?;
            }
            self.write_parts(rendered, points, message)?;
        }
        Ok(())
    }

    fn write_parts(
        &mut self,
        rendered: &'a Rendered,
        points: &[Classic<'a>],
        message: &mut impl Message<'a>,
    ) -> Result<(), TooLarge> {
        let (is_summary, part) = (points[0].is_summary(), points[0].part());
        let layout = points[0].layout;
        let mut last = 0;
        for (index, (bound, text)) in layout.iter().flat_map(|layout| layout.pairs()).enumerate() {
            if !is_summary && bound == f64::INFINITY {
                break;
            }
            let name = Name { rendered, part, extra: Some(text) };
            self.write_part((name, Some(index)), points, |point| Some(point.values[index]), message)?;
            last = index + 1;
        }
        if !is_summary {
            let name = Name { rendered, part, extra: Some("+Inf") };
            self.write_part((name, Some(last)), points, |point| Some(point.count), message)?;
        }
        let plain = |part| (Name { rendered, part, extra: None }, None);
        self.write_part(plain(Part::Sum), points, |point| point.sum, message)?;
        self.write_part(plain(Part::Count), points, |point| Some(point.count), message)
    }

    /// One series of them; with the exemplars of a bucket.
    fn write_part(
        &mut self,
        (name, bucket): (Name<'a>, Option<usize>),
        points: &[Classic<'a>],
        value: impl Fn(&Classic<'a>) -> Option<f64>,
        message: &mut impl Message<'a>,
    ) -> Result<(), TooLarge> {
        self.samples.clear();
        self.exemplars.clear();
        for point in points {
            let Some(value) = value(point) else { continue };
            self.samples.push(Sample { value, time_ms: point.time_ms, start_ms: point.start_ms });
            let exemplars = bucket.into_iter().flat_map(|bucket| point.exemplars_of(bucket));
            add_exemplars(&mut self.exemplars, point.point, exemplars);
        }
        sort(&mut self.exemplars);
        if self.samples.is_empty() {
            return Ok(());
        }
        message.samples(name, &self.samples, &self.exemplars)
    }
}

/// Ends the series of the bounds or quantiles that a point has no more.
fn write_ended<'a>(
    rendered: &'a Rendered,
    (former, layout): (&'a Layout, &Layout),
    point: &Classic<'a>,
    message: &mut impl Message<'a>,
) -> Result<(), TooLarge> {
    let is_summary = point.is_summary();
    for (bound, text) in former.pairs() {
        let is_kept = layout.values.binary_search_by(|value| value.total_cmp(&bound)).is_ok();
        // The bucket of infinity is there in any case.
        if !is_kept && (is_summary || bound < f64::INFINITY) {
            let name = Name { rendered, part: point.part(), extra: Some(text) };
            let marker = Sample { value: STALE, time_ms: point.time_ms, start_ms: 0 };
            message.samples(name, &[marker], &[])?;
        }
    }
    Ok(())
}

fn add_exemplars<'a>(
    list: &mut Vec<Exemplar>,
    point: &Point,
    exemplars: impl Iterator<Item = &'a point::Exemplar>,
) {
    for exemplar in exemplars {
        let time = exemplar.time_unix_nano;
        // Zero would say that there is none.
        let time_ms = milliseconds(if time == 0 { point.time_unix_nano } else { time }).max(1);
        let mut labels = exemplar::labels(exemplar);
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort();
        list.push(Exemplar { labels, value: exemplar::value(exemplar), time_ms });
    }
}

fn sort(exemplars: &mut [Exemplar]) {
    exemplars.sort_by_key(|exemplar| exemplar.time_ms);
}
