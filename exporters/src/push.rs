//! What exporters that push over the network have in common, besides the connection itself.

pub(crate) mod advice;
pub(crate) mod answer;
pub(crate) mod compression;
pub(crate) mod delta;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod headers;
pub(crate) mod post;
pub(crate) mod preset;
mod words;

use pipeline::component::{BoxError, ExportError};
use pipeline::errors::{self, chain};
use serde::{Deserialize, Serialize};

/// What to say about a URL that carries credentials.
pub(crate) const CREDENTIALS_IN_URL: &str = "expected a URL without credentials: use the `basic_auth` extension \
     with `auth.authenticator`, or an `Authorization` header";

/// What the other side says is cut to this: enough for its sentence and the series it names, not for its page.
const ANSWER_BYTES_MAX: usize = 1024;

/// What to do with a batch the other side finds too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TooLarge {
    #[default]
    Drop,
    /// Sends its halves, down to single points.
    Split,
}

impl TooLarge {
    /// What becomes of a batch that the other side found too large.
    pub(crate) fn judge(self, reason: String) -> ExportError {
        match self {
            Self::Drop => ExportError::Drop { reason },
            Self::Split => ExportError::Split { reason },
        }
    }
}

/// A request that could not be sent, or got no answer: the next one may.
pub(crate) fn broken(error: &BoxError) -> ExportError {
    let reason = chain(&**error);
    let advice = advice::advice(&reason).map(|advice| format!(" ({advice})")).unwrap_or_default();
    ExportError::Retry { after: None, reason: reason + &advice }
}

/// What the other side said, as it may stand in a log.
pub(crate) fn printable(text: &str) -> String {
    errors::printable(text, ANSWER_BYTES_MAX)
}

/// Whether a URL carries credentials, which would be printed with it.
pub(crate) fn has_credentials(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_help_is_told_of_a_connection_that_is_none() {
        let reason = |text: &str| match broken(&text.into()) {
            ExportError::Retry { after: None, reason } => reason,
            other => panic!("{other:?}"),
        };
        let tls = reason("TLS handshake failed: received corrupt message of type InvalidContentType");
        assert!(tls.ends_with("`tls.insecure: true`)"), "{tls}");
        assert_eq!(reason("Connection refused"), "Connection refused");
    }

    #[test]
    fn credentials_in_a_url_are_seen() {
        assert!(has_credentials("http://user:pass@host/x"));
        assert!(has_credentials("user@host:4317"));
        assert!(!has_credentials("http://host/a@b"));
        assert!(!has_credentials("host:4317"));
    }
}
