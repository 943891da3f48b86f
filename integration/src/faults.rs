//! Faults, one after the other, under a load whose every point is accounted for.
//!
//! A fault is a name, what is done, and what may come of it. [`run`] starts a backend behind a gate, a collector and
//! a load; injects the fault at a moment drawn by the seed; lets everything recover; and settles the accounts: what
//! was acknowledged against what the backend has, and both against what the collector says of itself.

mod backends;
mod books;
mod certificates;
mod clock;
mod complaints;
mod counting;
mod disk;
mod names;
mod network;
mod outages;
mod outcome;
mod queues;
mod remote_write;
mod restarts;
mod rivals;
mod runner;
mod scene;
mod setup;
mod too_large;
mod versions;

use futures_util::future::BoxFuture;

pub use outcome::{Outcome, Verdict, heading};
pub use rivals::rivals;
pub use runner::run;
pub use scene::{Scene, Skip};
pub use setup::{Kind, Setup};

/// How long the faults last: short for the tests, or as long as they need to mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Short,
    Full,
}

/// One thing that goes wrong.
#[derive(Clone, Copy)]
pub struct Fault {
    pub name: &'static str,
    /// What is done.
    pub does: &'static str,
    pub loss: Loss,
    pub doubles: Doubles,
    /// How the collector is set up.
    pub setup: fn() -> Setup,
    /// What must be there before the collector starts.
    pub prepare: for<'a> fn(&'a mut Scene) -> BoxFuture<'a, Result<(), Skip>>,
    /// Does it, and undoes it; the load goes on meanwhile and after.
    pub inject: for<'a> fn(&'a mut Scene) -> BoxFuture<'a, Result<(), Skip>>,
}

/// A fault that does nothing to OTLP over gRPC, to begin others with.
const NONE: Fault = Fault {
    name: "none",
    does: "nothing",
    loss: Loss::Nothing,
    doubles: Doubles::Nothing,
    setup: || Setup::new(Kind::Grpc),
    prepare: |_| Box::pin(async { Ok(()) }),
    inject: |_| Box::pin(async { Ok(()) }),
};

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fault").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What may be missing of what was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    Nothing,
    /// As much as the collector counts, for these reasons; and it has to be something.
    Counted(&'static [&'static str]),
    /// What was destroyed, as the scene notes it; nothing can count that.
    Destroyed,
    /// The points that the backend calls bad, all of them and no others, and the collector counts them.
    Poison,
}

/// What may arrive more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubles {
    Nothing,
    /// The points whose answers the backend kept to itself, all of them and no others.
    LostAnswers,
    /// As many as can have been under way when the fault came, each time that it came.
    UnderWay,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing lost"),
            Self::Counted(reasons) => write!(f, "lost as counted under {}", reasons.join(", ")),
            Self::Destroyed => f.write_str("lost at most what was destroyed"),
            Self::Poison => f.write_str("the bad points lost, and counted"),
        }
    }
}

impl std::fmt::Display for Doubles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing twice",
            Self::LostAnswers => "twice what lost its answer",
            Self::UnderWay => "twice at most what was under way",
        })
    }
}

/// All faults, in the order in which they run.
pub fn all() -> Vec<Fault> {
    [
        &[NONE],
        backends::FAULTS,
        too_large::FAULTS,
        network::FAULTS,
        outages::FAULTS,
        certificates::FAULTS,
        names::FAULTS,
        clock::FAULTS,
        queues::FAULTS,
        restarts::FAULTS,
        disk::FAULTS,
        versions::FAULTS,
        remote_write::FAULTS,
    ]
    .concat()
}
