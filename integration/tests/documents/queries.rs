//! Every expression of the documents and their dashboards, with the values that the inputs imply.

mod ai_cluster;
mod ainode;
mod answer;
mod gpustack;
mod model_runner;
mod offgrid;

use std::time::Duration;

use integration::{root, wait_until};
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub(crate) use answer::{Answer, Number, Question, about, at_least, exactly};

use crate::recording::{Buckets, quantile};
use crate::world::World;

/// How long answers may take to come.
const PATIENCE: Duration = Duration::from_secs(40);
/// Counters of the runners have their recorded rate over just this time.
const WINDOW: &str = "20s";

/// The model that each runner serves.
pub(crate) const LLAMA: &str = "meta-llama/Llama-3.1-8B-Instruct";
pub(crate) const QWEN: &str = "Qwen/Qwen3-8B";
pub(crate) const DEEPSEEK: &str = "deepseek-r1";

pub(crate) const GIB: f64 = (1_u64 << 30) as f64;

/// Asks until everything is as it should be, or time is up: what is then wrong.
pub(crate) async fn check(world: &World) -> Vec<String> {
    let mut open: Vec<Question> = [
        ainode::questions(&world.recorded),
        offgrid::questions(&world.recorded),
        ai_cluster::questions(&world.recorded),
        model_runner::questions(world),
        gpustack::questions(&world.recorded),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut faults = unasked(&open);
    // Until the window is full, a rate tells of less than it covers.
    let is_full = || async {
        let counted = world.prometheus.values("count_over_time(up{job=\"offgrid\"}[1m])").await;
        counted.iter().any(|(_, count)| *count >= 22.0)
    };
    wait_until("the window of the rates to be full", is_full, || world.collector.log()).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut wrong = Vec::new();
        for question in open {
            if let Some(fault) = ask(world, &question).await {
                wrong.push((question, fault));
            }
        }
        if wrong.is_empty() || Instant::now() > deadline {
            faults.extend(wrong.into_iter().map(|(_, fault)| fault));
            return faults;
        }
        open = wrong.into_iter().map(|(question, _)| question).collect();
        sleep(Duration::from_millis(500)).await;
    }
}

/// What is wrong with the answer to a question, as it is written and over a window that is full.
async fn ask(world: &World, question: &Question) -> Option<String> {
    let full = question.expression.replace("[5m]", &format!("[{WINDOW}]"));
    let full = full.replace("[1m]", &format!("[{WINDOW}]")).replace("[1h]", &format!("[{WINDOW}]"));
    let full = full.replace("$__rate_interval", WINDOW);
    if let Some(fault) = question.fault(&world.prometheus.values(&full).await) {
        return Some(format!("{full}: {fault}"));
    }
    let written = question.expression.replace("$__rate_interval", "5m");
    if written == full || written.contains(" > ") {
        return None;
    }
    // Over a window that reaches back to before the beginning, a rate is less, and of the same series.
    let fault = question.series_fault(&world.prometheus.values(&written).await);
    fault.map(|fault| format!("{written}: {fault}"))
}

/// What dashboards ask, and the tables here do not know.
fn unasked(questions: &[Question]) -> Vec<String> {
    let known = |expression: &str| questions.iter().any(|question| question.written == expression);
    let mut faults = Vec::new();
    for dashboard in ["ainode", "offgrid", "ai_cluster", "model_runner"] {
        let path = root().join(format!("integration/dashboards/{dashboard}.json"));
        let text: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let panels = text["panels"].as_array().unwrap().iter();
        let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            if !known(expression) {
                faults.push(format!("the dashboard {dashboard} asks, and no table here: {expression}"));
            }
        }
    }
    faults.extend(
        gpustack::published()
            .into_iter()
            .filter(|expression| !known(expression))
            .map(|expression| format!("GPUStack asks, and no table here: {expression}")),
    );
    faults
}

/// A label, as it stands in a key of an answer.
pub(crate) fn model(name: &str) -> String {
    format!("model=\"{name}\"")
}

/// The 95th percentile.
pub(crate) fn p95(buckets: &Buckets) -> f64 {
    quantile(0.95, buckets)
}
