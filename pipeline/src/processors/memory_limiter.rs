//! Keeps the process within a bound on its memory: what is pushed is turned away at the door.

mod config;
mod metrics;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ::config::{Problems, Section};
use rand::Rng;
use tokio::time::Instant;
use tracing::{info, warn};

use self::config::{Config, Limits};
use self::metrics::Metrics;
use crate::component::{Context, Entry, Gate, Processor, ProcessorEntry};
use crate::memory;
use crate::output::Refused;
use crate::quiet::Quiet;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "memory_limiter",
    aliases: &[],
    ignored: &[(
        "",
        &[
            "ballast_size_mib",
            "min_gc_interval_when_soft_limited",
            "min_gc_interval_when_hard_limited",
            "max_gc_interval_when_soft_limited",
            "max_gc_interval_when_hard_limited",
        ],
    )],
    about: "Turns data away while the process holds more memory than it may.",
    example: "\
check_interval: 1s
limit_percentage: 80
spike_limit_percentage: 20
",
    effective: ::config::effective::<Config>,
    build,
};

/// The longest that a measurement is used, whatever `check_interval` says: it costs a microsecond or two, and in
/// a tenth of a second much can come.
const AGE_MAX: Duration = Duration::from_millis(100);

/// When senders are told to come back, in seconds; drawn anew each time, so that they do not all come at once.
const RETRY_AFTER_SECONDS: std::ops::Range<f64> = 1.0..5.0;

/// The least time between two lines of the log about the same.
const PAUSE: Duration = Duration::from_mins(1);

/// Tells how many bytes are in use; `None` where that cannot be known.
type Measure = Box<dyn Fn() -> Option<u64> + Send + Sync>;

struct MemoryLimiter {
    id: String,
    limits: Limits,
    age_max: Duration,
    measure: Measure,
    start: Instant,
    /// When it was last measured, in microseconds since the start, plus one; 0 is never.
    measured: AtomicU64,
    used_bytes: AtomicU64,
    is_above: AtomicBool,
    said_above: Quiet,
    said_below: Quiet,
    said_unknown: Quiet,
    metrics: Metrics,
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config: Config| {
        let limits = config.limits(section, || memory::total_bytes(Path::new("/")))?;
        let age_max = config.check_interval.0.min(AGE_MAX);
        let limiter = MemoryLimiter::new(context, limits, age_max, Box::new(memory::anonymous_bytes()));
        Ok(Processor::Gate(limiter))
    })
}

impl MemoryLimiter {
    fn new(context: &Context, limits: Limits, age_max: Duration, measure: Measure) -> Arc<Self> {
        let limiter = Arc::new(Self {
            id: context.id.clone(),
            limits,
            age_max,
            measure,
            start: Instant::now(),
            measured: AtomicU64::new(0),
            used_bytes: AtomicU64::new(0),
            is_above: AtomicBool::new(false),
            said_above: Quiet::new(PAUSE),
            said_below: Quiet::new(PAUSE),
            said_unknown: Quiet::new(PAUSE),
            metrics: Metrics::new(&context.meter, &context.id),
        });
        context.meter.observe(&limiter);
        limiter
    }

    /// Whether the last measurement was above the limit; it is taken anew if it is too old.
    fn is_above(&self) -> bool {
        let measured = self.measured.load(Ordering::Relaxed);
        let now = self.start.elapsed().as_micros() as u64 + 1;
        let is_old = measured == 0 || now.saturating_sub(measured) >= self.age_max.as_micros() as u64;
        // One of those who find it too old takes it anew; the others need not wait.
        let swap = |to| self.measured.compare_exchange(measured, to, Ordering::Relaxed, Ordering::Relaxed);
        if is_old && swap(now).is_ok() {
            self.look();
        }
        self.is_above.load(Ordering::Relaxed)
    }

    fn look(&self) {
        let Some(used) = (self.measure)() else {
            // Turning everything away for want of a number would be worse than having no limit.
            self.is_above.store(false, Ordering::Relaxed);
            if self.said_unknown.speak().is_some() {
                warn!(
                    processor = self.id,
                    "cannot read /proc/self/statm, so for now there is no limit on memory"
                );
            }
            return;
        };
        self.used_bytes.store(used, Ordering::Relaxed);
        let is_above = used > self.limits.taken_bytes;
        let was_above = self.is_above.swap(is_above, Ordering::Relaxed);
        let (processor, used_mib, limit_mib) = (&self.id, used >> 20, self.limits.taken_bytes >> 20);
        if is_above && !was_above {
            if let Some(suppressed) = self.said_above.speak() {
                warn!(
                    processor,
                    used_mib, limit_mib, suppressed, "memory is above the limit; turning data away"
                );
            }
        } else if was_above
            && !is_above
            && let Some(suppressed) = self.said_below.speak()
        {
            info!(processor, used_mib, limit_mib, suppressed, "memory is below the limit again");
        }
    }
}

impl Gate for MemoryLimiter {
    fn admit(&self) -> Result<(), Refused> {
        if !self.is_above() {
            return Ok(());
        }
        let retry_after = Duration::from_secs_f64(rand::rng().random_range(RETRY_AFTER_SECONDS));
        let used = self.used_bytes.load(Ordering::Relaxed) >> 20;
        let reason = format!(
            "`{}` takes nothing now: {used} MiB of memory are in use, and above {} MiB nothing is taken (the limit, less the spike limit)",
            self.id,
            self.limits.taken_bytes >> 20
        );
        Err(Refused { retry_after, reason })
    }

    fn accepted(&self, points: u64) {
        self.metrics.accepted(points);
    }

    fn refused(&self, points: u64) {
        self.metrics.refused(points);
    }

    fn is_pressed(&self) -> bool {
        self.is_above()
    }

    /// What is being read when nothing more is taken must fit into the room that is left for it.
    fn room_bytes(&self) -> Option<u64> {
        Some(self.limits.room_bytes)
    }
}
