//! A batch on its way to queues, measured once for all of them.

use std::sync::Arc;

use super::resources::Runs;
use super::size::Size;
use crate::batch::Batch;

/// A batch with all that queues want to know of it.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(super) batch: Arc<Batch>,
    pub(super) size: Size,
    pub(super) runs: Runs,
}

impl Load {
    pub(crate) fn new(batch: Arc<Batch>) -> Self {
        let size = Size::of(&batch, true);
        let runs = Runs::of(batch.as_slice());
        Self { batch, size, runs }
    }
}
