//! Which version is spoken: 2.0 where it is wanted, and 1.0 for a while where the other side does not know it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::prometheus::escaping::Escaping;

/// After this time a receiver is asked again whether it knows 2.0 by now.
const PROBE_PAUSE: Duration = Duration::from_hours(1);

/// The versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    V1,
    V2,
}

/// What the other side was found to know.
#[derive(Debug)]
pub(super) struct Negotiation {
    id: String,
    wanted: Format,
    /// Until when 1.0 is spoken though 2.0 is wanted.
    fallen_back: Mutex<Option<Instant>>,
}

impl Format {
    /// Whether names may have all characters.
    pub(super) fn escaping(self) -> Escaping {
        match self {
            Self::V1 => Escaping::Underscores,
            Self::V2 => Escaping::AllowUtf8,
        }
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::V1 => "application/x-protobuf",
            Self::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        })
    }

    pub(super) fn version(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::V1 => "0.1.0",
            Self::V2 => "2.0.0",
        })
    }
}

impl Negotiation {
    pub(super) fn new(id: &str, wanted: Format) -> Self {
        Self { id: id.to_owned(), wanted, fallen_back: Mutex::new(None) }
    }

    /// The format of the next request.
    pub(super) fn format(&self) -> Format {
        let until = *self.fallen_back.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() < until) { Format::V1 } else { self.wanted }
    }

    /// The other side does not know 2.0.
    pub(super) fn fall_back(&self, reason: &str) {
        let until = Instant::now() + PROBE_PAUSE;
        let before = self.fallen_back.lock().unwrap_or_else(PoisonError::into_inner).replace(until);
        if before.is_none() {
            warn!(
                exporter = self.id,
                reason,
                "the other side does not know Remote Write 2.0: 1.0 is sent, and 2.0 is tried again hourly"
            );
        }
    }

    /// The other side knows 2.0.
    pub(super) fn confirm(&self) {
        let before = self.fallen_back.lock().unwrap_or_else(PoisonError::into_inner).take();
        if before.is_some() {
            info!(exporter = self.id, "the other side knows Remote Write 2.0 now");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_fallback_2_0_is_tried_again_hourly() {
        let negotiation = Negotiation::new("x", Format::V2);
        assert_eq!(negotiation.format(), Format::V2);
        negotiation.fall_back("415");
        tokio::time::advance(Duration::from_secs(3599)).await;
        assert_eq!(negotiation.format(), Format::V1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(negotiation.format(), Format::V2);
        negotiation.fall_back("415");
        assert_eq!(negotiation.format(), Format::V1);
        negotiation.confirm();
        assert_eq!(negotiation.format(), Format::V2);
    }
}
