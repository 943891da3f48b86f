//! A process that ends at any moment loses nothing that was acknowledged.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const APART: i64 = 1_000_000;

fn batch_of(resource: i64, values: std::ops::Range<i64>) -> Batch {
    let first = resource * APART;
    points(&resource.to_string(), first + values.start..first + values.end).into_iter().collect()
}

fn script(random: &mut StdRng) -> Vec<Act> {
    (0..random.random_range(0..200))
        .map(|_| match random.random_range(0..10) {
            0..3 => Act::Retry,
            3 => Act::RetryAfter(random.random_range(1..20)),
            4 => Act::AtMost(random.random_range(1..30)),
            5..8 => Act::TakeAfter(random.random_range(1..500)),
            _ => Act::Take,
        })
        .collect()
}

/// In each life some is taken and some sent; each ends without notice.
async fn check(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut disk = Disk::new();
    let mut next = [0_i64; 4];
    let mut lives = Vec::new();
    let mut config = persistent();
    if random.random_bool(0.5) {
        config.sending_queue.batch = Some(sizes(10, 40));
    }
    for _ in 0..random.random_range(2..6) {
        let (exporter, ledger) = (Scripted::new(script(&mut random), Act::Take), Ledger::default());
        let outbox = disk.start(&exporter, config.clone(), &ledger).await;
        for _ in 0..random.random_range(0..40) {
            let resource = random.random_range(0..4_usize);
            let first = next[resource];
            next[resource] += random.random_range(1..20);
            record(&[&outbox], batch_of(resource as i64, first..next[resource])).await.unwrap();
            tokio::time::sleep(Duration::from_millis(random.random_range(0..100))).await;
        }
        // Its tasks end at once, in the middle of whatever they do.
        drop(outbox);
        lives.push(exporter);
        disk.restart().await;
    }
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, config, &ledger).await;
    until(|| held(&outbox) == 0).await;
    outbox.drain(after(60)).await;
    lives.push(exporter);

    let mut seen: BTreeMap<i64, u32> = BTreeMap::new();
    for exporter in &lives {
        let mut last = [-1_i64; 4];
        for value in exporter.taken() {
            *seen.entry(value).or_default() += 1;
            let (resource, value) = ((value / APART) as usize, value % APART);
            assert!(
                value > last[resource],
                "seed {seed}: {value} of {resource} came after {}",
                last[resource]
            );
            last[resource] = value;
        }
    }
    let expected: Vec<i64> = (0..4)
        .flat_map(|resource| (0..next[resource as usize]).map(move |value| resource * APART + value))
        .collect();
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), expected, "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_arrives_however_often_the_process_ends() {
    for seed in 0..20 {
        check(seed).await;
    }
}
