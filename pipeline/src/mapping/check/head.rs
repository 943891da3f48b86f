//! Checks what stands before and behind the rules.

use std::collections::BTreeMap;

use super::Scope;
use crate::mapping::compiled::MappingKind;
use crate::mapping::file::{Format, MappingFile};
use crate::mapping::names::glob;
use crate::mapping::template::unknown_parameter;

/// The value of every parameter: what is given, or the default. The problems are with the keys of `given`.
pub(in crate::mapping) fn resolve_parameters(
    file: &MappingFile,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Vec<(String, String)>> {
    let defaults = file.parameters.0.iter();
    let defaults: BTreeMap<_, _> =
        defaults.map(|(name, own)| (name.clone(), own.default.clone().map(filled))).collect();
    let known = defaults.keys().map(|name| (name.clone(), String::new())).collect();
    let unknown = given.keys().filter(|name| !defaults.contains_key(*name));
    let mut problems: Vec<_> = unknown.map(|name| (name.clone(), unknown_parameter(name, &known))).collect();
    let mut values = BTreeMap::new();
    for (name, default) in defaults {
        if let Some(value) = given.get(&name).cloned().or(default) {
            values.insert(name, value);
        } else {
            let about = file.parameters.get(&name).map(|own| own.about.clone()).unwrap_or_default();
            problems.push((name, format!("must be given, it has no default: {about}")));
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// What stands for this machine in the default of a parameter.
const HOST_NAME: &str = "${host.name}";

/// The default of a parameter, with the name of this machine where it asks for it.
fn filled(default: String) -> String {
    if !default.contains(HOST_NAME) {
        return default;
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = if name.trim().is_empty() { "localhost" } else { name.trim() };
    default.replace(HOST_NAME, name)
}

/// Something for every parameter without a default, so that the rest of a file can be checked.
pub(in crate::mapping) fn stand_ins(file: &MappingFile) -> BTreeMap<String, String> {
    let missing = file.parameters.0.iter().filter(|(_, parameter)| parameter.default.is_none());
    missing.map(|(name, _)| (name.clone(), name.clone())).collect()
}

impl Scope<'_> {
    pub(super) fn check_head(&self) {
        let file = self.file;
        if !is_lower_snake(&file.mapping) {
            self.say("mapping", format!("expected a lower_snake name, got `{}`", file.mapping));
        }
        if file.about.trim().is_empty() {
            self.say("about", "expected a sentence on what the mapping is for, got nothing");
        }
        for name in file.parameters.keys().filter(|name| !is_lower_snake(name)) {
            self.say(
                &super::joined("parameters", name),
                format!("expected a lower_snake name, got `{name}`"),
            );
        }
        match file.kind {
            MappingKind::Schema => {
                let dialects =
                    [("vocabulary", !file.vocabulary.is_empty()), ("detect", !file.detect.is_empty())];
                for (key, _) in dialects.into_iter().filter(|(_, is_set)| *is_set) {
                    self.say(key, format!("`{key}` is for dialects; this is a schema"));
                }
            }
            MappingKind::Dialect => {
                let schemas = [
                    ("endpoints", !file.endpoints.is_empty()),
                    ("facade", file.facade.is_some()),
                    ("receivers", !file.receivers.0.is_empty()),
                ];
                for (key, _) in schemas.into_iter().filter(|(_, is_set)| *is_set) {
                    self.say(key, format!("`{key}` is for schemas; this is a dialect"));
                }
            }
        }
        for kind in file.receivers.keys().filter(|kind| kind.contains('/')) {
            let message =
                format!("expected the kind of a receiver, got `{kind}`: it is named after the schema");
            self.say(&super::joined("receivers", kind), message);
        }
        self.check_endpoints();
    }

    fn check_endpoints(&self) {
        let mut seen = Vec::new();
        for (at, endpoint) in self.file.endpoints.iter().enumerate() {
            let key = |key: &str| format!("endpoints[{at}].{key}");
            if !endpoint.path.starts_with('/') {
                self.say(
                    &key("path"),
                    format!("expected a path such as `/metrics`, got `{}`", endpoint.path),
                );
            }
            if seen.contains(&(&endpoint.path, endpoint.port)) {
                self.say(&key("path"), format!("`{}` is there already on this port", endpoint.path));
            }
            seen.push((&endpoint.path, endpoint.port));
            match (endpoint.format, &endpoint.body) {
                (Format::Prometheus | Format::RuntimeConfig, Some(_)) => {
                    self.say(&key("body"), "`body` is for `format: json`");
                }
                (Format::Json, None) => self.say(&key("body"), "must be given for `format: json`"),
                _ => {}
            }
            if endpoint.empty.is_some() && endpoint.format != Format::Prometheus {
                self.say(&key("empty"), "`empty` is for `format: prometheus`");
            }
            if endpoint.when.is_some() && endpoint.format != Format::Json {
                self.say(&key("when"), "`when` is for `format: json`");
            }
            if !(100..=599).contains(&endpoint.status) {
                self.say(
                    &key("status"),
                    format!("expected a status from 100 to 599, got `{}`", endpoint.status),
                );
            }
            for (index, metric) in endpoint.metrics.iter().enumerate() {
                self.check_selection(&format!("endpoints[{at}].metrics[{index}]"), metric);
            }
        }
    }

    /// A name that chooses none of the metrics is a slip.
    fn check_selection(&self, key: &str, text: &str) {
        let Some(chosen) = self.or_say(key, glob(text)) else { return };
        let is_open = self.file.rules.iter().any(|rule| {
            rule.drop.is_none() && rule.metric.as_ref().is_none_or(|metric| metric.contains('$'))
        });
        let is_there = self.rules.keys().any(|name| crate::mapping::names::is_match(&chosen, name));
        if !is_there && !is_open {
            let near = config::nearest(text, self.rules.keys().copied());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            self.say(key, format!("no rule makes `{text}`{near}"));
        }
    }
}

fn is_lower_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
