//! The quotient or the difference of two rules, label by label.

use std::collections::HashMap;
use std::sync::Arc;

use crate::attributes::Attributes;
use crate::mapping::engine::rules::Side;
use crate::metric::{Resource, Scope};
use crate::series::Series;

/// A resource and labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::mapping::engine) struct Key {
    pub(in crate::mapping::engine) resource: Arc<Resource>,
    pub(in crate::mapping::engine) scope: Arc<Scope>,
    pub(in crate::mapping::engine) labels: Attributes,
}

/// The last values of both operands, and the series that were made of them.
#[derive(Debug, Default)]
pub(in crate::mapping::engine) struct Operands {
    left: HashMap<Key, f64>,
    right: HashMap<Key, f64>,
    pub(in crate::mapping::engine) made: HashMap<Series, bool>,
    pub(in crate::mapping::engine) is_touched: bool,
}

impl Operands {
    /// `None`: the operand has ended.
    pub(in crate::mapping::engine) fn put(&mut self, side: Side, series: &Series, value: Option<f64>) {
        let operands = match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        };
        let key = Key {
            resource: series.resource().clone(),
            scope: series.scope().clone(),
            labels: series.attributes().clone(),
        };
        match value {
            Some(value) => operands.insert(key, value),
            None => operands.remove(&key),
        };
        self.is_touched = true;
    }

    /// Goes over the pairs with equal labels; an operand with fewer goes with each that has all of its own.
    pub(in crate::mapping::engine) fn pairs(&self) -> Vec<(&Key, f64, f64)> {
        let mut pairs = Vec::new();
        for (key, left) in &self.left {
            if let Some((_, right)) = partner(key, &self.right) {
                pairs.push((key, *left, right));
            }
        }
        for (key, right) in self.right.iter().filter(|(key, _)| !self.left.contains_key(key)) {
            match partner(key, &self.left) {
                Some((other, left)) if other != key => pairs.push((key, left, *right)),
                _ => {}
            }
        }
        pairs
    }
}

fn partner<'a>(key: &Key, others: &'a HashMap<Key, f64>) -> Option<(&'a Key, f64)> {
    if let Some((other, value)) = others.get_key_value(key) {
        return Some((other, *value));
    }
    let is_part = |other: &Key| {
        other.resource == key.resource
            && other.labels.len() < key.labels.len()
            && other.labels.messages().all(|pair| key.labels.messages().any(|own| own == pair))
    };
    // There are few that have fewer labels: mostly one, with none.
    others.iter().find(|(other, _)| is_part(other)).map(|(other, value)| (other, *value))
}
