//! Which resources a batch is of: what one resource says is never in two requests at once.
//!
//! A series has one resource, so its points come to the other side in the order in which they were queued, however
//! many requests are under way.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::metric::Resource;
use crate::point::Point;

/// A resource by its address: as long as a point of it is held, no other has that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ResourceId(usize);

pub(super) type Resources = HashSet<ResourceId, RandomState>;

/// The resources of points, one after the other, with the number of points in each run.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(SmallVec<[(ResourceId, usize); 2]>);

impl Runs {
    pub(super) fn of(points: &[Point]) -> Self {
        let mut runs = Self::default();
        for point in points {
            runs.push(point);
        }
        runs
    }

    /// The resource of one more point.
    pub(super) fn push(&mut self, point: &Point) {
        let id = ResourceId(Arc::<Resource>::as_ptr(point.series.resource()) as usize);
        match self.0.last_mut() {
            Some((last, points)) if *last == id => *points += 1,
            _ => self.0.push((id, 1)),
        }
    }

    /// Cuts off the runs of the first points.
    pub(super) fn cut(&mut self, mut points: usize) -> Self {
        let mut front = Self::default();
        let mut whole = 0;
        for (id, length) in &mut self.0 {
            if points == 0 {
                break;
            }
            let taken = points.min(*length);
            front.0.push((*id, taken));
            points -= taken;
            *length -= taken;
            whole += usize::from(*length == 0);
        }
        self.0.drain(..whole);
        front
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ResourceId> {
        self.0.iter().map(|(id, _)| *id)
    }

    /// Whether any of these is among `others`.
    pub(super) fn meet(&self, others: &Resources) -> bool {
        !others.is_empty() && self.ids().any(|id| others.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::scripted::points;

    #[test]
    fn a_cut_divides_the_runs_as_it_divides_the_points() {
        let all = [points("a", 0..3), points("b", 3..5), points("a", 5..6)].concat();
        let whole = Runs::of(&all);
        assert_eq!(whole.0.iter().map(|(_, points)| *points).collect::<Vec<_>>(), [3, 2, 1]);
        for at in 0..=all.len() {
            let mut back = whole.clone();
            let front = back.cut(at);
            assert_eq!((front.0, back.0), (Runs::of(&all[..at]).0, Runs::of(&all[at..]).0), "{at}");
        }
    }
}
