//! Disks that are full, fail, or give back something else than was written.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tonic::Code;

use super::names::in_own_mounts;
use super::setup::POINTS_PER_REQUEST;
use super::{Doubles, Fault, Kind, Loss, NONE, Scene, Setup, Skip};
use crate::backend::Behaviour;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "disk-full",
        does: "the disk of the queue is filled by something else, while the backend is unavailable and after",
        // What is set aside ahead would last for the whole fault.
        setup: || Setup { storage: String::from(", segment_size: 128KiB"), ..Setup::stored(Kind::Grpc) },
        prepare: |scene| {
            Box::pin(async move {
                let folder = scene.folder.path().join("disk");
                fs::create_dir(&folder).expect("a temporary folder can be made");
                let script = format!("mount -t tmpfs -o size=64m tmpfs '{}'", folder.display());
                scene.setup.wrapper = in_own_mounts(&script)?;
                scene.setup.storage_folder = Some(folder.join("queue"));
                Ok(())
            })
        },
        inject: |scene| Box::pin(fills(scene)),
        ..NONE
    },
    Fault {
        name: "disk-read-only",
        does: "everything written to the queue's folder fails with EROFS, while the backend is unavailable and after",
        // What is being written when it begins to fail is sent, and its sender told to come later.
        doubles: Doubles::UnderWay,
        setup: || Setup::stored(Kind::Grpc),
        prepare: |scene| Box::pin(async move { prepare_failing(scene) }),
        inject: |scene| Box::pin(fails(scene, "30")),
        ..NONE
    },
    Fault {
        name: "disk-errors",
        does: "everything written to the queue's folder fails with EIO, while the backend is unavailable and after",
        doubles: Doubles::UnderWay,
        setup: || Setup::stored(Kind::Grpc),
        prepare: |scene| Box::pin(async move { prepare_failing(scene) }),
        inject: |scene| Box::pin(fails(scene, "5")),
        ..NONE
    },
    Fault {
        name: "corrupted-segment",
        does: "bytes are flipped in a segment of a stopped collector",
        loss: Loss::Counted(&["unreadable"]),
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                stop_in_outage(scene).await;
                flip(scene)?;
                scene.start().await;
                scene.behave(Behaviour::Accept);
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "torn-tail",
        does: "half a record is behind the last whole one, as after a loss of power",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                stop_in_outage(scene).await;
                tear(scene)?;
                scene.start().await;
                scene.behave(Behaviour::Accept);
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "cut-tail",
        does: "the last record is cut short, although it had been acknowledged",
        loss: Loss::Destroyed,
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                stop_in_outage(scene).await;
                cut(scene)?;
                scene.destroyed = POINTS_PER_REQUEST;
                scene.start().await;
                scene.behave(Behaviour::Accept);
                Ok(())
            })
        },
        ..NONE
    },
];

async fn fills(scene: &mut Scene) -> Result<(), Skip> {
    scene.behave(Behaviour::Refuse(Code::Unavailable));
    scene.last(1.0, 10.0).await;
    let disk = scene.folder.path().join("disk");
    let inside = format!("/proc/{}/root{}/filling", scene.collector().id(), disk.display());
    let mut filling = File::create(&inside).expect("the collector's disk is reached through /proc");
    let piece = vec![b'x'; 64 << 10];
    while filling.write_all(&piece).is_ok() {}
    scene.until("senders that are told to come later", |scene| scene.pushed_back() > 0).await;
    scene.last(2.0, 20.0).await;
    delivers_meanwhile(scene).await;
    scene.expect(scene.log().contains("bytes are free"), "the log does not say how much is free");
    fs::remove_file(&inside).expect("the filling can be removed");
    scene.last(1.0, 5.0).await;
    Ok(())
}

async fn fails(scene: &mut Scene, error: &str) -> Result<(), Skip> {
    scene.behave(Behaviour::Refuse(Code::Unavailable));
    scene.last(1.0, 10.0).await;
    scene.breaks += 1;
    let switch = scene.folder.path().join("switch");
    fs::write(&switch, error).expect("a temporary file can be written");
    scene.last(2.0, 20.0).await;
    delivers_meanwhile(scene).await;
    fs::remove_file(&switch).expect("a temporary file can be removed");
    scene.last(1.0, 5.0).await;
    Ok(())
}

/// What is in the queue has to leave it, although the disk cannot be written.
async fn delivers_meanwhile(scene: &mut Scene) {
    let folder = scene.queue_folder().to_string_lossy().into_owned();
    let log = scene.log();
    let said = log.lines().find(|line| line.contains("cannot be written"));
    scene.expect(
        said.is_some_and(|line| line.contains(&folder)),
        "the log does not say that the folder fails",
    );
    let before = scene.account.distinct();
    scene.behave(Behaviour::Accept);
    scene.until("deliveries while the disk is bad", |scene| scene.account.distinct() > before + 100).await;
}

/// Makes and loads what fails writes while a switch is on.
fn prepare_failing(scene: &mut Scene) -> Result<(), Skip> {
    const SOURCE: &str = include_str!("failing_disk.c");
    let folder = scene.folder.path().to_owned();
    let (source, library) = (folder.join("failing_disk.c"), folder.join("failing_disk.so"));
    fs::write(&source, SOURCE).expect("a temporary file can be written");
    let compiler = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .args(["-ldl"])
        .output();
    match compiler {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => return Err(Skip(format!("no C compiler: {error}"))),
    }
    scene.setup.variables = vec![
        (String::from("LD_PRELOAD"), library.to_string_lossy().into_owned()),
        (String::from("FAILING_FOLDER"), scene.queue_folder().to_string_lossy().into_owned()),
        (String::from("FAILING_SWITCH"), folder.join("switch").to_string_lossy().into_owned()),
    ];
    Ok(())
}

pub(super) async fn stop_in_outage(scene: &mut Scene) {
    scene.behave(Behaviour::Refuse(Code::Unavailable));
    scene.last(2.0, 10.0).await;
    scene.kill().await;
}

/// The segments, the oldest first: the largest files of the folder, by name.
pub(super) fn segments(scene: &Scene) -> Result<Vec<PathBuf>, Skip> {
    let mut found = Vec::new();
    let mut folders = vec![scene.queue_folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| Skip(error.to_string()))?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if data_end(&path) > 4_096 {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Where the zeros begin that the rest of a file consists of.
fn data_end(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// What a record begins with (docs/extensions/file_storage.md).
const RECORD_MARKER: &[u8] = b"\xf1REC";

/// The head of a record is no longer, with a few readers.
const HEAD_MAX: usize = 96;

fn flip(scene: &mut Scene) -> Result<(), Skip> {
    let segment = segments(scene)?.pop().expect("there is a segment with data");
    let mut bytes = fs::read(&segment).expect("a segment can be read");
    let end = data_end(&segment) as usize;
    let mut flips = 0;
    while flips < 3 {
        // Where nothing is delivered yet, but not the last record.
        let place = scene.draw((end - end / 3) as u64..=(end - 2_048) as u64) as usize;
        // In a request: of a record whose head is damaged nobody knows how many points it had.
        if bytes[place - HEAD_MAX..=place + RECORD_MARKER.len()]
            .windows(4)
            .any(|bytes| bytes == RECORD_MARKER)
        {
            continue;
        }
        bytes[place] ^= 0x55;
        flips += 1;
    }
    let mut file = OpenOptions::new().write(true).open(&segment).expect("a segment can be written");
    file.write_all(&bytes).expect("it can be written");
    Ok(())
}

fn tear(scene: &mut Scene) -> Result<(), Skip> {
    let segment = segments(scene)?.pop().expect("there is a segment with data");
    let bytes = fs::read(&segment).expect("a segment can be read");
    let end = data_end(&segment) as usize;
    let length = scene.draw(1..=600) as usize;
    // What looks most like half a record is the end of the last one. A few zeros before it: they may be the last's.
    let piece = [&[0; 16], &bytes[end - length..end]].concat();
    let mut file = OpenOptions::new().write(true).open(&segment).expect("a segment can be written");
    file.seek(SeekFrom::Start(end as u64)).and_then(|_| file.write_all(&piece)).expect("it can be written");
    Ok(())
}

fn cut(scene: &mut Scene) -> Result<(), Skip> {
    let segment = segments(scene)?.pop().expect("there is a segment with data");
    let length = scene.draw(1..=200);
    let file = OpenOptions::new().write(true).open(&segment).expect("a segment can be written");
    file.set_len(data_end(&segment) - length).expect("a file can be cut");
    Ok(())
}
