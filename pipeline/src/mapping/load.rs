//! From the text of a mapping to what the engine applies.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Problem, Problems, Section};

use super::builtin;
use super::catalogue::catalogue;
use super::check::{compile, resolve_parameters, stand_ins};
use super::compiled::{Mapping, MappingKind};
use super::file::MappingFile;

/// A mapping that was read and checked.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// For the engine.
    pub mapping: Mapping,
    /// As it stands in the file: parameters, endpoints, facade, and the rules with their inputs.
    pub file: MappingFile,
    /// Where it was read from, for problems of what others find: `section.problem("endpoints[0].body", ...)`.
    pub section: Section,
}

/// Reads and checks the text of a mapping; all that is wrong comes back at once.
///
/// `file` is what problems and rules name as their place, such as `vllm.yaml`. What is wrong with the
/// parameters has no place: it is not in the file.
pub fn load(file: &str, text: &str, parameters: &BTreeMap<String, String>) -> Result<Loaded, Problems> {
    from_section(file, &Section::from_text(file, text)?, parameters)
}

/// Reads and checks a mapping that is part of the binary.
pub fn load_builtin(
    kind: MappingKind,
    name: &str,
    parameters: &BTreeMap<String, String>,
) -> Result<Loaded, Problems> {
    let (text, names): (_, Vec<_>) = match kind {
        MappingKind::Dialect => (builtin::dialect(name), builtin::all_dialects().collect()),
        MappingKind::Schema => (builtin::schema(name), builtin::all_schemas().collect()),
    };
    let Some(text) = text else {
        let kind = if kind == MappingKind::Dialect { "dialect" } else { "schema" };
        let instead = config::instead(name, &names).unwrap_or_default();
        return Err(Problem::new("", format!("no {kind} is called `{name}`; {instead}")).into());
    };
    load(&format!("{name}.yaml"), text, parameters)
}

/// Reads and checks a mapping in a file of its own.
pub fn open(path: &Path, parameters: &BTreeMap<String, String>) -> Result<Loaded, Problems> {
    let section = Section::open(path)
        .map_err(|error| Problem::new("", format!("cannot read `{}`: {error}", path.display())))??;
    from_section(&path.display().to_string(), &section, parameters)
}

/// Checks the text of a mapping whose parameters nobody has set.
pub fn check(file: &str, text: &str) -> Result<Loaded, Problems> {
    let section = Section::from_text(file, text)?;
    let parameters = section.read_all::<MappingFile>().0.map(|file| stand_ins(&file)).unwrap_or_default();
    from_section(file, &section, &parameters)
}

fn from_section(
    name: &str,
    section: &Section,
    parameters: &BTreeMap<String, String>,
) -> Result<Loaded, Problems> {
    section.build(|mut file: MappingFile| {
        complete(&mut file);
        let mut problems = Vec::new();
        let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
        if stem.is_some_and(|stem| stem != file.mapping) {
            let message = format!(
                "expected `{}`, as the file is called, got `{}`",
                stem.unwrap_or_default(),
                file.mapping
            );
            problems.push(section.problem("mapping", message));
        }
        let values = resolve_parameters(&file, parameters).unwrap_or_else(|messages| {
            let problem = |(name, message)| Problem::new(format!("parameters.{name}"), message);
            problems.extend(messages.into_iter().map(problem));
            let mut values = stand_ins(&file);
            values.extend(
                file.parameters.0.iter().filter_map(|(name, own)| Some((name.clone(), own.default.clone()?))),
            );
            values
        });
        match compile(&file, section, &values) {
            Ok(mapping) if problems.is_empty() => Ok(Loaded { mapping, file, section: section.clone() }),
            Ok(_) => Err(Problems(problems).in_order()),
            Err(Problems(found)) => {
                problems.extend(found);
                Err(Problems(problems).in_order())
            }
        }
    })
}

/// What a dialect does not say of a metric of the conventions is what they say.
fn complete(file: &mut MappingFile) {
    let rules = file.rules.iter_mut().filter(|rule| rule.drop.is_none() && file.kind == MappingKind::Dialect);
    for rule in rules {
        let metric = rule.metric.as_deref().unwrap_or_default();
        let Some(own) = catalogue().metrics.get(metric) else { continue };
        rule.kind = rule.kind.or(Some(own.kind));
        rule.unit.get_or_insert_with(|| own.unit.clone());
        rule.help.get_or_insert_with(|| own.about.clone());
    }
}

/// The body of a fuzz target: any text may be a mapping, and none may do more than be refused.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(problems) = check("fuzz.yaml", &text) {
        assert!(!problems.to_string().is_empty());
    }
    let _ = (super::version::Version::parse(&text), super::version::Range::parse(&text));
    let (from, to) = text.split_once(' ').unwrap_or((&text, ""));
    let _ = super::unit::factor(from, to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_file_compiles() {
        let mut problems = Vec::new();
        for (name, text) in builtin::DIALECTS.iter().chain(builtin::SCHEMAS) {
            let is_dialect = builtin::dialect(name).is_some();
            let expected = if is_dialect { MappingKind::Dialect } else { MappingKind::Schema };
            match check(&format!("{name}.yaml"), text) {
                Ok(loaded) => assert_eq!(loaded.mapping.kind, expected, "{name}"),
                Err(found) => problems.push(found.to_string()),
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
