//! Bearer tokens: whoever shows one of them may pass.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use subtle::{Choice, ConstantTimeEq};

use super::{Denied, Source};
use crate::component::BoxError;

/// Tokens, and how they are shown.
#[derive(Debug)]
pub struct Bearer {
    /// Each is a token, or several, one a line. The first is shown; any of them is taken.
    pub tokens: Vec<Source>,
    /// Stands before the token; may be empty.
    pub scheme: String,
    pub header: HeaderName,
}

impl Default for Bearer {
    fn default() -> Self {
        Self { tokens: Vec::new(), scheme: String::from("Bearer"), header: AUTHORIZATION }
    }
}

impl Bearer {
    pub(super) fn authorize(&self, headers: &mut HeaderMap) -> Result<(), BoxError> {
        let source = self.tokens.first().ok_or("the authenticator has no token")?;
        let text = source.read()?;
        let token = tokens(text.reveal()).next().ok_or("the authenticator's file has no token")?;
        let value =
            if self.scheme.is_empty() { token.to_owned() } else { format!("{} {token}", self.scheme) };
        let mut value =
            HeaderValue::try_from(value).map_err(|_| "the token has characters that no header may have")?;
        value.set_sensitive(true);
        headers.insert(self.header.clone(), value);
        Ok(())
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let challenge = if self.scheme.is_empty() { "Bearer" } else { &self.scheme };
        let denied = || Denied { challenge: challenge.to_owned() };
        let shown =
            headers.get(&self.header).and_then(|value| self.shown(value.as_bytes())).ok_or_else(denied)?;
        let mut is_known = Choice::from(0);
        for source in &self.tokens {
            match source.read() {
                Ok(text) => {
                    is_known |= tokens(text.reveal())
                        .fold(Choice::from(0), |known, token| known | token.as_bytes().ct_eq(shown));
                }
                Err(error) => source.complain(&error),
            }
        }
        if bool::from(is_known) { Ok(()) } else { Err(denied()) }
    }

    pub(super) fn ready(&self) -> Result<(), BoxError> {
        self.authorize(&mut HeaderMap::new())
    }

    /// The token behind the scheme.
    fn shown<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        if self.scheme.is_empty() {
            return Some(value);
        }
        let (scheme, token) = value.split_at_checked(self.scheme.len())?;
        let is_same = scheme.eq_ignore_ascii_case(self.scheme.as_bytes());
        if is_same { token.strip_prefix(b" ").map(<[u8]>::trim_ascii) } else { None }
    }
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|token| !token.is_empty())
}
