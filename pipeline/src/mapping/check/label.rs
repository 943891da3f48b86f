//! Compiles labels: of the file, with those of the rule over them, with those of the input over these.

use super::{Scope, joined};
use crate::mapping::compiled::{Label, Labels, NameMatch, Part, Place, Template};
use crate::mapping::file::{self, LabelMap, Ordered, Rule};
use crate::mapping::names::{glob, is_legal};
use crate::mapping::template::{Fillings, parse, place, unknown_parameter};

/// What labels are read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Another rule's metric: labels of the file are on it already.
    pub(super) is_of_rule: bool,
    /// How many groups the input's pattern has.
    pub(super) groups: usize,
}

impl Scope<'_> {
    /// All labels of an input; `own` are those that stand at it, under `key`.
    pub(super) fn labels_of(
        &self,
        index: usize,
        rule: &Rule,
        reading: Reading,
        own: Option<(&str, &Ordered<file::Label>)>,
    ) -> Labels {
        let mut labels: Vec<Label> = Vec::new();
        let of_rule = format!("rules[{index}].labels");
        let levels = [("labels", &self.file.labels), (of_rule.as_str(), &rule.labels)].into_iter().chain(own);
        for (level, (key, specs)) in levels.enumerate() {
            for (name, spec) in &specs.0 {
                labels.retain(|label| label.name != *name);
                let key = joined(key, name);
                // Other rules take them under whatever name.
                if !rule.hidden {
                    self.check_name(&key, name);
                }
                let label = self.label(&key, name, spec, reading.groups);
                let is_passed = level == 0 && reading.is_of_rule;
                labels.extend(label.map(|label| if is_passed { passed(label) } else { label }));
            }
        }
        let mut keep = self.globs("keep", &self.file.keep);
        let kept = self.globs(&format!("rules[{index}].keep"), &rule.keep);
        for (at, chosen) in kept.iter().enumerate() {
            if let NameMatch::Exact(name) = chosen {
                if !rule.hidden {
                    self.check_name(&format!("rules[{index}].keep[{at}]"), name);
                }
                if labels.iter().any(|label| label.name == *name) {
                    self.say(
                        &format!("rules[{index}].keep[{at}]"),
                        format!("`{name}` is among the labels already"),
                    );
                }
            }
        }
        keep.extend(kept);
        Labels { labels, keep }
    }

    /// `None` where there is to be no such label, or where there is a problem with it.
    pub(super) fn label(&self, key: &str, name: &str, spec: &file::Label, groups: usize) -> Option<Label> {
        let plain = |from| Label {
            name: name.to_owned(),
            from,
            translate: Vec::new(),
            is_lower_tail: false,
            default: None,
        };
        match spec {
            file::Label::Absent => None,
            file::Label::Attribute(attribute) => {
                let place = self.or_say(key, place(attribute))?;
                Some(plain(vec![Template(vec![Part::Attribute(place)])]))
            }
            file::Label::Map(map) => {
                let from = self.label_source(key, map, groups)?;
                let translate = map.translate.0.iter().filter_map(|(text, value)| {
                    let pattern = self.or_say(&joined(&format!("{key}.translate"), text), glob(text));
                    Some((pattern?, value.clone()))
                });
                Some(Label {
                    translate: translate.collect(),
                    is_lower_tail: map.lower_tail,
                    default: map.default.clone(),
                    ..plain(from)
                })
            }
        }
    }

    fn label_source(&self, key: &str, map: &LabelMap, groups: usize) -> Option<Vec<Template>> {
        let given =
            [map.from.is_some(), map.value.is_some(), map.parameter.is_some(), map.template.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            self.say(key, "expected one of `from`, `value`, `parameter`, `template`");
            return None;
        }
        if let Some(attributes) = &map.from {
            let one = |(at, attribute): (String, &String)| {
                let key = format!("{key}.from{at}");
                if attribute.contains("${") {
                    let fillings = Fillings { has_attributes: true, groups, parameters: self.parameters };
                    return self.or_say(&key, parse(attribute, fillings));
                }
                Some(Template(vec![Part::Attribute(self.or_say(&key, place(attribute))?)]))
            };
            let from: Vec<_> = attributes.each().into_iter().filter_map(one).collect();
            if attributes.each().is_empty() {
                self.say(&format!("{key}.from"), "expected at least one attribute, got none");
            }
            return Some(from);
        }
        if let Some(template) = &map.template {
            let fillings = Fillings { has_attributes: true, groups, parameters: self.parameters };
            return self.or_say(&format!("{key}.template"), parse(template, fillings)).map(|one| vec![one]);
        }
        let text = match (&map.value, &map.parameter) {
            (Some(value), _) => value,
            (_, Some(name)) => {
                let value = self.parameters.get(name);
                let value = value.ok_or_else(|| unknown_parameter(name, self.parameters));
                self.or_say(&format!("{key}.parameter"), value)?
            }
            _ => return None,
        };
        // A label without a value is not there.
        Some(if text.is_empty() { Vec::new() } else { vec![Template(vec![Part::Text(text.clone())])] })
    }

    pub(super) fn check_name(&self, key: &str, name: &str) {
        if name.is_empty() {
            self.say(key, "expected the name of a label, got nothing");
        } else if self.is_schema() && (!is_legal(name, false) || name.starts_with("__")) {
            let message =
                format!("`{name}` is no name of a label; letters, digits and `_` are, not a digit first");
            self.say(key, message);
        }
    }
}

/// The label as another rule that has it hands it on.
fn passed(label: Label) -> Label {
    if constant(&label).is_some() {
        return label;
    }
    let from = vec![Template(vec![Part::Attribute(Place::Point(label.name.clone()))])];
    Label { name: label.name, from, translate: Vec::new(), is_lower_tail: false, default: None }
}

/// The value of a label that has the same on every series; empty where it has none.
pub(super) fn constant(label: &Label) -> Option<String> {
    let text = match label.from.as_slice() {
        [] => String::new(),
        [Template(parts)] => match parts.as_slice() {
            [] => String::new(),
            [Part::Text(text)] => text.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let is_plain = label.translate.is_empty() && !label.is_lower_tail;
    let text = if text.is_empty() { label.default.clone().unwrap_or_default() } else { text };
    is_plain.then_some(text)
}
