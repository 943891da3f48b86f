//! A processor that goes on, with what it remembers, while its pipeline is replaced.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::Batch;
use crate::component::BatchProcessor;

/// A handle to a processor of batches; clones are the same one, at work in the old pipeline and the new.
#[derive(Clone)]
pub struct Lasting(Arc<Mutex<Box<dyn BatchProcessor>>>);

impl Lasting {
    pub fn new(processor: Box<dyn BatchProcessor>) -> Self {
        Self(Arc::new(Mutex::new(processor)))
    }

    // Only for the moment of a reload does anybody ever wait here: each pipeline has a lock of its own.
    fn lock(&self) -> MutexGuard<'_, Box<dyn BatchProcessor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BatchProcessor for Lasting {
    fn process(&mut self, batch: &mut Batch) {
        self.lock().process(batch);
    }

    fn tick(&mut self) -> Batch {
        self.lock().tick()
    }

    fn sweep(&mut self) {
        self.lock().sweep();
    }

    fn sweep_some(&mut self, from: usize, count: usize) -> Option<usize> {
        self.lock().sweep_some(from, count)
    }

    fn lasts(&self) -> bool {
        true
    }
}

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lasting").finish_non_exhaustive()
    }
}
