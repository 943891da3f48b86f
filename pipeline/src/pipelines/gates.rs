//! The gates of pipelines: what turns data away before anything else has seen it.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Pipeline;
use crate::component::{Gate, Processor};
use crate::output::Refused;

/// Why points or scrapes did not come through a gate; the only gate there is watches the memory.
const REASON: &str = "memory_limit";

/// The gates of one pipeline.
#[derive(Default)]
pub(super) struct Gates(Vec<Arc<dyn Gate>>);

impl Gates {
    /// Takes the gates out of a pipeline's processors.
    pub(super) fn split_off(processors: Vec<(String, Processor)>) -> (Self, Vec<(String, Processor)>) {
        let (mut gates, mut others) = (Self::default(), Vec::with_capacity(processors.len()));
        for (id, processor) in processors {
            match processor {
                Processor::Gate(gate) => gates.0.push(gate),
                other => others.push((id, other)),
            }
        }
        (gates, others)
    }

    pub(super) fn are_pressed(&self) -> bool {
        self.0.iter().any(|gate| gate.is_pressed())
    }

    /// The first gate that keeps things out.
    fn closed(&self) -> Option<(&Arc<dyn Gate>, Refused)> {
        self.0.iter().find_map(|gate| gate.admit().err().map(|refused| (gate, refused)))
    }
}

/// Whether all pipelines let a push in, of which nothing is known yet.
pub(super) fn ready(pipelines: &[Arc<Pipeline>]) -> Result<(), Refused> {
    pipelines.iter().find_map(|pipeline| pipeline.gates.closed()).map_or(Ok(()), |(_, refused)| Err(refused))
}

/// Lets a push into all pipelines, or into none.
pub(super) fn admit(pipelines: &[Arc<Pipeline>], points: u64) -> Result<(), Refused> {
    let Some((gate, refused)) = pipelines.iter().find_map(|pipeline| pipeline.gates.closed()) else {
        return Ok(());
    };
    gate.refused(points);
    Err(refused)
}

/// Counts what was let into all pipelines.
pub(super) fn accepted(pipelines: &[Arc<Pipeline>], points: u64) {
    pipelines.iter().flat_map(|pipeline| &pipeline.gates.0).for_each(|gate| gate.accepted(points));
}

/// The pipelines that let a scrape in; it is lost for the others, and counted there.
pub(super) fn open(pipelines: &[Arc<Pipeline>], points: u64) -> Vec<Arc<Pipeline>> {
    let lets_in = |pipeline: &&Arc<Pipeline>| {
        let Some((gate, _)) = pipeline.gates.closed() else {
            pipeline.gates.0.iter().for_each(|gate| gate.accepted(points));
            return true;
        };
        gate.refused(points);
        pipeline.metrics.dropped(points, REASON);
        false
    };
    pipelines.iter().filter(lets_in).cloned().collect()
}

/// Whether any of the pipelines would let a scrape in; if none, it is counted as skipped by all.
pub(super) fn want_scrape(pipelines: &[Arc<Pipeline>]) -> bool {
    let wants = pipelines.is_empty() || pipelines.iter().any(|pipeline| pipeline.gates.closed().is_none());
    if !wants {
        for pipeline in pipelines {
            pipeline.metrics.skipped_scrape(REASON);
        }
    }
    wants
}
