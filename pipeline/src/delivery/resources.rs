//! Which resources a batch is of: what one resource says is never in two requests at once.
//!
//! A series has one resource, so its points come to the other side in the order in which they were queued, however
//! many requests are under way. Resources with one `service.name` and `service.instance.id` count as one: that is what
//! backends know them by, whatever else a restart or a reload changes. To some, which know nothing else of a resource,
//! those of one service that tell no instance are one as well.

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

/// The resources of points, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(SmallVec<[Run; 2]>);

/// Points of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    id: ResourceId,
    /// What all resources share that differ in neither service nor instance.
    service: ResourceId,
    points: usize,
}

impl Run {
    fn of(resource: &Arc<Resource>, points: usize) -> Self {
        let text = |key| resource.attributes.get(key).and_then(ValueRef::as_str);
        let instance = text("service.instance.id");
        let service = INSTANCES.hash_one((text("service.namespace"), text("service.name"), instance));
        let id = if instance.is_some() { service } else { Arc::as_ptr(resource).addr() as u64 };
        Self { id: ResourceId(id), service: ResourceId(service), points }
    }
}

impl Runs {
    pub(super) fn of(points: &[Point]) -> Self {
        let mut runs = Self::default();
        let is_same =
            |left: &Point, right: &Point| Arc::ptr_eq(left.series.resource(), right.series.resource());
        for run in points.chunk_by(is_same) {
            runs.push(Run::of(run[0].series.resource(), run.len()));
        }
        runs
    }

    fn push(&mut self, run: Run) {
        match self.0.last_mut() {
            Some(last) if last.id == run.id => last.points += run.points,
            _ => self.0.push(run),
        }
    }

    /// Takes all resources of one service for one where they tell no instance.
    pub(super) fn merge_services(&mut self) {
        for run in std::mem::take(&mut self.0) {
            self.push(Run { id: run.service, ..run });
        }
    }

    /// Cuts off the runs of the first points.
    pub(super) fn cut(&mut self, mut points: usize) -> Self {
        let mut front = Self::default();
        let mut whole = 0;
        for run in &mut self.0 {
            if points == 0 {
                break;
            }
            let taken = points.min(run.points);
            front.0.push(Run { points: taken, ..*run });
            points -= taken;
            run.points -= taken;
            whole += usize::from(run.points == 0);
        }
        self.0.drain(..whole);
        front
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ResourceId> {
        self.0.iter().map(|run| run.id)
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
        assert_eq!(whole.0.iter().map(|run| run.points).collect::<Vec<_>>(), [3, 2, 1]);
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

    #[test]
    fn services_are_merged_where_that_is_wanted_and_instances_are_not() {
        let text = r#"
            resource {service.name="n",pid=1}
            gauge a = 1 @1
            resource {service.name="n",pid=2}
            gauge a = 2 @2
            resource {service.name="n",service.instance.id="i"}
            gauge a = 3 @3
            resource {service.name="n",service.namespace="x"}
            gauge a = 4 @4
        "#;
        let batch = crate::notation::parse(text, &crate::Registry::new(10)).unwrap();
        let mut runs = Runs::of(batch.as_slice());
        assert_eq!(runs.ids().collect::<Resources>().len(), 4);
        for _ in 0..2 {
            runs.merge_services();
            assert_eq!(runs.0.iter().map(|run| run.points).collect::<Vec<_>>(), [2, 1, 1]);
            assert_eq!(runs.ids().collect::<Resources>().len(), 3);
        }
    }
}
