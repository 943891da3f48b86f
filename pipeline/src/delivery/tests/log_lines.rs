//! What a person reads in the log of what was lost, and of what was not.

use super::*;
use crate::delivery::told::Told;

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
