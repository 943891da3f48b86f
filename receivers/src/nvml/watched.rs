//! What is known of the library and of every board, and what follows from each message.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use pipeline::{Batch, Point, Resource, Series};
use tracing::{info, warn};

use super::fault::{Fault, word};
use super::identity::Identity;
use super::life::{Health, Message, Reading, Shared, State};
use super::pulse::Pulse;
use super::states::{Library, States};
use super::xids::Xids;

/// What is known of the machine.
pub(super) struct Watched {
    failed_calls: Counter<u64>,
    generation: u64,
    resource: Arc<Resource>,
    pub(super) library: Library,
    /// A place for each board that the library lists.
    seats: Vec<Seat>,
    /// Every board that was ever seen, by its UUID.
    pub(super) boards: BTreeMap<String, Known>,
    pub(super) xids: Xids,
    states: States,
    /// The series that say what is up.
    live: HashSet<Series>,
    /// What the receiver before had, and nobody here has yet.
    pub(super) inherited: HashSet<Series>,
    /// Something has changed since it was said what is up.
    pub(super) is_news: bool,
    /// Errors were reported since then.
    pub(super) has_errors: bool,
    /// The kernel's log is read, which tells of the errors of all boards.
    is_log_heard: bool,
}

struct Seat {
    pulse: Arc<Pulse>,
    taken: Taken,
    stuck: Option<&'static str>,
    /// It was said to hang, and was not read since.
    has_hung: bool,
}

/// What is known of the board at a place.
enum Taken {
    Opening,
    LeftOut,
    /// It could not be opened, and nobody knows which it is.
    Failed(Fault),
    /// Which it is, and whether it was read.
    By {
        uuid: String,
        is_read: bool,
    },
}

/// A board that was seen.
pub(super) struct Known {
    pub(super) identity: Arc<Identity>,
    pub(super) resource: Arc<Resource>,
    pub(super) state: Result<State, Fault>,
    /// An error was reported that says that it has fallen off the bus.
    pub(super) has_fallen: bool,
    live: HashSet<Series>,
}

impl Watched {
    pub(super) fn new(shared: &Shared) -> Self {
        let context = &shared.context;
        let failed_calls = context
            .meter
            .u64_counter("inferometer_receiver_nvml_failed_calls")
            .with_description("Questions that the GPU driver did not answer, by call and reason.")
            .with_unit("{call}")
            .build();
        let resource = context.registry.resource(shared.host.clone());
        Self {
            failed_calls,
            generation: 0,
            states: States::new(context, &resource),
            resource,
            library: Library::Starting,
            seats: Vec::new(),
            boards: BTreeMap::new(),
            xids: Xids::default(),
            live: HashSet::new(),
            inherited: HashSet::new(),
            is_news: false,
            has_errors: false,
            is_log_heard: false,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn hear(&mut self, receiver: &str, message: Message, time: u64) -> Batch {
        match message {
            Message::Begun { generation, resource, pulses } => {
                let seat = |pulse| Seat { pulse, taken: Taken::Opening, stuck: None, has_hung: false };
                self.seats = pulses.into_iter().map(seat).collect();
                (self.generation, self.resource) = (generation, resource);
                Batch::new()
            }
            Message::Up { generation } if generation == self.generation => {
                self.is_news |= self.library != Library::Up;
                self.library = Library::Up;
                self.miss(time)
            }
            Message::Away { fault, is_worth_showing } => self.away(fault, is_worth_showing, time),
            Message::Identified { generation, index, identity } if generation == self.generation => {
                self.identify(index, identity);
                self.miss(time)
            }
            Message::LeftOut { generation, index } if generation == self.generation => {
                self.take(index, Taken::LeftOut);
                self.miss(time)
            }
            Message::Failed { generation, index, fault } if generation == self.generation => {
                self.fail(index, fault, time)
            }
            Message::Round { generation, index, reading } if generation == self.generation => {
                self.read(receiver, index, reading, time)
            }
            Message::Xid(error) => {
                let has_fallen = error.xid == 79;
                let bus_id = error.bus_id.clone();
                if self.xids.count(receiver, error) {
                    self.has_errors = true;
                    for known in self.boards.values_mut().filter(|known| known.is_at(&bus_id)) {
                        self.is_news |= has_fallen && !known.has_fallen;
                        known.has_fallen |= has_fallen;
                    }
                }
                Batch::new()
            }
            // From a life that is over.
            _ => Batch::new(),
        }
    }

    fn take(&mut self, index: u32, taken: Taken) {
        self.is_news = true;
        if let Some(seat) = self.seats.get_mut(index as usize) {
            seat.taken = taken;
        }
    }

    fn identify(&mut self, index: u32, identity: Arc<Identity>) {
        let uuid = identity.uuid.clone();
        self.take(index, Taken::By { uuid: uuid.clone(), is_read: false });
        let resource = self.resource.clone();
        let known = self.boards.entry(uuid).or_insert_with(|| Known::new(&identity, &resource));
        let live = std::mem::take(&mut known.live);
        *known = Known { live, ..Known::new(&identity, &resource) };
    }

    fn read(&mut self, receiver: &str, index: u32, reading: Reading, time: u64) -> Batch {
        let Reading { mut batch, state, failures } = reading;
        for (call, code) in failures {
            let attributes = [
                KeyValue::new("receiver", receiver.to_owned()),
                KeyValue::new("call", call),
                KeyValue::new("error.type", word(code)),
            ];
            self.failed_calls.add(1, &attributes);
        }
        let Some(Seat { taken: Taken::By { uuid, is_read }, has_hung, .. }) =
            self.seats.get_mut(index as usize)
        else {
            return Batch::new();
        };
        *is_read = true;
        if std::mem::take(has_hung) {
            info!(receiver, gpu = index, "a GPU that hung has come back");
        }
        let Some(known) = self.boards.get_mut(uuid) else { return Batch::new() };
        remember(&mut known.live, &batch);
        let state = match state {
            State::Failing(code) => Err(Fault::Code(code)),
            state => Ok(state),
        };
        if known.state != state {
            self.is_news = true;
            known.state = state;
            if known.state.is_err() {
                batch.append(known.silence(time));
            }
        }
        batch
    }

    /// A board cannot be opened, or has gone.
    fn fail(&mut self, index: u32, fault: Fault, time: u64) -> Batch {
        self.is_news = true;
        let Some(seat) = self.seats.get_mut(index as usize) else { return Batch::new() };
        let uuid = match &seat.taken {
            Taken::By { uuid, .. } => Some(uuid.clone()),
            // Most likely the one that had this number before.
            _ => self.boards.values().find(|known| known.identity.index == index).map(Known::uuid),
        };
        let Some(known) = uuid.as_ref().and_then(|uuid| self.boards.get_mut(uuid)) else {
            seat.taken = Taken::Failed(fault);
            return Batch::new();
        };
        seat.taken = Taken::By { uuid: known.uuid(), is_read: true };
        known.state = Err(fault);
        known.silence(time)
    }

    fn away(&mut self, fault: Fault, is_worth_showing: bool, time: u64) -> Batch {
        self.seats.clear();
        self.is_news = true;
        let mut batch = Batch::new();
        for known in self.boards.values_mut() {
            known.state = Err(fault.clone());
            batch.append(known.silence(time));
        }
        self.library = Library::Away { fault, is_worth_showing };
        batch
    }

    /// Once every place is taken, what has none is missing.
    fn miss(&mut self, time: u64) -> Batch {
        let mut batch = Batch::new();
        if self.seats.iter().any(|seat| matches!(seat.taken, Taken::Opening | Taken::Failed(_))) {
            return batch;
        }
        for (uuid, known) in &mut self.boards {
            let is_seated = self.seats.iter().any(|seat| seat.is_of(uuid));
            if !is_seated && known.state != Err(Fault::Missing) {
                self.is_news = true;
                known.state = Err(Fault::Missing);
                batch.append(known.silence(time));
            }
        }
        batch
    }

    pub(super) fn look(&mut self, receiver: &str, keeper: &Pulse, timeout: Duration, time: u64) -> Batch {
        let mut batch = Batch::new();
        self.is_log_heard = keeper.is_heard();
        if let Some(call) = keeper.stuck(timeout) {
            let fault = Fault::Stuck(call);
            let away = Library::Away { fault: fault.clone(), is_worth_showing: true };
            if self.library != away {
                warn!(receiver, reason = %fault, advice = fault.advice(), "the driver's library hangs");
                batch.append(self.away(fault, true, time));
            }
        }
        let mut changed = Vec::new();
        for (index, seat) in (0_u32..).zip(&mut self.seats) {
            let stuck = seat.pulse.stuck(timeout);
            if let (Some(call), None) = (stuck, seat.stuck) {
                changed.push((index, Fault::Stuck(call), !seat.has_hung));
                seat.has_hung = true;
            }
            seat.stuck = stuck;
        }
        for (gpu, fault, is_new) in changed {
            // One that hangs in each call says so once.
            if is_new {
                warn!(receiver, gpu, reason = %fault, advice = fault.advice(), "a GPU hangs");
            }
            batch.append(self.fail(gpu, fault, time));
        }
        batch
    }

    pub(super) fn say(&mut self, time: u64) -> Batch {
        (self.is_news, self.has_errors) = (false, false);
        self.states.begin(&self.library, &self.resource, time);
        for known in self.boards.values() {
            let mut pulses = self.seats.iter().filter(|seat| seat.is_of(&known.identity.uuid));
            let is_heard = self.is_log_heard || pulses.any(|seat| seat.pulse.is_heard());
            self.states.board(known, &self.xids, is_heard);
        }
        for (index, seat) in (0_u32..).zip(&self.seats) {
            if let Taken::Failed(fault) = &seat.taken {
                self.states.nameless(index, fault, &self.resource);
            }
        }
        let mut batch = self.states.finish();
        remember(&mut self.live, &batch);
        if !self.inherited.is_empty() && self.is_settled() {
            let is_live = |series: &Series| {
                self.live.contains(series) || self.boards.values().any(|known| known.live.contains(series))
            };
            let ended: Vec<_> = self.inherited.iter().filter(|series| !is_live(series)).cloned().collect();
            batch.extend(ended.into_iter().map(|series| Point::stale(series, time)));
            self.inherited.clear();
        }
        batch
    }

    /// Whether everything that can be read has been read once.
    fn is_settled(&self) -> bool {
        self.library != Library::Starting
            && self.seats.iter().all(|seat| {
                seat.stuck.is_some()
                    || match &seat.taken {
                        Taken::Opening => false,
                        Taken::LeftOut | Taken::Failed(_) => true,
                        Taken::By { is_read, .. } => *is_read,
                    }
            })
    }

    /// Every series that is there.
    pub(super) fn drain(&mut self) -> Vec<Series> {
        let boards = self.boards.values_mut().flat_map(|known| known.live.drain());
        let all: HashSet<_> = boards.chain(self.live.drain()).chain(self.inherited.drain()).collect();
        all.into_iter().collect()
    }
}

impl Seat {
    fn is_of(&self, wanted: &str) -> bool {
        matches!(&self.taken, Taken::By { uuid, .. } if uuid == wanted)
    }
}

impl Known {
    fn new(identity: &Arc<Identity>, resource: &Arc<Resource>) -> Self {
        Self {
            identity: identity.clone(),
            resource: resource.clone(),
            state: Ok(State::Answering(Health::default())),
            has_fallen: false,
            live: HashSet::new(),
        }
    }

    fn uuid(&self) -> String {
        self.identity.uuid.clone()
    }

    pub(super) fn is_at(&self, bus_id: &str) -> bool {
        self.identity.short_bus_id() == bus_id
    }

    /// Ends every series of the board: what it was is not known to be so any more.
    fn silence(&mut self, time: u64) -> Batch {
        self.live.drain().map(|series| Point::stale(series, time)).collect()
    }
}

/// Keeps which series are there.
fn remember(live: &mut HashSet<Series>, batch: &Batch) {
    for point in batch {
        if point.is_stale() {
            live.remove(&point.series);
        } else if !live.contains(&point.series) {
            live.insert(point.series.clone());
        }
    }
}
