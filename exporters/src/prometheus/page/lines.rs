//! The lines of one family.

use pipeline::point::{ExponentialHistogram, Summary};

use super::{Options, POINT_SIZE_MAX};
use crate::prometheus::escaping::is_legacy;
use crate::prometheus::exemplar::Kept;
use crate::prometheus::exponential;
use crate::prometheus::identity::MetricType;
use crate::prometheus::labels::push_quoted;
use crate::prometheus::negotiation::Format;
use crate::prometheus::number::{canonical, push_double, push_int, push_seconds};
use crate::prometheus::store::Entry;
use crate::prometheus::stored::{Classic, Stored};
use crate::prometheus::telemetry::Reason;
use crate::prometheus::view::{Family, Form};

/// What a line has besides its name and labels: a bound, a value and a time.
const LINE_SIZE: usize = 64;

/// The lines of a histogram besides its bounds: the last bucket, the sum, the count, and when it was created.
const LINES_BESIDE: usize = 4;

/// How the lines of a family are written.
pub(super) struct Lines {
    is_open_metrics: bool,
    options: Options,
    /// As it is written; in the text format only if it is one of its types.
    metric_type: MetricType,
    /// Without the suffix of the type, in OpenMetrics.
    family: String,
    value: Head,
    bucket: Head,
    sum: Head,
    count: Head,
    created: Head,
}

/// The start of a line: the name of the sample.
struct Head {
    /// Before labels: `name{` or `{"name",`.
    open: String,
    /// Without labels: `name` or `{"name"}`.
    bare: String,
}

impl Head {
    fn new(name: &str, suffix: &str) -> Self {
        let name = format!("{name}{suffix}");
        if is_legacy(&name) {
            return Self { open: format!("{name}{{"), bare: name };
        }
        let mut open = String::from("{");
        push_quoted(&mut open, &name);
        Self { bare: format!("{open}}}"), open: open + "," }
    }

    #[inline]
    fn push(&self, buffer: &mut Vec<u8>, labels: &str) {
        if labels.is_empty() {
            buffer.extend_from_slice(self.bare.as_bytes());
        } else {
            buffer.extend_from_slice(self.open.as_bytes());
            buffer.extend_from_slice(labels.as_bytes());
            buffer.push(b'}');
        }
        buffer.push(b' ');
    }

    /// With one label more.
    fn push_with(&self, buffer: &mut Vec<u8>, labels: &str, label: &str) {
        buffer.extend_from_slice(self.open.as_bytes());
        buffer.extend_from_slice(labels.as_bytes());
        if !labels.is_empty() {
            buffer.push(b',');
        }
        buffer.extend_from_slice(label.as_bytes());
        buffer.extend_from_slice(b"} ");
    }
}

impl Lines {
    pub(super) fn new(format: Format, options: Options, name: &str) -> Self {
        Self {
            is_open_metrics: format.is_open_metrics(),
            options,
            metric_type: MetricType::Gauge,
            family: name.to_owned(),
            value: Head::new(name, ""),
            bucket: Head::new(name, "_bucket"),
            sum: Head::new(name, "_sum"),
            count: Head::new(name, "_count"),
            created: Head::new(name, "_created"),
        }
    }

    pub(super) fn of_family(format: Format, options: Options, family: &Family) -> Self {
        let mut lines = Self::new(format, options, &family.key.name);
        let is_typed = family.form == Form::Typed;
        lines.metric_type = match family.key.metric_type {
            MetricType::Counter if lines.is_open_metrics && !is_typed => MetricType::Unknown,
            MetricType::Info if !lines.is_open_metrics || !is_typed => MetricType::Gauge,
            MetricType::StateSet if !lines.is_open_metrics => MetricType::Gauge,
            MetricType::Gauge if family.is_unknown => MetricType::Unknown,
            metric_type => metric_type,
        };
        if lines.is_open_metrics {
            let suffix = match lines.metric_type {
                MetricType::Counter => "_total",
                MetricType::Info => "_info",
                _ => "",
            };
            lines.family.truncate(lines.family.len() - suffix.len());
            lines.created = Head::new(&lines.family, "_created");
        }
        lines
    }

    pub(super) fn push_head(&self, buffer: &mut Vec<u8>, family: &Family) {
        let word = match self.metric_type {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Unknown if self.is_open_metrics => "unknown",
            MetricType::Unknown => "untyped",
            MetricType::Info => "info",
            MetricType::StateSet => "stateset",
            MetricType::Histogram => "histogram",
            MetricType::Summary => "summary",
        };
        push_metadata(buffer, ["TYPE", &self.family, word]);
        if self.is_open_metrics && self.has_unit(&family.unit) {
            push_metadata(buffer, ["UNIT", &self.family, &family.unit]);
        }
        if !family.help.is_empty() {
            let mut help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
            if self.is_open_metrics {
                help = help.replace('"', "\\\"");
            }
            push_metadata(buffer, ["HELP", &self.family, &help]);
        }
    }

    /// A unit is told only where the name ends with it.
    fn has_unit(&self, unit: &str) -> bool {
        let stem = self.family.strip_suffix(unit).and_then(|stem| stem.strip_suffix('_'));
        let may_have_one = !matches!(self.metric_type, MetricType::Info | MetricType::StateSet);
        may_have_one && !unit.is_empty() && stem.is_some_and(|stem| !stem.is_empty())
    }

    pub(super) fn push_target(&self, buffer: &mut Vec<u8>, labels: &str) {
        self.value.push(buffer, labels);
        buffer.extend_from_slice(b"1\n");
    }

    /// Writes the lines of a series, but for values that the format does not allow and what would be too long.
    #[inline]
    pub(super) fn push_entry(&self, buffer: &mut Vec<u8>, labels: &str, entry: &Entry) -> Result<(), Reason> {
        match &entry.value {
            Stored::Int(value) => {
                if self.is_open_metrics && !self.allows(*value as f64) {
                    return Err(Reason::NotOpenMetrics);
                }
                self.value.push(buffer, labels);
                push_int(buffer, *value);
            }
            Stored::Double(value) => {
                if self.is_open_metrics && !self.allows(*value) {
                    return Err(Reason::NotOpenMetrics);
                }
                self.value.push(buffer, labels);
                push_double(buffer, *value);
            }
            Stored::Histogram(classic) => {
                self.check_size(labels, classic.bounds.labels.len())?;
                self.push_classic(buffer, labels, classic, entry);
                return Ok(());
            }
            Stored::Exponential(histogram) => {
                return self.push_exponential(buffer, labels, histogram, entry);
            }
            Stored::Summary(summary) => {
                self.check_size(labels, summary.quantiles.len())?;
                return self.push_summary(buffer, labels, summary, entry);
            }
        }
        let is_counter = self.metric_type == MetricType::Counter;
        let exemplar = if is_counter { entry.exemplars().first() } else { None };
        self.end(buffer, entry, exemplar);
        if is_counter {
            self.push_created(buffer, labels, entry);
        }
        Ok(())
    }

    /// Whether a point with so many bounds or quantiles may be written, by what its lines have in common.
    fn check_size(&self, labels: &str, bounds: usize) -> Result<(), Reason> {
        let line = self.bucket.open.len() + labels.len() + LINE_SIZE;
        let size = line.saturating_mul(bounds.saturating_add(LINES_BESIDE));
        if size as u64 > POINT_SIZE_MAX.0 { Err(Reason::TooLarge) } else { Ok(()) }
    }

    fn allows(&self, value: f64) -> bool {
        match self.metric_type {
            // Also keeps out what is not a number.
            MetricType::Counter => value >= 0.0,
            MetricType::Info => value == 1.0,
            MetricType::StateSet => value == 0.0 || value == 1.0,
            _ => true,
        }
    }

    /// Ends a line, with the time and an exemplar where they belong.
    #[inline]
    fn end(&self, buffer: &mut Vec<u8>, entry: &Entry, exemplar: Option<&Kept>) {
        if self.options.has_timestamps {
            buffer.push(b' ');
            if self.is_open_metrics {
                push_seconds(buffer, entry.time_unix_nano);
            } else {
                push_int(buffer, entry.time_unix_nano / 1_000_000);
            }
        }
        if self.is_open_metrics
            && let Some(exemplar) = exemplar
        {
            buffer.extend_from_slice(exemplar.text.as_bytes());
        }
        buffer.push(b'\n');
    }

    fn push_classic(&self, buffer: &mut Vec<u8>, labels: &str, classic: &Classic, entry: &Entry) {
        let mut total = 0_u64;
        // They stand in the order of their buckets.
        let mut exemplars = entry.exemplars().iter().peekable();
        for (index, (label, count)) in classic.bounds.labels.iter().zip(&classic.counts).enumerate() {
            total = total.saturating_add(*count);
            self.bucket.push_with(buffer, labels, label);
            push_int(buffer, total);
            self.end(buffer, entry, exemplars.next_if(|kept| kept.bucket == index));
        }
        let last = exemplars.next();
        let has_negative = classic.bounds.values.first().is_some_and(|bound| *bound < 0.0);
        self.push_totals(buffer, labels, (classic.count, classic.sum, has_negative), (entry, last));
    }

    fn push_exponential(
        &self,
        buffer: &mut Vec<u8>,
        labels: &str,
        histogram: &ExponentialHistogram,
        entry: &Entry,
    ) -> Result<(), Reason> {
        let mut total = 0_u64;
        let buckets = exponential::classic(histogram);
        self.check_size(labels, buckets.len())?;
        for (bound, count) in &buckets {
            total = total.saturating_add(*count);
            self.bucket.push_with(buffer, labels, &format!("le=\"{}\"", canonical(*bound)));
            push_int(buffer, total);
            self.end(buffer, entry, None);
        }
        let has_negative = buckets.first().is_some_and(|(bound, _)| *bound < 0.0);
        // What the buckets hold is believed, as the page shows it.
        let count = histogram.count.max(total);
        self.push_totals(buffer, labels, (count, histogram.sum, has_negative), (entry, None));
        Ok(())
    }

    /// The last bucket, the sum and the count.
    fn push_totals(
        &self,
        buffer: &mut Vec<u8>,
        labels: &str,
        (count, sum, has_negative): (u64, Option<f64>, bool),
        (entry, exemplar): (&Entry, Option<&Kept>),
    ) {
        self.bucket.push_with(buffer, labels, "le=\"+Inf\"");
        push_int(buffer, count);
        self.end(buffer, entry, exemplar);
        // OpenMetrics wants both or neither, and no sum that could be negative.
        let sum = sum.filter(|sum| !self.is_open_metrics || (*sum >= 0.0 && !has_negative));
        if let Some(sum) = sum {
            self.sum.push(buffer, labels);
            push_double(buffer, sum);
            self.end(buffer, entry, None);
        }
        if sum.is_some() || !self.is_open_metrics {
            self.count.push(buffer, labels);
            push_int(buffer, count);
            self.end(buffer, entry, None);
        }
        self.push_created(buffer, labels, entry);
    }

    fn push_summary(
        &self,
        buffer: &mut Vec<u8>,
        labels: &str,
        summary: &Summary,
        entry: &Entry,
    ) -> Result<(), Reason> {
        let mut last = f64::NEG_INFINITY;
        let mut is_whole = true;
        for (quantile, value) in &summary.quantiles {
            let is_legal = (0.0..=1.0).contains(quantile) && *quantile > last;
            if !is_legal || (self.is_open_metrics && *value < 0.0) {
                is_whole = false;
                continue;
            }
            last = *quantile;
            self.value.push_with(buffer, labels, &format!("quantile=\"{}\"", canonical(*quantile)));
            push_double(buffer, *value);
            self.end(buffer, entry, None);
        }
        if !self.is_open_metrics || summary.sum >= 0.0 {
            self.sum.push(buffer, labels);
            push_double(buffer, summary.sum);
            self.end(buffer, entry, None);
        }
        self.count.push(buffer, labels);
        push_int(buffer, summary.count);
        self.end(buffer, entry, None);
        self.push_created(buffer, labels, entry);
        if is_whole { Ok(()) } else { Err(Reason::NotOpenMetrics) }
    }

    fn push_created(&self, buffer: &mut Vec<u8>, labels: &str, entry: &Entry) {
        if self.options.has_created && self.is_open_metrics && entry.start_unix_nano > 0 {
            self.created.push(buffer, labels);
            push_seconds(buffer, entry.start_unix_nano);
            self.end(buffer, entry, None);
        }
    }
}

/// Appends a line that starts with `#`.
pub(super) fn push_metadata(buffer: &mut Vec<u8>, [keyword, name, text]: [&str; 3]) {
    buffer.extend_from_slice(b"# ");
    buffer.extend_from_slice(keyword.as_bytes());
    buffer.push(b' ');
    if is_legacy(name) {
        buffer.extend_from_slice(name.as_bytes());
    } else {
        let mut quoted = String::new();
        push_quoted(&mut quoted, name);
        buffer.extend_from_slice(quoted.as_bytes());
    }
    buffer.push(b' ');
    buffer.extend_from_slice(text.as_bytes());
    buffer.push(b'\n');
}
