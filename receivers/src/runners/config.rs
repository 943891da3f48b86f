//! The receiver's section: where to look, how often, and what is needed to be let in.

mod excluded;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use config::{Duration, Problem, Section};
use serde::{Deserialize, Serialize};

use super::sockets;
use crate::prometheus::config::{
    Authorization, Header, Protocol, Scheme, ScrapeConfig, StaticConfig, TlsConfig, http_problems,
};
use crate::prometheus::target::check_address;
pub(crate) use excluded::Excluded;

/// The section of the `runners` receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Ports looked at on every host, the likeliest first.
    pub ports: Vec<u16>,
    pub hosts: Vec<String>,
    /// Patterns of Unix sockets: `/run/model-runner/inference-runner-*.sock`.
    pub sockets: Vec<String>,
    /// What is never asked.
    pub exclude: Vec<Excluded>,
    /// Addresses looked at besides, and what they need.
    pub addresses: Vec<AddressConfig>,
    /// How often to look for runners.
    pub interval: Duration,
    pub scrape_interval: Duration,
    pub scrape_timeout: Duration,
    /// A runner that is gone is down (`up` is 0) for so long, and then forgotten.
    pub forget_after: Duration,
}

/// An address that needs something to be asked.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AddressConfig {
    /// `host:port`, or `unix:///path`.
    pub address: String,
    pub scheme: Scheme,
    pub authorization: Option<Authorization>,
    pub headers: BTreeMap<String, Header>,
    pub tls: TlsConfig,
}

/// An address to look at, with what it needs and how it is scraped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    settings: AddressConfig,
    scrape_interval: Duration,
    scrape_timeout: Duration,
}

/// The ports that runners have unless told otherwise: vLLM and most, SGLang, llama.cpp, TGI and TEI, Triton's
/// metrics, LMDeploy, LiteLLM, Dynamo's workers, the metrics of TEI over gRPC, Ollama, Infinity, MindIE.
const PORTS: [u16; 14] =
    [8000, 30000, 8080, 3000, 8002, 23333, 4000, 8081, 9000, 11434, 7997, 1025, 1026, 1027];
/// Addresses that are looked at.
const PLACES_MAX: usize = 1024;

impl Default for Config {
    fn default() -> Self {
        Self {
            ports: PORTS.to_vec(),
            hosts: vec!["127.0.0.1".to_owned()],
            sockets: Vec::new(),
            exclude: Vec::new(),
            addresses: Vec::new(),
            interval: Duration::from_secs(30),
            scrape_interval: Duration::from_secs(15),
            scrape_timeout: Duration::from_secs(10),
            forget_after: Duration::from_secs(300),
        }
    }
}

impl Config {
    /// Where to look now: sockets come and go. `own` is where this process listens.
    pub(crate) fn places(&self, own: &[SocketAddr]) -> Vec<Place> {
        let of_ports = self.ports.iter().flat_map(|port| self.hosts.iter().map(|host| join(host, *port)));
        let of_sockets = self.sockets.iter().flat_map(|pattern| sockets::matching(pattern));
        let of_sockets = of_sockets.map(|path| format!("unix://{}", path.display()));
        let plain =
            of_ports.chain(of_sockets).map(|address| AddressConfig { address, ..AddressConfig::default() });
        let mut seen = HashSet::new();
        let settings = self.addresses.iter().cloned().chain(plain);
        settings
            .filter(|settings| seen.insert(settings.address.clone()))
            .filter(|settings| !self.is_excluded(&settings.address) && !is_own(&settings.address, own))
            .take(PLACES_MAX)
            .map(|settings| self.place(settings))
            .collect()
    }

    fn place(&self, settings: AddressConfig) -> Place {
        let (scrape_interval, scrape_timeout) = (self.scrape_interval, self.scrape_timeout);
        Place { settings, scrape_interval, scrape_timeout }
    }

    fn is_excluded(&self, address: &str) -> bool {
        self.exclude.iter().any(|excluded| excluded.is(address))
    }

    /// Everything that is wrong, with its path.
    pub(crate) fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key: &str, message: String| problems.push(section.problem(key, message));
        for (key, duration) in [
            ("interval", self.interval),
            ("scrape_interval", self.scrape_interval),
            ("scrape_timeout", self.scrape_timeout),
        ] {
            if duration.is_zero() {
                report(key, "expected more than zero".to_owned());
            }
        }
        if self.scrape_timeout > self.scrape_interval {
            let interval = self.scrape_interval;
            let message =
                format!("expected at most `scrape_interval`, `{interval}`, got `{}`", self.scrape_timeout);
            report("scrape_timeout", message);
        }
        if self.ports.contains(&0) {
            report("ports", "expected ports from 1 to 65535, got `0`".to_owned());
        }
        for (index, host) in self.hosts.iter().enumerate() {
            let is_name = !host.contains(':') && check_address(&join(host, 1)).is_ok();
            if !is_name && host.parse::<Ipv6Addr>().is_err() {
                report(&format!("hosts[{index}]"), format!("expected a host without port, got `{host}`"));
            }
        }
        for (index, pattern) in self.sockets.iter().enumerate() {
            if let Err(message) = sockets::check(pattern) {
                report(&format!("sockets[{index}]"), message);
            }
        }
        for (index, settings) in self.addresses.iter().enumerate() {
            if let Err(message) = check_address(&settings.address) {
                report(&format!("addresses[{index}].address"), message);
            }
        }
        for (index, settings) in self.addresses.iter().enumerate() {
            let found =
                http_problems(section, &format!("addresses[{index}]"), &self.place(settings.clone()).job());
            problems.extend(found.into_iter().map(|mut problem| {
                // What a job of the `prometheus` receiver calls otherwise.
                problem.path =
                    problem.path.replace(".http_headers", ".headers").replace(".tls_config", ".tls");
                problem
            }));
        }
        problems
    }
}

impl Place {
    pub(crate) fn address(&self) -> &str {
        &self.settings.address
    }

    pub(crate) fn scheme(&self) -> &'static str {
        self.settings.scheme.name()
    }

    pub(crate) fn unix_socket(&self) -> Option<PathBuf> {
        self.settings.address.strip_prefix("unix://").map(PathBuf::from)
    }

    /// How the place is scraped, but for the path.
    pub(crate) fn job(&self) -> ScrapeConfig {
        let settings = self.settings.clone();
        ScrapeConfig {
            scrape_interval: Some(self.scrape_interval),
            scrape_timeout: Some(self.scrape_timeout),
            scheme: settings.scheme,
            static_configs: vec![StaticConfig { targets: vec![settings.address], ..StaticConfig::default() }],
            // The names that are documented; OpenMetrics changes some.
            scrape_protocols: Some(vec![Protocol::PrometheusText004]),
            fallback_scrape_protocol: Some(Protocol::PrometheusText004),
            authorization: settings.authorization,
            http_headers: settings.headers,
            tls_config: settings.tls,
            // The path is where the redirects led when the runner was found.
            follow_redirects: false,
            ..ScrapeConfig::default()
        }
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Whether this process listens there.
fn is_own(address: &str, own: &[SocketAddr]) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip: Option<IpAddr> = host.parse().ok();
    let is_local = host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback());
    own.iter()
        .filter(|own| port.parse() == Ok(own.port()))
        .any(|own| Some(own.ip()) == ip || own.ip().is_unspecified() || (is_local && own.ip().is_loopback()))
}
