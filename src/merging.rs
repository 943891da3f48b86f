//! How the exporters of a pipeline merge what waits, where a processor of the pipeline says so.

use std::collections::HashMap;

use config::Problems;
use pipeline::component::{Context, Processor};
use pipeline::delivery::BatchConfig;
use tracing::warn;

use crate::plan::{Plan, named};

/// The rule of each exporter that is given one.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Merging {
    rules: HashMap<String, Rule>,
}

#[derive(Debug)]
struct Rule {
    config: BatchConfig,
    pipeline: String,
}

// Which pipeline the rule is from is only for the warning.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Merging {
    /// Asks the processors of all pipelines. Where two pipelines say different things to one exporter, the first
    /// in the file is followed, and a warning says so.
    pub(crate) fn of(plan: &Plan, context: &Context) -> Result<Self, Problems> {
        let mut merging = Self::default();
        for pipeline in &plan.pipelines {
            // The last has the last word, as where each would merge by itself.
            let mut said = None;
            for id in &pipeline.joins.processors {
                for part in plan.processors.iter().filter(|part| part.id == *id) {
                    if let Processor::Merge(config) = (part.entry.build)(&part.section, &named(context, id))?
                    {
                        said = Some(config);
                    }
                }
            }
            if let Some(config) = said {
                for exporter in &pipeline.joins.exporters {
                    merging.add(exporter, &pipeline.id, config.clone());
                }
            }
        }
        Ok(merging)
    }

    fn add(&mut self, exporter: &str, pipeline: &str, config: BatchConfig) {
        let rule = Rule { config, pipeline: pipeline.to_owned() };
        match self.rules.get(exporter) {
            None => {
                self.rules.insert(exporter.to_owned(), rule);
            }
            Some(first) if *first != rule => warn!(
                exporter,
                follows = first.pipeline,
                differs = pipeline,
                "pipelines merge batches in different ways; an exporter has one way, that of the first"
            ),
            Some(_) => {}
        }
    }

    pub(crate) fn rule(&self, exporter: &str) -> Option<&BatchConfig> {
        self.rules.get(exporter).map(|rule| &rule.config)
    }
}
