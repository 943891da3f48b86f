//! `bearer_token_auth`: a token in a header, for clients and servers.
//!
//! ```yaml
//! extensions:
//!   bearer_token_auth:
//!     filename: /run/secrets/token
//! ```

use config::{Problems, Secret, Section};
use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::Extension;
use crate::component::{Context, Entry};
use crate::net::auth::{Authenticator, Bearer, Source};

pub(super) const ENTRY: Entry<Extension> = Entry {
    name: "bearer_token_auth",
    aliases: &["bearertokenauth"],
    ignored: &[],
    about: "A token, on outgoing requests or checked on incoming ones.",
    example: "token: s3cret\n",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Shown by clients, taken by servers.
    token: Secret,
    /// More tokens that servers take; clients show the first where there is no `token`.
    tokens: Vec<Secret>,
    /// A file with a token a line; wins over both, and is read again when it changes.
    filename: String,
    /// Stands before the token; empty for the token alone.
    scheme: String,
    header: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token: Secret::default(),
            tokens: Vec::new(),
            filename: String::new(),
            scheme: String::from("Bearer"),
            header: String::from("Authorization"),
        }
    }
}

fn build(section: &Section, _context: &Context) -> Result<Extension, Problems> {
    section.build(|config| made(config, section))
}

fn made(config: Config, section: &Section) -> Result<Extension, Problems> {
    let mut problems = Vec::new();
    if config.token.is_empty() && config.tokens.is_empty() && config.filename.is_empty() {
        problems.push(section.problem("", "set `token`, `tokens` or `filename`"));
    }
    if config.tokens.iter().any(Secret::is_empty) {
        problems.push(section.problem("tokens", "an empty token would let everybody pass; remove it"));
    }
    if config.scheme.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        problems.push(section.problem("scheme", format!("expected one word, got `{}`", config.scheme)));
    }
    let header = HeaderName::try_from(config.header.as_str()).map_err(|_| {
        section.problem("header", format!("expected the name of a header, got `{}`", config.header))
    });
    let header = match header {
        Ok(header) if problems.is_empty() => header,
        Ok(_) => return Err(Problems(problems)),
        Err(problem) => {
            problems.push(problem);
            return Err(Problems(problems));
        }
    };
    let tokens = if config.filename.is_empty() {
        let token = Some(config.token).filter(|token| !token.is_empty());
        token.into_iter().chain(config.tokens).map(Source::Text).collect()
    } else {
        vec![Source::file(config.filename)]
    };
    Ok(Extension::Authenticator(Authenticator::bearer(Bearer { tokens, scheme: config.scheme, header })))
}
