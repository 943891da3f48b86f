//! Remembers something computed once a series.

use std::sync::Weak;

use crate::paged::Paged;
use crate::series::{Identity, Series};

/// A value for each series it was asked about, forgotten when the series is gone.
///
/// A look-up is an index and a comparison. Whoever owns one calls [`PerSeries::sweep`] now and then, so
/// that values of series that ended are dropped even when no new series takes their place.
#[derive(Debug)]
pub struct PerSeries<T> {
    // By the series' slot.
    entries: Paged<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    // The weak handle keeps the address from being reused, so comparing addresses is comparing series.
    series: Weak<Identity>,
    value: T,
}

impl<T> Default for PerSeries<T> {
    fn default() -> Self {
        Self { entries: Paged::default() }
    }
}

impl<T> PerSeries<T> {
    /// What is kept for the series, if it is still the same one.
    #[inline]
    pub fn get(&self, series: &Series) -> Option<&T> {
        match self.entries.get(series.slot()) {
            Some(entry) if entry.series.as_ptr() == series.address() => Some(&entry.value),
            _ => None,
        }
    }

    #[inline]
    pub fn get_mut(&mut self, series: &Series) -> Option<&mut T> {
        match self.entries.get_mut(series.slot()) {
            Some(entry) if entry.series.as_ptr() == series.address() => Some(&mut entry.value),
            _ => None,
        }
    }

    /// Remembers a value, and gives back what it replaces.
    pub fn insert(&mut self, series: &Series, value: T) -> Option<T> {
        let old = self.entries.insert(series.slot(), Entry { series: series.downgrade(), value });
        old.filter(|entry| entry.series.as_ptr() == series.address()).map(|entry| entry.value)
    }

    /// The value, computed by `make` the first time.
    #[inline]
    pub fn get_or_insert_with(&mut self, series: &Series, make: impl FnOnce() -> T) -> &mut T {
        if self.get(series).is_none() {
            self.insert(series, make());
        }
        self.get_mut(series).expect("inserted above")
    }

    /// Takes out what is kept for the series.
    pub fn remove(&mut self, series: &Series) -> Option<T> {
        let entry = self.entries.get(series.slot())?;
        if entry.series.as_ptr() != series.address() {
            return None;
        }
        self.entries.take(series.slot()).map(|entry| entry.value)
    }

    /// Drops the values of series that are gone.
    pub fn sweep(&mut self) {
        self.sweep_some(0, usize::MAX);
    }

    /// Sweeps a part: the slots from `from` on, at most `count` of them. Returns where to go on, or `None`
    /// at the end.
    ///
    /// For whoever holds a lock meanwhile: each series looked at may be a miss of the cache.
    pub fn sweep_some(&mut self, from: usize, count: usize) -> Option<usize> {
        self.retain_some(from, count, |_, is_living| is_living())
    }

    /// Keeps the values of a part for which `keep` says so; it may ask whether the series still lives.
    ///
    /// As [`PerSeries::sweep_some`]: returns where to go on.
    pub(crate) fn retain_some(
        &mut self,
        from: usize,
        count: usize,
        mut keep: impl FnMut(&mut T, &dyn Fn() -> bool) -> bool,
    ) -> Option<usize> {
        self.entries
            .retain(from, count, |Entry { series, value }| keep(value, &|| series.strong_count() > 0));
        let next = from.saturating_add(count);
        (next < self.entries.end()).then_some(next)
    }

    /// The series that still live, in no order.
    pub(crate) fn living(&self) -> impl Iterator<Item = Series> {
        self.entries.iter().filter_map(|entry| entry.series.upgrade().map(Series))
    }

    /// The values remembered, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, Kind, Metric, Registry};
    use std::sync::Arc;

    fn series(registry: &Registry, name: &str) -> Series {
        let metric = Arc::new(Metric::new(name, "", Kind::Gauge));
        registry.series(&Arc::default(), &Arc::default(), &metric, Attributes::empty()).unwrap()
    }

    #[test]
    fn a_value_is_made_once_and_forgotten_with_its_series() {
        let registry = Registry::new(10);
        let mut lengths = PerSeries::default();
        let first = series(&registry, "a");
        assert_eq!(*lengths.get_or_insert_with(&first, || 1), 1);
        assert_eq!(*lengths.get_or_insert_with(&first, || 2), 1);
        drop(first);
        // The new series takes the dead one's slot, not its value.
        let second = series(&registry, "b");
        assert_eq!(second.slot(), 0);
        assert_eq!(lengths.get(&second), None);
        lengths.sweep();
        assert_eq!(lengths.entries.end(), 0);
    }

    #[test]
    fn sweeping_in_parts_sweeps_everything() {
        let registry = Registry::new(10);
        let mut values = PerSeries::default();
        let all: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| series(&registry, name)).into();
        for (index, series) in all.iter().enumerate() {
            values.insert(series, index);
        }
        let kept = all[1].clone();
        drop(all);
        assert_eq!(values.sweep_some(0, 2), Some(2));
        assert_eq!(values.sweep_some(2, 2), Some(4));
        assert_eq!(values.sweep_some(4, 2), None);
        assert_eq!((values.entries.end(), values.get(&kept)), (2, Some(&1)));
    }
}
