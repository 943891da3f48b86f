//! The links between boards, and between a board and its CPU.

use std::collections::BTreeMap;

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::nv_link::ErrorCounter;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings::NVML_NVLINK_MAX_LINKS as LINKS_MAX;

use super::super::board::Board;
use super::super::fields::Field;
use super::{FieldReading, Group, Of, RECEIVE, Reader, Scale, TRANSMIT, never, record_fields};
use crate::recorder::{Definition, Label, Labels, Recorder};

const IO: usize = 0;
const ERRORS: usize = 1;
const UP: usize = 2;
const VERSION: usize = 3;
const SPEED: usize = 4;
const LINK_IO: usize = 5;
const LINK_ERRORS: usize = 6;

const METRICS: &[Definition] = &[
    Definition::counter("nvidia.gpu.nvlink.io", "By", "Bytes over all NVLinks, by network.io.direction."),
    Definition::counter(
        "nvidia.gpu.nvlink.errors",
        "{error}",
        "Errors of all NVLinks, by error.type: crc_flit, crc_data, replay, recovery; of the fifth generation malformed_packet, buffer_overrun, receive, receive_remote, local_link_integrity, transmit_discard, recovery_failed, effective, symbol.",
    ),
    Definition::gauge("nvidia.gpu.nvlink.up", "1", "Whether an NVLink is up, by nvidia.gpu.nvlink.link."),
    Definition::gauge("nvidia.gpu.nvlink.version", "1", "Version of NVLink, by nvidia.gpu.nvlink.link."),
    Definition::gauge(
        "nvidia.gpu.nvlink.speed",
        "By/s",
        "What an NVLink can carry in a second, by nvidia.gpu.nvlink.link.",
    ),
    Definition::counter(
        "nvidia.gpu.nvlink.link.io",
        "By",
        "Bytes over an NVLink, by nvidia.gpu.nvlink.link and network.io.direction.",
    )
    .off(),
    Definition::counter(
        "nvidia.gpu.nvlink.link.errors",
        "{error}",
        "Errors of an NVLink, by nvidia.gpu.nvlink.link and error.type.",
    )
    .off(),
];

pub(super) const GROUP: Group = Group {
    name: "nvlink",
    about: "The links between boards: bytes and errors of all together and, where asked for, of each.",
    metrics: METRICS,
    fields: TOTALS,
    is_default: true,
    interval: super::EACH_TEN_SECONDS,
    of: Of::Boards,
    reader: || Box::new(NvLink::default()),
};

#[derive(Default)]
struct NvLink {
    /// What was asked once of each link that was up: it does not change.
    versions: BTreeMap<u32, u32>,
    /// The last count of each field of a link: what does not answer once has not counted less.
    counts: BTreeMap<(u32, u32), u64>,
}

/// Names all links in a field's scope.
const ALL: u32 = u32::MAX;
const KIB: u64 = 1024;
/// What a link's speed is told in, in bytes a second.
const MEGABYTE: u64 = 1_000_000;
const LINK_COUNT: Field = Field::new(91);

const TOTALS: &[FieldReading] = &[
    FieldReading { field: Field::of(138, ALL), metric: IO, labels: TRANSMIT, scale: Scale::Times(KIB) },
    FieldReading { field: Field::of(139, ALL), metric: IO, labels: RECEIVE, scale: Scale::Times(KIB) },
    FieldReading { field: Field::new(38), metric: ERRORS, labels: CRC_FLIT, scale: Scale::Times(1) },
    FieldReading { field: Field::new(45), metric: ERRORS, labels: CRC_DATA, scale: Scale::Times(1) },
    FieldReading { field: Field::new(52), metric: ERRORS, labels: REPLAY, scale: Scale::Times(1) },
    FieldReading { field: Field::new(59), metric: ERRORS, labels: RECOVERY, scale: Scale::Times(1) },
    FieldReading { field: LINK_COUNT, metric: UP, labels: &[], scale: Scale::ByReader },
];

const CRC_FLIT: Labels<'static> = &[("error.type", Label::Text("crc_flit"))];
const CRC_DATA: Labels<'static> = &[("error.type", Label::Text("crc_data"))];
const REPLAY: Labels<'static> = &[("error.type", Label::Text("replay"))];
const RECOVERY: Labels<'static> = &[("error.type", Label::Text("recovery"))];

/// Errors that links before the fifth generation count, each by itself.
const COUNTERS: [(&str, ErrorCounter, &str); 4] = [
    ("nvmlDeviceGetNvLinkErrorCounter/crc_flit", ErrorCounter::DlCrcFlit, "crc_flit"),
    ("nvmlDeviceGetNvLinkErrorCounter/crc_data", ErrorCounter::DlCrcData, "crc_data"),
    ("nvmlDeviceGetNvLinkErrorCounter/replay", ErrorCounter::DlReplay, "replay"),
    ("nvmlDeviceGetNvLinkErrorCounter/recovery", ErrorCounter::DlRecovery, "recovery"),
];

/// Errors that links of the fifth generation count, by the field that has them, with the link as its scope.
const FIFTH: [(u32, &str); 9] = [
    (206, "malformed_packet"),
    (207, "buffer_overrun"),
    (208, "receive"),
    (209, "receive_remote"),
    (211, "local_link_integrity"),
    (212, "transmit_discard"),
    (214, "recovery_failed"),
    (219, "effective"),
    (221, "symbol"),
];

const LINK: &str = "nvidia.gpu.nvlink.link";

impl Reader for NvLink {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        record_fields(TOTALS, board, recorder);
        if !recorder.is_any_on(&[ERRORS, UP, VERSION, SPEED, LINK_IO, LINK_ERRORS]) {
            return;
        }
        if board.fields.get(LINK_COUNT).is_none() {
            board.fetch([LINK_COUNT]);
        }
        let count = board.fields.unsigned(LINK_COUNT).unwrap_or(0);
        let links: Vec<Link> = (0..u32::try_from(count).unwrap_or(0).min(LINKS_MAX))
            .filter_map(|number| self.link(number, board))
            .collect();
        for link in &links {
            recorder.int(UP, &link.labels(), link.is_up.into());
        }
        let up: Vec<&Link> = links.iter().filter(|link| link.is_up).collect();
        board.fetch(up.iter().flat_map(|link| link.fields(recorder)));
        for link in &up {
            link.record(board, recorder);
        }
        if up.iter().any(|link| link.is_of_fifth_generation()) {
            for (id, name) in FIFTH {
                let counts = up.iter().filter_map(|link| {
                    Some(((id, link.number), board.fields.unsigned(Field::of(id, link.number))?))
                });
                self.counts.extend(counts);
                let known = self.counts.range((id, 0)..=(id, u32::MAX)).map(|(_, count)| *count);
                if let Some(sum) = known.reduce(u64::saturating_add) {
                    recorder.int(ERRORS, &[("error.type", Label::Text(name))], sum);
                }
            }
        }
    }
}

struct Link {
    number: u32,
    is_up: bool,
    version: Option<u32>,
}

impl NvLink {
    fn link(&mut self, number: u32, board: &mut Board) -> Option<Link> {
        // One link that is not there says nothing of the others, which are asked by the same name.
        let state = |device: &Device<'_>| match device.link_wrapper_for(number).is_active() {
            Err(NvmlError::NotSupported | NvmlError::InvalidArg) => Ok(None),
            answer => answer.map(Some),
        };
        let is_up = board.ask("nvmlDeviceGetNvLinkState", state)??;
        if is_up && !self.versions.contains_key(&number) {
            let call = "nvmlDeviceGetNvLinkVersion";
            let version = board.ask(call, |device| match device.link_wrapper_for(number).version() {
                Err(NvmlError::NotSupported | NvmlError::InvalidArg) => Ok(None),
                answer => answer.map(Some),
            });
            self.versions.extend(version.flatten().map(|version| (number, version)));
        }
        let version = self.versions.get(&number).copied();
        Some(Link { number, is_up, version })
    }
}

impl Link {
    fn labels(&self) -> [(&'static str, Label<'static>); 1] {
        [(LINK, Label::Int(self.number.into()))]
    }

    fn field(&self, id: u32) -> Field {
        Field::of(id, self.number)
    }

    /// The driver numbers versions by when they came: from 7 on they are of the fifth generation.
    fn is_of_fifth_generation(&self) -> bool {
        self.version.is_some_and(|version| version >= 7)
    }

    fn fields(&self, recorder: &Recorder) -> Vec<Field> {
        let mut fields = Vec::new();
        if recorder.is_on(SPEED) {
            fields.push(self.field(164));
        }
        if recorder.is_on(LINK_IO) {
            fields.extend([self.field(138), self.field(139)]);
        }
        if recorder.is_any_on(&[ERRORS, LINK_ERRORS]) && self.is_of_fifth_generation() {
            fields.extend(FIFTH.map(|(id, _)| self.field(id)));
        }
        fields
    }

    fn record(&self, board: &mut Board, recorder: &mut Recorder) {
        if let Some(version) = self.version.and_then(generation) {
            recorder.double(VERSION, &self.labels(), version);
        }
        let mut number = |metric: usize, field: u32, factor: u64, labels: Labels<'_>| {
            let value = board.fields.unsigned(self.field(field));
            if let Some(value) = value.and_then(|value| value.checked_mul(factor)) {
                recorder.int(metric, labels, value);
            }
        };
        let link = (LINK, Label::Int(self.number.into()));
        number(SPEED, 164, MEGABYTE, &[link]);
        number(LINK_IO, 138, KIB, &[link, TRANSMIT[0]]);
        number(LINK_IO, 139, KIB, &[link, RECEIVE[0]]);
        for (field, name) in FIFTH {
            number(LINK_ERRORS, field, 1, &[link, ("error.type", Label::Text(name))]);
        }
        if recorder.is_on(LINK_ERRORS) && !self.is_of_fifth_generation() {
            for (call, counter, name) in COUNTERS {
                let count = board.ask(call, |device| {
                    device.link_wrapper_for(self.number).error_counter(counter).map_err(never)
                });
                if let Some(count) = count {
                    recorder.int(LINK_ERRORS, &[link, ("error.type", Label::Text(name))], count);
                }
            }
        }
    }
}

/// The version that the driver means by its number.
fn generation(version: u32) -> Option<f64> {
    let versions = [1.0, 2.0, 2.2, 3.0, 3.1, 4.0, 5.0];
    versions.get((version as usize).checked_sub(1)?).copied()
}
