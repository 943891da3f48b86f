//! Authenticators: what the `basic_auth` and `bearer_token_auth` extensions become.

mod basic;
mod bearer;
mod file;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::component::BoxError;
use crate::net::Net;

pub use basic::{Basic, Users};
pub use bearer::Bearer;
pub use file::Source;

/// The `auth` block of a component that sends requests, or is sent some.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The id of the extension that puts credentials on requests, or checks those they have.
    pub authenticator: String,
}

/// Puts credentials on outgoing requests, or checks those of incoming ones.
#[derive(Debug)]
pub struct Authenticator {
    method: Method,
}

#[derive(Debug)]
enum Method {
    Basic(Basic),
    Bearer(Bearer),
}

/// An incoming request has no right to what it asks for: 401, `UNAUTHENTICATED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// For `WWW-Authenticate`.
    pub challenge: String,
}

impl Config {
    /// Finds the authenticator that the block names, if there is a block; an error is about its `authenticator`.
    pub fn find(auth: Option<&Self>, net: &Net) -> Result<Option<Arc<Authenticator>>, String> {
        auth.map(|auth| net.find_authenticator(&auth.authenticator)).transpose()
    }
}

impl Authenticator {
    /// User name and password.
    pub fn basic(basic: Basic) -> Self {
        Self { method: Method::Basic(basic) }
    }

    /// A token.
    pub fn bearer(bearer: Bearer) -> Self {
        Self { method: Method::Bearer(bearer) }
    }

    /// Adds the credentials to a request about to be sent.
    pub fn authorize(&self, headers: &mut HeaderMap) -> Result<(), BoxError> {
        match &self.method {
            Method::Basic(basic) => basic.authorize(headers),
            Method::Bearer(bearer) => bearer.authorize(headers),
        }
    }

    /// Compares in constant time.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        match &self.method {
            Method::Basic(basic) => basic.check(headers),
            Method::Bearer(bearer) => bearer.check(headers),
        }
    }

    /// Says what is missing to check requests; a listener asks before it opens.
    pub fn ready_to_check(&self) -> Result<(), BoxError> {
        match &self.method {
            Method::Basic(basic) => basic.ready_to_check(),
            Method::Bearer(bearer) => bearer.ready(),
        }
    }

    /// Says what is missing to authorize requests; an exporter may ask when it starts.
    pub fn ready_to_authorize(&self) -> Result<(), BoxError> {
        self.authorize(&mut HeaderMap::new())
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("missing or wrong credentials")
    }
}

impl std::error::Error for Denied {}
