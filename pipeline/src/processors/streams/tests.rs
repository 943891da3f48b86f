//! Streams last while nobody else holds their series, and no longer than they may.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::attributes::Attributes;
use crate::processors::golden::wait;

const AGE: Duration = Duration::from_mins(5);

fn series(registry: &Registry, index: usize) -> Series {
    let metric = Arc::new(Metric::new("m", "", Kind::COUNTER));
    let attributes = Attributes::of_strings([("index", index.to_string().as_str())]);
    registry.series(&Arc::default(), &Arc::default(), &metric, attributes).unwrap()
}

#[track_caller]
fn count(streams: &mut Streams<u64>, series: &Series) -> u64 {
    let Found::Stream(stream) = streams.find(series, Instant::now(), |_| Some(Kind::Gauge)) else {
        panic!("it is no stream");
    };
    stream.heard(Instant::now());
    *stream.state.insert(stream.state.unwrap_or(0) + 1)
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_whoever_brings_its_points() {
    let registry = Arc::new(Registry::new(100));
    let mut streams = Streams::new(registry.clone(), 10, Some(AGE));
    for round in 1..=3 {
        // Resolved anew each time, and let go of.
        assert_eq!(count(&mut streams, &series(&registry, 7)), round);
        streams.sweep_some(0, usize::MAX);
        wait(AGE);
    }
    wait(Duration::from_secs(1));
    assert_eq!(count(&mut streams, &series(&registry, 7)), 1);
}

#[tokio::test(start_paused = true)]
async fn many_short_lived_series_leave_nothing_behind() {
    let registry = Arc::new(Registry::new(1000));
    let mut streams = Streams::new(registry.clone(), 100, Some(AGE));
    let mut refused = 0;
    for index in 0..2000 {
        let series = series(&registry, index);
        match streams.find(&series, Instant::now(), |_| Some(Kind::Gauge)) {
            Found::Stream(stream) => stream.state = Some(1),
            Found::Refused(reason) => {
                assert_eq!(reason, "stream_limit");
                refused += 1;
            }
            Found::Passes => panic!("it is a stream"),
        }
        if index % 500 == 499 {
            assert_eq!((streams.tracked(), registry.live()), (100, 201));
            wait(AGE + Duration::from_secs(1));
            streams.sweep_some(0, usize::MAX);
            drop(series);
            assert_eq!((streams.tracked(), registry.live()), (0, 0));
        }
    }
    assert_eq!(refused, 4 * 400);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_in_parts_sweeps_everything() {
    let registry = Arc::new(Registry::new(1000));
    let mut streams = Streams::new(registry.clone(), 100, Some(AGE));
    for index in 0..50 {
        count(&mut streams, &series(&registry, index));
    }
    wait(AGE + Duration::from_secs(1));
    count(&mut streams, &series(&registry, 3));
    let mut from = Some(0);
    let mut steps = 0;
    while let Some(start) = from {
        from = streams.sweep_some(start, 8);
        steps += 1;
    }
    assert!(steps > 5, "{steps}");
    assert_eq!(streams.tracked(), 1);
    assert_eq!(count(&mut streams, &series(&registry, 3)), 2);
}

#[tokio::test(start_paused = true)]
async fn series_that_pass_are_not_held() {
    let registry = Arc::new(Registry::new(100));
    let mut streams: Streams<u64> = Streams::new(registry.clone(), 1, None);
    for index in 0..50 {
        let found = streams.find(&series(&registry, index), Instant::now(), |_| None);
        assert!(matches!(found, Found::Passes));
    }
    assert_eq!((streams.tracked(), registry.live()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_an_age_a_stream_lasts() {
    let registry = Arc::new(Registry::new(100));
    let mut streams = Streams::new(registry.clone(), 1, None);
    count(&mut streams, &series(&registry, 1));
    wait(Duration::from_hours(1000));
    streams.sweep_some(0, usize::MAX);
    assert_eq!(count(&mut streams, &series(&registry, 1)), 2);
    streams.end(&series(&registry, 1));
    assert_eq!((streams.tracked(), registry.live()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn points_of_no_use_keep_no_stream_alive() {
    let registry = Arc::new(Registry::new(100));
    let mut streams = Streams::new(registry.clone(), 10, Some(AGE));
    let series = series(&registry, 1);
    count(&mut streams, &series);
    for _ in 0..3 {
        wait(AGE / 2);
        streams.find(&series, Instant::now(), |_| Some(Kind::Gauge));
    }
    assert_eq!(count(&mut streams, &series), 1);
}
