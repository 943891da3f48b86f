//! Every fault once, as short as it can be; `cargo run --bin faults` does them at length.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use integration::faults::{self, Scale};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Most of a fault is waiting.
const AT_ONCE: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_loses_what_was_acknowledged() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (index, fault) in faults::all().into_iter().enumerate() {
        let turns = turns.clone();
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            (index, fault.name, faults::run(fault, Scale::Short, seed).await)
        });
    }
    let mut verdicts = running.join_all().await;
    verdicts.sort_by_key(|(index, ..)| *index);
    println!("{}", faults::heading());
    for (_, name, verdict) in &verdicts {
        println!("{}", verdict.row(name));
    }
    let bad: Vec<_> =
        verdicts.iter().filter(|(.., verdict)| !verdict.is_good()).map(|(_, name, _)| name).collect();
    assert!(bad.is_empty(), "not as expected: {bad:?}; `faults NAME --short --seed {seed}` tries one again");
}

#[test]
fn each_fault_has_a_name_of_its_own() {
    let mut names: Vec<_> = faults::all().iter().map(|fault| fault.name).collect();
    assert!(names.len() >= 20);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), faults::all().len());
}

#[test]
fn each_fault_is_on_the_page() {
    let page = std::fs::read_to_string(integration::root().join("docs/faults.md")).unwrap();
    for fault in faults::all() {
        let line = format!("| `{}` | {} | {}; {} |", fault.name, fault.does, fault.loss, fault.doubles);
        assert!(page.contains(&line), "`faults --list` says what is missing in docs/faults.md:\n{line}");
    }
}
