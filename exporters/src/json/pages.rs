//! The pages: from what is written to shapes, with everything that is wrong with them.

use std::collections::BTreeSet;

use config::{Problem, Problems, Section};
use serde::Deserialize;

use super::config::PageConfig;
use super::shape::{Parser, Shape, When};

/// A page that is made of shapes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) when: Vec<When>,
    pub(crate) body: Shape,
}

/// Everything that is served.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    pub(crate) pages: Vec<Page>,
    /// The paths of GPUStack's API for its mapping.
    pub(crate) runtime_config: Vec<String>,
}

/// Who answers at a path of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// The exporter `prometheus`.
    Prometheus,
    Json,
    /// GPUStack's API for its mapping.
    RuntimeConfig,
}

/// Where a page is written.
#[derive(Debug, Clone)]
pub(crate) struct Source<'a> {
    pub(crate) section: &'a Section,
    pub(crate) key: String,
}

/// A page before it is checked.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) format: Format,
    pub(crate) page: PageConfig,
}

impl Source<'_> {
    fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        self.section.problem(&format!("{}.{key}", self.key), message)
    }
}

impl Pages {
    pub(crate) fn compile(written: &[Written]) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let paths: Vec<_> = written.iter().map(|written| written.page.path.as_str()).collect();
        for (at, Written { source, page, .. }) in written.iter().enumerate() {
            problems.extend(path_problem(&paths, at).map(|message| source.problem("path", message)));
            if !(200..=599).contains(&page.status) {
                let message = format!("expected a status from 200 to 599, got `{}`", page.status);
                problems.push(source.problem("status", message));
            }
        }
        let (shaped, others): (Vec<_>, Vec<_>) =
            written.iter().partition(|written| written.format != Format::RuntimeConfig);
        let path = |written: &&Written| written.page.path.clone();
        let paths: Vec<_> = shaped.iter().map(path).collect();
        let pages: Vec<_> = shaped.iter().map(|written| written.compile(&paths, &mut problems)).collect();
        let cycles = (0..pages.len()).filter_map(|at| Some((at, cycle(&pages, at)?)));
        problems.extend(cycles.map(|(at, way)| {
            shaped[at].source.problem("body", format!("leads back to itself: {}", way.join(" -> ")))
        }));
        let runtime_config = others.iter().map(path).collect();
        if problems.is_empty() {
            Ok(Self { pages, runtime_config })
        } else {
            Err(Problems(problems).in_order())
        }
    }

    /// The metrics that the pages name.
    pub(crate) fn metrics(&self) -> BTreeSet<String> {
        let mut metrics = BTreeSet::new();
        for page in &self.pages {
            page.body.add_metrics(&mut metrics);
            for when in &page.when {
                metrics.insert(when.measure.select.metric.clone());
                when.body.iter().for_each(|body| body.add_metrics(&mut metrics));
            }
        }
        metrics
    }
}

impl Written<'_> {
    fn compile(&self, paths: &[String], problems: &mut Vec<Problem>) -> Page {
        let Source { section, key } = &self.source;
        let parser = Parser::new(section, paths);
        let whens = self.page.when.iter().enumerate();
        let when = whens.filter_map(|(at, when)| parser.when(when, &format!("{key}.when[{at}]"))).collect();
        let body = parser.body(&self.page.body, &format!("{key}.body"));
        problems.extend(parser.problems());
        Page { path: self.page.path.clone(), status: self.page.status, when, body }
    }
}

impl Page {
    /// The pages whose bodies stand in this one.
    fn parts(&self) -> Vec<usize> {
        let mut pages = Vec::new();
        self.body.add_pages(&mut pages);
        self.when.iter().filter_map(|when| when.body.as_ref()).for_each(|body| body.add_pages(&mut pages));
        pages
    }
}

fn path_problem(paths: &[&str], at: usize) -> Option<String> {
    let path = paths[at];
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
        return Some(format!("expected a path such as `/api/metrics`, got `{path}`"));
    }
    let is_twice = paths[..at].contains(&path);
    is_twice
        .then(|| format!("`{path}` is there twice; `port` chooses those of a schema that belong to one port"))
}

/// The way from a page back to itself, if there is one.
fn cycle(pages: &[Page], start: usize) -> Option<Vec<String>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        let last = *way.last()?;
        for next in pages[last].parts() {
            let way: Vec<_> = way.iter().copied().chain([next]).collect();
            if next == start {
                return Some(way.into_iter().map(|page| format!("`{}`", pages[page].path)).collect());
            }
            if seen.insert(next) {
                ways.push(way);
            }
        }
    }
    None
}
