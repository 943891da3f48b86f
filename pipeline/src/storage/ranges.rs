//! Ranges of sequences: what is settled, and what may be where it cannot be read.

use super::Sequence;

/// Ranges in order, none touching another; both ends are in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(Sequence, Sequence)>);

impl Ranges {
    pub(super) fn new(mut ranges: Vec<(Sequence, Sequence)>) -> Self {
        ranges.sort_unstable();
        ranges.dedup_by(|next, range| {
            let joins = next.0 <= range.1.saturating_add(1);
            if joins {
                range.1 = range.1.max(next.1);
            }
            joins
        });
        Self(ranges)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Sequence, Sequence)> {
        self.0.iter().copied()
    }

    pub(super) fn merge(&mut self, other: Self) {
        let mut ranges = std::mem::take(&mut self.0);
        ranges.extend(other.0);
        *self = Self::new(ranges);
    }

    pub(super) fn contains(&self, sequence: Sequence) -> bool {
        let after = self.0.partition_point(|(from, _)| *from <= sequence);
        after.checked_sub(1).is_some_and(|index| self.0[index].1 >= sequence)
    }

    /// The last one; 0 where there is none.
    pub(super) fn last(&self) -> Sequence {
        self.0.last().map_or(0, |(_, to)| *to)
    }

    /// What is in these and not in the others.
    pub(super) fn without(&self, others: &Self) -> Self {
        let mut ranges = Vec::with_capacity(self.0.len());
        for (from, to) in self.iter() {
            let mut left = Some(from);
            let first = others.0.partition_point(|other| other.1 < from);
            for other in others.0[first..].iter().take_while(|other| other.0 <= to) {
                ranges.extend(left.filter(|from| *from < other.0).map(|from| (from, other.0 - 1)));
                left = other.1.checked_add(1);
            }
            ranges.extend(left.filter(|from| *from <= to).map(|from| (from, to)));
        }
        Self(ranges)
    }

    /// What is in both.
    pub(super) fn within(&self, others: &Self) -> Self {
        self.without(&self.without(others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(these: &[(u64, u64)], others: &[(u64, u64)], without: &[(u64, u64)], within: &[(u64, u64)]) {
        let (these, others) = (Ranges::new(these.to_vec()), Ranges::new(others.to_vec()));
        assert_eq!(these.without(&others).iter().collect::<Vec<_>>(), without);
        assert_eq!(these.within(&others).iter().collect::<Vec<_>>(), within);
    }

    #[test]
    fn ranges_are_taken_from_ranges() {
        check(&[], &[(1, 2)], &[], &[]);
        check(&[(1, 2)], &[], &[(1, 2)], &[]);
        check(&[(0, 9)], &[(3, 4)], &[(0, 2), (5, 9)], &[(3, 4)]);
        check(&[(0, 9)], &[(0, 9)], &[], &[(0, 9)]);
        check(&[(2, 3)], &[(0, 9)], &[], &[(2, 3)]);
        check(&[(0, 3), (5, 9)], &[(2, 6)], &[(0, 1), (7, 9)], &[(2, 3), (5, 6)]);
        check(&[(0, 9)], &[(0, 0), (4, 5), (9, 20)], &[(1, 3), (6, 8)], &[(0, 0), (4, 5), (9, 9)]);
        check(&[(3, u64::MAX)], &[(5, u64::MAX)], &[(3, 4)], &[(5, u64::MAX)]);
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(Ranges::new(vec![(4, 6), (0, 1), (2, 3), (9, 9)]).0, [(0, 6), (9, 9)]);
    }
}
