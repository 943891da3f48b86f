use http_body_util::BodyExt;
use pipeline::telemetry::{ExporterMetrics, QueueLevels};

use super::*;

struct Rig {
    telemetry: Telemetry,
    page: Page,
}

impl Rig {
    fn new() -> Self {
        let telemetry = Telemetry::new(&TelemetryConfig::default()).unwrap();
        let page = Page { registry: telemetry.pulls[0].1.clone() };
        Self { telemetry, page }
    }

    /// The samples of this name on the page, each without the name.
    async fn samples(&self, name: &str) -> Vec<String> {
        let body = self.page.render().into_body().collect().await.unwrap().to_bytes();
        let page = String::from_utf8(body.to_vec()).unwrap();
        page.lines().filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect()
    }
}

const CAPACITY: &str = "otelcol_exporter_queue_capacity";

fn capacity(id: &str, capacity: u64) -> String {
    format!("{{data_type=\"metrics\",exporter=\"{id}\"}} {capacity}")
}

#[tokio::test]
async fn a_component_that_is_replaced_has_one_series_and_one_that_has_ended_has_none() {
    let rig = Rig::new();
    let meter = rig.telemetry.meter();
    let mut levels = QueueLevels::register(&meter, "a", 1);
    let other = QueueLevels::register(&meter, "b", 5);
    for turn in 2..50 {
        // The old one lives on while it is emptied.
        let old = std::mem::replace(&mut levels, QueueLevels::register(&meter, "a", turn));
        for _ in 0..2 {
            let mut samples = rig.samples(CAPACITY).await;
            samples.sort();
            assert_eq!(samples, [capacity("a", turn), capacity("b", 5)]);
        }
        drop(old);
    }
    drop(levels);
    assert_eq!(rig.samples(CAPACITY).await, [capacity("b", 5)]);
    drop(other);
    assert_eq!(rig.samples(CAPACITY).await, [""; 0]);
}

#[tokio::test]
async fn series_above_the_bound_are_added_up_in_one_that_says_so() {
    let rig = Rig::new();
    let meter = rig.telemetry.meter();
    for index in 0..SERIES_MAX + 3 {
        ExporterMetrics::new(&meter, &format!("otlp_grpc/{index}")).sent(2);
    }
    let samples = rig.samples("otelcol_exporter_sent_metric_points").await;
    assert_eq!(samples.len(), SERIES_MAX + 1);
    assert!(samples.contains(&String::from("{otel_metric_overflow=\"true\"} 6")), "{samples:?}");
}
