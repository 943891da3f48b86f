//! The texts of a request of 2.0: each is there once, and named by its place.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::wire::put_start;

/// The first is the empty text.
#[derive(Debug)]
pub(super) struct Symbols {
    /// The fields as the request has them, in order.
    fields: Vec<u8>,
    /// Where each text is in them.
    places: Vec<(usize, usize)>,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Symbols {
    fn default() -> Self {
        let mut symbols = Self {
            fields: Vec::new(),
            places: Vec::new(),
            table: HashTable::new(),
            hasher: RandomState::default(),
        };
        symbols.find("");
        symbols
    }
}

impl Symbols {
    /// The place of a text, which gets one if it has none.
    pub(super) fn find(&mut self, text: &str) -> u32 {
        let text = text.as_bytes();
        let hash = self.hasher.hash_one(text);
        let at = |places: &[(usize, usize)], symbol: u32| {
            let (start, length) = places[symbol as usize];
            start..start + length
        };
        let (fields, places) = (&self.fields, &self.places);
        if let Some(symbol) = self.table.find(hash, |symbol| fields[at(places, *symbol)] == *text) {
            return *symbol;
        }
        let symbol = self.places.len() as u32;
        put_start(&mut self.fields, 0x22, text.len());
        self.places.push((self.fields.len(), text.len()));
        self.fields.extend_from_slice(text);
        let (fields, places, hasher) = (&self.fields, &self.places, &self.hasher);
        self.table.insert_unique(hash, symbol, |symbol| hasher.hash_one(&fields[at(places, *symbol)]));
        symbol
    }

    /// How long the fields are.
    pub(super) fn size(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn into_fields(self) -> Vec<u8> {
        self.fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_place_and_the_empty_one_is_first() {
        let mut symbols = Symbols::default();
        assert_eq!([symbols.find("a"), symbols.find("b"), symbols.find("a"), symbols.find("")], [1, 2, 1, 0]);
        for index in 0..10_000 {
            assert_eq!(symbols.find(&format!("text {index}")), index + 3);
        }
        assert_eq!(symbols.find("text 77"), 80);
        assert_eq!(symbols.into_fields()[..8], [0x22, 0, 0x22, 1, b'a', 0x22, 1, b'b']);
    }
}
