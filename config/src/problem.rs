//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

/// A place in a file, or another source of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its path, or `environment NAME`, `--set PATH`, `built-in default`.
    pub file: Arc<str>,
    /// Counted from 1; 0 where the source has no lines.
    pub line: usize,
    /// Counted from 1; 0 where the source has no lines.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `receivers.otlp.protocols.grpc.endpoint`
    pub path: String,
    /// ``expected a duration such as `15s`, got `5` ``
    pub message: String,
    /// Where in which file; `None` for what no file has.
    pub location: Option<Location>,
}

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// A problem without a place; whoever knows the document adds it.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), location: None }
    }
}

impl Problems {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what later checks found, and sorts.
    ///
    /// What is wrong at the place of a problem that is here already, above it or below it, is left out: it
    /// follows from that one. A text where a list belongs is no list that is empty besides.
    #[must_use]
    pub fn and(mut self, found: impl IntoIterator<Item = Problem>) -> Self {
        let causes = self.0.len();
        for problem in found {
            let causes = self.0.get(..causes).unwrap_or_default();
            if !causes.iter().any(|cause| is_related(&cause.path, &problem.path)) {
                self.0.push(problem);
            }
        }
        self.in_order()
    }

    /// Sorted by place, file by file in the order they first appear in; what has no place stays last.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        let files: Vec<_> =
            self.0.iter().filter_map(|problem| Some(problem.location.as_ref()?.file.clone())).collect();
        self.0.sort_by_key(|problem| match &problem.location {
            Some(Location { file, line, column }) => {
                (files.iter().position(|known| known == file).unwrap_or(files.len()), *line, *column)
            }
            None => (files.len(), 0, 0),
        });
        self
    }
}

/// Whether the paths are one, or one leads to the other.
fn is_related(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let rest = long.strip_prefix(short);
    short.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
