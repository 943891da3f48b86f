//! The binary as a child process.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::http;

/// How long anything in a test may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Collector {
    child: Child,
    folder: TempDir,
}

/// Where the binary is: beside the test's own folder of the build.
pub fn binary() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test knows its own path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("inferometer");
    assert!(path.is_file(), "{} is missing: run `cargo build` first", path.display());
    path
}

impl Collector {
    /// Starts with this configuration, and waits until it is ready.
    pub async fn start(config: &str) -> Self {
        let collector = Self::spawn(config, &[]);
        collector.wait_for_log("INFO ready").await;
        collector
    }

    /// Starts what runs without a file, and waits until it is ready.
    pub async fn start_default() -> Self {
        let collector = Self::spawn_default();
        collector.wait_for_log("INFO ready").await;
        collector
    }

    /// Starts what runs without a file; does not wait.
    pub fn spawn_default() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self::launch(folder, Command::new(binary()), &[], &[])
    }

    /// Starts with this configuration and more arguments; does not wait.
    pub fn spawn(config: &str, arguments: &[&str]) -> Self {
        Self::spawn_with(config, arguments, &[])
    }

    /// As [`Self::spawn`], with variables in the environment.
    pub fn spawn_with(config: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::launch_with(config, Command::new(binary()), arguments, variables)
    }

    /// As [`Self::spawn`], through a shell that does this first: `ulimit -n 64`.
    pub fn spawn_after(first: &str, config: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{first} && exec \"$0\" \"$@\"")).arg(binary());
        Self::launch_with(config, shell, &[], &[])
    }

    /// As [`Self::spawn_with`], started by another command that becomes it: `unshare`, `sh -c '... exec "$@"'`.
    pub fn spawn_under(
        wrapper: &[String],
        config: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let binary = binary().to_string_lossy().into_owned();
        let mut words = wrapper.iter().chain([&binary]);
        let mut program = Command::new(words.next().expect("the binary is at the end"));
        program.args(words);
        Self::launch_with(config, program, arguments, variables)
    }

    fn launch_with(config: &str, program: Command, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config_path = folder.path().join("config.yaml");
        std::fs::write(&config_path, config).expect("a temporary file can be written");
        let config_path = config_path.to_string_lossy().into_owned();
        Self::launch(folder, program, &[&["--config", &config_path], arguments].concat(), variables)
    }

    fn launch(folder: TempDir, mut program: Command, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).expect("a temporary file can be made");
        let out = std::fs::File::create(folder.path().join("out")).expect("a temporary file can be made");
        let child = program
            .arg("run")
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        Self { child, folder }
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("the collector runs")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub async fn wait_for_log(&self, text: &str) {
        let log = || self.log();
        wait_until(&format!("`{text}` in the log"), || async { self.log().contains(text) }, log).await;
    }

    /// The address that the log names behind this text: `gRPC on `, `pull endpoint at http://`.
    pub fn address(&self, text: &str) -> String {
        let log = self.log();
        let (_, rest) = log.split_once(text).unwrap_or_else(|| panic!("no `{text}` in the log:\n{log}"));
        rest.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default().to_owned()
    }

    /// The page of the pull endpoint.
    pub async fn page(&self) -> String {
        let address = self.address("pull endpoint at http://");
        http::get(&address, "/metrics").await.text()
    }

    /// The value of the sample of this name with all these labels (`key="value"`) on the page.
    pub async fn sample(&self, name: &str, labels: &[&str]) -> Option<f64> {
        find_sample(&self.page().await, name, labels)
    }

    /// Waits until a sample on the page has this value.
    pub async fn wait_for_sample(&self, name: &str, labels: &[&str], value: f64) {
        let holds = || async { self.sample(name, labels).await == Some(value) };
        wait_until(&format!("`{name}{labels:?}` to be {value}"), holds, || self.log()).await;
    }

    /// A sample of the collector's own metrics.
    pub async fn own_sample(&self, name: &str, labels: &[&str]) -> Option<f64> {
        find_sample(&self.own_page().await, name, labels)
    }

    /// The page of the collector's own metrics.
    pub async fn own_page(&self) -> String {
        let address = self.address("own metrics at http://");
        http::get(&address, "/metrics").await.text()
    }

    /// Sends a signal by its name: `TERM`, `HUP`.
    pub async fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().await;
        assert!(status.expect("`kill` runs").success(), "cannot send {name}");
    }

    /// Puts a new configuration in the place of the old, whole at every moment, and asks for a reload.
    pub async fn reload(&self, config: &str) {
        let (new, path) = (self.folder.path().join("new.yaml"), self.folder.path().join("config.yaml"));
        std::fs::write(&new, config)
            .and_then(|()| std::fs::rename(&new, &path))
            .expect("the file can be written");
        self.signal("HUP").await;
    }

    /// Waits for the end.
    pub async fn wait(&mut self) -> ExitStatus {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let Ok(status) = status else { panic!("the collector does not end:\n{}", self.log()) };
        status.expect("the collector can be waited for")
    }

    /// Asks for the end and waits for it.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.wait().await
    }

    /// Peak and present resident memory in KiB.
    pub fn memory_kib(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
        };
        (field("VmHWM:"), field("VmRSS:"))
    }

    /// Memory in MiB that the kernel cannot take back: what is not of files.
    pub fn anonymous_mib(&self) -> u64 {
        self.anonymous_kib() >> 10
    }

    pub fn anonymous_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0)
    }

    /// Seconds of processor time used so far.
    pub fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }
}

/// The value of the first sample of this name with all these labels in an exposition.
pub fn find_sample(page: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let line = page.lines().find(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Polls until something holds; fails the test with what was wanted and the log.
pub async fn wait_until<F: Future<Output = bool>>(
    what: &str,
    mut holds: impl FnMut() -> F,
    log: impl Fn() -> String,
) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}; the log:\n{}", log());
        sleep(Duration::from_millis(20)).await;
    }
}
