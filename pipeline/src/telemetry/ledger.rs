//! Keeps what is counted: the meter of tests and fuzz targets.

#![cfg_attr(not(test), expect(dead_code, reason = "fuzz targets use a part of what tests use"))]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    self, AsyncInstrument, AsyncInstrumentBuilder, Callback, Counter, InstrumentBuilder, InstrumentProvider,
    ObservableGauge, SyncInstrument, UpDownCounter,
};

use super::Meter;

type Gauges = Arc<Mutex<Vec<(String, Callback<u64>)>>>;
type Sums = Arc<Mutex<BTreeMap<String, u64>>>;

/// Sums by `name{value,value}`, with the attributes' values in their order.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    sums: Sums,
    gauges: Gauges,
}

struct Row {
    name: String,
    sums: Sums,
}

impl Ledger {
    pub(crate) fn meter(&self) -> Meter {
        metrics::Meter::new(Arc::new(self.clone())).into()
    }

    /// What was counted under names that begin so.
    pub(crate) fn sum(&self, prefix: &str) -> u64 {
        self.sums
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(_, sum)| sum)
            .sum()
    }

    /// What was counted under names that begin so, each by itself.
    pub(crate) fn rows(&self, prefix: &str) -> BTreeMap<String, u64> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(key, sum)| (key.clone(), *sum)).collect()
    }

    /// How many callbacks the meter keeps.
    pub(crate) fn callbacks(&self) -> usize {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What the gauge shows now; `None` if nothing.
    pub(crate) fn gauge(&self, prefix: &str) -> Option<u64> {
        let seen = Sums::default();
        for (name, callback) in &*self.gauges.lock().unwrap_or_else(PoisonError::into_inner) {
            callback(&Row { name: name.clone(), sums: seen.clone() });
        }
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().find(|(key, _)| key.starts_with(prefix)).map(|(_, value)| *value)
    }
}

impl Row {
    fn change(&self, attributes: &[KeyValue], change: impl FnOnce(u64) -> u64) {
        let values: Vec<_> = attributes.iter().map(|pair| pair.value.to_string()).collect();
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = sums.entry(format!("{}{{{}}}", self.name, values.join(","))).or_default();
        *sum = change(*sum);
    }

    fn add(&self, value: u64, attributes: &[KeyValue]) {
        // What goes down is added as what wraps.
        self.change(attributes, |sum| sum.wrapping_add(value));
    }
}

impl SyncInstrument<u64> for Row {
    fn measure(&self, value: u64, attributes: &[KeyValue]) {
        self.add(value, attributes);
    }
}

impl SyncInstrument<i64> for Row {
    fn measure(&self, value: i64, attributes: &[KeyValue]) {
        self.add(value as u64, attributes);
    }
}

impl AsyncInstrument<u64> for Row {
    fn observe(&self, value: u64, attributes: &[KeyValue]) {
        self.change(attributes, |_| value);
    }
}

impl InstrumentProvider for Ledger {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        Counter::new(Arc::new(Row { name: builder.name.to_string(), sums: self.sums.clone() }))
    }

    fn i64_up_down_counter(&self, builder: InstrumentBuilder<'_, UpDownCounter<i64>>) -> UpDownCounter<i64> {
        UpDownCounter::new(Arc::new(Row { name: builder.name.to_string(), sums: self.sums.clone() }))
    }

    fn u64_observable_gauge(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableGauge<u64>, u64>,
    ) -> ObservableGauge<u64> {
        let name = builder.name.to_string();
        let callbacks = builder.callbacks.into_iter().map(|callback| (name.clone(), callback));
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).extend(callbacks);
        ObservableGauge::new()
    }
}
