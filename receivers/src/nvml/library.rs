//! Finds the driver's library, loads it and initializes it.

use std::mem;
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::nvml_sym;

use super::fault::Fault;
use crate::machine::root::Root;

/// What the library is called wherever it is installed.
const NAME: &str = "libnvidia-ml.so.1";

/// Where drivers, container runtimes and distributions put it.
const FOLDERS: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/nvidia/lib64",
    "/usr/lib/wsl/lib",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/run/opengl-driver/lib",
    "/opt/nvidia/lib64",
];

/// Loads and initializes it.
///
/// A file is opened by its real path: the loader takes a name that it has loaded before for the same library, so
/// that after an upgrade the new one would not be found while a thread that hangs keeps the old one.
pub(super) fn open(library_path: &str) -> Result<Nvml, Fault> {
    let files = if library_path.is_empty() { files() } else { vec![PathBuf::from(library_path)] };
    let mut fault = Fault::LibraryMissing;
    for file in files {
        let Ok(real) = file.canonicalize() else { continue };
        match load(&real) {
            Err(broken @ Fault::LibraryBroken(_)) => fault = broken,
            answer => return answer,
        }
    }
    if library_path.is_empty() {
        // The loader has a list of its own, of which we know nothing.
        return match load(Path::new(NAME)) {
            Err(Fault::LibraryBroken(_)) => Err(fault),
            answer => answer,
        };
    }
    Err(fault)
}

fn files() -> Vec<PathBuf> {
    let searched = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let searched = std::env::split_paths(&searched).filter(|folder| folder.is_absolute());
    searched.chain(FOLDERS.iter().map(PathBuf::from)).map(|folder| folder.join(NAME)).collect()
}

fn load(path: &Path) -> Result<Nvml, Fault> {
    let nvml = Nvml::builder().lib_path(path.as_os_str()).init().map_err(Fault::of_start)?;
    if let Err(error) = nvml_sym(nvml.lib().nvmlShutdown.as_ref()) {
        // The wrapper calls it when it is dropped, and panics where it is not there.
        mem::forget(nvml);
        return Err(Fault::LibraryBroken(error.to_string()));
    }
    Ok(nvml)
}

/// Whether the machine has a GPU of NVIDIA's, as the kernel lists it; none where it cannot tell.
pub(super) fn has_hardware(root: &Root) -> bool {
    let Ok(devices) = root.path("sys/bus/pci/devices").read_dir() else { return false };
    devices.filter_map(Result::ok).any(|device| {
        let word = |file: &str| std::fs::read_to_string(device.path().join(file)).unwrap_or_default();
        // Display controllers (VGA, 3D) are of class 3; audio of the same vendor is not.
        word("vendor").trim() == "0x10de" && word("class").starts_with("0x03")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vendor: &str, class: &str, expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("sys/bus/pci/devices/0000:01:00.0");
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("vendor"), vendor).unwrap();
        std::fs::write(device.join("class"), class).unwrap();
        assert_eq!(has_hardware(&Root::new(folder.path().to_str().unwrap())), expected);
    }

    #[test]
    fn only_a_display_controller_of_nvidias_is_hardware() {
        check("0x10de\n", "0x030200\n", true);
        check("0x10de\n", "0x030000\n", true);
        check("0x10de\n", "0x040300\n", false);
        check("0x1002\n", "0x030000\n", false);
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_hardware(&Root::new(folder.path().to_str().unwrap())));
    }

    #[test]
    fn a_file_that_is_no_library_is_broken_and_one_that_is_not_there_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(open(path.to_str().unwrap()).err(), Some(Fault::LibraryMissing));
        std::fs::write(&path, "not a library").unwrap();
        let fault = open(path.to_str().unwrap()).err().unwrap();
        assert_eq!(fault.word(), "library_broken");
    }
}
