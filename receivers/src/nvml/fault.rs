//! What the library's codes mean for the one who asks: a word for the page, and what a person can do.

use std::fmt;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings as sys;

/// Why something does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no library.
    LibraryMissing,
    /// There is one, and it cannot be used: another architecture, cut short, not NVML.
    LibraryBroken(String),
    /// The driver lists no GPU.
    NoDevices,
    /// A call has not returned.
    Stuck(&'static str),
    /// It was there before, and the driver does not list it any more.
    Missing,
    /// It panicked here, which is a fault of ours.
    Panic,
    /// What the library answered.
    Code(u32),
}

/// How far what a code says reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only the call.
    Call,
    /// The board is gone, until the library is initialized again.
    Board,
    /// Every handle is worthless, until the library is loaded again.
    Library,
}

pub(super) const UNKNOWN: u32 = sys::nvmlReturn_enum_NVML_ERROR_UNKNOWN;

pub(super) fn reach(code: u32) -> Reach {
    match code {
        sys::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST | sys::nvmlReturn_enum_NVML_ERROR_GPU_NOT_FOUND => {
            Reach::Board
        }
        sys::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED
        | sys::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED
        | sys::nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH => Reach::Library,
        _ => Reach::Call,
    }
}

/// The number of an error; the wrapper's own are unknown errors.
pub(super) fn code(error: NvmlError) -> u32 {
    error.into()
}

impl Fault {
    /// Of loading and initializing.
    pub(super) fn of_start(error: NvmlError) -> Self {
        match error {
            NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) => {
                Self::LibraryBroken(error.to_string())
            }
            error => Self::Code(code(error)),
        }
    }

    /// The value of `error.type`.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::LibraryMissing => "library_missing",
            Self::LibraryBroken(_) => "library_broken",
            Self::NoDevices => "no_devices",
            Self::Stuck(_) => "stuck",
            Self::Missing => "missing",
            Self::Panic => "panic",
            Self::Code(code) => word(*code),
        }
    }

    /// What a person can do about it; empty where nobody knows.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::LibraryMissing => {
                "install the driver, or set `library_path`; in a container, run it with the NVIDIA runtime and \
                 NVIDIA_DRIVER_CAPABILITIES=utility"
            }
            Self::LibraryBroken(_) => "set `library_path` to the driver's own libnvidia-ml.so.1",
            Self::NoDevices => {
                "in a container, check NVIDIA_VISIBLE_DEVICES and the runtime class; else see `lspci` and `dmesg`"
            }
            Self::Stuck(_) => "see `dmesg`; a GPU that stays so needs a reset, or the machine a restart",
            Self::Missing => "see `lspci` and `dmesg`",
            Self::Panic => "report this as a fault of the collector",
            Self::Code(code) => advice(*code),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LibraryMissing => f.write_str("the library libnvidia-ml.so.1 is not there"),
            Self::LibraryBroken(reason) => write!(f, "the library cannot be used: {reason}"),
            Self::NoDevices => f.write_str("the driver lists no GPU"),
            Self::Stuck(call) => write!(f, "{call} does not return"),
            Self::Missing => f.write_str("the driver does not list it any more"),
            Self::Panic => f.write_str("reading it panicked"),
            Self::Code(code) => write!(f, "{} (code {code})", meaning(*code)),
        }
    }
}

/// The word of a code, its meaning, and what can be done.
const CODES: &[(u32, &str, &str, &str)] = &[
    (1, "uninitialized", "the library is not initialized", ""),
    (2, "invalid_argument", "an argument is invalid", ""),
    (3, "not_supported", "not supported", ""),
    (
        4,
        "no_permission",
        "no permission",
        "the collector needs to read and write /dev/nvidia*; in a container, run it with the NVIDIA runtime",
    ),
    (6, "not_found", "not found", ""),
    (7, "insufficient_size", "the place for the answer is too small", ""),
    (8, "insufficient_power", "the power cables are not attached", "attach the GPU's power cables"),
    (
        9,
        "driver_not_loaded",
        "the driver is not loaded",
        "load it (`modprobe nvidia`) and see `dmesg`; in a container, run it with the NVIDIA runtime, \
         NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES=utility",
    ),
    (10, "timeout", "the driver timed out", ""),
    (11, "irq_issue", "the kernel has trouble with the GPU's interrupts", "see `dmesg`"),
    (12, "library_not_found", "the driver lacks a library", ""),
    (13, "function_not_found", "the library is too old for the call", ""),
    (14, "corrupted_inforom", "the board's inforom is corrupted", "the board needs service"),
    (15, "lost", "the GPU has fallen off the bus", "see `dmesg`; reset the GPU, or restart the machine"),
    (16, "reset_required", "the GPU needs a reset", "`nvidia-smi --gpu-reset`, or restart the machine"),
    (
        17,
        "operating_system",
        "the operating system denies access",
        "the control group's device rules do not let the container use the GPU",
    ),
    (
        18,
        "version_mismatch",
        "the library and the kernel's driver are of different versions",
        "the driver was upgraded: restart the machine, or unload and load its modules; recreate a container that \
         has the old library",
    ),
    (19, "in_use", "the GPU is in use", ""),
    (20, "insufficient_memory", "the driver is out of memory", ""),
    (21, "no_data", "there is no data", ""),
    (25, "deprecated", "the call is not supported any more", ""),
    (26, "not_ready", "the GPU is not ready", ""),
    (28, "not_found_on_bus", "no such GPU", "see `dmesg`; reset the GPU, or restart the machine"),
    (
        UNKNOWN,
        "unknown",
        "an unknown error",
        "where every GPU says so in a container, its device rules were lost, as after `systemctl daemon-reload`: \
         recreate the container",
    ),
];

fn entry(code: u32) -> Option<&'static (u32, &'static str, &'static str, &'static str)> {
    CODES.iter().find(|(known, ..)| *known == code)
}

/// The value of `error.type` for a code.
pub(super) fn word(code: u32) -> &'static str {
    entry(code).map_or("other", |(_, word, ..)| word)
}

fn meaning(code: u32) -> &'static str {
    entry(code).map_or("an error that is not known here", |(_, _, meaning, _)| meaning)
}

fn advice(code: u32) -> &'static str {
    entry(code).map_or("", |(.., advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_the_wrapper_does_not_know_keep_their_number() {
        for number in 23..=30 {
            assert_eq!(code(NvmlError::from(number)), number);
        }
        assert_eq!(reach(28), Reach::Board);
        assert_eq!(word(28), "not_found_on_bus");
    }

    #[test]
    fn only_some_codes_end_a_life() {
        let reaching = |wanted: Reach| (0..=999).filter(|code| reach(*code) == wanted).collect::<Vec<_>>();
        assert_eq!(reaching(Reach::Board), [15, 28]);
        assert_eq!(reaching(Reach::Library), [1, 9, 18]);
    }

    #[test]
    fn every_code_has_another_word() {
        let words: std::collections::BTreeSet<_> = CODES.iter().map(|(_, word, ..)| word).collect();
        assert_eq!(words.len(), CODES.len());
        assert!(CODES.is_sorted_by_key(|(code, ..)| code));
    }
}
