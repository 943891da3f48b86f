//! Pushes metrics to Prometheus and what speaks its protocol, with Remote Write 1.0 or 2.0.
//!
//! ```yaml
//! exporters:
//!   prometheus_remote_write:
//!     endpoint: http://prometheus:9090/api/v1/write
//! ```
//!
//! A batch becomes a [`plan`]: which points go out, under which names (those of the pull exporter, kept in the [`memory`]),
//! in which order. It is written as a [`message`] of either version, compressed and posted. What was sent is remembered
//! only when it was taken, so a batch that is tried again is the same request again.

mod answer;
mod attempts;
mod bodies;
mod classic;
mod config;
mod forms;
mod memory;
mod message;
mod metadata;
mod native;
mod negotiation;
mod plan;
mod rendered;
mod request;
mod said;
mod symbols;
mod targets;
mod v1;
mod v2;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::config::{ByteSize, Problems, Section, Value};
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, Entry, ExportError, Exporter, ExporterEntry, Receipt,
};
use pipeline::net::client;
use pipeline::{Batch, delivery};
use tokio::time::Instant;

use crate::otlp_http::endpoint;
use crate::push::answer::{Answer, RetryStatuses};
use crate::push::post::Post;
use crate::push::preset::{Preset, Way};
#[cfg(any(test, fuzzing))]
pub(crate) use answer::fuzz_verdicts;
use answer::{Terms, Verdict};
use attempts::Attempts;
pub use bodies::RemoteWriteBodies;
#[cfg(any(test, fuzzing))]
pub use bodies::fuzz_bodies;
use config::{Config, Destination, Http};
use memory::Memory;
use metadata::Metadata;
use negotiation::{Format, Negotiation};
use plan::Plan;
use request::{compress, headers};
use said::Said;

pub(crate) const ENTRY: ExporterEntry = Entry {
    name: "prometheus_remote_write",
    aliases: &["prometheusremotewrite"],
    ignored: &[
        ("", &["compression_params", "include_metadata_keys", "export_created_metric"]),
        ("", client::IGNORED),
        ("http", &["compression_params"]),
        ("http", client::IGNORED),
    ],
    about: "Pushes metrics with Prometheus Remote Write.",
    example: "endpoint: http://prometheus:9090/api/v1/write\nexternal_labels: {cluster: lab}\n",
    effective,
    build,
};

/// An answer longer than this is not read; its status says enough.
const RESPONSE_SIZE_MAX: ByteSize = ByteSize::mib(1);

/// An attempt waits no longer than this for what is sent beside its points.
const BESIDE_MAX: Duration = Duration::from_secs(5);

/// Says how often the same request was sent before.
static RETRY_ATTEMPT: HeaderName = HeaderName::from_static("retry-attempt");

/// What a request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    samples: u64,
    histograms: u64,
    exemplars: u64,
}

/// What became of an attempt in one format.
enum Attempt {
    Taken(Receipt),
    /// The other side does not know the format.
    UnknownFormat {
        reason: String,
    },
}

struct RemoteWrite {
    id: String,
    post: Arc<Post>,
    memory: Arc<Memory>,
    negotiation: Negotiation,
    attempts: Attempts,
    metadata: Option<Metadata>,
    body_size_max: ByteSize,
    terms: Terms,
    /// Of an attempt; zero is none.
    timeout: Duration,
    parallelism: usize,
    points_per_request: usize,
    /// What a point took lately, in bytes of a message, rounded up.
    point_size: AtomicUsize,
    said: Said,
}

fn effective(section: &Section) -> Result<Value, Problems> {
    let section = Preset::under(section, Way::RemoteWrite)?;
    let value = delivery::complete(::config::effective::<Config>(&section)?);
    let preset = section.read::<Config>()?.preset;
    Ok(Preset::complete(preset, value, Way::RemoteWrite))
}

fn build(section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let section = Preset::under(section, Way::RemoteWrite)?;
    section.build(|config| made(&config, &section, context))
}

fn made(config: &Config, section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let (exporter, delivery) = made_of(config, section, context)?;
    Ok(BuiltExporter { exporter: Arc::new(exporter), delivery: Delivery::Queued(delivery) })
}

fn made_of(
    config: &Config,
    section: &Section,
    context: &Context,
) -> Result<(RemoteWrite, delivery::Config), Problems> {
    let mut problems = config.problems(section);
    let (http, place) = config.connection();
    let destination = http.build(place, section, context).map_err(|found| problems.extend(found));
    if let (Some(preset), Ok(Destination { headers, authenticator, .. })) = (config.preset, &destination)
        && let Some(message) =
            preset.unauthorized(authenticator.is_some() || headers.contains_key(AUTHORIZATION))
    {
        problems.push(section.problem("auth", message));
    }
    let Some(destination) = destination.ok().filter(|_| problems.is_empty()) else {
        return Err(Problems(problems));
    };
    let delivery = delivery::Config {
        sending_queue: config.queue(),
        retry_on_failure: config.retry(),
        timeout: http.timeout,
    };
    Ok((RemoteWrite::new(config, http, destination, context), delivery))
}

impl RemoteWrite {
    fn new(config: &Config, http: Http, destination: Destination, context: &Context) -> Self {
        let external = config.external_labels.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self {
            id: context.id.clone(),
            post: Arc::new(Post {
                url: destination.url,
                headers: destination.headers,
                tls: http.tls,
                authenticator: destination.authenticator,
                response_size_max: RESPONSE_SIZE_MAX,
                clock: context.clock.clone(),
                client: OnceLock::new(),
            }),
            memory: Arc::new(Memory::new(
                config.rules(),
                external.collect(),
                config.forms(),
                context.clock.clone(),
            )),
            negotiation: Negotiation::new(&context.id, config.format()),
            attempts: Attempts::default(),
            metadata: config.send_metadata.then(Metadata::default),
            body_size_max: config.max_batch_size_bytes,
            terms: Terms {
                too_large: config.when_too_large,
                retried: config.retry_statuses.clone().unwrap_or_else(RetryStatuses::of_remote_write),
                stores_the_rest: config.preset.is_some_and(Preset::stores_the_rest),
            },
            timeout: http.timeout.0,
            parallelism: config.parallelism(),
            points_per_request: config.max_samples_per_send,
            point_size: AtomicUsize::new(0),
            said: Said::new(&context.id),
        }
    }

    async fn send(&self, batch: &Batch) -> Result<Receipt, ExportError> {
        let (format, began) = (self.negotiation.format(), Instant::now());
        match self.attempt(batch, format, began).await? {
            Attempt::Taken(receipt) => Ok(receipt),
            Attempt::UnknownFormat { reason } => {
                self.negotiation.fall_back(&reason);
                match self.attempt(batch, Format::V1, began).await? {
                    Attempt::Taken(receipt) => Ok(receipt),
                    Attempt::UnknownFormat { reason } => Err(ExportError::Drop { reason }),
                }
            }
        }
    }

    async fn attempt(&self, batch: &Batch, format: Format, began: Instant) -> Result<Attempt, ExportError> {
        let plan = Plan::new(&self.memory, batch, format);
        if plan.is_empty() {
            self.said.left_out(&plan);
            return Ok(Attempt::Taken(plan.mark_sent()));
        }
        let (body, counts) = match self.write(&plan, batch) {
            Ok(written) => written,
            Err(error) => {
                // Its halves come next, and nothing else in that need wait.
                tokio::task::yield_now().await;
                return Err(error);
            }
        };
        if let (Format::V1, Some(metadata)) = (format, &self.metadata) {
            let told = metadata.tell(&self.id, &self.post, &self.memory);
            if let Some(told) = told {
                let _ = tokio::time::timeout(self.spare(began), told).await;
            }
        }
        match self.post_once(body, (format, counts)).await? {
            Verdict::Failed(error) => {
                if matches!(error, ExportError::Bad { .. }) {
                    self.tell_targets(plan, batch, self.spare(began)).await;
                }
                Err(error)
            }
            Verdict::UnknownFormat { reason } => Ok(Attempt::UnknownFormat { reason }),
            Verdict::Taken => {
                self.said.left_out(&plan);
                self.confirm(format);
                Ok(Attempt::Taken(plan.mark_sent()))
            }
            Verdict::PartlyTaken { refused, reason } => {
                self.said.left_out(&plan);
                self.said.refused(refused, &reason);
                // What is refused is told in samples; a point is not refused more than once.
                let rejected = refused.min(plan.entries.len() as u64);
                self.confirm(format);
                Ok(Attempt::Taken(Receipt { rejected, ..plan.mark_sent() }))
            }
        }
    }

    /// Sends what a bad request says of resources in a request of its own: the parts in which its bad points are
    /// looked for go without it, so that none of them is bad because of that.
    ///
    /// The verdict on the points is known by then, and must not be lost for want of another answer.
    async fn tell_targets(&self, mut plan: Plan, batch: &Batch, wait: Duration) {
        plan.leave_points();
        if plan.targets.told.is_empty() {
            return;
        }
        let Ok((body, counts)) = self.write(&plan, batch) else { return };
        let posted = tokio::time::timeout(wait, self.post_once(body, (plan.format, counts))).await;
        match posted {
            // The parts would wait in vain as well.
            Err(_) => plan.targets.put_off(),
            // The next request has it again.
            Ok(Err(_) | Ok(Verdict::UnknownFormat { .. })) => {}
            Ok(Ok(Verdict::Failed(ExportError::Retry { .. } | ExportError::Denied { .. }))) => {}
            // Where it is what was bad it is not told for a while, as if it had been taken.
            Ok(Ok(_)) => _ = plan.mark_sent(),
        }
    }

    /// How long an attempt may wait for something else, and still end in its time.
    fn spare(&self, began: Instant) -> Duration {
        if self.timeout.is_zero() {
            return BESIDE_MAX;
        }
        BESIDE_MAX.min(self.timeout.saturating_sub(began.elapsed()) / 2)
    }

    async fn post_once(
        &self,
        body: Vec<u8>,
        (format, counts): (Format, Counts),
    ) -> Result<Verdict, ExportError> {
        let body = compress(body).await?;
        let (request, attempts) = self.attempts.begin(&body);
        let mut headers = headers(format);
        if attempts > 0 {
            headers.insert(RETRY_ATTEMPT.clone(), HeaderValue::from(attempts));
        }
        let response = self.post.send(body, headers).await?;
        let (head, text) = self.post.explanation(response).await;
        let text = text.unwrap_or_default();
        let answer = Answer { status: head.status, headers: &head.headers, body: &text };
        let verdict = answer::judge(&answer, (format, counts), &self.terms, self.post.now());
        if !matches!(verdict, Verdict::Failed(ExportError::Retry { .. } | ExportError::Denied { .. })) {
            self.attempts.settle(request);
        }
        Ok(verdict)
    }

    /// Notes that the other side knows the format.
    fn confirm(&self, format: Format) {
        if format == Format::V2 {
            self.negotiation.confirm();
        }
    }
}

impl Exporter for RemoteWrite {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(async {
            self.post.start()?;
            Ok(vec![format!("Remote Write to {}", endpoint::shown(&self.post.url))])
        })
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        Box::pin(self.send(batch))
    }

    /// As many as keep requests below the wanted number of points, and below half the largest size.
    fn parts(&self, points: usize) -> usize {
        let size = self.point_size.load(Ordering::Relaxed).max(1);
        let fitting = usize::try_from(self.body_size_max.0 / 2).unwrap_or(usize::MAX) / size;
        points.div_ceil(self.points_per_request.min(fitting.max(1))).clamp(1, self.parallelism)
    }

    /// Series that have one name and the same labels there are one.
    fn streams(&self, batch: &Batch) -> Option<Vec<usize>> {
        let format = self.negotiation.format();
        let mut state = self.memory.lock();
        Some(batch.iter().map(|point| self.memory.stream(&mut state, point, format)).collect())
    }

    /// Job and instance are all that is told of a resource, but for labels that a person makes of its attributes.
    fn merges_services(&self) -> bool {
        true
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(metadata) = &self.metadata {
                metadata.stop();
            }
        })
    }
}

impl std::fmt::Debug for RemoteWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteWrite").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
