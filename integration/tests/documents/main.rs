//! What the documents of the five systems promise, asked of everything at once: runners, an application and the host
//! come in, and a real Prometheus asks what the documents ask.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod alerts;
mod conformance;
mod discovered;
mod json;
mod parsers;
mod queries;
mod recording;
mod world;

use integration::{get, has_counterparts};

use world::World;

/// One world for all of it: it takes its time until the rates are known.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_documents_ask_has_the_answers_that_the_inputs_imply() {
    if !has_counterparts() {
        return;
    }
    let world = World::start().await;
    let mut faults = queries::check(&world).await;
    faults.extend(json::check(&world).await);
    faults.extend(parsers::check(&world).await);
    faults.extend(conformance::check(&world).await);
    faults.extend(lost(&world).await);
    assert!(faults.is_empty(), "{} faults:\n{}\n{}", faults.len(), faults.join("\n"), world.collector.log());
}

/// Points that an exporter did not take.
async fn lost(world: &World) -> Vec<String> {
    let own = get(&world.collector.address("own metrics at http://"), "/metrics").await.text();
    let failed = own.lines().filter(|line| line.starts_with("otelcol_exporter_send_failed_metric_points{"));
    failed.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
}
