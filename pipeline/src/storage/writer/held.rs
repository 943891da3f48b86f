//! What could not be written, and all that came behind it: it waits, in order, and is tried again.
//!
//! So a disk that fails is to everybody else one that is slow. Nobody who handed something over is told to do so again, when
//! processors have seen it already; and what is in the log has all before it that was handed over before.
//!
//! How much may wait is bounded by [`Log::room`](super::super::Log::room), which counts it.

use std::collections::VecDeque;

use super::super::Sequence;
use super::super::state::{Command, Pending};
use super::Writer;

#[derive(Default)]
pub(super) struct Held {
    pub(super) commands: VecDeque<Command>,
    /// Why.
    pub(super) reason: String,
    /// How large a file the first of it needs at least, where that is known.
    needed: u64,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Behind all others; it needs a file of this size.
    pub(super) fn push(&mut self, pending: Pending, needed: u64, reason: String) {
        self.needed = if self.is_empty() { needed } else { 0 };
        self.commands.push_back(Command::Append(pending));
        self.reason = reason;
    }

    /// How large the next file has to be for it, as far as is known.
    pub(super) fn needed(&self) -> u64 {
        if self.is_empty() { 0 } else { self.needed }
    }

    /// Before all others.
    pub(super) fn push_first(&mut self, group: impl DoubleEndedIterator<Item = Pending>, reason: String) {
        self.needed = 0;
        group.rev().for_each(|pending| self.commands.push_front(Command::Append(pending)));
        self.reason = reason;
    }

    /// The first record that is not written.
    pub(super) fn first(&self) -> Option<Sequence> {
        self.commands.iter().find_map(|command| match command {
            Command::Append(pending) => Some(pending.sequence),
            _ => None,
        })
    }

    /// Lets all know that have not heard of it.
    pub(super) fn tell(&mut self) {
        for command in &mut self.commands {
            match command {
                Command::Append(Pending { answer, .. }) | Command::Barrier(answer) => {
                    answer.late(&self.reason);
                }
                Command::Settle(..) | Command::Tell(_) => {}
            }
        }
    }

    /// Whether somebody wants to know of the fate of all of it, and does not wait for the disk.
    pub(super) fn is_asked(&self) -> bool {
        self.commands.iter().any(|command| matches!(command, Command::Tell(_)))
    }
}

impl Writer {
    /// Does what is asked, in order. Behind a record that cannot be written all waits.
    pub(super) fn write(&mut self, commands: Vec<Command>) {
        let is_left_alone = !self.held.is_empty() && self.is_left_alone();
        self.held.commands.extend(commands);
        if self.held.is_empty() {
            return;
        }
        let told = if is_left_alone { Vec::new() } else { self.attempt() };
        if self.held.is_empty() {
            return told.into_iter().for_each(Command::done);
        }
        self.held.commands.extend(told);
        self.held.tell();
        if self.held.is_asked() {
            self.give_up_held();
        }
    }

    /// Does as much as can be done; returns who is to be told if that was all.
    fn attempt(&mut self) -> Vec<Command> {
        let (mut settled, mut told) = (Vec::new(), Vec::new());
        let commands = std::mem::take(&mut self.held.commands);
        let last = last_of(&commands);
        for command in commands {
            match command {
                command if !self.held.is_empty() => self.held.commands.push_back(command),
                Command::Append(pending) => self.add(pending),
                Command::Settle(slot, sequence) => settled.push((slot, sequence)),
                Command::Barrier(_) | Command::Tell(_) => told.push(command),
            }
        }
        self.flush(self.buffer.len());
        let mut state = self.shared.state();
        state.published = state.published.max(self.held.first().map_or(last, |held| held - 1));
        for (slot, sequence) in settled {
            state.settle(slot, sequence);
        }
        self.tell_room(&mut state);
        told
    }

    /// Whether the disk failed only just now.
    pub(super) fn is_left_alone(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| self.now() < failure.retry_at)
    }

    /// Whether something waits although there is a file for it.
    pub(super) fn can_go_on(&self) -> bool {
        !self.held.is_empty() && self.segments.spare.is_some()
    }

    /// Writes nothing of what waits: for the end, and where a queue is handed on, which has to know what is in the log.
    pub(super) fn give_up_held(&mut self) {
        let commands = std::mem::take(&mut self.held.commands);
        let mut state = self.shared.state();
        state.published = state.published.max(last_of(&commands));
        for command in commands {
            match command {
                Command::Append(pending) => {
                    state.room.give_back(pending.bytes);
                    state.disown(pending.sequence, pending.group);
                    pending.answer.failed(&self.held.reason);
                }
                Command::Barrier(answer) => answer.failed(&self.held.reason),
                Command::Settle(slot, sequence) => state.settle(slot, sequence),
                Command::Tell(_) => command.done(),
            }
        }
        self.tell_room(&mut state);
    }
}

/// The last record among these; none is before all records.
fn last_of(commands: &VecDeque<Command>) -> Sequence {
    let appended = |command: &Command| match command {
        Command::Append(pending) => Some(pending.sequence),
        _ => None,
    };
    commands.iter().rev().find_map(appended).unwrap_or_default()
}
