//! Listeners, outgoing connections, TLS and authentication: once, for every component.

/// What components reach the network through.
#[derive(Debug, Default)]
pub struct Net {}
