//! A real Prometheus as a child process, that scrapes, evaluates rules and answers PromQL.

use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::http::get;

/// A Prometheus that runs until it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    pub address: String,
    _folder: tempfile::TempDir,
    _process: Child,
}

impl Prometheus {
    /// Runs with this configuration.
    pub fn start(config: &str) -> Self {
        Self::start_with("prometheus", config, &[])
    }

    /// Runs a binary with this configuration and more flags.
    pub fn start_with(binary: &str, config: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("prometheus.yml");
        std::fs::write(&path, config).expect("a temporary file can be written");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port is there");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        drop(listener);
        let process = Command::new(binary)
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus starts");
        Self { address, _folder: folder, _process: process }
    }

    /// The result of an instant query, as JSON; `None` where it is not answered, with the reason printed.
    pub async fn query(&self, expression: &str) -> Option<Vec<serde_json::Value>> {
        let path = format!("/api/v1/query?query={}", escape(expression));
        let answer = get(&self.address, &path).await.text();
        let mut answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
        if let serde_json::Value::Array(result) = answer["data"]["result"].take() {
            return Some(result);
        }
        eprintln!("{expression}: {answer}");
        None
    }

    /// The values of an instant query, each with its labels; NaN where a value is none.
    pub async fn values(&self, expression: &str) -> Vec<(serde_json::Value, f64)> {
        let result = self.query(expression).await.unwrap_or_default();
        let value = |entry: &serde_json::Value| {
            entry["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
        };
        result.into_iter().map(|entry| (entry["metric"].clone(), value(&entry))).collect()
    }

    /// The names of the alerts that fire now.
    pub async fn firing(&self) -> Vec<String> {
        let answer = get(&self.address, "/api/v1/alerts").await.text();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing.filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned())).collect()
    }
}

/// Runs promtool and gives its exit code and what it said.
pub async fn promtool(arguments: &[&str], input: Option<&Path>) -> (Option<i32>, String) {
    let input = input.map(|path| std::fs::File::open(path).expect("the input is there"));
    let output = Command::new("promtool")
        .args(arguments)
        .stdin(input.map_or_else(Stdio::null, Stdio::from))
        .output()
        .await
        .expect("promtool runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
