//! Serves pages in JSON that are made of the last values of metrics, by shapes that are data.
//!
//! ```yaml
//! exporters:
//!   json:
//!     endpoint: 127.0.0.1:3000
//!     schema: ainode
//! ```
//!
//! A schema says which pages there are and what stands in them; the [`store`] keeps the last value of each series
//! that one of them names; a page is [rendered](render) when it is asked for.

mod config;
mod endpoint;
mod pages;
mod render;
mod runtime_config;
mod shape;
mod store;
mod tree;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::config::{Problems, Section};
use futures_util::future::BoxFuture;
use pipeline::Batch;
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, Entry, ExportError, Exporter, ExporterEntry, Receipt,
};
use pipeline::net::server::{HttpService, Listen, Served};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::warn;

use config::Config;
use endpoint::Endpoint;
use pages::Pages;
use runtime_config::{RuntimeConfig, Settings};
use store::Store;

pub(crate) const ENTRY: ExporterEntry = Entry {
    name: "json",
    aliases: &[],
    ignored: &[],
    about: "Serves pages in JSON made of the last values of metrics.",
    example: "endpoint: 127.0.0.1:9465\npages:\n- path: /api/requests\n  body: {total: {$metric: requests, round: 0}}\n",
    effective: ::config::effective::<Config>,
    build,
};

/// Points that are taken before others get the store's lock.
const UPDATE_COUNT: usize = 4096;

struct Json {
    context: Context,
    config: Config,
    pages: Arc<Pages>,
    store: Arc<Mutex<Store>>,
    runtime_config: Arc<RuntimeConfig>,
    running: Mutex<Option<Running>>,
    has_warned: AtomicBool,
}

/// What is there between start and stop.
struct Running {
    served: Vec<Served>,
    expiry: Option<JoinHandle<()>>,
}

fn build(section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let (config, pages) = Config::read(section, &context.net)?;
    let exporter = Arc::new(Json::new(config, pages, context.clone()));
    Ok(BuiltExporter { exporter, delivery: Delivery::Direct })
}

impl Json {
    fn new(config: Config, pages: Pages, context: Context) -> Self {
        let store = Arc::new(Mutex::new(Store::new(pages.metrics(), config.max_series)));
        let settings = Settings {
            file: config.runtime_config.file.clone(),
            is_protected: config.api_auth().is_some(),
            section: format!("exporters.{}", context.id),
        };
        let runtime_config = Arc::new(RuntimeConfig::new(settings, context.mappings.clone()));
        Self {
            context,
            config,
            pages: pages.into(),
            store,
            runtime_config,
            running: Mutex::default(),
            has_warned: AtomicBool::new(false),
        }
    }

    /// Who answers at each path, and whether that is GPUStack's API.
    fn services(&self) -> Vec<(String, Arc<dyn HttpService>, bool)> {
        let pages = self.pages.pages.iter().enumerate();
        let services = pages.map(|(at, page)| {
            let endpoint = Endpoint {
                store: self.store.clone(),
                pages: self.pages.clone(),
                page: at,
                clock: self.context.clock.clone(),
            };
            (page.path.clone(), Arc::new(endpoint) as Arc<dyn HttpService>, false)
        });
        let api = self.pages.runtime_config.iter().map(|path| {
            let page = runtime_config::Page::of(path);
            let served = runtime_config::Served { api: self.runtime_config.clone(), page };
            (path.clone(), Arc::new(served) as Arc<dyn HttpService>, true)
        });
        services.chain(api).collect()
    }

    async fn open(&self) -> Result<Vec<String>, BoxError> {
        let scheme = if self.config.tls.is_some() { "https" } else { "http" };
        let (mut served, mut notes) = (Vec::new(), Vec::new());
        if !self.pages.runtime_config.is_empty() {
            self.runtime_config.load().await?;
        }
        for (path, service, is_api) in self.services() {
            let auth = if is_api { self.config.api_auth() } else { self.config.auth.as_ref() };
            let listen = Listen {
                endpoint: self.config.endpoint.clone(),
                path: format!("{}{path}", self.config.prefix),
                tls: self.config.tls.clone(),
                authenticator: auth.map(|auth| auth.authenticator.clone()),
                owner: self.context.id.clone(),
                key: format!("exporters.{}.endpoint", self.context.id),
            };
            let path = listen.path.clone();
            let page = self.context.net.serve(listen, service).await?;
            notes.push(format!("JSON page at {}", page.address.url(scheme, &path)));
            served.push(page);
        }
        let expiration = self.config.metric_expiration;
        let expiry = (!expiration.is_zero()).then(|| tokio::spawn(expire(self.store.clone(), expiration.0)));
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(Running { served, expiry });
        Ok(notes)
    }

    fn take(&self, batch: &Batch) -> Receipt {
        let now = Instant::now();
        let mut rejected = 0;
        for points in batch.as_slice().chunks(UPDATE_COUNT) {
            let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
            let refused = points.iter().filter(|point| store.update(point, now).is_err());
            rejected += refused.count() as u64;
        }
        if rejected > 0 && !self.has_warned.swap(true, Ordering::Relaxed) {
            warn!(exporter = %self.context.id, max_series = self.config.max_series, "series are left out of the pages");
        }
        Receipt { rejected, ..Receipt::default() }
    }
}

/// Forgets, now and then, what was not heard of.
async fn expire(store: Arc<Mutex<Store>>, expiration: Duration) {
    let period = (expiration / 10).clamp(Duration::from_millis(100), Duration::from_secs(30));
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(limit) = Instant::now().checked_sub(expiration) {
            store.lock().unwrap_or_else(PoisonError::into_inner).expire(limit);
        }
    }
}

impl Exporter for Json {
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
                futures_util::future::join_all(served.into_iter().map(Served::stop)).await;
            }
        })
    }
}

#[cfg(test)]
mod tests;
