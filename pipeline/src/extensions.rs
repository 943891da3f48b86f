//! What is no part of a pipeline: authenticators, folders for queues, what watches the collector. Each is one entry in
//! [`EXTENSIONS`].

mod basic_auth;
mod bearer_token_auth;
mod file_storage;
mod health_check;

use crate::component::Entry;
use crate::net::auth::Authenticator;
use crate::storage;

pub use health_check::Config as HealthCheckConfig;

/// What an extension becomes.
#[derive(Debug)]
pub enum Extension {
    Authenticator(Authenticator),
    Storage(storage::Config),
    HealthCheck(HealthCheckConfig),
}

/// Every extension there is.
pub const EXTENSIONS: &[Entry<Extension>] =
    &[basic_auth::ENTRY, bearer_token_auth::ENTRY, file_storage::ENTRY, health_check::ENTRY];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use config::Section;
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry::metrics::noop::NoopMeterProvider;

    use super::*;
    use crate::component::Context;
    use crate::net::Net;
    use crate::{Clock, Registry};

    fn build(name: &str, yaml: &str) -> Result<Extension, String> {
        let context = Context {
            id: name.to_owned(),
            registry: Arc::new(Registry::new(1)),
            clock: Clock::system(),
            meter: NoopMeterProvider::new().meter("test").into(),
            net: Arc::new(Net::default()),
            mappings: Arc::default(),
            storages: Arc::default(),
        };
        let entry = EXTENSIONS.iter().find(|entry| entry.name == name).unwrap();
        let section = Section::from_yaml(&format!("extensions.{name}"), yaml).unwrap();
        (entry.build)(&section, &context).map_err(|problems| problems.to_string())
    }

    #[track_caller]
    fn check(name: &str, yaml: &str, expected: &str) {
        let problems = build(name, yaml).unwrap_err();
        assert!(problems.contains(expected), "{problems}");
    }

    #[test]
    fn examples_work_and_hide_their_secrets() {
        for entry in EXTENSIONS {
            build(entry.name, entry.example).unwrap();
            let section = Section::from_yaml("extensions.example", entry.example).unwrap();
            let effective = format!("{:?}", (entry.effective)(&section).unwrap());
            assert_eq!(effective.contains("<redacted>"), entry.example.contains("s3cret"), "{effective}");
            assert!(!effective.contains("s3cret"), "{effective}");
        }
    }

    #[test]
    fn what_cannot_authenticate_is_an_error() {
        check("basic_auth", "{}", "extensions.basic_auth: set `client_auth`");
        check("basic_auth", "client_auth: {username: ana}", "extensions.basic_auth.client_auth.password: ");
        check("basic_auth", "client_auth: {password: x}", "extensions.basic_auth.client_auth.username: ");
        check("basic_auth", "htpasswd: {}", "extensions.basic_auth.htpasswd: set `inline` or `file`");
        check(
            "basic_auth",
            "htpasswd: {inline: 'ana:$2y$x'}",
            "extensions.basic_auth.htpasswd.inline: line 1",
        );
        check("basic_auth", "passwd: x", "passwd");
        check("bearer_token_auth", "{}", "extensions.bearer_token_auth: set `token`");
        check("bearer_token_auth", "{token: x, header: 'a b'}", "extensions.bearer_token_auth.header: ");
        check("bearer_token_auth", "{token: x, scheme: 'a b'}", "extensions.bearer_token_auth.scheme: ");
        check("bearer_token_auth", "{tokens: ['']}", "extensions.bearer_token_auth.tokens: ");
    }

    #[test]
    fn where_health_is_told_is_an_address_and_a_path() {
        check("health_check", "endpoint: 13133", "extensions.health_check.endpoint: ");
        check("health_check", "path: health", "extensions.health_check.path: expected a path such as `/`");
        check("health_check", "tls: {}", "extensions.health_check.tls.");
        check("health_check", "use_v2: true", "extensions.health_check.use_v2: unknown key");
    }
}
