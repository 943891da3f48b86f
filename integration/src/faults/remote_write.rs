//! Backends that take remote write.

use super::backends::meets_poison;
use super::{Doubles, Fault, Kind, Loss, NONE, Scene, Setup, Skip};
use crate::http_backend::Answer;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "remote-write-500",
        does: "remote write backend answers 500",
        setup: || Setup::new(Kind::RemoteWrite),
        inject: |scene| Box::pin(scene.answer_for(Answer::Status(500, String::new()), 3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "remote-write-429",
        does: "remote write backend answers 429 and `Retry-After: 1`",
        setup: || Setup::new(Kind::RemoteWrite),
        inject: |scene| {
            Box::pin(scene.answer_for(Answer::Status(429, String::from("Retry-After: 1\r\n")), 3.0, 30.0))
        },
        ..NONE
    },
    Fault {
        name: "remote-write-refused",
        does: "remote write connections are refused",
        doubles: Doubles::UnderWay,
        setup: || Setup::new(Kind::RemoteWrite),
        inject: |scene| Box::pin(scene.refuse_for(3.0, 30.0)),
        ..NONE
    },
    Fault {
        name: "remote-write-poison",
        does: "remote write backend answers 400 to requests with one of some bad points",
        loss: Loss::Poison,
        setup: || Setup::new(Kind::RemoteWrite),
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
        name: "remote-write-answers-lost",
        does: "remote write backend takes everything, and hangs up on 10 of 100 requests without an answer; they come again byte by byte",
        doubles: Doubles::LostAnswers,
        setup: || Setup::new(Kind::RemoteWrite),
        inject: |scene| Box::pin(loses_answers(scene)),
        ..NONE
    },
    Fault {
        name: "remote-write-kill",
        does: "kill -9 in the middle of an outage of a remote write backend",
        setup: || Setup::stored(Kind::RemoteWrite),
        inject: |scene| {
            Box::pin(async move {
                scene.answer(Answer::Status(503, String::new()));
                scene.last(2.0, 20.0).await;
                scene.kill().await;
                scene.start().await;
                scene.last(1.0, 15.0).await;
                scene.answer(Answer::Accept);
                Ok(())
            })
        },
        ..NONE
    },
];

async fn loses_answers(scene: &mut Scene) -> Result<(), Skip> {
    scene.answer_for(Answer::LoseAnswers(10), 3.0, 30.0).await?;
    scene.until("a request that comes again", |scene| scene.repeats().identical > 0).await;
    let repeats = scene.repeats();
    scene.expect(repeats.altered == 0, &format!("{} requests came again with other bytes", repeats.altered));
    scene.notes.push(format!("{} came again as they were", repeats.identical));
    Ok(())
}
