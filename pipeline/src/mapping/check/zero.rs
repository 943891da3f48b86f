//! Compiles the label sets that are there at zero from the start.

use super::Scope;
use super::label::constant;
use crate::mapping::compiled::{Labels, OutputKind};
use crate::mapping::file::{Rule, Zero};

impl Scope<'_> {
    /// `labels` are those of each input.
    pub(super) fn zeros(&self, index: usize, rule: &Rule, labels: &[&Labels]) -> Vec<Vec<(String, String)>> {
        let key = format!("rules[{index}].zero");
        let is_set = !matches!(rule.zero, Zero::Absent);
        if is_set && rule.kind == Some(OutputKind::Summary) {
            self.say(&key, "a summary has no zero");
        }
        if is_set && rule.metric.as_ref().is_none_or(|metric| metric.contains('$')) {
            self.say(&key, "`zero` needs a metric with a fixed name");
        }
        let constants = constants(labels);
        let state = rule.states.as_ref().map(|states| states.label.as_str());
        let names: Vec<&str> = labels
            .iter()
            .flat_map(|labels| &labels.labels)
            .map(|label| label.name.as_str())
            .chain(state)
            .collect();
        let keeps = labels.iter().any(|labels| !labels.keep.is_empty());
        match &rule.zero {
            Zero::Absent => Vec::new(),
            Zero::Present => {
                let variable = names.iter().find(|name| constants.iter().all(|(own, _)| own != *name));
                if let Some(name) = variable {
                    let message = format!(
                        "`true` is for a metric without labels, and this one has `{name}`; list label sets such as `[{{{name}: x}}]`"
                    );
                    self.say(&key, message);
                }
                vec![constants.into_iter().filter(|(_, value)| !value.is_empty()).collect()]
            }
            Zero::Of(sets) => {
                let mut zeros = Vec::new();
                for (at, set) in sets.iter().enumerate() {
                    for name in set.keys().filter(|name| !keeps && !names.contains(name)) {
                        let instead = config::instead(name, &names).map(|instead| format!("; {instead}"));
                        let message =
                            format!("the rule has no label `{name}`{}", instead.unwrap_or_default());
                        self.say(&format!("{key}[{at}]"), message);
                    }
                    let unset = constants.iter().filter(|(name, _)| set.get(name).is_none());
                    let set = set.0.iter().chain(unset).filter(|(_, value)| !value.is_empty()).cloned();
                    zeros.push(set.collect());
                }
                zeros
            }
        }
    }
}

/// The labels that have one value, whatever the input.
fn constants(labels: &[&Labels]) -> Vec<(String, String)> {
    let Some((first, rest)) = labels.split_first() else { return Vec::new() };
    let of = |labels: &Labels| -> Vec<(String, String)> {
        let labels = labels.labels.iter();
        labels.filter_map(|label| Some((label.name.clone(), constant(label)?))).collect()
    };
    let mut common = of(first);
    for labels in rest {
        let own = of(labels);
        common.retain(|pair| own.contains(pair));
    }
    common
}
