//! `io.prometheus.write.v2.Request`, the message of Remote Write 2.0.

use super::Counts;
use super::message::{Exemplar, Message, Name, Sample, TooLarge};
use super::native::Native;
use super::rendered::{Family, NAME, next_label, put_packed, read_label};
use super::symbols::Symbols;
use super::v1::number;
use super::wire::{put_bytes, put_double, put_integer};

#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    symbols: Symbols,
    body: Vec<u8>,
    series: Vec<u8>,
    // Of the message inside the series that is being written.
    inner: Vec<u8>,
    refs: Vec<u32>,
    /// The labels of the series before, encoded, with their symbols: most of them come again.
    recent: Vec<(&'a [u8], [u32; 2])>,
    family: Option<(&'a Family, [u32; 2])>,
    size_max: usize,
    pub(super) counts: Counts,
}

impl<'a> Request<'a> {
    /// With room for a request of so many points, of at most so many bytes.
    pub(super) fn new(points: usize, size_max: usize) -> Self {
        Self { body: Vec::with_capacity(size_max.min(points * 64)), size_max, ..Self::default() }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut body = self.symbols.into_fields();
        body.extend_from_slice(&self.body);
        body
    }

    fn start(&mut self, name: Name<'a>) {
        self.series.clear();
        self.refs.clear();
        let family = &name.rendered.family;
        let mut place = 0;
        for (index, mut chunk) in name.rendered.chunks().into_iter().enumerate() {
            match (index, name.extra) {
                (1, _) => self.push(NAME, family.name(name.part)),
                (2, Some(value)) => self.push(family.extra(), value),
                _ => {}
            }
            while let Some(label) = next_label(&mut chunk) {
                self.push_label(label, place);
                place += 1;
            }
        }
        put_packed(&mut self.series, 0x0a, self.refs.iter().map(|symbol| u64::from(*symbol)));
    }

    fn push(&mut self, name: &str, value: &str) {
        let refs = [self.symbols.find(name), self.symbols.find(value)];
        self.refs.extend(refs);
    }

    #[inline]
    fn push_label(&mut self, label: &'a [u8], place: usize) {
        let refs = match self.recent.get(place) {
            Some((recent, refs)) if *recent == label => *refs,
            _ => {
                let (name, value) = read_label(label).unwrap_or_default();
                let refs = [self.symbols.find(name), self.symbols.find(value)];
                if place < self.recent.len() {
                    self.recent[place] = (label, refs);
                } else {
                    self.recent.push((label, refs));
                }
                refs
            }
        };
        self.refs.extend(refs);
    }

    fn end(&mut self, name: Name<'a>, exemplars: &[Exemplar]) -> Result<(), TooLarge> {
        for exemplar in exemplars {
            self.refs.clear();
            for (name, value) in &exemplar.labels {
                self.push(name, value);
            }
            self.inner.clear();
            put_packed(&mut self.inner, 0x0a, self.refs.iter().map(|symbol| u64::from(*symbol)));
            put_double(&mut self.inner, 0x11, exemplar.value);
            put_integer(&mut self.inner, 0x18, exemplar.time_ms as u64);
            put_bytes(&mut self.series, 0x22, &self.inner);
        }
        self.counts.exemplars += exemplars.len() as u64;
        let family = name.rendered.family.as_ref();
        let [help, unit] = match self.family {
            Some((recent, refs)) if std::ptr::eq(recent, family) => refs,
            _ => {
                let refs = [self.symbols.find(&family.help), self.symbols.find(&family.unit)];
                self.family = Some((family, refs));
                refs
            }
        };
        self.inner.clear();
        put_integer(&mut self.inner, 0x08, number(family.metric_type));
        put_integer(&mut self.inner, 0x18, help.into());
        put_integer(&mut self.inner, 0x20, unit.into());
        if !self.inner.is_empty() {
            put_bytes(&mut self.series, 0x2a, &self.inner);
        }
        if self.symbols.size() + self.body.len() + self.series.len() > self.size_max {
            return Err(TooLarge);
        }
        put_bytes(&mut self.body, 0x2a, &self.series);
        Ok(())
    }
}

impl<'a> Message<'a> for Request<'a> {
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
            put_integer(&mut self.inner, 0x18, sample.start_ms as u64);
            put_bytes(&mut self.series, 0x12, &self.inner);
        }
        self.counts.samples += samples.len() as u64;
        self.end(name, exemplars)
    }

    fn histograms(
        &mut self,
        name: Name<'a>,
        histograms: &[Native],
        exemplars: &[Exemplar],
    ) -> Result<(), TooLarge> {
        self.start(name);
        for histogram in histograms {
            self.inner.clear();
            histogram.put(&mut self.inner, true);
            put_bytes(&mut self.series, 0x1a, &self.inner);
        }
        self.counts.histograms += histograms.len() as u64;
        self.end(name, exemplars)
    }
}
