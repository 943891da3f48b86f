//! How full file systems are.

use std::sync::Arc;

use pipeline::Kind;

use super::config::{Devices, FilesystemConfig, FsTypes, MountPoints};
use super::host::Part;
use super::lookup::{Choice, List, Message};
use super::mounts::{self, Mount};
use super::probe::{self, PATIENCE, Probe, Space};
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const USAGE: usize = 0;
const LIMIT: usize = 1;
const UTILIZATION: usize = 2;
const INODES: usize = 3;
const READ_ONLY: usize = 4;
const DEVICE_ERROR: usize = 5;
const MOUNT_INFO: usize = 6;

/// What a file system is asked for.
const ASKED: [usize; 5] = [USAGE, LIMIT, UTILIZATION, INODES, DEVICE_ERROR];

pub(super) static METRICS: &[Definition] = &[
    Definition {
        name: "system.filesystem.usage",
        alias: "",
        unit: "By",
        kind: UP_DOWN,
        is_default: true,
        description: "Bytes of the file system by state; reserved is free for the superuser only.",
    },
    Definition {
        name: "system.filesystem.limit",
        alias: "",
        unit: "By",
        kind: UP_DOWN,
        is_default: true,
        description: "Bytes the file system holds.",
    },
    Definition {
        name: "system.filesystem.utilization",
        alias: "",
        unit: "1",
        kind: Kind::Gauge,
        is_default: false,
        description: "Share of the file system by state.",
    },
    Definition {
        name: "system.filesystem.inodes.usage",
        alias: "",
        unit: "{inode}",
        kind: UP_DOWN,
        is_default: true,
        description: "Inodes by state.",
    },
    Definition::gauge("system.filesystem.read_only", "1", "Whether nothing can be written.").off(),
    Definition::gauge("system.filesystem.device_error", "1", "Whether the file system did not answer."),
    Definition::gauge("system.filesystem.mount.info", "{info}", "1, with the device a mount is of.").off(),
];

/// Which file systems are read.
#[derive(Debug, Clone)]
struct Choices {
    devices: Choice,
    fs_types: Choice,
    mount_points: Choice,
    is_virtual_read: bool,
}

struct Filesystem {
    choices: Choices,
    probe: Probe,
}

impl Choices {
    fn of(config: &FilesystemConfig, problems: &mut Vec<Message>) -> Self {
        let mut devices = |block: Option<&Devices>, key: &str| {
            let Devices { devices, match_type } = block?;
            List::compile((&format!("scrapers.filesystem.{key}"), "devices"), devices, *match_type, problems)
        };
        let devices = Choice {
            include: devices(config.include_devices.as_ref(), "include_devices"),
            exclude: devices(config.exclude_devices.as_ref(), "exclude_devices"),
        };
        let mut fs_types = |block: Option<&FsTypes>, key: &str| {
            let FsTypes { fs_types, match_type } = block?;
            List::compile(
                (&format!("scrapers.filesystem.{key}"), "fs_types"),
                fs_types,
                *match_type,
                problems,
            )
        };
        let fs_types = Choice {
            include: fs_types(config.include_fs_types.as_ref(), "include_fs_types"),
            exclude: fs_types(config.exclude_fs_types.as_ref(), "exclude_fs_types"),
        };
        let mut mount_points = |block: Option<&MountPoints>, key: &str| {
            let MountPoints { mount_points, match_type } = block?;
            let place = format!("scrapers.filesystem.{key}");
            List::compile((&place, "mount_points"), mount_points, *match_type, problems)
        };
        let mount_points = Choice {
            include: mount_points(config.include_mount_points.as_ref(), "include_mount_points"),
            exclude: mount_points(config.exclude_mount_points.as_ref(), "exclude_mount_points"),
        };
        Self { devices, fs_types, mount_points, is_virtual_read: config.include_virtual_filesystems }
    }

    fn allow(&self, mount: &Mount) -> bool {
        // Somebody who names a type means it.
        let is_named = self.fs_types.include.as_ref().is_some_and(|list| list.contains(&mount.fs_type));
        (self.is_virtual_read || is_named || !mount.is_virtual())
            && !mount.is_automatic()
            && self.devices.allows(&mount.device)
            && self.fs_types.allows(&mount.fs_type)
            && self.mount_points.allows(&mount.point)
    }
}

pub(super) fn plan(config: &FilesystemConfig, problems: &mut Vec<Message>) -> Make {
    let choices = Choices::of(config, problems);
    make(move || Filesystem {
        choices: choices.clone(),
        probe: Probe::new(Arc::new(probe::statvfs), PATIENCE),
    })
}

impl Part for Filesystem {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        let is_asked = recorder.is_any_on(&ASKED);
        if !is_asked && !recorder.is_any_on(&[READ_ONLY, MOUNT_INFO]) {
            return Ok(());
        }
        let text = root.read_of_namespace("mountinfo")?;
        for mount in mounts::parse(&text).iter().filter(|mount| self.choices.allow(mount)) {
            describe(mount, recorder);
            if !is_asked {
                continue;
            }
            let answer = self.probe.ask(&mount.device, &root.path(&mount.point));
            recorder.int(DEVICE_ERROR, &identity(mount), u64::from(answer.is_err()));
            match answer {
                Ok(space) => record(mount, space, recorder),
                Err(error) => {
                    let message = format!("cannot ask the mount `{}`: {error}", mount.point);
                    recorder.error(ASKED.len() as u64 - 1, message);
                }
            }
        }
        Ok(())
    }
}

fn identity(mount: &Mount) -> [(&'static str, Label<'_>); 3] {
    [
        ("system.device", Label::Text(&mount.device)),
        ("system.filesystem.type", Label::Text(&mount.fs_type)),
        ("system.filesystem.mountpoint", Label::Text(&mount.point)),
    ]
}

/// What the list of mounts says, also of a file system that does not answer.
fn describe(mount: &Mount, recorder: &mut Recorder) {
    recorder.int(READ_ONLY, &identity(mount), u64::from(mount.is_read_only));
    let [device, _, point] = identity(mount);
    let numbers =
        [("system.disk.major", Label::Text(&mount.major)), ("system.disk.minor", Label::Text(&mount.minor))];
    recorder.int(MOUNT_INFO, &[device, point, numbers[0], numbers[1]], 1);
}

fn record(mount: &Mount, space: Space, recorder: &mut Recorder) {
    let [device, fs_type, mode, mount_point] = [
        ("system.device", Label::Text(&mount.device)),
        ("system.filesystem.type", Label::Text(&mount.fs_type)),
        ("system.filesystem.mode", Label::Text(if mount.is_read_only { "ro" } else { "rw" })),
        ("system.filesystem.mountpoint", Label::Text(&mount.point)),
    ];
    let state = |name| [device, fs_type, mode, mount_point, ("system.filesystem.state", Label::Text(name))];
    let bytes = |blocks: Option<u64>| blocks?.checked_mul(space.block_bytes);
    let limit = bytes(Some(space.blocks));
    let states = [
        ("used", bytes(space.blocks.checked_sub(space.blocks_free))),
        ("free", bytes(Some(space.blocks_available))),
        ("reserved", bytes(space.blocks_free.checked_sub(space.blocks_available))),
    ];
    // A file system without blocks has no size: an interface of the kernel.
    for (name, value) in states.into_iter().filter(|_| space.blocks > 0) {
        let (Some(value), Some(limit)) = (value, limit) else { continue };
        recorder.int(USAGE, &state(name), value);
        recorder.double(UTILIZATION, &state(name), value as f64 / limit as f64);
    }
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        recorder.int(LIMIT, &[device, fs_type, mode, mount_point], limit);
    }
    let inodes = [("used", space.inodes.checked_sub(space.inodes_free)), ("free", Some(space.inodes_free))];
    for (name, value) in inodes.into_iter().filter(|_| space.inodes > 0) {
        if let Some(value) = value {
            recorder.int(INODES, &state(name), value);
        }
    }
}
