//! The handle to a series' identity.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::attributes::Attributes;
use crate::metric::{Metric, Resource, Scope};
use crate::paged::Numbers;

/// A point's identity: which measurement it belongs to.
///
/// Cloning is cheap: clones share one allocation, so a receiver resolves a series the first time it
/// sees it (with [`Registry::series`](crate::Registry::series)) and hands out clones from then on. Two
/// series are equal when they describe the same measurement, however they were made. A series lives
/// as long as somebody holds it; its slot in the bound on live series is free again after that.
#[derive(Clone)]
pub struct Series(pub(crate) Arc<Identity>);

// In this order, so that what is read for each point mostly lies in one cache line with the counts of the handles.
#[repr(C)]
pub(crate) struct Identity {
    /// Small, unique among the living, reused after death.
    pub(crate) slot: u32,
    pub(crate) metric: Arc<Metric>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) attributes: Attributes,
    pub(crate) census: Arc<Census>,
}

/// Counts the living and knows their slots.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub(crate) live: AtomicUsize,
    pub(crate) slots: Mutex<Numbers>,
}

impl Series {
    pub fn resource(&self) -> &Arc<Resource> {
        &self.0.resource
    }

    pub fn scope(&self) -> &Arc<Scope> {
        &self.0.scope
    }

    pub fn metric(&self) -> &Arc<Metric> {
        &self.0.metric
    }

    pub fn attributes(&self) -> &Attributes {
        &self.0.attributes
    }

    pub(crate) fn slot(&self) -> usize {
        self.0.slot as usize
    }

    pub(crate) fn downgrade(&self) -> Weak<Identity> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn address(&self) -> *const Identity {
        Arc::as_ptr(&self.0)
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Series {}

impl Hash for Series {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.metric().name, self.attributes())
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.census.live.fetch_sub(1, Ordering::Relaxed);
        self.census.slots.lock().unwrap_or_else(PoisonError::into_inner).give_back(self.slot as usize);
    }
}
