//! Which web pages may send: cross-origin resource sharing.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use pipeline::net::{Body, full};
use serde::{Deserialize, Serialize};

/// Headers that may be sent whatever is configured.
const HEADERS: [&str; 4] = ["accept", "content-type", "origin", "x-requested-with"];

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CorsConfig {
    /// `https://example.com`, `https://*.example.com`, or `*`.
    allowed_origins: Vec<String>,
    /// Beyond the usual ones; `*` for all.
    allowed_headers: Vec<String>,
    exposed_headers: Vec<String>,
    /// Seconds for which a browser may remember the answer; 0 leaves it to the browser.
    max_age: u64,
}

/// What is answered to browsers.
#[derive(Debug)]
pub(crate) struct Cors {
    config: CorsConfig,
}

impl CorsConfig {
    pub(crate) fn problems(&self, add: &mut dyn FnMut(&str, String)) {
        for origin in &self.allowed_origins {
            if origin.matches('*').count() > 1 {
                add("allowed_origins", format!("expected one `*` at most, got `{origin}`"));
            }
        }
        for (key, names) in
            [("allowed_headers", &self.allowed_headers), ("exposed_headers", &self.exposed_headers)]
        {
            for name in
                names.iter().filter(|name| *name != "*" && HeaderName::try_from(name.as_str()).is_err())
            {
                add(key, format!("expected the name of a header, got `{name}`"));
            }
        }
    }
}

impl Cors {
    pub(crate) fn new(config: &CorsConfig) -> Self {
        Self { config: config.clone() }
    }

    /// The answer to a browser that asks what it may send; `None` where the request is none of these.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
        let is_preflight = method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight {
            return None;
        }
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let asked =
            headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok()).unwrap_or("");
        let may = headers.get(ACCESS_CONTROL_REQUEST_METHOD).is_some_and(|method| method == "POST")
            && asked.split(',').map(str::trim).all(|name| name.is_empty() || self.takes_header(name))
            && self.allowed_origin(headers).is_some();
        if may {
            let answer = response.headers_mut();
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            if self.config.max_age > 0 {
                answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.config.max_age));
            }
        }
        Some(response)
    }

    /// Adds what lets the page of an allowed origin see the response.
    pub(crate) fn allow(&self, request: &HeaderMap, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed_origin(request) else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // With any origin allowed, a page of any origin could use the credentials its reader has.
        if !self.config.allowed_origins.iter().any(|origin| origin == "*") {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let exposed = HeaderValue::try_from(self.config.exposed_headers.join(", "));
        if let (false, Ok(exposed)) = (self.config.exposed_headers.is_empty(), exposed) {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    fn allowed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let value = headers.get(ORIGIN)?;
        let origin = value.to_str().ok()?;
        self.config.allowed_origins.iter().any(|pattern| matches(pattern, origin)).then_some(value)
    }

    fn takes_header(&self, name: &str) -> bool {
        let is_listed = |allowed: &String| allowed == "*" || allowed.eq_ignore_ascii_case(name);
        HEADERS.iter().any(|usual| usual.eq_ignore_ascii_case(name))
            || self.config.allowed_headers.iter().any(is_listed)
    }
}

fn matches(pattern: &str, origin: &str) -> bool {
    let (pattern, origin) = (pattern.to_ascii_lowercase(), origin.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((start, end)) => {
            origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, origin: &str, expected: bool) {
        assert_eq!(matches(pattern, origin), expected, "{pattern} {origin}");
    }

    #[test]
    fn origins_match_with_one_star() {
        check("*", "https://a.example.com", true);
        check("https://*.example.com", "https://a.example.com", true);
        check("https://*.example.com", "https://EXAMPLE.com", false);
        check("https://*.example.com", "https://a.example.org", false);
        check("https://a.example.com", "https://A.example.com", true);
        check("ab*ba", "aba", false);
    }
}
