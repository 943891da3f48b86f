//! A queue that another version of the collector has written.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::{segments, stop_in_outage};
use super::{Fault, Kind, NONE, Scene, Setup, Skip};
use crate::backend::Behaviour;

pub(super) const FAULTS: &[Fault] = &[Fault {
    name: "newer-version",
    does: "a start on a queue in the format of a newer version, which is refused; and on the queue as it was",
    setup: || Setup::stored(Kind::Grpc),
    inject: |scene| Box::pin(meets_newer(scene)),
    ..NONE
}];

/// What every file begins with (docs/extensions/file_storage.md): magic, version, and a checksum of both.
const VERSION_AT: usize = 8;
const CHECKSUM_AT: usize = 12;

async fn meets_newer(scene: &mut Scene) -> Result<(), Skip> {
    stop_in_outage(scene).await;
    let segment = segments(scene)?.pop().expect("there is a segment with data");
    let version = change_version(&segment, |version| version + 1);
    let before = contents(scene)?;
    let mut refused = scene.spawn();
    let status = refused.wait().await;
    scene.expect(status.code() == Some(1), &format!("a newer version's queue: ended with {status}"));
    let (log, file) = (refused.log(), segment.file_name().expect("a segment has a name").to_string_lossy());
    let says = log.contains("newer version") && log.contains(&*file);
    scene.expect(says, &format!("it does not say why: {}", log.lines().last().unwrap_or_default()));
    scene.expect(contents(scene)? == before, "a queue of a newer version was changed");
    change_version(&segment, |_| version);
    scene.start().await;
    scene.behave(Behaviour::Accept);
    Ok(())
}

/// Says another version at the head of a file, as whoever wrote that version would; gives what it said.
fn change_version(path: &Path, change: impl Fn(u32) -> u32) -> u32 {
    let mut bytes = fs::read(path).expect("a segment can be read");
    let head = &mut bytes[..CHECKSUM_AT + 4];
    let (mut version, mut checksum) = ([0; 4], flate2::Crc::new());
    version.copy_from_slice(&head[VERSION_AT..CHECKSUM_AT]);
    let version = u32::from_le_bytes(version);
    head[VERSION_AT..CHECKSUM_AT].copy_from_slice(&change(version).to_le_bytes());
    checksum.update(&head[..CHECKSUM_AT]);
    head[CHECKSUM_AT..].copy_from_slice(&checksum.sum().to_le_bytes());
    fs::write(path, bytes).expect("a segment can be written");
    version
}

/// All segments, and what is in them.
fn contents(scene: &Scene) -> Result<Vec<(PathBuf, Vec<u8>)>, Skip> {
    let read = |path: PathBuf| fs::read(&path).map(|bytes| (path, bytes)).ok();
    Ok(segments(scene)?.into_iter().filter_map(read).collect())
}
