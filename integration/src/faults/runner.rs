//! One fault from the start of the backend to the settled accounts.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::books::Books;
use super::outcome::{Evidence, Outcome, Verdict};
use super::scene::{Scene, Skip};
use super::{Fault, Loss, Scale, complaints};
use crate::account::{Point, is_poison};
use crate::steady::Entries;

/// Runs one fault.
pub async fn run(fault: Fault, scale: Scale, seed: u64) -> Verdict {
    let running = tokio::spawn(async move { perform(&fault, scale, seed).await });
    running.await.unwrap_or_else(|panic| {
        let text = match panic.try_into_panic() {
            Ok(panic) => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        let first = text.lines().take(3).collect::<Vec<_>>().join(" ");
        Verdict::Ran(Box::new(Outcome { seed, complaints: vec![first], ..Outcome::default() }))
    })
}

async fn perform(fault: &Fault, scale: Scale, seed: u64) -> Verdict {
    let start = Instant::now();
    let mut scene = Scene::new(fault, scale, seed).await;
    if let Err(Skip(why)) = (fault.prepare)(&mut scene).await {
        return Verdict::Skipped(why);
    }
    scene.start().await;
    let descriptors = scene.collector().descriptors();
    scene.send();
    scene.pause(200..=1_000).await;
    let (base, _) = scene.collector().memory_kib();
    if let Err(Skip(why)) = (fault.inject)(&mut scene).await {
        return Verdict::Skipped(why);
    }
    scene.last(0.5, 2.0).await;
    let mut entries = Vec::new();
    for sending in std::mem::take(&mut scene.sending) {
        entries.push(sending.stop().await);
    }
    let last = drain(&scene, fault, &entries).await;
    let mut outcome = settle(&mut scene, fault, &entries, &last);
    outcome.descriptors = (descriptors, scene.collector().descriptors());
    let status = scene.terminate().await;
    outcome.complain(!status.success(), format!("the collector ended with {status}"));
    outcome.complain(scene.log().contains("panicked"), String::from("something panicked"));
    outcome.memory_kib = (base, scene.past.peak_kib);
    outcome.complaints.append(&mut scene.complaints);
    outcome.notes.append(&mut scene.notes);
    outcome.took = start.elapsed();
    complaints::of_memory(&mut outcome, scene.growth_max_mib);
    complaints::of_the_log(&mut outcome, &scene.log(), scene.past.lives);
    outcome.seed = seed;
    if !outcome.complaints.is_empty() {
        keep_log(&scene, fault, seed);
    }
    Verdict::Ran(Box::new(outcome))
}

fn settle(scene: &mut Scene, fault: &Fault, entries: &[Entries], last: &Books) -> Outcome {
    let mut books = scene.past.books.clone();
    books.add(last);
    let evidence = Evidence {
        entries,
        account: &scene.account,
        books: &books,
        last,
        found: found(scene),
        lives: scene.past.lives,
        breaks: scene.breaks,
        destroyed: scene.destroyed,
        keeps_order: scene.keeps_order,
    };
    Outcome::settle(fault, &evidence)
}

/// Waits until the collector holds nothing any more, and all that is not given up has arrived; gives its books.
async fn drain(scene: &Scene, fault: &Fault, entries: &[Entries]) -> Books {
    let patience = if scene.scale == Scale::Short { 30 } else { 120 };
    let deadline = Instant::now() + Duration::from_secs(patience);
    loop {
        let books = scene.books().await.unwrap_or_default();
        let dropped = scene.past.books.dropped() + books.dropped();
        let missing: u64 = entries.iter().map(|entries| missing(scene, fault, entries)).sum();
        if (books.queued == 0 && missing <= dropped + scene.destroyed) || Instant::now() > deadline {
            return books;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn missing(scene: &Scene, fault: &Fault, entries: &Entries) -> u64 {
    let seen = scene.account.of(&entries.source);
    let is_wanted = |number: &i64| {
        let point = Point { source: String::new(), lane: String::new(), number: *number };
        fault.loss != Loss::Poison || !is_poison(&point)
    };
    let numbers = (0..entries.acknowledged as i64).filter(is_wanted);
    numbers.filter(|number| !seen.contains_key(number)).count() as u64
}

/// How many points the last collector found in its queue, as it says when it starts.
fn found(scene: &Scene) -> u64 {
    let exporter = format!("exporter=\"{}\"", scene.setup.exporter_id());
    let log = scene.collector().log();
    let line = log.lines().find(|line| line.contains("wait on disk from before") && line.contains(&exporter));
    let words = line.and_then(|line| line.split(" points wait").next());
    words.and_then(|words| words.rsplit(' ').next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What the collectors said, for whoever looks into it.
fn keep_log(scene: &Scene, fault: &Fault, seed: u64) {
    let path = std::env::temp_dir().join(format!("fault-{}-{seed}.log", fault.name));
    match std::fs::write(&path, scene.log()) {
        Ok(()) => eprintln!("the log of {} is in {}", fault.name, path.display()),
        Err(error) => eprintln!("the log of {} cannot be kept: {error}", fault.name),
    }
}
