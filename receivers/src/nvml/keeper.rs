//! Loads the library, keeps it, and loads it anew when it is of no more use; on a thread of its own.

use std::sync::{Arc, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use tracing::{error, info, warn};

use super::events::{self, Listed};
use super::fault::{Fault, Reach, UNKNOWN, code, reach};
use super::identity::Versions;
use super::kernel_log;
use super::library;
use super::life::{Life, Message, Pace, Shared, WAIT_MAX, Word};
use super::pulse::{Pulse, Signal};
use super::worker::Worker;

/// While a board is lost the library is initialized anew so often, as only then it may be found again.
const LOST_WAIT: Duration = Duration::from_mins(5);

/// A life that was as long began well: what ends it is tried again at once.
pub(super) const LONG_LIFE: Duration = Duration::from_mins(1);

/// So many lives that are over may be held by calls that do not return: each has threads and a library of its own.
const HELD_MAX: usize = 4;

pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) words: mpsc::Receiver<Word>,
    /// For those who are to tell something here.
    pub(super) teller: mpsc::Sender<Word>,
    pub(super) generation: u64,
    /// What is wrong, as it was said last.
    pub(super) said: Option<Said>,
}

/// What the log and the watcher were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Up,
    Away(Fault),
}

/// A life, with the threads it is to have.
pub(super) struct Begun {
    pub(super) life: Arc<Life>,
    pub(super) pulses: Vec<Arc<Pulse>>,
    pub(super) listed: mpsc::Receiver<Listed>,
}

/// Why a life is over.
enum End {
    Stop,
    /// To be begun anew.
    Again(Option<Fault>),
}

/// How the boards of a life stand.
struct Standing(Vec<Stand>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// It has not said yet.
    Unknown,
    Well,
    Failing(u32),
}

impl Keeper {
    /// Returns when it is told to stop, or when nobody is there to tell it.
    pub(super) fn run(mut self) {
        let mut pace = Pace::new();
        // The libraries of lives that are over, and that a call which hangs still has.
        let mut held: Vec<Weak<Nvml>> = Vec::new();
        loop {
            let begun = Instant::now();
            held.retain(|nvml| nvml.strong_count() > 0);
            if held.len() >= HELD_MAX {
                self.say(Said::Away(Fault::Stuck("a call to the library as it was before")), true);
                if self.wait(WAIT_MAX) {
                    return;
                }
                continue;
            }
            let fault = match self.begin() {
                Err(fault) => Some(fault),
                Ok(begun) => {
                    let (end, nvml) = self.live(begun);
                    held.extend(nvml);
                    match end {
                        End::Stop => return,
                        End::Again(fault) => fault,
                    }
                }
            };
            if begun.elapsed() >= LONG_LIFE {
                pace = Pace::new();
            }
            let mut wait = pace.next();
            if let Some(fault) = fault {
                let is_worth_showing = self.is_worth_showing(&fault);
                if !is_worth_showing {
                    wait = WAIT_MAX;
                }
                self.say(Said::Away(fault), is_worth_showing);
            }
            if self.wait(wait) {
                return;
            }
        }
    }

    /// A machine without a GPU, and without anything else of NVIDIA's, is no fault.
    fn is_worth_showing(&self, fault: &Fault) -> bool {
        let plan = &self.shared.plan;
        *fault != Fault::LibraryMissing
            || !plan.library_path.is_empty()
            || self.generation > 0
            || library::has_hardware(&plan.root)
    }

    pub(super) fn begin(&mut self) -> Result<Begun, Fault> {
        let path = &self.shared.plan.library_path;
        let nvml = self.pulse.during("nvmlInit", || library::open(path))?;
        let count = self.pulse.during("nvmlDeviceGetCount", || nvml.device_count());
        let versions = self.pulse.during("nvmlSystemGetDriverVersion", || Versions::of(&nvml));
        let count = match count {
            Ok(0) => Err(Fault::NoDevices),
            Ok(count) => Ok(count),
            Err(error) => Err(Fault::Code(code(error))),
        };
        let count = match count {
            Ok(count) => count,
            Err(fault) => {
                self.close(nvml);
                return Err(fault);
            }
        };
        self.generation += 1;
        let resource = self.shared.context.registry.resource(versions.on(&self.shared.host));
        let (to_events, listed) = mpsc::channel();
        let life = Life {
            generation: self.generation,
            nvml: Arc::new(nvml),
            versions,
            resource,
            ended: Signal::default(),
            to_keeper: self.teller.clone(),
            to_events,
        };
        Ok(Begun { life: Arc::new(life), pulses: (0..count).map(|_| Arc::default()).collect(), listed })
    }

    fn close(&self, nvml: Nvml) {
        self.pulse.during("nvmlShutdown", || drop(nvml));
    }

    /// Until it is over; gives its library where a call does not let go of it.
    fn live(&mut self, Begun { life, pulses, listed }: Begun) -> (End, Option<Weak<Nvml>>) {
        let generation = life.generation;
        let begun = Message::Begun { generation, resource: life.resource.clone(), pulses: pulses.clone() };
        if self.shared.to_watcher.blocking_send(begun).is_err() {
            return (End::Stop, None);
        }
        for (index, pulse) in (0_u32..).zip(&pulses) {
            let pulse = pulse.clone();
            let worker = Worker { shared: self.shared.clone(), life: life.clone(), index, pulse };
            self.spawn(format!("gpu-{index}"), move || worker.run());
        }
        let (shared, of_events) = (self.shared.clone(), life.clone());
        self.spawn("gpu-events".to_owned(), move || events::run(&shared, &of_events, &listed));
        if generation == 1 && self.shared.plan.has_kernel_log {
            let (shared, pulse) = (self.shared.clone(), self.pulse.clone());
            self.spawn("gpu-kernel-log".to_owned(), move || kernel_log::run(&shared, &pulse));
        }
        let end = self.attend(&life, &pulses);
        life.ended.raise();
        (end, self.bury(life))
    }

    /// Never joined: a call into the driver may not return.
    fn spawn(&self, name: String, work: impl FnOnce() + Send + 'static) {
        if let Err(error) = thread::Builder::new().name(name.clone()).spawn(work) {
            error!(receiver = self.shared.context.id, name, %error, "a thread cannot be started");
        }
    }

    /// Listens to the boards until the life is over.
    fn attend(&mut self, life: &Life, pulses: &[Arc<Pulse>]) -> End {
        let begun = Instant::now();
        let mut standing = Standing(vec![Stand::Unknown; pulses.len()]);
        loop {
            match self.words.recv_timeout(LOST_WAIT) {
                Ok(Word::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return End::Stop,
                Ok(Word::Board { generation, index, fault }) if generation == life.generation => {
                    standing.0[index as usize] = fault.map_or(Stand::Well, Stand::Failing);
                }
                Ok(Word::Ended { generation, code }) if generation == life.generation => {
                    warn!(
                        receiver = self.shared.context.id,
                        reason = %Fault::Code(code),
                        "the driver's library is of no more use; loading it anew"
                    );
                    let fault = (reach(code) == Reach::Library).then_some(Fault::Code(code));
                    return End::Again(fault);
                }
                Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if standing.is_any_well() || (standing.is_settled() && standing.common().is_none()) {
                self.say(Said::Up, true);
                let up = Message::Up { generation: life.generation };
                if self.shared.to_watcher.blocking_send(up).is_err() {
                    return End::Stop;
                }
            } else if let Some(code) = standing.common() {
                return End::Again(Some(Fault::Code(code)));
            }
            // A board that hangs would hang again, and in one more thread.
            let is_any_stuck = || pulses.iter().any(|pulse| pulse.stuck(self.shared.plan.timeout).is_some());
            if standing.is_any_lost() && begun.elapsed() >= LOST_WAIT && !is_any_stuck() {
                return End::Again(None);
            }
        }
    }

    /// Waits until no thread holds the library any more, or one is found to hang: then the library is given back.
    fn bury(&self, life: Arc<Life>) -> Option<Weak<Nvml>> {
        let nvml = Arc::downgrade(&life.nvml);
        self.pulse.during("nvmlShutdown", || drop(life));
        let deadline = Instant::now() + self.shared.plan.timeout;
        while nvml.strong_count() > 0 {
            if self.shared.stopped.is_raised() {
                return None;
            }
            if Instant::now() >= deadline {
                warn!(receiver = self.shared.context.id, "a call does not return, and keeps the old library");
                return Some(nvml);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// One line when something changes, with what can be done about it.
    fn say(&mut self, said: Said, is_worth_showing: bool) {
        let receiver = &self.shared.context.id;
        let is_new = self.said.as_ref() != Some(&said);
        if is_new {
            match &said {
                Said::Up => info!(receiver, "the driver's library answers"),
                Said::Away(fault) if !is_worth_showing => {
                    info!(receiver, reason = %fault, "there is no GPU of NVIDIA's here");
                }
                Said::Away(fault) => {
                    let advice = fault.advice();
                    warn!(receiver, reason = %fault, advice, "the driver's library does not answer");
                }
            }
        }
        if let Said::Away(fault) = &said {
            let away = Message::Away { fault: fault.clone(), is_worth_showing };
            // Where nobody listens any more the next word is to stop.
            let _ = self.shared.to_watcher.blocking_send(away);
        }
        self.said = Some(said);
    }

    /// Waits, and says whether it is to stop.
    fn wait(&self, duration: Duration) -> bool {
        let deadline = Instant::now() + duration;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.words.recv_timeout(left) {
                Ok(Word::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return true,
                // From a life that is over.
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Standing {
    fn is_any_well(&self) -> bool {
        self.0.contains(&Stand::Well)
    }

    fn is_settled(&self) -> bool {
        !self.0.contains(&Stand::Unknown)
    }

    fn is_any_lost(&self) -> bool {
        self.0.iter().any(|stand| matches!(stand, Stand::Failing(code) if reach(*code) == Reach::Board))
    }

    /// The code that all boards have, where it says that none of them may be used at all.
    fn common(&self) -> Option<u32> {
        let Some(Stand::Failing(first)) = self.0.first().copied() else { return None };
        let is_common = self.0.iter().all(|stand| *stand == Stand::Failing(first));
        let no_permission = nvml_wrapper_sys::bindings::nvmlReturn_enum_NVML_ERROR_NO_PERMISSION;
        (is_common && [UNKNOWN, no_permission].contains(&first)).then_some(first)
    }
}
