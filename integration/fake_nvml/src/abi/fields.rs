//! Values by number, many at once.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

mod table;

use std::ffi::{c_int, c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlFieldValue_t, nvmlReturn_t, nvmlValue_st};

use super::{ask, code};
use crate::script::FieldKind;
use crate::world::{Answer, Board, Code};
use table::look_up;

/// More than there are fields.
const ASKED_MAX: usize = 4096;

/// What a field answers: how its value is to be read, and the value.
struct Answered {
    kind: FieldKind,
    number: f64,
}

/// # Safety
/// As of NVML: there are so many values.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: nvmlDevice_t,
    count: c_int,
    values: *mut nvmlFieldValue_t,
) -> nvmlReturn_t {
    code(ask("nvmlDeviceGetFieldValues", device).and_then(|board| {
        let count = usize::try_from(count).map_err(|_| Code::INVALID_ARGUMENT)?;
        if values.is_null() || count == 0 || count > ASKED_MAX {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: the caller has so many.
        let values = unsafe { std::slice::from_raw_parts_mut(values, count) };
        for value in values {
            fill(&board, value);
        }
        Ok(())
    }))
}

fn fill(board: &Board, value: &mut nvmlFieldValue_t) {
    let written = board.gpu().fields.iter();
    let written = written.rev().find(|field| (field.id, field.scope) == (value.fieldId, value.scopeId));
    let by_itself = || look_up(board, value.fieldId, value.scopeId);
    let answer = match written {
        Some(field) if field.code != 0 => Err(Code(field.code)),
        Some(field) if field.value.is_some() => board.number(&field.value).map(|number| Answered {
            kind: field.kind.unwrap_or_else(|| by_itself().map_or(FieldKind::UnsignedInt, |own| own.kind)),
            number,
        }),
        Some(field) => by_itself().map(|own| Answered { kind: field.kind.unwrap_or(own.kind), ..own }),
        None => by_itself(),
    };
    value.timestamp = board.micros(board.elapsed) as i64;
    value.latencyUsec = written.map_or(1, |field| field.latency);
    match answer {
        Ok(answered) => {
            value.nvmlReturn = 0;
            (value.valueType, value.value) = answered.encode();
        }
        Err(Code(code)) => value.nvmlReturn = code,
    }
}

impl Answered {
    fn encode(&self) -> (c_uint, nvmlValue_st) {
        let number = self.number;
        // Each is as wide as the union, so that what it does not need of it is zero.
        let wide = |bits: c_ulonglong| nvmlValue_st { ullVal: bits };
        match self.kind {
            FieldKind::Double => (0, nvmlValue_st { dVal: number }),
            FieldKind::UnsignedInt => (1, wide(number as u64 & 0xffff_ffff)),
            FieldKind::UnsignedLong => (2, wide(number as u64)),
            FieldKind::UnsignedLongLong => (3, wide(number as u64)),
            FieldKind::SignedLongLong => (4, nvmlValue_st { sllVal: number as i64 }),
            FieldKind::SignedInt => (5, wide(u64::from(number as i32 as u32))),
            FieldKind::UnsignedShort => (6, wide(u64::from(number as u16))),
        }
    }
}

/// What a field that the library does not know answers.
fn unknown() -> Answer<Answered> {
    Err(Code::NOT_SUPPORTED)
}
