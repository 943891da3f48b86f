//! One collection of all boards by itself, without threads and timers, for a benchmark.

use std::sync::Arc;
use std::time::Duration;

use ::config::Section;
use pipeline::component::Context;
use pipeline::output::Sink;
use pipeline::succession::Term;
use pipeline::{Clock, Registry};

use super::config::{Config, Plan};
use super::keeper::Begun;
use super::life::Message;
use super::owners::Owners;
use super::rounds::{Rounds, Step};
use super::watcher::Watcher;
use super::worker::Worker;
use super::{Pulse, assemble};

/// The boards of a library, read in turn.
#[doc(hidden)]
pub struct NvmlBench {
    boards: Vec<(Rounds, Arc<Pulse>)>,
    watcher: Watcher,
}

#[doc(hidden)]
impl NvmlBench {
    /// Opens the boards of the library at a path, to read them as the section says.
    ///
    /// # Panics
    /// Where there is no such library, or no such section.
    pub fn new(library_path: &str, section: &str) -> Self {
        let yaml = format!("library_path: {library_path}\n{section}");
        let config: Result<Config, _> = Section::from_yaml("nvml", &yaml).and_then(|section| section.read());
        let plan = Plan::of(&config.expect("a benchmark writes a section"));
        let plan = plan.expect("a benchmark names groups that are there");
        let context = Context {
            id: "nvml".to_owned(),
            registry: Arc::new(Registry::new(1_000_000)),
            clock: Clock::system(),
            meter: opentelemetry::global::meter("bench").into(),
            net: Arc::default(),
            mappings: Arc::default(),
            storages: Arc::default(),
        };
        let owners = Owners::new(&plan.root, None);
        let (mut watcher, mut keeper) =
            assemble(plan, owners, context, Sink::new().output(), Term::default());
        let Ok(Begun { life, pulses, listed: _ }) = keeper.begin() else { panic!("the library answers") };
        let (shared, generation) = (watcher.shared.clone(), life.generation);
        let begun = Message::Begun { generation, resource: life.resource.clone(), pulses: pulses.clone() };
        watcher.hear(begun);
        let mut boards = Vec::new();
        for (index, pulse) in (0_u32..).zip(pulses) {
            let worker = Worker { shared: shared.clone(), life: life.clone(), index, pulse: pulse.clone() };
            let Ok((board, identity)) = worker.try_open() else { panic!("board {index} answers") };
            let identity = Arc::new(identity);
            watcher.hear(Message::Identified { generation, index, identity: identity.clone() });
            boards.push((Rounds::new(&shared, &life, identity, board), pulse));
        }
        Self { boards, watcher }
    }

    /// Reads every group of every board; gives the number of points, and how long the library took for it.
    pub fn collect(&mut self) -> (usize, Duration) {
        let (mut points, mut spent) = (0, Duration::ZERO);
        for (index, (rounds, pulse)) in (0_u32..).zip(&mut self.boards) {
            rounds.all_due();
            let Step::Read(reading) = rounds.step() else { panic!("board {index} is read") };
            let generation = self.watcher.state.generation();
            points += self.watcher.hear(Message::Round { generation, index, reading }).len();
            spent += pulse.take_spent();
        }
        (points, spent)
    }
}

impl std::fmt::Debug for NvmlBench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NvmlBench").field("boards", &self.boards.len()).finish_non_exhaustive()
    }
}
