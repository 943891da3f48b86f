//! Applies mappings to batches.

use std::sync::Arc;

use super::compiled::Mapping;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::registry::Registry;

/// How an engine treats what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Series that a rule takes stay beside what is made of them.
    pub keeps_originals: bool,
}

/// Mappings at work, with what they remember.
#[derive(Debug)]
pub struct Engine {}

/// One metric of an engine's mappings, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub mapping: String,
    pub metric: String,
    /// Where the rule stands: `ainode.yaml:31`.
    pub place: String,
    pub series: usize,
    pub sources: Vec<Source>,
}

/// One element of `from`, or an operand.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// As in the file: ``gen_ai.server.request.duration (count) where `error.type` ``.
    pub input: String,
    /// How many series feed it now.
    pub live: usize,
    /// Whether the metric is made of this one now.
    pub is_used: bool,
}

/// What feeds a metric, or what is missing for it to exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub status: Status,
    /// The series that feed it, in the notation, at most 100: `vllm:num_requests_running{model_name="x"}`.
    pub inputs: Vec<String>,
    /// The series it has, in the notation, at most 100.
    pub outputs: Vec<String>,
    /// What stands in the way, in sentences; empty where the metric exists.
    pub missing: Vec<String>,
}

impl Engine {
    pub fn new(mappings: Vec<Arc<Mapping>>, options: Options, registry: Arc<Registry>, clock: Clock) -> Self {
        let _ = (mappings, options, registry, clock);
        Self {}
    }

    /// Maps a batch where it is.
    pub fn process(&mut self, batch: &mut Batch) {
        let _ = batch;
    }

    /// What is there without having been brought by a batch: constants, zeros, sums whose sources have gone, rates;
    /// and markers of what has ended. Called at the start and every few seconds.
    pub fn tick(&mut self) -> Batch {
        Batch::new()
    }

    /// Forgets what belongs to series that are gone.
    pub fn sweep(&mut self) {}

    /// Puts other rules in the place of those for the same metrics in the mapping of this name; `None` takes them
    /// away again. What is no longer made ends with the next tick.
    pub fn overlay(&mut self, mapping: &str, overlay: Option<Arc<super::live::Overlay>>) {
        let _ = (mapping, overlay);
    }

    /// The names of the mappings.
    pub fn mappings(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Every metric that is not hidden.
    pub fn status(&self) -> Vec<Status> {
        Vec::new()
    }

    /// One answer for each rule that makes a metric of this name.
    pub fn explain(&self, metric: &str) -> Vec<Explanation> {
        let _ = metric;
        Vec::new()
    }
}
