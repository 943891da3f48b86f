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

#[cfg(test)]
mod tests {
    use config::{Document, Sources};
    use pipeline::component::Delivery;

    use super::*;
    use crate::commands::checking_context;

    const FILE: &str = "
receivers: {otlp: {protocols: {grpc: {}}}}
processors:
  batch: {timeout: 1s, send_batch_size: 10}
  batch/other: {send_batch_size: 20}
exporters:
  otlp_http/a: {endpoint: 'http://127.0.0.1:1'}
  otlp_http/b: {endpoint: 'http://127.0.0.1:1', sending_queue: {batch: {min_size: 7}}}
  otlp_http/c: {endpoint: 'http://127.0.0.1:1'}
service:
  pipelines:
    metrics/first: {receivers: [otlp], processors: [batch], exporters: [otlp_http/a, otlp_http/b]}
    metrics/second: {receivers: [otlp], processors: [batch/other], exporters: [otlp_http/a]}
    metrics/third: {receivers: [otlp], exporters: [otlp_http/c]}
";

    #[test]
    fn the_first_pipeline_in_the_file_says_how_its_exporters_merge_unless_they_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, FILE).unwrap();
        let document = Document::load(&Sources { files: vec![path], ..Sources::default() }).unwrap();
        let (plan, problems) = Plan::new(&document);
        assert!(problems.is_empty(), "{problems:?}");
        let context = checking_context();
        let merging = Merging::of(&plan, &context).unwrap();
        let mut sizes = Vec::new();
        for part in &plan.exporters {
            let mut delivery = (part.entry.build)(&part.section, &context).unwrap().delivery;
            merging.rule(&part.id).into_iter().for_each(|rule| delivery.merge(rule));
            let Delivery::Queued(delivery) = delivery else { panic!("it has a queue") };
            sizes.push(delivery.sending_queue.batch.map(|batch| batch.min_size));
        }
        assert_eq!(sizes, [Some(10), Some(7), None]);
        assert_eq!(merging, Merging::of(&plan, &context).unwrap());
    }
}
