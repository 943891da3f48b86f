//! Whether the kernel has put a board to sleep: reading it would wake it.

use super::life::short_bus_id;
use crate::machine::root::Root;

/// Whether the board at this place is suspended, as the kernel says.
pub(super) fn is_suspended(root: &Root, bus_id: &str) -> bool {
    if bus_id.is_empty() {
        return false;
    }
    let function = bus_id.rsplit_once('.').map_or("0", |(_, function)| function);
    let place = format!("{}.{function}", short_bus_id(bus_id));
    let status = root.read_optional(&format!("sys/bus/pci/devices/{place}/power/runtime_status"));
    status.is_some_and(|status| status.trim() == "suspended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("sys/bus/pci/devices/0000:1b:00.0/power");
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("runtime_status"), status).unwrap();
        let root = Root::new(folder.path().to_str().unwrap());
        assert_eq!(is_suspended(&root, "00000000:1B:00.0"), expected);
        assert!(!is_suspended(&root, "00000000:1C:00.0"));
        assert!(!is_suspended(&root, ""));
    }

    #[test]
    fn only_what_the_kernel_calls_suspended_sleeps() {
        check("suspended\n", true);
        check("active\n", false);
        check("suspending\n", false);
        check("unsupported\n", false);
    }
}
