//! Targets: from the addresses in the file to what is scraped, and as whom.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use ::http::Uri;
use pipeline::AnyValue;
use pipeline::relabel::{Labels, Rules};

use super::config::{Global, ScrapeConfig};
use super::identity::Identity;

/// What is scraped, how often, and what its series carry.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) url: Uri,
    /// Where connections go instead of the URL's host.
    pub(crate) unix_socket: Option<PathBuf>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) identity: Identity,
}

/// The scheme of an address that is a socket's path.
const UNIX: &str = "unix://";
const ADDRESS: &str = "__address__";
const UNIX_SOCKET: &str = "__unix_socket__";
const PARAM: &str = "__param_";

impl Target {
    /// The URL without credentials and query, for people.
    pub(crate) fn shown_url(&self) -> String {
        let (scheme, host) = (self.url.scheme_str().unwrap_or("http"), self.url.host().unwrap_or_default());
        let port = self.url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        match &self.unix_socket {
            Some(path) => format!("unix://{}:{}", path.display(), self.url.path()),
            None => format!("{scheme}://{host}{port}{}", self.url.path()),
        }
    }

    pub(crate) fn label(&self, name: &str) -> &str {
        let label = self.identity.labels.iter().find(|(own, _)| own == name);
        label.map_or("", |(_, value)| value.as_str())
    }

    /// How long after a multiple of the interval the target is asked: the same after a restart, spread
    /// over targets and over the hosts that ask them.
    pub(crate) fn offset(&self, host: &str) -> Duration {
        let labels = self.identity.labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let url = self.url.to_string();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for text in labels.chain([url.as_str(), host]) {
            // FNV-1a, with an end to each text.
            for byte in text.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        // The low bits of the hash are its worst.
        let interval = self.interval.as_nanos().max(1) as u64;
        Duration::from_nanos((hash ^ (hash >> 32)) % interval)
    }

    /// How long to wait at `now` for the next time.
    pub(crate) fn first(&self, host: &str, now_unix_nano: u64) -> Duration {
        let interval = self.interval.as_nanos().max(1) as u64;
        let offset = self.offset(host).as_nanos() as u64;
        Duration::from_nanos((offset + interval - now_unix_nano % interval) % interval)
    }
}

/// The targets of a job, each once; and for each that cannot be scraped the reason.
pub(crate) fn targets(job: &ScrapeConfig, global: &Global, rules: &Rules) -> (Vec<Target>, Vec<String>) {
    let mut targets = Vec::new();
    let mut problems = Vec::new();
    let mut seen = HashSet::new();
    for group in &job.static_configs {
        for address in &group.targets {
            let mut labels = Labels::new();
            labels.set(ADDRESS, address.as_str());
            for (name, value) in &group.labels {
                labels.set(name.as_str(), value.as_str());
            }
            add_defaults(&mut labels, job, global);
            if !rules.apply(&mut labels) {
                continue;
            }
            match target(labels, job, global) {
                Ok(target) => {
                    if seen.insert((target.url.to_string(), target.identity.labels.clone())) {
                        targets.push(target);
                    }
                }
                Err(reason) => {
                    problems.push(format!("target `{address}` of job `{}`: {reason}", job.job_name));
                }
            }
        }
    }
    (targets, problems)
}

fn add_defaults(labels: &mut Labels, job: &ScrapeConfig, global: &Global) {
    let mut default = |name: &str, value: &str| {
        if !labels.contains(name) {
            labels.set(name, value);
        }
    };
    default("job", &job.job_name);
    default("__scheme__", job.scheme.name());
    default("__metrics_path__", &job.metrics_path);
    default("__scrape_interval__", &job.interval(global).to_string());
    default("__scrape_timeout__", &job.timeout(global).to_string());
    for (name, values) in &job.params {
        if let Some(value) = values.first() {
            default(&format!("{PARAM}{name}"), value);
        }
    }
}

/// Makes a target of its relabelled labels.
fn target(mut labels: Labels, job: &ScrapeConfig, global: &Global) -> Result<Target, String> {
    let address = labels.get(ADDRESS).to_owned();
    check_address(&address)?;
    if !labels.contains("instance") {
        labels.set("instance", address.as_str());
    }
    let socket = address.strip_prefix(UNIX).unwrap_or(labels.get(UNIX_SOCKET)).to_owned();
    let duration = |name: &str| {
        let text = labels.get(name);
        let duration = config::Duration::parse(text).filter(|duration| !duration.is_zero());
        duration.ok_or_else(|| format!("`{name}` is `{text}`, which is no duration"))
    };
    let (interval, timeout) = (duration("__scrape_interval__")?, duration("__scrape_timeout__")?);
    if timeout > interval {
        return Err(format!("its timeout, `{timeout}`, is longer than its interval, `{interval}`"));
    }
    let host = if address.starts_with(UNIX) { "localhost" } else { &address };
    let scheme = labels.get("__scheme__");
    if !matches!(scheme, "http" | "https") {
        return Err(format!("its scheme is `{scheme}`, neither `http` nor `https`"));
    }
    let url = url(scheme, host, &labels, job);
    let url: Uri = url.parse().map_err(|_| "its address, path and parameters make no URL".to_owned())?;
    let mut resource = vec![("url.scheme".to_owned(), AnyValue::from(scheme))];
    match (socket.is_empty(), url.host()) {
        (false, _) => resource.push(("server.address".to_owned(), AnyValue::from(socket.as_str()))),
        (true, Some(host)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            resource.push(("server.address".to_owned(), AnyValue::from(host)));
            let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
            resource.push(("server.port".to_owned(), AnyValue::Int(i64::from(port))));
        }
        (true, None) => return Err("its address has no host".to_owned()),
    }
    let of_target = labels.iter().filter(|(name, _)| !name.starts_with("__"));
    let identity = Identity {
        labels: of_target.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        external: global.external_labels.clone().into_iter().collect(),
        resource,
        honor_labels: job.honor_labels,
    };
    let unix_socket = (!socket.is_empty()).then(|| PathBuf::from(socket));
    Ok(Target { url, unix_socket, interval: interval.0, timeout: timeout.0, identity })
}

fn url(scheme: &str, host: &str, labels: &Labels, job: &ScrapeConfig) -> String {
    let path = labels.get("__metrics_path__");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut url = format!("{scheme}://{host}{slash}{path}");
    let mut separator = if path.contains('?') { '&' } else { '?' };
    let mut push = |name: &str, value: &str| {
        url.push(separator);
        separator = '&';
        encode(&mut url, name);
        url.push('=');
        encode(&mut url, value);
    };
    for (label, value) in labels.iter() {
        let Some(name) = label.strip_prefix(PARAM) else { continue };
        push(name, value);
        for value in job.params.get(name).into_iter().flatten().skip(1) {
            push(name, value);
        }
    }
    url
}

/// Writes text as it may stand in a query.
pub(crate) fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// Says what is wrong with an address, if something is.
pub(crate) fn check_address(address: &str) -> Result<(), String> {
    if let Some(path) = address.strip_prefix(UNIX) {
        let is_path = path.starts_with('/') && path.len() > 1;
        return if is_path { Ok(()) } else { Err(format!("expected `unix:///path`, got `{address}`")) };
    }
    // What stands before an `@` is a password, and is not repeated.
    if let Some((_, host)) = address.rsplit_once('@') {
        return Err(format!(
            "expected `host:port`, got credentials before `@{host}`; write them under `basic_auth`"
        ));
    }
    let expected = || format!("expected `host:port` without scheme and path, got `{address}`");
    if address.is_empty() || address.contains(['/', '?', '#', ' ']) {
        return Err(expected());
    }
    let authority: ::http::uri::Authority = address.parse().map_err(|_| expected())?;
    let has_bad_port = authority.port_u16().is_none() && authority.as_str().len() > authority.host().len();
    if authority.host().is_empty() || has_bad_port { Err(expected()) } else { Ok(()) }
}
