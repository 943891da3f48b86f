//! One file of the configuration: where it is, and in which format.

use std::path::Path;

use crate::problem::{Location, Problem};
use crate::source;
use crate::toml;
use crate::tree::{DEPTH_MAX, Map, Node, Tree};
use crate::yaml;

/// Reads what is built in, or was made up.
pub(crate) fn given(name: &str, text: &str) -> Result<Node, Problem> {
    map(name, yaml::parse(name, text)?)
}

/// Reads a file, or one of `file:PATH`, `env:NAME` (YAML in a variable) and `yaml:TEXT`.
pub(crate) fn load(path: &Path, environment: &[(String, String)]) -> Result<Node, Problem> {
    let name = path.display().to_string();
    if let Some(text) = name.strip_prefix("yaml:") {
        return map(&name, spread(yaml::parse("yaml:", text)?));
    }
    if let Some(variable) = name.strip_prefix("env:") {
        let found = environment.iter().find(|(name, _)| name == variable);
        let (_, text) = found.ok_or_else(|| whole(&name, "the variable is not set"))?;
        return map(&name, yaml::parse(&name, text)?);
    }
    if name.starts_with("http:") || name.starts_with("https:") {
        return Err(whole(&name, "configuration is not fetched over the network; give a file"));
    }
    let path = name.strip_prefix("file:").map_or(path, Path::new);
    let name = path.display().to_string();
    let text = source::read(path).map_err(|error| whole(&name, format!("cannot read the file: {error}")))?;
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    map(&name, if is_toml { toml::parse(&name, &text)? } else { yaml::parse(&name, &text)? })
}

/// A configuration is a map, or nothing at all.
fn map(name: &str, node: Node) -> Result<Node, Problem> {
    match node.tree {
        Tree::Map(_) | Tree::Null => Ok(node),
        _ => {
            let mut problem = whole(name, "expected a map such as `receivers: ...` at the top");
            problem.location = node.location.or(problem.location);
            Err(problem)
        }
    }
}

/// `receivers::otlp: x` on one line, as the OpenTelemetry Collector takes it after `yaml:`.
fn spread(node: Node) -> Node {
    let Tree::Map(map) = &node.tree else { return node };
    let [(key, entry)] = map.ordered()[..] else { return node };
    let mut value = entry.node.clone();
    for key in key.splitn(DEPTH_MAX, "::").collect::<Vec<_>>().into_iter().rev() {
        let mut map = Map::default();
        map.push(key.to_owned(), entry.location.clone(), value);
        value = Node { location: node.location.clone(), ..Node::new(Tree::Map(map)) };
    }
    value
}

fn whole(name: &str, message: impl Into<String>) -> Problem {
    let mut problem = Problem::new("", message);
    problem.location = Some(Location { file: name.into(), line: 0, column: 0 });
    problem
}
