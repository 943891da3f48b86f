//! Which series and samples were not stored, and why, in few words.

use std::fmt;

use pipeline::Full;

/// As many are told; more are only counted.
const NOTES_MAX: usize = 4;

/// Why a series, a sample, a histogram or an exemplar is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NoName,
    EmptyLabelName,
    RepeatedLabel,
    UnsortedLabels,
    TooManyLabels,
    LabelsTooLong,
    InvalidUtf8,
    OddReferences,
    ReferenceOutOfRange,
    Mixed,
    NoValues,
    TimeOutOfRange,
    NegativeCount,
    CountTooLarge,
    SpansDoNotMatch,
    BoundsNotIncreasing,
    UnknownSchema,
    TooManyBuckets,
    GaugeHistogram,
    FloatHistogram,
    Full(Full),
}

/// Counts what was not stored and keeps the first reasons.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) count: u64,
    notes: Vec<(usize, Reason)>,
    has_more: bool,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => "there is no label `__name__`",
            Self::EmptyLabelName => "a label has no name",
            Self::RepeatedLabel => "a label comes twice",
            Self::UnsortedLabels => "labels are not sorted by name",
            Self::TooManyLabels => "there are more than 4096 labels",
            Self::LabelsTooLong => "its labels take more than 256 KiB",
            Self::InvalidUtf8 => "a label is not UTF-8",
            Self::OddReferences => "`labels_refs` has an odd number of items",
            Self::ReferenceOutOfRange => "a reference is beyond the symbols",
            Self::Mixed => "it has samples and histograms",
            Self::NoValues => "it has neither samples nor histograms",
            Self::TimeOutOfRange => "a timestamp is not between 1970 and 2554",
            Self::NegativeCount => "a histogram has a negative count",
            Self::CountTooLarge => "the counts of a histogram are too large",
            Self::SpansDoNotMatch => "the spans of a histogram do not match its buckets",
            Self::BoundsNotIncreasing => "the custom values of a histogram are not increasing",
            Self::UnknownSchema => "the schema of a histogram is not -4 to 8 or -53",
            Self::TooManyBuckets => "a histogram spans more than 10000 buckets",
            Self::GaugeHistogram => "gauge histograms are not supported",
            Self::FloatHistogram => "float histograms with fractions are not supported",
            Self::Full(full) => return full.fmt(f),
        })
    }
}

impl Failures {
    /// So many values of a series were not stored.
    pub(super) fn add(&mut self, series: usize, values: u64, reason: Reason) {
        self.count += values;
        if self.notes.iter().any(|(_, told)| *told == reason) || self.notes.len() == NOTES_MAX {
            self.has_more = true;
        } else {
            self.notes.push((series, reason));
        }
    }

    /// The first reasons, each with the first series that had it; `None` when there is nothing to say.
    pub(super) fn message(&self) -> Option<String> {
        if self.notes.is_empty() {
            return None;
        }
        let notes = self.notes.iter().map(|(series, reason)| format!("timeseries[{series}]: {reason}"));
        let mut notes: Vec<_> = notes.collect();
        if self.has_more {
            notes.push(String::from("and more"));
        }
        Some(notes.join("; "))
    }
}
