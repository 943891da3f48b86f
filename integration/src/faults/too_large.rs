//! Backends that find requests too large: they are dropped or halved as the exporter is set, and never sent for ever.

use super::{Fault, Kind, Loss, NONE, Scene, Setup, Skip};
use crate::backend::Behaviour;
use crate::http_backend::Answer;

/// Requests of more points are too large; none of the load has fewer.
const POINTS_MAX: usize = 7;

const DROP: Fault = Fault { loss: Loss::Counted(&["permanent"]), ..NONE };

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "too-large-drop-grpc",
        does: "gRPC backend finds requests too large, and each is dropped",
        inject: |scene| Box::pin(drops(scene)),
        ..DROP
    },
    Fault {
        name: "too-large-drop-http",
        does: "HTTP backend answers 413, and each request is dropped",
        setup: || Setup::new(Kind::Http),
        inject: |scene| Box::pin(drops(scene)),
        ..DROP
    },
    Fault {
        name: "too-large-drop-remote-write",
        does: "remote write backend answers 413, and each request is dropped",
        setup: || Setup::new(Kind::RemoteWrite),
        inject: |scene| Box::pin(drops(scene)),
        ..DROP
    },
    Fault {
        name: "too-large-split-grpc",
        does: "gRPC backend finds requests of more than 7 points too large, and they are halved",
        setup: || splitting(Kind::Grpc),
        inject: |scene| Box::pin(splits(scene)),
        ..NONE
    },
    Fault {
        name: "too-large-split-http",
        does: "HTTP backend answers 413 to requests of more than 7 points, and they are halved",
        setup: || splitting(Kind::Http),
        inject: |scene| Box::pin(splits(scene)),
        ..NONE
    },
    Fault {
        name: "too-large-split-remote-write",
        does: "remote write backend answers 413 to requests of more than 7 points, and they are halved",
        setup: || splitting(Kind::RemoteWrite),
        inject: |scene| Box::pin(splits(scene)),
        ..NONE
    },
    Fault {
        name: "too-large-always",
        does: "HTTP backend answers 413 to everything, which is halved down to single points and dropped",
        setup: || splitting(Kind::Http),
        inject: |scene| {
            Box::pin(async move {
                let (points, requests) = meets(scene, 0).await;
                // Of a tree there are fewer nodes than twice its leaves.
                scene.expect(
                    requests < 2 * points + SLACK,
                    &format!("{requests} requests for {points} points"),
                );
                Ok(())
            })
        },
        ..DROP
    },
];

/// Requests that may belong to points that were acknowledged just before or after.
const SLACK: u64 = 1_000;

fn splitting(kind: Kind) -> Setup {
    Setup { exporter: String::from(", when_too_large: split"), ..Setup::new(kind) }
}

async fn drops(scene: &mut Scene) -> Result<(), Skip> {
    meets(scene, POINTS_MAX).await;
    let exporter = format!("exporter=\"{}\"", scene.setup.exporter_id());
    let again = scene.collector().own_sample("inferometer_exporter_retries", &[&exporter]).await;
    scene.expect(again.unwrap_or_default() == 0.0, "what is too large was sent again");
    Ok(())
}

async fn splits(scene: &mut Scene) -> Result<(), Skip> {
    let (points, requests) = meets(scene, POINTS_MAX).await;
    // What is halved until it fits has four points at least.
    scene.expect(requests < points / 2 + SLACK, &format!("{requests} requests for {points} points"));
    Ok(())
}

/// Has requests of more points found too large for a while; gives the points and the requests of that time.
async fn meets(scene: &mut Scene, points_max: usize) -> (u64, u64) {
    let (points, requests) = (scene.acknowledged(), scene.requests());
    if scene.setup.kind == Kind::Grpc {
        scene.behave(Behaviour::RefuseLarger(points_max));
    } else {
        scene.answer(Answer::RefuseLarger(points_max));
    }
    scene.last(2.0, 20.0).await;
    let met = (scene.acknowledged() - points, scene.requests() - requests);
    if scene.setup.kind == Kind::Grpc {
        scene.behave(Behaviour::Accept);
    } else {
        scene.answer(Answer::Accept);
    }
    met
}
