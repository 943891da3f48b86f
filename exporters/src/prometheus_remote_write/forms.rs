//! In which form each kind of metric goes out.

use pipeline::{Kind, Temporality};

use super::Format;
use super::rendered::Part;

/// What a person chooses about histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forms {
    /// Exponential histograms are sent as native ones.
    pub(super) is_native: bool,
    /// Histograms with explicit bounds are sent as native ones with custom bounds; in 2.0 only.
    pub(super) is_custom: bool,
    /// And in the classic form besides.
    pub(super) keeps_classic: bool,
    pub(super) has_exemplars: bool,
}

/// The forms of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A sample a point.
    Sample,
    /// A sample a bucket or quantile, and sum and count.
    Classic,
    Native,
    /// Native and classic.
    Both,
}

impl Forms {
    /// `None` for deltas, for which the protocol has no form.
    pub(super) fn of(self, kind: Kind, format: Format) -> Option<Form> {
        if kind.temporality() == Some(Temporality::Delta) {
            return None;
        }
        Some(match kind {
            Kind::Gauge | Kind::Sum { .. } => Form::Sample,
            Kind::Summary => Form::Classic,
            Kind::ExponentialHistogram { .. } if self.is_native => Form::Native,
            Kind::Histogram { .. } if self.is_custom && format == Format::V2 => {
                if self.keeps_classic {
                    Form::Both
                } else {
                    Form::Native
                }
            }
            Kind::ExponentialHistogram { .. } | Kind::Histogram { .. } => Form::Classic,
        })
    }

    /// The names that the series of a metric take.
    pub(super) fn parts(self, kind: Kind, format: Format) -> &'static [Part] {
        match (self.of(kind, format), kind) {
            (Some(Form::Native), Kind::ExponentialHistogram { .. }) => &[Part::Whole],
            (Some(Form::Native | Form::Both), _) => &[Part::Whole, Part::Bucket, Part::Sum, Part::Count],
            (Some(Form::Classic), Kind::Summary) => &[Part::Whole, Part::Sum, Part::Count],
            (Some(Form::Classic), _) => &[Part::Bucket, Part::Sum, Part::Count],
            _ => &[Part::Whole],
        }
    }
}
