//! How many bytes all requests together may hold while they are read and decoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a request waits for others to give bytes back before it is told to try later.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What all requests together hold at most; one request must stay well below.
pub const BUDGET_BYTES_MAX: usize = 256 << 20;

/// A bound on the bytes held by requests at once; clones share it, and are of one request.
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Shared>,
    /// What the request holds whose budget this is.
    own: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Shared {
    bytes_max: usize,
    /// What several requests may hold; one alone may hold `bytes_max`.
    together_max: AtomicUsize,
    held: AtomicUsize,
    released: Notify,
}

/// What one request holds; given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    budget: Budget,
    bytes: usize,
}

/// Nobody gave enough back in time.
#[derive(Debug)]
pub(super) struct Exhausted;

impl Budget {
    /// For all requests together.
    pub fn new(bytes_max: usize) -> Self {
        let shared = Shared {
            bytes_max,
            together_max: AtomicUsize::new(bytes_max),
            held: AtomicUsize::new(0),
            released: Notify::new(),
        };
        Self { shared: Arc::new(shared), own: Arc::default() }
    }

    /// The same bound, for one request: what it holds as it came and decompressed counts as held by one.
    #[must_use]
    pub fn of_request(&self) -> Self {
        Self { shared: self.shared.clone(), own: Arc::default() }
    }

    /// Bounds what several requests hold together, where memory is short; `None` is the bound it was made with.
    ///
    /// One request alone may hold more: it would be refused for ever.
    pub fn limit(&self, bytes: Option<u64>) {
        let bytes = bytes.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        self.shared.together_max.store(bytes.min(self.shared.bytes_max), Ordering::Relaxed);
    }

    /// How many bytes are held now.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    pub(super) fn claim(&self) -> Claim {
        Claim { budget: self.clone(), bytes: 0 }
    }

    /// Takes `bytes` more.
    fn try_take(&self, bytes: usize) -> bool {
        let own = self.own.load(Ordering::Relaxed);
        let Shared { bytes_max, together_max, held, .. } = &*self.shared;
        let together_max = together_max.load(Ordering::Relaxed);
        let is_taken = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let max = if held == own { *bytes_max } else { together_max };
            held.checked_add(bytes).filter(|sum| *sum <= max)
        });
        if is_taken.is_ok() {
            self.own.fetch_add(bytes, Ordering::Relaxed);
        }
        is_taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.shared.held.fetch_sub(bytes, Ordering::Relaxed);
        self.shared.released.notify_waiters();
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BUDGET_BYTES_MAX)
    }
}

impl Claim {
    /// Holds `bytes` in all from now on.
    ///
    /// Waits a little where others hold too much. The wait is bounded because those others may in turn be
    /// waiting for what this request holds.
    pub(super) async fn raise(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let more = bytes.saturating_sub(self.bytes);
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let released = self.budget.shared.released.notified();
            if self.budget.try_take(more) {
                self.bytes += more;
                return Ok(());
            }
            tokio::time::timeout_at(deadline, released).await.map_err(|_| Exhausted)?;
        }
    }

    /// Holds no more than `bytes` from now on.
    pub(super) fn lower(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        if less > 0 {
            self.bytes -= less;
            self.budget.give_back(less);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.lower(0);
    }
}
