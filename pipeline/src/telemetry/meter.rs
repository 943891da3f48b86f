//! Makes instruments, and reads gauges of what lives when somebody asks.

#[cfg(test)]
mod tests;

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{self, AsyncInstrument};

/// A meter of the SDK, and what its gauges are read from.
///
/// The SDK keeps every callback for as long as the process runs, and components come and go with each reload. So each gauge
/// has one instrument and one callback, made when the first component is observed that shows it, and the callback
/// asks those components that live. Clones observe together.
#[derive(Debug, Clone)]
pub struct Meter {
    meter: metrics::Meter,
    /// For each type that is observed, its `Arc<Living<T>>`.
    living: Arc<Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>>,
}

/// What shows gauges for as long as it lives.
///
/// Read while a page of metrics waits, so it may not block.
pub trait Observed: Send + Sync + Sized + 'static {
    /// What is shown of each.
    const GAUGES: &'static [Gauge<Self>];

    /// Whose gauges they are. Where two that live have the same, the one that came later is shown.
    fn attributes(&self) -> &[KeyValue];
}

/// A gauge of everything of one type.
#[derive(Debug)]
pub struct Gauge<T> {
    pub name: &'static str,
    /// Empty where there is none.
    pub unit: &'static str,
    pub about: &'static str,
    /// `None` where nobody knows now: then there is no point.
    pub read: fn(&T) -> Option<u64>,
}

/// Those that are observed, in the order in which they came; whoever looks takes out those that have ended.
type Living<T> = Mutex<Vec<Weak<T>>>;

impl Meter {
    /// Shows the gauges of this component until its last handle is dropped.
    pub fn observe<T: Observed>(&self, observed: &Arc<T>) {
        let living = self.living::<T>();
        let mut living = lock(&living);
        // Here too, because perhaps nobody ever asks.
        living.retain(|observed| observed.strong_count() > 0);
        living.push(Arc::downgrade(observed));
    }

    fn living<T: Observed>(&self) -> Arc<Living<T>> {
        let mut all = lock(&self.living);
        let living = all.entry(TypeId::of::<T>()).or_insert_with(|| {
            let living = Arc::new(Living::<T>::default());
            self.show(&living);
            living
        });
        living.clone().downcast().expect("the key is the type of the value")
    }

    fn show<T: Observed>(&self, living: &Arc<Living<T>>) {
        for gauge in T::GAUGES {
            let living = living.clone();
            self.meter
                .u64_observable_gauge(gauge.name)
                .with_unit(gauge.unit)
                .with_description(gauge.about)
                .with_callback(move |observer| gauge.read_all(&living, observer))
                .build();
        }
    }
}

impl<T: Observed> Gauge<T> {
    fn read_all(&self, living: &Living<T>, observer: &dyn AsyncInstrument<u64>) {
        lock(living).retain(|observed| {
            let Some(observed) = observed.upgrade() else {
                return false;
            };
            // Of what is observed with the same attributes the last stands.
            if let Some(value) = (self.read)(&observed) {
                observer.observe(value, observed.attributes());
            }
            true
        });
    }
}

impl From<metrics::Meter> for Meter {
    fn from(meter: metrics::Meter) -> Self {
        Self { meter, living: Arc::default() }
    }
}

impl Deref for Meter {
    type Target = metrics::Meter;

    fn deref(&self) -> &metrics::Meter {
        &self.meter
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
