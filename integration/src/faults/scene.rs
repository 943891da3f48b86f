//! A backend behind a gate, a collector, and the load it carries.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::books::Books;
use super::setup::{Kind, POINTS_PER_REQUEST, Setup};
use super::{Fault, Scale};
use crate::account::Account;
use crate::backend::{Backend, Behaviour};
use crate::certificates::Authority;
use crate::collector::Collector;
use crate::gate::Gate;
use crate::http_backend::{Answer, HttpBackend};
use crate::name_server::NameServer;
use crate::repeats::Repeats;
use crate::steady::{Door, Doors, Sending, Steady};

/// Why a fault cannot be tried here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip(pub String);

/// Everything that a fault can be done to.
#[derive(Debug)]
pub struct Scene {
    pub scale: Scale,
    pub setup: Setup,
    pub gate: Gate,
    pub account: Arc<Account>,
    /// For whatever must outlive a collector: its queue, certificates.
    pub folder: TempDir,
    /// How often something happened after which no one can know whether a request was taken.
    pub breaks: u64,
    /// How many points may be gone with what was destroyed.
    pub destroyed: u64,
    /// How far memory may grow above what it was before the fault.
    pub growth_max_mib: u64,
    /// Whether the points of a series have to arrive in order.
    pub keeps_order: bool,
    /// Gates that are not the way any more.
    pub old_gates: Vec<Gate>,
    /// Backends of other exporters.
    pub company: Vec<Backend>,
    pub authorities: Vec<Authority>,
    pub name_server: Option<NameServer>,
    /// What did not go as it should, besides the accounts.
    pub complaints: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    rng: StdRng,
    backend: Rear,
    collector: Option<Collector>,
    doors: watch::Sender<Doors>,
    pub(super) sending: Vec<Sending>,
    pub(super) past: Past,
}

#[derive(Debug)]
enum Rear {
    Grpc(Backend),
    Http(HttpBackend),
}

/// What is known of the collectors that have ended.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) lives: u64,
    pub(super) books: Books,
    pub(super) peak_kib: u64,
    pub(super) log: String,
    pub(super) descriptors: usize,
}

impl Scene {
    /// Starts all but the collector and the load.
    pub(super) async fn new(fault: &Fault, scale: Scale, seed: u64) -> Self {
        let mut setup = (fault.setup)();
        let account = Arc::new(Account::default());
        let (backend, address) = match setup.kind {
            Kind::Grpc => {
                let backend = Backend::start_with("127.0.0.1:0", Behaviour::Accept, account.clone()).await;
                let address = backend.address.clone();
                (Rear::Grpc(backend), address)
            }
            Kind::Http | Kind::RemoteWrite => {
                let backend = if setup.kind == Kind::Http {
                    HttpBackend::otlp(account.clone()).await
                } else {
                    HttpBackend::remote_write(account.clone()).await
                };
                let address = backend.address.clone();
                (Rear::Http(backend), address)
            }
        };
        let gate = Gate::open(&address).await;
        setup.address.clone_from(&gate.address);
        Self {
            scale,
            setup,
            gate,
            account,
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
            breaks: 0,
            destroyed: 0,
            growth_max_mib: 32,
            keeps_order: true,
            old_gates: Vec::new(),
            company: Vec::new(),
            authorities: Vec::new(),
            name_server: None,
            complaints: Vec::new(),
            notes: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
            backend,
            collector: None,
            doors: watch::channel(Doors::default()).0,
            sending: Vec::new(),
            past: Past::default(),
        }
    }

    /// The address of the backend itself, behind the gate.
    pub fn backend_address(&self) -> &str {
        match &self.backend {
            Rear::Grpc(backend) => &backend.address,
            Rear::Http(backend) => &backend.address,
        }
    }

    /// Tells a gRPC backend what to do.
    pub fn behave(&self, behaviour: Behaviour) {
        match &self.backend {
            Rear::Grpc(backend) => backend.behave(behaviour),
            Rear::Http(_) => panic!("the backend does not speak gRPC"),
        }
    }

    /// Tells an HTTP backend what to do.
    pub fn answer(&self, answer: Answer) {
        match &self.backend {
            Rear::Http(backend) => backend.answer(answer),
            Rear::Grpc(_) => panic!("the backend does not speak HTTP"),
        }
    }

    /// Has a gRPC backend do this for as long as [`Self::last`] says, and accept again.
    pub(super) async fn behave_for(
        &mut self,
        behaviour: Behaviour,
        short: f64,
        full: f64,
    ) -> Result<(), Skip> {
        self.behave(behaviour);
        self.last(short, full).await;
        self.behave(Behaviour::Accept);
        Ok(())
    }

    /// Has an HTTP backend answer this for so long, and accept again.
    pub(super) async fn answer_for(&mut self, answer: Answer, short: f64, full: f64) -> Result<(), Skip> {
        self.answer(answer);
        self.last(short, full).await;
        self.answer(Answer::Accept);
        Ok(())
    }

    /// Cuts connections to the backend, and has them refused for so long.
    pub(super) async fn refuse_for(&mut self, short: f64, full: f64) -> Result<(), Skip> {
        self.breaks += 1;
        self.gate.shut().await;
        self.last(short, full).await;
        self.gate.reopen().await;
        Ok(())
    }

    /// How many requests reached the backend.
    pub fn requests(&self) -> u64 {
        match &self.backend {
            Rear::Grpc(backend) => backend.requests(),
            Rear::Http(backend) => backend.requests(),
        }
    }

    /// What came again to an HTTP backend after its answer was lost.
    pub fn repeats(&self) -> Repeats {
        match &self.backend {
            Rear::Http(backend) => backend.repeats(),
            Rear::Grpc(_) => panic!("the backend does not speak HTTP"),
        }
    }

    /// How often senders were told to come later.
    pub fn pushed_back(&self) -> u64 {
        self.sending.iter().map(Sending::pushed_back).sum()
    }

    /// How many points were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.sending.iter().map(Sending::acknowledged).sum()
    }

    /// How many points every sender has got rid of.
    pub fn acknowledged_by_each(&self) -> u64 {
        self.sending.iter().map(Sending::acknowledged).min().unwrap_or(0)
    }

    /// Where the queue is on disk.
    pub fn queue_folder(&self) -> PathBuf {
        self.setup.storage_folder.clone().unwrap_or_else(|| self.folder.path().join("queue"))
    }

    fn config(&self) -> String {
        self.setup.config(&self.queue_folder().to_string_lossy())
    }

    /// Starts a collector as it is set up now; does not wait.
    pub fn spawn(&self) -> Collector {
        let variables: Vec<_> =
            self.setup.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Collector::spawn_under(&self.setup.wrapper, &self.config(), &[], &variables)
    }

    /// Starts the collector, and leads the load to it.
    pub async fn start(&mut self) {
        let collector = self.spawn();
        collector.wait_for_log("INFO ready").await;
        let doors = Doors { grpc: collector.address("gRPC on "), http: collector.address("HTTP on http://") };
        self.past.descriptors = self.past.descriptors.max(collector.descriptors());
        self.collector = Some(collector);
        self.doors.send_replace(doors);
    }

    /// Starts the load: two senders over gRPC and one over HTTP.
    pub(super) fn send(&mut self) {
        let senders = [("a", Door::Grpc), ("b", Door::Grpc), ("c", Door::Http)];
        for (source, door) in senders {
            let steady = Steady {
                source: source.to_owned(),
                door,
                points_per_request: POINTS_PER_REQUEST,
                interval: Duration::from_millis(20),
            };
            self.sending.push(steady.start(self.doors.subscribe()));
        }
    }

    /// The collector that runs.
    pub fn collector(&self) -> &Collector {
        self.collector.as_ref().expect("a collector runs")
    }

    /// What the collector that runs says of itself.
    pub(super) async fn books(&self) -> Option<Books> {
        Books::read(&self.collector().own_page().await, &self.setup.exporter_id())
    }

    /// Tells the collector to end, and waits until it has.
    pub async fn terminate(&mut self) -> std::process::ExitStatus {
        self.retire().await;
        let mut collector = self.collector.take().expect("a collector runs");
        let status = collector.stop().await;
        self.past.log.push_str(&collector.log());
        status
    }

    /// Kills the collector.
    pub async fn kill(&mut self) {
        self.retire().await;
        let mut collector = self.collector.take().expect("a collector runs");
        collector.signal("KILL").await;
        collector.wait().await;
        self.past.log.push_str(&collector.log());
        self.breaks += 1;
    }

    /// Notes what would be gone with the collector.
    async fn retire(&mut self) {
        if let Some(books) = self.books().await {
            self.past.books.add(&books);
        }
        let (peak, _) = self.collector().memory_kib();
        self.past.peak_kib = self.past.peak_kib.max(peak);
        self.past.lives += 1;
    }

    /// Asks for a reload with the set-up as it is now, and waits until it is done.
    pub async fn reload(&mut self) {
        let config = self.config();
        let done = |log: String| log.matches("reloaded").count();
        let before = done(self.collector().log());
        self.collector().reload(&config).await;
        let collector = self.collector();
        let again = || async { done(collector.log()) > before };
        crate::collector::wait_until("the reload", again, || collector.log()).await;
    }

    /// All logs so far.
    pub fn log(&self) -> String {
        let present = self.collector.as_ref().map(Collector::log).unwrap_or_default();
        format!("{}{present}", self.past.log)
    }

    /// A number drawn by the seed.
    pub fn draw(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.rng.random_range(range)
    }

    /// Waits for a number of milliseconds drawn by the seed.
    pub async fn pause(&mut self, millis: RangeInclusive<u64>) {
        let millis = self.draw(millis);
        sleep(Duration::from_millis(millis)).await;
    }

    /// Waits for so many seconds in a short run, and so many in a full one.
    pub async fn last(&self, short: f64, full: f64) {
        let seconds = if self.scale == Scale::Short { short } else { full };
        sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// As many times in a short run, and as many in a full one.
    pub fn times(&self, short: u64, full: u64) -> u64 {
        if self.scale == Scale::Short { short } else { full }
    }

    /// Complains where something is not as it should be.
    pub fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.complaints.push(what.to_owned());
        }
    }

    /// Waits until something holds, and complains where it never does.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while !holds(self) {
            if Instant::now() > deadline {
                self.complaints.push(format!("waited in vain for {what}"));
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
