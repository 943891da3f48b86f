//! Renames and derives the metrics of a documented system.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use config::{Problem, Problems, Section};
use serde::{Deserialize, Serialize};

use super::mapped::Mapped;
use crate::component::{Context, Entry, Processor, ProcessorEntry};
use crate::mapping::compiled::MappingKind;
use crate::mapping::{Loaded, Options, builtin, load_builtin, open};

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "schema",
    aliases: &[],
    ignored: &[],
    about: "Renames and derives the metrics of a documented system.",
    example: "
schema: ainode
",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// A built-in schema.
    schema: Option<String>,
    /// A schema in a file of its own, instead.
    file: Option<PathBuf>,
    /// What the schema lets its user set.
    parameters: BTreeMap<String, String>,
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config: Config| {
        let loaded = loaded(&config, section)?;
        Ok(Mapped::processor(vec![Arc::new(loaded.mapping)], Options::default(), context))
    })
}

fn loaded(config: &Config, section: &Section) -> Result<Loaded, Problems> {
    let (key, loaded) = match (&config.schema, &config.file) {
        (Some(name), None) => ("schema", load_builtin(MappingKind::Schema, name, &config.parameters)),
        (None, Some(path)) => ("file", open(path, &config.parameters)),
        (None, None) => {
            let names: Vec<_> = builtin::all_schemas().collect();
            let message = format!("must be given, one of `{}`; or `file`", names.join("`, `"));
            return Err(section.problem("schema", message).into());
        }
        (Some(_), Some(_)) => {
            return Err(section.problem("file", "only one of `schema` and `file` can be").into());
        }
    };
    let loaded = loaded.map_err(|Problems(found)| {
        // What is wrong with a parameter, or with the name, stands here and not in the schema's file.
        let place = |problem: Problem| match (&problem.location, problem.path.as_str()) {
            (Some(_), _) => problem,
            (None, "") => section.problem(key, problem.message),
            (None, path) => section.problem(path, problem.message),
        };
        Problems(found.into_iter().map(place).collect())
    })?;
    if loaded.mapping.kind != MappingKind::Schema {
        let message = format!("`{}` is a dialect; give it to the processor `dialect`", loaded.mapping.name);
        return Err(section.problem(key, message).into());
    }
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(yaml: &str) -> String {
        let section = Section::from_yaml("processors.schema", yaml).unwrap();
        let made = section.build(|config: Config| loaded(&config, &section));
        made.map(drop).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_stands_where_the_schema_is_chosen() {
        let place = "processors.schema:1:";
        for (yaml, expected) in [
            ("", "processors.schema.schema: must be given, one of `ai_cluster`"),
            (
                "schema: ainod",
                "processors.schema.schema: no schema is called `ainod`; did you mean `ainode`?",
            ),
            ("{schema: ainode, file: x}", "processors.schema.file: only one of"),
            ("file: /nowhere", "processors.schema.file: cannot read `/nowhere`"),
            (
                "{schema: ainode, parameters: {zzz: 1}}",
                "processors.schema.parameters.zzz: `zzz` is no parameter",
            ),
        ] {
            let problems = problems(yaml);
            assert!(problems.starts_with(place) && problems.contains(expected), "{problems}");
        }
    }

    #[test]
    fn a_dialect_is_no_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.yaml");
        std::fs::write(&path, "mapping: x\nkind: dialect\nabout: x.\n").unwrap();
        let problems = problems(&format!("file: '{}'", path.display()));
        assert!(problems.contains("`x` is a dialect; give it to the processor `dialect`"), "{problems}");
    }
}
