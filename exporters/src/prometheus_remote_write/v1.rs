//! `prometheus.WriteRequest`, the message of Remote Write 1.0.

use super::Counts;
use super::message::{Exemplar, Message, Name, Sample, TooLarge};
use super::native::Native;
use super::rendered::{Family, Part, put_label};
use super::wire::{put_bytes, put_double, put_integer, put_start};
use crate::prometheus::identity::MetricType;

#[derive(Debug, Default)]
pub(super) struct Request {
    body: Vec<u8>,
    series: Vec<u8>,
    // Of the message inside the series that is being written.
    inner: Vec<u8>,
    size_max: usize,
    pub(super) counts: Counts,
}

impl Request {
    /// With room for a request of so many points, of at most so many bytes.
    pub(super) fn new(points: usize, size_max: usize) -> Self {
        Self { body: Vec::with_capacity(size_max.min(points * 256)), size_max, ..Self::default() }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.body
    }

    fn start(&mut self, name: Name<'_>) {
        self.series.clear();
        name.rendered.put_labels(&mut self.series, name.part, name.extra);
    }

    fn end(&mut self, exemplars: &[Exemplar]) {
        for exemplar in exemplars {
            self.inner.clear();
            for (name, value) in &exemplar.labels {
                put_label(&mut self.inner, name, value);
            }
            put_double(&mut self.inner, 0x11, exemplar.value);
            put_integer(&mut self.inner, 0x18, exemplar.time_ms as u64);
            put_bytes(&mut self.series, 0x1a, &self.inner);
        }
        self.counts.exemplars += exemplars.len() as u64;
    }

    /// Adds the series that was written.
    fn add(&mut self) -> Result<(), TooLarge> {
        if self.body.len() + self.series.len() > self.size_max {
            return Err(TooLarge);
        }
        put_bytes(&mut self.body, 0x0a, &self.series);
        Ok(())
    }
}

impl<'a> Message<'a> for Request {
    fn samples(
        &mut self,
        name: Name<'a>,
        samples: &[Sample],
        exemplars: &[Exemplar],
    ) -> Result<(), TooLarge> {
        self.start(name);
        for sample in samples {
            self.inner.clear();
            put_double(&mut self.inner, 0x09, sample.value);
            put_integer(&mut self.inner, 0x10, sample.time_ms as u64);
            put_bytes(&mut self.series, 0x12, &self.inner);
        }
        self.end(exemplars);
        self.counts.samples += samples.len() as u64;
        self.add()
    }

    fn histograms(
        &mut self,
        name: Name<'a>,
        histograms: &[Native],
        exemplars: &[Exemplar],
    ) -> Result<(), TooLarge> {
        self.start(name);
        self.end(exemplars);
        for histogram in histograms {
            self.inner.clear();
            histogram.put(&mut self.inner, false);
            put_bytes(&mut self.series, 0x22, &self.inner);
        }
        self.counts.histograms += histograms.len() as u64;
        self.add()
    }
}

/// A request that tells of families and no samples.
pub(super) fn metadata<'a>(families: impl Iterator<Item = &'a Family>) -> Vec<u8> {
    let mut body = Vec::new();
    let mut inner = Vec::new();
    for family in families {
        inner.clear();
        put_integer(&mut inner, 0x08, number(family.metric_type));
        put_text(&mut inner, 0x12, family.name(Part::Whole));
        put_text(&mut inner, 0x22, &family.help);
        put_text(&mut inner, 0x2a, &family.unit);
        put_start(&mut body, 0x1a, inner.len());
        body.extend_from_slice(&inner);
    }
    body
}

fn put_text(buffer: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_bytes(buffer, tag, text.as_bytes());
    }
}

/// The number of a type, the same in both versions.
pub(super) fn number(metric_type: MetricType) -> u64 {
    match metric_type {
        MetricType::Unknown => 0,
        MetricType::Counter => 1,
        MetricType::Gauge => 2,
        MetricType::Histogram => 3,
        MetricType::Summary => 5,
        MetricType::Info => 6,
        MetricType::StateSet => 7,
    }
}
