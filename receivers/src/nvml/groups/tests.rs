//! Machines that a script describes to the fake library, and what is read of their boards.

mod instances;
mod page;
mod traps;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nvml_wrapper::Nvml;
use pipeline::point::{Point, Value};
use pipeline::{AnyValue, Batch, Registry, Resource, Scope, ValueRef};
use tempfile::TempDir;

use super::super::board::{Board, Instance, Machine, Place};
use super::super::owners::{Device, Owners};
use super::*;
use crate::machine::root::Root;
use crate::recorder::Owner;

const TIME: u64 = 1_700_000_000_000_000_000;

/// A machine: a library and its script, and the files of its host.
struct World {
    nvml: Arc<Nvml>,
    /// Goes last: the library writes into it when it is let go of.
    folder: TempDir,
}

/// A board of a machine, and what reads it.
struct Scene {
    board: Board,
    recorder: Recorder,
    groups: Vec<(&'static Group, Selection, Box<dyn Reader>)>,
    owner: Owner,
    time_unix_nano: u64,
}

/// The fake library as cargo has built it.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folders = test.ancestors().skip(1).take(2);
    let mut found = folders.map(|folder| folder.join("libfake_nvml.so")).filter(|path| path.exists());
    found.next().expect("the fake library is built: `cargo build -p inferometer-fake-nvml`")
}

impl World {
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libnvidia-ml.so");
        fs::copy(library(), &path).unwrap();
        fs::write(folder.path().join("libnvidia-ml.yaml"), script).unwrap();
        let nvml = Nvml::builder().lib_path(path.as_os_str()).init().unwrap();
        Self { folder, nvml: Arc::new(nvml) }
    }

    /// Writes a file of the host.
    fn with(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join("host").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// The first board, read by these groups, with the metrics in `on` beside those that are on anyway.
    fn board(&self, groups: &[&str], on: &[&str]) -> Scene {
        self.scene(None, groups, on)
    }

    /// The instance in this place of the first board.
    fn instance(&self, slot: u32, groups: &[&str], on: &[&str]) -> Scene {
        self.scene(Some(slot), groups, on)
    }

    #[expect(unsafe_code, reason = "a board is made of a handle")]
    fn scene(&self, slot: Option<u32>, groups: &[&str], on: &[&str]) -> Scene {
        let whole = self.nvml.device_by_index(0).unwrap();
        let device = slot.map(|slot| whole.mig_device_by_index(slot).unwrap());
        // SAFETY: the library outlives the handles, which the board is made with.
        let (parent, handle) = unsafe { (whole.handle(), device.as_ref().unwrap_or(&whole).handle()) };
        let gpu_instance = slot.map(|slot| slot + 1);
        let instance = gpu_instance.map(|gpu_instance| Instance { parent, gpu_instance });
        let root = Root::new(self.folder.path().join("host").to_str().unwrap());
        let owners = Arc::new(Owners::new(&root, None));
        let uuid = device.as_ref().unwrap_or(&whole).uuid().unwrap();
        let device = Device { uuid, minor_number: Some(0), gpu_instance };
        let place = Place { handle, instance, device };
        let board = Board::new(self.nvml.clone(), place, Machine { root, owners }, Arc::default());
        let registry = Arc::new(Registry::new(10_000));
        let resource = registry.resource(Resource::default());
        let owner = Owner { id: 1, resource, attributes: Arc::default(), start_unix_nano: 0 };
        let known: Vec<_> = GROUPS.iter().map(|group| group.name).collect();
        assert!(groups.iter().all(|name| known.contains(name)), "{groups:?}");
        let groups = GROUPS.iter().filter(|group| groups.contains(&group.name));
        let groups = groups.map(|group| {
            let is_on = group.metrics.iter().map(|metric| metric.is_default || on.contains(&metric.name));
            (group, Selection { definitions: group.metrics, is_on: is_on.collect() }, (group.reader)())
        });
        Scene {
            board,
            recorder: Recorder::new(registry, Scope::default(), owner.clone()),
            groups: groups.collect(),
            owner,
            time_unix_nano: TIME,
        }
    }

    /// What the machine is from now on.
    fn change(&self, script: &str) {
        let path = self.folder.path().join("libnvidia-ml.yaml");
        write_anew(&path, script);
    }
}

/// Replaces a file at once, so that nobody reads half of it.
fn write_anew(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(&next, path).unwrap();
}

impl Scene {
    fn read(&mut self) -> Batch {
        self.time_unix_nano += 1_000_000_000;
        self.recorder.begin(self.time_unix_nano);
        fetch(&mut self.board, self.groups.iter().map(|(group, selection, _)| (*group, selection)));
        for (_, selection, reader) in &mut self.groups {
            self.recorder.turn_to(selection, &self.owner);
            reader.read(&mut self.board, &mut self.recorder);
        }
        self.recorder.finish()
    }

    fn lines(&mut self) -> Vec<String> {
        self.read().iter().map(line).collect()
    }
}

fn line(point: &Point) -> String {
    let pair = |(key, value): (&str, ValueRef<'_>)| match value.to_owned() {
        AnyValue::String(text) => format!(" {key}={text}"),
        AnyValue::Int(number) => format!(" {key}={number}"),
        other => format!(" {key}={other:?}"),
    };
    let attributes: String = point.series.attributes().iter().map(pair).collect();
    let value = match &point.value {
        Value::Int(number) => number.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::Empty => "STALE".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{}{attributes} {value}", point.series.metric().name)
}

/// The first board of a machine, read once.
#[track_caller]
fn check(script: &str, groups: &[&str], on: &[&str], expected: &[&str]) {
    let world = World::new(script);
    assert_eq!(world.board(groups, on).lines(), expected);
}
