//! Values in the spellings of an OpenTelemetry Collector, beside ours.

use std::fmt;

use config::Duration;
use serde::de::{DeserializeOwned, Error, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A word that may be written in upper case, as `INFO`.
pub(super) fn in_any_case<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let word = String::deserialize(deserializer)?.to_ascii_lowercase();
    T::deserialize(word.into_deserializer())
}

/// A duration, or a number of milliseconds.
pub(super) fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(Milliseconds)
}

struct Milliseconds;

impl Visitor<'_> for Milliseconds {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `60s`, or whole milliseconds such as `60000`")
    }

    // What comes from the environment is text, also where it is a number.
    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        let number = text.parse().ok().map(Duration::from_millis);
        number.or_else(|| Duration::parse(text)).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Duration, E> {
        Ok(Duration::from_millis(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Duration, E> {
        let unsigned =
            u64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))?;
        self.visit_u64(unsigned)
    }
}
