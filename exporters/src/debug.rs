//! Prints points in the one-line notation, for a person to look at.
//!
//! ```yaml
//! exporters:
//!   debug:
//!     verbosity: normal
//! ```
//!
//! Printing is done by a thread of its own, so that a terminal that does not take text holds up nobody; what
//! it cannot take in time is left out and counted.

mod printer;
mod sampling;

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use ::config::{Problems, Section};
use futures_util::future::BoxFuture;
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, Entry, ExportError, Exporter, ExporterEntry, Receipt,
};
use pipeline::{Batch, notation};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::warn;

use printer::Printer;
use sampling::Sampling;

pub(crate) const ENTRY: ExporterEntry = Entry {
    name: "debug",
    aliases: &[],
    ignored: &[],
    about: "Prints points for a person to look at.",
    example: "verbosity: detailed\nsampling_initial: 5\nsampling_thereafter: 200\n",
    effective: ::config::effective::<Config>,
    build,
};

/// The exporter that was here before, which the OpenTelemetry Collector no longer has.
pub(crate) const LOGGING: ExporterEntry = Entry {
    name: "logging",
    aliases: &[],
    ignored: &[],
    about: "The older name of `debug`, with its older keys.",
    example: "loglevel: debug\n",
    effective: ::config::effective::<LoggingConfig>,
    build: build_logging,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    verbosity: Verbosity,
    /// Batches printed at the start of each second.
    sampling_initial: u64,
    /// Of the batches after these, every so many is printed; 0 is none.
    sampling_thereafter: u64,
    /// Accepted for what was written for the OpenTelemetry Collector; points are never part of the log.
    use_internal_logger: bool,
    /// Where to print: `stdout` or `stderr`.
    output_paths: Vec<Output>,
}

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verbosity {
    /// A line a batch.
    #[default]
    Basic,
    /// A line a point.
    Normal,
    /// Also resource, scope and description.
    Detailed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Output {
    Stdout,
    Stderr,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LoggingConfig {
    verbosity: Option<Verbosity>,
    loglevel: LogLevel,
    sampling_initial: u64,
    sampling_thereafter: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

struct Debug {
    verbosity: Verbosity,
    sampling: Mutex<Sampling>,
    outputs: Vec<Output>,
    printers: Mutex<Vec<Printer>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
            use_internal_logger: true,
            output_paths: vec![Output::Stdout],
        }
    }
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { verbosity: None, loglevel: LogLevel::Info, sampling_initial: 2, sampling_thereafter: 500 }
    }
}

impl From<LoggingConfig> for Config {
    fn from(logging: LoggingConfig) -> Self {
        let by_level = match logging.loglevel {
            LogLevel::Debug => Verbosity::Detailed,
            LogLevel::Info => Verbosity::Normal,
            LogLevel::Warn | LogLevel::Error => Verbosity::Basic,
        };
        Self {
            verbosity: logging.verbosity.unwrap_or(by_level),
            sampling_initial: logging.sampling_initial,
            sampling_thereafter: logging.sampling_thereafter,
            ..Self::default()
        }
    }
}

fn build(section: &Section, _context: &Context) -> Result<BuiltExporter, Problems> {
    Ok(built(section.read()?))
}

fn build_logging(section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let config: LoggingConfig = section.read()?;
    warn!(exporter = context.id, "`logging` is an older name; write `debug`, and `verbosity` for `loglevel`");
    Ok(built(config.into()))
}

fn built(config: Config) -> BuiltExporter {
    let exporter = Debug {
        verbosity: config.verbosity,
        sampling: Mutex::new(Sampling::new(config.sampling_initial, config.sampling_thereafter)),
        outputs: config.output_paths,
        printers: Mutex::default(),
    };
    BuiltExporter { exporter: Arc::new(exporter), delivery: Delivery::Direct }
}

/// The text for a batch, ending with a line feed.
fn render(batch: &Batch, verbosity: Verbosity) -> String {
    match verbosity {
        Verbosity::Basic => summary(batch),
        Verbosity::Detailed => notation::write(batch),
        Verbosity::Normal => {
            let mut text = String::new();
            for point in batch {
                notation::write_point(&mut text, point);
                text.push('\n');
            }
            text
        }
    }
}

fn summary(batch: &Batch) -> String {
    let (mut resources, mut metrics) = (HashSet::new(), HashSet::new());
    for point in batch {
        resources.insert(Arc::as_ptr(point.series.resource()));
        metrics.insert(Arc::as_ptr(point.series.metric()));
    }
    let mut text = String::new();
    let counts = [("point", batch.len()), ("metric", metrics.len()), ("resource", resources.len())];
    for (index, (word, count)) in counts.into_iter().enumerate() {
        let (comma, plural) = (if index == 0 { "" } else { ", " }, if count == 1 { "" } else { "s" });
        write!(text, "{comma}{count} {word}{plural}").expect("writing to a string does not fail");
    }
    text.push('\n');
    text
}

impl Exporter for Debug {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        let opened: Result<Vec<_>, _> = self.outputs.iter().map(|output| Printer::start(*output)).collect();
        Box::pin(async move {
            *self.printers.lock().unwrap_or_else(PoisonError::into_inner) = opened?;
            Ok(Vec::new())
        })
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        let is_sampled = self.sampling.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        if is_sampled && !batch.is_empty() {
            let text = render(batch, self.verbosity);
            for printer in &mut *self.printers.lock().unwrap_or_else(PoisonError::into_inner) {
                printer.print(text.clone());
            }
        }
        Box::pin(std::future::ready(Ok(Receipt::default())))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        let printers = std::mem::take(&mut *self.printers.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(async move {
            for printer in printers {
                printer.stop().await;
            }
        })
    }
}

#[cfg(test)]
mod tests;
