//! The functions that a program finds in the library, with the signatures and layouts of NVML.
//!
//! Each is a few words of safe code between two unsafe ones, which are here: a handle is a number and never followed, and
//! what is answered is written where the caller has room for it, unless the place is null.
#![expect(unsafe_code, reason = "NVML's functions take pointers")]

mod control;
mod errors;
mod events;
mod fields;
mod gpm;
mod identity;
mod links;
mod measures;
mod memory;
mod mig;
mod modes;
mod processes;
mod samples;
mod system;

use std::ffi::{CStr, c_char, c_uint};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use crate::world::{Answer, Board, Code, WORLD};

/// Defines functions of NVML that ask a board for one thing: the body says what it answers.
macro_rules! answers {
    ($($(#[$about:meta])* fn $name:ident($board:ident $(, $argument:ident: $type:ty)*) -> $answer:ty $body:block)*) => {$(
        $(#[$about])*
        /// # Safety
        /// As of NVML: the place of the answer is null, or there is room for it.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvml_wrapper_sys::bindings::nvmlDevice_t,
            $($argument: $type,)*
            answer: *mut $answer,
        ) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            let found = $crate::abi::ask(stringify!($name), device).and_then(|$board| $body);
            // SAFETY: the caller has room for the answer.
            unsafe { $crate::abi::put(found, answer) }
        }
    )*};
}

/// Defines functions of NVML that ask a board for a number: which of the script's it is.
macro_rules! readings {
    ($($name:ident($gpu:ident $(, $argument:ident: $type:ty)*) -> $answer:ty = $reading:expr;)*) => {
        $crate::abi::answers! {$(
            fn $name(board $(, $argument: $type)*) -> $answer {
                let $gpu = board.gpu();
                board.number($reading).map(|number| number as $answer)
            }
        )*}
    };
}

/// Defines functions of NVML that ask a board for a text.
macro_rules! texts {
    ($($name:ident($board:ident) = $text:expr;)*) => {$(
        /// # Safety
        /// As of NVML: the place of the text is null, or there is room for `length` bytes.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvml_wrapper_sys::bindings::nvmlDevice_t,
            text: *mut std::ffi::c_char,
            length: std::ffi::c_uint,
        ) -> nvml_wrapper_sys::bindings::nvmlReturn_t {
            let found = $crate::abi::ask_any(stringify!($name), device).and_then(|$board| $text);
            // SAFETY: the caller has room for so many bytes.
            unsafe { $crate::abi::put_text(found, text, length) }
        }
    )*};
}

pub(crate) use {answers, readings, texts};

/// Begins a call of a board; an instance does not have it.
fn ask(name: &'static str, device: nvmlDevice_t) -> Answer<Board> {
    ask_any(name, device)?.whole()
}

/// Begins a call of a board or of an instance.
fn ask_any(name: &'static str, device: nvmlDevice_t) -> Answer<Board> {
    WORLD.call_board(name, device as usize)
}

/// The number of an answer that has no value, or why there is none.
fn code(answer: Answer<()>) -> nvmlReturn_t {
    answer.map_or_else(|Code(code)| code, |()| 0)
}

/// Writes an answer where the caller wants it.
///
/// # Safety
/// The place is null, or there is room for it.
unsafe fn put<T>(answer: Answer<T>, place: *mut T) -> nvmlReturn_t {
    code(answer.and_then(|answer| {
        if place.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: there is room, as the caller of this says; what was there needs no drop.
        unsafe { place.write_unaligned(answer) };
        Ok(())
    }))
}

/// Writes two answers of one call.
///
/// # Safety
/// Each place is null, or there is room for it.
unsafe fn put_both<T, U>(answer: Answer<(T, U)>, first: *mut T, second: *mut U) -> nvmlReturn_t {
    match answer {
        // SAFETY: as the caller of this says.
        Ok((one, other)) => match unsafe { put(Ok(one), first) } {
            // SAFETY: as the caller of this says.
            0 => unsafe { put(Ok(other), second) },
            code => code,
        },
        Err(Code(code)) => code,
    }
}

/// Writes a text and the zero that ends it.
///
/// # Safety
/// The place is null, or there is room for `length` bytes.
unsafe fn put_text<T: AsRef<str>>(answer: Answer<T>, place: *mut c_char, length: c_uint) -> nvmlReturn_t {
    code(answer.and_then(|text| {
        let text = text.as_ref().as_bytes();
        if place.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        if text.len() >= length as usize {
            return Err(Code::INSUFFICIENT_SIZE);
        }
        // SAFETY: the text and its zero are not longer than the room, and a text of ours is not in it.
        unsafe {
            place.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
            place.add(text.len()).write(0);
        }
        Ok(())
    }))
}

/// Writes a list as NVML does: where there is too little room for it, how much there must be.
///
/// # Safety
/// `count` is null or says how many there is room for at `place`, which may be null where it is none.
unsafe fn put_list<T: Copy>(answer: Answer<Vec<T>>, count: *mut c_uint, place: *mut T) -> nvmlReturn_t {
    code(answer.and_then(|list| {
        if count.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: it is not null, so it is the caller's.
        let room = unsafe { count.replace(list.len() as c_uint) } as usize;
        if list.is_empty() {
            return Ok(());
        }
        if place.is_null() || room < list.len() {
            return Err(Code::INSUFFICIENT_SIZE);
        }
        // SAFETY: there is room for all of them, and a list of ours is not in it.
        unsafe { place.copy_from_nonoverlapping(list.as_ptr(), list.len()) };
        Ok(())
    }))
}

/// Reads a structure that says which version of it the caller means, and refuses another.
///
/// # Safety
/// The place is null, or such a structure whose first member is its version.
unsafe fn versioned<T: Copy>(place: *const T, versions: &[u32]) -> Answer<T> {
    if place.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: the first member is the version, whatever the version.
    let version = unsafe { place.cast::<u32>().read_unaligned() };
    if !versions.contains(&version) {
        return Err(Code::VERSION_MISMATCH);
    }
    // SAFETY: of this version it is whole.
    Ok(unsafe { place.read_unaligned() })
}

/// What NVML calls a version of a structure: its size and a number.
const fn version_of<T>(number: u32) -> u32 {
    size_of::<T>() as u32 | number << 24
}

/// A text that the caller gives.
///
/// # Safety
/// It is null, or ends with a zero.
unsafe fn text<'a>(place: *const c_char) -> Answer<&'a str> {
    if place.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: it ends with a zero, as the caller of this says, and is read before the call returns.
    unsafe { CStr::from_ptr(place) }.to_str().map_err(|_| Code::INVALID_ARGUMENT)
}
