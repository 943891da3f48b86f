//! The timer of everything that is asked: interval, offset, stop.

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::clock::Clock;
use crate::component::Scraper;
use crate::delivery::message_of;
use crate::output::Output;

/// Nothing is asked more often than this, whatever a schedule says.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

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
/// is under way when `stop` comes is dropped: nothing of it was handed over. What a scrape brought is handed
/// over to the end. Where nobody would take what it brings, the scraper is not asked. A scraper that panics has
/// brought nothing, and is asked again at the next tick.
pub async fn run(
    mut scraper: Box<dyn Scraper>,
    schedule: Schedule,
    clock: Clock,
    output: Output,
    stop: CancellationToken,
) {
    run_until(&mut *scraper, schedule, &clock, &output, &stop).await;
}

/// The same for a scraper that is needed afterwards.
pub async fn run_until(
    scraper: &mut dyn Scraper,
    schedule: Schedule,
    clock: &Clock,
    output: &Output,
    stop: &CancellationToken,
) {
    let interval = schedule.interval.max(INTERVAL_MIN);
    let mut tick = Instant::now() + schedule.first;
    let mut is_panicking = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(tick) => {}
        }
        if !output.wants_scrape() {
            tick = next_tick(tick, interval, Instant::now());
            continue;
        }
        // In a block of its own, as the scraper may also panic before it returns its future.
        let time_unix_nano = clock.unix_nano();
        let scrape = AssertUnwindSafe(async { scraper.scrape(time_unix_nano).await }).catch_unwind();
        let scraped = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            scraped = scrape => scraped,
        };
        let was_panicking = std::mem::replace(&mut is_panicking, scraped.is_err());
        match scraped {
            Ok(batch) => {
                if was_panicking {
                    info!("scrape works again");
                }
                output.offer(batch).await;
            }
            // Once, not at every tick.
            Err(panic) if !was_panicking => error!(reason = message_of(&*panic), "scrape panicked"),
            Err(_) => {}
        }
        tick = next_tick(tick, interval, Instant::now());
    }
}

/// The first tick of this phase that is not missed yet.
fn next_tick(last: Instant, interval: Duration, now: Instant) -> Instant {
    let missed = now.duration_since(last).as_nanos() / interval.as_nanos();
    last + interval.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX)) + interval
}
