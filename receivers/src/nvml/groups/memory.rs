//! The memory of a board or an instance.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::nvmlMemory_t;

use super::super::board::Board;
use super::processes;
use super::{Group, Of, Reader};
use crate::machine::root::value_of;
use crate::recorder::{Definition, Label, Labels, Recorder};

const USAGE: usize = 0;
const LIMIT: usize = 1;
const UTILIZATION: usize = 2;
const FREE: usize = 3;
const RESERVED: usize = 4;
const BAR1_USAGE: usize = 5;
const BAR1_LIMIT: usize = 6;

const METRICS: &[Definition] = &[
    Definition::up_down("hw.gpu.memory.usage", "By", "GPU memory in use."),
    Definition::up_down("hw.gpu.memory.limit", "By", "GPU memory there is."),
    Definition::gauge("hw.gpu.memory.utilization", "1", "Share of the GPU memory that is in use."),
    Definition::up_down("nvidia.gpu.memory.free", "By", "GPU memory that is free."),
    Definition::up_down("nvidia.gpu.memory.reserved", "By", "GPU memory that the driver keeps for itself."),
    Definition::up_down("nvidia.gpu.bar1.memory.usage", "By", "BAR1 memory in use."),
    Definition::up_down("nvidia.gpu.bar1.memory.limit", "By", "BAR1 memory there is."),
];

pub(super) const GROUP: Group = Group {
    name: "memory",
    about: "Memory. A board that has none of its own tells what its processes hold of the machine's, \
            with the attribute `nvidia.gpu.memory.unified`.",
    metrics: METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Both,
    reader: || Box::new(Memory),
};

struct Memory;

struct Bytes {
    total: u64,
    used: u64,
    free: u64,
    reserved: Option<u64>,
}

const CALL: &str = "nvmlDeviceGetMemoryInfo";

const UNIFIED: Labels<'static> = &[("nvidia.gpu.memory.unified", Label::Text("true"))];

/// What is in the names of the products that have no memory of their own.
const INTEGRATED: [&str; 6] = ["GB10", "Thor", "Orin", "Xavier", "Tegra", "Jetson"];

impl Reader for Memory {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        if let Some(bytes) = board.ask(CALL, own) {
            bytes.record(recorder, &[]);
        } else if board.is_unsupported(CALL)
            && is_integrated(board)
            && let Some(bytes) = unified(board)
        {
            bytes.record(recorder, UNIFIED);
        }
        if recorder.is_any_on(&[BAR1_USAGE, BAR1_LIMIT])
            && let Some(bar1) = board.ask("nvmlDeviceGetBAR1MemoryInfo", |device| device.bar1_memory_info())
        {
            recorder.int(BAR1_USAGE, &[], bar1.used);
            recorder.int(BAR1_LIMIT, &[], bar1.total);
        }
    }
}

impl Bytes {
    fn record(&self, recorder: &mut Recorder, labels: Labels<'_>) {
        recorder.int(USAGE, labels, self.used);
        recorder.int(LIMIT, labels, self.total);
        if self.total > 0 {
            recorder.double(UTILIZATION, labels, self.used as f64 / self.total as f64);
        }
        recorder.int(FREE, labels, self.free);
        if let Some(reserved) = self.reserved {
            recorder.int(RESERVED, labels, reserved);
        }
    }
}

/// The memory of the board; a driver that is too old for the second function counts the reserved part as used.
fn own(device: &Device<'_>) -> Result<Bytes, NvmlError> {
    match device.memory_info() {
        Ok(of) => Ok(Bytes { total: of.total, used: of.used, free: of.free, reserved: Some(of.reserved) }),
        Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound) => first_version(device),
        Err(error) => Err(error),
    }
}

#[expect(unsafe_code, reason = "the wrapper has the second version alone")]
fn first_version(device: &Device<'_>) -> Result<Bytes, NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetMemoryInfo.as_ref())?;
    let mut memory = nvmlMemory_t { total: 0, free: 0, used: 0 };
    // SAFETY: the handle is of this device, and the place is written to before we return.
    nvml_try(unsafe { ask(device.handle(), &raw mut memory) })?;
    Ok(Bytes { total: memory.total, used: memory.used, free: memory.free, reserved: None })
}

/// What there is, of its own or the machine's; `None` where that cannot be told.
pub(super) fn total(board: &mut Board) -> Option<u64> {
    if let Some(bytes) = board.ask(CALL, own) {
        return Some(bytes.total);
    }
    if board.is_unsupported(CALL) && is_integrated(board) { machine_total(board) } else { None }
}

fn machine_total(board: &Board) -> Option<u64> {
    let text = board.machine().root.read_optional("proc/meminfo")?;
    value_of(&text, "MemTotal")?.checked_mul(1024)
}

/// Whether the board has no memory of its own.
pub(super) fn is_unified(board: &mut Board) -> bool {
    board.ask(CALL, own).is_none() && board.is_unsupported(CALL) && is_integrated(board)
}

/// Whether the board shares the machine's memory. One that is divided, or lost, has none to tell for other reasons.
fn is_integrated(board: &mut Board) -> bool {
    let is_whole = board.instance().is_none();
    is_whole
        && board
            .ask("nvmlDeviceGetName", |device| device.name())
            .is_some_and(|name| INTEGRATED.iter().any(|word| name.contains(word)))
}

/// What the board's processes hold, of what the machine has.
fn unified(board: &mut Board) -> Option<Bytes> {
    let total = machine_total(board)?;
    let used = processes::memory_of_all(board, total)?;
    Some(Bytes { total, used, free: total.saturating_sub(used), reserved: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divided_board_is_not_integrated() {
        let is_integrated = |name: &str| INTEGRATED.iter().any(|word| name.contains(word));
        assert!(is_integrated("NVIDIA GB10"));
        assert!(is_integrated("Orin (nvgpu)"));
        assert!(!is_integrated("NVIDIA H100 80GB HBM3"));
        assert!(!is_integrated("NVIDIA GB200"));
    }
}
