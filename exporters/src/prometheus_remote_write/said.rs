//! What the log is told of points that were not taken, now and then.

use std::time::Duration;

use pipeline::Quiet;
use tracing::warn;

use super::plan::Plan;
use crate::push::printable;

/// The least time between two lines about the same.
const LINE_PAUSE: Duration = Duration::from_mins(1);

/// When the log last told of them.
pub(super) struct Said {
    exporter: String,
    unsupported: Quiet,
    out_of_order: Quiet,
    refused: Quiet,
}

impl Said {
    pub(super) fn new(exporter: &str) -> Self {
        let [unsupported, out_of_order, refused] = [(); 3].map(|()| Quiet::new(LINE_PAUSE));
        Self { exporter: exporter.to_owned(), unsupported, out_of_order, refused }
    }

    /// Says which points are left out.
    pub(super) fn left_out(&self, plan: &Plan) {
        let exporter = self.exporter.as_str();
        if let Some((reason, series)) = &plan.first_unsupported
            && let Some(unsaid) = self.unsupported.speak()
        {
            let (reason, metric) = (reason.text(), printable(&series.metric().name));
            let points = plan.receipt.unsupported;
            warn!(exporter, points, metric, reason, unsaid, "points have no form in Remote Write");
        }
        if let Some(series) = &plan.first_out_of_order
            && let Some(unsaid) = self.out_of_order.speak()
        {
            let metric = printable(&series.metric().name);
            let points = plan.receipt.out_of_order;
            warn!(
                exporter,
                points, metric, unsaid, "points are not newer than what was sent under their name and labels"
            );
        }
    }

    /// Says how much the other side refused of a request, and why.
    pub(super) fn refused(&self, refused: u64, reason: &str) {
        if let Some(unsaid) = self.refused.speak() {
            let exporter = self.exporter.as_str();
            warn!(exporter, refused, reason, unsaid, "the other side did not take every sample");
        }
    }
}
