//! The built library, read as a collector reads NVML: through nvml-wrapper, and through the raw functions it lacks.
#![expect(unsafe_code, reason = "what nvml-wrapper does not have is called as it is")]

mod library {
    pub(crate) mod machine;
}

use std::time::{Duration, Instant};

use library::machine::Machine;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, MemoryLocation, PcieUtilCounter, PerformancePolicy, PerformanceState,
    RetirementCause, Sampling, TemperatureSensor, TemperatureThreshold,
};
use nvml_wrapper::enums::device::{SampleValue, UsedGpuMemory};
use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::gpm::gpm_metrics_get;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper_sys::bindings as sys;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Four boards under load.
const H100: &str = include_str!("../scripts/h100x4.yaml");

#[test]
fn versions_and_identities_are_the_scripts() {
    let machine = Machine::new(H100);
    let nvml = machine.nvml();
    assert_eq!(nvml.sys_driver_version().unwrap(), "580.95.05");
    assert_eq!(nvml.sys_nvml_version().unwrap(), "13.580.95.05");
    assert_eq!(nvml.sys_cuda_driver_version().unwrap(), 13000);
    assert_eq!(nvml.device_count().unwrap(), 4);
    let device = nvml.device_by_index(2).unwrap();
    assert_eq!(device.name().unwrap(), "NVIDIA H100 80GB HBM3");
    let uuid = device.uuid().unwrap();
    assert_eq!(nvml.device_by_uuid(uuid.as_str()).unwrap().index().unwrap(), 2);
    assert_eq!(device.serial().unwrap(), "1650000000002");
    assert_eq!(device.minor_number().unwrap(), 2);
    assert_eq!(device.vbios_version().unwrap(), "96.00.61.00.01");
    assert_eq!(device.info_rom_image_version().unwrap(), "G520.0200.00.05");
    assert_eq!(device.architecture().unwrap().to_string(), "Hopper");
    let capability = device.cuda_compute_capability().unwrap();
    assert_eq!((capability.major, capability.minor), (9, 0));
    assert_eq!(device.num_cores().unwrap(), 16896);
    assert_eq!(device.numa_node_id().unwrap(), 0);
    let pci = device.pci_info().unwrap();
    assert_eq!((pci.bus_id.as_str(), pci.bus, pci.pci_device_id), ("00000000:0C:00.0", 12, 0x2330_10de));
    assert_eq!(nvml.device_by_pci_bus_id("00000000:0C:00.0").unwrap().index().unwrap(), 2);
}

#[test]
fn a_board_says_what_it_measures() {
    let machine = Machine::new(H100);
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    let within = |value: u32, low: u32, high: u32| assert!((low..=high).contains(&value), "{value}");
    within(device.utilization_rates().unwrap().gpu, 70, 98);
    assert_eq!(device.encoder_utilization().unwrap().utilization, 0);
    assert_eq!(device.decoder_utilization().unwrap().sampling_period, 167_000);
    let memory = device.memory_info().unwrap();
    assert_eq!(memory.total, 85_520_809_984);
    assert_eq!(memory.total, memory.used + memory.free + memory.reserved);
    assert_eq!(device.bar1_memory_info().unwrap().used, 4_718_592);
    within(device.temperature(TemperatureSensor::Gpu).unwrap(), 52, 64);
    assert_eq!(device.temperature_threshold(TemperatureThreshold::Slowdown).unwrap(), 89);
    within(device.power_usage().unwrap(), 420_000, 640_000);
    assert_eq!(device.enforced_power_limit().unwrap(), 700_000);
    let limits = device.power_management_limit_constraints().unwrap();
    assert_eq!((limits.min_limit, limits.max_limit), (200_000, 700_000));
    assert_eq!(device.clock_info(Clock::Memory).unwrap(), 2619);
    assert_eq!(device.max_clock_info(Clock::SM).unwrap(), 1980);
    assert!(device.current_throttle_reasons().unwrap().difference(ThrottleReasons::SW_POWER_CAP).is_empty());
    assert_eq!(device.performance_state().unwrap(), PerformanceState::Zero);
    let violation = device.violation_status(PerformancePolicy::Power).unwrap();
    assert!(violation.violation_time >= 7_000_000_000);
    assert_eq!(device.current_pcie_link_gen().unwrap(), 5);
    assert_eq!(device.max_pcie_link_width().unwrap(), 16);
    within(device.pcie_throughput(PcieUtilCounter::Receive).unwrap(), 200_000, 1_800_000);
    assert_eq!(device.pcie_replay_counter().unwrap(), 0);
    assert!(device.is_in_persistent_mode().unwrap());
    assert!(device.is_ecc_enabled().unwrap().currently_enabled);
    assert_eq!(device.total_ecc_errors(MemoryError::Corrected, EccCounter::Aggregate).unwrap(), 2);
    let at =
        device.memory_error_counter(MemoryError::Corrected, EccCounter::Aggregate, MemoryLocation::Device);
    assert_eq!(at.unwrap(), 2);
    assert!(matches!(device.num_fans(), Err(NvmlError::NotSupported)));
    assert!(device.link_wrapper_for(17).is_active().unwrap());
    assert_eq!(device.link_wrapper_for(0).version().unwrap(), 6);
}

#[test]
fn what_grows_grows_and_starts_anew_with_the_driver() {
    let script = |generation: u32| {
        format!(
            "generation: {generation}\nbase: {{power: {{energy: {{grow: 100000000, from: 5000000}}}}}}\ngpus: 1\n"
        )
    };
    let machine = Machine::new(&script(1));
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    let first = device.total_energy_consumption().unwrap();
    let wanted = first + 20_000_000;
    until("energy grows", || device.total_energy_consumption().unwrap() > wanted);
    machine.write(&script(2));
    until("the handle is of another driver", || {
        matches!(device.total_energy_consumption(), Err(NvmlError::InvalidArg))
    });
    let again = nvml.device_by_index(0).unwrap().total_energy_consumption().unwrap();
    assert!(again >= 5_000_000);
}

#[test]
fn fields_are_answered_each_by_itself() {
    let script = H100.replace(
        "  recovery_action: 0",
        "  recovery_action: 1\n  fields: [{id: 82, value: 61, type: double, latency: 9}, {id: 94, code: 999}]",
    );
    let machine = Machine::new(&script);
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    let wanted = [
        (82, 0),
        (94, 0),
        (230, 0),
        (138, 0),
        (138, u32::MAX),
        (138, 40),
        (194, 0),
        (5, 0),
        (197, 0),
        (269, 0),
        (251, 0),
        (9999, 0),
    ];
    let mut values = wanted.map(|(id, scope)| {
        // SAFETY: all zero is a valid value of its numbers.
        let empty: sys::nvmlFieldValue_t = unsafe { std::mem::zeroed() };
        sys::nvmlFieldValue_t { fieldId: id, scopeId: scope, ..empty }
    });
    // SAFETY: the handle is a board's, and there are as many values as it says.
    let code = unsafe {
        nvml.lib().nvmlDeviceGetFieldValues(device.handle(), values.len() as i32, values.as_mut_ptr())
    };
    assert_eq!(code, 0);
    let codes: Vec<_> = values.iter().map(|value| value.nvmlReturn).collect();
    assert_eq!(codes, [0, 999, 0, 0, 0, 2, 0, 0, 0, 0, 3, 3]);
    let kinds: Vec<_> = values.iter().map(|value| value.valueType).collect();
    assert_eq!(kinds, [0, 0, 1, 3, 3, 0, 5, 3, 2, 3, 0, 0]);
    // SAFETY: each is read as it says it is.
    unsafe {
        assert_eq!(values[0].value.dVal, 61.0);
        assert_eq!(values[0].latencyUsec, 9);
        assert_eq!(values[2].value.uiVal, 1);
        assert!(values[4].value.ullVal > values[3].value.ullVal * 17);
        assert_eq!(values[6].value.siVal, -2);
        assert_eq!(values[7].value.ullVal, 2);
    }
    let wrapped = device.field_values_for(&[FieldId(185), FieldId(186)]).unwrap();
    assert!(wrapped.iter().all(|value| value.as_ref().is_ok_and(|value| value.value.is_ok())));
}

#[test]
fn samples_are_those_since_the_last() {
    let machine = Machine::new("base: {utilization: {gpu: 42}}\ngpus: 1\n");
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    let samples = device.samples(Sampling::GpuUtilization, None).unwrap();
    let last = samples.last().unwrap();
    assert!(matches!(last.value, SampleValue::U32(42)), "{samples:?}");
    let mut newer = Vec::new();
    until("there are new ones", || match device.samples(Sampling::GpuUtilization, last.timestamp) {
        Ok(samples) => {
            newer = samples;
            true
        }
        Err(NvmlError::NotFound) => false,
        Err(error) => panic!("{error}"),
    });
    assert!(newer.iter().all(|sample| sample.timestamp > last.timestamp));
    assert!(matches!(device.samples(Sampling::Power, None), Err(NvmlError::NotSupported)));
}

#[test]
fn processes_are_listed_with_what_they_use() {
    let script = "base: {processes: {compute: [{pid: self, memory: 500, sm: 30}, {pid: 7}], graphics: [{pid: 9}]}}\ngpus: 1\n";
    let machine = Machine::new(script);
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    let processes = device.running_compute_processes().unwrap();
    assert_eq!(processes[0].pid, std::process::id());
    assert!(matches!(processes[0].used_gpu_memory, UsedGpuMemory::Used(500)));
    assert!(matches!(processes[1].used_gpu_memory, UsedGpuMemory::Unavailable));
    assert_eq!(processes[1].gpu_instance_id, None);
    assert_eq!(device.running_graphics_processes().unwrap()[0].pid, 9);
    assert!(device.mps_running_compute_processes().unwrap().is_empty());
    let samples = device.process_utilization_stats(None).unwrap();
    assert_eq!((samples.len(), samples[0].sm_util), (1, 30));
    let last = samples[0].timestamp;
    until("a new sample", || device.process_utilization_stats(last).is_ok());
    assert!(matches!(nvml.sys_process_name(u32::MAX, 64), Err(NvmlError::NotFound)));
}

#[test]
fn pages_rows_and_thresholds_of_older_boards() {
    let machine = Machine::new(
        "gpus: [{retired: {single_bit: [4096, 8192], pending: 1}, rows: {corrected: 3, failed: 1}}]",
    );
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    let pages = device.retired_pages(RetirementCause::MultipleSingleBitEccErrors).unwrap();
    assert_eq!(pages.iter().map(|page| page.address).collect::<Vec<_>>(), [4096, 8192]);
    assert!(device.retired_pages(RetirementCause::DoubleBitEccError).unwrap().is_empty());
    assert!(device.are_pages_pending_retired().unwrap());
    let mut rows = [0; 4];
    let [corrected, uncorrected, pending, failed] = &mut rows;
    // SAFETY: the handle is a board's, and there is room for each number.
    let code = unsafe {
        nvml.lib().nvmlDeviceGetRemappedRows(device.handle(), corrected, uncorrected, pending, failed)
    };
    assert_eq!((code, rows), (0, [3, 0, 0, 1]));
}

#[test]
fn raw_functions_check_the_version_of_what_they_fill() {
    let machine = Machine::new(H100);
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    let version = size_of::<sys::nvmlMarginTemperature_v1_t>() as u32 | 1 << 24;
    let mut margin = sys::nvmlMarginTemperature_v1_t { version, marginTemperature: 0 };
    // SAFETY: the handles are boards', and the structures are those of the functions.
    unsafe {
        assert_eq!(nvml.lib().nvmlDeviceGetMarginTemperature(device.handle(), &raw mut margin), 0);
        assert!((23..=35).contains(&margin.marginTemperature), "{margin:?}");
        margin.version = 7;
        assert_eq!(nvml.lib().nvmlDeviceGetMarginTemperature(device.handle(), &raw mut margin), 25);
        assert_eq!(nvml.lib().nvmlDeviceGetMarginTemperature(device.handle(), std::ptr::null_mut()), 2);
        let mut fabric: sys::nvmlGpuFabricInfo_v3_t = std::mem::zeroed();
        fabric.version = size_of::<sys::nvmlGpuFabricInfo_v3_t>() as u32 | 3 << 24;
        assert_eq!(nvml.lib().nvmlDeviceGetGpuFabricInfoV(device.handle(), &raw mut fabric), 0);
        assert_eq!((fabric.state, fabric.healthSummary), (3, 1));
        let mut jpeg = (9, 0);
        let code = nvml.lib().nvmlDeviceGetJpgUtilization(device.handle(), &raw mut jpeg.0, &raw mut jpeg.1);
        assert_eq!((code, jpeg.0), (0, 0));
    }
}

#[test]
fn two_samples_of_the_performance_monitors_give_a_value() {
    let machine = Machine::new("gpus: [{gpm: {2: 63, 10: {wave: [40, 50], every: 5s}}}, {}]");
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    assert!(device.gpm_support().unwrap());
    let (first, second) = (device.gpm_sample().unwrap(), device.gpm_sample().unwrap());
    let metrics = [GpmMetricId::SmUtil, GpmMetricId::DramBwUtil, GpmMetricId::Fp64Util];
    let values = gpm_metrics_get(&nvml, &first, &second, &metrics).unwrap();
    assert_eq!(values[0].as_ref().unwrap().value, 63.0);
    assert!((40.0..=50.0).contains(&values[1].as_ref().unwrap().value));
    assert!(matches!(values[2], Err(NvmlError::NotSupported)));
    let other = nvml.device_by_index(1).unwrap();
    assert!(!other.gpm_support().unwrap());
    assert!(matches!(other.gpm_sample(), Err(NvmlError::NotSupported)));
}

#[test]
fn a_divided_board_has_instances_in_place_of_its_own_numbers() {
    let machine = Machine::new(include_str!("../scripts/mig.yaml"));
    let nvml = machine.nvml();
    assert_eq!(nvml.device_count().unwrap(), 10);
    let board = nvml.device_by_index(9).unwrap();
    assert!(matches!(board.utilization_rates(), Err(NvmlError::NotSupported)));
    assert!(matches!(board.gpm_sample(), Err(NvmlError::NotSupported)));
    assert_eq!(board.mig_device_count().unwrap(), 7);
    let instance = board.mig_device_by_index(3).unwrap();
    assert!(instance.uuid().unwrap().starts_with("MIG-"));
    assert_eq!(instance.mig_parent_device().unwrap().uuid().unwrap(), board.uuid().unwrap());
    assert!(instance.memory_info().unwrap().total < board.memory_info().unwrap().total / 6);
    assert_eq!(instance.attributes().unwrap().multiprocessor_count, 16);
    assert!(matches!(instance.power_usage(), Err(NvmlError::NotSupported)));
    let (mut gpu_instance, mut compute_instance) = (0, 0);
    // SAFETY: the handle is an instance's, and there is room for the numbers.
    unsafe {
        assert_eq!(nvml.lib().nvmlDeviceGetGpuInstanceId(instance.handle(), &raw mut gpu_instance), 0);
        assert_eq!(
            nvml.lib().nvmlDeviceGetComputeInstanceId(instance.handle(), &raw mut compute_instance),
            0
        );
        assert_eq!(nvml.lib().nvmlDeviceGetGpuInstanceId(board.handle(), &raw mut gpu_instance), 2);
    }
    assert_eq!((gpu_instance, compute_instance), (10, 0));
    let (first, second) = (board.gpm_mig_sample(10).unwrap(), board.gpm_mig_sample(10).unwrap());
    let values = gpm_metrics_get(&nvml, &first, &second, &[GpmMetricId::SmUtil]).unwrap();
    assert!(values[0].is_ok());
    assert_eq!(instance.running_compute_processes().unwrap().len(), 1);
    assert_eq!(board.running_compute_processes().unwrap().len(), 7);
}

#[test]
fn a_slot_without_an_instance_is_not_found() {
    let machine = Machine::new("gpus: [{mig: {mode: 1, max: 7, instances: [{slot: 2}]}}]");
    let nvml = machine.nvml();
    let board = nvml.device_by_index(0).unwrap();
    assert!(matches!(board.mig_device_by_index(0), Err(NvmlError::NotFound)));
    assert!(board.mig_device_by_index(2).is_ok());
    assert!(matches!(board.mig_device_by_index(7), Err(NvmlError::InvalidArg)));
}

#[test]
fn an_event_is_handed_out_once() {
    let script = "base: {events: 0xff9f}\ngpus: 2\n";
    let machine = Machine::new(script);
    let nvml = machine.nvml();
    let device = nvml.device_by_index(1).unwrap();
    let set = nvml.create_event_set().unwrap();
    let set =
        device.register_events(EventTypes::CRITICAL_XID_ERROR, set).map_err(|error| error.error).unwrap();
    assert!(matches!(set.wait(1), Err(NvmlError::Timeout)));
    machine.write(&format!(
        "{script}events: [{{gpu: 1, xid: 79}}, {{gpu: 0, xid: 13}}, {{gpu: 1, xid: 5, at: 1h}}]\n"
    ));
    let mut found = None;
    until("the event comes", || {
        found = set.wait(500).ok();
        found.is_some()
    });
    let event = found.unwrap();
    assert_eq!(event.device.index().unwrap(), 1);
    assert!(format!("{event:?}").contains("79"), "{event:?}");
    assert!(matches!(set.wait(100), Err(NvmlError::Timeout)));
}

#[test]
fn each_code_is_what_the_wrapper_knows_it_as() {
    #[track_caller]
    fn check(code: u32, expected: &str) {
        let machine =
            Machine::new(&format!("gpus: 1\nfaults: [{{call: nvmlDeviceGetPowerUsage, code: {code}}}]\n"));
        let error = machine.nvml().device_by_index(0).unwrap().power_usage().unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{code}: {error:?}");
    }
    check(2, "InvalidArg");
    check(3, "NotSupported");
    check(4, "NoPermission");
    check(6, "NotFound");
    check(10, "Timeout");
    check(15, "GpuLost");
    check(16, "ResetRequired");
    check(18, "LibRmVersionMismatch");
    check(19, "InUse");
    check(28, "UnexpectedVariant(28)");
    check(999, "Unknown");
}

#[test]
fn a_fault_strikes_when_and_whom_it_is_told() {
    let script = "base: {power: {usage: 9}}\ngpus: 2\nfaults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, code: 15, after: 2, times: 1}]\n";
    let machine = Machine::new(script);
    let nvml = machine.nvml();
    let answers = |index| {
        let device = nvml.device_by_index(index).unwrap();
        [0; 4].map(|_| device.power_usage().is_ok())
    };
    assert_eq!(answers(0), [true; 4]);
    assert_eq!(answers(1), [true, true, false, true]);
    assert_eq!(machine.calls("nvmlDeviceGetPowerUsage"), 8);
    assert!(machine.calls("") > 8);
    assert_eq!(machine.calls("nvmlDeviceGetUUID"), 0);
}

#[test]
fn a_lost_board_takes_no_other_with_it() {
    let machine = Machine::new("base: {power: {usage: 9}}\ngpus: [{}, {}]\n");
    let nvml = machine.nvml();
    let (first, second) = (nvml.device_by_index(0).unwrap(), nvml.device_by_index(1).unwrap());
    machine.write("base: {power: {usage: 9}}\ngpus: [{}, {lost: true}]\n");
    until("the board is lost", || matches!(second.power_usage(), Err(NvmlError::GpuLost)));
    assert_eq!(first.power_usage().unwrap(), 9);
    assert!(matches!(nvml.device_by_index(1), Err(NvmlError::GpuLost)));
    machine.write("base: {power: {usage: 9}}\ngpus: [{}]\n");
    until("the board is gone", || matches!(second.power_usage(), Err(NvmlError::InvalidArg)));
}

#[test]
fn a_call_that_hangs_ends_when_the_script_says_so() {
    let script = "base: {power: {usage: 9}}\ngpus: 2\n";
    let fault = "faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, delay: 1h}]\n";
    let machine = Machine::new(&format!("{script}{fault}"));
    let nvml = machine.nvml();
    std::thread::scope(|scope| {
        let hung = scope.spawn(|| nvml.device_by_index(1).unwrap().power_usage());
        until("the call is made", || machine.calls("nvmlDeviceGetPowerUsage") > 0);
        assert_eq!(nvml.device_by_index(0).unwrap().power_usage().unwrap(), 9);
        assert!(!hung.is_finished());
        machine.write(script);
        assert_eq!(hung.join().unwrap().unwrap(), 9);
    });
}

#[test]
fn a_call_may_fail_after_it_has_hung() {
    let fault = "faults: [{call: nvmlDeviceGetPowerUsage, code: 10, delay: 120ms}]";
    let machine = Machine::new(&format!("base: {{power: {{usage: 9}}}}\ngpus: 1\n{fault}\n"));
    let nvml = machine.nvml();
    let start = Instant::now();
    assert!(matches!(nvml.device_by_index(0).unwrap().power_usage(), Err(NvmlError::Timeout)));
    assert!(start.elapsed() >= Duration::from_millis(120));
}

#[test]
fn a_board_that_may_not_be_read_refuses_each_call() {
    let base = "base: {power: {usage: 9}, temperature: {gpu: 40}}\n";
    let machine = Machine::new(&format!("{base}gpus: 2\nfaults: [{{call: '*', gpu: 0, code: 4}}]\n"));
    let nvml = machine.nvml();
    let (first, second) = (nvml.device_by_index(0).unwrap(), nvml.device_by_index(1).unwrap());
    assert!(matches!(first.power_usage(), Err(NvmlError::NoPermission)));
    assert!(matches!(first.uuid(), Err(NvmlError::NoPermission)));
    assert_eq!(second.temperature(TemperatureSensor::Gpu).unwrap(), 40);
}

#[test]
fn an_instance_that_is_gone_is_no_longer_valid() {
    let script = |instances: &str| format!("gpus: [{{mig: {{mode: 1, max: 7, instances: [{instances}]}}}}]");
    let machine = Machine::new(&script("{memory: {total: 9, used: 1}}, {memory: {total: 9, used: 2}}"));
    let nvml = machine.nvml();
    let board = nvml.device_by_index(0).unwrap();
    let instance = board.mig_device_by_index(1).unwrap();
    assert_eq!(instance.memory_info().unwrap().used, 2);
    machine.write(&script("{memory: {total: 9, used: 1}}"));
    until("the instance is gone", || matches!(instance.memory_info(), Err(NvmlError::InvalidArg)));
    assert!(matches!(board.mig_device_by_index(1), Err(NvmlError::NotFound)));
    machine.write("gpus: [{mig: {mode: 0, max: 7}, utilization: {gpu: 3}}]");
    until("the board is whole", || board.utilization_rates().is_ok());
}

#[test]
fn two_copies_are_two_worlds_and_threads_share_one() {
    let machines =
        [3, 5].map(|usage| Machine::new(&format!("base: {{power: {{usage: {usage}}}}}\ngpus: 4\n")));
    let libraries = machines.each_ref().map(Machine::nvml);
    std::thread::scope(|scope| {
        for (nvml, usage) in libraries.iter().zip([3, 5]) {
            for index in 0..4 {
                scope.spawn(move || {
                    let device = nvml.device_by_index(index).unwrap();
                    for _ in 0..1000 {
                        assert_eq!(device.power_usage().unwrap(), usage);
                    }
                });
            }
        }
    });
    assert_eq!(machines.each_ref().map(|machine| machine.calls("nvmlDeviceGetPowerUsage")), [4000, 4000]);
}

#[test]
fn an_older_library_and_an_older_board_lack_functions() {
    let script = "base: {memory: {total: 9, used: 1}}\ngpus: [{}, {unsupported: [nvmlDeviceGetMemoryInfo]}]\nmissing: [nvmlDeviceGetMemoryInfo_v2]\n";
    let machine = Machine::new(script);
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    assert!(matches!(device.memory_info(), Err(NvmlError::FunctionNotFound)));
    let mut memory = sys::nvmlMemory_t { total: 0, free: 0, used: 0 };
    // SAFETY: the handles are boards', and there is room for the answer.
    unsafe {
        assert_eq!(nvml.lib().nvmlDeviceGetMemoryInfo(device.handle(), &raw mut memory), 0);
        assert_eq!((memory.total, memory.free), (9, 8));
        let other = nvml.device_by_index(1).unwrap();
        assert_eq!(nvml.lib().nvmlDeviceGetMemoryInfo(other.handle(), &raw mut memory), 3);
    }
}

#[test]
fn initializing_fails_as_it_is_told_and_with_a_bad_script() {
    #[track_caller]
    fn check(script: &str, expected: &str) {
        let error = Machine::new(script).try_nvml().map(|_| ()).unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{script}: {error:?}");
    }
    check("init: 9", "DriverNotLoaded");
    check("init: 18", "LibRmVersionMismatch");
    check("init: 4", "NoPermission");
    check("gpu: 1", "Unknown");
    let machine = Machine::new("init: 9");
    assert!(machine.try_nvml().is_err());
    machine.write("gpus: 1");
    assert_eq!(machine.nvml().device_count().unwrap(), 1);
}

#[test]
fn a_bad_change_keeps_what_was() {
    let machine = Machine::new("gpus: 1");
    let nvml = machine.nvml();
    machine.write("gpus: 2, 3");
    let looked = Instant::now();
    while looked.elapsed() < Duration::from_millis(200) {
        assert_eq!(nvml.device_count().unwrap(), 1);
    }
    machine.write("gpus: 2");
    until("a good change is taken", || nvml.device_count().unwrap() == 2);
}

#[test]
fn counts_are_written_for_other_processes() {
    let machine = Machine::new("gpus: 1");
    let nvml = machine.nvml();
    nvml.device_by_index(0).unwrap().uuid().unwrap();
    nvml.shutdown().unwrap();
    assert!(machine.written_calls().contains("nvmlDeviceGetUUID: 1\n"), "{}", machine.written_calls());
}

#[test]
fn a_board_with_unified_memory_does_not_tell_its_memory() {
    let machine = Machine::new(include_str!("../scripts/gb10.yaml"));
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    assert!(matches!(device.memory_info(), Err(NvmlError::NotSupported)));
    assert!(matches!(device.running_compute_processes().unwrap()[0].used_gpu_memory, UsedGpuMemory::Used(_)));
    assert!(matches!(device.enforced_power_limit(), Err(NvmlError::NotSupported)));
}

#[test]
fn a_consumers_board_has_a_fan_and_no_ecc() {
    let machine = Machine::new(include_str!("../scripts/rtx4080.yaml"));
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    assert_eq!(device.num_fans().unwrap(), 2);
    assert!(device.fan_speed(1).unwrap() > 0 && device.fan_speed_rpm(0).unwrap() > 0);
    assert!(matches!(device.fan_speed(2), Err(NvmlError::InvalidArg)));
    assert!(matches!(device.is_ecc_enabled(), Err(NvmlError::NotSupported)));
    assert!(matches!(device.serial(), Err(NvmlError::NotSupported)));
    assert!(matches!(device.mig_mode(), Err(NvmlError::NotSupported)));
}

#[test]
fn accounting_is_kept_where_it_is_on() {
    let process = "processes: {compute: [{pid: 7, sm: 5, memory_peak: 99}]}";
    let machine = Machine::new(&format!(
        "gpus: [{{modes: {{accounting: 1}}, {process}}}, {{modes: {{accounting: 0}}, {process}}}]"
    ));
    let nvml = machine.nvml();
    let device = nvml.device_by_index(0).unwrap();
    assert_eq!(device.accounting_pids().unwrap(), [7]);
    assert_eq!(device.accounting_stats_for(7).unwrap().max_memory_usage, Some(99));
    assert!(matches!(device.accounting_stats_for(8), Err(NvmlError::NotFound)));
    assert!(matches!(nvml.device_by_index(1).unwrap().accounting_pids(), Err(NvmlError::NotSupported)));
}

#[test]
fn the_other_scripts_are_machines() {
    for (script, gpus) in
        [(include_str!("../scripts/h100x8.yaml"), 8), (include_str!("../scripts/demo.yaml"), 4)]
    {
        let machine = Machine::new(script);
        let nvml = machine.nvml();
        assert_eq!(nvml.device_count().unwrap(), gpus);
        for index in 0..gpus {
            assert!(nvml.device_by_index(index).unwrap().power_usage().is_ok());
        }
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
