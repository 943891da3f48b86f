//! The timer of everything that is asked: interval, offset, stop.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::component::Scraper;
use crate::output::Output;

/// When a scraper is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    pub interval: Duration,
    /// How long to wait before the first time.
    pub first: Duration,
}

/// Asks on the schedule and hands over what comes, until told to stop.
///
/// A scrape that takes longer than the interval skips the ticks it missed; the phase stays. A scrape that
/// is under way when `stop` comes is dropped: nothing of it was handed over.
pub async fn run(
    mut scraper: Box<dyn Scraper>,
    schedule: Schedule,
    clock: Clock,
    output: Output,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval_at(Instant::now() + schedule.first, schedule.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let batch = tokio::select! {
            () = stop.cancelled() => return,
            batch = scraper.scrape(clock.unix_nano()) => batch,
        };
        output.offer(batch).await;
    }
}
