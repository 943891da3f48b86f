//! The parts of one histogram point, seen one after the other.

#[derive(Debug, Default)]
pub(super) struct Histogram {
    has_parts: bool,
    bound: Option<f64>,
    value: f64,
    count: Option<f64>,
    has_sum: bool,
    has_negative_sum: bool,
    has_negative_buckets: bool,
    is_gauge: bool,
}

type Verdict = Result<(), &'static str>;

fn require(holds: bool, rule: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(rule) }
}

impl Histogram {
    /// Takes the next part; `is_new` where it begins another point.
    pub(super) fn check(&mut self, is_new: bool, suffix: &str, le: Option<&str>, value: f64) -> Verdict {
        if is_new {
            self.close()?;
        }
        self.has_parts = true;
        match suffix {
            "_bucket" => {
                let le = le.unwrap_or_default();
                let bound: f64 = le.parse().map_err(|_| "a bucket needs the label `le`")?;
                self.has_negative_buckets |= bound < 0.0;
                require(self.bound.is_none_or(|last| last < bound), "buckets are not in the order of `le`")?;
                require(self.bound.is_none() || self.value <= value, "bucket counts decrease")?;
                self.bound = Some(bound);
                self.value = value;
            }
            "_count" | "_gcount" => self.count = Some(value),
            "_sum" | "_gsum" => {
                self.has_sum = true;
                self.is_gauge |= suffix == "_gsum";
                self.has_negative_sum |= value < 0.0;
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the point: what it must have by now.
    pub(super) fn close(&mut self) -> Verdict {
        let point = std::mem::take(self);
        if !point.has_parts {
            return Ok(());
        }
        require(point.bound == Some(f64::INFINITY), "the `+Inf` bucket is missing")?;
        require(point.count.is_none_or(|count| count == point.value), "the `+Inf` bucket is not the count")?;
        require(point.has_sum == point.count.is_some(), "sum and count go together")?;
        let may_have_sum = point.is_gauge || !point.has_negative_buckets;
        require(!point.has_sum || may_have_sum, "a histogram with negative buckets has no sum")?;
        let may_be_negative = point.has_negative_buckets;
        require(!point.has_negative_sum || may_be_negative, "a negative sum needs negative buckets")
    }
}
