//! Queues on disk: a log of OTLP requests, written once for all exporters that keep their queue in it.
//!
//! An exporter is a [`Reader`] of the log. A record names the readers it is for; each settles it when its
//! fate is decided (delivered, or dropped and counted), and what all have settled is deleted.

mod answer;
mod config;
mod disk;
mod folder;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod index;
mod levels;
mod log;
mod place;
mod places;
mod ranges;
mod reader;
mod records;
mod recover;
#[cfg(any(test, fuzzing))]
pub(crate) mod rig;
mod room;
mod scan;
mod segments;
#[cfg(any(test, fuzzing))]
pub(crate) mod sim;
mod state;
#[cfg(test)]
mod tests;
mod upkeep;
mod writer;

use std::collections::HashMap;
use std::ops::{AddAssign, SubAssign};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{fmt, fs};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::spawn_blocking;
use tracing::warn;

use self::disk::Folder;
use self::log::Time;
use crate::clock::Clock;
use crate::component::BoxError;
use crate::errors::chain;
use crate::telemetry::Meter;

pub use answer::Late;
pub use config::{Config, Fsync, Mode, Unclaimed, WhenFull, WhenUnwritable};
pub use log::Log;
pub use reader::{Reader, Settler};
pub use room::Kept;

/// How long after the start, or after an exporter was taken away, its place may be claimed before it counts as one
/// that nobody will claim.
const UNCLAIMED_AFTER: Duration = Duration::from_mins(1);

/// The number of a record: grows with every one, across restarts.
pub type Sequence = u64;

/// The storages in service, and the logs that are open.
#[derive(Debug, Default)]
pub struct Storages {
    configs: HashMap<String, Config>,
    open: Arc<tokio::sync::Mutex<HashMap<PathBuf, Weak<Log>>>>,
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

impl GiveUp {
    const TOO_OLD: &'static str = "too_old";

    /// Whether it is for being too old, rather than for the room it takes.
    pub fn is_for_age(&self) -> bool {
        self.reason == Self::TOO_OLD
    }
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
    /// Ends when the record is as safe as `fsync` asks for, or the first attempt at that has failed.
    pub written: BoxFuture<'static, Result<(), Late>>,
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

// A folder may be on a mount that hangs, so whatever looks at it does so where it holds up nobody else.
impl Storages {
    /// The same open logs, with other storages in service.
    pub fn with(&self, configs: HashMap<String, Config>) -> Self {
        Self { configs, open: self.open.clone() }
    }

    /// Whether this id may be named, or what to tell whoever wrote it. Waits for the disk where there are several.
    pub fn check(&self, id: &str) -> Result<(), String> {
        check(&self.configs, id).map(|_| ())
    }

    /// Opens the log of the storage with this id, or gives the one that is open in its folder, which keeps to its limits
    /// until [`apply`](Self::apply).
    pub async fn open(&self, id: &str, meter: &Meter, clock: &Clock) -> Result<Arc<Log>, BoxError> {
        let (configs, known) = (self.configs.clone(), id.to_owned());
        let config = spawn_blocking(move || check(&configs, &known).cloned()).await??;
        let opened = self.open_config(id, config, meter, clock).await;
        opened.map_err(|error| format!("{}; see `extensions.{id}.directory`", chain(&*error)).into())
    }

    async fn open_config(
        &self,
        id: &str,
        config: Config,
        meter: &Meter,
        clock: &Clock,
    ) -> Result<Arc<Log>, BoxError> {
        let (path, config) = spawn_blocking(move || (folder::path(&config), config)).await?;
        let path = path?;
        let mut open = self.open.lock().await;
        if let Some(log) = open.get(&path).and_then(Weak::upgrade) {
            return Ok(log);
        }
        let opened = {
            let (id, meter, clock, path) = (id.to_owned(), meter.clone(), clock.clone(), path.clone());
            spawn_blocking(move || -> Result<Log, BoxError> {
                let folder = Folder::open(path, config.clone())?;
                Log::open(&id, config, Arc::new(folder), Time::system(clock), &meter)
            })
        };
        let log = Arc::new(opened.await??);
        open.retain(|_, log| log.strong_count() > 0);
        open.insert(path, Arc::downgrade(&log));
        Ok(log)
    }
}

impl Storages {
    /// Lets logs that were open before keep to the limits that are in service now.
    pub async fn apply(&self) {
        let configs: Vec<_> = self.configs.values().cloned().collect();
        let found = spawn_blocking(|| {
            let with_path = |config: Config| Some((fs::canonicalize(&config.directory).ok()?, config));
            configs.into_iter().filter_map(with_path).collect()
        });
        let found: Vec<_> = found.await.unwrap_or_default();
        let open = self.open.lock().await;
        for (path, config) in found {
            if let Some(log) = open.get(&path).and_then(Weak::upgrade) {
                log.apply(&config);
            }
        }
    }

    /// Opens what no exporter has opened and still holds data, so that it is heard of, shown, and let go of in its
    /// time; each that cannot be opened is said.
    pub async fn open_left(&self, meter: &Meter, clock: &Clock) -> Vec<Arc<Log>> {
        let (mut left, configs) = (Vec::new(), self.configs.clone());
        let found = spawn_blocking(|| {
            let found = configs.into_iter().filter(|(_, config)| folder::has_data(config));
            found.map(|(id, config)| (id, config.directory)).collect()
        });
        let found: Vec<_> = found.await.unwrap_or_default();
        for (id, directory) in found {
            match self.open(&id, meter, clock).await {
                Ok(log) => left.push(log),
                Err(error) => {
                    let error = chain(&*error);
                    warn!(storage = %id, %directory, %error, "storage that no exporter uses cannot be opened");
                }
            }
        }
        left
    }
}

impl AddAssign for Backlog {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.points += other.points;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Backlog {
    fn sub_assign(&mut self, other: Self) {
        self.records -= other.records;
        self.points -= other.points;
        self.bytes -= other.bytes;
    }
}

/// The storage with this id, or what to tell whoever wrote it.
fn check<'a>(configs: &'a HashMap<String, Config>, id: &str) -> Result<&'a Config, String> {
    let Some(config) = configs.get(id) else {
        let mut known: Vec<&str> = configs.keys().map(String::as_str).collect();
        known.sort_unstable();
        return Err(if known.is_empty() {
            format!(
                "no storage is in service: configure `{id}` in `extensions` and name it in `service.extensions`"
            )
        } else {
            format!("no storage `{id}` is in service; there is `{}`", known.join("`, `"))
        });
    };
    let mut others = configs.iter().filter(|(other, _)| *other != id);
    match others.find(|(_, other)| folder::is_same(other, config)) {
        Some((other, _)) => {
            Err(format!("`{id}` and `{other}` have the same `directory`: one of them would do"))
        }
        None => Ok(config),
    }
}
