//! `inferometer run`: collects until told to stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pipeline::component::{BoxError, Context};
use pipeline::delivery::Drained;
use pipeline::net::Net;
use pipeline::{Clock, Registry};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior};
use tracing::{error, info, warn};

use super::{EXIT_USAGE, demo, load};
use crate::cli::Run;
use crate::collector::{Collector, Drains, START_MAX};
use crate::located::located;
use crate::logging;
use crate::plan::Plan;
use crate::telemetry::{self, ReloadState, Telemetry};

/// How often memory of series that are gone is given back, and refused series are spoken of.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// How often processors may send what no batch has brought.
const TICK_INTERVAL: Duration = Duration::from_secs(5);

/// Within this time after the first, the same signal is that one told twice, as wrappers such as `timeout` do that
/// signal the process and then its group.
const SIGNAL_ECHO: Duration = Duration::from_millis(100);

/// What makes the loop turn.
enum Event {
    Stop(SignalKind),
    Reload,
    Tick,
    Sweep,
}

/// What comes by itself.
struct Timers {
    tick: Interval,
    sweep: Interval,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

pub(crate) fn run(mut run: Run) -> ExitCode {
    // Until the end: the machine is gone when this is dropped.
    let demo = match run.demo.then(demo::start).transpose() {
        Ok(demo) => demo,
        Err(error) => {
            eprintln!("{}", pipeline::errors::chain(&*error));
            return ExitCode::FAILURE;
        }
    };
    run.source.demo = demo.as_ref().map(::demo::Machine::configuration);
    let run = &run;
    let plan = match load(&run.source) {
        Ok(plan) => plan,
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    if let Err(message) = logging::start(&run.log, &plan.service.telemetry.logs) {
        eprintln!("{message}");
        return ExitCode::from(EXIT_USAGE);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "cannot start the runtime");
            return ExitCode::FAILURE;
        }
    };
    if let Some(machine) = &demo {
        demo::announce(machine);
    }
    let root = plan.root.clone();
    let code = match runtime.block_on(collect(run, plan)) {
        Ok(code) => code,
        Err(failure) => {
            error!("failed: {}", located(&root, &*failure));
            ExitCode::FAILURE
        }
    };
    // A thread that hangs in the kernel (a dead mount) must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

async fn collect(run: &Run, plan: Plan) -> Result<ExitCode, BoxError> {
    let mut signals = Signals::new()?;
    info!(version = env!("CARGO_PKG_VERSION"), "inferometer starts");
    for warning in &plan.warnings {
        warn!("{warning}");
    }
    let mut telemetry = Telemetry::new(&plan.service.telemetry)?;
    let context = Context {
        id: String::new(),
        registry: Arc::new(Registry::new(plan.service.limits.live_series_max)),
        clock: Clock::system(),
        meter: telemetry.meter(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    };
    let reload_state = Arc::new(ReloadState::default());
    reload_state.succeeded(&context.clock);
    telemetry::observe(&context.meter, &context.registry, &reload_state);
    for note in telemetry.serve(&context).await? {
        info!("{note}");
    }
    let (mut collector, told) = Collector::start(context, plan, signals.stop()).await?;
    let first = match told {
        Some(signal) => signal,
        None => go_on(&mut collector, run, &mut signals, &reload_state).await,
    };
    info!(timeout = ?run.shutdown_timeout, "stopping; delivering what is queued");
    let code = tokio::select! {
        drains = collector.stop(run.shutdown_timeout) => report(&drains),
        () = signals.stop_again(first) => {
            error!("told to stop again; what is queued in memory is lost, what is on disk waits for the next start");
            return Ok(ExitCode::FAILURE);
        }
    };
    telemetry.stop().await;
    Ok(code)
}

/// Collects until told to stop; returns by what.
async fn go_on(
    collector: &mut Collector,
    run: &Run,
    signals: &mut Signals,
    state: &ReloadState,
) -> SignalKind {
    info!("ready");
    let mut refused = RefusedSeries::default();
    let mut timers = Timers::new();
    loop {
        match signals.next(&mut timers).await {
            Event::Stop(signal) => return signal,
            Event::Reload => {
                if let Some(signal) = reload(collector, run, signals, state).await {
                    return signal;
                }
                // New processors have not said anything yet.
                collector.tick().await;
            }
            Event::Tick => {
                collector.tick().await;
                if collector.is_pressed() {
                    collector.sweep();
                }
            }
            Event::Sweep => {
                collector.sweep();
                refused.log(&collector.context.registry);
            }
        }
    }
}

impl Timers {
    fn new() -> Self {
        let every = |period| {
            let mut interval = tokio::time::interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        Self { tick: every(TICK_INTERVAL), sweep: every(SWEEP_INTERVAL) }
    }
}

impl Signals {
    fn new() -> Result<Self, BoxError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self, timers: &mut Timers) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop(SignalKind::terminate()),
            _ = self.interrupt.recv() => Event::Stop(SignalKind::interrupt()),
            _ = self.hangup.recv() => Event::Reload,
            _ = timers.tick.tick() => Event::Tick,
            _ = timers.sweep.tick() => Event::Sweep,
        }
    }

    /// Waits for a signal that means "now".
    async fn stop_again(&mut self, first: SignalKind) {
        let echo = Instant::now() + SIGNAL_ECHO;
        while self.stop().await == first && Instant::now() < echo {}
    }

    async fn stop(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

/// Validates the new configuration first; a bad one changes nothing. Returns what it was told to stop by meanwhile.
async fn reload(
    collector: &mut Collector,
    run: &Run,
    signals: &mut Signals,
    state: &ReloadState,
) -> Option<SignalKind> {
    info!("reloading");
    let source = run.source.clone();
    // A file or a storage may be on a mount that hangs.
    let loading = tokio::task::spawn_blocking(move || load(&source));
    let loaded = tokio::select! {
        loaded = tokio::time::timeout(START_MAX, loading) => loaded,
        signal = signals.stop() => return Some(signal),
    };
    let failure = match loaded {
        Ok(Ok(Ok(plan))) => Ok(plan),
        Ok(Ok(Err(refused))) => {
            Err(format!("configuration is not valid, the one before stays in force:\n{refused}"))
        }
        Ok(Err(panic)) => Err(format!("reload failed: {panic}")),
        Err(_) => Err(format!("reload failed: the configuration could not be read within {START_MAX:?}")),
    };
    let plan = match failure {
        Ok(plan) => plan,
        Err(message) => {
            error!("{message}");
            state.successful.store(0, Ordering::Relaxed);
            return None;
        }
    };
    for warning in &plan.warnings {
        warn!("{warning}");
    }
    let root = plan.root.clone();
    let prepared = tokio::select! {
        prepared = collector.prepare(plan) => prepared,
        signal = signals.stop() => return Some(signal),
    };
    let (changed, stopped) = match prepared {
        Ok(prepared) => {
            let changed = collector.change_over(prepared).await;
            let stopped = tokio::select! {
                () = collector.open_storages(START_MAX) => None,
                signal = signals.stop() => Some(signal),
            };
            (changed, stopped)
        }
        Err(failure) => (Err(failure), None),
    };
    match changed {
        Ok(()) => {
            state.succeeded(&collector.context.clock);
            info!("reloaded");
        }
        Err(failure) => {
            state.successful.store(0, Ordering::Relaxed);
            error!("reload failed: {}", located(&root, &*failure));
        }
    }
    stopped
}

impl ReloadState {
    fn succeeded(&self, clock: &Clock) {
        self.successful.store(1, Ordering::Relaxed);
        self.time_unix.store(clock.unix_nano() / 1_000_000_000, Ordering::Relaxed);
    }
}

/// Says once a minute how many series were refused.
#[derive(Default)]
struct RefusedSeries {
    said: u64,
}

impl RefusedSeries {
    fn log(&mut self, registry: &Registry) {
        let refused = registry.refused();
        if refused > self.said {
            warn!(
                refused = refused - self.said,
                live_max = registry.live_max(),
                "new series were refused; raise `service.limits.live_series_max` or send fewer"
            );
            self.said = refused;
        }
    }
}

/// Says what was delivered and what was not; the exit code follows.
fn report(drains: &Drains) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (exporter, drained) in drains {
        let Drained { delivered, dropped, undelivered, waiting } = *drained;
        if undelivered > 0 {
            error!(exporter, delivered, dropped, undelivered, waiting, "stopped with points undelivered");
            code = ExitCode::FAILURE;
        } else {
            info!(exporter, delivered, dropped, undelivered, waiting, "stopped");
        }
    }
    code
}
