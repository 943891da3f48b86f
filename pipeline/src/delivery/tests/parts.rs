//! A batch is divided by series where the exporter says so.

use super::*;
use crate::delivery::scripted::registry;
use crate::{Attributes, Kind, Metric, Point, Value};

/// Points of so many series of one resource, in turn.
fn of_series(count: usize, values: std::ops::Range<i64>) -> Batch {
    let registry = registry();
    let resource = registry.resource(crate::Resource::default());
    let metric = registry.metric(Metric::new("parts", "", Kind::Gauge));
    let series: Vec<_> = (0..count)
        .map(|index| {
            let attributes = Attributes::of_strings([("index", index.to_string().as_str())]);
            registry.series(&resource, &Arc::default(), &metric, attributes).unwrap()
        })
        .collect();
    values.map(|value| Point::new(series[value as usize % count].clone(), 1, Value::Int(value))).collect()
}

#[tokio::test(start_paused = true)]
async fn parts_go_side_by_side_with_retries_of_their_own() {
    let (exporter, ledger) = (Scripted::new([Act::Retry, Act::TakeAfter(100)], Act::Take), Ledger::default());
    exporter.parts.store(4, Ordering::Relaxed);
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push_batch(&outbox, of_series(16, 0..160)).unwrap();
    push_batch(&outbox, of_series(16, 160..320)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exporter.requests().len(), 4, "the next batch waits for all parts");
    assert_eq!(exporter.taken().len(), 120);
    assert_eq!(outbox.drain(after(10)).await, drained(320, 0, 0));
    let taken = exporter.taken();
    for series in 0..16 {
        let seen: Vec<_> = taken.iter().filter(|value| **value % 16 == series).copied().collect();
        assert_eq!(seen, (0..20).map(|round| round * 16 + series).collect::<Vec<_>>());
    }
}
