//! Waits for the errors that the driver reports by itself, on a thread of its own.

use std::mem;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError as Number;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper::{Device, EventSet, Nvml};
use nvml_wrapper_sys::bindings::nvmlDevice_t;
use tracing::{debug, info};

use super::fault::{Fault, Reach, UNKNOWN, code, reach};
use super::life::{Life, Message, Shared, Source, XidError};
use super::pulse::Pulse;

/// How long a wait lasts, and so how long the end of a life is not seen.
const WAIT: Duration = Duration::from_secs(1);

/// A board that has been opened.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) index: u32,
    pub(super) bus_id: String,
    pub(super) pulse: Arc<Pulse>,
}

/// Listens to the boards of a life; each comes when it has answered, so that one that hangs is not asked here.
pub(super) fn run(shared: &Shared, life: &Arc<Life>, boards: &mpsc::Receiver<Listed>) {
    let receiver = &shared.context.id;
    let set = match create(&life.nvml) {
        Ok(set) => set,
        Err(error) => {
            let reason = Fault::Code(code(error));
            return info!(receiver, %reason, "the driver reports no errors by itself");
        }
    };
    let mut listened: Vec<(nvmlDevice_t, String)> = Vec::new();
    let mut is_gone = false;
    while !life.ended.is_raised() {
        for board in boards.try_iter() {
            match register(&life.nvml, board.index, &set) {
                Ok(handle) => {
                    board.pulse.hear(true);
                    listened.push((handle, board.bus_id));
                }
                Err(error) => {
                    let reason = Fault::Code(code(error));
                    debug!(receiver, gpu = board.index, %reason, "a GPU reports no errors by itself");
                }
            }
        }
        if listened.is_empty() {
            life.ended.wait(WAIT);
            continue;
        }
        match set.wait(WAIT.as_millis() as u32) {
            Ok(event) => {
                let Some(number) = event.event_data else { continue };
                let xid = match number {
                    Number::Value(xid) => xid,
                    Number::Unknown => UNKNOWN.into(),
                };
                let handle = handle_of(&event.device);
                let Some((_, bus_id)) = listened.iter().find(|(other, _)| *other == handle) else { continue };
                let (bus_id, unix_nano) = (bus_id.clone(), shared.context.clock.unix_nano());
                let error = XidError { bus_id, xid, unix_nano, source: Source::Event };
                if shared.to_watcher.blocking_send(Message::Xid(error)).is_err() {
                    break;
                }
            }
            Err(NvmlError::Timeout) => {}
            Err(error) => {
                is_gone |= reach(code(error)) != Reach::Call;
                life.ended.wait(WAIT);
            }
        }
    }
    if is_gone {
        // What belongs to a driver that is gone is better not given back to it.
        mem::forget(set);
    }
}

/// Makes a set, where it can be freed too.
fn create(nvml: &Nvml) -> Result<EventSet<'_>, NvmlError> {
    nvml_sym(nvml.lib().nvmlEventSetFree.as_ref())?;
    nvml.create_event_set()
}

/// The wrapper's function frees the set where a board refuses.
#[expect(unsafe_code, reason = "the wrapper's function takes the set away on failure")]
fn register(nvml: &Nvml, index: u32, set: &EventSet<'_>) -> Result<nvmlDevice_t, NvmlError> {
    let register = nvml_sym(nvml.lib().nvmlDeviceRegisterEvents.as_ref())?;
    let handle = handle_of(&nvml.device_by_index(index)?);
    // SAFETY: the board and the set are of this library, and the set is only used by this thread.
    nvml_try(unsafe { register(handle, EventTypes::CRITICAL_XID_ERROR.bits(), set.handle()) })?;
    Ok(handle)
}

#[expect(unsafe_code, reason = "handles are the only thing to tell boards apart by without a call")]
fn handle_of(device: &Device<'_>) -> nvmlDevice_t {
    // SAFETY: the handle is compared, or used with the library that it is of.
    unsafe { device.handle() }
}
