//! The section of the file.

use ::config::Duration;
use serde::{Deserialize, Serialize};

use super::lookup::MatchType;
use super::scrapers::Scrapers;
use crate::recorder::Switches;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    pub(super) collection_interval: Duration,
    pub(super) initial_delay: Duration,
    /// How long a scrape may take before its points are left for the next one; zero is the interval.
    pub(super) timeout: Duration,
    /// Taken for compatibility: nothing here is sent beside the metrics.
    metadata_collection_interval: Duration,
    /// Where the host's file system is mounted; empty where it is ours.
    pub(super) root_path: String,
    /// What is read; where none is listed, everything that is cheap.
    pub(super) scrapers: Scrapers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collection_interval: Duration::from_secs(60),
            initial_delay: Duration::from_secs(1),
            timeout: Duration::default(),
            metadata_collection_interval: Duration::from_secs(300),
            root_path: String::new(),
            scrapers: Scrapers::default(),
        }
    }
}

/// A scraper with nothing to set but its metrics.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Plain {
    pub(super) metrics: Switches,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LoadConfig {
    /// Divides the load by the number of logical processors.
    pub(super) cpu_average: bool,
    pub(super) metrics: Switches,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DiskConfig {
    pub(super) include: Option<Devices>,
    pub(super) exclude: Option<Devices>,
    pub(super) metrics: Switches,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FilesystemConfig {
    pub(super) include_devices: Option<Devices>,
    pub(super) exclude_devices: Option<Devices>,
    pub(super) include_fs_types: Option<FsTypes>,
    pub(super) exclude_fs_types: Option<FsTypes>,
    pub(super) include_mount_points: Option<MountPoints>,
    pub(super) exclude_mount_points: Option<MountPoints>,
    /// Reads file systems too that only exist in memory.
    pub(super) include_virtual_filesystems: bool,
    pub(super) metrics: Switches,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NetworkConfig {
    pub(super) include: Option<Interfaces>,
    pub(super) exclude: Option<Interfaces>,
    pub(super) metrics: Switches,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProcessConfig {
    /// Which processes; only the collector itself where it is missing.
    pub(super) include: Option<Names>,
    pub(super) exclude: Option<Names>,
    /// How old a process must be.
    pub(super) scrape_process_delay: Duration,
    // Taken for compatibility: what one process refuses to tell is left out, and is no error.
    mute_process_all_errors: bool,
    mute_process_name_error: bool,
    mute_process_exe_error: bool,
    mute_process_io_error: bool,
    mute_process_user_error: bool,
    mute_process_cgroup_error: bool,
    pub(super) metrics: Switches,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CgroupConfig {
    /// Which groups beside the collector's own, by their path under `/sys/fs/cgroup`.
    pub(super) include: Option<Paths>,
    pub(super) metrics: Switches,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Paths {
    pub(super) paths: Vec<String>,
    pub(super) match_type: Option<MatchType>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Devices {
    pub(super) devices: Vec<String>,
    pub(super) match_type: Option<MatchType>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Interfaces {
    pub(super) interfaces: Vec<String>,
    pub(super) match_type: Option<MatchType>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FsTypes {
    pub(super) fs_types: Vec<String>,
    pub(super) match_type: Option<MatchType>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct MountPoints {
    pub(super) mount_points: Vec<String>,
    pub(super) match_type: Option<MatchType>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Names {
    pub(super) names: Vec<String>,
    pub(super) match_type: Option<MatchType>,
}
