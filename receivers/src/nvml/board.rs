//! One GPU (or MIG instance) as its groups ask it: each call with its own answer, remembered where it says never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use super::fields::Fields;
use super::owners::{self, Owners};
use crate::machine::root::Root;

/// A board, or an instance of one, for as long as its handle is good.
pub(super) struct Board {
    nvml: Arc<Nvml>,
    place: Place,
    machine: Machine,
    /// The values of fields, asked for all groups at once.
    pub(super) fields: Fields,
    /// Calls that this board has said it does not support: not asked again.
    unsupported: BTreeSet<&'static str>,
    /// The code of the last failure of each call that failed in this round.
    failures: BTreeMap<&'static str, u32>,
    /// Set where a call said that the board, or the driver, is no longer there.
    is_lost: bool,
}

/// Which of the machine's boards or instances it is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) handle: nvmlDevice_t,
    pub(super) instance: Option<Instance>,
    /// By what the kubelet knows it.
    pub(super) device: owners::Device,
}

/// Where an instance of MIG is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instance {
    pub(super) parent: nvmlDevice_t,
    pub(super) gpu_instance: u32,
}

/// The machine that the boards are in.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) root: Root,
    pub(super) owners: Arc<Owners>,
}

impl Board {
    pub(super) fn new(nvml: Arc<Nvml>, place: Place, machine: Machine) -> Self {
        Self {
            nvml,
            place,
            machine,
            fields: Fields::default(),
            unsupported: BTreeSet::new(),
            failures: BTreeMap::new(),
            is_lost: false,
        }
    }

    /// Asks the driver once; `None` where there is no answer, for whatever reason.
    ///
    /// `call` is the function's name in NVML: what fails is counted, and what is not supported remembered, under
    /// it. A call that differs by an argument in what is supported has that behind its name, as
    /// `nvmlDeviceGetClockInfo/video`.
    pub(super) fn ask<T>(
        &mut self,
        call: &'static str,
        question: impl FnOnce(&Device<'_>) -> Result<T, NvmlError>,
    ) -> Option<T> {
        if self.is_lost || self.is_unsupported(call) {
            return None;
        }
        #[expect(unsafe_code, reason = "the wrapper has no other way from a handle to a device")]
        // SAFETY: the handle is of this `Nvml`, and is valid until the driver says that it is not, which is an answer.
        let device = unsafe { Device::new(self.place.handle, &self.nvml) };
        match question(&device) {
            Ok(answer) => Some(answer),
            Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound | NvmlError::NotSupported) => {
                self.unsupported.insert(call);
                None
            }
            Err(error) => {
                self.is_lost |= matches!(error, NvmlError::GpuLost);
                self.failures.insert(call, nvmlReturn_t::from(error));
                None
            }
        }
    }

    /// Whether the board has said that it does not support the call.
    pub(super) fn is_unsupported(&self, call: &str) -> bool {
        self.unsupported.contains(call)
    }

    /// What of MIG this is; `None` for a board as a whole.
    pub(super) fn instance(&self) -> Option<Instance> {
        self.place.instance
    }

    pub(super) fn device(&self) -> Option<&owners::Device> {
        Some(&self.place.device)
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// For what must live as long as the library: samples that are freed by it.
    pub(super) fn nvml(&self) -> &Arc<Nvml> {
        &self.nvml
    }
}
