//! Where a gRPC exporter sends to, in the forms gRPC writes it.

use std::fmt;
use std::path::PathBuf;

use http::Uri;
use http::uri::Scheme;

use crate::push::{CREDENTIALS_IN_URL, has_credentials};

/// A parsed `endpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Scheme, host and port of every request.
    pub(super) origin: Uri,
    /// Where to connect, where the origin names another host.
    pub(super) target: Option<Uri>,
    /// Where to connect instead.
    pub(super) unix_socket: Option<PathBuf>,
}

impl Endpoint {
    /// Reads an endpoint; a scheme of HTTP wins over `insecure`.
    pub(super) fn parse(text: &str, insecure: bool) -> Result<Self, String> {
        if text.is_empty() {
            return Err(String::from("is required: expected a host and port such as `collector:4317`"));
        }
        if has_credentials(text) {
            return Err(CREDENTIALS_IN_URL.to_owned());
        }
        let default_scheme = if insecure { Scheme::HTTP } else { Scheme::HTTPS };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(String::from("expected a path, such as `unix:///run/collector.sock`"));
            }
            let origin = origin(default_scheme, "localhost").ok_or_else(|| expected(text))?;
            return Ok(Self { origin, target: None, unix_socket: Some(PathBuf::from(path)) });
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (default_scheme, text.strip_prefix("dns:").unwrap_or(text)),
            Some(("http", rest)) => (Scheme::HTTP, rest),
            Some(("https", rest)) => (Scheme::HTTPS, rest),
            Some(("dns", rest)) => match rest.strip_prefix('/') {
                Some(rest) => (default_scheme, rest),
                None => {
                    return Err(format!(
                        "expected no name server, such as `dns:///collector:4317`, got `{text}`"
                    ));
                }
            },
            Some((scheme, _)) => {
                return Err(format!(
                    "expected `http://`, `https://`, `dns:///` or `unix://`, got `{scheme}://`"
                ));
            }
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let origin = origin(scheme, rest).ok_or_else(|| expected(text))?;
        match (origin.port_u16(), origin.port()) {
            (Some(1..), _) => Ok(Self { origin, target: None, unix_socket: None }),
            (None, None) if origin.host() == Some(rest) => {
                Err(format!("expected a port, such as `{rest}:4317`"))
            }
            _ => Err(expected(text)),
        }
    }

    /// The same place, with requests that name `authority` as their host; nothing else where that is empty.
    pub(super) fn under(self, authority: &str) -> Result<Self, String> {
        if authority.is_empty() {
            return Ok(self);
        }
        if has_credentials(authority) {
            return Err(CREDENTIALS_IN_URL.to_owned());
        }
        let scheme = self.origin.scheme().cloned().unwrap_or(Scheme::HTTPS);
        let origin = origin(scheme, authority)
            .ok_or_else(|| format!("expected a host such as `collector.example.com`, got `{authority}`"))?;
        Ok(Self { origin, target: Some(self.origin), ..self })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.origin.scheme() == Some(&Scheme::HTTPS)
    }
}

fn origin(scheme: Scheme, authority: &str) -> Option<Uri> {
    let origin = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build().ok()?;
    origin.host().is_some_and(|host| !host.is_empty()).then_some(origin)
}

fn expected(text: &str) -> String {
    format!("expected a host and port without a path, such as `collector:4317`, got `{text}`")
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.unix_socket {
            return write!(f, "unix://{}", path.display());
        }
        let place = self.target.as_ref().unwrap_or(&self.origin);
        f.write_str(place.authority().map_or("", |authority| authority.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, insecure: bool, expected: &str) {
        let shown = match Endpoint::parse(text, insecure) {
            Ok(Endpoint { origin, unix_socket: None, .. }) => origin.to_string(),
            Ok(Endpoint { origin, unix_socket: Some(path), .. }) => format!("{origin} on {}", path.display()),
            Err(message) => message,
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn every_form_is_read_and_the_scheme_wins() {
        check("collector:4317", false, "https://collector:4317/");
        check("collector:4317", true, "http://collector:4317/");
        check("http://collector:4317", false, "http://collector:4317/");
        check("https://collector:4317", true, "https://collector:4317/");
        check("https://collector:4317/", true, "https://collector:4317/");
        check("dns:///collector:4317", true, "http://collector:4317/");
        check("dns:collector:4317", true, "http://collector:4317/");
        check("[::1]:4317", true, "http://[::1]:4317/");
        check("unix:///run/a.sock", true, "http://localhost/ on /run/a.sock");
        check("unix:run/a.sock", false, "https://localhost/ on run/a.sock");
    }

    #[test]
    fn what_is_none_is_refused_with_what_would_do() {
        check("", false, "is required: expected a host and port such as `collector:4317`");
        check("collector", false, "expected a port, such as `collector:4317`");
        check("https://collector", false, "expected a port, such as `collector:4317`");
        check("ftp://a:1", false, "expected `http://`, `https://`, `dns:///` or `unix://`, got `ftp://`");
        check(
            "dns://ns/a:1",
            false,
            "expected no name server, such as `dns:///collector:4317`, got `dns://ns/a:1`",
        );
        check("unix://", false, "expected a path, such as `unix:///run/collector.sock`");
        let other = |text: &str| {
            format!("expected a host and port without a path, such as `collector:4317`, got `{text}`")
        };
        check("a:1/v1/metrics", false, &other("a:1/v1/metrics"));
        check("a:x", false, &other("a:x"));
        check(":4317", false, &other(":4317"));
        check("http://user:hunter2@a:1", false, CREDENTIALS_IN_URL);
    }
}
