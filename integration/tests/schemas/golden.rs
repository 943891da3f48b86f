//! Everything that a schema makes of an input, as it was when somebody last looked at it.
//!
//! When a schema changes, `INFEROMETER_UPDATE=1 cargo test -p inferometer-integration --test schemas` writes the files
//! anew; what then differs is to be read.

use std::path::PathBuf;

use integration::root;

use crate::platforms::BOARDS;
use crate::{LLAMA_CPP, Page, SCHEMAS, SGLANG, VLLM};

/// What is called so is made of these.
const INPUTS: [(&str, &[&str]); 11] = [
    ("vllm", &[VLLM]),
    ("vllm_two_engines", &["runners/vllm-0.33.0-dp2.constructed.prom"]),
    ("sglang", &[SGLANG]),
    ("llama_cpp", &[LLAMA_CPP]),
    ("vllm_and_gpus", &[VLLM, "otlp/gpus.json"]),
    ("gpus", &["otlp/gpus.json"]),
    ("gpu_boards", &[BOARDS]),
    ("gpu_unified", &["otlp/gpu_unified.json"]),
    ("application", &["otlp/application.json"]),
    ("nodes", &["otlp/nodes.json"]),
    ("nothing", &[]),
];

/// What is counted from now on, and so is another each time.
const MOVING: [&str; 3] = ["ainode_uptime_seconds", "ainode_tokens_per_second", "stats_uptime_seconds"];

pub(crate) fn file(schema: &str, name: &str) -> PathBuf {
    root().join(format!("integration/golden/schemas/{schema}/{name}.txt"))
}

fn made(schema: &str, fixtures: &[&str]) -> String {
    let is_of_runner = fixtures.iter().any(|fixture| fixture.starts_with("runners/"));
    let page = if fixtures.is_empty() { Page::of_text(schema, &[], "") } else { Page::of(schema, fixtures) };
    if is_of_runner { without_moving(&page.0) } else { page.0 }
}

/// The page without what moves by itself: that of a runner counts its time from when it was recorded.
pub(crate) fn without_moving(page: &str) -> String {
    let lines = page.lines().map(|line| match line.split_once(' ') {
        Some((name, _)) if MOVING.contains(&name) => format!("{name} (of now)\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

fn inputs(schema: &str) -> Vec<(String, Vec<String>)> {
    let own = match schema {
        "ainode" => "apps/ainode-0.5.constructed.prom",
        other => &format!("apps/{other}.constructed.prom"),
    };
    let listed = INPUTS.iter().map(|(name, fixtures)| ((*name).to_owned(), *fixtures));
    let listed = listed.map(|(name, fixtures)| (name, fixtures.iter().map(ToString::to_string).collect()));
    listed.chain([(String::from("own_page"), vec![own.to_owned()])]).collect()
}

/// Compares pages with their files, or writes these.
#[track_caller]
pub(crate) fn compare(pages: impl Iterator<Item = (PathBuf, String)>) {
    let is_updating = std::env::var_os("INFEROMETER_UPDATE").is_some();
    let mut differing = Vec::new();
    for (golden, made) in pages {
        if is_updating {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, made).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != made {
            differing.push(golden);
        }
    }
    assert_eq!(
        differing,
        [""; 0].map(PathBuf::from),
        "look at what changed, and update (see the top of `golden.rs`)"
    );
}

#[test]
fn what_is_made_of_each_input_is_as_it_was() {
    let all = SCHEMAS.iter().flat_map(|schema| inputs(schema).into_iter().map(move |input| (*schema, input)));
    compare(all.map(|(schema, (name, fixtures))| {
        let fixtures: Vec<_> = fixtures.iter().map(String::as_str).collect();
        (file(schema, &name), made(schema, &fixtures))
    }));
}

#[test]
fn every_file_belongs_to_an_input() {
    for schema in SCHEMAS {
        let known: Vec<_> = inputs(schema).into_iter().map(|(name, _)| file(schema, &name)).collect();
        for entry in std::fs::read_dir(known[0].parent().unwrap()).unwrap() {
            let path = entry.unwrap().path();
            assert!(known.contains(&path), "{} belongs to no input", path.display());
        }
    }
}

#[test]
fn every_metric_of_a_schema_is_made_of_some_input() {
    // What no input here can give: the sources are for somebody else to bring.
    let without = ["offgrid_model_load_seconds", "stats_gc_cycles_total", "node_state"];
    for schema in SCHEMAS {
        let mut made: Vec<String> = Vec::new();
        for (_, fixtures) in inputs(schema).iter().filter(|(_, fixtures)| !fixtures.is_empty()) {
            let fixtures: Vec<_> = fixtures.iter().map(String::as_str).collect();
            made.extend(Page::of(schema, &fixtures).families());
        }
        for metric in crate::dashboards::metrics(schema) {
            let is_made = made.contains(&metric) || without.contains(&metric.as_str());
            assert!(is_made, "{schema}: nothing here makes {metric}");
        }
    }
}
