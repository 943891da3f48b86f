//! From resource, scope and attributes to the labels of a series.
//!
//! What the exporter generates (`job`, `instance`, `otel_scope_*`, `le`, `quantile`, constant labels, labels
//! from the resource) wins over an attribute of that name, which moves to `exported_<name>`. So no attribute
//! can change what a series belongs to, and none is lost.

use std::collections::BTreeMap;

use pipeline::{Attributes, Resource, Scope, Series};

use super::escaping::{Escaping, is_legacy_label};
use super::selection::Selection;
use crate::attribute;

/// Label names and values, sorted by name; no value is empty.
pub(crate) type Labels = BTreeMap<String, String>;

/// How labels are made.
#[derive(Debug, Clone)]
pub(crate) struct LabelRules {
    /// Whether names keep characters beyond the old set.
    pub(crate) keeps_utf8: bool,
    pub(crate) preserve_multiple_underscores: bool,
    /// Whether `job` and `instance` are labels.
    pub(crate) has_target: bool,
    pub(crate) has_scope: bool,
    pub(crate) constant: Vec<(String, String)>,
    /// Which attributes of the resource become labels.
    pub(crate) promoted: Selection,
}

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

impl LabelRules {
    /// The labels of a series; `reserved` is the label that its samples will have besides (`le`).
    pub(crate) fn of_series(&self, series: &Series, escaping: Escaping, reserved: Option<&str>) -> Labels {
        let resource = series.resource();
        let mut labels = Labels::new();
        if let Some(name) = reserved {
            labels.insert(name.to_owned(), String::new());
        }
        if self.has_target {
            add_target(&mut labels, resource);
        }
        if self.has_scope {
            self.add_scope(&mut labels, series.scope(), escaping);
        }
        for (name, value) in &self.constant {
            Self::add(&mut labels, self.name(name, escaping), value.clone());
        }
        if !self.promoted.included.is_empty() {
            let promoted = self.joined(&resource.attributes, escaping, |key| self.promoted.has(key));
            Self::add_all(&mut labels, promoted);
        }
        let attributes = self.joined(series.attributes(), escaping, |_| true);
        Self::add_all(&mut labels, attributes);
        labels.retain(|_, value| !value.is_empty());
        labels
    }

    /// The labels of `target_info`; `None` where it would say nothing, or nobody could be told from it.
    pub(crate) fn of_target(&self, resource: &Resource, escaping: Escaping) -> Option<Labels> {
        let mut labels = target(resource);
        let target = labels.len();
        let is_other = |key: &str| ![SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE].contains(&key);
        let others = self.joined(&resource.attributes, escaping, is_other);
        Self::add_all(&mut labels, others);
        labels.retain(|_, value| !value.is_empty());
        (target > 0 && labels.len() > target).then_some(labels)
    }

    fn add_scope(&self, labels: &mut Labels, scope: &Scope, escaping: Escaping) {
        for (key, value) in
            [("name", &scope.name), ("version", &scope.version), ("schema_url", &scope.schema_url)]
        {
            let name = escaping.label(&format!("otel_scope_{key}")).into_owned();
            // Kept even where empty, so that no attribute of the scope can pass for it.
            labels.insert(name, value.clone());
        }
        for (name, value) in self.joined(&scope.attributes, Escaping::AllowUtf8, |_| true) {
            let name = escaping.label(&format!("otel_scope_{name}")).into_owned();
            labels.entry(name).or_insert(value);
        }
    }

    /// Attributes by their label's name; where several become one, their values are joined in order.
    fn joined(
        &self,
        attributes: &Attributes,
        escaping: Escaping,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Labels {
        let mut labels = Labels::new();
        for (key, value) in attributes.iter().filter(|(key, _)| is_wanted(key)) {
            let text = attribute::text(value);
            labels
                .entry(self.name(key, escaping))
                .and_modify(|joined| {
                    joined.push(';');
                    joined.push_str(&text);
                })
                .or_insert(text);
        }
        labels
    }

    fn add_all(labels: &mut Labels, added: Labels) {
        let (moved, free): (Labels, Labels) =
            added.into_iter().partition(|(name, _)| labels.contains_key(name));
        labels.extend(free);
        for (name, value) in moved {
            Self::add(labels, name, value);
        }
    }

    fn add(labels: &mut Labels, mut name: String, value: String) {
        while labels.contains_key(&name) {
            name.insert_str(0, "exported_");
        }
        labels.insert(name, value);
    }

    /// The name of a label; never empty, and never one of those that Prometheus keeps for itself.
    pub(crate) fn name(&self, key: &str, escaping: Escaping) -> String {
        let name = if self.keeps_utf8 { key.to_owned() } else { self.sanitized(key) };
        let mut name = escaping.label(&name).into_owned();
        if name.starts_with("__") {
            name.insert_str(0, "key");
        }
        if name.is_empty() { "_".to_owned() } else { name }
    }

    fn sanitized(&self, key: &str) -> String {
        let mut name = String::with_capacity(key.len());
        for character in key.chars() {
            let is_legal = character.is_ascii_alphanumeric();
            if is_legal || self.preserve_multiple_underscores || !name.ends_with('_') {
                name.push(if is_legal { character } else { '_' });
            }
        }
        if name.starts_with(|character: char| character.is_ascii_digit()) {
            name.insert_str(0, "key_");
        }
        name
    }
}

/// Job and instance of a resource, as far as it has them.
pub(crate) fn target(resource: &Resource) -> Labels {
    let mut labels = Labels::new();
    add_target(&mut labels, resource);
    labels
}

fn add_target(labels: &mut Labels, resource: &Resource) {
    let text = |key| resource.attributes.get(key).map(attribute::text).filter(|text| !text.is_empty());
    if let Some(name) = text(SERVICE_NAME) {
        let job = text(SERVICE_NAMESPACE).map_or(name.clone(), |namespace| format!("{namespace}/{name}"));
        labels.insert("job".to_owned(), job);
    }
    if let Some(instance) = text(SERVICE_INSTANCE) {
        labels.insert("instance".to_owned(), instance);
    }
}

/// Writes labels as they stand between the braces, sorted by name.
pub(crate) fn render(labels: &Labels) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        if is_legacy_label(name) {
            text.push_str(name);
        } else {
            push_quoted(&mut text, name);
        }
        text.push('=');
        push_quoted(&mut text, value);
    }
    text
}

/// Writes text in quotes, escaped.
pub(crate) fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            character => text.push(character),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests;
