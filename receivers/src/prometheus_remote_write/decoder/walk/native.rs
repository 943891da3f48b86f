//! Native histograms: read, and made points of the series for their sort.

use pipeline::Value;
use pipeline::wire::WireError;

use super::{Current, Times, Walk};
use crate::prometheus_remote_write::histogram::{Meaning, NativeHistogram};
use crate::prometheus_remote_write::labels::Shape;
use crate::prometheus_remote_write::reason::Reason;

impl Walk<'_> {
    #[cold]
    pub(super) fn histogram(
        &mut self,
        current: Current<'_>,
        message: &[u8],
    ) -> Result<Result<(), Reason>, WireError> {
        let histogram = NativeHistogram::read(message)?;
        let Some(times) = Times::new(histogram.time_millis, histogram.start_millis) else {
            return Ok(Err(Reason::TimeOutOfRange));
        };
        let (shape, value) = match histogram.meaning() {
            Ok(Meaning::Exponential(value)) => (Shape::Exponential, value),
            Ok(Meaning::Custom(value)) => (Shape::Custom, value),
            Ok(Meaning::Stale) => {
                let ended = self.end_histogram(current, times.time)?;
                self.decoded.written.histograms += u64::from(ended.is_ok());
                return Ok(ended);
            }
            Err(reason) => return Ok(Err(reason)),
        };
        self.take_room(size_of_value(&value))?;
        self.push(current, shape, &times, value)
            .map(|pushed| pushed.map(|()| self.decoded.written.histograms += 1))
    }

    fn end_histogram(&mut self, current: Current<'_>, time: u64) -> Result<Result<(), Reason>, WireError> {
        let known = self.memory.table.get_mut(current.slot);
        // Of one never met here the bounds are not known: most have none of their own.
        let is_custom = known.custom.is_some();
        let is_exponential = known.exponential.is_some() || !is_custom;
        let times = Times { time, start: 0 };
        for (shape, lived) in [(Shape::Exponential, is_exponential), (Shape::Custom, is_custom)] {
            if lived {
                let pushed = self.push(current, shape, &times, Value::Empty)?;
                if pushed.is_err() {
                    return Ok(pushed);
                }
            }
        }
        Ok(Ok(()))
    }
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Histogram(histogram) => 16 * histogram.bucket_counts.len() + size_of_val(&**histogram),
        Value::ExponentialHistogram(histogram) => {
            let buckets = histogram.positive.counts.len() + histogram.negative.counts.len();
            8 * buckets + size_of_val(&**histogram)
        }
        _ => 0,
    }
}
