//! What can be written of what a GPU measures and counts.

use serde::Deserialize;

use super::Reading;

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Utilization {
    pub(crate) gpu: Reading,
    pub(crate) memory: Reading,
    pub(crate) encoder: Reading,
    pub(crate) decoder: Reading,
    pub(crate) jpeg: Reading,
    pub(crate) ofa: Reading,
}

/// In bytes; free is what the others leave.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    pub(crate) total: Reading,
    pub(crate) used: Reading,
    pub(crate) reserved: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bar1 {
    pub(crate) total: Reading,
    pub(crate) used: Reading,
}

/// In degrees.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Temperature {
    pub(crate) gpu: Reading,
    pub(crate) memory: Reading,
    /// Until it slows down.
    pub(crate) margin: Reading,
    pub(crate) thresholds: Thresholds,
    /// The same as margins, by fields 193 to 196: of newer boards, and may be negative.
    pub(crate) margins: Margins,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Thresholds {
    pub(crate) shutdown: Reading,
    pub(crate) slowdown: Reading,
    pub(crate) memory_max: Reading,
    pub(crate) gpu_max: Reading,
    pub(crate) acoustic_min: Reading,
    pub(crate) acoustic_current: Reading,
    pub(crate) acoustic_max: Reading,
    pub(crate) gps_current: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Margins {
    pub(crate) shutdown: Reading,
    pub(crate) slowdown: Reading,
    pub(crate) memory_max: Reading,
    pub(crate) gpu_max: Reading,
}

/// In milliwatts and millijoules.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Power {
    pub(crate) usage: Reading,
    pub(crate) average: Reading,
    pub(crate) instant: Reading,
    /// Of the module with the processor, by scope 1.
    pub(crate) module: Reading,
    pub(crate) energy: Reading,
    pub(crate) limit: PowerLimit,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PowerLimit {
    pub(crate) requested: Reading,
    pub(crate) enforced: Reading,
    pub(crate) default: Reading,
    pub(crate) min: Reading,
    pub(crate) max: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fan {
    /// In percent of the fastest.
    pub(crate) speed: Reading,
    pub(crate) target: Reading,
    pub(crate) rpm: Reading,
}

/// In MHz.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Clocks {
    pub(crate) graphics: Reading,
    pub(crate) sm: Reading,
    pub(crate) memory: Reading,
    pub(crate) video: Reading,
    pub(crate) max: MaxClocks,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MaxClocks {
    pub(crate) graphics: Reading,
    pub(crate) sm: Reading,
    pub(crate) memory: Reading,
    pub(crate) video: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Throttle {
    /// Bits.
    pub(crate) reasons: Reading,
    pub(crate) supported: Reading,
    /// In nanoseconds.
    pub(crate) time: ThrottleTime,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ThrottleTime {
    pub(crate) power: Reading,
    pub(crate) thermal: Reading,
    pub(crate) sync_boost: Reading,
    pub(crate) board_limit: Reading,
    pub(crate) low_utilization: Reading,
    pub(crate) reliability: Reading,
    pub(crate) app_clocks: Reading,
    pub(crate) base_clocks: Reading,
    pub(crate) sw_thermal: Reading,
    pub(crate) hw_thermal: Reading,
    pub(crate) hw_power_brake: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pcie {
    pub(crate) generation: Reading,
    pub(crate) width: Reading,
    pub(crate) max_generation: Reading,
    /// What the board alone could.
    pub(crate) gpu_max_generation: Reading,
    pub(crate) max_width: Reading,
    /// In MB/s a lane.
    pub(crate) speed: Reading,
    pub(crate) replays: Reading,
    pub(crate) replay_rollovers: Reading,
    /// In KB/s.
    pub(crate) tx_throughput: Reading,
    pub(crate) rx_throughput: Reading,
    /// In bytes.
    pub(crate) tx: Reading,
    pub(crate) rx: Reading,
    pub(crate) correctable_errors: Reading,
    pub(crate) non_fatal_errors: Reading,
    pub(crate) fatal_errors: Reading,
}

/// All links are alike.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NvLink {
    pub(crate) links: u32,
    /// The links that are down.
    pub(crate) down: Vec<u32>,
    /// As NVML counts them: 6 is 4.0.
    pub(crate) version: Reading,
    /// In MB/s.
    pub(crate) speed: Reading,
    /// In KiB a link: data, and with what the protocol adds.
    pub(crate) tx: Reading,
    pub(crate) rx: Reading,
    pub(crate) raw_tx: Reading,
    pub(crate) raw_rx: Reading,
    /// A link.
    pub(crate) errors: NvLinkErrors,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NvLinkErrors {
    pub(crate) replay: Reading,
    pub(crate) recovery: Reading,
    pub(crate) crc_flit: Reading,
    pub(crate) crc_data: Reading,
    pub(crate) ecc_data: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct C2c {
    pub(crate) links: Reading,
    pub(crate) status: Reading,
    /// In MB/s.
    pub(crate) bandwidth: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fabric {
    pub(crate) state: u8,
    pub(crate) status: u32,
    pub(crate) clique: u32,
    pub(crate) cluster: [u8; 16],
    pub(crate) health_mask: u32,
    pub(crate) health_summary: u8,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ecc {
    pub(crate) mode: Reading,
    pub(crate) pending: Reading,
    /// Since the driver was loaded.
    pub(crate) volatile: EccErrors,
    /// In the life of the board.
    pub(crate) aggregate: EccErrors,
    /// Whether there were more errors in SRAM than there may be.
    pub(crate) sram_threshold_exceeded: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EccErrors {
    pub(crate) corrected: EccPlaces,
    pub(crate) uncorrected: EccPlaces,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EccPlaces {
    pub(crate) total: Reading,
    pub(crate) l1_cache: Reading,
    pub(crate) l2_cache: Reading,
    pub(crate) dram: Reading,
    pub(crate) register_file: Reading,
    pub(crate) texture: Reading,
    pub(crate) shared: Reading,
    pub(crate) cbu: Reading,
    pub(crate) sram: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retired {
    /// The addresses of the pages.
    pub(crate) single_bit: Vec<u64>,
    pub(crate) double_bit: Vec<u64>,
    pub(crate) pending: Reading,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rows {
    pub(crate) corrected: Reading,
    pub(crate) uncorrected: Reading,
    pub(crate) pending: Reading,
    pub(crate) failed: Reading,
    /// Banks with spare rows: max, high, partial, low, none.
    pub(crate) histogram: Option<[u32; 5]>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Modes {
    pub(crate) persistence: Reading,
    pub(crate) compute: Reading,
    pub(crate) accounting: Reading,
    pub(crate) display: Reading,
    pub(crate) display_active: Reading,
    pub(crate) virtualization: Reading,
    /// Of the driver on Windows; elsewhere none.
    pub(crate) driver_model: Reading,
    pub(crate) addressing: Reading,
}
