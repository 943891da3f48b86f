//! What a series belongs to: the resource, the instrumentation scope, the metric.

use crate::attributes::Attributes;

/// The entity that was measured (a process, a host, a GPU).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Resource {
    pub attributes: Attributes,
    pub schema_url: String,
    pub dropped_attributes_count: u32,
    /// `entity_refs`, each as encoded; carried, never looked into.
    pub entity_refs: Vec<Box<[u8]>>,
}

/// The library that measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    pub name: String,
    pub version: String,
    pub attributes: Attributes,
    pub schema_url: String,
    pub dropped_attributes_count: u32,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Metric {
    pub name: String,
    /// A UCUM unit, or empty.
    pub unit: String,
    pub kind: Kind,
    /// Does not identify: two metrics that differ only here are the same.
    pub description: String,
    /// Does not identify either; holds `prometheus.type` for what was scraped.
    pub metadata: Attributes,
}

/// What the points of a metric are and how they add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Gauge,
    Sum { temporality: Temporality, is_monotonic: bool },
    Histogram { temporality: Temporality },
    ExponentialHistogram { temporality: Temporality },
    Summary,
}

/// Whether a point counts from the start or from the point before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Temporality {
    Cumulative,
    Delta,
}

impl Kind {
    /// A monotonic cumulative sum.
    pub const COUNTER: Self = Self::Sum { temporality: Temporality::Cumulative, is_monotonic: true };

    /// `None` for what does not add up over time.
    pub fn temporality(self) -> Option<Temporality> {
        match self {
            Self::Sum { temporality, .. }
            | Self::Histogram { temporality }
            | Self::ExponentialHistogram { temporality } => Some(temporality),
            Self::Gauge | Self::Summary => None,
        }
    }
}

impl Metric {
    pub fn new(name: impl Into<String>, unit: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            unit: unit.into(),
            kind,
            description: String::new(),
            metadata: Attributes::empty(),
        }
    }

    /// The same metric with a text for people.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Whether both name the same measurement; descriptions and metadata may differ.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name && self.unit == other.unit
    }
}
