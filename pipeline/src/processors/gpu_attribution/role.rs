//! What a series is to the attribution, and what a point of it changes.

use std::sync::Arc;

use super::machine::{Machine, ProcessKey, Reading};
use super::number;
use super::runners::{Runners, model_of};
use crate::metric::{Kind, Temporality};
use crate::point::Point;
use crate::series::Series;

/// A series that matters, and what is remembered of it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) role: Role,
    /// Its own, so that the end of a series that another has followed ends nothing.
    pub(super) source: u64,
    /// The last value, where it is a counter.
    pub(super) last: Option<f64>,
    /// As of which changes, and under which series its points go on: `None` where that is its own, as a series that
    /// is held here by what is kept for it would never be gone.
    pub(super) renamed: Option<((u64, u64), Option<Series>)>,
}

#[derive(Debug)]
pub(super) enum Role {
    Process { process: ProcessKey, is_memory: bool, is_told: bool },
    Board { board: Arc<str>, says: OfBoard },
    Runner { runner: u64, says: OfRunner, model: Option<Arc<str>> },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum OfBoard {
    Utilization,
    Limit,
    Energy,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum OfRunner {
    Tokens {
        is_delta: bool,
    },
    Running,
    Claim,
    /// Nothing but that the runner is there.
    Presence,
}

impl Role {
    /// What a series is, from its name and attributes; most are nothing.
    pub(super) fn of(
        series: &Series,
        runners: &mut Runners,
        machine: &mut Machine,
        now: u64,
    ) -> Option<Self> {
        let metric = series.metric();
        let is_whole = || series.attributes().get("hw.gpu.task").is_none();
        let board =
            |machine: &mut Machine, says| machine.board(series, now).map(|board| Self::Board { board, says });
        match metric.name.as_str() {
            name @ ("hw.gpu.process.memory.usage" | "hw.gpu.process.utilization") => {
                let is_memory = name == "hw.gpu.process.memory.usage";
                let process = machine.process(series, now)?;
                Some(Self::Process { process, is_memory, is_told: is_whole() })
            }
            "hw.gpu.utilization" if is_whole() => board(machine, OfBoard::Utilization),
            "hw.gpu.memory.limit" => board(machine, OfBoard::Limit),
            "hw.energy" if metric.kind == Kind::COUNTER => board(machine, OfBoard::Energy),
            name if name.starts_with("gen_ai.server.") && !name.starts_with("gen_ai.server.gpu.") => {
                let says = match name {
                    "gen_ai.server.generation_tokens" => {
                        let is_delta = metric.kind.temporality() == Some(Temporality::Delta);
                        OfRunner::Tokens { is_delta }
                    }
                    "gen_ai.server.requests.running" => OfRunner::Running,
                    "gen_ai.server.memory.utilization.limit" => OfRunner::Claim,
                    _ => OfRunner::Presence,
                };
                let model = model_of(series);
                runners.of(series, now).map(|runner| Self::Runner { runner, says, model })
            }
            _ => None,
        }
    }

    /// Whether whom it is about is still remembered.
    pub(super) fn is_known(&self, runners: &Runners, machine: &Machine) -> bool {
        match self {
            Self::Process { process, .. } => machine.processes.contains_key(process),
            Self::Board { board, .. } => machine.boards.contains_key(board),
            Self::Runner { runner, .. } => runners.has(*runner),
        }
    }
}

impl Watch {
    /// Takes what the point says; a value that is no number says nothing.
    pub(super) fn take(&mut self, point: &Point, runners: &mut Runners, machine: &mut Machine, now: u64) {
        let value = if point.is_stale() { None } else { number(&point.value) };
        if value.is_none() && !point.is_stale() {
            return;
        }
        match &self.role {
            Role::Process { process, is_memory, is_told } => {
                let Some(process) = machine.processes.get_mut(process) else { return };
                process.seen = if value.is_some() { now } else { process.seen };
                let was_there = process.is_there();
                if *is_told {
                    let at = if *is_memory { &mut process.memory } else { &mut process.utilization };
                    put(at, value, self.source, now);
                }
                // Whose a port is depends on who is there.
                machine.changes += u64::from(process.is_there() != was_there);
            }
            Role::Board { board, says } => {
                let Some(board) = machine.boards.get_mut(board) else { return };
                board.seen = now;
                match (says, value) {
                    (OfBoard::Utilization, _) => {
                        put(&mut board.utilization, value, self.source, now);
                        let is_busy = value.is_some_and(|value| value > 0.0);
                        board.busy = if is_busy { Some(now) } else { board.busy.or(Some(now)) };
                    }
                    (OfBoard::Limit, _) => put(&mut board.limit, value, self.source, now),
                    (OfBoard::Energy, Some(joules)) => {
                        board.count((joules, time(point, now)), self.source, now);
                    }
                    (OfBoard::Energy, None) => board.end_energy(self.source),
                }
            }
            Role::Runner { runner, says, model } => {
                if let Some(model) = model.as_ref().filter(|_| value.is_some()) {
                    runners.hear(*runner, model, now);
                }
                let Some(runner) = runners.get_mut(*runner) else { return };
                let Some(value) = value else {
                    if matches!(says, OfRunner::Claim) {
                        put(&mut runner.claim, None, self.source, now);
                    }
                    // The others of the page end with it; where they do not, they tell it again.
                    runner.work_seen = runner.work_seen.filter(|(_, source)| *source != self.source);
                    self.last = None;
                    return;
                };
                runner.seen = now;
                let is_busy = match says {
                    OfRunner::Presence => return,
                    OfRunner::Claim => return put(&mut runner.claim, Some(value), self.source, now),
                    OfRunner::Running => value > 0.0,
                    OfRunner::Tokens { is_delta } => {
                        // A counter that is lower than before has begun anew.
                        let gained = match self.last.replace(value) {
                            _ if *is_delta => value,
                            Some(last) if value >= last => value - last,
                            Some(_) | None => 0.0,
                        };
                        runner.tokens.add(time(point, now), gained.max(0.0));
                        gained > 0.0
                    }
                };
                if runner.work_seen.replace((now, self.source)).is_none() || is_busy {
                    runner.busy = now;
                }
            }
        }
    }
}

fn put(at: &mut Option<Reading>, value: Option<f64>, source: u64, now: u64) {
    match value {
        Some(value) => *at = Some(Reading { value, seen: now, source }),
        None => *at = at.filter(|reading| reading.source != source),
    }
}

fn time(point: &Point, now: u64) -> u64 {
    if point.time_unix_nano == 0 { now } else { point.time_unix_nano }
}
