//! What the library has that NVML has not: how often it was called.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::c_char;

use crate::world::WORLD;

/// How often a function was called since the library was loaded; of the empty name, all of them.
///
/// # Safety
/// The name is null, or ends with a zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn fake_nvml_calls(name: *const c_char) -> u64 {
    // SAFETY: the caller's name ends with a zero.
    unsafe { super::text(name) }.map_or(0, |name| WORLD.calls.of(name))
}
