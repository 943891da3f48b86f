//! Which resources a batch is of: what one resource says is never in two requests at once.
//!
//! A series has one resource, so its points come to the other side in the order in which they were queued, however
//! many requests are under way. Resources with one `service.name` and `service.instance.id` count as one: that is what
//! backends know them by, whatever else a restart or a reload changes.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::metric::Resource;
use crate::point::Point;
use crate::value::ValueRef;

/// A resource by the instance it is of, or else by its address: as long as a point of it is held, no other has that
/// address. Two that are the same by chance only wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ResourceId(u64);

static INSTANCES: LazyLock<RandomState> = LazyLock::new(RandomState::default);

pub(super) type Resources = HashSet<ResourceId, RandomState>;

/// The resources of points, one after the other, with the number of points in each run.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(SmallVec<[(ResourceId, usize); 2]>);

impl ResourceId {
    fn of(resource: &Arc<Resource>) -> Self {
        let text = |key| resource.attributes.get(key).and_then(ValueRef::as_str);
        match text("service.instance.id") {
            Some(instance) => {
                Self(INSTANCES.hash_one((text("service.namespace"), text("service.name"), instance)))
            }
            None => Self(Arc::as_ptr(resource).addr() as u64),
        }
    }
}

impl Runs {
    pub(super) fn of(points: &[Point]) -> Self {
        let mut runs = Self::default();
        let is_same =
            |left: &Point, right: &Point| Arc::ptr_eq(left.series.resource(), right.series.resource());
        for run in points.chunk_by(is_same) {
            let id = ResourceId::of(run[0].series.resource());
            match runs.0.last_mut() {
                Some((last, points)) if *last == id => *points += run.len(),
                _ => runs.0.push((id, run.len())),
            }
        }
        runs
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

    #[test]
    fn resources_of_one_instance_are_one_and_others_are_not() {
        let registry = crate::Registry::new(100);
        let ids = |resource: &str| {
            let text = format!("resource {{{resource}}}\ngauge a = 1 @1\n");
            let batch = crate::notation::parse(&text, &registry).unwrap();
            let ids: Vec<_> = Runs::of(batch.as_slice()).ids().collect();
            (ids[0], batch)
        };
        let (one, _held) = ids(r#"service.name="n",service.instance.id="i",process.pid=1"#);
        let (restarted, _held_too) = ids(r#"service.name="n",service.instance.id="i",process.pid=2"#);
        assert_eq!(one, restarted);
        let (other, _other) = ids(r#"service.name="n",service.instance.id="j",process.pid=1"#);
        assert_ne!(one, other);
        let (pod, _pod) = ids(r#"service.name="n",k8s.pod.name="a""#);
        let (pod_too, _pod_too) = ids(r#"service.name="n",k8s.pod.name="b""#);
        assert_ne!(pod, pod_too);
    }
}
