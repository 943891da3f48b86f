//! What a person reads in the log of what was lost, and of what was not.

use super::*;
use crate::delivery::told::Told;
use crate::{Attributes, Kind, Metric, Point, Registry, Value};

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_an_error_only_where_points_are_lost() {
    let (exporter, ledger, told) = (Scripted::new([], Act::Hang), Ledger::default(), Told::new());
    let mut config = in_order();
    config.sending_queue.queue_size = 1;
    let outbox = start("x", &exporter, config, &ledger).await;
    push(&outbox, 0..1).unwrap();
    push(&outbox, 1..3).unwrap_err();
    let lines = told.with("queue is full");
    assert!(lines.len() == 1 && lines[0].starts_with("WARN"), "{lines:#?}");
    offer(&outbox, batch(3..7));
    let lines = told.with("points are lost");
    assert!(lines.len() == 1 && lines[0].starts_with("ERROR") && lines[0].contains("points=4"), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_series_that_is_lost_is_written_as_points_are() {
    let (exporter, ledger, told) = (Scripted::new([], Act::Drop), Ledger::default(), Told::new());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    let (registry, metric) = (Registry::new(1), Arc::new(Metric::new("m", "", Kind::Gauge)));
    let gpu = Attributes::of_strings([("gpu", "0")]);
    let series = registry.series(&Arc::default(), &Arc::default(), &metric, gpu).unwrap();
    push_batch(&outbox, [Point::new(series, 1, Value::Int(1))].into_iter().collect()).unwrap();
    assert_eq!(outbox.drain(after(5)).await, drained(0, 1, 0));
    let lines = told.with("export given up");
    assert!(lines.len() == 1 && lines[0].contains(r#"series="m{gpu=\"0\"}""#), "{lines:#?}");
}
