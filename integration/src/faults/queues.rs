//! Queues that are not large enough for an outage.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::setup::POINTS_PER_REQUEST;
use super::{Fault, Kind, Loss, NONE, Scene, Setup, Skip};
use crate::backend::Behaviour;
use crate::load::Load;

/// How long the start of a collector may take, whatever waits.
const READY_MAX: Duration = Duration::from_secs(2);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "queue-full",
        does: "backend is unavailable until the queue is full, and senders are told to come later",
        setup: || Setup { queue: String::from("queue_size: 100"), ..Setup::new(Kind::Grpc) },
        inject: |scene| {
            Box::pin(async move {
                scene.behave(Behaviour::Refuse(Code::Unavailable));
                scene.until("a full queue", |scene| scene.pushed_back() > 0).await;
                scene.last(1.0, 10.0).await;
                scene.behave(Behaviour::Accept);
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "storage-full",
        does: "backend is unavailable until the queue on disk has no room, and senders are told to come later",
        setup: || Setup { storage: String::from(", max_size: 1MiB"), ..Setup::stored(Kind::Grpc) },
        inject: |scene| {
            Box::pin(async move {
                scene.behave(Behaviour::Refuse(Code::Unavailable));
                scene.until("a full storage", |scene| scene.pushed_back() > 0).await;
                scene.last(1.0, 10.0).await;
                scene.behave(Behaviour::Accept);
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "storage-full-drop-oldest",
        does: "backend is unavailable until the queue on disk gives up the oldest for the newest",
        loss: Loss::Counted(&["storage_full"]),
        setup: || Setup {
            storage: String::from(", max_size: 1MiB, when_full: drop_oldest"),
            ..Setup::stored(Kind::Grpc)
        },
        inject: |scene| {
            Box::pin(async move {
                scene.behave(Behaviour::Refuse(Code::Unavailable));
                // 50 bytes a point and more.
                scene.until("points enough", |scene| scene.acknowledged_by_each() > 9_000).await;
                scene.last(0.0, 60.0).await;
                let newest = scene.acknowledged_by_each() as i64 - 1;
                scene.behave(Behaviour::Accept);
                let has_newest = |scene: &Scene| {
                    ["a", "b", "c"].iter().all(|source| scene.account.of(source).contains_key(&newest))
                };
                scene.until("the newest of the outage", has_newest).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "start-with-full-queue",
        does: "kill -9 with 16 MiB in the queue (1 GiB at length), and a start",
        setup: || Setup {
            queue: String::from("queue_size: 1000000"),
            storage: String::from(", max_size: 4GiB"),
            ..Setup::stored(Kind::Grpc)
        },
        inject: |scene| Box::pin(starts_full(scene)),
        ..NONE
    },
];

async fn starts_full(scene: &mut Scene) -> Result<(), Skip> {
    scene.behave(Behaviour::Refuse(Code::Unavailable));
    // A file of records is read while the queue fills with what was in those before it, and all as fast as it goes.
    scene.growth_max_mib = 96;
    let wanted = scene.times(16, 1024) << 20;
    fill(scene, wanted).await;
    let stored = stored_bytes(scene)?;
    scene.expect(stored >= wanted, &format!("{stored} bytes are stored"));
    let (filled, _) = scene.collector().memory_kib();
    scene.kill().await;
    let start = Instant::now();
    scene.start().await;
    let took = start.elapsed();
    let allowed = if cfg!(debug_assertions) { 10 * READY_MAX } else { READY_MAX };
    scene.expect(took <= allowed, &format!("ready after {took:?}"));
    let (ready, _) = scene.collector().memory_kib();
    let (took, used) = (took.as_secs_f64(), scene.collector().processor_seconds());
    scene.notes.push(format!("ready after {took:.2} s, {used:.2} s of a core, with {} MiB", stored >> 20));
    scene.notes.push(format!(
        "{} MiB of memory at most when filled, {} when ready",
        filled >> 10,
        ready >> 10
    ));
    scene.behave(Behaviour::Accept);
    Ok(())
}

/// Has the collector take so many bytes, in requests of some ten thousand.
async fn fill(scene: &Scene, bytes: u64) {
    const LANES: u64 = 8;
    const SOURCE_BYTES: u64 = 500;
    let lanes = (0..LANES).map(|lane| {
        let load = Load {
            endpoint: format!("http://{}", scene.collector().address("gRPC on ")),
            source: lane.to_string().repeat(SOURCE_BYTES as usize),
            requests: bytes.div_ceil(LANES * SOURCE_BYTES * POINTS_PER_REQUEST),
            points_per_request: POINTS_PER_REQUEST,
            interval: Duration::ZERO,
        };
        tokio::spawn(load.run())
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.expect("a load does not panic");
    }
}

/// How much the files of records take, and the space that is set aside for them.
pub(super) fn stored_bytes(scene: &Scene) -> Result<u64, Skip> {
    let files = std::fs::read_dir(scene.queue_folder()).map_err(|error| Skip(error.to_string()))?;
    let is_counted =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "log") || path.ends_with("spare");
    let files = files.flatten().map(|entry| entry.path()).filter(is_counted);
    // As the system counts them, whatever a file's length is.
    Ok(files.map(|path| path.metadata().map_or(0, |file| file.blocks() * 512)).sum())
}
