//! `basic_auth`: user name and password, for clients (`client_auth`) and for servers (`htpasswd`).
//!
//! ```yaml
//! extensions:
//!   basic_auth:
//!     client_auth: { username: ana, password: "${env:PASSWORD}" }
//! ```

use config::{Problems, Secret, Section};
use serde::{Deserialize, Serialize};

use super::Extension;
use crate::component::{Context, Entry};
use crate::net::auth::{Authenticator, Basic, Source, Users};

pub(super) const ENTRY: Entry<Extension> = Entry {
    name: "basic_auth",
    aliases: &["basicauth"],
    ignored: &[],
    about: "User name and password, on outgoing requests or checked on incoming ones.",
    example: "\
client_auth:
  username: ana
  password: s3cret
htpasswd:
  inline: |
    ana:s3cret
",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What exporters and scrapers show.
    client_auth: Option<ClientAuth>,
    /// Who may send to a receiver or read from an exporter.
    htpasswd: Option<Htpasswd>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClientAuth {
    username: String,
    password: Secret,
    /// Wins over `username`; read again when it changes.
    username_file: String,
    /// Wins over `password`; read again when it changes.
    password_file: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Htpasswd {
    /// Lines `user:password`.
    inline: Secret,
    /// The same in a file, read again when it changes.
    file: String,
}

fn build(section: &Section, _context: &Context) -> Result<Extension, Problems> {
    section.build(|config| made(config, section))
}

fn made(config: Config, section: &Section) -> Result<Extension, Problems> {
    let mut problems = Vec::new();
    if config.client_auth.is_none() && config.htpasswd.is_none() {
        let message = "set `client_auth` for outgoing requests, `htpasswd` for incoming ones, or both";
        problems.push(section.problem("", message));
    }
    let mut basic = Basic::default();
    if let Some(client) = config.client_auth {
        if client.username.is_empty() && client.username_file.is_empty() {
            problems
                .push(section.problem("client_auth.username", "expected a user name, or `username_file`"));
        }
        if client.password.is_empty() && client.password_file.is_empty() {
            problems.push(section.problem("client_auth.password", "expected a password, or `password_file`"));
        }
        let username = source(Secret::new(client.username), client.username_file);
        basic.client = Some((username, source(client.password, client.password_file)));
    }
    if let Some(htpasswd) = config.htpasswd {
        if htpasswd.inline.is_empty() && htpasswd.file.is_empty() {
            problems.push(section.problem("htpasswd", "set `inline` or `file`, with lines `user:password`"));
        }
        if !htpasswd.inline.is_empty() {
            if let Err(reason) = Users::parse(htpasswd.inline.reveal()) {
                problems.push(section.problem("htpasswd.inline", reason));
            }
            basic.users.push(Source::Text(htpasswd.inline));
        }
        if !htpasswd.file.is_empty() {
            basic.users.push(Source::file(htpasswd.file));
        }
    }
    if problems.is_empty() {
        Ok(Extension::Authenticator(Authenticator::basic(basic)))
    } else {
        Err(Problems(problems))
    }
}

fn source(text: Secret, file: String) -> Source {
    if file.is_empty() { Source::Text(text) } else { Source::file(file) }
}
