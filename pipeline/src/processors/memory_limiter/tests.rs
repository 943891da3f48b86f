use std::cell::Cell;

use super::*;
use crate::delivery::scripted::context;
use crate::telemetry::ledger::Ledger;

const MIB: u64 = 1 << 20;

thread_local! {
    /// What the tests say is in use, and how often they were asked.
    static USED: Cell<(Option<u64>, u64)> = const { Cell::new((None, 0)) };
}

fn used() -> Option<u64> {
    USED.with(|used| {
        let (bytes, asked) = used.get();
        used.set((bytes, asked + 1));
        bytes
    })
}

fn use_mib(mib: Option<u64>) {
    USED.with(|used| used.set((mib.map(|mib| mib * MIB), used.get().1)));
}

fn limiter(ledger: &Ledger) -> Arc<MemoryLimiter> {
    let limits = Limits { taken_bytes: 80 * MIB, room_bytes: 20 * MIB };
    MemoryLimiter::new(&context("memory_limiter", ledger), limits, AGE_MAX, Box::new(used))
}

#[track_caller]
fn check(yaml: &str, expected: Result<u64, &[&str]>) {
    let section = Section::from_yaml("processors.memory_limiter", yaml).unwrap();
    let config: Config = section.read().unwrap();
    let limit = config.limits(&section, || Some(1000 * MIB)).map(|limits| limits.taken_bytes / MIB);
    let limit = limit.map_err(|Problems(problems)| {
        let key = |path: &str| path.trim_start_matches("processors.memory_limiter.").to_owned();
        problems.iter().map(|problem| key(&problem.path)).collect::<Vec<_>>()
    });
    let expected = expected.map_err(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
    assert_eq!(limit, expected, "{yaml}");
}

#[test]
fn limits_are_those_of_the_opentelemetry_collector() {
    check("{check_interval: 1s, limit_mib: 500}", Ok(400));
    check("{check_interval: 1s, limit_mib: 500, spike_limit_mib: 50}", Ok(450));
    check("{check_interval: 1s, limit_percentage: 80}", Ok(640));
    check("{check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 25}", Ok(550));
    check("{check_interval: 1s, limit_mib: 500, limit_percentage: 10}", Ok(400));
}

#[test]
fn every_value_that_cannot_work_is_a_problem() {
    check("{}", Err(&["check_interval", "limit_percentage"]));
    check("{limit_mib: 100}", Err(&["check_interval"]));
    check("{check_interval: 1s, limit_mib: 100, spike_limit_mib: 100}", Err(&["spike_limit_mib"]));
    check("{check_interval: 1s, limit_percentage: 101}", Err(&["limit_percentage"]));
    check(
        "{check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 60}",
        Err(&["spike_limit_percentage"]),
    );
    check("{check_interval: 1s, limit_mib: 18446744073709551615}", Err(&["limit_mib"]));
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_nothing_is_taken_until_memory_falls() {
    let limiter = limiter(&Ledger::default());
    use_mib(Some(80));
    assert_eq!(limiter.admit(), Ok(()));
    use_mib(Some(81));
    tokio::time::advance(AGE_MAX).await;
    let refused = limiter.admit().unwrap_err();
    assert_eq!(
        refused.reason,
        "`memory_limiter` takes nothing now: 81 MiB of memory are in use, and above 80 MiB nothing is taken (the limit, less the spike limit)"
    );
    assert!((1.0..5.0).contains(&refused.retry_after.as_secs_f64()), "{refused:?}");
    assert!(limiter.is_pressed());
    use_mib(Some(20));
    tokio::time::advance(AGE_MAX).await;
    assert!(limiter.admit().is_ok() && !limiter.is_pressed());
}

#[tokio::test(start_paused = true)]
async fn memory_is_measured_when_somebody_asks_and_not_each_time() {
    let limiter = limiter(&Ledger::default());
    use_mib(Some(20));
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(USED.with(Cell::get).1, 0);
    for _ in 0..1000 {
        assert!(limiter.admit().is_ok());
    }
    assert_eq!(USED.with(Cell::get).1, 1);
    tokio::time::advance(AGE_MAX).await;
    assert!(limiter.admit().is_ok());
    assert_eq!(USED.with(Cell::get).1, 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_measurement_everything_is_taken() {
    let limiter = limiter(&Ledger::default());
    use_mib(None);
    assert_eq!(limiter.admit(), Ok(()));
    // Also when the last one was above the limit.
    tokio::time::advance(AGE_MAX).await;
    use_mib(Some(90));
    assert!(limiter.admit().is_err());
    tokio::time::advance(AGE_MAX).await;
    use_mib(None);
    assert_eq!(limiter.admit(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_comes_through_and_what_does_not_is_counted() {
    let ledger = Ledger::default();
    let limiter = limiter(&ledger);
    limiter.accepted(5);
    limiter.refused(3);
    let sum = |name: &str| ledger.sum(name);
    assert_eq!(sum("otelcol_processor_memory_limiter_accepted_metric_points{memory_limiter}"), 5);
    assert_eq!(sum("otelcol_processor_memory_limiter_refused_metric_points{memory_limiter}"), 3);
    assert_eq!(sum("otelcol_processor_incoming_items{memory_limiter"), 8);
    assert_eq!(sum("otelcol_processor_outgoing_items{memory_limiter"), 5);
    use_mib(Some(7));
    assert_eq!(ledger.gauge("inferometer_process_memory_limit_bytes"), Some(80 * MIB));
    assert_eq!(ledger.gauge("inferometer_process_memory_used_bytes"), Some(7 * MIB));
    drop(limiter);
    assert_eq!(ledger.gauge("inferometer_process_memory_limit_bytes"), None);
}
