//! Processors that go on over a reload, with what they remember.

use std::collections::HashMap;

use config::{Problems, Section};
use pipeline::component::{Context, Processor};
use pipeline::pipelines::Lasting;

use crate::plan::Part;

/// By pipeline and processor: the section it was built from, and a handle to it.
#[derive(Default)]
pub(crate) struct LastingProcessors(HashMap<(String, String), (Section, Lasting)>);

impl LastingProcessors {
    /// Gives a pipeline its processor: the one of `before`, where its section is the same, or else a new one.
    pub(crate) fn build(
        &mut self,
        before: &Self,
        pipeline: &str,
        part: &Part<Processor>,
        context: &Context,
    ) -> Result<Processor, Problems> {
        let key = (pipeline.to_owned(), part.id.clone());
        let same = before.0.get(&key).filter(|(section, _)| *section == part.section);
        let lasting = match same {
            Some((_, lasting)) => lasting.clone(),
            None => match (part.entry.build)(&part.section, context)? {
                Processor::Batch(processor) if processor.lasts() => Lasting::new(processor),
                other => return Ok(other),
            },
        };
        self.0.insert(key, (part.section.clone(), lasting.clone()));
        Ok(Processor::Batch(Box::new(lasting)))
    }
}
