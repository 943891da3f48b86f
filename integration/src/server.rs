//! Backends that are programs of others: found, started on a free port, asked, and ended when dropped.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::collector::wait_until;
use crate::http::get;

/// A program that serves at an address of its own, with a folder of its own.
#[derive(Debug)]
pub struct Server {
    pub address: String,
    folder: TempDir,
    _process: Child,
}

/// A receiver that `integration/peers.sh` builds; says so where it was not.
pub fn peer(name: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let folder = variable("INFEROMETER_PEERS").or_else(|| Some(cache?.join("inferometer-peers")));
    let found = folder.map(|folder| folder.join("bin").join(name)).filter(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no `{name}`: run `integration/peers.sh {name}`");
    }
    found
}

/// A program of a package; says so where it is not installed.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: `{name}` is not installed: run `./test.sh`");
    }
    found
}

/// An address on which nobody listens now.
pub fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port is there");
    listener.local_addr().expect("a listener has an address").to_string()
}

impl Server {
    /// Starts it, and waits until it answers 200 at `ready`.
    ///
    /// In arguments and files `{address}` and `{folder}` stand for its own. Files are laid into the folder before.
    pub async fn start(program: &Path, files: &[(&str, &str)], arguments: &[&str], ready: &str) -> Self {
        Self::start_until(program, files, arguments, (ready, 200)).await
    }

    /// As [`Self::start`], with the path and the status that say it is ready.
    pub async fn start_until(
        program: &Path,
        files: &[(&str, &str)],
        arguments: &[&str],
        (path, status): (&str, u16),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let address = free_address();
        let fill = |text: &str| {
            text.replace("{address}", &address).replace("{folder}", &folder.path().display().to_string())
        };
        for (name, text) in files {
            std::fs::write(folder.path().join(name), fill(text)).expect("a temporary file can be written");
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a temporary file can be made");
        let process = Command::new(program)
            .args(arguments.iter().map(|argument| fill(argument)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be written twice"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let server = Self { address, folder, _process: process };
        let is_ready = || async { get(&server.address, path).await.status == status };
        wait_until(&format!("{} to be ready", program.display()), is_ready, || server.log()).await;
        server
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The samples of an instant query in PromQL: the labels and the value of each.
    pub async fn query(&self, expression: &str) -> Vec<(serde_json::Value, f64)> {
        let escaped: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = get(&self.address, &format!("/api/v1/query?query={escaped}")).await.text();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |entry: &serde_json::Value| entry["value"][1].as_str()?.parse().ok();
        result.iter().map(|entry| (entry["metric"].clone(), value(entry).unwrap_or(f64::NAN))).collect()
    }

    /// Waits until a query has this one value.
    pub async fn wait_for(&self, expression: &str, value: f64, log: impl Fn() -> String) {
        let holds = || async {
            let values = self.query(expression).await;
            values.len() == 1 && (values[0].1 - value).abs() < 1e-9
        };
        let logs = || format!("{}\nthe backend's:\n{}", log(), self.log());
        wait_until(&format!("`{expression}` to be {value}"), holds, logs).await;
    }
}
