//! Asks a running collector.

use std::time::Duration;

use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use pipeline::component::BoxError;
use pipeline::net::client::{ClientConfig, HttpClient};
use pipeline::net::full;
use serde::de::DeserializeOwned;

use crate::cli::Instance;

/// An answer may be this large.
const ANSWER_SIZE_MAX: usize = 64 << 20;

/// An answer may take so long.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Asks for a path; the answer's status does not matter, as long as it is of the shape.
pub(super) fn ask<T: DeserializeOwned>(instance: &Instance, path: &str) -> Result<T, BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = async { tokio::time::timeout(TIME_MAX, fetch(&instance.endpoint, path)).await };
    let (status, body) = runtime.block_on(answer).map_err(|_| format!("no answer within {TIME_MAX:?}"))??;
    serde_json::from_slice(&body).map_err(|_| {
        format!("{status} for `{path}`: it is not an inferometer that tells of its mappings").into()
    })
}

async fn fetch(endpoint: &str, path: &str) -> Result<(StatusCode, Vec<u8>), BoxError> {
    let client = HttpClient::new(&ClientConfig::default())?;
    let url = format!("{}{path}", endpoint.trim_end_matches('/'));
    let is_url = |url: &Uri| url.scheme().is_some() && url.host().is_some();
    let Some(url) = url.parse().ok().filter(is_url) else {
        return Err(format!("expected a URL such as `http://127.0.0.1:8888`, got `{endpoint}`").into());
    };
    let request = Request::get(url).body(full(Vec::new()))?;
    let response = client.send(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_SIZE_MAX).collect().await?;
    Ok((status, body.to_bytes().to_vec()))
}
