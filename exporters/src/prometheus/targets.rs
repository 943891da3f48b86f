//! What `target_info` says: one line for each job and instance that has series.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::Resource;

use super::escaping::Escaping;
use super::labels::{self, LabelRules};

/// The resources of the series held.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// By job and instance; the newest last, which is the one that is shown.
    by_target: BTreeMap<Arc<str>, Vec<Counted>>,
}

#[derive(Debug)]
struct Counted {
    resource: Arc<Resource>,
    series: usize,
}

impl Targets {
    /// Counts a series of a resource; whether it takes the place of another with the same job and instance.
    pub(crate) fn add(&mut self, resource: &Arc<Resource>, rules: &LabelRules) -> bool {
        let Some(target) = target(resource, rules) else { return false };
        let resources = self.by_target.entry(target).or_default();
        if let Some(counted) = resources.iter_mut().find(|counted| counted.resource == *resource) {
            counted.series += 1;
            return false;
        }
        resources.push(Counted { resource: resource.clone(), series: 1 });
        resources.len() > 1
    }

    pub(crate) fn remove(&mut self, resource: &Arc<Resource>, rules: &LabelRules) {
        let Some(target) = target(resource, rules) else { return };
        let Some(resources) = self.by_target.get_mut(&target) else { return };
        if let Some(counted) = resources.iter_mut().find(|counted| counted.resource == *resource) {
            counted.series -= 1;
        }
        resources.retain(|counted| counted.series > 0);
        if resources.is_empty() {
            self.by_target.remove(&target);
        }
    }

    /// The targets behind `after`, each with its resource.
    pub(crate) fn behind(&self, after: Option<&Arc<str>>) -> impl Iterator<Item = (&Arc<str>, &Resource)> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let targets = self.by_target.range::<Arc<str>, _>((from, std::ops::Bound::Unbounded));
        targets.filter_map(|(target, resources)| Some((target, resources.last()?.resource.as_ref())))
    }
}

/// Job and instance, as they are told apart.
fn target(resource: &Resource, rules: &LabelRules) -> Option<Arc<str>> {
    let mut labels = rules.of_target(resource, Escaping::AllowUtf8)?;
    labels.retain(|name, _| name == "job" || name == "instance");
    Some(labels::render(&labels).into())
}
