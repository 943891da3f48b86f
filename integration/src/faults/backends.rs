//! Backends that answer, and do not like what they are sent.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::Code;

use super::{Doubles, Fault, Kind, Loss, NONE, Scene, Setup};
use crate::backend::Behaviour;
use crate::http_backend::Answer;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "unavailable",
        does: "gRPC backend answers UNAVAILABLE",
        inject: |scene| Box::pin(scene.behave_for(Behaviour::Refuse(Code::Unavailable), 3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "unavailable-70-of-100",
        does: "gRPC backend answers 70 of 100 requests UNAVAILABLE",
        inject: |scene| Box::pin(scene.behave_for(Behaviour::RefusePercent(70), 4.0, 60.0)),
        ..NONE
    },
    Fault {
        name: "status-503",
        does: "HTTP backend answers 503",
        setup: || Setup::new(Kind::Http),
        inject: |scene| Box::pin(scene.answer_for(Answer::Status(503, String::new()), 3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "status-429",
        does: "HTTP backend answers 429 and no time",
        setup: || Setup::new(Kind::Http),
        inject: |scene| Box::pin(scene.answer_for(Answer::Status(429, String::new()), 3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "status-429-retry-after",
        does: "HTTP backend answers 429 and `Retry-After: 3` (30 at length), and is asked nothing for so long",
        setup: || Setup::new(Kind::Http),
        inject: |scene| {
            Box::pin(async move {
                let seconds = scene.times(3, 30);
                scene.answer(Answer::Status(429, format!("Retry-After: {seconds}\r\n")));
                keeps_a_pause(scene, seconds).await;
                scene.answer(Answer::Accept);
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "exhausted",
        does: "gRPC backend answers RESOURCE_EXHAUSTED and no time",
        inject: |scene| Box::pin(scene.behave_for(Behaviour::Exhausted(None), 2.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "exhausted-retry-info",
        does: "gRPC backend answers RESOURCE_EXHAUSTED and a pause of 3 seconds (30 at length), and is asked nothing meanwhile",
        inject: |scene| {
            Box::pin(async move {
                let seconds = scene.times(3, 30);
                scene.behave(Behaviour::Exhausted(Some(Duration::from_secs(seconds))));
                keeps_a_pause(scene, seconds).await;
                scene.behave(Behaviour::Accept);
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "slow-answers",
        does: "gRPC backend takes everything, and answers a second later (5 at length)",
        inject: |scene| {
            Box::pin(async move {
                let wait = Duration::from_secs(scene.times(1, 5));
                scene.behave_for(Behaviour::Late(wait), 3.0, 60.0).await
            })
        },
        ..NONE
    },
    Fault {
        name: "status-500",
        does: "HTTP backend answers 500, which the protocol says is for good",
        loss: Loss::Counted(&["permanent"]),
        setup: || Setup::new(Kind::Http),
        inject: |scene| Box::pin(scene.answer_for(Answer::Status(500, String::new()), 1.0, 10.0)),
        ..NONE
    },
    Fault {
        name: "denied-stored",
        does: "HTTP backend answers 401, as to a token that has expired, and the queue is on disk",
        setup: || Setup::stored(Kind::Http),
        inject: |scene| Box::pin(scene.answer_for(Answer::Status(401, String::new()), 3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "denied-stored-grpc",
        does: "gRPC backend answers UNAUTHENTICATED, and the queue is on disk",
        setup: || Setup::stored(Kind::Grpc),
        inject: |scene| Box::pin(scene.behave_for(Behaviour::Refuse(Code::Unauthenticated), 3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "denied",
        does: "HTTP backend answers 401, and the queue is in memory, where nothing waits for better credentials",
        loss: Loss::Counted(&["permanent"]),
        setup: || Setup::new(Kind::Http),
        inject: |scene| Box::pin(scene.answer_for(Answer::Status(401, String::new()), 1.0, 10.0)),
        ..NONE
    },
    Fault {
        name: "poison-http",
        does: "HTTP backend answers 400 to requests with one of some bad points",
        loss: Loss::Poison,
        setup: || Setup::new(Kind::Http),
        inject: |scene| {
            Box::pin(async move {
                scene.answer(Answer::RefusePoison);
                meets_poison(scene).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "poison-grpc",
        does: "gRPC backend answers INVALID_ARGUMENT to requests with one of some bad points",
        loss: Loss::Poison,
        inject: |scene| {
            Box::pin(async move {
                scene.behave(Behaviour::RefusePoison);
                meets_poison(scene).await;
                Ok(())
            })
        },
        ..NONE
    },
    Fault {
        name: "answers-lost-grpc",
        does: "gRPC backend takes everything, and never answers 10 of 100 requests",
        doubles: Doubles::LostAnswers,
        setup: || Setup { timeout: "2s", ..Setup::new(Kind::Grpc) },
        inject: |scene| Box::pin(scene.behave_for(Behaviour::LoseAnswers(10), 3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "answers-lost-http",
        does: "HTTP backend takes everything, and hangs up on 10 of 100 requests without an answer",
        doubles: Doubles::LostAnswers,
        setup: || Setup::new(Kind::Http),
        inject: |scene| Box::pin(scene.answer_for(Answer::LoseAnswers(10), 3.0, 30.0)),
        ..NONE
    },
];

/// How long after a pause the next request may come: ten times what it should be, on a busy machine.
const LATE_MAX: Duration = Duration::from_secs(10);

/// Waits for the first refusal; the next must not come before the seconds it asks for are over, and then soon.
async fn keeps_a_pause(scene: &mut Scene, seconds: u64) {
    let before = scene.requests();
    scene.until("a request", |scene| scene.requests() > before).await;
    // What was under way is still refused.
    sleep(Duration::from_millis(500)).await;
    let during = scene.requests();
    sleep(Duration::from_secs(seconds - 1)).await;
    let asked = scene.requests() - during;
    scene.expect(asked == 0, &format!("{asked} requests in a pause that was asked for"));
    let end = Instant::now();
    scene.until("a request after the pause", |scene| scene.requests() > during).await;
    // Half a second of the pause was left.
    let late = end.elapsed().saturating_sub(Duration::from_millis(500));
    scene.expect(late < LATE_MAX, &format!("asked again {late:?} after the pause"));
}

/// Goes on until each sender has sent bad points.
pub(super) async fn meets_poison(scene: &mut Scene) {
    scene.last(2.0, 30.0).await;
    let before = scene.acknowledged_by_each();
    scene.until("points enough", |scene| scene.acknowledged_by_each() > before.max(1_000) + 1_000).await;
}
