//! The PCIe link of a board.

use nvml_wrapper::enum_wrappers::device::PcieUtilCounter;

use super::super::board::Board;
use super::super::fields::{Field, FieldValue};
use super::{FieldReading, Group, Of, RECEIVE, Reader, Scale, TRANSMIT};
use crate::recorder::{Definition, Label, Labels, Recorder};

const IO: usize = 0;
const GENERATION: usize = 1;
const WIDTH: usize = 2;
const ERRORS: usize = 3;
const THROUGHPUT: usize = 4;

const METRICS: &[Definition] = &[
    Definition::counter("hw.gpu.io", "By", "Bytes over PCIe, by network.io.direction."),
    Definition::gauge(
        "nvidia.gpu.pcie.link.generation",
        "1",
        "Generation of the PCIe link now; idle boards lower it.",
    ),
    Definition::gauge("nvidia.gpu.pcie.link.width", "{lane}", "Lanes of the PCIe link now."),
    Definition::counter(
        "hw.errors",
        "{error}",
        "Errors, by hw.type and error.type: corrected and uncorrected (memory, since the driver was loaded), pcie_replay.",
    ),
    Definition::gauge(
        "nvidia.gpu.pcie.throughput",
        "By/s",
        "Bytes a second over PCIe in the last 20 ms, by network.io.direction.",
    )
    .off(),
];

pub(super) const GROUP: Group = Group {
    name: "pcie",
    about: "The PCIe link. The throughput blocks for 20 ms in each direction, and is for boards whose driver does \
            not count bytes.",
    metrics: METRICS,
    fields: &[
        FieldReading { field: SENT, metric: IO, labels: TRANSMIT, scale: Scale::ByReader },
        FieldReading { field: RECEIVED, metric: IO, labels: RECEIVE, scale: Scale::ByReader },
    ],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Pcie::default()),
};

#[derive(Default)]
struct Pcie {
    sent: Total,
    received: Total,
}

/// A count that goes on where the driver's begins at 0 again.
#[derive(Debug, Default)]
struct Total {
    last: Option<u32>,
    total: u64,
}

const SENT: Field = Field::new(197);
const RECEIVED: Field = Field::new(198);
const REPLAY: Labels<'static> = &[("error.type", Label::Text("pcie_replay"))];

/// What the driver calls a kilobyte.
const KILOBYTE: u64 = 1024;

impl Reader for Pcie {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        for (field, total, labels) in
            [(SENT, &mut self.sent, TRANSMIT), (RECEIVED, &mut self.received, RECEIVE)]
        {
            if let Some(bytes) = board.fields.get(field).and_then(|value| total.follow(value)) {
                recorder.int(IO, labels, bytes);
            }
        }
        if let Some(generation) =
            board.ask("nvmlDeviceGetCurrPcieLinkGeneration", |device| device.current_pcie_link_gen())
        {
            recorder.int(GENERATION, &[], generation.into());
        }
        if let Some(width) =
            board.ask("nvmlDeviceGetCurrPcieLinkWidth", |device| device.current_pcie_link_width())
        {
            recorder.int(WIDTH, &[], width.into());
        }
        if recorder.is_on(ERRORS)
            && let Some(replays) =
                board.ask("nvmlDeviceGetPcieReplayCounter", |device| device.pcie_replay_counter())
        {
            recorder.int(ERRORS, REPLAY, replays.into());
        }
        if recorder.is_on(THROUGHPUT) {
            throughput(board, recorder);
        }
    }
}

fn throughput(board: &mut Board, recorder: &mut Recorder) {
    for (counter, labels) in [(PcieUtilCounter::Send, TRANSMIT), (PcieUtilCounter::Receive, RECEIVE)] {
        let kilobytes = board.ask("nvmlDeviceGetPcieThroughput", |device| device.pcie_throughput(counter));
        if let Some(kilobytes) = kilobytes {
            recorder.int(THROUGHPUT, labels, u64::from(kilobytes) * KILOBYTE);
        }
    }
}

impl Total {
    /// The count, past where 32 bits end; a longer one does not end in the life of a board.
    fn follow(&mut self, value: FieldValue) -> Option<u64> {
        let FieldValue::U32(value) = value else { return value.unsigned() };
        self.total += match self.last {
            Some(last) => u64::from(value.wrapping_sub(last)),
            None => u64::from(value),
        };
        self.last = Some(value);
        Some(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_goes_on_past_its_bits() {
        let mut total = Total::default();
        assert_eq!(total.follow(FieldValue::U32(u32::MAX - 1)), Some(4_294_967_294));
        assert_eq!(total.follow(FieldValue::U32(3)), Some(4_294_967_299));
        assert_eq!(total.follow(FieldValue::U32(3)), Some(4_294_967_299));
    }

    #[test]
    fn a_long_count_is_told_as_it_is() {
        let mut total = Total::default();
        assert_eq!(total.follow(FieldValue::U64(5_000_000_000)), Some(5_000_000_000));
        assert_eq!(total.follow(FieldValue::U64(7)), Some(7));
        assert_eq!(total.follow(FieldValue::I64(-1)), None);
    }
}
