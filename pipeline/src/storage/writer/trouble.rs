//! What is said and done when the disk fails, or there is no room on it.

use std::io;

use tracing::{error, info, warn};

use super::{Failure, RETRY_AFTER, Writer};

impl Writer {
    /// Leaves the disk alone for a while; what to tell whoever wants to write.
    pub(super) fn fail(&mut self, doing: &str, error: &io::Error) -> String {
        let reason = self.reason(doing, error);
        if let Some(suppressed) = self.shared.failures.speak() {
            let (storage, path) = (&self.shared.id, self.disk.path());
            error!(%storage, %path, %reason, suppressed, "storage cannot be written, new batches are refused");
        }
        self.failure = Some(Failure { reason: reason.clone(), retry_at: self.now() + RETRY_AFTER });
        // Making another will show that the disk can be written again.
        self.segments.drop_spare(&self.shared);
        let mut state = self.shared.state();
        state.room.lack = Some(reason.clone());
        // Before anybody is answered, who might ask for room.
        self.tell_room(&mut state);
        drop(state);
        reason
    }

    /// Says that the disk failed, though batches are taken.
    pub(super) fn complain(&self, doing: &str, error: &io::Error) {
        let reason = self.reason(doing, error);
        if let Some(suppressed) = self.shared.troubles.speak() {
            let (storage, path) = (&self.shared.id, self.disk.path());
            error!(%storage, %path, %reason, suppressed, "the disk of the storage fails");
        }
    }

    /// Counts that the disk failed; what to say of it.
    fn reason(&self, doing: &str, error: &io::Error) -> String {
        let free = self
            .disk
            .free_bytes()
            .map_or_else(|_| String::new(), |bytes| format!(", {bytes} bytes are free"));
        self.shared.levels.failed();
        format!("cannot {doing}: {error}{free}")
    }

    /// What is not safe at the end of a segment was answered for.
    pub(super) fn tell_sync(&mut self) {
        if let Some(error) = self.segments.sync_failed.take() {
            self.complain("make sure of the end of a file", &error);
        }
    }

    pub(super) fn say_full(&self) {
        if let Some(suppressed) = self.shared.fulls.speak() {
            let (storage, path) = (&self.shared.id, self.disk.path());
            let (max_size, when_full) = {
                let config = &self.shared.state().config;
                (config.max_size, config.when_full)
            };
            warn!(%storage, %path, %max_size, ?when_full, suppressed, "storage is full");
        }
    }

    pub(super) fn recovered(&mut self) {
        self.shared.state().room.lack = None;
        if self.failure.take().is_some() {
            let (storage, path) = (&self.shared.id, self.disk.path());
            info!(%storage, %path, "storage can be written again");
        }
    }
}
