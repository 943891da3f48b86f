//! Requests that are wrong by themselves, so that sending them again would not help: counted, and told now and then.

use std::time::Duration;

use http::StatusCode;
use pipeline::Quiet;
use pipeline::errors::printable;
use pipeline::telemetry::ReceiverMetrics;
use tracing::warn;

/// The least time between two lines about one reason.
const PAUSE: Duration = Duration::from_mins(1);

/// What is told of a request may have words of its sender, and is cut to this.
const WHY_BYTES_MAX: usize = 512;

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its credentials are missing or wrong.
    Unauthorized,
    /// It cannot be read.
    Invalid,
    /// It is larger than what is taken.
    TooLarge,
    /// It asks for what is not there: a path, a signal, a method, a compression.
    Unsupported,
}

const REASONS: usize = 4;

/// Counts and tells them for one way in.
#[derive(Debug)]
pub(crate) struct Rejections {
    receiver: String,
    transport: &'static str,
    metrics: ReceiverMetrics,
    said: [Quiet; REASONS],
}

impl Reason {
    /// What the counter calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
        }
    }

    /// What an answer of HTTP says; `None` where the same request may be taken later.
    pub(crate) fn of(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED => Some(Self::Unauthorized),
            StatusCode::BAD_REQUEST => Some(Self::Invalid),
            StatusCode::PAYLOAD_TOO_LARGE => Some(Self::TooLarge),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                Some(Self::Unsupported)
            }
            _ => None,
        }
    }
}

impl Rejections {
    /// `receiver` is its id.
    pub(crate) fn new(receiver: &str, transport: &'static str, metrics: ReceiverMetrics) -> Self {
        let said = std::array::from_fn(|_| Quiet::new(PAUSE));
        Self { receiver: receiver.to_owned(), transport, metrics, said }
    }

    /// A request was answered so; `why` is what its sender is told.
    pub(crate) fn add(&self, reason: Option<Reason>, why: &str) {
        let Some(reason) = reason else { return };
        self.metrics.rejected_request(reason.word());
        if let Some(suppressed) = self.said[reason as usize].speak() {
            let (receiver, transport) = (&self.receiver, self.transport);
            let (reason, why) = (reason.word(), printable(why, WHY_BYTES_MAX));
            warn!(receiver, transport, reason, why, suppressed, "a request was rejected");
        }
    }
}
