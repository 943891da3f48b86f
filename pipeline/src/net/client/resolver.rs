//! Host names to addresses, with a memory for the times the name servers have none.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;
use tracing::warn;

use crate::quiet::Quiet;

/// The system's resolver may wait much longer for its servers.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// The least time between two lines about one name.
const COMPLAINT_PAUSE: Duration = Duration::from_mins(1);

/// Names remembered; those beyond are only looked up.
const NAMES_MAX: usize = 4096;

/// Asks the system, and answers with what it last said when it says nothing.
///
/// Asked at each new connection, so an address that has changed is found when the old one fails.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolver {
    known: Arc<Mutex<HashMap<String, Known>>>,
}

#[derive(Debug)]
struct Known {
    addresses: Vec<SocketAddr>,
    complaints: Quiet,
}

impl Resolver {
    /// What to connect to, after the system gave `found`.
    pub(super) fn settle(
        &self,
        name: &str,
        found: io::Result<Vec<SocketAddr>>,
    ) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match found {
            Ok(addresses) if !addresses.is_empty() => {
                if let Some(known) = known.get_mut(name) {
                    known.addresses.clone_from(&addresses);
                } else if known.len() < NAMES_MAX {
                    let complaints = Quiet::new(COMPLAINT_PAUSE);
                    known.insert(name.to_owned(), Known { addresses: addresses.clone(), complaints });
                }
                return Ok(addresses);
            }
            Ok(_) => io::Error::other("the name has no address"),
            Err(error) => error,
        };
        match known.get(name) {
            Some(known) => {
                if let Some(unsaid) = known.complaints.speak() {
                    warn!(host = name, %error, unsaid, "host name cannot be resolved, its last addresses are used");
                }
                Ok(known.addresses.clone())
            }
            None => Err(error),
        }
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let lookup = tokio::net::lookup_host((name.as_str(), 0));
            let found = match tokio::time::timeout(LOOKUP_MAX, lookup).await {
                Ok(found) => found.map(Iterator::collect),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the name servers do not answer")),
            };
            resolver.settle(name.as_str(), found).map(Vec::into_iter)
        })
    }
}
