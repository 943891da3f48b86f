//! The built library, read as a collector reads NVML: through nvml-wrapper.

use std::ffi::OsStr;
use std::path::PathBuf;

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;

#[test]
fn two_gpus() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libfake_nvml.so");
    let built = std::env::current_exe().unwrap().parent().unwrap().join("libfake_nvml.so");
    std::fs::copy(&built, &library).unwrap();
    std::fs::write(folder.path().join("libfake_nvml.yaml"), "base: {temperature: {gpu: 40}, memory: {total: 100, used: 7, reserved: 3}, utilization: {gpu: 5}, processes: {compute: [{pid: 3}]}}\ngpus: 2\n").unwrap();
    let nvml = Nvml::builder().lib_path(library.as_os_str()).init().unwrap();
    assert_eq!(nvml.device_count().unwrap(), 2);
    let device = nvml.device_by_index(1).unwrap();
    assert_eq!(device.temperature(TemperatureSensor::Gpu).unwrap(), 40);
    assert_eq!(device.memory_info().unwrap().used, 7);
    assert_eq!(device.utilization_rates().unwrap().gpu, 5);
    assert_eq!(device.running_compute_processes().unwrap().len(), 1);
    println!("{:?} {:?}", device.uuid(), device.pci_info());
    let _ = (OsStr::new(""), PathBuf::new());
}
