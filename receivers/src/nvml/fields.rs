//! The values of fields: many readings by one call, each with an answer of its own.
//!
//! The wrapper's function cuts long values, refuses signed ones and knows no scope, so the raw one is asked here.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings as sys;

use super::board::Board;

/// A field, and what of the board it is asked of: a link, a part, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Field {
    pub(super) id: u32,
    pub(super) scope: u32,
}

/// The value of a field, as wide as the driver says it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FieldValue {
    U32(u32),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// The fields of a board: what they are worth in this round, and which it does not have.
#[derive(Debug, Default)]
pub(super) struct Fields {
    values: HashMap<Field, FieldValue>,
    unsupported: HashSet<Field>,
    /// Whether the driver counts some of them anew; unknown until it is asked for its version.
    is_renumbered: Option<bool>,
    latency: Duration,
}

/// What became of one element of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Value(FieldValue),
    Never,
    Failed(sys::nvmlReturn_t),
}

const CALL: &str = "nvmlDeviceGetFieldValues";

impl Field {
    pub(super) const fn new(id: u32) -> Self {
        Self { id, scope: 0 }
    }

    pub(super) const fn of(id: u32, scope: u32) -> Self {
        Self { id, scope }
    }

    /// The driver's own number: from 580.82 on it counts 251 to 273 in another order.
    fn number(self, is_renumbered: bool) -> u32 {
        match self.id {
            251..=255 if is_renumbered => self.id + 18,
            256..=273 if is_renumbered => self.id - 5,
            id => id,
        }
    }
}

impl FieldValue {
    /// The value of what cannot be negative; `None` where it is, all the same.
    pub(super) fn unsigned(self) -> Option<u64> {
        match self {
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I64(value) => value.try_into().ok(),
            Self::F64(value) => (value.is_finite() && value >= 0.0).then_some(value as u64),
        }
    }

    pub(super) fn signed(self) -> Option<i64> {
        match self {
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => value.try_into().ok(),
            Self::I64(value) => Some(value),
            Self::F64(value) => value.is_finite().then_some(value as i64),
        }
    }
}

impl Fields {
    /// Begins a round: what was read in the last one is forgotten.
    pub(super) fn begin(&mut self) {
        self.values.clear();
        self.latency = Duration::ZERO;
    }

    /// The value of a field that was fetched in this round.
    pub(super) fn get(&self, field: Field) -> Option<FieldValue> {
        self.values.get(&field).copied()
    }

    pub(super) fn unsigned(&self, field: Field) -> Option<u64> {
        self.get(field)?.unsigned()
    }

    pub(super) fn signed(&self, field: Field) -> Option<i64> {
        self.get(field)?.signed()
    }

    /// How long the driver says that it took for the fields of this round.
    pub(super) fn latency(&self) -> Duration {
        self.latency
    }
}

impl Board {
    /// Asks for fields by one call; those that are known not to be there are left out.
    pub(super) fn fetch(&mut self, wanted: impl IntoIterator<Item = Field>) {
        let mut asked: Vec<Field> = Vec::new();
        for field in wanted {
            let is_known =
                self.fields.unsupported.contains(&field) || self.fields.values.contains_key(&field);
            if !is_known && !asked.contains(&field) {
                asked.push(field);
            }
        }
        if asked.is_empty() {
            return;
        }
        let is_renumbered = self.fields.is_renumbered;
        let answer = self.ask(CALL, |device| {
            let is_renumbered = is_renumbered.unwrap_or_else(|| {
                device.nvml().sys_driver_version().is_ok_and(|version| counts_anew(&version))
            });
            Ok((is_renumbered, read(device, &asked, is_renumbered)?))
        });
        let Some((is_renumbered, (answers, latency))) = answer else { return };
        self.fields.is_renumbered = Some(is_renumbered);
        self.fields.latency += latency;
        let mut failure = None;
        for (field, answer) in asked.into_iter().zip(answers) {
            match answer {
                Answer::Value(value) => {
                    self.fields.values.insert(field, value);
                }
                Answer::Never => {
                    self.fields.unsupported.insert(field);
                }
                Answer::Failed(code) => failure = Some(code),
            }
        }
        if let Some(code) = failure {
            self.ask("nvmlDeviceGetFieldValues/element", |_| Err::<(), _>(NvmlError::from(code)));
        }
    }
}

/// Whether a driver of this version counts the fields from 251 on as CUDA 13.0's first update does.
fn counts_anew(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= (580, 82)
}

#[expect(unsafe_code, reason = "the wrapper's function loses what is asked for here")]
fn read(
    device: &Device<'_>,
    fields: &[Field],
    is_renumbered: bool,
) -> Result<(Vec<Answer>, Duration), NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetFieldValues.as_ref())?;
    // An element that the driver does not touch has no value, so it must not look like a success.
    let blank = |field: &Field| sys::nvmlFieldValue_t {
        fieldId: field.number(is_renumbered),
        scopeId: field.scope,
        timestamp: 0,
        latencyUsec: 0,
        valueType: sys::nvmlValueType_enum_NVML_VALUE_TYPE_COUNT,
        nvmlReturn: sys::nvmlReturn_enum_NVML_ERROR_UNKNOWN,
        value: sys::nvmlValue_t { ullVal: 0 },
    };
    let mut raw: Vec<_> = fields.iter().map(blank).collect();
    let count = raw.len().try_into().map_err(|_| NvmlError::InvalidArg)?;
    // SAFETY: the handle is of this device, and there are as many elements as we say.
    nvml_try(unsafe { ask(device.handle(), count, raw.as_mut_ptr()) })?;
    let lost = raw.iter().find(|element| is_end(element.nvmlReturn));
    if let Some(element) = lost {
        return Err(element.nvmlReturn.into());
    }
    let latency: u64 = raw.iter().map(|element| u64::try_from(element.latencyUsec).unwrap_or(0)).sum();
    Ok((raw.iter().map(Answer::of).collect(), Duration::from_micros(latency)))
}

/// Whether a code says that there is nothing more to ask: that board, or the driver, is gone.
fn is_end(code: sys::nvmlReturn_t) -> bool {
    matches!(
        code,
        sys::nvmlReturn_enum_NVML_ERROR_UNINITIALIZED
            | sys::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED
            | sys::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST
            | sys::nvmlReturn_enum_NVML_ERROR_GPU_NOT_FOUND
    )
}

impl Answer {
    fn of(element: &sys::nvmlFieldValue_t) -> Self {
        match element.nvmlReturn {
            sys::nvmlReturn_enum_NVML_SUCCESS => {
                // The driver is newer than we are where it names a type that we do not know.
                value(element.valueType, element.value).map_or(Self::Never, Self::Value)
            }
            // A driver that is older than a field calls its number an invalid argument.
            sys::nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED
            | sys::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT
            | sys::nvmlReturn_enum_NVML_ERROR_FUNCTION_NOT_FOUND
            | sys::nvmlReturn_enum_NVML_ERROR_DEPRECATED => Self::Never,
            code => Self::Failed(code),
        }
    }
}

#[expect(unsafe_code, reason = "the value is a union")]
fn value(kind: sys::nvmlValueType_t, value: sys::nvmlValue_t) -> Option<FieldValue> {
    // SAFETY: we zeroed all bytes of the union, and any bits are a value of each of its members.
    let value = unsafe {
        match kind {
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_DOUBLE => FieldValue::F64(value.dVal),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT => FieldValue::U32(value.uiVal),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG => FieldValue::U64(value.ulVal),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => FieldValue::U64(value.ullVal),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_LONG_LONG => FieldValue::I64(value.sllVal),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_SIGNED_INT => FieldValue::I64(value.siVal.into()),
            sys::nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_SHORT => FieldValue::U32(value.usVal.into()),
            _ => return None,
        }
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: u32, bits: u64, expected: Option<FieldValue>) {
        assert_eq!(value(kind, sys::nvmlValue_t { ullVal: bits }), expected);
    }

    #[test]
    fn a_value_is_as_wide_as_its_type_says() {
        check(0, 45.5_f64.to_bits(), Some(FieldValue::F64(45.5)));
        check(1, 0xdead_0000_0007, Some(FieldValue::U32(7)));
        check(2, 5_000_000_000, Some(FieldValue::U64(5_000_000_000)));
        check(3, u64::MAX, Some(FieldValue::U64(u64::MAX)));
        check(4, (-3_i64) as u64, Some(FieldValue::I64(-3)));
        check(5, u64::from((-5_i32) as u32), Some(FieldValue::I64(-5)));
        check(6, 0xf_ffff, Some(FieldValue::U32(0xffff)));
        check(7, 1, None);
    }

    #[test]
    fn a_value_that_does_not_fit_is_none() {
        assert_eq!(FieldValue::I64(-1).unsigned(), None);
        assert_eq!(FieldValue::U64(u64::MAX).signed(), None);
        assert_eq!(FieldValue::F64(f64::NAN).unsigned(), None);
        assert_eq!(FieldValue::F64(-2.0).signed(), Some(-2));
    }

    #[track_caller]
    fn check_number(version: &str, id: u32, expected: u32) {
        assert_eq!(Field::new(id).number(counts_anew(version)), expected);
    }

    #[test]
    fn newer_drivers_count_some_fields_anew() {
        for version in ["535.104.05", "580.65.06", "580", "", "odd"] {
            check_number(version, 251, 251);
        }
        for version in ["580.82.07", "581.1", "610.57"] {
            check_number(version, 251, 269);
            check_number(version, 253, 271);
            check_number(version, 256, 251);
            check_number(version, 273, 268);
            check_number(version, 250, 250);
            check_number(version, 274, 274);
        }
    }
}
