//! Where series come from: one table of all that live, with a bound.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::attributes::Attributes;
use crate::metric::{Metric, Resource, Scope};
use crate::series::{Census, Identity, Series};

/// Dead entries are looked for when this many insertions have happened since the last look, at least.
const SWEEP_INSERTIONS_MIN: usize = 1024;

/// Hands out series and bounds how many live at once.
///
/// Asked on the slow path only: whoever resolves a series keeps the handle. A series that nobody holds
/// is gone, and its place is free at once.
pub struct Registry {
    live_max: AtomicUsize,
    hasher: RandomState,
    census: Arc<Census>,
    refused: AtomicU64,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    series: HashTable<Entry<Identity>>,
    resources: HashTable<Entry<Resource>>,
    scopes: HashTable<Entry<Scope>>,
    metrics: HashTable<Entry<Metric>>,
    last_group: Option<Group>,
    insertions: usize,
}

/// A series, and whether it was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub series: Series,
    /// Nobody held it before.
    pub is_new: bool,
}

/// What many series have in common, with its hash: they mostly come one after the other.
///
/// The weak handles keep the addresses from being reused.
struct Group {
    resource: Weak<Resource>,
    scope: Weak<Scope>,
    metric: Weak<Metric>,
    hash: u64,
}

/// The hash is kept because a dead entry cannot be hashed again.
struct Entry<T> {
    hash: u64,
    value: Weak<T>,
}

/// The bound on live series is reached; the series was refused and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    pub live_max: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit of {} live series is reached", self.live_max)
    }
}

impl std::error::Error for Full {}

impl Registry {
    /// Makes an empty registry that refuses new series beyond `live_max`.
    pub fn new(live_max: usize) -> Self {
        Self {
            live_max: AtomicUsize::new(live_max),
            hasher: RandomState::default(),
            census: Arc::default(),
            refused: AtomicU64::new(0),
            tables: Mutex::default(),
        }
    }

    /// Finds or makes the series of this identity.
    ///
    /// The first description seen of a metric stays with the series.
    pub fn series(
        &self,
        resource: &Arc<Resource>,
        scope: &Arc<Scope>,
        metric: &Arc<Metric>,
        attributes: Attributes,
    ) -> Result<Series, Full> {
        self.resolve(resource, scope, metric, attributes).map(|resolved| resolved.series)
    }

    /// Finds or makes the series of this identity, and says which it was.
    pub fn resolve(
        &self,
        resource: &Arc<Resource>,
        scope: &Arc<Scope>,
        metric: &Arc<Metric>,
        attributes: Attributes,
    ) -> Result<Resolved, Full> {
        let own_hash = self.hasher.hash_one(&attributes);
        let is_same = |identity: &Identity| {
            identity.attributes == attributes
                && (Arc::ptr_eq(&identity.metric, metric) || identity.metric.is_same(metric))
                && same(&identity.resource, resource)
                && same(&identity.scope, scope)
        };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.group_hash(&mut tables, resource, scope, metric) ^ own_hash;
        if let Some(identity) = find(&tables.series, hash, is_same) {
            return Ok(Resolved { series: Series(identity), is_new: false });
        }
        let live_max = self.live_max();
        if self.live() >= live_max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Full { live_max });
        }
        let slot = self.census.slots.lock().unwrap_or_else(PoisonError::into_inner).take() as u32;
        self.census.live.fetch_add(1, Ordering::Relaxed);
        let identity = Arc::new(Identity {
            resource: resource.clone(),
            scope: scope.clone(),
            metric: metric.clone(),
            attributes,
            slot,
            census: self.census.clone(),
        });
        insert(&mut tables.series, hash, &identity);
        tables.insertions += 1;
        if tables.insertions > SWEEP_INSERTIONS_MIN.max(self.live()) {
            tables.sweep();
        }
        Ok(Resolved { series: Series(identity), is_new: true })
    }

    fn group_hash(
        &self,
        tables: &mut Tables,
        resource: &Arc<Resource>,
        scope: &Arc<Scope>,
        metric: &Arc<Metric>,
    ) -> u64 {
        let is_same = |group: &&Group| {
            group.metric.as_ptr() == Arc::as_ptr(metric)
                && group.resource.as_ptr() == Arc::as_ptr(resource)
                && group.scope.as_ptr() == Arc::as_ptr(scope)
        };
        if let Some(group) = tables.last_group.as_ref().filter(is_same) {
            return group.hash;
        }
        let hash = self.hasher.hash_one((
            resource.as_ref(),
            scope.as_ref(),
            (&metric.name, &metric.unit, metric.kind),
        ));
        tables.last_group = Some(Group {
            resource: Arc::downgrade(resource),
            scope: Arc::downgrade(scope),
            metric: Arc::downgrade(metric),
            hash,
        });
        hash
    }

    /// Finds the shared copy of an equal resource, or shares this one.
    pub fn resource(&self, resource: Resource) -> Arc<Resource> {
        self.share(resource, |tables| &mut tables.resources)
    }

    /// Finds the shared copy of an equal scope, or shares this one.
    pub fn scope(&self, scope: Scope) -> Arc<Scope> {
        self.share(scope, |tables| &mut tables.scopes)
    }

    /// Finds the shared copy of an equal metric (description included), or shares this one.
    pub fn metric(&self, metric: Metric) -> Arc<Metric> {
        self.share(metric, |tables| &mut tables.metrics)
    }

    fn share<T: Hash + Eq>(&self, value: T, table: fn(&mut Tables) -> &mut HashTable<Entry<T>>) -> Arc<T> {
        let hash = self.hasher.hash_one(&value);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = table(&mut tables);
        if let Some(shared) = find(table, hash, |other| *other == value) {
            return shared;
        }
        let shared = Arc::new(value);
        if table.len() == table.capacity() {
            table.retain(|entry| entry.value.strong_count() > 0);
        }
        insert(table, hash, &shared);
        shared
    }

    /// Gives back what is kept of series that are gone, where that is more than of those that live.
    ///
    /// Called every minute or so: a burst of series leaves nothing behind, even when no others follow.
    pub fn sweep(&self) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.series.len() > SWEEP_INSERTIONS_MIN + 2 * self.live() {
            tables.sweep();
        }
        shrink(&mut tables.series);
        // There are fewer of these than of series.
        retain_living(&mut tables.resources);
        retain_living(&mut tables.scopes);
        retain_living(&mut tables.metrics);
    }

    /// How many series live now.
    pub fn live(&self) -> usize {
        self.census.live.load(Ordering::Relaxed)
    }

    /// How many series may live at once.
    pub fn live_max(&self) -> usize {
        self.live_max.load(Ordering::Relaxed)
    }

    /// Changes the bound; series that live already stay, however many.
    pub fn limit(&self, live_max: usize) {
        self.live_max.store(live_max, Ordering::Relaxed);
    }

    /// How many times a series was refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Tables {
    fn sweep(&mut self) {
        self.series.retain(|entry| entry.value.strong_count() > 0);
        self.insertions = 0;
    }
}

fn same<T: Eq>(left: &Arc<T>, right: &Arc<T>) -> bool {
    Arc::ptr_eq(left, right) || left == right
}

fn find<T>(table: &HashTable<Entry<T>>, hash: u64, is_same: impl Fn(&T) -> bool) -> Option<Arc<T>> {
    let mut found = None;
    table.find(hash, |entry| {
        found = (entry.hash == hash).then(|| entry.value.upgrade()).flatten().filter(|value| is_same(value));
        found.is_some()
    });
    found
}

fn retain_living<T>(table: &mut HashTable<Entry<T>>) {
    table.retain(|entry| entry.value.strong_count() > 0);
    shrink(table);
}

fn shrink<T>(table: &mut HashTable<Entry<T>>) {
    if table.capacity() > SWEEP_INSERTIONS_MIN + 4 * table.len() {
        table.shrink_to_fit(|entry| entry.hash);
    }
}

fn insert<T>(table: &mut HashTable<Entry<T>>, hash: u64, value: &Arc<T>) {
    table.insert_unique(hash, Entry { hash, value: Arc::downgrade(value) }, |entry| entry.hash);
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("live", &self.live())
            .field("live_max", &self.live_max())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Kind;

    fn series(registry: &Registry, name: &str, label: &str) -> Result<Series, Full> {
        registry.series(
            &Arc::default(),
            &Arc::default(),
            &Arc::new(Metric::new(name, "", Kind::Gauge).with_description(label)),
            Attributes::of_strings([("l", label)]),
        )
    }

    #[test]
    fn equal_identities_are_one_series() {
        let registry = Registry::new(10);
        let first = series(&registry, "m", "a").unwrap();
        assert_eq!(first, series(&registry, "m", "a").unwrap());
        assert_ne!(first, series(&registry, "m", "b").unwrap());
        assert_ne!(first, series(&registry, "n", "a").unwrap());
    }

    #[test]
    fn past_the_bound_a_new_series_is_refused_until_one_is_gone() {
        let registry = Registry::new(1);
        let first = series(&registry, "m", "a").unwrap();
        assert_eq!(series(&registry, "m", "b"), Err(Full { live_max: 1 }));
        assert_eq!((registry.live(), registry.refused()), (1, 1));
        assert!(series(&registry, "m", "a").is_ok());
        drop(first);
        assert!(series(&registry, "m", "b").is_ok());
    }

    #[test]
    fn churn_leaves_no_entries_behind() {
        let registry = Registry::new(10);
        for index in 0..10_000 {
            series(&registry, "m", &index.to_string()).unwrap();
        }
        let tables = registry.tables.lock().unwrap();
        assert!(tables.series.len() <= SWEEP_INSERTIONS_MIN + 1);
        drop(tables);
        assert_eq!(series(&registry, "m", "next").unwrap().slot(), 0);
    }

    #[test]
    fn a_burst_leaves_nothing_behind() {
        let registry = Registry::new(100_000);
        let kept = series(&registry, "m", "kept").unwrap();
        drop((0..50_000).map(|index| series(&registry, "m", &index.to_string())).collect::<Vec<_>>());
        registry.sweep();
        let tables = registry.tables.lock().unwrap();
        assert_eq!(tables.series.len(), 1);
        assert!(tables.series.capacity() < SWEEP_INSERTIONS_MIN, "{}", tables.series.capacity());
        drop(tables);
        assert_eq!(series(&registry, "m", "kept").unwrap(), kept);
    }

    #[test]
    fn a_burst_of_resources_leaves_nothing_behind() {
        let registry = Registry::new(10);
        let resource = |index: u32| {
            let attributes = Attributes::of_strings([("service.instance.id", &*index.to_string())]);
            registry.resource(Resource { attributes, ..Resource::default() })
        };
        let kept = resource(0);
        drop((1..10_000).map(resource).collect::<Vec<_>>());
        registry.sweep();
        let tables = registry.tables.lock().unwrap();
        assert_eq!(tables.resources.len(), 1);
        assert!(tables.resources.capacity() < SWEEP_INSERTIONS_MIN, "{}", tables.resources.capacity());
        drop(tables);
        assert!(Arc::ptr_eq(&kept, &resource(0)));
    }

    #[test]
    fn shared_parts_are_shared() {
        let registry = Registry::new(10);
        let resource = registry.resource(Resource::default());
        assert!(Arc::ptr_eq(&resource, &registry.resource(Resource::default())));
    }
}
