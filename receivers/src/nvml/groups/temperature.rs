//! How hot a board is, and how far from having to slow down.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::nvmlMarginTemperature_t;

use super::super::board::Board;
use super::super::fields::{Field, FieldValue};
use super::{FieldReading, Group, Of, Reader, Scale, never, versioned};
use crate::recorder::{Definition, Label, Labels, Recorder};

const TEMPERATURE: usize = 0;
const MARGIN: usize = 1;

const METRICS: &[Definition] = &[
    Definition::gauge(
        "hw.temperature",
        "Cel",
        "Temperature, by hw.type, hw.id and hw.sensor_location (gpu, memory).",
    ),
    Definition::gauge("nvidia.gpu.temperature.margin", "Cel", "Degrees until a GPU slows down."),
];

pub(super) const GROUP: Group = Group {
    name: "temperature",
    about: "How hot a board and its memory are, and how far from having to slow down.",
    metrics: METRICS,
    fields: &[FieldReading { field: MEMORY, metric: TEMPERATURE, labels: OF_MEMORY, scale: Scale::ByReader }],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Temperature),
};

struct Temperature;

const MEMORY: Field = Field::new(82);
const OF_GPU: Labels<'static> = &[("hw.sensor_location", Label::Text("gpu"))];
const OF_MEMORY: Labels<'static> = &[("hw.sensor_location", Label::Text("memory"))];

impl Reader for Temperature {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        if recorder.is_on(TEMPERATURE) {
            let of_gpu =
                board.ask("nvmlDeviceGetTemperature", |device| device.temperature(TemperatureSensor::Gpu));
            if let Some(degrees) = of_gpu {
                recorder.int(TEMPERATURE, OF_GPU, degrees.into());
            }
            if let Some(degrees) = board.fields.get(MEMORY).and_then(of_memory) {
                recorder.int(TEMPERATURE, OF_MEMORY, degrees.into());
            }
        }
        if recorder.is_on(MARGIN)
            && let Some(degrees) = board.ask("nvmlDeviceGetMarginTemperature", margin)
        {
            recorder.signed(MARGIN, &[], degrees.into());
        }
    }
}

/// Some drivers call the field a double though its bits are a whole number; boards without the sensor say 0, or
/// more than memory could bear.
fn of_memory(value: FieldValue) -> Option<u32> {
    let degrees = match value {
        FieldValue::F64(value) if (1.0..=200.0).contains(&value) => value as u32,
        FieldValue::F64(value) => value.to_bits() as u32,
        value => value.unsigned()?.try_into().ok()?,
    };
    (1..=200).contains(&degrees).then_some(degrees)
}

#[expect(unsafe_code, reason = "the wrapper does not have this function")]
fn margin(device: &Device<'_>) -> Result<i32, NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetMarginTemperature.as_ref())?;
    let version = versioned::<nvmlMarginTemperature_t>(1);
    let mut margin = nvmlMarginTemperature_t { version, marginTemperature: 0 };
    // SAFETY: the handle is of this device, and the structure is of the version that it names.
    nvml_try(unsafe { ask(device.handle(), &raw mut margin) }).map_err(never)?;
    Ok(margin.marginTemperature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: FieldValue, expected: Option<u32>) {
        assert_eq!(of_memory(value), expected);
    }

    #[test]
    fn memory_that_cannot_be_that_hot_has_no_sensor() {
        check(FieldValue::U32(65), Some(65));
        check(FieldValue::U32(0), None);
        check(FieldValue::U32(201), None);
        check(FieldValue::I64(-1), None);
        check(FieldValue::F64(f64::from_bits(65)), Some(65));
        check(FieldValue::F64(65.0), Some(65));
        check(FieldValue::F64(0.0), None);
        check(FieldValue::F64(f64::NAN), None);
    }
}
