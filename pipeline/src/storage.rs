//! Queues on disk: a log of OTLP requests, written once for all exporters that keep their queue in it.
//!
//! An exporter is a [`Reader`] of the log. A record names the readers it is for; each settles it when its
//! fate is decided (delivered, or dropped and counted), and what all have settled is deleted.

mod config;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use opentelemetry::metrics::Meter;
use tokio::sync::watch;

use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::BoxError;

pub use config::{Config, Fsync, Mode, Unclaimed, WhenFull, WhenUnwritable};

/// The number of a record: grows with every one, across restarts.
pub type Sequence = u64;

/// The storages in service, and the logs that are open.
#[derive(Debug, Default)]
pub struct Storages {
    configs: HashMap<String, Config>,
    open: Arc<Mutex<HashMap<String, Weak<Log>>>>,
}

/// A log in a folder of its own; one process at a time may hold it.
#[derive(Debug)]
pub struct Log {
    order: Mutex<()>,
    when_unwritable: WhenUnwritable,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Sequence,
    records: BTreeMap<Sequence, (Record, Vec<String>)>,
    claimed: Vec<String>,
}

/// One exporter's place in a log; dropping it frees the place.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    exporter: String,
    pressure: watch::Sender<Option<GiveUp>>,
}

/// A record as it is read back.
#[derive(Debug, Clone)]
pub struct Record {
    pub sequence: Sequence,
    pub points: u64,
    /// When it was written, in nanoseconds since 1970.
    pub written_unix_nano: u64,
    /// An OTLP request; empty where the record is damaged.
    pub request: Bytes,
    /// Whether it cannot be read any more: its points are lost, and it only waits to be counted and settled.
    pub is_damaged: bool,
}

/// What a reader has not settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    pub records: u64,
    pub points: u64,
    pub bytes: u64,
}

/// The log asks a reader to give up what it has not begun to send, up to and with this record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveUp {
    pub up_to: Sequence,
    /// A fixed word for the counters: `storage_full`, `too_old`.
    pub reason: &'static str,
}

/// The log cannot be written now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    /// For the sender's log, with the folder and what is wrong with it.
    pub reason: String,
}

/// A record on its way to the disk.
pub struct Append {
    pub sequence: Sequence,
    /// Ends when the record is as safe as `fsync` asks for. Where it failed, the record is not in the log.
    pub written: BoxFuture<'static, Result<(), Unwritable>>,
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Storages {
    /// The same open logs, with other storages in service.
    pub fn with(&self, configs: HashMap<String, Config>) -> Self {
        Self { configs, open: self.open.clone() }
    }

    /// Whether this id may be named, or what to tell whoever wrote it.
    pub fn check(&self, id: &str) -> Result<(), String> {
        if self.configs.contains_key(id) { Ok(()) } else { Err(format!("no storage `{id}` is in service")) }
    }

    /// Opens the log of the storage with this id, or gives the one that is open in its folder, which from then on
    /// keeps to the limits of this configuration.
    pub async fn open(&self, id: &str, meter: &Meter, clock: &Clock) -> Result<Arc<Log>, BoxError> {
        let _ = meter;
        self.check(id)?;
        let config = &self.configs[id];
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = open.get(&config.directory).and_then(Weak::upgrade) {
            return Ok(log);
        }
        let log = Arc::new(Log {
            order: Mutex::default(),
            when_unwritable: config.when_unwritable,
            clock: clock.clone(),
            state: Mutex::default(),
        });
        open.insert(config.directory.clone(), Arc::downgrade(&log));
        Ok(log)
    }
}

impl Log {
    /// The place of the exporter with this id, and what it has not settled. It must be free: an exporter that was
    /// replaced first lets go of it.
    pub fn reader(self: &Arc<Self>, exporter: &str) -> Result<(Reader, Backlog), BoxError> {
        let mut state = self.state();
        if state.claimed.iter().any(|claimed| claimed == exporter) {
            return Err(format!("`{exporter}` already keeps its queue here").into());
        }
        state.claimed.push(exporter.to_owned());
        drop(state);
        let reader =
            Reader { log: self.clone(), exporter: exporter.to_owned(), pressure: watch::Sender::new(None) };
        let backlog = reader.backlog();
        Ok((reader, backlog))
    }

    /// Whether a record of about so many bytes would be written; asked before the processors see the batch.
    pub fn room(&self, bytes: u64) -> Result<(), Unwritable> {
        let _ = bytes;
        Ok(())
    }

    /// What is to become of new batches while the disk cannot be written.
    pub fn when_unwritable(&self) -> WhenUnwritable {
        self.when_unwritable
    }

    /// Held by whoever appends until every queue knows of the record: so each queue hears of its records in the
    /// order in which they are in the log.
    pub fn order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record for these readers, behind all that were added before.
    pub fn append(&self, batch: &Arc<Batch>, readers: &[&Reader]) -> Append {
        let mut request = Vec::new();
        crate::otlp::encode(batch, &mut request);
        let mut state = self.state();
        state.last += 1;
        let record = Record {
            sequence: state.last,
            points: batch.len() as u64,
            written_unix_nano: self.clock.unix_nano(),
            request: request.into(),
            is_damaged: false,
        };
        let readers = readers.iter().map(|reader| reader.exporter.clone()).collect();
        let sequence = state.last;
        state.records.insert(sequence, (record, readers));
        Append { sequence, written: Box::pin(async { Ok(()) }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// Reads records that are not settled, from this one on, up to about so many bytes (but at least one, where
    /// there is one), in the order of their sequences; empty at the end.
    ///
    /// All are seen whose `written` has ended well.
    pub async fn read(&self, from: Sequence, bytes_max: u64) -> Result<Vec<Record>, BoxError> {
        let mut bytes = 0;
        let state = self.log.state();
        let unsettled =
            state.records.range(from..).filter(|(_, (_, readers))| readers.contains(&self.exporter));
        let within = unsettled.take_while(|(_, (record, _))| {
            let is_within = bytes == 0 || bytes + record.request.len() as u64 <= bytes_max;
            bytes += record.request.len() as u64;
            is_within
        });
        Ok(within.map(|(_, (record, _))| record.clone()).collect())
    }

    /// The fate of the record is decided; it will not be read again, not even after a crash of the process.
    ///
    /// May come before the record's `written` has ended, and for a record that could not be written.
    pub fn settle(&self, sequence: Sequence) {
        let mut state = self.log.state();
        if let Some((_, readers)) = state.records.get_mut(&sequence) {
            readers.retain(|reader| *reader != self.exporter);
            if readers.is_empty() {
                state.records.remove(&sequence);
            }
        }
    }

    /// What is not settled now.
    pub fn backlog(&self) -> Backlog {
        let mut backlog = Backlog::default();
        for (record, readers) in self.log.state().records.values() {
            if readers.contains(&self.exporter) {
                backlog.records += 1;
                backlog.points += record.points;
                backlog.bytes += record.request.len() as u64;
            }
        }
        backlog
    }

    /// When the oldest record was written that is not settled.
    pub fn oldest_unix_nano(&self) -> Option<u64> {
        let state = self.log.state();
        let oldest = state.records.values().find(|(_, readers)| readers.contains(&self.exporter));
        oldest.map(|(record, _)| record.written_unix_nano)
    }

    /// What the log asks the reader to give up; each change is one request.
    pub fn pressure(&self) -> watch::Receiver<Option<GiveUp>> {
        self.pressure.subscribe()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.log.state().claimed.retain(|claimed| *claimed != self.exporter);
    }
}
