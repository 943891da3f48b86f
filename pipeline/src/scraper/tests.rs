use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

use super::*;
use crate::batch::Batch;
use crate::delivery::scripted::batch;
use crate::output::{Refused, Sink};

/// Takes this many milliseconds each time, and notes when it was asked; panics where there are none.
struct Slow {
    milliseconds: Vec<Option<u64>>,
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Scraper for Slow {
    fn scrape(&mut self, time_unix_nano: u64) -> BoxFuture<'_, Batch> {
        self.asked.lock().unwrap().push(time_unix_nano / 1_000_000);
        let milliseconds = self.milliseconds.pop().expect("as told").expect("as told");
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            batch(0..1)
        })
    }
}

/// Asks every second from half a second on, for five seconds; says when it was asked and what came of it.
async fn check(milliseconds: &[Option<u64>], asked: &[u64], batches: usize) {
    let sink = Sink::new();
    let times = Arc::<Mutex<Vec<u64>>>::default();
    let scraper = Slow { milliseconds: milliseconds.iter().rev().copied().collect(), asked: times.clone() };
    let schedule = Schedule { interval: Duration::from_secs(1), first: Duration::from_millis(500) };
    let stop = CancellationToken::new();
    let work = run(Box::new(scraper), schedule, Clock::starting_at(0), sink.output(), stop.clone());
    tokio::join!(work, async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.cancel();
    });
    assert_eq!(times.lock().unwrap().iter().map(|at| at / 100 * 100).collect::<Vec<_>>(), asked);
    assert_eq!(sink.take().len(), batches);
}

#[tokio::test(start_paused = true)]
async fn it_asks_on_its_phase_and_skips_what_it_missed() {
    check(&[Some(0); 5], &[500, 1500, 2500, 3500, 4500], 5).await;
    check(&[Some(0), Some(1200), Some(0), Some(0)], &[500, 1500, 3500, 4500], 4).await;
}

#[tokio::test(start_paused = true)]
async fn a_scrape_under_way_at_the_end_is_dropped() {
    check(&[Some(9000)], &[500], 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_scraper_that_panics_is_asked_again() {
    check(&[Some(0), None, None, Some(0), Some(0)], &[500, 1500, 2500, 3500, 4500], 3).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_for_what_would_not_be_taken() {
    let sink = Sink::new();
    sink.shut(Some(Refused { retry_after: Duration::from_secs(1), reason: "as told".to_owned() }));
    let times = Arc::<Mutex<Vec<u64>>>::default();
    let scraper = Slow { milliseconds: vec![Some(1); 2], asked: times.clone() };
    let schedule = Schedule { interval: Duration::from_secs(1), first: Duration::ZERO };
    let stop = CancellationToken::new();
    let work = run(Box::new(scraper), schedule, Clock::starting_at(0), sink.output(), stop.clone());
    tokio::join!(work, async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        sink.shut(None);
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
    });
    assert_eq!(times.lock().unwrap().iter().map(|at| at / 100).collect::<Vec<_>>(), [30, 40]);
    assert_eq!(sink.take().len(), 2);
}
