//! The rounds of a board: what is due is read of the board and its instances, and becomes one batch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::telemetry::ScraperMetrics;
use pipeline::{Batch, Kind};
use tracing::{info, warn};

use super::board::{Board, Instance, Place, Round};
use super::config::GroupPlan;
use super::fault::{Fault, word};
use super::groups::{self, Of, Reader};
use super::health::Signs;
use super::identity::Identity;
use super::instances::{Division, Found, walk};
use super::life::{Health, Life, Reading, Recorders, Shared, State, scope};
use super::owners::Attributes;
use super::sleep;
use crate::recorder::{Definition, Label, Owner, Recorder, Selection};

/// How often the instances of a board are listed, where nothing tells that they are others.
const WALK_INTERVAL: Duration = Duration::from_mins(1);

pub(super) const DURATION: &[Definition] = &[Definition {
    name: "nvidia.gpu.collection.duration",
    alias: "",
    unit: "s",
    kind: Kind::Gauge,
    is_default: true,
    description: "How long the last reading of a GPU took, by nvidia.gpu.group.",
}];

pub(super) struct Rounds {
    shared: Arc<Shared>,
    life: Arc<Life>,
    identity: Arc<Identity>,
    board: Subject,
    instances: Vec<(Found, Subject)>,
    recorders: Recorders,
    timers: Vec<Timer>,
    /// When the state of the board is looked at.
    own_due: Instant,
    walk_due: Instant,
    has_walked: bool,
    is_divided: bool,
    signs: Signs,
    state: State,
    /// Failures that were logged; each is once in the life of a handle.
    warned: BTreeSet<(&'static str, u32)>,
}

/// A board or an instance, with what reads it.
struct Subject {
    board: Board,
    owner: Owner,
    /// The owner of what processes do: these tell themselves whose they are.
    of_processes: Owner,
    /// Whom it was given to, as `owner` has it.
    holder: Attributes,
    /// One for each group of the plan.
    readers: Vec<Box<dyn Reader>>,
}

struct Timer {
    due: Instant,
    took: Option<Duration>,
    metrics: ScraperMetrics,
}

/// What came of a round.
pub(super) enum Step {
    Read(Reading),
    /// It took so long that its readings are no longer true.
    Discarded,
    /// The board, or the library, is gone; the code that said so.
    Ended(u32),
}

impl Rounds {
    pub(super) fn new(shared: &Arc<Shared>, life: &Arc<Life>, identity: Arc<Identity>, board: Board) -> Self {
        let plans = &shared.plan.groups;
        let holder = shared.machine.owners.holder(&identity.device());
        let owner = identity.owner(&holder, &life.resource);
        let context = &shared.context;
        let recorder = || Recorder::new(context.registry.clone(), scope(), owner.clone());
        let recorders = shared.shelf.take(&identity.uuid).unwrap_or_else(|| Recorders {
            groups: plans.iter().map(|_| recorder()).collect(),
            own: recorder(),
        });
        let now = Instant::now();
        let timer = |plan: &GroupPlan| Timer {
            due: now,
            took: None,
            metrics: ScraperMetrics::new(&context.meter, &context.id, plan.group.name),
        };
        Self {
            timers: plans.iter().map(timer).collect(),
            board: Subject {
                of_processes: identity.owner(&Attributes::default(), &life.resource),
                ..Subject::new(board, owner, holder, plans)
            },
            shared: shared.clone(),
            life: life.clone(),
            identity,
            instances: Vec::new(),
            recorders,
            own_due: now,
            walk_due: now,
            has_walked: false,
            is_divided: false,
            signs: Signs::default(),
            state: State::Answering(Health::default()),
            warned: BTreeSet::new(),
        }
    }

    /// How long until something is due.
    pub(super) fn wait(&self) -> Duration {
        let next = self.timers.iter().map(|timer| timer.due).min();
        let next = next.map_or(self.own_due, |due| due.min(self.own_due));
        next.saturating_duration_since(Instant::now())
    }

    /// Reads what is due.
    pub(super) fn step(&mut self) -> Step {
        if self.board.board.pulse().take_stuck() {
            self.all_due();
        }
        let now = Instant::now();
        let due: Vec<_> = (0..self.timers.len()).filter(|place| self.timers[*place].due <= now).collect();
        let is_own_due = self.own_due <= now;
        if is_own_due {
            self.look_for_holders();
        }
        let time = self.shared.context.clock.unix_nano();
        for place in &due {
            let selection = &self.shared.plan.groups[*place].selection;
            self.recorders.groups[*place].begin(time);
            self.recorders.groups[*place].turn_to(selection, &self.board.owner);
        }
        let plan = &self.shared.plan;
        let is_asleep = !plan.is_waking && sleep::is_suspended(&plan.root, &self.identity.bus_id);
        let mut round = Round::default();
        let mut health = Health::default();
        if !is_asleep {
            self.read(&due, now);
            if is_own_due {
                health = self.signs.look(&mut self.board.board);
            }
            round = self.take_round();
        }
        if let Some(code) = round.end {
            return Step::Ended(code);
        }
        if self.board.board.pulse().take_stuck() {
            self.all_due();
            return Step::Discarded;
        }
        if is_own_due {
            let code = round.failures.values().next().copied();
            self.state = match code {
                _ if is_asleep => State::Sleeping,
                Some(code) if round.answered == 0 => State::Failing(code),
                _ => State::Answering(health),
            };
        }
        self.note(&round);
        let batch = self.finish(&due, is_own_due, time);
        self.schedule(&due, is_own_due, now);
        Step::Read(Reading {
            batch,
            state: self.state.clone(),
            failures: round.failures.into_iter().collect(),
        })
    }

    /// After a panic: what was remembered may be only half so.
    pub(super) fn begin_anew(&mut self) {
        let plans = &self.shared.plan.groups;
        self.board.readers = readers(plans);
        self.instances.clear();
        let now = Instant::now();
        self.walk_due = now;
        let all: Vec<_> = (0..self.timers.len()).collect();
        self.schedule(&all, true, now);
    }

    pub(super) fn into_recorders(self) -> Recorders {
        self.recorders
    }

    fn read(&mut self, due: &[usize], now: Instant) {
        if self.walk_due <= now {
            self.walk_due = now + WALK_INTERVAL;
            self.walk();
        }
        let plans = &self.shared.plan.groups;
        for place in due {
            self.timers[*place].took = Some(Duration::ZERO);
        }
        let instances = self.instances.iter_mut().map(|(_, subject)| (subject, Of::Instances));
        for (subject, of) in std::iter::once((&mut self.board, Of::Boards)).chain(instances) {
            let wanted = due.iter().copied().filter(|place| [Of::Both, of].contains(&plans[*place].group.of));
            let wanted: Vec<_> = wanted.collect();
            let fields = wanted.iter().map(|place| (plans[*place].group, &plans[*place].selection));
            groups::fetch(&mut subject.board, fields);
            for place in wanted {
                let begun = Instant::now();
                let recorder = &mut self.recorders.groups[place];
                let is_of_processes = plans[place].group.is_of_processes();
                let owner = if is_of_processes { &subject.of_processes } else { &subject.owner };
                recorder.own(owner.clone());
                subject.readers[place].read(&mut subject.board, recorder);
                if let Some(took) = &mut self.timers[place].took {
                    *took += begun.elapsed();
                }
            }
        }
    }

    /// What came of the calls to the board and its instances.
    fn take_round(&mut self) -> Round {
        let mut round = self.board.board.take_round();
        round.end = round.end.or_else(|| worthless(&round));
        for (_, subject) in &mut self.instances {
            let own = subject.board.take_round();
            // A handle that is not good any more, or an instance that is not there.
            if own.failures.values().any(|code| ["invalid_argument", "not_found"].contains(&word(*code))) {
                self.walk_due = Instant::now();
            }
            round.answered += own.answered;
            round.failures.extend(own.failures);
            round.end = round.end.or(own.end);
        }
        round
    }

    /// Lists the instances; those that are the same go on.
    fn walk(&mut self) {
        let Some(Division { is_on, instances }) = walk(&mut self.board.board) else {
            // What was is taken to be still so, until the driver says.
            self.walk_due = Instant::now();
            return;
        };
        let is_same = is_on == self.is_divided
            && instances.len() == self.instances.len()
            && instances.iter().zip(&self.instances).all(|(found, (old, _))| found == old);
        if !is_same {
            self.is_divided = is_on;
            let mut old = std::mem::take(&mut self.instances);
            for found in instances {
                let kept =
                    old.iter().position(|(old, _)| *old == found).map(|place| old.swap_remove(place).1);
                let subject = kept.unwrap_or_else(|| self.subject(&found));
                self.instances.push((found, subject));
            }
            // What a board supports depends on whether it is divided.
            self.board.board.forget();
            if self.has_walked {
                let (receiver, gpu, instances) =
                    (&self.shared.context.id, &self.identity.uuid, self.instances.len());
                info!(receiver, gpu, instances, "the GPU is divided otherwise than before");
            }
        }
        self.has_walked = true;
    }

    fn subject(&self, found: &Found) -> Subject {
        let parent = self.board.board.place().handle;
        let place = Place {
            handle: found.handle,
            instance: Some(Instance { parent, gpu_instance: found.gpu_instance }),
            device: self.identity.device_of(found),
        };
        let board = &self.board.board;
        let board =
            Board::new(board.nvml().clone(), place, self.shared.machine.clone(), board.pulse().clone());
        let holder = self.shared.machine.owners.holder(&self.identity.device_of(found));
        let owner = self.identity.owner_of(found, &holder, &self.life.resource);
        Subject {
            of_processes: self.identity.owner_of(found, &Attributes::default(), &self.life.resource),
            ..Subject::new(board, owner, holder, &self.shared.plan.groups)
        }
    }

    /// Where a board or an instance was given to somebody else its series are others.
    fn look_for_holders(&mut self) {
        let (owners, resource) = (&self.shared.machine.owners, &self.life.resource);
        let holder = owners.holder(&self.identity.device());
        if !Arc::ptr_eq(&holder, &self.board.holder) {
            self.board.owner = self.identity.owner(&holder, resource);
            self.board.holder = holder;
        }
        for (found, subject) in &mut self.instances {
            let holder = owners.holder(&self.identity.device_of(found));
            if !Arc::ptr_eq(&holder, &subject.holder) {
                subject.owner = self.identity.owner_of(found, &holder, resource);
                subject.holder = holder;
            }
        }
    }

    fn finish(&mut self, due: &[usize], is_own_due: bool, time: u64) -> Batch {
        let mut batch = Batch::new();
        for place in due {
            let recorder = &mut self.recorders.groups[*place];
            let tally = recorder.take_tally();
            self.timers[*place].metrics.scraped(tally.scraped);
            self.timers[*place].metrics.errored(tally.errored);
            batch.append(recorder.finish());
        }
        if is_own_due {
            let recorder = &mut self.recorders.own;
            recorder.begin(time);
            let selection = Selection { definitions: DURATION, is_on: [true].into() };
            recorder.turn_to(&selection, &self.board.owner);
            for (plan, timer) in self.shared.plan.groups.iter().zip(&self.timers) {
                if let Some(took) = timer.took {
                    let labels = [("nvidia.gpu.group", Label::Text(plan.group.name))];
                    recorder.double(0, &labels, took.as_secs_f64());
                }
            }
            batch.append(recorder.finish());
        }
        batch
    }

    fn schedule(&mut self, due: &[usize], is_own_due: bool, now: Instant) {
        for place in due {
            let interval = self.shared.plan.groups[*place].interval;
            self.timers[*place].due = next(self.timers[*place].due, interval, now);
        }
        if is_own_due {
            self.own_due = next(self.own_due, self.shared.plan.interval, now);
        }
    }

    pub(super) fn all_due(&mut self) {
        let now = Instant::now();
        for timer in &mut self.timers {
            timer.due = timer.due.min(now);
        }
        self.own_due = self.own_due.min(now);
    }

    /// Says once what fails; where nothing is answered, the state of the board says it.
    fn note(&mut self, round: &Round) {
        if round.answered == 0 {
            return;
        }
        for (call, code) in &round.failures {
            if self.warned.insert((call, *code)) {
                let (receiver, gpu, reason) =
                    (&self.shared.context.id, &self.identity.uuid, Fault::Code(*code));
                warn!(receiver, gpu, call, %reason, "the driver does not answer a question");
            }
        }
    }
}

impl Subject {
    fn new(board: Board, owner: Owner, holder: Attributes, plans: &[GroupPlan]) -> Self {
        Self { board, of_processes: owner.clone(), owner, holder, readers: readers(plans) }
    }
}

fn readers(plans: &[GroupPlan]) -> Vec<Box<dyn Reader>> {
    plans.iter().map(|plan| (plan.group.reader)()).collect()
}

/// The code of a board whose handle is that of a driver which is no longer loaded: it is no argument for any call.
fn worthless(round: &Round) -> Option<u32> {
    let mut codes = round.failures.values().copied();
    let first = codes.next().filter(|code| word(*code) == "invalid_argument")?;
    (round.answered == 0 && codes.all(|code| code == first)).then_some(first)
}

/// The next time of this phase that is not over yet.
fn next(due: Instant, interval: Duration, now: Instant) -> Instant {
    let missed = now.saturating_duration_since(due).as_nanos() / interval.as_nanos().max(1);
    due + interval.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX)) + interval
}
