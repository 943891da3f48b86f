//! A thread that prints, with a bound on what waits for it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tracing::warn;

use super::Output;

/// How much text may wait to be printed.
const WAITING_SIZE_MAX: usize = 16 << 20;

/// How long a stopped printer may still print.
const STOP_TIME_MAX: Duration = Duration::from_secs(1);

/// Hands text to the thread.
#[derive(Debug)]
pub(super) struct Printer {
    texts: Sender<String>,
    waiting_size: Arc<AtomicUsize>,
    finished: tokio::sync::oneshot::Receiver<()>,
    left_out: u64,
}

impl Printer {
    pub(super) fn start(output: Output) -> io::Result<Self> {
        match output {
            Output::Stdout => Self::start_with(io::stdout()),
            Output::Stderr => Self::start_with(io::stderr()),
        }
    }

    pub(super) fn start_with(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (texts, received) = channel();
        let (finish, finished) = tokio::sync::oneshot::channel();
        let waiting_size = Arc::new(AtomicUsize::new(0));
        let waiting = waiting_size.clone();
        thread::Builder::new().name("debug exporter".to_owned()).spawn(move || {
            print(writer, &received, &waiting);
            // Nobody waits where the printer was just dropped.
            let _ = finish.send(());
        })?;
        Ok(Self { texts, waiting_size, finished, left_out: 0 })
    }

    /// Prints a text, or leaves it out where too much waits already.
    pub(super) fn print(&mut self, text: String) {
        let size = text.len();
        let waiting = self.waiting_size.fetch_add(size, Ordering::Relaxed);
        // One text goes in however long it is.
        let is_taken = (waiting == 0 || waiting + size <= WAITING_SIZE_MAX) && self.texts.send(text).is_ok();
        if is_taken {
            self.left_out = 0;
            return;
        }
        self.waiting_size.fetch_sub(size, Ordering::Relaxed);
        self.left_out += 1;
        // Powers of two, so that a terminal that is gone does not fill the log.
        if self.left_out.is_power_of_two() {
            warn!(batches = self.left_out, "nobody takes what is printed; batches were left out");
        }
    }

    /// Prints what waits, within a bound.
    pub(super) async fn stop(self) {
        drop(self.texts);
        let _ = tokio::time::timeout(STOP_TIME_MAX, self.finished).await;
    }
}

/// Prints until there is nobody left to send, or nobody to read.
fn print(mut writer: impl Write, texts: &Receiver<String>, waiting_size: &AtomicUsize) {
    for text in texts {
        let written = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
        waiting_size.fetch_sub(text.len(), Ordering::Relaxed);
        if written.is_err() {
            return;
        }
    }
}
