//! Walks the members of maps, the elements of lists and the content of enums.

use std::vec::IntoIter;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Fault, Reader, Reason, Step};
use crate::tree::{Map, Node, State, Tree};

/// The members of a map that still count, in their order.
pub(super) struct Members<'a> {
    entries: IntoIter<(&'a str, &'a Node)>,
    value: Option<(&'a str, &'a Node)>,
}

/// The elements of a list that still count.
pub(super) struct Elements<'a> {
    nodes: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

/// The parts of a text with commas, as a list.
pub(super) struct Parts {
    nodes: std::iter::Enumerate<IntoIter<Node>>,
}

/// A choice: a name alone, or a name with content.
pub(super) struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Node>,
}

/// A key of a map; numbers are read from its text.
struct Key<'a>(&'a str);

fn counts(node: &Node) -> bool {
    !matches!(node.state, State::Absent | State::Removed | State::Failed)
}

impl<'a> Members<'a> {
    pub(super) fn new(map: &'a Map) -> Self {
        let entries = map.ordered().into_iter().map(|(key, entry)| (key, &entry.node));
        let entries: Vec<_> = entries.filter(|(_, node)| counts(node)).collect();
        Self { entries: entries.into_iter(), value: None }
    }

    pub(super) fn none() -> Self {
        Self { entries: Vec::new().into_iter(), value: None }
    }

    pub(super) fn remaining(self) -> Vec<(&'a str, &'a Node)> {
        self.entries.collect()
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.entries.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(Key(key)).map(Some).map_err(|fault| match fault.reason {
            Reason::UnknownKey { .. } => fault,
            Reason::Mismatch { expected, .. } => {
                Fault::new(Reason::Key { expected }).under(Step::Key(key.to_owned()))
            }
            _ => fault.under(Step::Key(key.to_owned())),
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((key, node)) = self.value.take() else {
            return Err(serde::de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reader::new(node)).map_err(|fault| fault.under(Step::Key(key.to_owned())))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

impl<'a> Elements<'a> {
    pub(super) fn new(nodes: &'a [Node]) -> Self {
        Self { nodes: nodes.iter().enumerate() }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, node)) = self.nodes.by_ref().find(|(_, node)| counts(node)) else {
            return Ok(None);
        };
        let element = seed.deserialize(Reader::new(node));
        element.map(Some).map_err(|fault| fault.under(Step::Index(index)))
    }
}

impl Parts {
    pub(super) fn new(text: &str) -> Self {
        let parts = text.split(',').map(str::trim);
        let nodes: Vec<_> = if text.is_empty() { Vec::new() } else { parts.map(Self::node).collect() };
        Self { nodes: nodes.into_iter().enumerate() }
    }

    fn node(part: &str) -> Node {
        Node::new(Tree::Text(part.to_owned()))
    }
}

impl<'de> SeqAccess<'de> for Parts {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((_, node)) = self.nodes.next() else { return Ok(None) };
        // The parts have no place of their own, so what is wrong with one is wrong with the text.
        seed.deserialize(Reader::new(&node)).map(Some)
    }
}

impl<'a> Variant<'a> {
    pub(super) fn alone(name: &'a str) -> Self {
        Self { name, content: None }
    }

    pub(super) fn with(name: &'a str, content: &'a Node) -> Self {
        Self { name, content: Some(content) }
    }

    fn place<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        match self.content {
            Some(_) => result.map_err(|fault| fault.under(Step::Key(self.name.to_owned()))),
            None => result,
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        seed.deserialize(name).map(|variant| (variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        let nothing = Node::default();
        let reader = Reader::new(self.content.unwrap_or(&nothing));
        self.place(reader.deserialize_unit(IgnoredAny)).map(|_| ())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let nothing = Node::default();
        let result = seed.deserialize(Reader::new(self.content.unwrap_or(&nothing)));
        self.place(result)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        let nothing = Node::default();
        let result = Reader::new(self.content.unwrap_or(&nothing)).deserialize_seq(visitor);
        self.place(result)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let nothing = Node::default();
        let result = Reader::new(self.content.unwrap_or(&nothing)).deserialize_struct("", fields, visitor);
        self.place(result)
    }
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(Variant::alone(self.0))
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.number(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

impl Key<'_> {
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(Fault::new(Reason::Key { expected: "a whole number".to_owned() })),
        }
    }
}
