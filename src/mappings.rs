//! The mappings that a command line names: built in by name, others by the path of their file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use config::{Problem, Problems};
use pipeline::mapping::builtin::{DIALECTS, SCHEMAS};
use pipeline::mapping::compiled::{Mapping, MappingKind};
use pipeline::mapping::{self, Loaded};

/// All dialects: each target's names tell which it is.
pub(crate) const AUTO: &str = "auto";
/// No dialect.
pub(crate) const NONE: &str = "none";

/// The dialects of these names, [`AUTO`] or [`NONE`].
pub(crate) fn dialects(names: &[String]) -> Result<Vec<Arc<Mapping>>, Problems> {
    let all = || DIALECTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names: Vec<String> = match names {
        [one] if one == AUTO => all(),
        [one] if one == NONE => Vec::new(),
        names => names.to_vec(),
    };
    let load = |name: &String| {
        let loaded = mapping::load_builtin(MappingKind::Dialect, name, &BTreeMap::new())?;
        Ok(Arc::new(loaded.mapping))
    };
    names.iter().map(load).collect()
}

/// A schema with its parameters set.
pub(crate) fn schema(name: &str, parameters: &[(String, String)]) -> Result<Arc<Mapping>, Problems> {
    let parameters: BTreeMap<_, _> = parameters.iter().cloned().collect();
    let loaded = if is_path(name) {
        mapping::open(Path::new(name), &parameters)?
    } else {
        mapping::load_builtin(MappingKind::Schema, name, &parameters)?
    };
    is_schema(name, &loaded)?;
    Ok(Arc::new(loaded.mapping))
}

/// A schema whose parameters are not known yet.
pub(crate) fn outline(name: &str) -> Result<Loaded, Problems> {
    let loaded = if is_path(name) {
        let text = std::fs::read_to_string(name)
            .map_err(|error| Problem::new("", format!("cannot read `{name}`: {error}")))?;
        mapping::check(name, &text)?
    } else if let Some((_, text)) = SCHEMAS.iter().find(|(own, _)| *own == name) {
        mapping::check(&format!("{name}.yaml"), text)?
    } else {
        let names: Vec<_> = SCHEMAS.iter().map(|(name, _)| *name).collect();
        let instead = config::instead(name, &names).unwrap_or_default();
        return Err(Problem::new("", format!("no schema is called `{name}`; {instead}")).into());
    };
    is_schema(name, &loaded)?;
    Ok(loaded)
}

/// The schemas that are built in.
pub(crate) fn schemas() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(name, _)| *name)
}

/// Whether it names a file instead of something built in.
pub(crate) fn is_path(name: &str) -> bool {
    name.contains('/') || [".yaml", ".yml"].iter().any(|ending| name.ends_with(ending))
}

fn is_schema(name: &str, loaded: &Loaded) -> Result<(), Problems> {
    if loaded.mapping.kind == MappingKind::Schema {
        return Ok(());
    }
    Err(Problem::new("", format!("expected a schema, but `{name}` is a dialect")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn all_dialects_some_or_none_are_found() {
        assert_eq!(dialects(&names(&[AUTO])).unwrap().len(), DIALECTS.len());
        assert_eq!(dialects(&names(&["vllm", "sglang"])).unwrap().len(), 2);
        assert!(dialects(&names(&[NONE])).unwrap().is_empty());
        let problems = dialects(&names(&["vlm"])).unwrap_err().to_string();
        assert!(problems.contains("did you mean `vllm`?"), "{problems}");
    }

    #[test]
    fn a_schema_that_is_not_there_names_the_nearest() {
        for problems in [schema("ainod", &[]).unwrap_err(), outline("ainod").unwrap_err()] {
            assert!(problems.to_string().contains("did you mean `ainode`?"), "{problems}");
        }
        assert!(outline("./none.yaml").unwrap_err().to_string().contains("cannot read `./none.yaml`"));
    }

    #[test]
    fn a_path_is_told_from_a_name() {
        assert!(is_path("./a") && is_path("a.yaml") && !is_path("ainode"));
    }
}
