//! A write that is held, as the disk takes nothing: its sender waits, and the exporters go on.

use tokio::task::JoinHandle;

use super::slow::Slow;
use super::*;
use crate::storage::sim::SimDisk;

const INPUT_OUTPUT: i32 = 5;

/// The disk takes nothing from now on, and a sender waits for it.
async fn push_held(slow: &Slow, outboxes: Vec<Arc<Outbox>>) -> JoinHandle<Result<(), Refused>> {
    slow.rig.disk.fail(Some(INPUT_OUTPUT));
    let sender = tokio::spawn(async move { record(&outboxes.iter().collect::<Vec<_>>(), one(0..10)).await });
    until(|| slow.ledger.sum("inferometer_exporter_unwritten_metric_points{x}") > 0).await;
    assert!(!sender.is_finished());
    sender
}

#[tokio::test]
async fn an_exporter_that_has_ended_can_be_put_back_while_one_of_its_writes_is_held() {
    let slow = Slow::on(SimDisk::default());
    let exporter = Scripted::new([], Act::Take);
    let x = start_in(&slow.context("x"), &exporter, persistent(), None).await;
    let y = start_in(&slow.context("y"), &Scripted::new([], Act::Retry), persistent(), None).await;
    let sender = push_held(&slow, vec![x.clone(), y]).await;
    assert_eq!(x.drain(after(60)).await, drained(10, 0, 0));
    drop(x);
    assert!(!sender.is_finished());
    let x = start_in(&slow.context("x"), &exporter, persistent(), None).await;
    assert_eq!(x.dispatch.queue.counts().held, Size::default());
    assert!(sender.await.unwrap().is_err(), "who puts an exporter back has to know what is in the log");
}

#[tokio::test]
async fn an_exporter_that_is_new_to_the_storage_leaves_held_writes_alone() {
    let slow = Slow::on(SimDisk::default());
    let x = start_in(&slow.context("x"), &Scripted::new([], Act::Take), persistent(), None).await;
    let sender = push_held(&slow, vec![x]).await;
    let _y = start_in(&slow.context("y"), &Scripted::new([], Act::Take), persistent(), None).await;
    pass(50).await;
    assert!(!sender.is_finished(), "it was told to come again");
    slow.rig.disk.fail(None);
    slow.rig.pass(2);
    sender.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reload_hands_on_what_was_held() {
    let slow = Slow::on(SimDisk::default());
    let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
    let old = start_in(&slow.context("x"), &dead, persistent(), None).await;
    let sender = push_held(&slow, vec![old.clone()]).await;
    until(|| !dead.requests().is_empty()).await;
    let new = start_in(&slow.context("x"), &exporter, persistent(), Some(&old)).await;
    assert_eq!(new.take_over(&old, after(60)).await, drained(0, 0, 0));
    assert!(sender.await.unwrap().is_err(), "it may come again");
    until(|| held(&new) == 0).await;
    assert_eq!(exporter.taken(), (0..10).collect::<Vec<_>>());
    assert_eq!((slow.ledger.sum(SENT), slow.ledger.sum(FAILED)), (10, 0));
    assert_eq!(new.drain(after(60)).await, drained(10, 0, 0));
}
