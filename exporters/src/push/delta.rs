//! Points of delta temporality, which backends of Prometheus' kind do not take.

use std::borrow::Cow;
use std::time::Duration;

use pipeline::{Batch, Point, Quiet, Temporality};
use serde::{Deserialize, Serialize};
use tracing::warn;

/// The least time between two lines about points that were left out.
const PAUSE: Duration = Duration::from_mins(1);

/// The `delta` key: what to do with points of delta temporality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Delta {
    #[default]
    Send,
    /// Leaves them out: where the other side takes none, they would cost the points beside them.
    Drop,
}

/// Leaves out what the other side does not take, and says so now and then.
#[derive(Debug)]
pub(crate) struct Sieve {
    delta: Delta,
    exporter: String,
    lines: Quiet,
}

impl Sieve {
    pub(crate) fn new(delta: Delta, exporter: &str) -> Self {
        Self { delta, exporter: exporter.to_owned(), lines: Quiet::new(PAUSE) }
    }

    /// What is sent of a batch, and how many points are not.
    pub(crate) fn sift<'a>(&self, batch: &'a Batch) -> (Cow<'a, Batch>, u64) {
        if self.delta == Delta::Send || !batch.iter().any(is_delta) {
            return (Cow::Borrowed(batch), 0);
        }
        let kept: Batch = batch.iter().filter(|point| !is_delta(point)).cloned().collect();
        let left_out = (batch.len() - kept.len()) as u64;
        if let Some(unsaid) = self.lines.speak() {
            let metric = batch.iter().find(|point| is_delta(point)).map(|point| &*point.series.metric().name);
            warn!(
                exporter = self.exporter,
                left_out,
                metric,
                unsaid,
                "points of delta temporality are left out: put the `delta_to_cumulative` processor before this \
                 exporter, or set `delta: send` if the other side takes them"
            );
        }
        (Cow::Owned(kept), left_out)
    }
}

fn is_delta(point: &Point) -> bool {
    point.series.metric().kind.temporality() == Some(Temporality::Delta)
}
