//! Listeners, outgoing connections, TLS and authentication: once, for every component.

pub mod auth;
pub mod body;
pub mod client;
pub mod client_tls;
pub mod server;
pub mod server_tls;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};

use crate::component::BoxError;
use auth::Authenticator;
use body::Budget;

/// A request's and a response's body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What components reach the network through.
#[derive(Debug, Default)]
pub struct Net {
    authenticators: HashMap<String, Arc<Authenticator>>,
    budget: Budget,
    listeners: Arc<server::Listeners>,
}

impl Net {
    /// `authenticators` by the id of their extension.
    pub fn new(authenticators: HashMap<String, Arc<Authenticator>>) -> Self {
        Self { authenticators, ..Self::default() }
    }

    /// The same listeners and budget with other authenticators, for a configuration that is loaded anew:
    /// what is served through the old and the new one shares its addresses.
    pub fn with_authenticators(&self, authenticators: HashMap<String, Arc<Authenticator>>) -> Self {
        Self { authenticators, budget: self.budget.clone(), listeners: self.listeners.clone() }
    }

    /// The authenticator of the extension with this id.
    pub fn authenticator(&self, id: &str) -> Option<Arc<Authenticator>> {
        self.authenticators.get(id).cloned()
    }

    /// The authenticator, or what to tell whoever wrote its id.
    pub fn find_authenticator(&self, id: &str) -> Result<Arc<Authenticator>, String> {
        if let Some(authenticator) = self.authenticators.get(id) {
            return Ok(authenticator.clone());
        }
        let mut names: Vec<_> = self.authenticators.keys().collect();
        names.sort();
        let instead = config::instead(id, &names).unwrap_or_else(|| {
            String::from("configure one under `extensions` and list it in `service.extensions`")
        });
        Err(format!("no authenticator `{id}` is in service; {instead}"))
    }

    /// Where this process listens now.
    pub fn listening(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// The bound on the bytes of all requests that are being read, for [`body::receive`].
    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of no bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(known: &[&str], id: &str, expected: &str) {
        let authenticators = known
            .iter()
            .map(|name| ((*name).to_owned(), Arc::new(Authenticator::bearer(auth::Bearer::default()))))
            .collect();
        let message = Net::new(authenticators).find_authenticator(id).unwrap_err();
        assert!(message.ends_with(expected), "{message}");
    }

    #[test]
    fn a_misspelt_authenticator_is_told_the_nearest() {
        check(&["basic_auth", "bearer_token_auth"], "basic_atuh", "did you mean `basic_auth`?");
        check(&["basic_auth", "bearer_token_auth"], "oidc", "known are `basic_auth`, `bearer_token_auth`");
        check(&[], "basic_auth", "list it in `service.extensions`");
    }
}
