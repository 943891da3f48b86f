//! What the usual dashboard asks for, asked of a Prometheus that scrapes us.

use std::collections::BTreeSet;
use std::sync::Mutex;

use integration::{Prometheus, has_counterparts, root, wait_until};

use crate::beside::{Beside, PATH};
use crate::differences::{ONLY_THEIRS, reason};
use crate::facts;
use crate::{made, type_of};

fn queries() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("integration/queries/node_exporter.txt")).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// A label that a machine may not have.
const ROOT: &str = "mountpoint=\"/\"";

/// The metrics that a query names.
fn names(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| ["node_", "process_"].iter().any(|start| word.starts_with(start))).collect()
}

#[test]
fn every_metric_of_the_dashboard_is_asked_for_and_is_made_or_said_to_be_absent() {
    let (made, absent) = (made(), facts::absent());
    let queries = queries();
    let asked: BTreeSet<&str> = queries.iter().flat_map(|query| names(query)).collect();
    for name in &asked {
        assert!(absent.contains_key(*name) || type_of(&made, name).is_some(), "nothing makes {name}");
    }
    let wanted = facts::facts().into_iter().filter(|fact| fact.is_asked);
    let unasked: Vec<_> =
        wanted.map(|fact| fact.name).filter(|name| !asked.contains(name.as_str())).collect();
    assert!(unasked.is_empty(), "{unasked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_that_this_machine_can_answer_has_an_answer() {
    if !has_counterparts() {
        return;
    }
    let beside = Beside::start().await;
    let job = format!(
        "{{job_name: node, metrics_path: {PATH}, static_configs: [{{targets: ['{}']}}]}}",
        beside.address
    );
    let prometheus =
        Prometheus::start(&format!("global: {{scrape_interval: 1s}}\nscrape_configs: [{job}]\n"));

    let (theirs, ours) = (beside.theirs().await, beside.ours().await);
    let faults = facts::faults(&ours);
    assert!(faults.is_empty(), "{faults:#?}");
    let absent = facts::absent();
    // What neither has, this machine cannot answer; what node_exporter has, we must.
    let can_be = |name: &&str| {
        let is_only_there = reason(ONLY_THEIRS, name).is_some() || absent.contains_key(*name);
        ours.0.contains_key(*name) || (theirs.0.contains_key(*name) && !is_only_there)
    };
    let all = queries();
    // In a container there may be no file system at `/` that is read.
    let has_root = |name: &&str| {
        let family = ours.0.get(*name);
        family.is_some_and(|family| family.series.keys().any(|labels| labels.contains(ROOT)))
    };
    let is_possible = |query: &&String| {
        let names = names(query);
        names.iter().all(can_be) && (!query.contains(ROOT) || names.iter().all(has_root))
    };
    let possible = all.iter().filter(is_possible);
    let fill = |query: &String| {
        let query = query.replace("$node", &beside.address).replace("$job", "node");
        query.replace("$__rate_interval", "15s")
    };
    let open: BTreeSet<String> = possible.map(fill).collect();
    let count = open.len();
    assert!(count > 200, "{count} of {}", all.len());
    let open = Mutex::new(open);
    let is_answered = || async {
        let asked = open.lock().unwrap().clone();
        for query in asked {
            if prometheus.values(&query).await.iter().any(|(_, value)| value.is_finite()) {
                open.lock().unwrap().remove(&query);
            }
        }
        open.lock().unwrap().is_empty()
    };
    let log =
        || format!("of {count} without an answer: {:#?}\n{}", open.lock().unwrap(), beside.collector.log());
    wait_until("an answer to every query", is_answered, log).await;
    println!("{count} of {} queries answered", all.len());
}
