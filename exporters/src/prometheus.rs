//! Serves the last value of every series to whoever scrapes it.
//!
//! ```yaml
//! exporters:
//!   prometheus:
//!     endpoint: 127.0.0.1:9464
//! ```
//!
//! A point updates the [`store`]; the name and labels of its series were rendered when it was first seen.
//! A scrape writes a [`page`] from that, a piece at a time.

pub(crate) mod config;
mod endpoint;
pub(crate) mod escaping;
pub(crate) mod exemplar;
pub(crate) mod exponential;
pub(crate) mod identity;
pub(crate) mod labels;
pub(crate) mod naming;
mod negotiation;
pub(crate) mod number;
mod once;
mod page;
pub(crate) mod selection;
mod store;
pub(crate) mod stored;
mod targets;
mod telemetry;
mod view;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::config::{Problems, Section};
use futures_util::future::BoxFuture;
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, Entry, ExportError, Exporter, ExporterEntry, Receipt,
};
use pipeline::net::server::{self, Listen, Served};
use pipeline::{Batch, Point};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use config::Config;
use endpoint::Endpoint;
pub use once::page as prometheus_page;
use page::Options;
use store::{Limits, Now, Received, Shared, Store};
use telemetry::Telemetry;

pub(crate) const ENTRY: ExporterEntry = Entry {
    name: "prometheus",
    aliases: &[],
    ignored: &[("", server::IGNORED), ("", server::IGNORED_WHERE_READ)],
    about: "Serves the last values for Prometheus to scrape.",
    example: "endpoint: 127.0.0.1:9464\nnamespace: node\nconst_labels: {site: lab}\n",
    effective: ::config::effective::<Config>,
    build,
};

/// Points that are taken before others get the store's lock.
const UPDATE_COUNT: usize = 4096;

/// Series that are looked at before others get the store's lock.
const EXPIRE_COUNT: usize = 4096;

struct Prometheus {
    context: Context,
    config: Config,
    store: Shared,
    telemetry: Telemetry,
    started: Instant,
    running: Mutex<Option<Running>>,
}

/// What is there between start and stop.
struct Running {
    served: Served,
    expiry: Option<JoinHandle<()>>,
}

fn build(section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let config = Config::read(section, &context.net)?;
    let exporter = Arc::new(Prometheus::new(config, context.clone()));
    Ok(BuiltExporter { exporter, delivery: Delivery::Direct })
}

impl Prometheus {
    fn new(config: Config, context: Context) -> Self {
        let limits = Limits { series_max: config.max_series, keeps_exemplars: config.enable_open_metrics };
        let store = Arc::new(Mutex::new(Store::new(config.rules(), limits)));
        let telemetry = Telemetry::new(&context.meter, &context.id);
        Self { context, config, store, telemetry, started: Instant::now(), running: Mutex::new(None) }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint {
            store: self.store.clone(),
            options: Options {
                has_timestamps: self.config.send_timestamps,
                has_created: self.config.created_timestamps,
            },
            empty_page: self.config.empty_page.as_str().into(),
            is_open_metrics_enabled: self.config.enable_open_metrics,
            telemetry: self.telemetry.clone(),
            under_way: Arc::new(AtomicUsize::new(0)),
        }
    }

    async fn open(&self) -> Result<Vec<String>, BoxError> {
        let listen = Listen {
            endpoint: self.config.endpoint.clone(),
            path: self.config.path.clone(),
            tls: self.config.tls.clone(),
            authenticator: self.config.auth.as_ref().map(|auth| auth.authenticator.clone()),
            owner: self.context.id.clone(),
            key: format!("exporters.{}.endpoint", self.context.id),
        };
        let served = self.context.net.serve(listen, Arc::new(self.endpoint())).await?;
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        let note = format!("pull endpoint at {}", served.address.url(scheme, &self.config.path));
        let expiration = self.config.metric_expiration;
        let expiry = (!expiration.is_zero())
            .then(|| tokio::spawn(expire(self.store.clone(), self.started, expiration.0)));
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { served, expiry });
        Ok(vec![note])
    }

    fn take(&self, batch: &Batch) -> Receipt {
        let now = Now { received: tenths(self.started.elapsed()), unix_nano: self.context.clock.unix_nano() };
        let mut rejected = 0;
        let mut points = batch.iter();
        loop {
            let some = points.by_ref().take(UPDATE_COUNT);
            let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
            rejected += update(&mut store, some, now);
            if points.as_slice().is_empty() {
                let series = store.len();
                self.telemetry.report(series, &mut store.drops);
                return Receipt { rejected, ..Receipt::default() };
            }
        }
    }
}

/// Takes points; gives how many are not on the page.
fn update<'a>(store: &mut Store, points: impl Iterator<Item = &'a Point>, now: Now) -> u64 {
    let before = store.drops.total();
    points.for_each(|point| store.update(point, now));
    store.drops.total() - before
}

fn tenths(duration: Duration) -> Received {
    Received::try_from(duration.as_millis() / 100).unwrap_or(Received::MAX)
}

/// Removes, now and then, what was not heard of; also when nobody scrapes.
async fn expire(store: Shared, started: Instant, expiration: Duration) {
    let period = (expiration / 10).clamp(Duration::from_millis(100), Duration::from_secs(30));
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(age) = started.elapsed().checked_sub(expiration) else { continue };
        let mut next = Some(0);
        while let Some(from) = next {
            next = {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                store.expire(from, EXPIRE_COUNT, tenths(age))
            };
            tokio::task::yield_now().await;
        }
    }
}

impl Exporter for Prometheus {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(self.open())
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        Box::pin(std::future::ready(Ok(self.take(batch))))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            if let Some(Running { served, expiry }) = running {
                if let Some(expiry) = expiry {
                    expiry.abort();
                }
                served.stop().await;
            }
        })
    }
}

#[cfg(test)]
pub(crate) mod strict;
#[cfg(test)]
mod tests;
