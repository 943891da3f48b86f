//! The keys `sending_queue` and `retry_on_failure`, as in the OpenTelemetry Collector.

use ::config::{Duration, Problem, Section, Value};
use serde::{Deserialize, Serialize};

/// More consumers than this are a slip of the pen: each is a request under way.
const CONSUMERS_MAX: usize = 1024;

/// How long a batch is tried that is in memory alone, where nothing else is said.
const ELAPSED_MAX: std::time::Duration = std::time::Duration::from_mins(5);

/// The queue in front of an exporter (`sending_queue`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Whether there is a queue. Without one a sender waits until its batch is sent or given up.
    pub enabled: bool,
    /// How many requests are under way at once. With 1 the batches are sent in the order they came;
    /// with more, one that is tried again is overtaken by those behind it. Above 0.
    pub num_consumers: usize,
    /// How much the queue holds, in units of `sizer`: what waits and what is under way. Above 0.
    ///
    /// With `sizer: requests` it holds no more than 1000 points a request on average, however large the
    /// requests are. A batch that is larger than the whole queue is taken when the queue is empty.
    pub queue_size: u64,
    /// What `queue_size` counts.
    pub sizer: Sizer,
    /// Whether a sender waits for room where the queue is full. If not it is told to try later.
    pub block_on_overflow: bool,
    /// Whether a sender waits until its batch is sent or given up, not only until it is queued.
    pub wait_for_result: bool,
    /// The extension that keeps the queue on disk; in memory if not given.
    pub storage: Option<String>,
    /// Merges what waits into larger requests. Off unless given; `batch: {}` turns it on.
    pub batch: Option<BatchConfig>,
}

/// What a queue counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sizer {
    /// Batches as they came in.
    #[default]
    Requests,
    /// Points.
    Items,
    /// An estimate of the encoded size: attributes, times and values, without what points share.
    Bytes,
}

/// How what waits is merged into requests (`sending_queue.batch`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchConfig {
    /// The longest that a batch waits for others to join it. Above 0.
    pub flush_timeout: Duration,
    /// From this size on a request goes out without waiting, in units of `sizer`.
    pub min_size: u64,
    /// Larger batches are cut; 0 for no limit, otherwise at least `min_size`.
    pub max_size: u64,
    /// What the two sizes count; if not given, what the queue counts where that is items or bytes, else items.
    pub sizer: Option<BatchSizer>,
}

/// What the sizes of a merged request count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchSizer {
    /// Points.
    Items,
    /// The same estimate as [`Sizer::Bytes`].
    Bytes,
}

/// What happens after a failure that may pass (`retry_on_failure`).
///
/// The wait before attempt `n + 1` is drawn evenly from `interval * (1 - randomization_factor)` to
/// `interval * (1 + randomization_factor)`, where `interval` is `initial_interval * multiplier^(n - 1)`
/// but no more than `max_interval`. Where the other side said when to come back, it is at least that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Whether a batch is tried again at all. If not it is dropped and counted after one failure.
    pub enabled: bool,
    /// The interval after the first failure.
    pub initial_interval: Duration,
    /// How far the wait may lie from the interval, from 0 to 1.
    pub randomization_factor: f64,
    /// What each interval is multiplied with to get the next; at least 1.
    pub multiplier: f64,
    /// The longest interval.
    pub max_interval: Duration,
    /// From the first attempt on, how long a batch is tried before it is dropped; 0 for ever.
    ///
    /// If not given, five minutes where the queue is in memory, and for ever where it is on disk.
    pub max_elapsed_time: Option<Duration>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            num_consumers: 10,
            queue_size: 1000,
            sizer: Sizer::default(),
            block_on_overflow: false,
            wait_for_result: false,
            storage: None,
            batch: None,
        }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { flush_timeout: Duration::from_millis(200), min_size: 8192, max_size: 0, sizer: None }
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: None,
        }
    }
}

impl QueueConfig {
    /// What is wrong with the values; `section` is the exporter's, which holds `sending_queue`.
    pub fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key: &str, text: String| {
            problems.push(section.problem(&format!("sending_queue.{key}"), text));
        };
        if !self.enabled {
            if self.storage.is_some() {
                let text = "without a queue nothing is kept there; take out this or `enabled: false`";
                report("storage", text.to_owned());
            }
            return problems;
        }
        if self.storage.is_some() && self.wait_for_result {
            let text = "a sender cannot wait for the result of what is sent from the disk, perhaps after a restart; \
                        take out this or `storage`";
            report("wait_for_result", text.to_owned());
        }
        if self.num_consumers == 0 || self.num_consumers > CONSUMERS_MAX {
            let text = format!("expected 1 to {CONSUMERS_MAX}, got `{}`", self.num_consumers);
            report("num_consumers", text);
        }
        if self.queue_size == 0 {
            report("queue_size", "expected more than `0`".to_owned());
        }
        let Some(batch) = &self.batch else { return problems };
        if batch.flush_timeout.is_zero() {
            report("batch.flush_timeout", "expected more than `0s`, such as `200ms`".to_owned());
        }
        if batch.max_size != 0 && batch.max_size < batch.min_size {
            let text = format!(
                "expected `0` for no limit or at least `min_size`, which is `{}`, got `{}`",
                batch.min_size, batch.max_size
            );
            report("batch.max_size", text);
        }
        let same_sizer = matches!(
            (self.sizer, batch.sizer_in(self.sizer)),
            (Sizer::Items, BatchSizer::Items) | (Sizer::Bytes, BatchSizer::Bytes)
        );
        if same_sizer && batch.min_size > self.queue_size {
            let text = format!(
                "expected at most `queue_size`, which is `{}`, got `{}`",
                self.queue_size, batch.min_size
            );
            report("batch.min_size", text);
        }
        problems
    }
}

impl BatchConfig {
    /// What the sizes count behind a queue that counts so.
    pub(super) fn sizer_in(&self, queue: Sizer) -> BatchSizer {
        self.sizer.unwrap_or(match queue {
            Sizer::Requests | Sizer::Items => BatchSizer::Items,
            Sizer::Bytes => BatchSizer::Bytes,
        })
    }
}

impl RetryConfig {
    /// What is wrong with the values; `section` is the exporter's, which holds `retry_on_failure`.
    pub fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.enabled {
            return problems;
        }
        let mut report = |key: &str, text: String| {
            problems.push(section.problem(&format!("retry_on_failure.{key}"), text));
        };
        if self.initial_interval.is_zero() {
            report("initial_interval", "expected more than `0s`, such as `5s`".to_owned());
        }
        if !(0.0..=1.0).contains(&self.randomization_factor) {
            let text = format!("expected a number from 0 to 1, got `{}`", self.randomization_factor);
            report("randomization_factor", text);
        }
        if !(self.multiplier >= 1.0 && self.multiplier.is_finite()) {
            report("multiplier", format!("expected at least 1, got `{}`", self.multiplier));
        }
        if self.max_interval < self.initial_interval {
            let text = format!(
                "expected at least `initial_interval`, which is `{}`, got `{}`",
                self.initial_interval, self.max_interval
            );
            report("max_interval", text);
        }
        let least = self.max_interval.max(self.initial_interval);
        if let Some(max) = self.max_elapsed_time.filter(|max| !max.is_zero() && *max < least) {
            let text = format!(
                "expected `0` for no end or at least the longest interval, which is `{least}`, got `{max}`"
            );
            report("max_elapsed_time", text);
        }
        problems
    }

    /// How long a batch is tried in front of a queue in memory or on disk; `None` for ever.
    pub(super) fn elapsed_max(&self, is_on_disk: bool) -> Option<std::time::Duration> {
        let max = match self.max_elapsed_time {
            Some(max) => max.0,
            None if is_on_disk => std::time::Duration::ZERO,
            None => ELAPSED_MAX,
        };
        (!max.is_zero()).then_some(max)
    }
}

/// Fills in of an exporter's section how long a batch is tried, which follows from where its queue is.
pub fn complete(mut section: Value) -> Value {
    let is_on_disk =
        section.find_ref("sending_queue.storage").is_some_and(|storage| storage.as_str().is_some());
    if let Value::Dict(_, keys) = &mut section
        && let Some(Value::Dict(_, retry)) = keys.get_mut("retry_on_failure")
        && let Some(max @ Value::Empty(..)) = retry.get_mut("max_elapsed_time")
    {
        let elapsed_max = RetryConfig::default().elapsed_max(is_on_disk).unwrap_or_default();
        *max = Value::from(Duration(elapsed_max).to_string());
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Keys {
        sending_queue: QueueConfig,
        retry_on_failure: RetryConfig,
    }

    #[track_caller]
    fn check(yaml: &str, expected: &[&str]) {
        let section = Section::from_yaml("exporters.x", yaml).unwrap();
        let keys: Keys = section.read().unwrap();
        let mut problems = keys.sending_queue.problems(&section);
        problems.extend(keys.retry_on_failure.problems(&section));
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        let expected: Vec<_> = expected.iter().map(|key| format!("exporters.x.{key}")).collect();
        assert_eq!(paths, expected, "{yaml}");
    }

    #[test]
    fn every_value_that_cannot_work_is_a_problem() {
        check("", &[]);
        check(
            "sending_queue: {batch: {}, queue_size: 5000, sizer: bytes}",
            &["sending_queue.batch.min_size"],
        );
        check(
            "sending_queue: {num_consumers: 0, queue_size: 0}",
            &["sending_queue.num_consumers", "sending_queue.queue_size"],
        );
        check("sending_queue: {num_consumers: 0, enabled: false}", &[]);
        check("sending_queue: {storage: file_storage/x}", &[]);
        check("sending_queue: {storage: x, enabled: false}", &["sending_queue.storage"]);
        check("sending_queue: {storage: x, wait_for_result: true}", &["sending_queue.wait_for_result"]);
        check(
            "sending_queue: {batch: {flush_timeout: 0, max_size: 10}}",
            &["sending_queue.batch.flush_timeout", "sending_queue.batch.max_size"],
        );
        check(
            "retry_on_failure: {initial_interval: 0s, randomization_factor: 1.5, multiplier: 0.5}",
            &[
                "retry_on_failure.initial_interval",
                "retry_on_failure.randomization_factor",
                "retry_on_failure.multiplier",
            ],
        );
        check(
            "retry_on_failure: {initial_interval: 40s, max_elapsed_time: 20s}",
            &["retry_on_failure.max_interval", "retry_on_failure.max_elapsed_time"],
        );
        check("retry_on_failure: {max_elapsed_time: 0}", &[]);
        check("retry_on_failure: {enabled: false, multiplier: 0}", &[]);
    }

    #[test]
    fn an_empty_batch_section_turns_batching_on() {
        let section = Section::from_yaml("x", "{batch: {}}").unwrap();
        assert_eq!(section.read::<QueueConfig>().unwrap().batch, Some(BatchConfig::default()));
    }
}
