//! The processors of one pipeline, in order.
//!
//! Series processors that follow each other are fused: what they make of a series together is remembered
//! as one answer, so a point costs one look-up however many of them there are.

use crate::batch::Batch;
use crate::component::{BatchProcessor, Processor, SeriesProcessor};
use crate::per_series::PerSeries;
use crate::registry::Full;
use crate::series::Series;
use crate::telemetry::ProcessorMetrics;

/// How many series are looked at under the lock in one go when sweeping.
pub(super) const SWEEP_STEP: usize = 4096;

/// All processors of a pipeline.
#[derive(Default)]
pub(super) struct Chain {
    stages: Vec<Stage>,
}

enum Stage {
    Series(SeriesStage),
    Batch { processor: Box<dyn BatchProcessor>, metrics: ProcessorMetrics },
}

/// Series processors that follow each other.
#[derive(Default)]
struct SeriesStage {
    steps: Vec<Step>,
    remembered: PerSeries<Answer>,
}

struct Step {
    processor: Box<dyn SeriesProcessor>,
    metrics: ProcessorMetrics,
    // Of the batch at hand.
    dropped: u64,
}

/// What a stage makes of a series.
enum Answer {
    /// Not a handle to the series itself: that would keep it alive for ever.
    Keep,
    Replace(Series),
    /// Dropped by the step of this index.
    Drop(usize),
}

/// A step could not make its series; the registry is full.
struct FullAt(usize);

impl Chain {
    pub(super) fn push(&mut self, processor: Processor, metrics: ProcessorMetrics) {
        match (processor, self.stages.last_mut()) {
            (Processor::Series(processor), Some(Stage::Series(stage))) => stage.push(processor, metrics),
            (Processor::Series(processor), _) => {
                let mut stage = SeriesStage::default();
                stage.push(processor, metrics);
                self.stages.push(Stage::Series(stage));
            }
            (Processor::Batch(processor), _) => self.stages.push(Stage::Batch { processor, metrics }),
            (Processor::Gate(_) | Processor::Merge(_), _) => {}
        }
    }

    /// Returns how many points were lost because the registry was full.
    pub(super) fn process(&mut self, batch: &mut Batch) -> u64 {
        self.process_from(0, batch)
    }

    /// What one stage has to send of itself, as the stages behind it leave it; and how many points were lost
    /// because the registry was full.
    pub(super) fn tick(&mut self, stage: usize) -> (Batch, u64) {
        let mut batch = match self.stages.get_mut(stage) {
            Some(Stage::Batch { processor, .. }) => processor.tick(),
            Some(Stage::Series(_)) | None => Batch::new(),
        };
        let full = self.process_from(stage + 1, &mut batch);
        (batch, full)
    }

    fn process_from(&mut self, first: usize, batch: &mut Batch) -> u64 {
        let mut full = 0;
        for stage in self.stages.iter_mut().skip(first) {
            if batch.is_empty() {
                break;
            }
            match stage {
                Stage::Series(stage) => full += stage.process(batch),
                Stage::Batch { processor, metrics } => {
                    let incoming = batch.len() as u64;
                    processor.process(batch);
                    metrics.processed(incoming, batch.len() as u64);
                }
            }
        }
        full
    }

    pub(super) fn len(&self) -> usize {
        self.stages.len()
    }

    /// Whether what it makes of a batch may depend on those before.
    pub(super) fn remembers(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage, Stage::Batch { .. }))
    }

    /// Sweeps a part of one stage; returns where to go on in it.
    pub(super) fn sweep_some(&mut self, stage: usize, from: usize) -> Option<usize> {
        match self.stages.get_mut(stage)? {
            Stage::Series(stage) => stage.remembered.sweep_some(from, SWEEP_STEP),
            Stage::Batch { processor, .. } => processor.sweep_some(from, SWEEP_STEP),
        }
    }
}

impl SeriesStage {
    fn push(&mut self, processor: Box<dyn SeriesProcessor>, metrics: ProcessorMetrics) {
        self.steps.push(Step { processor, metrics, dropped: 0 });
    }

    fn process(&mut self, batch: &mut Batch) -> u64 {
        let Self { steps, remembered } = self;
        // A step may have panicked the last time.
        for step in steps.iter_mut() {
            step.dropped = 0;
        }
        let mut incoming = batch.len() as u64;
        let mut full = 0;
        batch.retain(|point| {
            let known = match remembered.get(&point.series) {
                Some(known) => known,
                None => match answer(steps, &point.series) {
                    Ok(answer) => remembered.get_or_insert_with(&point.series, || answer),
                    Err(FullAt(index)) => {
                        // Not remembered: there may be room the next time.
                        steps[index].dropped += 1;
                        full += 1;
                        return false;
                    }
                },
            };
            match known {
                Answer::Replace(series) => {
                    point.series = series.clone();
                    true
                }
                Answer::Drop(index) => {
                    steps[*index].dropped += 1;
                    false
                }
                Answer::Keep => true,
            }
        });
        for step in steps {
            let outgoing = incoming - step.dropped;
            step.metrics.processed(incoming, outgoing);
            incoming = outgoing;
        }
        full
    }
}

/// Asks all steps, one after the other.
#[cold]
fn answer(steps: &[Step], series: &Series) -> Result<Answer, FullAt> {
    let mut current = series.clone();
    for (index, step) in steps.iter().enumerate() {
        match step.processor.process(&current) {
            Ok(Some(next)) => current = next,
            Ok(None) => return Ok(Answer::Drop(index)),
            Err(Full { .. }) => return Err(FullAt(index)),
        }
    }
    Ok(if current == *series { Answer::Keep } else { Answer::Replace(current) })
}
