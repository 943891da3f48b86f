//! The section of the exporter.

use config::ByteSize;
use http::HeaderValue;
use pipeline::delivery::{QueueConfig, RetryConfig};
use pipeline::net::{auth, client_tls};
use pipeline::{Batch, otlp};
use serde::{Deserialize, Serialize};

use crate::otlp::{REQUEST_SIZE_MAX, RESPONSE_SIZE_MAX};
use crate::push::TooLarge;
use crate::push::answer::RetryStatuses;
use crate::push::compression::{Compression, Params};
use crate::push::delta::Delta;
use crate::push::headers::Headers;
use crate::push::preset::{Preset, Way};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    /// A backend whose needs are known: they are the defaults of the other keys.
    pub(super) preset: Option<Preset>,
    /// A base URL, to which `/v1/metrics` is appended; a preset puts its backend's path behind a host alone.
    pub(super) endpoint: String,
    /// The whole URL, used as given instead.
    pub(super) metrics_endpoint: String,
    pub(super) encoding: Encoding,
    pub(super) tls: client_tls::Config,
    pub(super) compression: Compression,
    pub(super) compression_params: Params,
    /// Added to each request.
    pub(super) headers: Headers,
    pub(super) auth: Option<auth::Config>,
    /// For one attempt; zero means none.
    pub(super) timeout: config::Duration,
    pub(super) sending_queue: QueueConfig,
    pub(super) retry_on_failure: RetryConfig,
    /// Before compression; larger batches are split.
    pub(super) max_request_size: ByteSize,
    /// After decompression; larger answers are failures.
    pub(super) max_response_size: ByteSize,
    /// What to do when the other side answers 413.
    pub(super) when_too_large: TooLarge,
    /// After which statuses the same request is sent again.
    pub(super) retry_statuses: RetryStatuses,
    /// What to do with points of delta temporality.
    pub(super) delta: Delta,
    /// Refused: without it requests would go past the proxy.
    pub(super) proxy_url: String,
}

/// How points are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    #[default]
    Proto,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: None,
            endpoint: String::new(),
            metrics_endpoint: String::new(),
            encoding: Encoding::Proto,
            tls: client_tls::Config::default(),
            compression: Compression::Gzip,
            compression_params: Params::default(),
            headers: Headers::default(),
            auth: None,
            timeout: config::Duration::from_secs(30),
            sending_queue: QueueConfig::default(),
            retry_on_failure: RetryConfig::default(),
            max_request_size: REQUEST_SIZE_MAX,
            max_response_size: RESPONSE_SIZE_MAX,
            when_too_large: TooLarge::Drop,
            retry_statuses: RetryStatuses::default(),
            delta: Delta::Send,
            proxy_url: String::new(),
        }
    }
}

impl Config {
    /// The endpoint with the preset's path, where it has none.
    pub(super) fn base(&self) -> String {
        self.preset
            .map_or_else(|| self.endpoint.clone(), |preset| preset.endpoint(&self.endpoint, Way::OtlpHttp))
    }
}

impl Encoding {
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Proto => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }

    pub(super) fn encode(self) -> fn(&Batch, &mut Vec<u8>) {
        match self {
            Self::Proto => otlp::encode,
            Self::Json => otlp::encode_json,
        }
    }
}
