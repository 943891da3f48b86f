//! Scrapes what serves the Prometheus text format or OpenMetrics.
//!
//! ```yaml
//! receivers:
//!   prometheus:
//!     config:
//!       scrape_configs:
//!         - job_name: vllm
//!           scrape_interval: 15s
//!           static_configs:
//!             - targets: [localhost:8000]
//! ```
//!
//! Each target is asked by a task of its own. A body goes through [`reader`] into a batch; `text` is the
//! parser, `check` the strict rules, `target` and `identity` say who a target is.

mod check;
pub(crate) mod config;
pub(crate) mod family;
mod fetch;
mod group;
pub(crate) mod identity;
mod once;
mod place;
pub(crate) mod points;
mod reader;
mod report;
pub(crate) mod scrape;
pub(crate) mod target;
pub(crate) mod text;

use std::path::PathBuf;
use std::sync::Arc;

use ::config::{Problems, Section};
use futures_util::future::BoxFuture;
use pipeline::component::{BoxError, Context, Receiver, ReceiverEntry, Running};
use pipeline::net::client::HttpClient;
use pipeline::relabel::Rules;
use pipeline::scraper::{self, Schedule};
use pipeline::succession::Term;
use pipeline::telemetry::{ReceiverMetrics, ScraperMetrics};
use pipeline::{Clock, Output, Registry};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::error;

pub use check::{Summary, validate};
pub use config::Config;
pub use once::{Recorded, read_once};
pub use text::{Format, ParseError, Reason};

use config::{Global, HttpConfig, ScrapeConfig};
use fetch::Fetcher;
use identity::{Identity, LabelLimits, Resolver};
use reader::{Options, Reader};
use report::Extra;
use scrape::{Metrics, TargetScraper};
use target::{Target, targets};

/// The receiver's place in the list.
pub const ENTRY: ReceiverEntry = ReceiverEntry {
    name: "prometheus",
    aliases: &[],
    ignored: &[],
    about: "Scrapes Prometheus text format and OpenMetrics over HTTP.",
    example: EXAMPLE,
    effective: ::config::effective::<Config>,
    build,
};

const EXAMPLE: &str = r"
config:
  global:
    scrape_interval: 15s
  scrape_configs:
    - job_name: vllm
      static_configs:
        - targets: ['localhost:8000']
          labels: {model: llama}
      metric_relabel_configs:
        - source_labels: [__name__]
          regex: 'python_gc_.*'
          action: drop
";

struct Prometheus {
    config: Config,
    context: Context,
    term: Term,
}

fn build(section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    section.build(|config| made(config, section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    let problems = config::problems(&config, section);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Box::new(Prometheus { config, context: context.clone(), term: Term::default() }))
}

/// What the targets of one job share.
pub(crate) struct Job<'a> {
    config: &'a ScrapeConfig,
    global: &'a Global,
    http: HttpConfig,
    client: HttpClient,
    rules: Arc<Rules>,
    metric_rules: Arc<Rules>,
    options: Options,
    has_extra: bool,
}

impl Receiver for Prometheus {
    fn begin(&mut self, term: Term) {
        self.term = term;
    }

    fn start(
        self: Box<Self>,
        output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>> {
        Box::pin(async move {
            let mut scrapers = Vec::new();
            for job in &self.config.config.scrape_configs {
                scrapers.extend(self.scrapers(job)?);
            }
            let notes = vec![match scrapers.len() {
                1 => String::from("1 target"),
                targets => format!("{targets} targets"),
            }];
            let clock = self.context.clock.clone();
            let work = async move {
                let mut tasks = JoinSet::new();
                for (scraper, schedule) in scrapers {
                    tasks.spawn(run(scraper, schedule, clock.clone(), output.clone(), stop.clone()));
                }
                while let Some(ended) = tasks.join_next().await {
                    if let Err(error) = ended {
                        error!(%error, "a scrape task ended on its own");
                    }
                }
                stop.cancelled().await;
            };
            Ok(Running { notes, work: Box::pin(work) })
        })
    }
}

/// Scrapes a target until told to stop, and then says what has ended with it.
async fn run(
    mut scraper: TargetScraper,
    schedule: Schedule,
    clock: Clock,
    output: Output,
    stop: CancellationToken,
) {
    scraper::run_until(&mut scraper, schedule, &clock, &output, &stop).await;
    output.offer(scraper.retire(clock.unix_nano())).await;
}

impl Prometheus {
    fn scrapers(&self, config: &ScrapeConfig) -> Result<Vec<(TargetScraper, Schedule)>, BoxError> {
        let job = self.job(config)?;
        let (targets, problems) = job.targets();
        for problem in problems {
            error!(%problem, "a target cannot be scraped");
        }
        let limit = config.target_limit.unwrap_or(job.global.target_limit);
        let refusal = (limit > 0 && targets.len() > limit)
            .then(|| format!("the job has {} targets, more than `target_limit`, {limit}", targets.len()));
        let host = host();
        let now = self.context.clock.unix_nano();
        let (meter, id) = (&self.context.meter, &self.context.id);
        let metrics = Metrics {
            receiver: ReceiverMetrics::new(meter, id, "http"),
            scraper: ScraperMetrics::new(meter, id, ENTRY.name),
        };
        let scrapers = targets.into_iter().map(|target| {
            let schedule = Schedule { interval: target.interval, first: target.first(&host, now) };
            let key = target.identity.key();
            let scraper =
                job.scraper(target, &self.context.registry, metrics.clone())?.succeeding(&self.term, key);
            let scraper = match &refusal {
                Some(reason) => scraper.refused(reason.clone()),
                None => scraper,
            };
            Ok((scraper, schedule))
        });
        scrapers.collect()
    }

    fn job<'a>(&'a self, job: &'a ScrapeConfig) -> Result<Job<'a>, BoxError> {
        let mut made = Job::new(job, &self.config.config.global)?;
        made.options.is_strict = self.config.strict;
        made.has_extra |= self.config.report_extra_scrape_metrics;
        Ok(made)
    }
}

impl<'a> Job<'a> {
    pub(crate) fn new(job: &'a ScrapeConfig, global: &'a Global) -> Result<Self, BoxError> {
        let http = HttpConfig::new(job);
        let client = HttpClient::new(&http.client)?;
        let rules = |rules| {
            let wrong = |_| BoxError::from("relabel rules were checked when the section was read");
            Rules::compile(rules).map(Arc::new).map_err(wrong)
        };
        let sample_limit = job.sample_limit.unwrap_or(global.sample_limit);
        Ok(Self {
            config: job,
            global,
            http,
            client,
            rules: rules(&job.relabel_configs)?,
            metric_rules: rules(&job.metric_relabel_configs)?,
            options: Options {
                is_strict: false,
                honor_timestamps: job.honor_timestamps,
                track_staleness: job.track_timestamps_staleness,
                sums_duplicates: job.duplicates == config::Duplicates::Sum,
                takes_apart: job.repair_buckets,
                sample_limit,
            },
            has_extra: job.extra_scrape_metrics.unwrap_or(global.extra_scrape_metrics),
        })
    }

    /// The targets that the job names, and for each that cannot be scraped the reason.
    pub(crate) fn targets(&self) -> (Vec<Target>, Vec<String>) {
        targets(self.config, self.global, &self.rules)
    }

    pub(crate) fn scraper(
        &self,
        target: Target,
        registry: &Arc<Registry>,
        metrics: Metrics,
    ) -> Result<TargetScraper, BoxError> {
        let client = match &target.unix_socket {
            Some(path) => self.client_to(path.clone())?,
            None => self.client.clone(),
        };
        let fetcher = Fetcher::new(client, &self.http, self.config, self.global);
        let resolver = Resolver::new(
            registry.clone(),
            target.identity.clone(),
            self.metric_rules.clone(),
            self.label_limits(),
        );
        let reader = Reader::new(resolver, self.options);
        let (timeout_seconds, sample_limit) = (target.timeout.as_secs_f64(), self.options.sample_limit);
        let extra = self.has_extra.then_some(Extra { timeout_seconds, sample_limit });
        Ok(TargetScraper::new(target, fetcher, reader, metrics, extra))
    }

    fn client_to(&self, path: PathBuf) -> Result<HttpClient, BoxError> {
        HttpClient::new(&pipeline::net::client::ClientConfig {
            unix_socket: Some(path),
            ..self.http.client.clone()
        })
    }

    fn label_limits(&self) -> LabelLimits {
        let (job, global) = (self.config, self.global);
        LabelLimits {
            count: job.label_limit.unwrap_or(global.label_limit),
            name_length: job.label_name_length_limit.unwrap_or(global.label_name_length_limit),
            value_length: job.label_value_length_limit.unwrap_or(global.label_value_length_limit),
        }
    }
}

/// The machine's name, which spreads the scrapes of several collectors.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The body of the fuzz target: reads bytes as each format, twice, and checks them.
///
/// Nothing may panic, and a body read again gives what it gave the first time.
pub fn fuzz_exposition(bytes: &[u8]) {
    for format in [Format::Text, Format::OpenMetrics] {
        let _ = validate(bytes, format);
        let mut bench = ReaderBench::new();
        let first = bench.read(bytes, format);
        let again = bench.read(bytes, format);
        assert_eq!(first, again);
    }
}

/// A target's reader without the target, for benchmarks and fuzzing.
#[doc(hidden)]
#[derive(Debug)]
pub struct ReaderBench {
    reader: Reader,
}

impl ReaderBench {
    #[expect(clippy::new_without_default, reason = "nothing is a default target")]
    pub fn new() -> Self {
        let options = Options {
            is_strict: false,
            honor_timestamps: true,
            track_staleness: false,
            sums_duplicates: false,
            takes_apart: false,
            sample_limit: 0,
        };
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = vec![label("instance", "localhost:8000"), label("job", "bench")];
        let identity = Identity { labels, ..Identity::default() };
        let registry = Arc::new(Registry::new(2_000_000));
        let resolver = Resolver::new(registry, identity, Arc::default(), LabelLimits::default());
        Self { reader: Reader::new(resolver, options) }
    }

    /// Points read, or `None` where the body cannot be read.
    pub fn read(&mut self, body: &[u8], format: Format) -> Option<usize> {
        const TIME_UNIX_NANO: u64 = 1_800_000_000_000_000_000;
        let reading = self.reader.read(body, format, TIME_UNIX_NANO);
        reading.error.is_none().then(|| reading.batch.len())
    }
}
