//! What is on its way to the disk: until it is known to have come there, it counts as no safer than what is in memory.

use super::super::queue::{Queue, State};
use super::OnDisk;

impl OnDisk {
    pub(in crate::delivery) fn is_being_written(&self) -> bool {
        !self.writing.is_empty()
    }
}

impl Queue {
    /// The fate of a record is known: what waits for that goes on.
    pub(super) fn fate_is_known(&self) {
        self.to_load.notify_one();
        self.room.notify_waiters();
        if self.closing.is_cancelled() {
            // A consumer ends only when it is known what is in memory alone.
            self.work.notify_one();
        }
    }

    /// Waits until it is known of all records whether they are on disk, or nothing is held.
    pub(in crate::delivery) async fn wait_until_written(&self) {
        self.wait_until(|| {
            let state = self.state();
            !state.on_disk.is_being_written() || state.counts.held.points == 0
        })
        .await;
    }

    /// What is known to be on disk is not handed on with the rest, so it has to be known first.
    pub(in crate::delivery) async fn know_what_is_handed_on(&self) {
        if self.handed_on.is_cancelled() {
            self.wait_until_written().await;
        }
    }

    /// The disk is not waited for any longer: what is being written counts as in memory alone, until it is written after
    /// all. Returns how many points.
    pub(in crate::delivery) fn doubt(&self) -> u64 {
        let points = self.state().doubt();
        self.fate_is_known();
        points
    }
}

impl State {
    pub(in crate::delivery) fn doubt(&mut self) -> u64 {
        let records = std::mem::take(&mut self.on_disk.writing).into_values();
        records
            .map(|record| {
                record.lose();
                record.open_points()
            })
            .sum()
    }
}
