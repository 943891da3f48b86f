//! `batch`: how the exporters of a pipeline merge what waits, in the keys of the OpenTelemetry Collector.
//!
//! There is no step of this name: what merged batches in front of the queues would lose what a queue refuses
//! after it had told the sender that all is well.

#[cfg(test)]
mod tests;

use config::{Duration, Problem, Problems, Section};
use serde::{Deserialize, Serialize};

use crate::component::{Context, Entry, Processor, ProcessorEntry};
use crate::delivery::{BatchConfig, BatchSizer};

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "batch",
    aliases: &[],
    ignored: &[("", &["metadata_keys", "metadata_cardinality_limit"])],
    about: "Says how the exporters of the pipeline merge batches, where they do not say so themselves.",
    example: "\
timeout: 1s
send_batch_size: 4096
send_batch_max_size: 8192
",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The longest that a batch waits for others to join it; 0 sends at once.
    timeout: Duration,
    /// From so many points on a request goes out without waiting; 0 sends at once.
    send_batch_size: u32,
    /// Larger batches are cut; 0 for no limit, otherwise at least `send_batch_size`.
    send_batch_max_size: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { timeout: Duration::from_millis(200), send_batch_size: 8192, send_batch_max_size: 0 }
    }
}

fn build(section: &Section, _context: &Context) -> Result<Processor, Problems> {
    section.build(|config: Config| Ok(Processor::Merge(config.merge(section)?)))
}

impl Config {
    fn merge(&self, section: &Section) -> Result<BatchConfig, Problems> {
        let problems = self.problems(section);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let is_at_once = self.timeout.is_zero() || self.send_batch_size == 0;
        Ok(BatchConfig {
            flush_timeout: self.timeout,
            // Whatever is there is enough.
            min_size: if is_at_once { 1 } else { u64::from(self.send_batch_size) },
            max_size: u64::from(self.send_batch_max_size),
            sizer: Some(BatchSizer::Items),
        })
    }

    fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (size, max) = (self.send_batch_size, self.send_batch_max_size);
        if max > 0 && max < size {
            let text = format!(
                "expected `0` for no limit or at least `send_batch_size`, which is `{size}`, got `{max}`"
            );
            problems.push(section.problem("send_batch_max_size", text));
        }
        problems
    }
}
