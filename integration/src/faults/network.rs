//! Networks that break between the collector and its backend.

use std::time::Duration;

use tokio::time::Instant;

use super::{Doubles, Fault, Kind, NONE, Setup};
use crate::backend::{Backend, Behaviour};
use crate::gate::Way;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "refused",
        does: "connections are refused",
        // The connection is cut, with requests on it.
        doubles: Doubles::UnderWay,
        inject: |scene| Box::pin(scene.refuse_for(3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "hangs",
        does: "connections are taken, and nothing is read or answered",
        doubles: Doubles::UnderWay,
        inject: |scene| {
            Box::pin(async move {
                scene.breaks += 2;
                scene.gate.turn(Way::Hangs).await;
                scene.last(3.0, 30.0).await;
                scene.gate.turn(Way::Open).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "hangs-beside",
        does: "the same, while another exporter's backend is well and gets everything at once",
        doubles: Doubles::UnderWay,
        prepare: |scene| {
            Box::pin(async move {
                let other = Backend::start(Behaviour::Accept).await;
                let section = format!("{{endpoint: 'http://{}'}}", other.address);
                scene.setup.others.push((String::from("otlp_grpc/beside"), section));
                scene.company.push(other);
                Ok(())
            })
        },
        inject: |scene| Box::pin(hangs_beside(scene)),
        ..NONE
    },
    Fault {
        name: "resets",
        does: "connections are reset after a number of bytes",
        doubles: Doubles::UnderWay,
        inject: |scene| Box::pin(breaks(scene, |after| Way::Resets { after })),
        ..NONE
    },
    Fault {
        name: "closes-mid-body",
        does: "HTTP connections are closed within the request",
        doubles: Doubles::UnderWay,
        setup: || Setup::new(Kind::Http),
        inject: |scene| Box::pin(breaks(scene, |after| Way::Closes { after })),
        ..NONE
    },
    Fault {
        name: "slow",
        does: "1 Mbit a second is read",
        doubles: Doubles::UnderWay,
        setup: || Setup {
            timeout: "10s",
            exporter: String::from(", compression: none"),
            ..Setup::new(Kind::Grpc)
        },
        inject: |scene| {
            Box::pin(async move {
                scene.breaks += 2;
                scene.gate.turn(Way::Slow { bytes_per_second: 125_000 }).await;
                scene.last(5.0, 60.0).await;
                scene.gate.turn(Way::Open).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "late-and-lossy",
        does: "everything is 200 ms late each way, and half a second more where a piece is lost: 5 of 100",
        doubles: Doubles::UnderWay,
        inject: |scene| Box::pin(is_late(scene)),
        ..NONE
    },
    Fault {
        name: "parted",
        does: "a gRPC answer stops in its middle, and nothing passes either way for longer than the timeout",
        doubles: Doubles::UnderWay,
        setup: || Setup { timeout: "2s", ..Setup::new(Kind::Grpc) },
        inject: |scene| Box::pin(parts(scene)),
        ..NONE
    },
    Fault {
        name: "parted-http",
        does: "the same of an HTTP answer",
        doubles: Doubles::UnderWay,
        setup: || Setup { timeout: "2s", ..Setup::new(Kind::Http) },
        inject: |scene| Box::pin(parts(scene)),
        ..NONE
    },
];

async fn is_late(scene: &mut super::Scene) -> Result<(), super::Skip> {
    scene.breaks += 2;
    let (each_way, when_lost) = (Duration::from_millis(200), Duration::from_millis(500));
    scene.gate.turn(Way::Late { each_way, when_lost }).await;
    let (start, before) = (Instant::now(), scene.requests());
    scene.last(5.0, 60.0).await;
    let (seconds, requests) = (start.elapsed().as_secs_f64(), scene.requests() - before);
    // The load is of one resource, of which one request is under way at once.
    let is_possible = requests as f64 <= 1.0 + seconds / (2.0 * each_way.as_secs_f64());
    scene.expect(is_possible, &format!("{requests} requests in {seconds:.0} s: nothing was late"));
    scene.gate.turn(Way::Open).await;
    Ok(())
}

async fn parts(scene: &mut super::Scene) -> Result<(), super::Skip> {
    scene.gate.part();
    scene.until("an answer in two", |scene| scene.gate.is_parted()).await;
    scene.last(5.0, 60.0).await;
    // What was sent again and again meanwhile is held, and comes now.
    scene.breaks += 2;
    scene.gate.heal();
    let before = scene.account.distinct();
    scene.until("deliveries after the parting", |scene| scene.account.distinct() > before + 500).await;
    Ok(())
}

async fn hangs_beside(scene: &mut super::Scene) -> Result<(), super::Skip> {
    scene.breaks += 2;
    scene.gate.turn(Way::Hangs).await;
    let before = scene.account.distinct();
    let beside = scene.company[0].distinct();
    scene.until("deliveries to the other", |scene| scene.company[0].distinct() > beside + 2_000).await;
    // A little was under way when the gate was turned.
    let meanwhile = scene.account.distinct() - before;
    scene.expect(meanwhile < 500, &format!("{meanwhile} points came through a gate that hangs"));
    scene.last(1.0, 20.0).await;
    scene.gate.turn(Way::Open).await;
    Ok(())
}

/// Breaks every connection after a number of bytes that changes all the time.
async fn breaks(scene: &mut super::Scene, way: fn(u64) -> Way) -> Result<(), super::Skip> {
    let before = scene.gate.connections();
    for _ in 0..scene.times(6, 60) {
        let after = scene.draw(1..=4_000);
        scene.gate.turn(way(after)).await;
        scene.pause(200..=800).await;
    }
    scene.gate.turn(Way::Open).await;
    scene.breaks += scene.gate.connections() - before + scene.times(6, 60) + 1;
    Ok(())
}
