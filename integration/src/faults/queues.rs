//! Queues that are not large enough for an outage.

use tonic::Code;

use super::{Fault, Kind, Loss, NONE, Setup};
use crate::backend::Behaviour;

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
                scene.last(10.0, 60.0).await;
                scene.behave(Behaviour::Accept);
                Ok(())
            })
        },
        ..NONE
    },
];
