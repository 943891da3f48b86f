//! The runners of the demonstration: what each answers, and the process that it is.

use std::ffi::CStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::replay::Replay;

/// A runner: its name, the page it answers with, and how the machine knows it.
#[derive(Debug)]
pub struct Runner {
    pub name: &'static str,
    /// What its process is called.
    process: &'static CStr,
    /// The page of `GET /metrics`, as it was recorded.
    page: &'static str,
    /// The model, where its page does not say it.
    pub model: Option<&'static str>,
    /// The number that stands for its process in the script of the GPUs.
    pub(crate) stand_in: u32,
}

/// All runners of the demonstration.
pub const RUNNERS: [Runner; 3] = [
    Runner {
        name: "vllm",
        process: c"demo-vllm",
        page: include_str!("../../fixtures/runners/vllm-0.33.0.constructed.prom"),
        model: None,
        stand_in: 1001,
    },
    Runner {
        name: "sglang",
        process: c"demo-sglang",
        page: include_str!("../../fixtures/runners/sglang-0.5.23.constructed.prom"),
        model: None,
        stand_in: 1002,
    },
    Runner {
        name: "llama_cpp",
        process: c"demo-llama-server",
        page: include_str!("../../fixtures/runners/llamacpp-0.5.0-dev-0c1e57098-load.recorded.prom"),
        model: Some("Qwen2.5-7B-Instruct-Q8_0"),
        stand_in: 1003,
    },
];

/// Is the runner of this name: says on standard output where it answers, until standard input ends.
///
/// The one who starts it holds that input, so that it ends too when the other one is killed.
pub async fn serve(name: &str) -> std::io::Result<()> {
    let found = RUNNERS.iter().find(|runner| runner.name == name);
    let runner = found.ok_or_else(|| std::io::Error::other(format!("there is no runner `{name}`")))?;
    // A real runner is not of the collector's session: an interrupt at the terminal is not for it, and nobody takes the
    // two for relatives. Where the session cannot be had, it is a runner all the same.
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(runner.process);
    let replay = Replay::start_text(runner.page).await;
    let mut output = std::io::stdout();
    writeln!(output, "{}", replay.address)?;
    output.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// A runner that runs; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: String,
    child: Child,
}

impl Running {
    /// Starts a runner as `executable demo-runner NAME`.
    pub(crate) fn start(executable: &Path, runner: &Runner) -> std::io::Result<Self> {
        let mut child = Command::new(executable)
            .args(["demo-runner", runner.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut address)?;
        }
        let running = Self { address: address.trim().to_owned(), child };
        if running.address.is_empty() {
            return Err(std::io::Error::other("it ended before it said where it answers"));
        }
        Ok(running)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
