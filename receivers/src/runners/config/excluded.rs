//! What is never asked: a port on every host, or an address.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A port, or an address such as `127.0.0.1:8080` or `unix:///run/x.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excluded {
    Port(u16),
    Address(String),
}

impl Excluded {
    pub(crate) fn is(&self, address: &str) -> bool {
        match self {
            Self::Port(port) => address.rsplit_once(':').is_some_and(|(_, other)| other.parse() == Ok(*port)),
            Self::Address(excluded) => excluded == address,
        }
    }
}

impl Serialize for Excluded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Port(port) => serializer.serialize_u16(*port),
            Self::Address(address) => serializer.serialize_str(address),
        }
    }
}

impl<'de> Deserialize<'de> for Excluded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = Excluded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port such as `8080`, or an address such as `127.0.0.1:8080`")
            }

            fn visit_u64<E: Error>(self, port: u64) -> Result<Excluded, E> {
                let port = u16::try_from(port).ok().filter(|port| *port != 0);
                port.map(Excluded::Port).ok_or_else(|| E::custom("expected a port from 1 to 65535"))
            }

            fn visit_i64<E: Error>(self, port: i64) -> Result<Excluded, E> {
                self.visit_u64(u64::try_from(port).unwrap_or_default())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Excluded, E> {
                match text.parse() {
                    Ok(port) => Ok(Excluded::Port(port)),
                    Err(_) if text.contains(':') => Ok(Excluded::Address(text.to_owned())),
                    Err(_) => Err(E::custom(format!(
                        "expected a port such as `8080`, or an address such as `127.0.0.1:8080`, got `{text}`"
                    ))),
                }
            }
        }

        deserializer.deserialize_any(Read)
    }
}
