//! One GPU (or MIG instance) as its groups ask it: each call with its own answer, remembered where it says never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::nvmlDevice_t;

use super::fault::{Reach, code, reach};
use super::fields::Fields;
use super::owners::{self, Owners};
use super::pulse::Pulse;
use crate::machine::root::Root;

/// A board, or an instance of one, for as long as its handle is good.
pub(super) struct Board {
    nvml: Arc<Nvml>,
    place: Place,
    machine: Machine,
    pulse: Arc<Pulse>,
    /// The values of fields, asked for all groups at once.
    pub(super) fields: Fields,
    /// Calls that this board has said it does not support: not asked again.
    unsupported: BTreeSet<&'static str>,
    round: Round,
}

/// What came of the calls of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) answered: u64,
    /// The code of the last failure of each call that failed.
    pub(super) failures: BTreeMap<&'static str, u32>,
    /// The code that said that the board, or the driver, is no longer there; nothing was asked after it.
    pub(super) end: Option<u32>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub(super) fn new(nvml: Arc<Nvml>, place: Place, machine: Machine, pulse: Arc<Pulse>) -> Self {
        Self {
            nvml,
            place,
            machine,
            pulse,
            fields: Fields::default(),
            unsupported: BTreeSet::new(),
            round: Round::default(),
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
        // What is read after a call that hung is of no use, and a board that hangs in each would be asked for hours.
        if self.round.end.is_some() || self.pulse.was_stuck() || self.is_unsupported(call) {
            return None;
        }
        #[expect(unsafe_code, reason = "the wrapper has no other way from a handle to a device")]
        // SAFETY: the handle is of this `Nvml`, and is valid until the driver says that it is not, which is an answer.
        let device = unsafe { Device::new(self.place.handle, &self.nvml) };
        match self.pulse.during(call, || question(&device)) {
            Ok(answer) => {
                self.round.answered += 1;
                Some(answer)
            }
            // The board has said something, so it is there.
            Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound | NvmlError::NotSupported) => {
                self.unsupported.insert(call);
                None
            }
            Err(error) => {
                self.fail(call, code(error));
                None
            }
        }
    }

    fn fail(&mut self, call: &'static str, code: u32) {
        if reach(code) != Reach::Call {
            self.round.end = Some(code);
        }
        self.round.failures.insert(call, code);
    }

    /// What came of the calls since the last time.
    pub(super) fn take_round(&mut self) -> Round {
        std::mem::take(&mut self.round)
    }

    /// Asks again what was not supported: the board is another now.
    pub(super) fn forget(&mut self) {
        self.unsupported.clear();
        self.fields = Fields::default();
    }

    /// Whether the board has said that it does not support the call.
    pub(super) fn is_unsupported(&self, call: &str) -> bool {
        self.unsupported.contains(call)
    }

    /// What of MIG this is; `None` for a board as a whole.
    pub(super) fn instance(&self) -> Option<Instance> {
        self.place.instance
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn device(&self) -> &owners::Device {
        &self.place.device
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    /// For what must live as long as the library: samples that are freed by it.
    pub(super) fn nvml(&self) -> &Arc<Nvml> {
        &self.nvml
    }

    pub(super) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }
}
