//! Asks mounts how full they are, without waiting for one that hangs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a mount may take before it counts as stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How many threads may hang in mounts of servers and the like.
const STUCK_MAX: usize = 16;

/// How many may hang in mounts of this machine's own devices, besides.
const LOCAL_STUCK_MAX: usize = 64;

/// What a file system tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Space {
    pub(super) block_bytes: u64,
    pub(super) blocks: u64,
    pub(super) blocks_free: u64,
    pub(super) blocks_available: u64,
    pub(super) inodes: u64,
    pub(super) inodes_free: u64,
}

type Question = Arc<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;

/// A thread that asks. One that hangs is left behind, and its mount is not asked again before it is back.
pub(super) struct Probe {
    question: Question,
    patience: Duration,
    worker: Option<Worker>,
    stuck: Vec<Stuck>,
}

/// A mount that has not answered yet.
struct Stuck {
    path: PathBuf,
    server: Option<String>,
    is_local: bool,
    is_running: Arc<AtomicBool>,
}

struct Worker {
    paths: Sender<PathBuf>,
    answers: Receiver<io::Result<Space>>,
    is_running: Arc<AtomicBool>,
}

impl Probe {
    pub(super) fn new(question: Question, patience: Duration) -> Self {
        Self { question, patience, worker: None, stuck: Vec::new() }
    }

    /// Asks the mount of `device` at `path`.
    ///
    /// Mounts of one server hang together: while one does, the others are not asked, so that they neither cost their time
    /// each nor keep those of other servers from being asked.
    pub(super) fn ask(&mut self, device: &str, path: &Path) -> io::Result<Space> {
        let timed_out = |message| Err(io::Error::new(io::ErrorKind::TimedOut, message));
        self.stuck.retain(|stuck| stuck.is_running.load(Ordering::Acquire));
        if self.stuck.iter().any(|stuck| stuck.path == path) {
            return timed_out("it still does not answer");
        }
        let server = server(device);
        if server.is_some() && self.stuck.iter().any(|stuck| stuck.server.as_deref() == server) {
            return timed_out("another mount of its server does not answer");
        }
        let is_local = device.starts_with("/dev/");
        let max = if is_local { LOCAL_STUCK_MAX } else { STUCK_MAX };
        if self.stuck.iter().filter(|stuck| stuck.is_local == is_local).count() >= max {
            return Err(io::Error::other("too many mounts do not answer"));
        }
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.question.clone())?,
        };
        let gone = || io::Error::other("the thread that asks has ended");
        worker.paths.send(path.to_owned()).map_err(|_| gone())?;
        match worker.answers.recv_timeout(self.patience) {
            Ok(answer) => {
                self.worker = Some(worker);
                answer
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
            Err(RecvTimeoutError::Timeout) => {
                let (path, server) = (path.to_owned(), server.map(str::to_owned));
                self.stuck.push(Stuck { path, server, is_local, is_running: worker.is_running });
                timed_out("it does not answer")
            }
        }
    }
}

/// The `server` of `server:/export`.
fn server(device: &str) -> Option<&str> {
    device.split_once(":/").map(|(server, _)| server).filter(|server| !server.is_empty())
}

impl Worker {
    fn start(question: Question) -> io::Result<Self> {
        let (paths, incoming) = channel::<PathBuf>();
        let (outgoing, answers) = channel();
        let is_running = Arc::new(AtomicBool::new(true));
        let running = is_running.clone();
        std::thread::Builder::new().name("statvfs".to_owned()).spawn(move || {
            while let Ok(path) = incoming.recv() {
                if outgoing.send(question(&path)).is_err() {
                    break;
                }
            }
            running.store(false, Ordering::Release);
        })?;
        Ok(Self { paths, answers, is_running })
    }
}

/// Asks the kernel; may take as long as it likes.
pub(super) fn statvfs(path: &Path) -> io::Result<Space> {
    let answer = rustix::fs::statvfs(path)?;
    Ok(Space {
        block_bytes: answer.f_frsize,
        blocks: answer.f_blocks,
        blocks_free: answer.f_bfree,
        blocks_available: answer.f_bavail,
        inodes: answer.f_files,
        inodes_free: answer.f_ffree,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_stuck_mount_holds_up_nobody_and_is_asked_again_when_it_is_back() {
        let (release, hang) = channel::<()>();
        let hang = Mutex::new(hang);
        let question = move |path: &Path| {
            if path.ends_with("stuck") {
                // Ends with an error once the other side is gone.
                let _ = hang.lock().unwrap().recv();
            }
            Ok(Space { blocks: 7, ..Space::default() })
        };
        let mut probe = Probe::new(Arc::new(question), Duration::from_millis(50));
        let (stuck, healthy) = (Path::new("/stuck"), Path::new("/healthy"));
        let error =
            |probe: &mut Probe, device: &str, path: &Path| probe.ask(device, path).unwrap_err().to_string();
        assert_eq!(error(&mut probe, "nas:/a", stuck), "it does not answer");
        assert_eq!(error(&mut probe, "nas:/a", stuck), "it still does not answer");
        let other = error(&mut probe, "nas:/b", healthy);
        assert_eq!(other, "another mount of its server does not answer");
        probe.patience = Duration::from_secs(10);
        assert_eq!(probe.ask("other:/a", healthy).unwrap().blocks, 7);
        assert_eq!(probe.ask("/dev/sda1", healthy).unwrap().blocks, 7);
        drop(release);
        while probe.stuck.iter().any(|stuck| stuck.is_running.load(Ordering::Acquire)) {
            std::thread::yield_now();
        }
        assert_eq!(probe.ask("nas:/b", healthy).unwrap().blocks, 7);
        assert_eq!(probe.ask("nas:/a", stuck).unwrap().blocks, 7);
    }

    #[test]
    fn the_threads_left_behind_are_bounded() {
        let (_release, hang) = channel::<()>();
        let hang = Mutex::new(hang);
        let question = move |path: &Path| {
            if !path.ends_with("healthy") {
                let _ = hang.lock().unwrap().recv();
            }
            Ok(Space::default())
        };
        let mut probe = Probe::new(Arc::new(question), Duration::from_millis(1));
        for index in 0..STUCK_MAX {
            probe.ask(&format!("nas{index}:/a"), Path::new(&format!("/{index}"))).unwrap_err();
        }
        let error = probe.ask("nas:/a", Path::new("/one more")).unwrap_err();
        assert_eq!(error.to_string(), "too many mounts do not answer");
        // What others hang in does not silence the machine's own.
        let patience = std::mem::replace(&mut probe.patience, Duration::from_secs(10));
        probe.ask("/dev/sda1", Path::new("/healthy")).unwrap();
        probe.patience = patience;
        for index in 0..LOCAL_STUCK_MAX {
            probe.ask("/dev/sdb1", Path::new(&format!("/local/{index}"))).unwrap_err();
        }
        let error = probe.ask("/dev/sda1", Path::new("/healthy")).unwrap_err();
        assert_eq!(error.to_string(), "too many mounts do not answer");
    }
}
