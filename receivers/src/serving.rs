//! What the ways in that serve HTTP have in common: keys of the file, headers, when to come back.

mod cors;

use std::collections::BTreeMap;
use std::time::Duration;

use config::Secret;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use pipeline::component::BoxError;
use pipeline::net::body::BUDGET_BYTES_MAX;
use pipeline::net::server::{Served, check_endpoint};
use pipeline::net::{Body, Net, auth, server_tls};
use serde::{Deserialize, Serialize};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use cors::Cors;
pub(crate) use cors::CorsConfig;

/// What a sender is told to wait at least and at most.
pub(crate) const RETRY_DELAY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How often what belongs to series that are gone is forgotten.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// How often it is asked whether memory is short.
const PRESSURE_INTERVAL: Duration = Duration::from_secs(5);

/// Where to listen: the one thing there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    #[default]
    Tcp,
}

/// What every server has: its endpoint, its certificate, whom it asks for credentials.
pub(crate) type Common<'a> = (&'a str, &'a Option<server_tls::Config>, &'a Option<auth::Config>);

/// Says what is wrong with them.
pub(crate) fn common_problems(
    (endpoint, tls, auth): Common<'_>,
    net: &Net,
    add: &mut dyn FnMut(&str, String),
) {
    if let Err(message) = check_endpoint(endpoint) {
        add("endpoint", message);
    }
    for (key, message) in tls.iter().flat_map(server_tls::Config::check) {
        add(&format!("tls.{key}"), message);
    }
    if let Err(message) = auth::Config::find(auth.as_ref(), net) {
        add("auth.authenticator", message);
    }
}

/// One request must leave room for others.
pub(crate) fn check_size(key: &str, bytes: usize, add: &mut dyn FnMut(&str, String)) {
    if bytes > BUDGET_BYTES_MAX / 2 {
        let (most, all) = (BUDGET_BYTES_MAX >> 21, BUDGET_BYTES_MAX >> 20);
        add(key, format!("expected {most} MiB at most, because all requests together may hold {all} MiB"));
    }
}

/// Lets servers run until `stop`, and says meanwhile when to forget: `sweep` what is no longer sent, and
/// `look` whether memory is short.
pub(crate) async fn serve(served: Vec<Served>, stop: CancellationToken, sweep: impl Fn(), look: impl Fn()) {
    let mut sweeps = every(SWEEP_INTERVAL);
    let mut looks = every(PRESSURE_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = sweeps.tick() => sweep(),
            _ = looks.tick() => look(),
        }
    }
    futures_util::future::join_all(served.into_iter().map(Served::stop)).await;
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The headers that every response has, and what browsers are told.
#[derive(Debug)]
pub(crate) struct Extras {
    headers: HeaderMap,
    cors: Option<Cors>,
}

impl Extras {
    pub(crate) fn new(
        response_headers: &BTreeMap<String, Secret>,
        cors: Option<&CorsConfig>,
    ) -> Result<Self, BoxError> {
        let mut headers = HeaderMap::new();
        for (name, value) in response_headers {
            headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value.reveal())?);
        }
        Ok(Self { headers, cors: cors.map(Cors::new) })
    }

    /// Says what is wrong with what they are made of.
    pub(crate) fn problems(
        response_headers: &BTreeMap<String, Secret>,
        cors: Option<&CorsConfig>,
        add: &mut dyn FnMut(&str, String),
    ) {
        for (name, value) in response_headers {
            if HeaderName::try_from(name).is_err() || HeaderValue::try_from(value.reveal()).is_err() {
                add("response_headers", format!("`{name}` or its value is no valid header"));
            }
        }
        if let Some(cors) = cors {
            cors.problems(&mut |key, message| add(&format!("cors.{key}"), message));
        }
    }

    /// The answer to a browser that asks what it may send; `None` where the request is none of these.
    pub(crate) fn preflight(&self, parts: &Parts) -> Option<Response<Body>> {
        let response = self.cors.as_ref()?.preflight(&parts.method, &parts.headers)?;
        Some(self.dress(parts, response))
    }

    /// Adds the headers that every response has.
    pub(crate) fn dress(&self, parts: &Parts, mut response: Response<Body>) -> Response<Body> {
        if let Some(cors) = &self.cors {
            cors.allow(&parts.headers, response.headers_mut());
        }
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }
}
