//! Proves that no schema adds up what a runner says of itself and what an application pushes under the same name.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline::mapping::compiled::MappingKind;
use pipeline::mapping::{Engine, Options, load_builtin};
use pipeline::{Batch, Clock, Registry, Value, notation};

/// A dialect and a schema, one behind the other.
struct Chain {
    registry: Arc<Registry>,
    engines: Vec<Engine>,
    held: Vec<Batch>,
}

impl Chain {
    fn new(schema: &str) -> Self {
        let registry = Arc::new(Registry::new(10_000));
        let engine = |(kind, name)| {
            let mapping = load_builtin(kind, name, &BTreeMap::new()).unwrap().mapping;
            Engine::new(
                vec![Arc::new(mapping)],
                Options::default(),
                registry.clone(),
                Clock::starting_at(1_000_000_000),
            )
        };
        let engines = [(MappingKind::Dialect, "vllm"), (MappingKind::Schema, schema)].map(engine);
        Self { registry, engines: engines.into(), held: Vec::new() }
    }

    /// What the runner and the application have counted becomes what the schema has counted; `None` for what ends.
    async fn map(&mut self, metric: &str, own: Option<u64>, pushed: u64) -> u64 {
        let value = |count: u64| format!("count {count} sum 2.0 buckets 1.0:{count} inf:0");
        let own = own.map_or("stale".to_owned(), value);
        let text = format!(
            "resource {{service.name=\"vllm\",service.instance.id=\"i\"}}\n\
             histogram vllm:e2e_request_latency_seconds{{model_name=\"m\"}} = {own}\n\
             resource {{service.name=\"app\",service.instance.id=\"i\"}}\n\
             histogram gen_ai.server.request.duration{{gen_ai.request.model=\"m\",gen_ai.provider.name=\"vllm\"}} \
             [s] = {}\n",
            value(pushed)
        );
        let mut batch = notation::parse(&text, &self.registry).unwrap();
        self.held.push(batch.clone());
        for engine in &mut self.engines {
            engine.process(&mut batch);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let counted = batch.iter().filter(|point| point.series.metric().name == metric);
        counted
            .map(|point| match &point.value {
                Value::Int(count) => *count as u64,
                Value::Histogram(histogram) => histogram.count,
                Value::Summary(summary) => summary.count,
                other => panic!("{other:?}"),
            })
            .sum()
    }
}

async fn check(schema: &str, metric: &str) {
    let mut chain = Chain::new(schema);
    assert_eq!(chain.map(metric, Some(7), 100).await, 7, "{schema}");
    assert_eq!(chain.map(metric, Some(9), 150).await, 9, "{schema}");
    // The runner is gone.
    assert_eq!(chain.map(metric, None, 151).await, 10, "{schema}");
    assert_eq!(chain.map(metric, None, 160).await, 19, "{schema}");
    // It is back, and has counted what was pushed meanwhile.
    assert_eq!(chain.map(metric, Some(19), 170).await, 19, "{schema}");
    assert_eq!(chain.map(metric, Some(20), 180).await, 20, "{schema}");
}

#[tokio::test(start_paused = true)]
async fn the_runners_own_comes_first_and_what_is_pushed_goes_on_from_it() {
    check("ainode", "ainode_requests_total").await;
    check("ainode", "ainode_requests_by_model_total").await;
    check("ainode", "ainode_request_latency_milliseconds").await;
    check("offgrid", "offgrid_generation_duration_seconds").await;
    check("ai_cluster", "ai_cluster_inference_requests_total").await;
    check("ai_cluster", "ai_cluster_inference_duration_seconds").await;
    check("model_runner", "llama_requests_total").await;
    check("gpustack", "gpustack:e2e_request_latency_seconds").await;
    check("gpustack", "gpustack:request_success_total").await;
}
