//! Writes requests for tests.

use pipeline::wire::{put_bytes, put_varint};

use super::message::put_label;

pub(super) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// The fields of a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(pub(super) Vec<u8>);

/// A request of 2.0, with its symbols.
#[derive(Debug, Default)]
pub(super) struct Request2 {
    symbols: Vec<String>,
    series: Vec<Vec<u8>>,
}

impl Message {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn varint(mut self, field: u32, value: i64) -> Self {
        put_varint(&mut self.0, u64::from(field << 3));
        put_varint(&mut self.0, value as u64);
        self
    }

    pub(super) fn signed(self, field: u32, value: i64) -> Self {
        self.varint(field, value << 1 ^ value >> 63)
    }

    pub(super) fn double(mut self, field: u32, value: f64) -> Self {
        put_varint(&mut self.0, u64::from(field << 3 | 1));
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, field: u32, bytes: impl AsRef<[u8]>) -> Self {
        put_bytes(&mut self.0, field, bytes.as_ref());
        self
    }

    pub(super) fn packed(self, field: u32, values: impl IntoIterator<Item = u64>) -> Self {
        let mut packed = Vec::new();
        values.into_iter().for_each(|value| put_varint(&mut packed, value));
        self.bytes(field, packed)
    }

    pub(super) fn deltas(self, field: u32, deltas: &[i64]) -> Self {
        self.packed(field, deltas.iter().map(|delta| (delta << 1 ^ delta >> 63) as u64))
    }

    pub(super) fn doubles(self, field: u32, values: &[f64]) -> Self {
        self.bytes(field, values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect::<Vec<_>>())
    }

    pub(super) fn span(self, field: u32, gap: i64, length: i64) -> Self {
        self.bytes(field, Self::new().signed(1, gap).varint(2, length).0)
    }
}

pub(super) fn sample(value: f64, time: i64) -> Vec<u8> {
    Message::new().double(1, value).varint(2, time).0
}

/// The fields of labels, from `a=b c=d`.
pub(super) fn labels(text: &str) -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, value) in pairs(text) {
        put_label(&mut fields, name.as_bytes(), value.as_bytes());
    }
    fields
}

/// A series of 1.0, in its field.
pub(super) fn series(text: &str, values: Message) -> Vec<u8> {
    Message::new().bytes(1, [labels(text), values.0].concat()).0
}

/// The samples of a series of either version.
pub(super) fn samples(samples: &[(f64, i64)]) -> Message {
    samples.iter().fold(Message::new(), |message, (value, time)| message.bytes(2, sample(*value, *time)))
}

/// A family's metadata in 1.0, in its field.
pub(super) fn metadata(kind: i64, name: &str, help: &str) -> Vec<u8> {
    Message::new().bytes(3, Message::new().varint(1, kind).bytes(2, name).bytes(4, help).0).0
}

impl Request2 {
    pub(super) fn new() -> Self {
        Self { symbols: vec![String::new()], series: Vec::new() }
    }

    pub(super) fn symbol(&mut self, text: &str) -> u64 {
        if let Some(place) = self.symbols.iter().position(|symbol| symbol == text) {
            return place as u64;
        }
        self.symbols.push(text.to_owned());
        self.symbols.len() as u64 - 1
    }

    pub(super) fn references(&mut self, text: &str) -> Vec<u64> {
        pairs(text).flat_map(|(name, value)| [self.symbol(name), self.symbol(value)]).collect()
    }

    /// Adds a series with a type, which may be 0.
    pub(super) fn series(self, text: &str, kind: i64, values: Message) -> Self {
        self.described(text, (kind, "", ""), values)
    }

    pub(super) fn described(
        mut self,
        text: &str,
        (kind, help, unit): (i64, &str, &str),
        values: Message,
    ) -> Self {
        let references = self.references(text);
        let (help, unit) = (self.symbol(help) as i64, self.symbol(unit) as i64);
        let metadata = Message::new().varint(1, kind).varint(3, help).varint(4, unit).0;
        let message = Message::new().packed(1, references).bytes(5, metadata).0;
        self.series.push([message, values.0].concat());
        self
    }

    /// Adds a series as it is.
    pub(super) fn raw(mut self, message: Message) -> Self {
        self.series.push(message.0);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let symbols = self.symbols.iter().fold(Message::new(), |message, symbol| message.bytes(4, symbol));
        self.series.iter().fold(symbols, |message, series| message.bytes(5, series)).0
    }
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_whitespace().map(|pair| pair.split_once('=').expect("a pair is `name=value`"))
}
