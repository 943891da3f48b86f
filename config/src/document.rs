//! The whole configuration: files, environment and flags in layers, with a place for each value.

use std::fmt;
use std::path::PathBuf;

use crate::file;
use crate::layer::Layers;
use crate::overrides;
use crate::problem::{Problem, Problems};
use crate::section::Section;
use crate::substitution::Substitution;
use crate::tree::{Map, Node, Tree};

/// Where the configuration comes from, weakest first.
#[derive(Clone, Default)]
pub struct Sources {
    /// YAML that is there without a file.
    pub defaults: Option<String>,
    /// YAML that follows from something, with what that is, for errors: `--schema`.
    pub generated: Option<(String, String)>,
    /// YAML, TOML or JSON by extension; later ones win.
    pub files: Vec<PathBuf>,
    /// `INFEROMETER__SERVICE__TELEMETRY__LOGS__LEVEL=debug`, and what `${env:NAME}` finds.
    pub environment: Vec<(String, String)>,
    /// `path=value` of `--set`.
    pub overrides: Vec<String>,
}

/// A configuration that could be read; what it means is up to its sections.
#[derive(Debug, Clone)]
pub struct Document {
    /// What worked but should be changed, for the log: an older name, an unset variable.
    pub warnings: Vec<String>,
    root: Section,
}

/// The layers while they are put together, and all that is wrong with them.
struct Loading<'a> {
    layers: Layers,
    substitution: Substitution<'a>,
    problems: Vec<Problem>,
}

/// Without the values of variables: there are secrets among them.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variables: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("Sources")
            .field("files", &self.files)
            .field("variables", &variables)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// Reads and layers everything; reports all that is wrong with the text itself.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let mut loading = Loading {
            layers: Layers::default(),
            substitution: Substitution::new(&sources.environment),
            problems: Vec::new(),
        };
        if let Some(text) = &sources.defaults {
            loading.add(file::given("built-in default", text));
        }
        if let Some((from, text)) = &sources.generated {
            loading.add(file::given(from, text));
        }
        for path in &sources.files {
            loading.add(file::load(path, &sources.environment));
        }
        loading.add_environment(&sources.environment);
        loading.add_flags(&sources.overrides);
        let Loading { layers, substitution, mut problems } = loading;
        problems.extend(substitution.problems);
        if problems.is_empty() {
            let root = layers.merged();
            let root = Section::new("", &root, root.location.as_ref());
            Ok(Self { warnings: substitution.warnings, root })
        } else {
            Err(Problems(problems))
        }
    }

    /// The part under a dotted path (`service.telemetry`); an empty one where there is none.
    pub fn section(&self, path: &str) -> Section {
        self.root.section(path)
    }

    /// The members of a map, in the order of the file: `entries("receivers")` gives each id and its section.
    pub fn entries(&self, path: &str) -> Result<Vec<(String, Section)>, Problems> {
        self.root.section(path).entries()
    }

    /// The keys at the top.
    pub fn keys(&self) -> Vec<String> {
        self.root.keys()
    }

    /// What set the value at a dotted path: `inferometer.yaml:12:5`, `environment INFEROMETER__…`,
    /// `--set …`, `built-in default:3:1`; `None` where nothing did.
    pub fn source_of(&self, path: &str) -> Option<String> {
        self.root.source_of(path)
    }
}

impl Loading<'_> {
    fn add(&mut self, read: Result<Node, Problem>) {
        match read {
            Ok(mut node) => {
                self.substitution.apply(&mut node, "");
                if let Tree::Map(map) = node.tree {
                    self.layers.push(map);
                }
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    fn add_environment(&mut self, environment: &[(String, String)]) {
        let base = self.layers.merged();
        let mut sorted: Vec<_> = environment.iter().collect();
        sorted.sort();
        for (name, value) in sorted {
            if let Some(layer) = overrides::from_environment(name, value, &base) {
                self.add_layer(layer);
            }
        }
    }

    fn add_flags(&mut self, flags: &[String]) {
        let base = self.layers.merged();
        for flag in flags {
            let layer = overrides::from_flag(flag, &base, &mut self.substitution);
            self.add_layer(layer);
        }
    }

    fn add_layer(&mut self, layer: Result<Map, Problem>) {
        match layer {
            Ok(map) => self.layers.push(map),
            Err(problem) => self.problems.push(problem),
        }
    }
}

#[cfg(test)]
mod tests;
