//! What can be written of a GPU. What is not written is not supported.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{
    Bar1, C2c, Clocks, Ecc, Fabric, Fan, Memory, Modes, NvLink, Pcie, Power, Reading, Retired, Rows,
    Temperature, Throttle, Utilization,
};

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gpu {
    pub(crate) name: Option<String>,
    /// Made of the GPU's number without it, as the serial number, the place on PCI and the minor number are.
    pub(crate) uuid: Option<String>,
    /// `none` is a board that has none.
    pub(crate) serial: Option<String>,
    pub(crate) pci: Option<String>,
    pub(crate) pci_device: u32,
    pub(crate) pci_subsystem: u32,
    pub(crate) minor: Option<u32>,
    pub(crate) brand: Reading,
    pub(crate) board_id: Reading,
    pub(crate) module_id: Reading,
    pub(crate) part_number: Option<String>,
    /// As NVML counts them: 9 is Hopper.
    pub(crate) architecture: Reading,
    pub(crate) compute_capability: Option<[i32; 2]>,
    pub(crate) vbios: Option<String>,
    pub(crate) inforom: Option<String>,
    pub(crate) gsp_firmware: Option<String>,
    pub(crate) cores: Reading,
    pub(crate) numa_node: Reading,
    pub(crate) memory_bus_width: Reading,
    pub(crate) irq: Reading,

    /// Fallen off the bus: each call says so.
    pub(crate) lost: bool,
    pub(crate) unsupported: Vec<String>,

    pub(crate) utilization: Utilization,
    pub(crate) memory: Memory,
    pub(crate) bar1: Bar1,
    pub(crate) temperature: Temperature,
    pub(crate) power: Power,
    pub(crate) fans: Vec<Fan>,
    pub(crate) clocks: Clocks,
    pub(crate) throttle: Throttle,
    pub(crate) performance_state: Reading,
    pub(crate) pcie: Pcie,
    pub(crate) nvlink: Option<NvLink>,
    pub(crate) c2c: C2c,
    pub(crate) fabric: Option<Fabric>,
    pub(crate) ecc: Ecc,
    pub(crate) retired: Option<Retired>,
    pub(crate) rows: Rows,
    pub(crate) modes: Modes,
    pub(crate) recovery_action: Reading,
    pub(crate) processes: Option<Processes>,
    pub(crate) mig: Option<Mig>,
    /// By the number of the metric, each 0 to 100 or what its unit is; without it a board has no GPM.
    pub(crate) gpm: Option<BTreeMap<u32, Reading>>,
    /// The bits of the events it reports.
    pub(crate) events: Reading,
    /// What fields say that the values above do not, or not so.
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Processes {
    pub(crate) compute: Vec<Process>,
    pub(crate) graphics: Vec<Process>,
    pub(crate) mps: Vec<Process>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    /// In bytes; not known without it.
    pub(crate) memory: Reading,
    pub(crate) gpu_instance: Option<u32>,
    pub(crate) compute_instance: Option<u32>,
    /// In percent of the time; a process without `sm` has no samples.
    pub(crate) sm: Reading,
    pub(crate) memory_io: Reading,
    pub(crate) encoder: Reading,
    pub(crate) decoder: Reading,
    pub(crate) jpeg: Reading,
    pub(crate) ofa: Reading,
    /// The most memory it had, in bytes, where accounting is on.
    pub(crate) memory_peak: Reading,
}

/// A process: a number, or `self`, the one that has loaded the library.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pid(pub(crate) u32);

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mig {
    pub(crate) mode: u32,
    pub(crate) pending: u32,
    pub(crate) max: u32,
    pub(crate) instances: Vec<Instance>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "NVML calls them so")]
pub(crate) struct Instance {
    /// Its index; its place in the list without it.
    pub(crate) slot: Option<u32>,
    pub(crate) name: Option<String>,
    /// Made of the GPU's number and the slot without it.
    pub(crate) uuid: Option<String>,
    pub(crate) gpu_instance: u32,
    pub(crate) compute_instance: u32,
    pub(crate) memory: Memory,
    pub(crate) multiprocessors: u32,
    pub(crate) copy_engines: u32,
    pub(crate) decoders: u32,
    pub(crate) encoders: u32,
    pub(crate) jpegs: u32,
    pub(crate) ofas: u32,
    pub(crate) gpu_slices: u32,
    pub(crate) compute_slices: u32,
    pub(crate) memory_mib: u64,
    pub(crate) gpm: Option<BTreeMap<u32, Reading>>,
}

/// A field as the script gives it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Field {
    pub(crate) id: u32,
    #[serde(default)]
    pub(crate) scope: u32,
    #[serde(default)]
    pub(crate) value: Reading,
    /// What the value says it is; what this field is by itself without it.
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<FieldKind>,
    #[serde(default)]
    pub(crate) code: u32,
    /// In microseconds.
    #[serde(default)]
    pub(crate) latency: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FieldKind {
    Double,
    UnsignedInt,
    UnsignedLong,
    UnsignedLongLong,
    SignedLongLong,
    SignedInt,
    UnsignedShort,
}

impl Gpu {
    /// Fills in what tells it from the others.
    pub(super) fn numbered(mut self, index: u32) -> Self {
        let name = self.name.get_or_insert_with(|| "NVIDIA H100 80GB HBM3".to_owned()).clone();
        self.uuid.get_or_insert_with(|| format!("GPU-{index:08x}-0000-4000-8000-000000000000"));
        self.serial.get_or_insert_with(|| format!("165{index:010}"));
        self.pci.get_or_insert_with(|| format!("00000000:{:02X}:00.0", 0x0a + index));
        self.minor.get_or_insert(index);
        for (place, instance) in self.mig.iter_mut().flat_map(|mig| mig.instances.iter_mut().enumerate()) {
            let slot = *instance.slot.get_or_insert(place as u32);
            instance.uuid.get_or_insert_with(|| format!("MIG-{index:08x}-0000-4000-8000-{slot:012x}"));
            instance.name.get_or_insert_with(|| format!("{name} MIG"));
        }
        self
    }
}

impl<'de> Deserialize<'de> for Pid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if text == "self" => Ok(Self(std::process::id())),
            value => value.as_u64().and_then(|pid| u32::try_from(pid).ok()).map(Self).ok_or_else(|| {
                D::Error::custom(format!("expected the number of a process or `self`, got `{value}`"))
            }),
        }
    }
}
