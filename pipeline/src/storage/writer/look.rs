//! Whether the files are there yet: somebody may delete them while they are open, and writing to them goes on as if nothing
//! had happened.

use std::collections::HashSet;
use std::io;

use tracing::error;

use super::super::Backlog;
use super::super::segments::SPARE;
use super::Writer;

impl Writer {
    /// Looks after the files: all of them where somebody asks or something is amiss, and where it is time whether it is.
    pub(super) fn look(&mut self, is_time: bool) {
        // Whoever asked is told when these are dropped.
        let looks = std::mem::take(&mut self.shared.state().looks);
        if !is_time && looks.is_empty() {
            return;
        }
        let restored = self.disk.restore();
        if let Err(error) = &restored {
            self.segments.seal(&self.shared);
            self.fail("use its folder", error);
        }
        if looks.is_empty() && restored.is_ok_and(|was_well| was_well) && self.segments.have_names() {
            return;
        }
        match self.disk.names("") {
            Ok(names) => self.miss(&names.into_iter().collect()),
            // The folder itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.miss(&HashSet::new()),
            Err(error) => drop(self.fail("look for its files", &error)),
        }
    }

    /// Forgets what is not among these names. Who reads it is told.
    fn miss(&mut self, names: &HashSet<String>) {
        self.segments.is_amiss = false;
        if !names.contains(SPARE) {
            self.segments.drop_spare(&self.shared);
        }
        self.places.look(&self.shared);
        let mut state = self.shared.state();
        let (files, held) = state.forget(|name| names.contains(name));
        if !state.segments.back().is_some_and(|segment| segment.is_active) {
            self.segments.active = None;
        }
        self.tell_room(&mut state);
        drop(state);
        if files > 0 {
            self.say_deleted(files, held);
            self.shared.deleted.send_modify(|deleted| *deleted += files);
        }
    }

    fn say_deleted(&self, files: usize, held: Backlog) {
        self.shared.levels.failed();
        if let Some(suppressed) = self.shared.deletions.speak() {
            let (storage, path) = (&self.shared.id, self.disk.path());
            let Backlog { records, points, .. } = held;
            error!(
                %storage, %path, files, records, points, suppressed,
                "somebody has deleted files of the storage: what is not in memory of the records that waited is lost"
            );
        }
    }
}
