//! Follows redirects of a GET, and keeps credentials from going to another host.

use http::header::LOCATION;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, StatusCode, Uri};

use super::HttpClient;
use crate::component::BoxError;
use crate::net::{Body, empty};

/// Redirects followed before giving up.
const HOPS_MAX: usize = 10;

impl HttpClient {
    /// Asks for a URL, and for the one it leads to where `follow` says so; returns the last one's answer.
    ///
    /// `headers` go along to every host, `secrets` only to the scheme, host and port of `url`: once a
    /// redirect has led elsewhere they are not sent again. From `https` no redirect leads to `http`.
    pub async fn get(
        &self,
        url: Uri,
        headers: HeaderMap,
        secrets: HeaderMap,
        follow: bool,
    ) -> Result<(Response<Body>, Uri), BoxError> {
        let origin = url.clone();
        let mut is_trusted = true;
        let mut visited = vec![url];
        loop {
            let url = visited.last().expect("holds the first URL").clone();
            let mut request = Request::get(url.clone()).body(empty())?;
            request.headers_mut().extend(headers.clone());
            if is_trusted {
                request.headers_mut().extend(secrets.clone());
            }
            let response = self.send(request).await?;
            let location =
                response.headers().get(LOCATION).filter(|_| follow && is_redirect(response.status()));
            let Some(location) = location else { return Ok((response, url)) };
            let location = location.to_str().map_err(|_| format!("`{}` redirects to no URL", place(&url)))?;
            let next = resolve(&url, location)?;
            if visited.contains(&next) {
                return Err(format!("redirect loop at `{}`", place(&next)).into());
            }
            if visited.len() > HOPS_MAX {
                return Err(format!("more than {HOPS_MAX} redirects, the last to `{}`", place(&next)).into());
            }
            is_trusted &= is_same_origin(&origin, &next);
            visited.push(next);
        }
    }
}

impl HttpClient {
    /// Asks for a URL, and follows at most `hops_max` redirects as long as they stay at its scheme, host and
    /// port; a redirect that is not followed is the answer.
    pub async fn get_at_origin(
        &self,
        url: Uri,
        headers: HeaderMap,
        hops_max: usize,
    ) -> Result<(Response<Body>, Uri), BoxError> {
        let (origin, mut url) = (url.clone(), url);
        let mut hops = 0;
        loop {
            let mut request = Request::get(url.clone()).body(empty())?;
            request.headers_mut().extend(headers.clone());
            let response = self.send(request).await?;
            let location = response.headers().get(LOCATION).filter(|_| is_redirect(response.status()));
            let next = location.and_then(|location| resolve(&url, location.to_str().ok()?).ok());
            match next.filter(|next| is_same_origin(&origin, next)) {
                Some(next) if hops < hops_max => (url, hops) = (next, hops + 1),
                _ => return Ok((response, url)),
            }
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The URL without what may be secret.
fn place(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}{port}{}", url.host().unwrap_or_default(), url.path())
}

fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let port =
        |url: &Uri| url.port_u16().unwrap_or(if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let host = |url: &Uri| url.host().unwrap_or_default().to_ascii_lowercase();
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

/// The URL that `location` means on a page at `base` (RFC 3986, section 5.2).
fn resolve(base: &Uri, location: &str) -> Result<Uri, BoxError> {
    let refused = |reason: &str| -> BoxError { format!("redirect from `{}` {reason}", place(base)).into() };
    let reference = location.split('#').next().unwrap_or_default();
    let scheme_end = reference.find([':', '/', '?']).filter(|at| reference[*at..].starts_with(':'));
    let base_scheme = base.scheme_str().unwrap_or_default();
    let (scheme, absolute) = match scheme_end {
        Some(end) => (reference[..end].to_ascii_lowercase(), reference.to_owned()),
        None if reference.starts_with("//") => (base_scheme.to_owned(), format!("{base_scheme}:{reference}")),
        None => return join(base, reference).ok_or_else(|| refused("leads to no URL")),
    };
    match (base_scheme, scheme.as_str()) {
        ("https", "http") => return Err(refused("leads from `https` to `http`")),
        (_, "http" | "https") => {}
        _ => return Err(refused("leads to neither `http` nor `https`")),
    }
    let url: Uri = absolute.parse().map_err(|_| refused("leads to no URL"))?;
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(refused("carries credentials"));
    }
    Ok(url)
}

/// A reference without scheme and host, on the base's.
fn join(base: &Uri, reference: &str) -> Option<Uri> {
    let path_and_query = if reference.is_empty() {
        base.path_and_query()?.clone()
    } else if reference.starts_with('?') {
        format!("{}{reference}", base.path()).parse::<PathAndQuery>().ok()?
    } else {
        let (path, query) =
            reference.split_once('?').map_or((reference, None), |(path, query)| (path, Some(query)));
        let folder = &base.path()[..=base.path().rfind('/')?];
        let path =
            without_dots(&if path.starts_with('/') { path.to_owned() } else { format!("{folder}{path}") });
        query.map_or_else(|| path.parse(), |query| format!("{path}?{query}").parse()).ok()?
    };
    let authority: Authority = base.authority()?.clone();
    Uri::builder()
        .scheme(base.scheme()?.clone())
        .authority(authority)
        .path_and_query(path_and_query)
        .build()
        .ok()
}

/// Takes the `.` and `..` out of a path that starts with a slash.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let slash = if ends_in_folder && !segments.is_empty() { "/" } else { "" };
    format!("/{}{slash}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, location: &str, expected: &str) {
        let resolved = resolve(&base.parse().unwrap(), location);
        let text = resolved.map_or_else(|error| error.to_string(), |url| url.to_string());
        assert_eq!(text, expected, "{location} on {base}");
    }

    #[test]
    fn a_location_is_read_on_its_base() {
        let base = "http://a:1/b/c?d=e";
        check(base, "http://x/y", "http://x/y");
        check(base, "https://x/y#part", "https://x/y");
        check(base, "//x/y", "http://x/y");
        check(base, "HTTP://x/y", "http://x/y");
        check(base, "/y?z=:/1", "http://a:1/y?z=:/1");
        check(base, "y", "http://a:1/b/y");
        check(base, "./y/.", "http://a:1/b/y/");
        check(base, "../../y", "http://a:1/y");
        check(base, "..", "http://a:1/");
        check(base, "?q", "http://a:1/b/c?q");
        check(base, "", "http://a:1/b/c?d=e");
    }

    #[test]
    fn a_location_that_leads_astray_is_refused_without_its_text() {
        check("https://a/b", "http://a/b", "redirect from `https://a/b` leads from `https` to `http`");
        check("http://a/b", "ftp://a/b", "redirect from `http://a/b` leads to neither `http` nor `https`");
        check(
            "http://a/b",
            "file:///etc/passwd",
            "redirect from `http://a/b` leads to neither `http` nor `https`",
        );
        check("http://a/b?k=s", "http://u:p@a/", "redirect from `http://a/b` carries credentials");
        check("http://a/b", "http://a b/", "redirect from `http://a/b` leads to no URL");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let check = |one: &str, other: &str| is_same_origin(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(check("http://a/", "http://A:80/x"));
        assert!(!check("http://a/", "https://a/"));
        assert!(!check("http://a/", "http://a:81/"));
        assert!(!check("http://a/", "http://b.a/"));
    }
}
