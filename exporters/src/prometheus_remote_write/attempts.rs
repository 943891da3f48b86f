//! Knows a request that was sent before by its bytes, and tells how often that was.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;

/// So many requests are known; the oldest is forgotten first, as if it had not been sent.
const REQUESTS_MAX: usize = 64;

/// The requests that were sent and have not been settled.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// How often each was sent, by the hash of its bytes.
    sent: Mutex<VecDeque<(u64, u64)>>,
    hasher: RandomState,
}

impl Attempts {
    /// Counts an attempt; gives the request's number, and how often it was sent before.
    pub(super) fn begin(&self, body: &[u8]) -> (u64, u64) {
        let request = self.hasher.hash_one(body);
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = sent.iter_mut().find(|(other, _)| *other == request) {
            *count += 1;
            return (request, *count - 1);
        }
        if sent.len() == REQUESTS_MAX {
            sent.pop_front();
        }
        sent.push_back((request, 1));
        (request, 0)
    }

    /// The request is not going to be sent again.
    pub(super) fn settle(&self, request: u64) {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_until_the_request_is_settled() {
        let attempts = Attempts::default();
        let (one, before) = attempts.begin(b"one");
        assert_eq!((before, attempts.begin(b"two").1), (0, 0));
        assert_eq!([attempts.begin(b"one"), attempts.begin(b"one")], [(one, 1), (one, 2)]);
        attempts.settle(one);
        assert_eq!((attempts.begin(b"one"), attempts.begin(b"two").1), ((one, 0), 1));
        for index in 0..REQUESTS_MAX {
            attempts.begin(&index.to_le_bytes());
        }
        assert_eq!(attempts.sent.lock().unwrap().len(), REQUESTS_MAX);
        assert_eq!(attempts.begin(b"two").1, 0);
    }
}
