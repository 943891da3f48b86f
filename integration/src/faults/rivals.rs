//! The same outage for this collector and for others: scraped samples, remote write, a restart in the middle.

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::Scale;
use super::counting::Counting;
use crate::account::Account;
use crate::collector::binary;
use crate::http_backend::{Answer, HttpBackend};

/// A program that scrapes and sends by remote write.
#[derive(Debug, Clone, Copy)]
struct Rival {
    name: &'static str,
    program: &'static str,
    /// Of the folder that is kept over the restart, and of the backend's URL.
    arguments: fn(&str, &str) -> Vec<String>,
    /// Of the target's address, the folder and the backend's URL.
    config: fn(&str, &str, &str) -> String,
}

const OURS: &str = "inferometer";

const RIVALS: &[Rival] = &[
    Rival {
        name: OURS,
        program: OURS,
        arguments: |folder, _| {
            vec![String::from("run"), String::from("--config"), format!("{folder}/config.yaml")]
        },
        config: ours,
    },
    Rival {
        name: "Prometheus",
        program: "prometheus",
        arguments: |folder, _| prometheus(folder, &format!("--storage.tsdb.path={folder}/data")),
        config: |target, _, url| format!("{}remote_write: [{{url: '{url}'}}]\n", scraping(target)),
    },
    Rival {
        name: "Prometheus agent",
        program: "prometheus",
        arguments: |folder, _| {
            let mut arguments = prometheus(folder, &format!("--storage.agent.path={folder}/data"));
            arguments.push(String::from("--enable-feature=agent"));
            arguments
        },
        config: |target, _, url| format!("{}remote_write: [{{url: '{url}'}}]\n", scraping(target)),
    },
    Rival {
        name: "vmagent",
        program: "vmagent",
        arguments: |folder, url| {
            vec![
                format!("-promscrape.config={folder}/config.yaml"),
                format!("-remoteWrite.url={url}"),
                format!("-remoteWrite.tmpDataPath={folder}/data"),
                String::from("-httpListenAddr=127.0.0.1:0"),
            ]
        },
        config: |target, _, _| scraping(target),
    },
];

fn prometheus(folder: &str, storage: &str) -> Vec<String> {
    let config = format!("--config.file={folder}/config.yaml");
    vec![config, storage.to_owned(), String::from("--web.listen-address=127.0.0.1:0")]
}

fn scraping(target: &str) -> String {
    format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs: [{{job_name: t, static_configs: [{{targets: ['{target}']}}]}}]
"
    )
}

fn ours(target: &str, folder: &str, url: &str) -> String {
    format!(
        "extensions:
  file_storage: {{directory: '{folder}/queue'}}
receivers:
  prometheus: {{config: {{scrape_configs: [{{job_name: t, scrape_interval: 200ms, scrape_timeout: 200ms, static_configs: [{{targets: ['{target}']}}]}}]}}}}
exporters:
  prometheus_remote_write: {{endpoint: '{url}', sending_queue: {{storage: file_storage}}, retry_on_failure: {{max_elapsed_time: 0}}}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [prometheus], exporters: [prometheus_remote_write]}}
"
    )
}

/// How long each part of the outage lasts.
#[derive(Debug, Clone, Copy)]
struct Times {
    well: Duration,
    away: Duration,
    after_restart: Duration,
    drain: Duration,
}

/// What became of one sender's samples.
#[derive(Debug)]
struct Line {
    sender: String,
    served: u64,
    delivered: u64,
    duplicated: u64,
    first_lost: Option<i64>,
    last_lost: Option<i64>,
}

/// Does the same to all at once; gives a table, and whether this collector lost nothing.
pub async fn rivals(scale: Scale) -> (String, bool) {
    let seconds = Duration::from_secs;
    let times = match scale {
        Scale::Short => {
            Times { well: seconds(5), away: seconds(5), after_restart: seconds(4), drain: seconds(20) }
        }
        Scale::Full => {
            Times { well: seconds(20), away: seconds(20), after_restart: seconds(15), drain: seconds(45) }
        }
    };
    let runs = RIVALS.iter().flat_map(|rival| ["TERM", "KILL"].map(|signal| (rival, signal)));
    let running: Vec<_> =
        runs.map(|(rival, signal)| (rival, signal, tokio::spawn(outage(*rival, signal, times)))).collect();
    let mut table = String::from(
        "| sender | signal | served | delivered | lost | duplicated | numbers lost |\n|---|---|---:|---:|---:|---:|---|\n",
    );
    let mut is_good = true;
    for (rival, signal, run) in running {
        let Some(line) = run.await.expect("a run does not panic") else {
            let _ = writeln!(table, "| {} | {signal} | | | | | skipped: not installed |", rival.name);
            continue;
        };
        let lost = line.served - line.delivered;
        is_good &= rival.name != OURS || (lost == 0 && line.served > 0);
        let numbers = match (line.first_lost, line.last_lost) {
            (Some(first), Some(last)) => format!("{first} to {last}"),
            _ => String::from("none"),
        };
        let Line { sender, served, delivered, duplicated, .. } = line;
        let _ = writeln!(
            table,
            "| {sender} | {signal} | {served} | {delivered} | {lost} | {duplicated} | {numbers} |"
        );
    }
    (table, is_good)
}

async fn outage(rival: Rival, signal: &str, times: Times) -> Option<Line> {
    let source = format!("{} {signal}", rival.name);
    let target = Counting::start(&source).await;
    let account = Arc::new(Account::default());
    let backend = HttpBackend::remote_write(account.clone()).await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let url = format!("{}/api/v1/write", backend.url());
    let path = folder.path().to_string_lossy().into_owned();
    std::fs::write(folder.path().join("config.yaml"), (rival.config)(&target.address, &path, &url))
        .expect("a temporary file can be written");
    let mut process = start(rival, &folder, &url)?;
    sleep(times.well).await;
    backend.answer(Answer::Status(503, String::new()));
    sleep(times.away).await;
    end(&mut process, signal).await;
    let mut process = start(rival, &folder, &url)?;
    sleep(times.after_restart).await;
    backend.answer(Answer::Accept);
    // New samples go on for a while, and then only what waits is left.
    sleep(times.well).await;
    target.close();
    let deadline = Instant::now() + times.drain;
    while target.served().iter().any(|number| !account.of(&source).contains_key(number)) {
        if Instant::now() > deadline {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    end(&mut process, "TERM").await;
    let seen = account.of(&source);
    let served = target.served();
    let lost: Vec<i64> = served.iter().copied().filter(|number| !seen.contains_key(number)).collect();
    Some(Line {
        sender: rival.name.to_owned(),
        served: served.len() as u64,
        delivered: (served.len() - lost.len()) as u64,
        duplicated: seen.values().filter(|times| times.taken > 1).count() as u64,
        first_lost: lost.first().copied(),
        last_lost: lost.last().copied(),
    })
}

/// Starts the program; `None` where it is not installed.
fn start(rival: Rival, folder: &TempDir, url: &str) -> Option<Child> {
    let program = if rival.program == OURS { binary() } else { Path::new(rival.program).to_owned() };
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log"));
    Command::new(program)
        .args((rival.arguments)(&folder.path().to_string_lossy(), url))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.expect("a temporary file can be made"))
        .kill_on_drop(true)
        .spawn()
        .ok()
}

async fn end(process: &mut Child, signal: &str) {
    let id = process.id().expect("the process runs").to_string();
    let _ = Command::new("kill").args([&format!("-{signal}"), &id]).status().await;
    if timeout(Duration::from_mins(1), process.wait()).await.is_err() {
        let _ = process.kill().await;
    }
}
