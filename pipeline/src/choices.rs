//! Decisions out of the bytes of a fuzz target.

/// Numbers at which something else happens than beside them.
const EDGES: [u64; 12] = [
    0,
    1,
    u32::MAX as u64,
    u32::MAX as u64 + 1,
    (1 << 53) + 1,
    1 << 62,
    i64::MAX as u64 - 1,
    i64::MAX as u64,
    i64::MAX as u64 + 1,
    u64::MAX / 2_000_000,
    u64::MAX - 1,
    u64::MAX,
];

/// Bytes that have not been asked yet; behind their end every answer is nothing.
#[derive(Debug, Clone)]
pub(crate) struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// One of so many.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// Up to so many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// Mostly a small number, now and then one at which something changes, or any.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..224 => u64::from(small),
            edge @ 224..236 => EDGES[usize::from(edge - 224)],
            length => {
                let bytes = self.bytes(usize::from(length % 8) + 1);
                bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_small_at_an_edge_or_any() {
        let mut choices = Choices::new(&[7, 224, 235, 240, 1, 241, 1, 2]);
        let numbers = [7, 0, u64::MAX, 1, 0x0102, 0];
        assert_eq!(numbers.map(|_| choices.number()), numbers);
        assert!(choices.is_empty());
    }
}
