//! Whether what is sent again is what was sent before, byte by byte.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::account::Point;

/// Requests that were not answered, and those that bring their points again.
#[derive(Debug, Clone, Default)]
pub struct Repeats {
    /// Requests that came again as they were.
    pub identical: u64,
    /// Requests that bring a point again, and have other bytes than the one that brought it.
    pub altered: u64,
    bodies: HashSet<u64>,
    points: HashSet<(String, i64)>,
}

impl Repeats {
    /// Notes a request that is going to come again.
    pub(crate) fn expect(&mut self, points: &[Point], body: &[u8]) {
        self.bodies.insert(digest(body));
        self.points.extend(points.iter().map(identity));
    }

    /// Counts a request that should have come before.
    pub(crate) fn check(&mut self, points: &[Point], body: &[u8]) {
        if !points.iter().any(|point| self.points.contains(&identity(point))) {
            return;
        }
        if self.bodies.contains(&digest(body)) {
            self.identical += 1;
        } else {
            self.altered += 1;
        }
    }
}

fn identity(point: &Point) -> (String, i64) {
    (point.source.clone(), point.number)
}

fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_with_other_bytes_is_told_from_one_with_the_same() {
        let points = |number| [Point { source: String::from("a"), lane: String::new(), number }];
        let mut repeats = Repeats::default();
        repeats.check(&points(1), b"one");
        repeats.expect(&points(1), b"one");
        repeats.check(&points(2), b"two");
        assert_eq!((repeats.identical, repeats.altered), (0, 0));
        repeats.check(&points(1), b"one");
        repeats.check(&points(1), b"ONE");
        assert_eq!((repeats.identical, repeats.altered), (1, 1));
    }
}
