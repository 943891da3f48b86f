//! How busy a board is.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::Sampling;
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::struct_wrappers::device::Sample;
use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use super::super::board::Board;
use super::{Group, Of, Reader, percent};
use crate::recorder::{Definition, Label, Labels, Recorder};

const WHOLE: usize = 0;
const MEMORY: usize = 1;

const METRICS: &[Definition] = &[
    Definition::gauge(
        "hw.gpu.utilization",
        "1",
        "How busy a GPU is, 0 to 1; without hw.gpu.task the whole, else encoder, decoder, jpeg, ofa.",
    ),
    Definition::gauge(
        "nvidia.gpu.memory.io.utilization",
        "1",
        "Share of time the memory was read or written.",
    ),
];

pub(super) const GROUP: Group = Group {
    name: "utilization",
    about: "How busy a board is: as a whole the mean since the last reading, where the driver keeps samples.",
    metrics: METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Utilization::default()),
};

/// The board, by what it does.
#[derive(Default)]
struct Utilization {
    /// When the newest sample that was read was taken, in the driver's microseconds.
    last_sample: Option<u64>,
    /// Whether the board has memory of its own; not known until it matters.
    has_memory: Option<bool>,
}

const ENCODER: Labels<'static> = &[("hw.gpu.task", Label::Text("encoder"))];
const DECODER: Labels<'static> = &[("hw.gpu.task", Label::Text("decoder"))];
const JPEG: Labels<'static> = &[("hw.gpu.task", Label::Text("jpeg"))];
const OFA: Labels<'static> = &[("hw.gpu.task", Label::Text("ofa"))];

impl Reader for Utilization {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        let rates = board.ask("nvmlDeviceGetUtilizationRates", |device| device.utilization_rates());
        let mean = if recorder.is_on(WHOLE) { self.mean(board) } else { None };
        // A board says nothing of itself while it is divided, though it may still have samples of before.
        if let Some(rates) = rates {
            match mean {
                Some(mean) => recorder.double(WHOLE, &[], mean),
                None => percent(recorder, WHOLE, &[], Some(rates.gpu)),
            }
            // A board that uses the machine's memory says 0 whatever it does.
            let is_told =
                rates.memory > 0 || *self.has_memory.get_or_insert_with(|| !super::has_unified_memory(board));
            percent(recorder, MEMORY, &[], is_told.then_some(rates.memory));
        }
        if !recorder.is_on(WHOLE) {
            return;
        }
        let encoder = board.ask("nvmlDeviceGetEncoderUtilization", |device| device.encoder_utilization());
        percent(recorder, WHOLE, ENCODER, encoder.map(|of| of.utilization));
        let decoder = board.ask("nvmlDeviceGetDecoderUtilization", |device| device.decoder_utilization());
        percent(recorder, WHOLE, DECODER, decoder.map(|of| of.utilization));
        percent(recorder, WHOLE, JPEG, board.ask("nvmlDeviceGetJpgUtilization", jpeg));
        percent(recorder, WHOLE, OFA, board.ask("nvmlDeviceGetOfaUtilization", ofa));
    }
}

impl Utilization {
    /// The mean of the samples since the last reading; `None` where there are none, or nothing was read before.
    fn mean(&mut self, board: &mut Board) -> Option<f64> {
        let last_sample = self.last_sample;
        let samples = board.ask("nvmlDeviceGetSamples/gpu", |device| {
            match device.samples(Sampling::GpuUtilization, last_sample) {
                // There is nothing newer; that is no failure.
                Err(NvmlError::NotFound | NvmlError::NoData) => Ok(Vec::new()),
                samples => samples,
            }
        })?;
        self.mean_of(&samples)
    }

    fn mean_of(&mut self, samples: &[Sample]) -> Option<f64> {
        let last = self.last_sample;
        let is_new = |sample: &&Sample| last.is_none_or(|last| sample.timestamp > last);
        let newest = samples.iter().filter(is_new).map(|sample| sample.timestamp).max()?;
        self.last_sample = Some(newest);
        // The first time the driver gives all it has kept, which is from before our window.
        last?;
        let values: Vec<u32> = samples
            .iter()
            .filter(is_new)
            .filter_map(|sample| match sample.value {
                SampleValue::U32(value) => Some(value),
                SampleValue::U64(value) => u32::try_from(value).ok(),
                SampleValue::F64(_) | SampleValue::I64(_) => None,
            })
            .filter(|percent| *percent <= 100)
            .collect();
        let sum: u32 = values.iter().sum();
        (!values.is_empty()).then(|| f64::from(sum) / (values.len() as f64 * 100.0))
    }
}

fn jpeg(device: &Device<'_>) -> Result<u32, NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetJpgUtilization.as_ref())?;
    engine(device, *ask)
}

fn ofa(device: &Device<'_>) -> Result<u32, NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetOfaUtilization.as_ref())?;
    engine(device, *ask)
}

type Ask = unsafe extern "C" fn(nvmlDevice_t, *mut u32, *mut u32) -> nvmlReturn_t;

#[expect(unsafe_code, reason = "the wrapper does not have these functions")]
fn engine(device: &Device<'_>, ask: Ask) -> Result<u32, NvmlError> {
    let (mut utilization, mut period) = (0, 0);
    // SAFETY: the handle is of this device, and both places are written to before we return.
    nvml_try(unsafe { ask(device.handle(), &raw mut utilization, &raw mut period) })?;
    Ok(utilization)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(timestamp: u64, value: u32) -> Sample {
        Sample { timestamp, value: SampleValue::U32(value) }
    }

    #[test]
    fn the_mean_is_of_the_samples_since_the_last_reading() {
        let mut utilization = Utilization::default();
        assert_eq!(utilization.mean_of(&[]), None);
        assert_eq!(utilization.mean_of(&[sample(10, 100), sample(20, 100)]), None);
        assert_eq!(utilization.mean_of(&[sample(20, 100), sample(30, 20), sample(40, 40)]), Some(0.3));
        assert_eq!(utilization.mean_of(&[sample(40, 40)]), None);
        assert_eq!(utilization.mean_of(&[sample(50, 255), sample(60, 50)]), Some(0.5));
    }
}
