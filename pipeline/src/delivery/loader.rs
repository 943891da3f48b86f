//! Reads back from the disk what a queue had forgotten, and gives up what the log asks to be given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::claim::Recorded;
use super::dispatch::Dispatch;
use super::journal::Cause;
use super::load::Load;
use super::on_disk::Loaded;
use crate::clock::Clock;
use crate::otlp::Decoder;
use crate::registry::Registry;
use crate::storage::{GiveUp, Reader, Record, Sequence};

/// So much is read at once.
const READ_BYTES: u64 = 4 << 20;

/// How long to wait after the log could not be read.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait for what is on its way to the disk.
const WRITE_PAUSE: Duration = Duration::from_millis(20);

/// How often a decoder forgets series that it does not meet any more.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

pub(super) struct Loader {
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) reader: Arc<Reader>,
    pub(super) registry: Arc<Registry>,
    pub(super) clock: Clock,
}

/// Made when there is something to read, and gone when there is no more: it remembers series.
struct Decoding {
    decoder: Decoder,
    swept: Instant,
}

impl Loader {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        let mut pressure = self.reader.pressure();
        pressure.mark_changed();
        let mut deleted = self.reader.deleted();
        let (mut decoding, mut asked, mut misses) = (None, None, false);
        loop {
            misses |= deleted.has_changed().unwrap_or(false);
            deleted.mark_unchanged();
            if misses {
                misses = !self.dispatch.miss_deleted(&self.reader, false);
            }
            if pressure.has_changed().unwrap_or(false) {
                // Before the place is handed on, it is for the outbox before. What that has not given up, as it was under
                // way, is not what was asked for; but what is too old stays so.
                let is_heard = |asked: &GiveUp| asked.is_for_age() || !self.dispatch.queue.is_held_back();
                asked = pressure.borrow_and_update().filter(is_heard).or(asked);
            }
            if let Some(give_up) = asked.filter(|_| !self.dispatch.queue.is_held_back())
                && self.give_up(give_up).await
            {
                asked = None;
            }
            if self.load_some(&mut decoding).await {
                continue;
            }
            let to_load = self.dispatch.queue.to_load.notified();
            let (mut changes, mut deletions) = (pressure.clone(), deleted.clone());
            tokio::select! {
                () = to_load => {}
                Ok(()) = changes.changed() => {}
                Ok(()) = deletions.changed() => {}
            }
        }
    }

    /// Reads some records; returns whether there was a need.
    async fn load_some(&self, decoding: &mut Option<Decoding>) -> bool {
        let queue = &self.dispatch.queue;
        let Some(wanted) = queue.wanted() else {
            if queue.has_nothing_on_disk() {
                *decoding = None;
            }
            return false;
        };
        let records = match self.reader.read(wanted.next, READ_BYTES).await {
            Ok(records) => records,
            Err(error) => {
                self.dispatch.journal.unreadable(&*error);
                tokio::time::sleep(READ_PAUSE).await;
                return true;
            }
        };
        let is_end = records.is_empty();
        let decoding = decoding.get_or_insert_with(|| Decoding::new(&self.registry));
        let mut loaded = Vec::with_capacity(records.len());
        for record in records {
            loaded.push(self.decode(record, decoding));
            tokio::task::yield_now().await;
        }
        let lost = queue.loaded(wanted, loaded);
        self.dispatch.miss(lost, "records could not be read back from the disk");
        if is_end && queue.wanted().is_some() {
            tokio::time::sleep(WRITE_PAUSE).await;
        }
        true
    }

    fn decode(&self, record: Record, decoding: &mut Decoding) -> Loaded {
        if decoding.swept.elapsed() >= SWEEP_INTERVAL {
            decoding.decoder.sweep();
            decoding.swept = Instant::now();
        }
        let decoded = match decoding.decoder.decode(&record.request) {
            _ if record.is_damaged => Err("the record is damaged".to_owned()),
            Ok(decoded) if decoded.rejected > 0 => {
                self.dispatch.journal.lost(Cause::Unreadable, decoded.rejected, &decoded.message, None);
                Ok(decoded.batch)
            }
            Ok(decoded) => Ok(decoded.batch),
            Err(error) => Err(error.to_string()),
        };
        let load = match decoded {
            Ok(batch) => Some(Load::new(Arc::new(batch))),
            Err(reason) => {
                self.dispatch.journal.lost(Cause::Unreadable, record.points, &reason, None);
                None
            }
        };
        self.loaded(&record, load)
    }

    fn loaded(&self, record: &Record, load: Option<Load>) -> Loaded {
        let points = load.as_ref().map_or(0, |load| load.size.points);
        let age = Duration::from_nanos(self.clock.unix_nano().saturating_sub(record.written_unix_nano));
        let now = Instant::now();
        let recorded = Recorded::new(&self.reader, record.sequence, points);
        recorded.find();
        Loaded { record: recorded, points: record.points, since: now.checked_sub(age).unwrap_or(now), load }
    }

    /// Gives up what was not begun, up to a record; returns whether that was all of it.
    async fn give_up(&self, asked: GiveUp) -> bool {
        let queue = &self.dispatch.queue;
        // Each step is counted at once, as the task may be ended wherever it waits.
        self.given_up(queue.give_up_waiting(asked.up_to), asked.reason);
        while let Some(next) = queue.on_disk_up_to(asked.up_to) {
            let records = match self.reader.read(next, READ_BYTES).await {
                Ok(records) => records,
                Err(error) => {
                    // What loads next meets the same error, and waits.
                    self.dispatch.journal.unreadable(&*error);
                    return false;
                }
            };
            let records = self.up_to(asked.up_to, &records);
            if records.is_empty() {
                break;
            }
            self.given_up(queue.give_up_on_disk(records), asked.reason);
        }
        true
    }

    fn given_up(&self, points: u64, reason: &'static str) {
        if points > 0 {
            self.dispatch.metrics.send_failed(points, reason);
            self.dispatch.journal.lost(Cause::GivenUp, points, reason, None);
        }
    }

    fn up_to(&self, last: Sequence, records: &[Record]) -> Vec<Loaded> {
        let records = records.iter().take_while(|record| record.sequence <= last);
        records.map(|record| self.loaded(record, None)).collect()
    }
}

impl Dispatch {
    /// Counts what somebody has deleted from the disk; whether that is known.
    pub(super) fn miss_deleted(&self, reader: &Reader, is_end: bool) -> bool {
        let lost = self.queue.miss_deleted(|records| reader.backlog_within(records), is_end);
        self.miss(lost.unwrap_or(0), "somebody has deleted its files");
        lost.is_some()
    }

    fn miss(&self, points: u64, reason: &str) {
        if points > 0 {
            self.metrics.send_failed(points, Cause::Unreadable.word());
            self.journal.lost(Cause::Unreadable, points, reason, None);
        }
    }
}

impl Decoding {
    fn new(registry: &Arc<Registry>) -> Self {
        Self { decoder: Decoder::new(registry.clone()).trusting(), swept: Instant::now() }
    }
}
