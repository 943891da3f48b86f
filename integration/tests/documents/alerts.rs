//! Every alert of the documents fires when the inputs say so, and resolves when they do not any more.

mod inputs;

use std::collections::BTreeSet;

use integration::{Collector, Prometheus, has_counterparts, root, wait_until};
use tempfile::TempDir;

use crate::world::{job, own_address, scraping, serve};
use inputs::{Inputs, push};

/// An alert, and the job of the series that it is about.
type Alert = (String, String);

/// Those that fire together; `ModelNotLoaded` and `AINodeDown` need everything to be gone.
const IN_TROUBLE: [(&str, &str); 9] = [
    ("AINodeGPUMemoryHigh", "ainode"),
    ("AINodeErrorRate", "ainode"),
    ("AINodeGPUTemp", "ainode"),
    ("HighErrorRate", "offgrid"),
    ("HighMemoryUsage", "offgrid"),
    ("HighErrorRate", "ai-cluster-controller"),
    ("HighLatency", "ai-cluster-controller"),
    ("NodesDown", "ai-cluster-controller"),
    ("RateLimitHigh", "ai-cluster-controller"),
];

/// The rules as they are in `integration/alerts`, which wait for seconds where they wait for minutes.
fn hasty_rules(folder: &TempDir) -> String {
    let files = ["ainode", "offgrid", "ai_cluster"].map(|schema| {
        let path = root().join(format!("integration/alerts/{schema}.rules.yml"));
        let mut text = std::fs::read_to_string(path).unwrap();
        for (slow, hasty) in [
            ("for: 5m", "for: 1s"),
            ("for: 1m", "for: 1s"),
            ("[5m]", "[6s]"),
            ("[1m]", "[6s]"),
            ("interval: 30s", "interval: 1s"),
        ] {
            text = text.replace(slow, hasty);
        }
        let path = folder.path().join(schema);
        std::fs::write(&path, text).unwrap();
        format!("'{}'", path.display())
    });
    files.join(", ")
}

async fn firing(prometheus: &Prometheus) -> BTreeSet<Alert> {
    let alerts = prometheus.values("ALERTS{alertstate=\"firing\"}").await;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    alerts.iter().map(|(labels, _)| (text(&labels["alertname"]), text(&labels["job"]))).collect()
}

/// Waits until these alerts fire and no others.
async fn wait_for(prometheus: &Prometheus, collector: &Collector, expected: &[(&str, &str)]) {
    let expected: BTreeSet<Alert> =
        expected.iter().map(|(alert, job)| ((*alert).to_owned(), (*job).to_owned())).collect();
    let last = std::sync::Mutex::new(BTreeSet::new());
    let holds = || async {
        let found = firing(prometheus).await;
        let is_right = found == expected;
        *last.lock().unwrap() = found;
        is_right
    };
    let log = || format!("these fire: {:?}\n{}", last.lock().unwrap(), collector.log());
    wait_until(&format!("{expected:?} to fire"), holds, log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_fires_and_resolves_as_the_inputs_say() {
    if !has_counterparts() {
        return;
    }
    let inputs = Inputs::default();
    let (first, second) = (inputs.runner(0).await, inputs.runner(1).await);
    let host = own_address(1);
    let jobs = [
        job("first", &first.address, "node_id: worker_1"),
        job("second", &second.address, "node_id: worker_2"),
    ];
    let receiver = format!(
        "config: {{global: {{scrape_interval: 1s, scrape_timeout: 1s}}, scrape_configs: [{}]}}",
        jobs.concat()
    );
    let mut collector = serve(&host, &receiver).await;
    let _pushing = push(&collector.address("HTTP on http://"), &inputs);
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(&scraping(&host, &hasty_rules(&folder)));

    // All that alerts ask for is there, so that none is silent for want of it.
    let is_known = || async {
        let rates = "count(rate(ai_cluster_api_key_rate_limit_hits_total[6s])) + \
                     count(rate(offgrid_errors_total[6s])) + count(offgrid_memory_usage_bytes) + \
                     count(ainode_gpu_temperature_celsius) + count(ainode_gpu_memory_used_bytes)";
        !prometheus.values(rates).await.is_empty()
    };
    wait_until("what the alerts ask for", is_known, || collector.log()).await;
    wait_for(&prometheus, &collector, &[]).await;

    inputs.trouble(true);
    wait_for(&prometheus, &collector, &IN_TROUBLE).await;
    inputs.trouble(false);
    wait_for(&prometheus, &collector, &[]).await;

    inputs.all_down(true);
    let gone = [("ModelNotLoaded", "offgrid"), ("NodesDown", "ai-cluster-controller")];
    wait_for(&prometheus, &collector, &gone).await;
    inputs.all_down(false);
    wait_for(&prometheus, &collector, &[]).await;

    assert!(collector.stop().await.success(), "{}", collector.log());
    wait_for(&prometheus, &collector, &[("AINodeDown", "ainode")]).await;
    let collector = serve(&host, &receiver).await;
    wait_for(&prometheus, &collector, &[]).await;
}
