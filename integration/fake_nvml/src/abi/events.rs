//! What the driver reports unasked.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_uint, c_ulonglong};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlReturn_t};

use super::{code, put, readings};
use crate::world::{Answer, Code, EventSet, Handle, Scene, WORLD, lock};

/// How often who waits looks at the script.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

readings! {
    nvmlDeviceGetSupportedEventTypes(gpu) -> c_ulonglong = &gpu.events;
}

/// # Safety
/// As of NVML: the set is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(set: *mut nvmlEventSet_t) -> nvmlReturn_t {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let found = WORLD.call("nvmlEventSetCreate").map(|scene| {
        // A set is a number, as a board is: nobody follows it.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let set = EventSet { generation: scene.script.generation, ..EventSet::default() };
        lock(&WORLD.event_sets).insert(number, set);
        number as nvmlEventSet_t
    });
    // SAFETY: the caller has room.
    unsafe { put(found, set) }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetFree(set: nvmlEventSet_t) -> nvmlReturn_t {
    // A set may be freed when nothing else is possible any more.
    WORLD.calls.count("nvmlEventSetFree");
    code(lock(&WORLD.event_sets).remove(&(set as usize)).map(|_| ()).ok_or(Code::INVALID_ARGUMENT))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(
    device: nvmlDevice_t,
    kinds: c_ulonglong,
    set: nvmlEventSet_t,
) -> nvmlReturn_t {
    code(register(device, kinds, set))
}

fn register(device: nvmlDevice_t, kinds: u64, set: nvmlEventSet_t) -> Answer<()> {
    let board = super::ask("nvmlDeviceRegisterEvents", device)?;
    let supported = board.count(&board.gpu().events)?;
    if kinds & !supported != 0 {
        return Err(Code::NOT_SUPPORTED);
    }
    let mut sets = lock(&WORLD.event_sets);
    let set = sets.get_mut(&(set as usize)).ok_or(Code::INVALID_ARGUMENT)?;
    *set.masks.entry(board.index).or_default() |= kinds;
    Ok(())
}

/// # Safety
/// As of NVML: the event is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    set: nvmlEventSet_t,
    event: *mut nvmlEventData_t,
    timeout_ms: c_uint,
) -> nvmlReturn_t {
    // SAFETY: the caller has room.
    unsafe { put(wait(set as usize, Duration::from_millis(timeout_ms.into())), event) }
}

fn wait(set: usize, timeout: Duration) -> Answer<nvmlEventData_t> {
    let end = Instant::now() + timeout;
    let mut scene = WORLD.call("nvmlEventSetWait_v2")?;
    loop {
        if let Some(event) = next(set, &scene)? {
            return Ok(event);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Code::TIMEOUT);
        }
        std::thread::sleep(left.min(LOOK_INTERVAL));
        scene = WORLD.scene()?;
    }
}

/// The first event that is due, that this set listens to, and that nobody has had.
fn next(set: usize, scene: &Scene) -> Answer<Option<nvmlEventData_t>> {
    let sets = lock(&WORLD.event_sets);
    let set = sets.get(&set).filter(|set| set.generation == scene.script.generation);
    let set = set.ok_or(Code::INVALID_ARGUMENT)?;
    let mut happened = lock(&WORLD.happened);
    for (place, event) in scene.script.events.iter().enumerate() {
        let id = event.id.unwrap_or(place as u64);
        let index = event.gpu as usize;
        let is_wanted = set.masks.get(&index).is_some_and(|mask| mask & event.kind != 0);
        if event.at.0 > scene.elapsed() || !is_wanted || !happened.insert(id) {
            continue;
        }
        return Ok(Some(nvmlEventData_t {
            device: Handle::of(scene, index, None) as nvmlDevice_t,
            eventType: event.kind,
            eventData: event.xid,
            gpuInstanceId: event.gpu_instance.unwrap_or(u32::MAX),
            computeInstanceId: event.compute_instance.unwrap_or(u32::MAX),
        }));
    }
    Ok(None)
}
