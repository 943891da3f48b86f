//! The kernel's own tables, whole and with its own keys; many series, so only read where they are asked for.

mod devices;
mod memory;
mod network;
mod processors;

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Recorder};

const MEMINFO: usize = 0;
const NUMA_MEMINFO: usize = 1;
const NUMA_STAT: usize = 2;
const VMSTAT: usize = 3;
const STAT: usize = 4;
const NETSTAT: usize = 5;
const SOCKSTAT: usize = 6;
const SOFTNET: usize = 7;
const SCHEDSTAT: usize = 8;
const CONNTRACK: usize = 9;
const HWMON: usize = 10;
const CHIP_INFO: usize = 11;
const SENSOR_INFO: usize = 12;
const THERMAL_ZONE: usize = 13;
const COOLING_DEVICE: usize = 14;
const POWER_SUPPLY: usize = 15;
const EDAC: usize = 16;
const RAPL: usize = 17;
const BONDING: usize = 18;
const INTERRUPTS: usize = 19;
const SOFTIRQS: usize = 20;
const MD: usize = 21;
const NVME: usize = 22;
pub(super) const SCRAPER_DURATION: usize = 23;
pub(super) const SCRAPER_SUCCESS: usize = 24;

pub(super) static METRICS: &[Definition] = &[
    Definition::gauge("linux.meminfo", "By", "A line of /proc/meminfo."),
    Definition::gauge("linux.numa.meminfo", "By", "A line of the memory of a NUMA node."),
    Definition::counter("linux.numa.stat", "{page}", "A line of the allocations of a NUMA node."),
    Definition::counter("linux.vmstat", "1", "A line of /proc/vmstat."),
    Definition::counter("linux.stat", "1", "A line of /proc/stat."),
    Definition::counter("linux.netstat", "1", "A number of the network's protocols."),
    Definition::gauge("linux.sockstat", "1", "A number of the sockets in use."),
    Definition::counter("linux.softnet", "1", "What a processor did with packets received."),
    Definition::counter("linux.schedstat", "1", "How tasks ran and waited on a processor."),
    Definition::counter("linux.conntrack", "1", "What became of connections in the packet filter."),
    Definition::gauge("linux.hwmon", "1", "A file of a sensor."),
    Definition::gauge("linux.hwmon.chip.info", "{info}", "1, with the name of a chip."),
    Definition::gauge("linux.hwmon.sensor.info", "{info}", "1, with the label of a sensor."),
    Definition::gauge("linux.thermal_zone", "Cel", "The temperature of a zone."),
    Definition::gauge("linux.cooling_device", "1", "How much a device that cools does."),
    Definition::gauge("linux.power_supply", "1", "Whether a power supply delivers."),
    Definition::counter("linux.edac", "{error}", "Errors of memory, by controller and row."),
    Definition::counter("linux.rapl", "J", "Energy of a zone, as the kernel counts it."),
    Definition::gauge("linux.bonding", "1", "Interfaces of a bond, and those that are up."),
    Definition::counter("linux.interrupts", "{interrupt}", "Interrupts by processor and line.").off(),
    Definition::counter("linux.softirqs", "{interrupt}", "Soft interrupts by processor and kind.").off(),
    Definition::gauge("linux.md", "1", "State and disks of a software RAID."),
    Definition::gauge("linux.nvme.info", "{info}", "1, with what an NVMe disk is."),
    Definition::gauge("linux.scraper.duration", "s", "Seconds a scraper of this receiver took."),
    Definition::gauge("linux.scraper.success", "1", "Whether a scraper could read all it should."),
];

struct Linux;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| Linux)
}

impl Part for Linux {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        // Every table is one that some kernels do not have.
        memory::read(root, recorder);
        processors::read(root, recorder);
        network::read(root, recorder);
        devices::read(root, recorder);
        Ok(())
    }
}

/// Reads any text as each of the tables, for the fuzz target.
pub(super) fn fuzz(text: &str, recorder: &mut Recorder) {
    memory::fuzz(text, recorder);
    processors::fuzz(text, recorder);
    network::fuzz(text, recorder);
    devices::fuzz(text, recorder);
}
