//! What is so at this moment: the script in force, the clock, what was called, and which handles are valid.

mod calls;
mod faults;
mod place;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use crate::script::{Gpu, Instance, Reading, Script};

pub(crate) use calls::Calls;
use faults::Counted;
use place::Source;

/// What NVML answers a call.
pub(crate) type Answer<T> = Result<T, Code>;

/// Why NVML does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(pub(crate) u32);

/// The one world of a loaded library.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::new);

pub(crate) struct World {
    state: RwLock<State>,
    source: Mutex<Source>,
    pub(crate) calls: Calls,
    pub(crate) event_sets: Mutex<HashMap<usize, EventSet>>,
    pub(crate) samples: Mutex<HashMap<usize, Option<GpmSample>>>,
    /// The events that were handed out.
    pub(crate) happened: Mutex<HashSet<u64>>,
    loaded: Instant,
}

#[derive(Default)]
struct State {
    scene: Option<Arc<Scene>>,
    /// Each initialization wants a shutdown of its own.
    initialized: u32,
}

/// A script in force.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) script: Script,
    faults: Vec<Counted>,
    /// When the driver of this generation was loaded.
    start: Instant,
}

/// A board, or an instance on it, while it is asked.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    pub(crate) scene: Arc<Scene>,
    pub(crate) index: usize,
    instance: Option<usize>,
    /// Since the driver was loaded.
    pub(crate) elapsed: Duration,
}

/// Which boards an event set listens to, and for what.
#[derive(Debug, Default)]
pub(crate) struct EventSet {
    pub(crate) generation: u32,
    pub(crate) masks: HashMap<usize, u64>,
}

/// What was asked of a board's performance monitors, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GpmSample {
    pub(crate) gpu: usize,
    pub(crate) gpu_instance: Option<u32>,
    pub(crate) elapsed: Duration,
}

impl Code {
    pub(crate) const UNINITIALIZED: Self = Self(1);
    pub(crate) const INVALID_ARGUMENT: Self = Self(2);
    pub(crate) const NOT_SUPPORTED: Self = Self(3);
    pub(crate) const NOT_FOUND: Self = Self(6);
    pub(crate) const INSUFFICIENT_SIZE: Self = Self(7);
    pub(crate) const TIMEOUT: Self = Self(10);
    pub(crate) const FUNCTION_NOT_FOUND: Self = Self(13);
    pub(crate) const GPU_IS_LOST: Self = Self(15);
    pub(crate) const VERSION_MISMATCH: Self = Self(25);
    pub(crate) const UNKNOWN: Self = Self(999);
}

impl World {
    fn new() -> Self {
        Self {
            state: RwLock::default(),
            source: Mutex::new(Source::find()),
            calls: Calls::default(),
            event_sets: Mutex::default(),
            samples: Mutex::default(),
            happened: Mutex::default(),
            loaded: Instant::now(),
        }
    }

    /// Reads the script; a bad one is told on standard error, and fails.
    pub(crate) fn init(&self) -> Answer<()> {
        self.calls.count("nvmlInit");
        let script = lock(&self.source).read().map_err(|reason| {
            eprintln!("fake libnvidia-ml: {reason}");
            Code::UNKNOWN
        })?;
        self.stage(script);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match state.scene.as_ref().map_or(0, |scene| scene.script.init) {
            0 => {
                state.initialized += 1;
                Ok(())
            }
            code => Err(Code(code)),
        }
    }

    pub(crate) fn shutdown(&self) -> Answer<()> {
        self.calls.count("nvmlShutdown");
        self.calls.write(lock(&self.source).path());
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.initialized = state.initialized.checked_sub(1).ok_or(Code::UNINITIALIZED)?;
        Ok(())
    }

    /// Lets a script be in force from now on.
    fn stage(&self, script: Script) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let before = state.scene.as_deref();
        let same = before.filter(|before| before.script.generation == script.generation);
        let scene = Scene {
            faults: Counted::all(&script.faults, before.map_or(&[], |before| &before.faults)),
            start: match (same, before) {
                (Some(same), _) => same.start,
                // The first was loaded with the library.
                (None, None) => self.loaded,
                (None, Some(_)) => Instant::now(),
            },
            script,
        };
        state.scene = Some(Arc::new(scene));
    }

    /// The script as it is now, read again where it has changed.
    pub(crate) fn scene(&self) -> Answer<Arc<Scene>> {
        let changed = lock(&self.source).changed();
        match changed {
            Some(Ok(script)) => {
                self.stage(script);
                self.calls.write(lock(&self.source).path());
            }
            Some(Err(reason)) => eprintln!("fake libnvidia-ml: the script before stays in force: {reason}"),
            None => {}
        }
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.scene.clone().filter(|_| state.initialized > 0).ok_or(Code::UNINITIALIZED)
    }

    /// Begins a call that asks no board.
    pub(crate) fn call(&self, name: &'static str) -> Answer<Arc<Scene>> {
        self.calls.count(name);
        let scene = self.scene()?;
        scene.has(name)?;
        self.suffer(name, None, scene)
    }

    /// Begins a call that asks a board, or an instance on it.
    pub(crate) fn call_board(&self, name: &'static str, handle: usize) -> Answer<Board> {
        self.calls.count(name);
        let scene = self.scene()?;
        scene.has(name)?;
        let Handle { index, .. } = Handle::find(handle, &scene)?;
        let scene = self.suffer(name, Some(index), scene)?;
        // What was valid before it hung need not be so now.
        let Handle { index, instance } = Handle::find(handle, &scene)?;
        let gpu = &scene.script.gpus[index];
        if gpu.lost {
            return Err(Code::GPU_IS_LOST);
        }
        if gpu.unsupported.iter().any(|unsupported| unsupported == name) {
            return Err(Code::NOT_SUPPORTED);
        }
        let elapsed = scene.start.elapsed();
        Ok(Board { scene, index, instance, elapsed })
    }
}

impl Scene {
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn has(&self, name: &str) -> Answer<()> {
        let listed = |list: &[String]| list.iter().any(|listed| listed == name);
        if listed(&self.script.missing) {
            return Err(Code::FUNCTION_NOT_FOUND);
        }
        if listed(&self.script.unsupported) { Err(Code::NOT_SUPPORTED) } else { Ok(()) }
    }

    pub(crate) fn board(self: &Arc<Self>, index: usize) -> Board {
        Board { elapsed: self.elapsed(), scene: self.clone(), index, instance: None }
    }
}

/// What a handle stands for. It is a number and never followed: the generation, the board, the instance.
pub(crate) struct Handle {
    index: usize,
    instance: Option<usize>,
}

impl Handle {
    pub(crate) fn of(scene: &Scene, index: usize, instance: Option<usize>) -> usize {
        (scene.script.generation as usize & 0xffff) << 32
            | (index + 1) << 8
            | instance.map_or(0, |place| place + 1)
    }

    fn find(handle: usize, scene: &Scene) -> Answer<Self> {
        let index = (handle >> 8 & 0xff_ffff).checked_sub(1).ok_or(Code::INVALID_ARGUMENT)?;
        let instance = (handle & 0xff).checked_sub(1);
        if Self::of(scene, index, instance) != handle {
            return Err(Code::INVALID_ARGUMENT);
        }
        let gpu = scene.script.gpus.get(index).ok_or(Code::INVALID_ARGUMENT)?;
        match instance {
            Some(place) if gpu.instances().get(place).is_none() => Err(Code::INVALID_ARGUMENT),
            _ => Ok(Self { index, instance }),
        }
    }
}

impl Board {
    pub(crate) fn gpu(&self) -> &Gpu {
        &self.scene.script.gpus[self.index]
    }

    pub(crate) fn instance(&self) -> Option<&Instance> {
        self.instance.and_then(|place| self.gpu().instances().get(place))
    }

    /// Refuses what instances cannot say.
    pub(crate) fn whole(self) -> Answer<Self> {
        if self.instance.is_some() { Err(Code::NOT_SUPPORTED) } else { Ok(self) }
    }

    pub(crate) fn number(&self, reading: &Reading) -> Answer<f64> {
        reading.at(self.elapsed).ok_or(Code::NOT_SUPPORTED)
    }

    /// The number without what is behind the point.
    pub(crate) fn count(&self, reading: &Reading) -> Answer<u64> {
        self.number(reading).map(|number| number as u64)
    }

    /// As [`Self::count`], and nothing is zero.
    pub(crate) fn count_or_zero(&self, reading: &Reading) -> u64 {
        self.count(reading).unwrap_or(0)
    }

    /// A time of the driver's clock as the driver writes it: microseconds since 1970.
    pub(crate) fn micros(&self, elapsed: Duration) -> u64 {
        let ago = self.elapsed.saturating_sub(elapsed);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        since.saturating_sub(ago).as_micros() as u64
    }
}

impl Gpu {
    pub(crate) fn instances(&self) -> &[Instance] {
        self.mig.as_ref().filter(|mig| mig.mode == 1).map_or(&[], |mig| &mig.instances)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a call does under a lock is done or not: a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the file of counts is, which lies beside the script.
pub(crate) fn beside(script: &std::path::Path) -> PathBuf {
    script.with_extension("calls")
}
