//! What of a request that is under way may be left to another, at the end of its outbox.

use std::sync::atomic::Ordering;

use super::dispatch::{Dispatch, Request};

impl Dispatch {
    /// Whether a request is not left to another: some of it is in memory alone, or is decided and would be sent again.
    /// Where it is handed on as it is, neither matters; but what is on disk is not, as the other reads it from there.
    pub(super) fn must_end(&self, request: &Request<'_>) -> bool {
        let is_handed_on = self.queue.handed_on.is_cancelled() && request.on_disk() == 0;
        !is_handed_on && (request.is_in_memory() || request.is_begun.load(Ordering::Relaxed))
    }

    /// Waits until the request is to be left, or handed on, and may be: what is on its way to the disk comes there.
    pub(super) async fn is_left(&self, request: &Request<'_>) {
        tokio::select! {
            () = self.queue.leaving.cancelled() => {}
            () = self.queue.handed_on.cancelled() => {}
        }
        self.queue.wait_until(|| !self.must_end(request)).await;
    }
}

impl Request<'_> {
    /// Some of it is in memory alone.
    fn is_in_memory(&self) -> bool {
        self.parcel.is_some_and(|parcel| parcel.only_in_memory() > 0)
    }

    /// How many of its points are known to be on disk.
    fn on_disk(&self) -> u64 {
        self.parcel.map_or(0, |parcel| parcel.size.points - parcel.only_in_memory())
    }
}
