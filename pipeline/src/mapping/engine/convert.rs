//! What an input's value becomes: a part of it, in the unit of the output.

use crate::growth::number;
use crate::mapping::compiled::{Input, Take, Valid};
use crate::point::{ExponentialHistogram, Histogram, Value};

/// How the points of a series are read for a rule.
#[derive(Debug, Clone)]
pub(super) struct Convert {
    take: Take,
    factor: f64,
    /// 1, or what `factor` is the inverse of: to divide by a whole number is exact where it can be.
    divisor: f64,
    offset: f64,
    valid: Valid,
    is_whole: bool,
    is_accumulated_twice: bool,
}

impl Convert {
    pub(super) fn new(input: &Input, take: Take, factor: f64) -> Self {
        let (factor, divisor) = fraction(factor);
        Self {
            take,
            factor,
            divisor,
            offset: input.offset,
            valid: input.valid,
            is_whole: input.is_whole,
            is_accumulated_twice: input.is_accumulated_twice,
        }
    }

    /// Whether numbers stay as they are, but for those that are none.
    pub(super) fn is_plain(&self) -> bool {
        self.take == Take::Value
            && self.is_same_unit()
            && self.valid == Valid::default()
            && !self.is_whole
            && !self.is_accumulated_twice
    }

    fn is_same_unit(&self) -> bool {
        self.factor == 1.0 && self.divisor == 1.0 && self.offset == 0.0
    }

    /// `None`: the value is absent.
    pub(super) fn apply(&self, value: &Value, now_unix_nano: u64) -> Option<Value> {
        match self.take {
            Take::Value => self.whole(value),
            Take::Count => Some(Value::Int(i64::try_from(count_and_sum(value)?.0).unwrap_or(i64::MAX))),
            Take::Sum => self.double(count_and_sum(value)?.1?),
            Take::Mean => {
                let (count, sum) = count_and_sum(value)?;
                self.double(sum? / count as f64)
            }
            Take::One => self.whole(value).map(|_| Value::Int(1)),
            Take::Age => {
                let (_, number) = self.valid_number(value)?;
                // The subtraction of whole nanoseconds would lose what a double still has.
                self.scaled(now_unix_nano as f64 / 1e9 - number)
            }
        }
    }

    fn whole(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Empty => None,
            Value::Int(_) | Value::Double(_) => {
                let (value, number) = self.valid_number(value)?;
                let is_done = !self.is_whole || matches!(value, Value::Int(_));
                if self.is_same_unit() && is_done { Some(value) } else { self.scaled(number) }
            }
            Value::Histogram(histogram) => Some(Value::Histogram(Box::new(self.histogram(histogram)))),
            Value::ExponentialHistogram(histogram) => {
                Some(Value::ExponentialHistogram(Box::new(self.exponential(histogram))))
            }
            Value::Summary(summary) => {
                let mut summary = summary.clone();
                summary.sum = self.times(summary.sum) + self.offset * summary.count as f64;
                for (_, value) in &mut summary.quantiles {
                    *value = self.line(*value);
                }
                Some(Value::Summary(summary))
            }
        }
    }

    fn valid_number(&self, value: &Value) -> Option<(Value, f64)> {
        let number = number(value)?;
        let is_valid = number.is_finite()
            && self.valid.at_least.is_none_or(|bound| number >= bound)
            && self.valid.below.is_none_or(|bound| number < bound);
        is_valid.then(|| (value.clone(), number))
    }

    fn times(&self, number: f64) -> f64 {
        number * self.factor / self.divisor
    }

    fn line(&self, number: f64) -> f64 {
        self.times(number) + self.offset
    }

    fn scaled(&self, number: f64) -> Option<Value> {
        let number = Some(self.line(number)).filter(|number| number.is_finite())?;
        Some(Value::Double(if self.is_whole { number.round() } else { number }))
    }

    /// A value that was made, which `valid` is about.
    fn double(&self, number: f64) -> Option<Value> {
        let (_, number) = self.valid_number(&Value::Double(number))?;
        self.scaled(number)
    }

    fn histogram(&self, histogram: &Histogram) -> Histogram {
        let mut histogram = histogram.clone();
        if self.is_accumulated_twice {
            repair(&mut histogram);
        }
        if !self.is_same_unit() {
            let count = histogram.count as f64;
            histogram.sum = histogram.sum.map(|sum| self.times(sum) + self.offset * count);
            histogram.min = histogram.min.map(|min| self.line(min));
            histogram.max = histogram.max.map(|max| self.line(max));
            histogram.bounds = histogram.bounds.iter().map(|bound| self.line(*bound)).collect();
        }
        histogram
    }

    /// Bounds move by a power of the base only, which is near enough within a bucket; sums are exact.
    fn exponential(&self, histogram: &ExponentialHistogram) -> ExponentialHistogram {
        let mut histogram = histogram.clone();
        let factor = self.factor / self.divisor;
        if factor != 1.0 && factor > 0.0 {
            let shift = (factor.log2() * 2f64.powi(histogram.scale)).round();
            let shift = shift.clamp(f64::from(i32::MIN / 2), f64::from(i32::MAX / 2)) as i32;
            histogram.positive.offset = histogram.positive.offset.saturating_add(shift);
            histogram.negative.offset = histogram.negative.offset.saturating_add(shift);
            histogram.zero_threshold = self.times(histogram.zero_threshold);
            histogram.sum = histogram.sum.map(|sum| self.times(sum));
            histogram.min = histogram.min.map(|min| self.times(min));
            histogram.max = histogram.max.map(|max| self.times(max));
        }
        histogram
    }
}

/// What to multiply with, and what to divide by.
fn fraction(factor: f64) -> (f64, f64) {
    let inverse = (1.0 / factor).round();
    if inverse >= 2.0 && inverse.is_finite() && 1.0 / inverse == factor {
        (1.0, inverse)
    } else {
        (factor, 1.0)
    }
}

/// Takes back an accumulation of counts that were cumulative before: what stands in a bucket is then the
/// cumulative count itself.
fn repair(histogram: &mut Histogram) {
    let Some((infinite, finite)) = histogram.bucket_counts.split_last_mut() else { return };
    let printed = finite.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    if printed <= histogram.count {
        return;
    }
    let mut before = 0;
    for count in finite {
        let cumulative = *count;
        *count = cumulative.saturating_sub(before);
        before = cumulative;
    }
    *infinite = histogram.count.saturating_sub(before);
}

fn count_and_sum(value: &Value) -> Option<(u64, Option<f64>)> {
    match value {
        Value::Histogram(histogram) => Some((histogram.count, histogram.sum)),
        Value::ExponentialHistogram(histogram) => Some((histogram.count, histogram.sum)),
        Value::Summary(summary) => Some((summary.count, Some(summary.sum))),
        Value::Empty | Value::Int(_) | Value::Double(_) => None,
    }
}
