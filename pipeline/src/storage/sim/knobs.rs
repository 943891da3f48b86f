//! What tests do to the disk.

use std::ops::Range;

use super::SimDisk;

impl SimDisk {
    /// From its so-manieth change on the disk changes no more, as if the process had been killed there.
    pub(in super::super) fn crash_at(&self, operation: u64) {
        self.sim().crash_at = Some(operation);
    }

    pub(in super::super) fn operations(&self) -> u64 {
        self.sim().operations
    }

    pub(in super::super) fn syncs(&self) -> u64 {
        self.sim().syncs
    }

    pub(crate) fn hold_syncs(&self) {
        self.sim().holds_syncs = true;
    }

    pub(crate) fn release_syncs(&self) {
        self.sim().holds_syncs = false;
        self.0.1.notify_all();
    }

    /// The segment that is made ahead is there, so the writer has nothing to do.
    pub(in super::super) fn is_idle(&self) -> bool {
        self.sim().names.contains_key("spare")
    }

    pub(in super::super) fn limit(&self, size: Option<u64>) {
        self.sim().size = size;
    }

    /// Every change fails with this error.
    pub(crate) fn fail(&self, error: Option<i32>) {
        self.sim().fails = error;
    }

    pub(in super::super) fn fail_syncs(&self, error: Option<i32>) {
        self.sim().fails_sync = error;
    }

    pub(in super::super) fn unreadable(&self, name: &str, range: Range<u64>) {
        self.sim().unreadable.push((name.to_owned(), range));
    }

    /// Opening the file fails with this error.
    pub(in super::super) fn unopenable(&self, name: &str, error: i32) {
        self.sim().unopenable.push((name.to_owned(), error));
    }

    pub(in super::super) fn fail_reads(&self, times: u32) {
        self.sim().reads_fail = times;
    }

    pub(in super::super) fn readable(&self) {
        let mut sim = self.sim();
        sim.unreadable.clear();
        sim.unopenable.clear();
    }

    /// Deleting the file fails with this error.
    pub(in super::super) fn undeletable(&self, name: &str, error: i32) {
        self.sim().undeletable.push((name.to_owned(), error));
    }

    pub(in super::super) fn deletable(&self) {
        self.sim().undeletable.clear();
    }

    pub(in super::super) fn fail_cuts(&self, error: Option<i32>) {
        self.sim().fails_cut = error;
    }

    /// As on a file system that has no such call.
    pub(in super::super) fn set_nothing_aside(&self) {
        self.sim().sets_nothing_aside = true;
    }

    /// Whoever writes next panics.
    pub(in super::super) fn panic(&self) {
        self.sim().panics = true;
    }
}
