//! Basic authentication: a user name and a password.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use config::Secret;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use sha1::{Digest, Sha1};
use subtle::{Choice, ConstantTimeEq};

use super::{Denied, Source};
use crate::component::BoxError;

/// Both sides of basic authentication; each may be missing.
#[derive(Debug, Default)]
pub struct Basic {
    /// User name and password for outgoing requests.
    pub client: Option<(Source, Source)>,
    /// Lists of users for incoming requests, as `htpasswd` files.
    pub users: Vec<Source>,
}

/// Users and how to verify their passwords.
#[derive(Debug, Clone, Default)]
pub struct Users(Vec<(String, Password)>);

#[derive(Debug, Clone)]
enum Password {
    Plain(Secret),
    Sha1([u8; 20]),
}

impl Basic {
    pub(super) fn authorize(&self, headers: &mut HeaderMap) -> Result<(), BoxError> {
        let (user, password) = self
            .client
            .as_ref()
            .ok_or("the authenticator has no `client_auth`, so it cannot authorize requests")?;
        let pair = format!("{}:{}", user.read()?.reveal(), password.read()?.reveal());
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let denied = || Denied { challenge: String::from(r#"Basic realm="inferometer", charset="UTF-8""#) };
        let (user, password) = headers.get(AUTHORIZATION).and_then(credentials).ok_or_else(denied)?;
        let mut is_known = Choice::from(0);
        for source in &self.users {
            match source.read().and_then(|text| Ok(Users::parse(text.reveal())?)) {
                Ok(users) => is_known |= users.verify(&user, &password),
                Err(error) => source.complain(&error),
            }
        }
        if bool::from(is_known) { Ok(()) } else { Err(denied()) }
    }

    pub(super) fn ready_to_check(&self) -> Result<(), BoxError> {
        if self.users.is_empty() {
            return Err("the authenticator has no `htpasswd`, so it cannot check requests".into());
        }
        for source in &self.users {
            let text: Arc<Secret> = source.read()?;
            Users::parse(text.reveal())?;
        }
        Ok(())
    }
}

impl Users {
    /// Reads lines `user:password`, the password as it is or as `{SHA}` and its base64 SHA-1.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut users = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |reason: &str| format!("line {} of the users: {reason}", index + 1);
            let (user, password) = line.split_once(':').ok_or_else(|| at("expected `user:password`"))?;
            users.push((user.to_owned(), Password::parse(password).map_err(|reason| at(&reason))?));
        }
        if users.is_empty() {
            return Err(String::from("no users: expected lines `user:password`"));
        }
        Ok(Self(users))
    }

    /// Looks at every user, whoever matches, so that the time tells nothing.
    fn verify(&self, user: &str, password: &str) -> Choice {
        self.0.iter().fold(Choice::from(0), |known, (name, expected)| {
            known | (name.as_bytes().ct_eq(user.as_bytes()) & expected.verify(password))
        })
    }
}

impl Password {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(digest) = text.strip_prefix("{SHA}") {
            let digest = STANDARD.decode(digest).ok().and_then(|digest| digest.try_into().ok());
            return digest
                .map(Self::Sha1)
                .ok_or_else(|| String::from("`{SHA}` wants a base64 SHA-1 behind it"));
        }
        let hashed = [
            ("$2", "bcrypt"),
            ("$apr1$", "Apache's MD5"),
            ("$5$", "SHA-256"),
            ("$6$", "SHA-512"),
            ("$1$", "MD5"),
        ];
        match hashed.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            Some((_, name)) => Err(format!(
                "{name} hashes are not supported: write the password itself, or `{{SHA}}` and its base64 SHA-1 (`htpasswd -s`)"
            )),
            None if text.is_empty() => Err(String::from("the password is empty")),
            None => Ok(Self::Plain(Secret::new(text))),
        }
    }

    fn verify(&self, password: &str) -> Choice {
        match self {
            Self::Plain(expected) => expected.reveal().as_bytes().ct_eq(password.as_bytes()),
            Self::Sha1(expected) => expected.as_slice().ct_eq(Sha1::digest(password.as_bytes()).as_slice()),
        }
    }
}

fn credentials(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
