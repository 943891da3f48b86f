use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::delivery::Outbox;
use crate::delivery::scripted::{Act, Scripted, batch, context, start_direct};
use crate::output::Output;
use crate::pipelines::FanOut;
use crate::telemetry::ledger::Ledger;

/// Open until it is closed by hand.
#[derive(Default)]
struct ByHand {
    is_closed: AtomicBool,
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Gate for ByHand {
    fn admit(&self) -> Result<(), Refused> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(Refused { retry_after: Duration::from_secs(3), reason: "as told".to_owned() });
        }
        Ok(())
    }

    fn accepted(&self, points: u64) {
        self.accepted.fetch_add(points, Ordering::Relaxed);
    }

    fn refused(&self, points: u64) {
        self.refused.fetch_add(points, Ordering::Relaxed);
    }

    fn is_pressed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}

impl ByHand {
    fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    fn counts(&self) -> (u64, u64) {
        (self.accepted.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}

/// A pipeline behind a gate, with an exporter that takes everything.
async fn gated(ledger: &Ledger) -> (Arc<ByHand>, Arc<Pipeline>, Arc<Scripted>, Arc<Outbox>) {
    let (gate, exporter) = (Arc::new(ByHand::default()), Scripted::new([], Act::Take));
    let outbox = start_direct("pull", &exporter, ledger).await;
    let processors = vec![("memory_limiter".to_owned(), Processor::Gate(gate.clone()))];
    let pipeline = Pipeline::new(&context("metrics", ledger), processors, vec![outbox.clone()]);
    (gate, Arc::new(pipeline), exporter, outbox)
}

fn output(pipelines: &[&Arc<Pipeline>]) -> Output {
    Output::new(FanOut(pipelines.iter().map(|pipeline| Arc::clone(pipeline)).collect()))
}

#[tokio::test(start_paused = true)]
async fn a_push_goes_into_all_pipelines_or_none() {
    let ledger = Ledger::default();
    let (gate, first, taken, _first) = gated(&ledger).await;
    let (other_gate, second, other_taken, _second) = gated(&ledger).await;
    let output = output(&[&first, &second]);
    assert_eq!(output.ready(), Ok(()));
    output.send(batch(0..2)).await.unwrap();
    other_gate.close();
    assert_eq!(output.ready().unwrap_err().reason, "as told");
    let refused = output.send(batch(2..5)).await.unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(3));
    assert_eq!((taken.taken(), other_taken.taken()), (vec![0, 1], vec![0, 1]));
    assert_eq!((gate.counts(), other_gate.counts()), ((2, 0), (2, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_scrape_goes_to_the_pipelines_that_are_open_and_is_counted_by_the_others() {
    let ledger = Ledger::default();
    let (gate, first, taken, _first) = gated(&ledger).await;
    let (other_gate, second, other_taken, _second) = gated(&ledger).await;
    let output = output(&[&first, &second]);
    gate.close();
    assert!(output.wants_scrape() && output.is_pressed());
    output.offer(batch(0..2)).await;
    assert_eq!((taken.taken(), other_taken.taken()), (vec![], vec![0, 1]));
    assert_eq!((gate.counts(), other_gate.counts()), ((0, 2), (2, 0)));
    assert_eq!(ledger.sum("inferometer_pipeline_dropped_metric_points{metrics,memory_limit}"), 2);
    assert_eq!(ledger.sum("inferometer_pipeline_skipped_scrapes"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scrape_that_nobody_would_take_is_skipped_and_counted() {
    let ledger = Ledger::default();
    let (gate, first, _, _first) = gated(&ledger).await;
    let (_, second, _, _second) = gated(&ledger).await;
    gate.close();
    assert!(!output(&[&first]).wants_scrape());
    assert!(output(&[&first, &second]).wants_scrape());
    assert_eq!(ledger.sum("inferometer_pipeline_skipped_scrapes{metrics,memory_limit}"), 1);
}
