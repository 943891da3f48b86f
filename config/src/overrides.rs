//! Single values over the files: from the environment and from `--set`.

use std::sync::Arc;

use crate::path;
use crate::problem::{Location, Problem};
use crate::substitution::Substitution;
use crate::tree::{DEPTH_MAX, Hidden, Map, Node, Tree};
use crate::yaml;

/// What the names of variables that set values start with.
const PREFIX: &str = "INFEROMETER__";

/// So much of a path is shown as a source.
const SHOWN_MAX: usize = 120;

/// The layer of `INFEROMETER__RECEIVERS__OTLP__ENDPOINT=value`; `None` for any other variable.
///
/// Names hold no lower-case letters and few signs, so each key is matched to the ones that are there:
/// first without regard to case, then with every sign taken for `_`. A new key is lower-cased.
pub(crate) fn from_environment(name: &str, value: &str, base: &Node) -> Option<Result<Map, Problem>> {
    let rest = name.strip_prefix(PREFIX)?;
    let location = Location { file: format!("environment {name}").into(), line: 0, column: 0 };
    let mut keys: Vec<String> = Vec::new();
    let mut at = Some(base);
    for part in rest.split("__") {
        let key = match matching(part, at) {
            Ok(key) => key,
            Err(message) => return Some(Err(problem(&keys, message, &location))),
        };
        at = at.and_then(|node| node.map()?.0.get(&key)).map(|entry| &entry.node);
        keys.push(key);
    }
    let mut node = yaml::parse_value(value);
    node.hide(&Arc::new(Hidden { label: name.to_owned(), texts: vec![value.to_owned()] }));
    Some(layer(&keys, node, base, &location))
}

/// The layer of `path=value`; the value is YAML.
pub(crate) fn from_flag(
    text: &str,
    base: &Node,
    substitution: &mut Substitution<'_>,
) -> Result<Map, Problem> {
    let Some((path, value)) = path::split_assignment(text) else {
        let location = Location { file: "--set".into(), line: 0, column: 0 };
        return Err(problem(&[], "expected `path=value`, found no `=`", &location));
    };
    let shown: String = path.chars().take(SHOWN_MAX).collect();
    let location = Location { file: format!("--set {shown}").into(), line: 0, column: 0 };
    let keys = path::parse(path).map_err(|message| problem(&[], message, &location))?;
    let mut node = yaml::parse("--set", value).map_err(|error| problem(&keys, error.message, &location))?;
    node.relocate(&location);
    substitution.apply(&mut node, &dotted(&keys));
    layer(&keys, node, base, &location)
}

fn matching(part: &str, at: Option<&Node>) -> Result<String, String> {
    if part.is_empty() {
        return Err(format!("the name has an empty key; it must be `{PREFIX}KEY__KEY`"));
    }
    let known = || at.and_then(Node::map).into_iter().flat_map(|map| map.0.keys());
    let as_name = |key: &str| key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let alike: Vec<&String> = known().filter(|key| key.eq_ignore_ascii_case(part)).collect();
    let alike = if alike.is_empty() {
        known().filter(|key| as_name(key).eq_ignore_ascii_case(part)).collect()
    } else {
        alike
    };
    match alike.as_slice() {
        [] => Ok(part.to_lowercase()),
        [key] => Ok((*key).clone()),
        [first, second, ..] => Err(format!("`{part}` may be `{first}` or `{second}`; use `--set` instead")),
    }
}

/// A layer in which the path leads to the value.
fn layer(keys: &[String], node: Node, base: &Node, location: &Location) -> Result<Map, Problem> {
    if keys.len() > DEPTH_MAX {
        return Err(problem(&[], format!("the path has more than {DEPTH_MAX} keys"), location));
    }
    let mut at = Some(base);
    for (depth, key) in keys.iter().enumerate() {
        let kind = match at.map(|node| &node.tree) {
            None | Some(Tree::Null | Tree::Map(_)) => None,
            Some(Tree::List(_)) => Some("a list"),
            Some(_) => Some("a single value"),
        };
        if let Some(kind) = kind {
            let message = format!("there is no `{key}` in it, for it is {kind}; set it as a whole");
            return Err(problem(keys.get(..depth).unwrap_or_default(), message, location));
        }
        at = at.and_then(|node| node.map()?.0.get(key)).map(|entry| &entry.node);
    }
    let mut node = node;
    node.relocate(location);
    for key in keys.iter().rev() {
        let mut map = Map::default();
        map.push(key.clone(), Some(location.clone()), node);
        node = Node { location: Some(location.clone()), ..Node::new(Tree::Map(map)) };
    }
    match node.tree {
        Tree::Map(map) => Ok(map),
        _ => Ok(Map::default()),
    }
}

fn dotted(keys: &[String]) -> String {
    keys.iter().fold(String::new(), |path, key| path::join(&path, key))
}

fn problem(keys: &[String], message: impl Into<String>, location: &Location) -> Problem {
    let mut problem = Problem::new(dotted(keys), message);
    problem.location = Some(location.clone());
    problem
}
