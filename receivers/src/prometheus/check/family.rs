//! A family being checked: its metadata, its groups, and each sample by its type's rules.

use std::collections::HashSet;
use std::fmt::Write;

use super::histogram::Histogram;
use super::suffixes;
use crate::prometheus::text::{Format, Labels, Sample, Tail, Type, parse_value_prefix};

/// An exemplar's label names and values may have this many characters together.
const EXEMPLAR_CHARACTERS_MAX: usize = 128;

type Verdict = Result<(), &'static str>;

pub(super) struct Family<'a> {
    pub(super) name: String,
    pub(super) kind: Option<Type>,
    pub(super) unit: Option<&'a str>,
    pub(super) has_help: bool,
    pub(super) samples: usize,
    format: Format,
    /// Sorted labels of the metrics seen, and of the one whose lines we are in.
    groups: HashSet<String>,
    group: Option<String>,
    /// The timestamp the last line of the group has, and the lines of the group that have it.
    timestamp: Option<i128>,
    series: HashSet<String>,
    histogram: Histogram,
}

fn require(holds: bool, rule: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(rule) }
}

impl Family<'_> {
    pub(super) fn new(name: &str, format: Format) -> Self {
        Self {
            name: name.to_owned(),
            kind: None,
            unit: None,
            has_help: false,
            samples: 0,
            format,
            groups: HashSet::new(),
            group: None,
            timestamp: None,
            series: HashSet::new(),
            histogram: Histogram::default(),
        }
    }

    fn kind(&self) -> Type {
        self.kind.unwrap_or_default()
    }

    /// What the sample's name has behind the family's, if it may have that.
    pub(super) fn suffix(&self, sample_name: &str) -> Option<&'static str> {
        let suffix = sample_name.strip_prefix(self.name.as_str())?;
        suffixes(self.kind(), self.format).iter().copied().find(|known| *known == suffix)
    }

    /// Every name this family keeps others from using.
    pub(super) fn sample_names(&self) -> Vec<String> {
        let suffixes = match self.format {
            Format::OpenMetrics => suffixes(self.kind(), self.format),
            Format::Text => &[""],
        };
        let bare = (!suffixes.contains(&"")).then(|| self.name.clone());
        suffixes.iter().map(|suffix| format!("{}{suffix}", self.name)).chain(bare).collect()
    }

    pub(super) fn close(&mut self) -> Verdict {
        if self.format == Format::Text {
            return Ok(());
        }
        self.histogram.close()?;
        let unit = self.unit.unwrap_or_default();
        if unit.is_empty() {
            return Ok(());
        }
        let has_unit = self.name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        require(has_unit, "the name does not end in the unit")?;
        require(!matches!(self.kind(), Type::Info | Type::StateSet), "info and stateset have no unit")
    }

    pub(super) fn check(
        &mut self,
        suffix: &'static str,
        sample: &Sample<'_>,
        labels: &Labels<'_>,
    ) -> Verdict {
        let series = key(suffix, labels, None);
        if self.format == Format::Text {
            return require(self.series.insert(series), "two samples of one series");
        }
        let is_new_group = self.check_group(suffix, &sample.tail, labels, series)?;
        if matches!(self.kind(), Type::Histogram | Type::GaugeHistogram) {
            let le = label(labels, "le");
            self.histogram.check(is_new_group, suffix, le.as_deref(), sample.tail.value)?;
        }
        self.check_labels(suffix, labels)?;
        self.check_value(suffix, sample.tail.value)?;
        self.check_exemplar(suffix, &sample.tail)
    }

    /// A metric's lines stand together, all with a timestamp or none, in the order of time.
    ///
    /// Says whether another point begins here.
    fn check_group(
        &mut self,
        suffix: &str,
        tail: &Tail<'_>,
        labels: &Labels<'_>,
        series: String,
    ) -> Result<bool, &'static str> {
        let kind = self.kind();
        let without = match (kind, suffix) {
            (Type::Summary, "") => Some("quantile"),
            (Type::Histogram | Type::GaugeHistogram, "_bucket") => Some("le"),
            (Type::StateSet, _) => Some(self.name.as_str()),
            _ => None,
        };
        // Info metrics of one family cannot be told apart from one another by rule.
        let group = if kind == Type::Info { String::new() } else { key("", labels, without) };
        let is_same_group = self.group.as_ref() == Some(&group);
        let is_same_time = self.timestamp == tail.timestamp;
        if is_same_group {
            require(
                self.timestamp.is_some() == tail.timestamp.is_some(),
                "only some lines have a timestamp",
            )?;
            let is_later = tail.timestamp >= self.timestamp || kind == Type::Info;
            require(is_later, "timestamps go backwards")?;
        } else {
            require(self.groups.insert(group.clone()), "a metric's lines do not stand together")?;
        }
        if !is_same_group || !is_same_time {
            self.series.clear();
        }
        self.timestamp = tail.timestamp;
        self.group = Some(group);
        // Points of one time may come from finer times that were cut off.
        require(self.series.insert(series) || tail.timestamp.is_some(), "two samples of one series")?;
        Ok(!is_same_group || !is_same_time)
    }

    fn check_labels(&self, suffix: &str, labels: &Labels<'_>) -> Verdict {
        let number = |text: &str| {
            let (value, length) = parse_value_prefix(text.as_bytes())?;
            (length == text.len()).then_some(value)
        };
        match (self.kind(), suffix) {
            (Type::StateSet, _) => {
                require(label(labels, &self.name).is_some(), "a stateset needs a label of its family's name")
            }
            (Type::Histogram | Type::GaugeHistogram, "_bucket") => {
                let le = label(labels, "le").ok_or("a bucket needs the label `le`")?;
                let bound = number(&le).filter(|bound| !bound.is_nan()).ok_or("`le` is not a number")?;
                require(bound != f64::INFINITY || le == "+Inf", "the last `le` is written `+Inf`")
            }
            (Type::Summary, "") => {
                let quantile = label(labels, "quantile").ok_or("a summary's quantile needs its label")?;
                let quantile = number(&quantile).ok_or("`quantile` is not a number")?;
                require((0.0..=1.0).contains(&quantile), "`quantile` is not between 0 and 1")
            }
            _ => Ok(()),
        }
    }

    fn check_value(&self, suffix: &str, value: f64) -> Verdict {
        match (self.kind(), suffix) {
            (Type::StateSet, _) => require(value == 0.0 || value == 1.0, "a stateset's value is 0 or 1"),
            (Type::Info, _) => require(value == 1.0, "an info's value is 1"),
            (Type::Summary, "") => {
                require(value.is_nan() || value >= 0.0, "a quantile's value is not negative")
            }
            (_, "_gsum") => require(!value.is_nan(), "a sum is not NaN"),
            (_, "_bucket" | "_count" | "_gcount") => {
                require(!value.is_nan() && value >= 0.0, "a count is neither NaN nor negative")?;
                require(value.is_finite() && value.fract() == 0.0, "a count is an integer")
            }
            (_, "_total" | "_sum") => {
                require(!value.is_nan() && value >= 0.0, "a counter is neither NaN nor negative")
            }
            _ => Ok(()),
        }
    }

    fn check_exemplar(&self, suffix: &str, tail: &Tail<'_>) -> Verdict {
        let Some(exemplar) = &tail.exemplar else { return Ok(()) };
        let may_be = matches!(
            (self.kind(), suffix),
            (Type::Counter, "_total") | (Type::Histogram | Type::GaugeHistogram, "_bucket")
        );
        require(may_be, "only counters and buckets have exemplars")?;
        let characters = |label: &crate::prometheus::text::Label<'_>| {
            label.name.unescape().chars().count() + label.value.unescape().chars().count()
        };
        let sum: usize = exemplar.labels.iter().map(characters).sum();
        require(sum <= EXEMPLAR_CHARACTERS_MAX, "an exemplar's labels have at most 128 characters")
    }
}

fn label(labels: &Labels<'_>, name: &str) -> Option<String> {
    let label = labels.iter().find(|label| label.name.unescape() == name)?;
    Some(label.value.unescape().into_owned())
}

/// Sorted labels as one text, without one of them.
fn key(suffix: &str, labels: &Labels<'_>, without: Option<&str>) -> String {
    let mut pairs: Vec<_> = labels
        .iter()
        .map(|label| (label.name.unescape(), label.value.unescape()))
        .filter(|(name, value)| Some(name.as_ref()) != without && !value.is_empty())
        .collect();
    pairs.sort_unstable();
    let mut key = suffix.to_owned();
    for (name, value) in pairs {
        let _ = write!(key, "\u{0}{}:{name}={value}", name.len());
    }
    key
}
