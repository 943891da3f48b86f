//! What a receiver hands its batches to.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use crate::batch::Batch;

/// A batch was not taken: nothing of it was kept, and the sender should try later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub retry_after: Duration,
    /// For the sender's log: ``the queue of `otlp_http/mimir` is full``.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refused {}

/// What takes batches: the pipelines of a running collector, or a [`Sink`] in a test.
pub trait Intake: Send + Sync {
    /// Takes a batch whole, or none of it; returns when every exporter's queue has it.
    fn send(&self, batch: Batch) -> BoxFuture<'_, Result<(), Refused>>;

    /// Takes a batch nobody can be asked to send again: an exporter whose queue is full goes without,
    /// and counts what it missed.
    fn offer(&self, batch: Batch) -> BoxFuture<'_, ()>;

    /// Whether a push would be taken now, as far as can be said before it is read.
    fn ready(&self) -> Result<(), Refused> {
        Ok(())
    }

    /// Whether anybody would take a scrape now; one that nobody would take is counted as skipped.
    fn wants_scrape(&self) -> bool {
        true
    }

    /// Whether receivers are to forget what they remember only to be quicker.
    fn is_pressed(&self) -> bool {
        false
    }
}

/// A receiver's way to its pipelines; clones lead to the same place, which a reload may change.
#[derive(Clone)]
pub struct Output {
    intake: Arc<ArcSwap<Box<dyn Intake>>>,
}

impl Output {
    /// Leads to `intake` until it is redirected.
    pub fn new(intake: impl Intake + 'static) -> Self {
        Self { intake: Arc::new(ArcSwap::from_pointee(Box::new(intake))) }
    }

    /// Leads all clones to another place; batches on their way arrive where they were sent.
    pub fn redirect(&self, intake: impl Intake + 'static) {
        self.intake.store(Arc::new(Box::new(intake)));
    }

    /// Hands over what somebody waits to hear about (a push).
    ///
    /// Returns when every exporter's queue has the batch, or when one cannot take it; then none has it
    /// and the sender is to be told to try later.
    pub async fn send(&self, batch: Batch) -> Result<(), Refused> {
        if batch.is_empty() {
            return Ok(());
        }
        self.intake.load_full().send(batch).await
    }

    /// Whether a push would be taken now, as far as can be said before it is read.
    pub fn ready(&self) -> Result<(), Refused> {
        self.intake.load().ready()
    }

    /// Whether anybody would take a scrape now; one that nobody would take is counted as skipped.
    pub fn wants_scrape(&self) -> bool {
        self.intake.load().wants_scrape()
    }

    /// Whether receivers are to forget what they remember only to be quicker.
    pub fn is_pressed(&self) -> bool {
        self.intake.load().is_pressed()
    }

    /// Hands over what cannot be asked for again (a scrape).
    pub async fn offer(&self, batch: Batch) {
        if !batch.is_empty() {
            self.intake.load_full().offer(batch).await;
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

/// Keeps what it is given: the test double for everything downstream.
#[derive(Debug, Clone, Default)]
pub struct Sink {
    batches: Arc<Mutex<Vec<Batch>>>,
    refusal: Arc<Mutex<Option<Refused>>>,
    shut: Arc<Mutex<Option<Refused>>>,
}

impl Sink {
    pub fn new() -> Self {
        Self::default()
    }

    /// What to give to the receiver under test.
    pub fn output(&self) -> Output {
        Output::new(self.clone())
    }

    /// Takes out what has arrived so far.
    pub fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Refuses everything from now on; `None` to accept again.
    pub fn refuse(&self, refusal: Option<Refused>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    /// Says from now on, before it is given anything, that it would refuse it.
    pub fn shut(&self, refusal: Option<Refused>) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }
}

impl Intake for Sink {
    fn send(&self, batch: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        let refusal = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            if let Some(refused) = refusal {
                return Err(refused);
            }
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
            Ok(())
        })
    }

    fn ready(&self) -> Result<(), Refused> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner).clone();
        shut.map_or(Ok(()), Err)
    }

    fn wants_scrape(&self) -> bool {
        self.ready().is_ok()
    }

    fn is_pressed(&self) -> bool {
        self.ready().is_err()
    }

    fn offer(&self, batch: Batch) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.send(batch).await;
        })
    }
}
