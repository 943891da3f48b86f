//! The shape of a page: what stands in it, and where its numbers come from.

mod options;
mod parse;

use std::collections::BTreeSet;

use super::tree::Tree;

pub(crate) use parse::Parser;

/// What a value of a page is made from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Constant(Tree),
    Map(Vec<(String, Shape)>),
    List(Vec<Shape>),
    Number(Measure, Absent),
    /// A map from the values of a label to numbers.
    Each {
        measure: Measure,
        by: String,
        is_omitted: bool,
    },
    /// A list with an element for each series, or for each group of them.
    Items {
        select: Select,
        by: Vec<String>,
        item: Box<Shape>,
        is_omitted: bool,
    },
    Text(Vec<Part>, Absent),
    /// What another page, by its index, says now.
    Page(usize),
    Time(Unit),
}

/// Chooses series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) metric: String,
    /// Labels, and the values of which they must have one; nothing is as good as an empty value.
    pub(crate) conditions: Vec<(String, Vec<String>)>,
    /// Labels that are the enclosing item's.
    pub(crate) with: Vec<String>,
}

/// A number made from series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measure {
    pub(crate) select: Select,
    pub(crate) take: Take,
    pub(crate) combine: Combine,
    pub(crate) scale: f64,
    pub(crate) offset: f64,
    /// To so many digits behind the point.
    pub(crate) round: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Take {
    Value,
    Count,
    Sum,
    Mean,
    /// Of a summary.
    Quantile(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combine {
    Sum,
    Min,
    Max,
    Mean,
}

/// What stands where there is no value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Absent {
    pub(crate) default: Tree,
    /// Not even its key stands there.
    pub(crate) is_omitted: bool,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Label(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    Seconds,
}

/// Another answer of a page, given while something holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct When {
    pub(crate) measure: Measure,
    pub(crate) test: Test,
    pub(crate) status: u16,
    /// `None` for the page's own.
    pub(crate) body: Option<Shape>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Test {
    /// There is no such number.
    Absent,
    Within {
        at_least: Option<f64>,
        below: Option<f64>,
    },
}

impl Shape {
    /// Adds the metrics that are named here.
    pub(crate) fn add_metrics(&self, metrics: &mut BTreeSet<String>) {
        match self {
            Self::Constant(_) | Self::Text(..) | Self::Page(_) | Self::Time(_) => {}
            Self::Map(members) => members.iter().for_each(|(_, shape)| shape.add_metrics(metrics)),
            Self::List(items) => items.iter().for_each(|shape| shape.add_metrics(metrics)),
            Self::Number(measure, _) | Self::Each { measure, .. } => {
                metrics.insert(measure.select.metric.clone());
            }
            Self::Items { select, item, .. } => {
                metrics.insert(select.metric.clone());
                item.add_metrics(metrics);
            }
        }
    }

    /// Adds the pages whose bodies stand here.
    pub(crate) fn add_pages(&self, pages: &mut Vec<usize>) {
        match self {
            Self::Page(page) => pages.push(*page),
            Self::Map(members) => members.iter().for_each(|(_, shape)| shape.add_pages(pages)),
            Self::List(items) => items.iter().for_each(|shape| shape.add_pages(pages)),
            Self::Items { item, .. } => item.add_pages(pages),
            Self::Constant(_) | Self::Number(..) | Self::Each { .. } | Self::Text(..) | Self::Time(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
