//! From the labels of a series to its resource, scope, metric and attributes.

use std::borrow::Cow;

use pipeline::wire::{Reader, WireError, WireType};
use pipeline::{AnyValue, Attributes, Kind, Metric, Registry, Resource, Series, Temporality};

use super::message::{Told, read_label};
use super::reason::Reason;
use crate::prometheus::family::ucum;
use crate::prometheus::identity::{Pairs, kind_of, take, take_scope};
use crate::prometheus::text::Type;

/// As many labels may a series have.
pub(super) const LABELS_MAX: usize = 4096;

/// As many bytes may the labels of a series take, or those of an exemplar.
pub(super) const LABEL_BYTES_MAX: usize = 256 << 10;

/// Why labels are not those of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The message itself is broken.
    Wire(WireError),
    Reason(Reason),
}

/// What the values of a series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Number,
    Exponential,
    Custom,
}

/// The labels of a series of 1.0, read.
#[derive(Debug)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    labels: Pairs<'a>,
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

/// Reads label messages, each in its field, into pairs in no order.
pub(super) fn read_pairs(fields: &[u8]) -> Result<Pairs<'_>, Fault> {
    let mut pairs = Pairs::new();
    let mut reader = Reader::new(fields);
    while let Some(tag) = reader.tag()? {
        let (1, WireType::Bytes) = tag else {
            reader.skip(tag.1)?;
            continue;
        };
        let (name, value) = read_label(reader.bytes()?)?;
        add_pair(&mut pairs, name, value)?;
    }
    Ok(pairs)
}

/// Adds a label; one without a value is one that is not there.
pub(super) fn add_pair<'a>(pairs: &mut Pairs<'a>, name: &'a [u8], value: &'a [u8]) -> Result<(), Reason> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Reason::InvalidUtf8);
    let (name, value) = (text(name)?, text(value)?);
    if name.is_empty() {
        return Err(Reason::EmptyLabelName);
    }
    if pairs.len() == LABELS_MAX {
        return Err(Reason::TooManyLabels);
    }
    if !value.is_empty() {
        pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
    }
    Ok(())
}

impl<'a> Named<'a> {
    /// Reads the labels of a series and checks that they name one.
    pub(super) fn read(fields: &'a [u8]) -> Result<Self, Fault> {
        let mut labels = read_pairs(fields)?;
        labels.sort_unstable();
        if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Reason::RepeatedLabel.into());
        }
        match take(&mut labels, "__name__") {
            Some(Cow::Borrowed(name)) => Ok(Self { name, labels }),
            _ => Err(Reason::NoName.into()),
        }
    }

    /// Makes the series of values of this shape.
    pub(super) fn series(
        mut self,
        registry: &Registry,
        told: Told<'_>,
        shape: Shape,
    ) -> Result<Series, Reason> {
        let resource = registry.resource(take_resource(&mut self.labels));
        let scope = registry.scope(take_scope(&mut self.labels).unwrap_or_default());
        let metric = registry.metric(metric(self.name, told, shape));
        let labels = self.labels.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
        let attributes = Attributes::of_strings(labels);
        registry.series(&resource, &scope, &metric, attributes).map_err(Reason::Full)
    }
}

/// Who was scraped. A job `a/b` is the service `b` of the namespace `a`, as the way back has it.
fn take_resource(labels: &mut Pairs<'_>) -> Resource {
    let mut attributes = Vec::new();
    let mut add = |key: &str, value: &str| attributes.push((key.to_owned(), AnyValue::from(value)));
    if let Some(job) = take(labels, "job") {
        match job.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                add("service.namespace", namespace);
                add("service.name", name);
            }
            _ => add("service.name", &job),
        }
    }
    if let Some(instance) = take(labels, "instance") {
        add("service.instance.id", &instance);
    }
    Resource { attributes: Attributes::new(attributes), ..Resource::default() }
}

fn metric(name: &str, told: Told<'_>, shape: Shape) -> Metric {
    let temporality = Temporality::Cumulative;
    let kind = match shape {
        Shape::Exponential => Kind::ExponentialHistogram { temporality },
        Shape::Custom => Kind::Histogram { temporality },
        Shape::Number => number_kind(name, told.kind),
    };
    let word = if shape == Shape::Number { told.kind } else { Type::Histogram };
    let mut metric = Metric::new(name, unit(name, told.unit), kind).with_description(told.help);
    metric.metadata = Attributes::of_strings([("prometheus.type", word.word())]);
    metric
}

/// What a number of a family of this type is.
fn number_kind(name: &str, family: Type) -> Kind {
    if name.ends_with("_created") && family != Type::Gauge {
        return Kind::Gauge;
    }
    match family {
        // The parts of a histogram or summary count up, each a series of its own, and keep their names: a
        // monotonic sum would be called `_total`.
        Type::Histogram | Type::Summary if is_part(name) => {
            Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: false }
        }
        Type::Histogram | Type::Summary => Kind::Gauge,
        family => kind_of(family),
    }
}

fn is_part(name: &str) -> bool {
    ["_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix))
}

/// The unit in UCUM, where the name says it too: whoever writes the name again must not add it.
fn unit<'a>(name: &str, word: &'a str) -> &'a str {
    let stem = name.strip_suffix("_total").unwrap_or(name);
    let is_said = !word.is_empty() && stem.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'));
    if is_said { ucum(word) } else { "" }
}
