//! Queues on disk: a log of OTLP requests, written once for all exporters that keep their queue in it.
//!
//! An exporter is a [`Reader`] of the log. A record names the readers it is for; each settles it when its
//! fate is decided (delivered, or dropped and counted), and what all have settled is deleted.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::batch::Batch;
use crate::component::BoxError;

/// The number of a record: grows with every one, across restarts.
pub type Sequence = u64;

/// The keys of `file_storage`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub directory: String,
}

/// The storages in service, and the logs that are open.
#[derive(Debug, Default)]
pub struct Storages {
    configs: HashMap<String, Config>,
}

/// A log in a folder of its own; one process at a time may hold it.
#[derive(Debug, Default)]
pub struct Log {
    order: Mutex<()>,
}

/// One exporter's place in a log.
#[derive(Debug)]
pub struct Reader {}

/// A record as it is read back.
#[derive(Debug, Clone)]
pub struct Record {
    pub sequence: Sequence,
    pub points: u64,
    /// When it was written, in nanoseconds since 1970.
    pub written_unix_nano: u64,
    /// An OTLP request.
    pub request: Bytes,
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
        Self { configs }
    }

    /// Whether this id may be named, or what to tell whoever wrote it.
    pub fn check(&self, id: &str) -> Result<(), String> {
        if self.configs.contains_key(id) { Ok(()) } else { Err(format!("no storage `{id}` is in service")) }
    }

    /// Opens the log of the storage with this id, or gives the one that is open in its folder.
    pub async fn open(&self, id: &str) -> Result<Arc<Log>, BoxError> {
        Err(format!("storage `{id}` cannot be opened").into())
    }
}

impl Log {
    /// The place of the exporter with this id, and what it has not settled. It must be free: an exporter that was
    /// replaced first lets go of it.
    pub fn reader(self: &Arc<Self>, exporter: &str) -> Result<(Reader, Backlog), BoxError> {
        Err(format!("`{exporter}` has no place").into())
    }

    /// Whether a record of about so many bytes would be written; asked before the processors see the batch.
    pub fn room(&self, bytes: u64) -> Result<(), Unwritable> {
        Err(Unwritable { reason: format!("{bytes} bytes cannot be written") })
    }

    /// Held by whoever appends until every queue knows of the record: so each queue hears of its records in the
    /// order in which they are in the log.
    pub fn order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record for these readers, behind all that were added before.
    pub fn append(&self, batch: &Arc<Batch>, readers: &[&Reader]) -> Append {
        let _ = (batch, readers);
        let unwritable = Unwritable { reason: String::from("nothing can be written") };
        Append { sequence: 0, written: Box::pin(async { Err(unwritable) }) }
    }
}

impl Reader {
    /// Reads records that are not settled, from this one on, up to about so many bytes; empty at the end.
    ///
    /// At least all whose `written` has ended well are seen, in the order of their sequences.
    pub async fn read(&self, from: Sequence, bytes_max: u64) -> Result<Vec<Record>, BoxError> {
        let _ = (from, bytes_max);
        Ok(Vec::new())
    }

    /// The fate of the record is decided; it will not be read again, not even after a crash of the process.
    ///
    /// May come before the record's `written` has ended, and for a record that could not be written.
    pub fn settle(&self, sequence: Sequence) {
        let _ = sequence;
    }

    /// What the log asks the reader to give up; each change is one request.
    pub fn pressure(&self) -> watch::Receiver<Option<GiveUp>> {
        watch::channel(None).1
    }
}
