//! Pushes the collector's own metrics over OTLP, and says when that fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{MetricExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use pipeline::Quiet;
use pipeline::component::BoxError;
use pipeline::errors::printable;
use tonic::transport::ClientTlsConfig;
use tracing::{info, warn};

use crate::service::PeriodicConfig;

/// The least time between two lines about failures.
const PAUSE: Duration = Duration::from_mins(1);

/// What comes from outside is cut to this in the log.
const REASON_BYTES_MAX: usize = 1024;

/// The reader that collects and pushes at its interval. Must be made inside the runtime.
pub(super) fn reader(config: &PeriodicConfig) -> Result<PeriodicReader<Logged<MetricExporter>>, BoxError> {
    let otlp = &config.exporter.otlp;
    let endpoint = otlp.url()?;
    let headers = otlp.headers.to_map(&[]).map_err(|_| "the headers cannot be sent")?;
    let mut builder = MetricExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.clone())
        .with_timeout(config.timeout.0)
        .with_metadata(tonic::metadata::MetadataMap::from_headers(headers));
    if endpoint.starts_with("https:") {
        builder = builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots());
    }
    let exporter = Logged::new(builder.build()?, endpoint);
    Ok(PeriodicReader::builder(exporter).with_interval(config.interval.0).build())
}

/// An exporter that logs when pushing fails, and when it works again.
pub(super) struct Logged<E> {
    exporter: E,
    endpoint: String,
    failures: Quiet,
    is_failing: AtomicBool,
}

impl<E> Logged<E> {
    fn new(exporter: E, endpoint: String) -> Self {
        Self { exporter, endpoint, failures: Quiet::new(PAUSE), is_failing: AtomicBool::new(false) }
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Logged<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let result = self.exporter.export(metrics).await;
        let endpoint = &self.endpoint;
        match &result {
            Ok(()) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    info!(endpoint, "the collector's own metrics are pushed again");
                }
            }
            Err(failure) => {
                if let Some(unsaid) = self.failures.speak() {
                    self.is_failing.store(true, Ordering::Relaxed);
                    let reason = printable(&failure.to_string(), REASON_BYTES_MAX);
                    warn!(endpoint, reason, unsaid, "the collector's own metrics could not be pushed");
                }
            }
        }
        result
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
