//! Renames what model runners expose to the OpenTelemetry conventions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Problem, Problems, Section};
use serde::{Deserialize, Serialize};

use super::mapped::Mapped;
use crate::component::{Context, Entry, Processor, ProcessorEntry};
use crate::mapping::compiled::{Inputs, Mapping, MappingKind, NameMatch};
use crate::mapping::{Live, Options, builtin, glob, open};

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "dialect",
    aliases: &[],
    ignored: &[],
    about: "Renames what model runners expose to the OpenTelemetry conventions.",
    example: "
dialects: [vllm, sglang]
originals: keep
allow_labels: [team]
",
    effective: config::effective::<Config>,
    build,
};

/// Stands for every dialect that is built in.
const AUTO: &str = "auto";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The built-in dialects that are understood; `auto` is all of them.
    dialects: Vec<String>,
    /// Dialects in files of their own; one takes the place of the built-in dialect of its name.
    files: Vec<PathBuf>,
    /// Whether the runner's own series stay beside those made of them.
    originals: Originals,
    /// Attributes, or globs of them, that stay on what is made although a dialect would leave them out.
    allow_labels: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Originals {
    #[default]
    Drop,
    Keep,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dialects: vec![AUTO.to_owned()],
            files: Vec::new(),
            originals: Originals::default(),
            allow_labels: Vec::new(),
        }
    }
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config: Config| {
        let mappings = mappings(&config, section, &context.mappings)?;
        let options = Options { keeps_originals: config.originals == Originals::Keep };
        Ok(Mapped::processor(mappings, options, context))
    })
}

/// The dialects that are asked for, each with the labels that are allowed.
fn mappings(config: &Config, section: &Section, live: &Live) -> Result<Vec<Arc<Mapping>>, Problems> {
    let mut problems = Vec::new();
    let mut mappings = Vec::new();
    for (at, path) in config.files.iter().enumerate() {
        match of_file(section, &format!("files[{at}]"), path) {
            Ok(mapping) => mappings.push(Arc::new(mapping)),
            Err(Problems(found)) => problems.extend(found),
        }
    }
    let own: Vec<_> = mappings.iter().map(|mapping| mapping.name.clone()).collect();
    for (at, name) in own.iter().enumerate().filter(|(at, name)| own[..*at].contains(name)) {
        problems
            .push(section.problem(&format!("files[{at}]"), format!("the dialect `{name}` is there already")));
    }
    for name in names(config, section, &mut problems) {
        if own.iter().all(|own| own != name) {
            match live.dialect(name) {
                Ok(mapping) => mappings.push(mapping),
                Err(Problems(found)) => problems.extend(found),
            }
        }
    }
    let allowed = allowed(config, section, &mut problems);
    if !problems.is_empty() {
        return Err(Problems(problems).in_order());
    }
    if mappings.is_empty() {
        return Err(section.problem("dialects", "needs at least one dialect, or `auto` for all").into());
    }
    if !allowed.is_empty() {
        for mapping in &mut mappings {
            allow(Arc::make_mut(mapping), &allowed);
        }
    }
    Ok(mappings)
}

fn of_file(section: &Section, key: &str, path: &Path) -> Result<Mapping, Problems> {
    let mapping = open(path, &BTreeMap::new()).map_err(|Problems(found)| {
        // What has no place in the file of the dialect has one here.
        let placed = found.into_iter().map(|problem| match problem.location {
            Some(_) => problem,
            None => section.problem(key, problem.message),
        });
        Problems(placed.collect())
    })?;
    let mapping = mapping.mapping;
    if mapping.kind != MappingKind::Dialect {
        let message = format!("`{}` is a schema; give it to the processor `schema`", path.display());
        return Err(section.problem(key, message).into());
    }
    Ok(mapping)
}

fn names<'a>(config: &'a Config, section: &Section, problems: &mut Vec<Problem>) -> Vec<&'a str> {
    let known: Vec<_> = builtin::all_dialects().chain([AUTO]).collect();
    let mut names: Vec<&str> = Vec::new();
    for (at, name) in config.dialects.iter().enumerate() {
        if name == AUTO {
            names.extend(builtin::DIALECTS.iter().map(|(name, _)| *name));
        } else if known.contains(&name.as_str()) {
            names.push(name);
        } else {
            let instead = config::instead(name, &known).unwrap_or_default();
            let message = format!("no dialect is called `{name}`; {instead}");
            problems.push(section.problem(&format!("dialects[{at}]"), message));
        }
    }
    let mut seen = Vec::new();
    names.retain(|name| {
        let is_new = !seen.contains(name);
        seen.push(*name);
        is_new
    });
    names
}

fn allowed(config: &Config, section: &Section, problems: &mut Vec<Problem>) -> Vec<NameMatch> {
    let mut allowed = Vec::new();
    for (at, text) in config.allow_labels.iter().enumerate() {
        let chosen =
            if text.is_empty() { Err("expected the name of an attribute".to_owned()) } else { glob(text) };
        match chosen {
            Ok(chosen) => allowed.push(chosen),
            Err(message) => problems.push(section.problem(&format!("allow_labels[{at}]"), message)),
        }
    }
    allowed
}

/// Lets the attributes through every rule.
fn allow(mapping: &mut Mapping, allowed: &[NameMatch]) {
    mapping.labels.keep.extend_from_slice(allowed);
    for rule in &mut mapping.rules {
        if let Inputs::Ranked(ranked) = &mut rule.inputs {
            ranked.iter_mut().flatten().for_each(|input| input.labels.keep.extend_from_slice(allowed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(yaml: &str) -> Result<Vec<Arc<Mapping>>, String> {
        let section = Section::from_yaml("processors.dialect", yaml).unwrap();
        let made = section.build(|config: Config| mappings(&config, &section, &Live::default()));
        made.map_err(|problems| problems.to_string())
    }

    #[test]
    fn all_dialects_are_understood_unless_some_are_named() {
        assert_eq!(of("").unwrap().len(), builtin::DIALECTS.len());
        assert_eq!(of("dialects: [auto, vllm]").unwrap().len(), builtin::DIALECTS.len());
        assert_eq!(of("dialects: [vllm, vllm]").unwrap().len(), 1);
        assert!(of("dialects: [vlm]").unwrap_err().contains("did you mean `vllm`?"));
        assert!(of("dialects: []").unwrap_err().contains("needs at least one dialect"));
    }

    #[test]
    fn a_file_takes_the_place_of_the_built_in_dialect() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vllm.yaml");
        let text = "mapping: vllm\nkind: dialect\nabout: Mine.\nvocabulary: ['v:*']\n\
                    rules: [{metric: m, type: gauge, unit: '1', help: h., from: {metric: 'v:x'}}]\n";
        std::fs::write(&path, text).unwrap();
        let mappings = of(&format!("{{files: ['{}'], allow_labels: ['te*']}}", path.display())).unwrap();
        assert_eq!(mappings.len(), builtin::DIALECTS.len());
        let mine = mappings.iter().find(|mapping| mapping.name == "vllm").unwrap();
        assert_eq!(mine.about, "Mine.");
        let Inputs::Ranked(ranked) = &mine.rules[0].inputs else { panic!() };
        assert!(matches!(&ranked[0][0].labels.keep[..], [NameMatch::Prefix(prefix)] if prefix == "te"));
        std::fs::write(&path, text.replace("v:x", "w:x")).unwrap();
        let problems = of(&format!("files: ['{}']", path.display())).unwrap_err();
        assert!(problems.contains("vllm.yaml:5:"), "{problems}");
        let problems = of("files: [/nowhere/x.yaml]").unwrap_err();
        assert!(
            problems.contains("processors.dialect.files[0]: cannot read `/nowhere/x.yaml`"),
            "{problems}"
        );
    }
}
