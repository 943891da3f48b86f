//! The collector's own metrics: SDK instruments, served by pull and pushed by OTLP.

mod push;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use pipeline::Registry;
use pipeline::component::{BoxError, Context};
use pipeline::net::Body;
use pipeline::net::server::{HttpService, Listen, Served};
use pipeline::telemetry::Meter;

use crate::admin::Admin;
use crate::process;
use crate::service::{MetricsConfig, MetricsLevel, PullPrometheusConfig, TelemetryConfig, host_and_port};

/// How many series an instrument may have; those above it are added up in one, `otel_metric_overflow="true"`.
///
/// The SDK makes room for all of them when it makes the instrument, a second time for each further reader: 17 KiB for so
/// many, 135 KiB for the 2000 that it would allow by itself. The most are needed by what the GPU driver does not answer: a
/// series for each of some sixty calls and each error.
const SERIES_MAX: usize = 400;

/// The collector's own metrics while it runs.
pub(crate) struct Telemetry {
    provider: SdkMeterProvider,
    pulls: Vec<(PullPrometheusConfig, prometheus::Registry)>,
    served: Vec<Served>,
}

/// What reloading has come to; read by the instruments.
#[derive(Debug, Default)]
pub(crate) struct ReloadState {
    /// 1 where the last reload succeeded, 0 where it failed.
    pub(crate) successful: AtomicU64,
    /// When the last successful load was, in seconds since 1970.
    pub(crate) time_unix: AtomicU64,
}

impl Telemetry {
    /// Sets the readers up; serves nothing yet. Must be called inside the runtime.
    pub(crate) fn new(config: &TelemetryConfig) -> Result<Self, BoxError> {
        let mut builder = SdkMeterProvider::builder().with_resource(resource(config)).with_view(bounded);
        let mut pulls = Vec::new();
        if config.metrics.level != MetricsLevel::None {
            for pull in pull_readers(&config.metrics) {
                let registry = prometheus::Registry::new();
                builder = builder.with_reader(pull_reader(&pull, &registry)?);
                pulls.push((pull, registry));
            }
            for periodic in config.metrics.readers.iter().filter_map(|reader| reader.periodic.as_ref()) {
                builder = builder.with_reader(push::reader(periodic)?);
            }
        }
        Ok(Self { provider: builder.build(), pulls, served: Vec::new() })
    }

    pub(crate) fn meter(&self) -> Meter {
        self.provider.meter("inferometer").into()
    }

    /// Serves the pull readers; returns what a person should be told.
    pub(crate) async fn serve(&mut self, context: &Context) -> Result<Vec<String>, BoxError> {
        let mut notes = Vec::new();
        for (pull, registry) in &self.pulls {
            let listen = |path: &str| Listen {
                endpoint: format!("{}:{}", pull.host, pull.port),
                path: path.to_owned(),
                owner: String::from("service.telemetry"),
                key: String::from("service.telemetry.metrics.readers"),
                ..Listen::default()
            };
            for (path, service) in Admin::services(&context.mappings) {
                self.served.push(context.net.serve(listen(path), service).await?);
            }
            let page = Arc::new(Page { registry: registry.clone() });
            let served = context.net.serve(listen("/metrics"), page).await?;
            notes.push(format!("own metrics at {}", served.address.url("http", "/metrics")));
            self.served.push(served);
        }
        Ok(notes)
    }

    /// Pushes what is left and closes the endpoints.
    pub(crate) async fn stop(self) {
        for served in self.served {
            served.stop().await;
        }
        let provider = self.provider;
        // The provider blocks while it pushes for the last time.
        let _ =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(Duration::from_secs(2))).await;
    }
}

/// The page of the collector's own metrics.
struct Page {
    registry: prometheus::Registry,
}

impl HttpService for Page {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let response = match *request.method() {
            Method::GET | Method::HEAD => self.render(),
            _ => respond(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n"),
        };
        Box::pin(async move { response })
    }
}

impl Page {
    fn render(&self) -> Response<Body> {
        match prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()) {
            Ok(text) => respond(StatusCode::OK, text),
            Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot render: {error}\n")),
        }
    }
}

fn respond(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(text.into()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// Every instrument is what it is by itself, with a bound on its series.
fn bounded(_: &Instrument) -> Option<Stream> {
    Stream::builder().with_cardinality_limit(SERIES_MAX).build().ok()
}

/// The pull readers of the file, the older `address` form among them.
fn pull_readers(config: &MetricsConfig) -> Vec<PullPrometheusConfig> {
    let address = config.address.as_deref().and_then(host_and_port);
    let Some((host, port)) = address else {
        let pulls = config.readers.iter().filter_map(|reader| reader.pull.as_ref());
        return pulls.map(|pull| pull.exporter.prometheus.clone()).collect();
    };
    vec![PullPrometheusConfig { host: host.to_owned(), port, ..PullPrometheusConfig::default() }]
}

fn pull_reader(
    config: &PullPrometheusConfig,
    registry: &prometheus::Registry,
) -> Result<opentelemetry_prometheus::PrometheusExporter, BoxError> {
    let mut builder = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(!config.without_scope_info);
    if config.without_units {
        builder = builder.without_units();
    }
    if config.without_type_suffix {
        builder = builder.without_counter_suffixes();
    }
    Ok(builder.build()?)
}

fn resource(config: &TelemetryConfig) -> Resource {
    let instance = format!("{:032x}", rand::random::<u128>());
    let mut attributes = std::collections::BTreeMap::from([
        (String::from("service.name"), Some(String::from("inferometer"))),
        (String::from("service.version"), Some(String::from(env!("CARGO_PKG_VERSION")))),
        (String::from("service.instance.id"), Some(instance)),
    ]);
    attributes.extend(config.resource.clone());
    let attributes = attributes.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
    Resource::builder_empty().with_attributes(attributes).build()
}

/// Registers what is read when somebody asks: the process, the live series, the last reload.
pub(crate) fn observe(meter: &Meter, registry: &Arc<Registry>, reload: &Arc<ReloadState>) {
    let start = Instant::now();
    meter
        .f64_observable_counter("otelcol_process_uptime")
        .with_unit("s")
        .with_description("Seconds since the start of the process.")
        .with_callback(move |observer| observer.observe(start.elapsed().as_secs_f64(), &[]))
        .build();
    meter
        .f64_observable_counter("otelcol_process_cpu_seconds")
        .with_unit("s")
        .with_description("CPU time of the process, user and system.")
        .with_callback(|observer| {
            if let Some(seconds) = process::cpu_seconds() {
                observer.observe(seconds, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("otelcol_process_memory_rss")
        .with_unit("By")
        .with_description("Resident memory of the process.")
        .with_callback(|observer| {
            if let Some(bytes) = process::resident_bytes() {
                observer.observe(bytes, &[]);
            }
        })
        .build();
    observe_registry(meter, registry);
    observe_reload(meter, reload);
}

fn observe_registry(meter: &Meter, registry: &Arc<Registry>) {
    let observed = registry.clone();
    meter
        .u64_observable_gauge("inferometer_series_live")
        .with_description("Series that somebody holds.")
        .with_callback(move |observer| observer.observe(observed.live() as u64, &[]))
        .build();
    let observed = registry.clone();
    meter
        .u64_observable_gauge("inferometer_series_live_max")
        .with_description("The bound on live series.")
        .with_callback(move |observer| observer.observe(observed.live_max() as u64, &[]))
        .build();
    let observed = registry.clone();
    meter
        .u64_observable_counter("inferometer_series_refused")
        .with_description("Times a new series was refused because of the bound.")
        .with_callback(move |observer| observer.observe(observed.refused(), &[]))
        .build();
}

fn observe_reload(meter: &Meter, reload: &Arc<ReloadState>) {
    let observed = reload.clone();
    meter
        .u64_observable_gauge("inferometer_config_last_reload_successful")
        .with_description("1 where the last configuration was taken, 0 where it was refused.")
        .with_callback(move |observer| observer.observe(observed.successful.load(Ordering::Relaxed), &[]))
        .build();
    let observed = reload.clone();
    meter
        .u64_observable_gauge("inferometer_config_last_reload_success_timestamp_seconds")
        .with_unit("s")
        .with_description("When a configuration was last taken, in seconds since 1970.")
        .with_callback(move |observer| observer.observe(observed.time_unix.load(Ordering::Relaxed), &[]))
        .build();
}
