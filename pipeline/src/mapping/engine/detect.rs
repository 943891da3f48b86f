//! Which dialects a resource speaks.

use std::collections::HashMap;
use std::sync::Arc;

use super::labels::{matches, text_of};
use super::rules::Rules;
use crate::mapping::RUNNER;
use crate::metric::Resource;

/// What is known of the resources that were met.
#[derive(Debug, Default)]
pub(super) struct Resources {
    known: HashMap<Arc<Resource>, Vec<String>>,
}

impl Resources {
    pub(super) fn speaks(&self, resource: &Arc<Resource>, dialect: &str) -> bool {
        match self.known.get(resource) {
            Some(dialects) => dialects.iter().any(|name| name == dialect),
            None => told(resource).is_some_and(|name| name == dialect),
        }
    }

    /// Whether it speaks any.
    pub(super) fn speaks_any(&self, resource: &Arc<Resource>) -> bool {
        match self.known.get(resource) {
            Some(dialects) => !dialects.is_empty(),
            None => told(resource).is_some(),
        }
    }

    /// Learns from the name of a series; says whether the resource was known to speak less.
    pub(super) fn learn(&mut self, resource: &Arc<Resource>, name: &str, rules: &Rules) -> bool {
        let is_known = self.known.contains_key(resource);
        let proven = rules.detects.iter().filter(|(by, _)| matches(by, name)).map(|(_, dialect)| dialect);
        let dialects =
            self.known.entry(resource.clone()).or_insert_with(|| told(resource).into_iter().collect());
        let before = dialects.len();
        for dialect in proven {
            if !dialects.contains(dialect) {
                dialects.push(dialect.clone());
            }
        }
        is_known && dialects.len() > before
    }

    /// Forgets the resources that nobody else holds.
    pub(super) fn sweep(&mut self) {
        self.known.retain(|resource, _| Arc::strong_count(resource) > 1);
    }
}

fn told(resource: &Resource) -> Option<String> {
    text_of(resource.attributes.get(RUNNER)?)
}
