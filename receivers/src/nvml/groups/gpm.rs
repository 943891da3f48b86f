//! What a board from Hopper on, or an instance of it, measures of itself between two samples.
//!
//! It tells what utilization does not: how many of the multiprocessors, of the warps on them, and of the pipes in
//! them are at work. One sample is kept from reading to reading, so that nobody has to wait for the second.

use std::collections::HashSet;
use std::sync::Arc;

use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings as sys;

use super::super::board::{Board, Instance};
use super::{Group, Of, RECEIVE, Reader, TRANSMIT};
use crate::recorder::{Definition, Label, Recorder};

const GRAPHICS: usize = 0;
const SM: usize = 1;
const OCCUPANCY: usize = 2;
const TENSOR: usize = 3;
const FP: usize = 4;
const DRAM: usize = 5;
const PCIE: usize = 6;
const NVLINK: usize = 7;
const NVLINK_LINK: usize = 8;
const C2C: usize = 9;
const ENGINE: usize = 10;

const METRICS: &[Definition] = &[
    Definition::gauge("nvidia.gpu.gpm.graphics.utilization", "1", "Share of time the graphics engine was busy."),
    Definition::gauge("nvidia.gpu.gpm.sm.utilization", "1", "Share of time the multiprocessors were busy."),
    Definition::gauge(
        "nvidia.gpu.gpm.sm.occupancy",
        "1",
        "Warps on the multiprocessors as a share of the most there may be.",
    ),
    Definition::gauge(
        "nvidia.gpu.gpm.tensor.utilization",
        "1",
        "Share of time the tensor cores were busy, by nvidia.gpu.gpm.pipe: any, dfma, hmma, dmma, imma.",
    ),
    Definition::gauge(
        "nvidia.gpu.gpm.fp.utilization",
        "1",
        "Share of time the other arithmetic was busy, by nvidia.gpu.gpm.pipe: fp64, fp32, fp16, integer.",
    ),
    Definition::gauge("nvidia.gpu.gpm.dram.utilization", "1", "Share of the memory's bandwidth that was used."),
    Definition::gauge("nvidia.gpu.gpm.pcie.throughput", "By/s", "Bytes a second over PCIe, by network.io.direction."),
    Definition::gauge(
        "nvidia.gpu.gpm.nvlink.throughput",
        "By/s",
        "Bytes a second over all NVLinks, by network.io.direction.",
    ),
    Definition::gauge(
        "nvidia.gpu.gpm.nvlink.link.throughput",
        "By/s",
        "Bytes a second over an NVLink, by nvidia.gpu.nvlink.link and network.io.direction.",
    ).off(),
    Definition::gauge(
        "nvidia.gpu.gpm.c2c.throughput",
        "By/s",
        "Bytes a second between the CPU and the GPU, by network.io.direction.",
    ).off(),
    Definition::gauge(
        "nvidia.gpu.gpm.engine.utilization",
        "1",
        "Share of time an engine was busy, by nvidia.gpu.gpm.engine: nvdec0 to nvdec7, nvjpg0 to nvjpg7, nvofa0, nvofa1.",
    ).off(),
];

pub(super) const GROUP: Group = Group {
    name: "gpm",
    about: "What a board from Hopper on, and each of its instances, measures of itself between two readings.",
    metrics: METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Both,
    reader: || Box::new(Gpm::default()),
};

#[derive(Default)]
struct Gpm {
    measures: Vec<Measure>,
    /// Measures that this board has said it does not have.
    unsupported: HashSet<u32>,
    samples: Option<Samples>,
}

/// One number that the board can tell.
struct Measure {
    id: u32,
    metric: usize,
    labels: Vec<(&'static str, Label<'static>)>,
    factor: f64,
}

/// Two samples, the newer of which is the older one the next time.
struct Samples {
    nvml: Arc<Nvml>,
    older: sys::nvmlGpmSample_t,
    newer: sys::nvmlGpmSample_t,
    /// Whether the older one has been taken.
    has_older: bool,
}

const PERCENT: f64 = 0.01;
/// The library says throughput in units of 2^20 bytes.
const MIB: f64 = 1_048_576.0;

/// The most that are asked for at once; the structure has place for more.
const MEASURES_MAX: usize = 98;

impl Reader for Gpm {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        if self.measures.is_empty() {
            self.measures = measures(recorder);
        }
        let instance = board.instance();
        if self.samples.is_none() {
            if self.measures.is_empty() {
                return;
            }
            let is_supported = board.ask("nvmlGpmQueryDeviceSupport", |device| {
                // A board that does not support it says so by a word that is no failure.
                if whole(device, instance).gpm_support()? { Ok(()) } else { Err(NvmlError::NotSupported) }
            });
            if is_supported.is_none() {
                return;
            }
            let nvml = board.nvml().clone();
            self.samples = board.ask("nvmlGpmSampleAlloc", |_| Samples::new(nvml));
        }
        let Some(samples) = &mut self.samples else { return };
        let call = if instance.is_some() { "nvmlGpmMigSampleGet" } else { "nvmlGpmSampleGet" };
        if board.ask(call, |device| samples.take(device, instance)).is_none() {
            return;
        }
        if samples.has_older {
            let asked: Vec<&Measure> = self
                .measures
                .iter()
                .filter(|measure| !self.unsupported.contains(&measure.id))
                .take(MEASURES_MAX)
                .collect();
            let answers = board.ask("nvmlGpmMetricsGet", |_| samples.compare(&asked));
            for (measure, answer) in asked.iter().zip(answers.unwrap_or_default()) {
                match answer {
                    Ok(value) => measure.record(value, recorder),
                    Err(NvmlError::NotSupported | NvmlError::InvalidArg) => {
                        self.unsupported.insert(measure.id);
                    }
                    Err(_) => {}
                }
            }
        }
        samples.turn();
    }
}

/// The board as a whole, which is asked in place of its instances.
fn whole<'nvml>(device: &Device<'nvml>, instance: Option<Instance>) -> Device<'nvml> {
    #[expect(unsafe_code, reason = "the wrapper has no other way from a handle to a device")]
    // SAFETY: both handles are of this library, and good as long as the board is.
    unsafe {
        Device::new(instance.map_or(device.handle(), |instance| instance.parent), device.nvml())
    }
}

impl Measure {
    fn record(&self, value: f64, recorder: &mut Recorder) {
        let value = value * self.factor;
        if value < 0.0 {
            return;
        }
        // Rounding may take a share a little past all there is.
        let value = if self.factor == PERCENT { value.min(1.0) } else { value };
        recorder.double(self.metric, &self.labels, value);
    }
}

#[expect(unsafe_code, reason = "the wrapper's samples cannot outlive one borrow of the library")]
impl Samples {
    fn new(nvml: Arc<Nvml>) -> Result<Self, NvmlError> {
        let alloc = nvml_sym(nvml.lib().nvmlGpmSampleAlloc.as_ref())?;
        // What cannot be freed is not begun with.
        nvml_sym(nvml.lib().nvmlGpmSampleFree.as_ref())?;
        let mut both = [std::ptr::null_mut(); 2];
        for place in &mut both {
            // SAFETY: the place is written to before we return.
            nvml_try(unsafe { alloc(place) })?;
        }
        let [older, newer] = both;
        Ok(Self { nvml, older, newer, has_older: false })
    }

    fn take(&mut self, device: &Device<'_>, instance: Option<Instance>) -> Result<(), NvmlError> {
        let lib = self.nvml.lib();
        if let Some(instance) = instance {
            let take = nvml_sym(lib.nvmlGpmMigSampleGet.as_ref())?;
            // SAFETY: the sample is ours alone, and the handle good as long as the board is.
            nvml_try(unsafe { take(instance.parent, instance.gpu_instance, self.newer) })
        } else {
            let take = nvml_sym(lib.nvmlGpmSampleGet.as_ref())?;
            // SAFETY: the sample is ours alone, and the handle is of this device.
            nvml_try(unsafe { take(device.handle(), self.newer) })
        }
    }

    fn compare(&self, measures: &[&Measure]) -> Result<Vec<Result<f64, NvmlError>>, NvmlError> {
        let ask = nvml_sym(self.nvml.lib().nvmlGpmMetricsGet.as_ref())?;
        // SAFETY: the structure is of numbers and pointers, which may be null.
        let mut request: Box<sys::nvmlGpmMetricsGet_t> = unsafe { Box::new(std::mem::zeroed()) };
        request.version = sys::NVML_GPM_METRICS_GET_VERSION;
        request.numMetrics = measures.len() as u32;
        request.sample1 = self.older;
        request.sample2 = self.newer;
        for (place, measure) in request.metrics.iter_mut().zip(measures) {
            place.metricId = measure.id;
        }
        // SAFETY: both samples are of this library and have been taken, and there are as many measures as we say.
        nvml_try(unsafe { ask(&raw mut *request) })?;
        let answers = request.metrics.iter().take(measures.len());
        Ok(answers.map(|answer| nvml_try(answer.nvmlReturn).map(|()| answer.value)).collect())
    }

    fn turn(&mut self) {
        std::mem::swap(&mut self.older, &mut self.newer);
        self.has_older = true;
    }
}

#[expect(unsafe_code, reason = "samples are the library's")]
impl Drop for Samples {
    fn drop(&mut self) {
        if let Ok(free) = self.nvml.lib().nvmlGpmSampleFree.as_ref() {
            for sample in [self.older, self.newer] {
                // SAFETY: the sample is of this library, and nobody has it any more.
                unsafe { free(sample) };
            }
        }
    }
}

#[expect(unsafe_code, reason = "a pointer of the library's is not known to go from thread to thread")]
// SAFETY: the library may be called from any thread; a sample only not from two at once, and nobody shares it.
unsafe impl Send for Samples {}

const NVDEC: [&str; 8] = ["nvdec0", "nvdec1", "nvdec2", "nvdec3", "nvdec4", "nvdec5", "nvdec6", "nvdec7"];
const NVJPG: [&str; 8] = ["nvjpg0", "nvjpg1", "nvjpg2", "nvjpg3", "nvjpg4", "nvjpg5", "nvjpg6", "nvjpg7"];
const NVOFA: [&str; 2] = ["nvofa0", "nvofa1"];

const PIPE: &str = "nvidia.gpu.gpm.pipe";

/// The measures of the metrics that are on.
fn measures(recorder: &Recorder) -> Vec<Measure> {
    let share = |id, metric, labels| Measure { id, metric, labels, factor: PERCENT };
    let rate = |id, metric, labels| Measure { id, metric, labels, factor: MIB };
    let mut measures = vec![
        share(1, GRAPHICS, vec![]),
        share(2, SM, vec![]),
        share(3, OCCUPANCY, vec![]),
        share(10, DRAM, vec![]),
        rate(20, PCIE, TRANSMIT.to_vec()),
        rate(21, PCIE, RECEIVE.to_vec()),
        rate(60, NVLINK, RECEIVE.to_vec()),
        rate(61, NVLINK, TRANSMIT.to_vec()),
        rate(100, C2C, TRANSMIT.to_vec()),
        rate(101, C2C, RECEIVE.to_vec()),
    ];
    for (id, pipe) in [(5, "any"), (6, "dfma"), (7, "hmma"), (8, "dmma"), (9, "imma")] {
        measures.push(share(id, TENSOR, vec![(PIPE, Label::Text(pipe))]));
    }
    for (id, pipe) in [(4, "integer"), (11, "fp64"), (12, "fp32"), (13, "fp16")] {
        measures.push(share(id, FP, vec![(PIPE, Label::Text(pipe))]));
    }
    for (first, names) in [(30, &NVDEC[..]), (40, &NVJPG), (50, &NVOFA)] {
        for (id, name) in (first..).zip(names) {
            measures.push(share(id, ENGINE, vec![("nvidia.gpu.gpm.engine", Label::Text(name))]));
        }
    }
    for link in 0..sys::NVML_NVLINK_MAX_LINKS {
        let label = ("nvidia.gpu.nvlink.link", Label::Int(link.into()));
        measures.push(rate(62 + 2 * link, NVLINK_LINK, vec![label, RECEIVE[0]]));
        measures.push(rate(63 + 2 * link, NVLINK_LINK, vec![label, TRANSMIT[0]]));
    }
    measures.retain(|measure| recorder.is_on(measure.metric));
    measures
}
