//! Gives a tree to serde, and takes the path of an error back.
//!
//! A text field takes what was written (`0123`, `no`); nothing else is converted. A missing value (null)
//! is an empty map or list where one is expected, and otherwise as if the key were not there.

mod access;
mod fault;
pub(crate) mod repair;

use serde::de::{Deserializer, Unexpected, Visitor};

use crate::tree::{Node, Number, State, Tree};
use access::{Elements, Members, Parts, Variant};
pub(crate) use fault::{Fault, Reason, Step};

/// A value that is being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    node: &'a Node,
    /// What is read may be missing.
    optional: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        Self { node, optional: false }
    }

    fn is_invented(&self) -> bool {
        self.node.state == State::Invented
    }

    /// Says that something else was expected; a missing value is its own case.
    fn mismatch(&self, expected: impl Into<String>) -> Fault {
        match self.node.tree {
            Tree::Null => Fault::new(Reason::Null { expected: expected.into(), optional: self.optional }),
            _ => Fault::new(Reason::Mismatch { expected: expected.into(), got: String::new() }),
        }
    }

    /// Makes what a visitor says about a missing value that case.
    fn unless_null<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| match (&self.node.tree, &fault.reason) {
            (Tree::Null, Reason::Mismatch { expected, .. }) if fault.steps.is_empty() => {
                self.mismatch(expected.clone())
            }
            _ => fault,
        })
    }

    fn whole<'de, V: Visitor<'de>>(self, (least, most): (i128, i128), visitor: V) -> Result<V::Value, Fault> {
        let number = match self.node.tree {
            Tree::Number(Number::Whole(number)) if (least..=most).contains(&number) => number,
            _ if self.is_invented() => 1,
            Tree::Number(Number::Whole(_)) => {
                return Err(self.mismatch(format!("a whole number from {least} to {most}")));
            }
            _ if least == 0 => return Err(self.mismatch("a whole number, not below 0")),
            _ => return Err(self.mismatch("a whole number")),
        };
        if let Ok(number) = u64::try_from(number) {
            visitor.visit_u64(number)
        } else if let Ok(number) = i64::try_from(number) {
            visitor.visit_i64(number)
        } else {
            visitor.visit_i128(number)
        }
    }
}

macro_rules! whole {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let least = i128::try_from(<$type>::MIN).unwrap_or(i128::MIN);
            let most = i128::try_from(<$type>::MAX).unwrap_or(i128::MAX);
            self.whole((least, most), visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    whole! {
        deserialize_i8: i8, deserialize_i16: i16, deserialize_i32: i32, deserialize_i64: i64,
        deserialize_u8: u8, deserialize_u16: u16, deserialize_u32: u32, deserialize_u64: u64,
        deserialize_i128: i128, deserialize_u128: u128,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_invented() {
            return visitor.visit_str("0");
        }
        let result = match &self.node.tree {
            Tree::Null if self.node.text.is_some() => visitor.visit_str(""),
            Tree::Null => visitor.visit_unit(),
            Tree::Bool(bool) => visitor.visit_bool(*bool),
            Tree::Number(Number::Float(number)) => visitor.visit_f64(*number),
            Tree::Number(Number::Whole(_)) => self.whole((i128::MIN, i128::MAX), visitor),
            Tree::Text(text) => visitor.visit_str(text),
            Tree::List(list) => visitor.visit_seq(Elements::new(list)),
            Tree::Map(map) => visitor.visit_map(Members::new(map)),
        };
        self.unless_null(result)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.tree {
            Tree::Bool(bool) => visitor.visit_bool(bool),
            _ if self.is_invented() => visitor.visit_bool(false),
            _ => Err(self.mismatch("`true` or `false`")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.tree {
            Tree::Number(Number::Float(number)) => visitor.visit_f64(number),
            Tree::Number(Number::Whole(number)) => visitor.visit_f64(number as f64),
            _ if self.is_invented() => visitor.visit_f64(1.0),
            _ => Err(self.mismatch("a number")),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_invented() {
            return visitor.visit_str("");
        }
        match self.node.as_text() {
            Some(text) => visitor.visit_string(text),
            None => Err(self.mismatch("text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_invented() || self.node.state == State::Nothing {
            return visitor.visit_none();
        }
        visitor.visit_some(Self { optional: matches!(self.node.tree, Tree::Null), ..self })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.tree {
            Tree::Null => visitor.visit_unit(),
            Tree::Map(map) if map.0.is_empty() => visitor.visit_unit(),
            _ => Err(self.mismatch("nothing")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.tree {
            Tree::List(list) => visitor.visit_seq(Elements::new(list)),
            Tree::Null if self.optional => Err(self.mismatch("a list")),
            Tree::Null => visitor.visit_seq(Elements::new(&[])),
            // As the OpenTelemetry Collector does; it makes `${env:TARGETS}` useful.
            Tree::Text(text) => visitor.visit_seq(Parts::new(text)),
            _ => Err(self.mismatch("a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.tree {
            Tree::Null if self.optional => Err(self.mismatch("a map")),
            _ => self.deserialize_struct("", &[], visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.tree {
            Tree::Map(map) => visitor.visit_map(Members::new(map)),
            // `grpc:` alone in `protocols:` asks for it with its defaults.
            Tree::Null => visitor.visit_map(Members::none()),
            _ => Err(self.mismatch("a map")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let expected = || fault::one_of(variants);
        match &self.node.tree {
            Tree::Map(map) => {
                let present = Members::new(map).remaining();
                let [(key, node)] = present.as_slice() else {
                    let expected = format!("one key, {}", expected());
                    let got = format!("{} keys", present.len());
                    return Err(Fault::new(Reason::Mismatch { expected, got }));
                };
                visitor.visit_enum(Variant::with(key, node))
            }
            Tree::List(_) => Err(self.mismatch(expected())),
            Tree::Null if !self.is_invented() => Err(self.mismatch(expected())),
            _ => {
                let invented = self.is_invented().then(|| variants.first()).flatten();
                let text = invented.map(ToString::to_string).or_else(|| self.node.as_text());
                visitor.visit_enum(Variant::alone(&text.unwrap_or_default()))
            }
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }
}

/// What serde says it found, in our words.
fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(bool) => format!("`{bool}`"),
        Unexpected::Unsigned(number) => format!("`{number}`"),
        Unexpected::Signed(number) => format!("`{number}`"),
        Unexpected::Float(number) => format!("`{number}`"),
        Unexpected::Char(character) => format!("`{character}`"),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeVariant => "a map".to_owned(),
        Unexpected::Other(text) => text.to_owned(),
        _ => "something else".to_owned(),
    }
}

#[cfg(test)]
mod tests;
