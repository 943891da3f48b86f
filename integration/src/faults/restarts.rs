//! Collectors that end, and begin again with what they had.

use tonic::Code;

use super::setup::{POINTS_PER_REQUEST, SENDERS};
use super::{Doubles, Fault, Kind, Loss, NONE, Scene, Setup, Skip};
use crate::backend::{Backend, Behaviour};
use crate::gate::Gate;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "kill",
        does: "kill -9 at random moments, 50 times; backend accepts or is unavailable",
        doubles: Doubles::UnderWay,
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| Box::pin(kills(scene)),
        ..NONE
    },
    Fault {
        name: "kill-in-outage",
        does: "kill -9 while the backend is unavailable",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                begin_outage(scene).await;
                scene.kill().await;
                scene.start().await;
                end_outage(scene).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "kill-in-memory",
        does: "kill -9 while the backend is unavailable, with the queue in memory: what it holds is gone",
        loss: Loss::Destroyed,
        inject: |scene| Box::pin(kills_in_memory(scene)),
        ..NONE
    },
    Fault {
        name: "terminate-in-outage",
        does: "TERM while the backend is unavailable",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                begin_outage(scene).await;
                terminate(scene).await;
                scene.start().await;
                end_outage(scene).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "terminate",
        does: "TERM under load",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                for _ in 0..scene.times(2, 10) {
                    terminate(scene).await;
                    scene.start().await;
                    scene.pause(300..=1_500).await;
                }
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "endpoint-changed",
        does: "restart in an outage, with another endpoint",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                begin_outage(scene).await;
                terminate(scene).await;
                scene.gate = Gate::open(scene.backend_address()).await;
                scene.setup.address.clone_from(&scene.gate.address);
                scene.start().await;
                end_outage(scene).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "renamed-and-back",
        does: "restart in an outage with another name for the exporter, and again with the first",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| Box::pin(renames(scene)),
        ..NONE
    },
    Fault {
        name: "exporter-added",
        does: "restart in an outage, with an exporter more",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| Box::pin(adds(scene)),
        ..NONE
    },
    Fault {
        name: "second-instance",
        does: "another collector is started on the same folder",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| {
            Box::pin(async move {
                let mut second = scene.spawn();
                let status = second.wait().await;
                scene.expect(!status.success(), "a second collector took the folder");
                let folder = scene.queue_folder().to_string_lossy().into_owned();
                scene.expect(second.log().contains(&folder), "it did not say which folder is taken");
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "stopped",
        does: "SIGSTOP, and SIGCONT after a minute",
        // An answer and the end of its timeout are found at the same moment.
        doubles: Doubles::UnderWay,
        inject: |scene| {
            Box::pin(async move {
                scene.breaks += 1;
                scene.collector().signal("STOP").await;
                scene.last(3.0, 60.0).await;
                scene.collector().signal("CONT").await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "reload",
        does: "a reload each half second, between two settings of the exporter",
        inject: |scene| Box::pin(reloads(scene)),
        ..NONE
    },
    Fault {
        name: "reload-stored",
        does: "the same with the queue on disk",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| Box::pin(reloads(scene)),
        ..NONE
    },
];

async fn begin_outage(scene: &mut Scene) {
    scene.behave(Behaviour::Refuse(Code::Unavailable));
    scene.last(1.0, 20.0).await;
    scene.pause(0..=1_000).await;
}

async fn end_outage(scene: &mut Scene) {
    scene.last(1.0, 15.0).await;
    scene.behave(Behaviour::Accept);
}

async fn terminate(scene: &mut Scene) {
    let status = scene.terminate().await;
    scene.expect(status.success(), &format!("the collector ended with {status}"));
}

async fn kills(scene: &mut Scene) -> Result<(), Skip> {
    for _ in 0..scene.times(5, 50) {
        let is_away = scene.draw(0..=2) == 0;
        scene.behave(if is_away { Behaviour::Refuse(Code::Unavailable) } else { Behaviour::Accept });
        scene.pause(50..=1_500).await;
        scene.kill().await;
        scene.start().await;
    }
    scene.behave(Behaviour::Accept);
    Ok(())
}

/// Nothing but what the collector said that it holds may be gone, and what was acknowledged after it said so.
async fn kills_in_memory(scene: &mut Scene) -> Result<(), Skip> {
    begin_outage(scene).await;
    let before = scene.acknowledged();
    let exporter = format!("exporter=\"{}\"", scene.setup.exporter_id());
    let held = scene.collector().own_sample("inferometer_exporter_queue_points", &[&exporter]).await;
    let held = held.unwrap_or_default() as u64;
    scene.expect(held > 0, "the queue is empty in an outage");
    scene.kill().await;
    let since = scene.acknowledged() - before;
    scene.start().await;
    // A sender may have been answered, and not have noted it yet.
    scene.destroyed = held + since + SENDERS * POINTS_PER_REQUEST;
    scene.notes.push(format!("{held} points held, {since} more taken before the end"));
    end_outage(scene).await;
    Ok(())
}

async fn renames(scene: &mut Scene) -> Result<(), Skip> {
    // What waits for the first name is overtaken by what the second is given.
    scene.keeps_order = false;
    begin_outage(scene).await;
    terminate(scene).await;
    scene.setup.name = String::from("/renamed");
    scene.start().await;
    scene.behave(Behaviour::Accept);
    scene.last(1.0, 5.0).await;
    let waiting = scene.collector().own_sample("otelcol_exporter_queue_size", &["/renamed"]).await;
    scene.expect(waiting.is_some(), "the renamed exporter tells nothing of its queue");
    terminate(scene).await;
    scene.setup.name = String::new();
    scene.start().await;
    Ok(())
}

async fn adds(scene: &mut Scene) -> Result<(), Skip> {
    begin_outage(scene).await;
    terminate(scene).await;
    let other = Backend::start(Behaviour::Accept).await;
    let section = format!(
        "{{endpoint: 'http://{}', sending_queue: {{storage: file_storage}}, retry_on_failure: {{initial_interval: 100ms}}}}",
        other.address
    );
    scene.setup.others.push((String::from("otlp_grpc/added"), section));
    scene.start().await;
    end_outage(scene).await;
    scene.until("points at the added exporter's backend", |_| other.distinct() > 100).await;
    // The other side has to be there until the end of the collector.
    scene.company.push(other);
    Ok(())
}

async fn reloads(scene: &mut Scene) -> Result<(), Skip> {
    let before = scene.collector().descriptors();
    for turn in 0..scene.times(6, 60) {
        let compression = if turn % 2 == 0 { "zstd" } else { "none" };
        scene.setup.exporter = format!(", compression: {compression}");
        scene.reload().await;
        scene.pause(200..=800).await;
    }
    let after = scene.collector().descriptors();
    scene.expect(after < before + 10, &format!("{before} descriptors before, {after} after"));
    Ok(())
}
