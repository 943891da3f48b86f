//! Reads one board, on a thread of its own: opens it, and reads the groups that are due until its life ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use nvml_wrapper::error::NvmlError;
use tracing::{debug, error};

use super::board::{Board, Place};
use super::events::Listed;
use super::fault::{Fault, Reach, code, reach};
use super::groups;
use super::identity::Identity;
use super::keeper::LONG_LIFE;
use super::life::{Life, Message, Pace, Reading, Shared, State, Word};
use super::pulse::Pulse;
use super::rounds::{Rounds, Step};

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) life: Arc<Life>,
    pub(super) index: u32,
    pub(super) pulse: Arc<Pulse>,
}

/// The receiver, or the life, is over.
struct Over;

impl Worker {
    pub(super) fn run(self) {
        let _ = self.work();
    }

    fn work(&self) -> Result<(), Over> {
        let mut pace = Pace::new();
        let mut is_listed = false;
        loop {
            let (board, identity) = self.open()?;
            // After a call that hung: the recorders of the board are those of another life by now.
            if self.life.ended.is_raised() {
                return Ok(());
            }
            let (generation, index) = (self.life.generation, self.index);
            if !self.shared.plan.choice.allows(&identity) {
                self.tell(Message::LeftOut { generation, index })?;
                return self.stand(None);
            }
            let identity = Arc::new(identity);
            self.tell(Message::Identified { generation, index, identity: identity.clone() })?;
            self.stand(None)?;
            // Once in a life: a board that is registered twice may tell everything twice.
            if !is_listed {
                // Where nobody waits for errors there are none.
                let (bus_id, pulse) = (identity.short_bus_id(), self.pulse.clone());
                let _ = self.life.to_events.send(Listed { index, bus_id, pulse });
                is_listed = true;
            }
            let begun = Instant::now();
            let mut rounds = Rounds::new(&self.shared, &self.life, identity.clone(), board);
            let ended = self.read(&mut rounds);
            // A thread that hung comes back into another life, which has recorders of its own.
            if !self.life.ended.is_raised() || !self.pulse.take_stuck() {
                self.shared.shelf.put(&identity.uuid, rounds.into_recorders());
            }
            ended?;
            // It may come back, and the others need not wait for that.
            if begun.elapsed() >= LONG_LIFE {
                pace = Pace::new();
            }
            if self.life.ended.wait(pace.next()) {
                return Ok(());
            }
        }
    }

    /// Tries until the board can be opened.
    fn open(&self) -> Result<(Board, Identity), Over> {
        let mut pace = Pace::new();
        let mut said = None;
        loop {
            let failure = match self.try_open() {
                Ok(opened) => return Ok(opened),
                Err(error) => code(error),
            };
            if said != Some(failure) {
                let (generation, fault) = (self.life.generation, Fault::Code(failure));
                self.tell(Message::Failed { generation, index: self.index, fault })?;
                said = Some(failure);
            }
            if reach(failure) == Reach::Library {
                return self.end(failure).and(Err(Over));
            }
            self.stand(Some(failure))?;
            if self.life.ended.wait(pace.next()) {
                return Err(Over);
            }
        }
    }

    pub(super) fn try_open(&self) -> Result<(Board, Identity), NvmlError> {
        let device =
            self.pulse.during("nvmlDeviceGetHandleByIndex", || self.life.nvml.device_by_index(self.index))?;
        let mut identity = Identity::read(&device, self.index, &self.life.versions, &self.pulse)?;
        #[expect(unsafe_code, reason = "the wrapper's own device cannot be kept beside its library")]
        // SAFETY: the handle is only used with the library that it is of.
        let handle = unsafe { device.handle() };
        let place = Place { handle, instance: None, device: identity.device() };
        let machine = self.shared.machine.clone();
        // It has answered now.
        self.pulse.take_stuck();
        let mut board = Board::new(self.life.nvml.clone(), place, machine, self.pulse.clone());
        if groups::has_unified_memory(&mut board) {
            identity.info.push(("nvidia.gpu.memory.unified", "true".to_owned()));
        }
        board.take_round();
        Ok((board, identity))
    }

    /// Reads until the life is over, or the board is lost.
    fn read(&self, rounds: &mut Rounds) -> Result<(), Over> {
        let mut fault = None;
        while !self.life.ended.wait(rounds.wait()) {
            let step = catch_unwind(AssertUnwindSafe(|| rounds.step()));
            let reading = match step {
                Ok(Step::Read(reading)) => reading,
                Ok(Step::Discarded) => {
                    // A board that is so slow is left alone for as long.
                    self.life.ended.wait(self.shared.plan.timeout);
                    continue;
                }
                Ok(Step::Ended(code)) => return self.end(code),
                Err(_) => {
                    error!(receiver = self.shared.context.id, gpu = self.index, "reading a GPU panicked");
                    self.fail(Fault::Panic)?;
                    rounds.begin_anew();
                    continue;
                }
            };
            let now = if let State::Failing(code) = reading.state { Some(code) } else { None };
            self.send(reading)?;
            if now != fault {
                self.stand(now)?;
                fault = now;
            }
        }
        Ok(())
    }

    /// The board answers no more; where its handle is worthless so are those of the others, and the life is over.
    fn end(&self, code: u32) -> Result<(), Over> {
        debug!(receiver = self.shared.context.id, gpu = self.index, code, "a GPU is gone");
        self.fail(Fault::Code(code))?;
        self.stand(Some(code))?;
        if reach(code) == Reach::Board {
            return Ok(());
        }
        self.word(Word::Ended { generation: self.life.generation, code })?;
        Err(Over)
    }

    fn fail(&self, fault: Fault) -> Result<(), Over> {
        self.tell(Message::Failed { generation: self.life.generation, index: self.index, fault })
    }

    fn send(&self, reading: Reading) -> Result<(), Over> {
        self.tell(Message::Round { generation: self.life.generation, index: self.index, reading })
    }

    fn stand(&self, fault: Option<u32>) -> Result<(), Over> {
        self.word(Word::Board { generation: self.life.generation, index: self.index, fault })
    }

    fn word(&self, word: Word) -> Result<(), Over> {
        self.life.to_keeper.send(word).map_err(|_| Over)
    }

    fn tell(&self, message: Message) -> Result<(), Over> {
        self.shared.to_watcher.blocking_send(message).map_err(|_| Over)
    }
}
