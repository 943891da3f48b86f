//! What a configuration changes, as rules.

use super::document::{Document, Entry, Family, Type};
use crate::mapping::compiled::{
    Condition, From, Input, Inputs, Label, Labels, NameMatch, Part, Place, Rule, Runner, Take, Template,
    Test, Valid,
};
use crate::mapping::live::Overlay;
use crate::mapping::version::Range;

/// Where a runner's version is.
const VERSION: &str = "service.version";

/// Series that become a family: which of which runners.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source<'a> {
    runtime: &'static str,
    dialect: &'static str,
    name: &'a str,
    /// `None` is any.
    within: Option<&'a str>,
    /// Ranges that have the same source and come first.
    outside: Vec<&'a str>,
}

/// The rules for what is not as in the default; `None` where everything is.
pub(super) fn of(wanted: &Document, default: &Document) -> Option<Overlay> {
    let mut overlay = Overlay { replaced: Vec::new(), rules: Vec::new() };
    for family in &wanted.families {
        let sources = wanted.sources(&family.name);
        let before = default.family(&family.name);
        if before == Some(family) && default.sources(&family.name) == sources {
            continue;
        }
        overlay.replaced.extend(before.map(Family::metric));
        overlay.replaced.push(family.metric());
        // Without a source there is nothing to make it of.
        if !sources.is_empty() {
            overlay.rules.push(rule(family, &sources));
        }
    }
    let is_gone = |family: &&Family| wanted.family(&family.name).is_none();
    overlay.replaced.extend(default.families.iter().filter(is_gone).map(Family::metric));
    overlay.replaced.sort();
    overlay.replaced.dedup();
    (!overlay.replaced.is_empty()).then_some(overlay)
}

impl Document {
    fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// In an order that does not depend on that of the text.
    fn sources(&self, target: &str) -> Vec<Source<'_>> {
        let entries = self.entries.iter().enumerate().filter(|(_, entry)| entry.target == target);
        let mut sources: Vec<_> = entries.map(|(at, entry)| self.source(at, entry)).collect();
        sources.sort();
        sources
    }

    /// The first range that has the version and the source wins, and any of them over `*`.
    fn source<'a>(&'a self, at: usize, entry: &'a Entry) -> Source<'a> {
        let before = if entry.range.is_none() { &self.entries[..] } else { &self.entries[..at] };
        let same = before.iter().filter(|same| same.runtime == entry.runtime && same.source == entry.source);
        let mut outside: Vec<_> = same.filter_map(|same| same.range.as_deref()).collect();
        outside.sort_unstable();
        Source {
            runtime: entry.runtime,
            dialect: entry.dialect,
            name: &entry.source,
            within: entry.range.as_deref(),
            outside,
        }
    }
}

impl Family {
    /// As it is exposed.
    fn metric(&self) -> String {
        let suffix = match self.kind {
            Type::Counter if !self.name.ends_with("_total") => "_total",
            Type::Info if !self.name.ends_with("_info") => "_info",
            _ => "",
        };
        format!("gpustack:{}{suffix}", self.name)
    }
}

fn rule(family: &Family, sources: &[Source<'_>]) -> Rule {
    let inputs = sources.iter().flat_map(|source| inputs(family, source)).collect();
    Rule {
        metric: Some(text(&family.metric())),
        kind: Some(family.kind.output()),
        unit: None,
        help: Some(family.description.clone()),
        inputs: Inputs::Ranked(vec![inputs]),
        combine: None,
        derive: None,
        states: None,
        zero: Vec::new(),
        is_hidden: false,
        is_rest: false,
        place: format!("gpustack_metrics.{}", family.name),
    }
}

/// Runners whose version is not known have what stands under `*`.
fn inputs(family: &Family, source: &Source<'_>) -> Vec<Input> {
    let mut versions = vec![(source.range(), Vec::new())];
    if source.within.is_none() && !source.outside.is_empty() {
        versions.push((None, vec![version_is_unknown()]));
    }
    let names = [source.name.to_owned(), format!("{}_total", source.name)];
    let each = versions.iter().flat_map(|version| names.iter().map(move |name| (name, version)));
    each.map(|(name, (version, conditions))| Input {
        from: From::Metric(NameMatch::Exact(name.clone())),
        is_foreign: false,
        conditions: conditions.clone(),
        runner: Some(Runner::Named(source.dialect.to_owned())),
        version: version.clone(),
        take: if family.kind == Type::Info { Take::One } else { Take::Value },
        kind: None,
        unit: None,
        scale: None,
        offset: 0.0,
        valid: Valid::default(),
        is_accumulated_twice: false,
        labels: labels(source.runtime),
    })
    .collect()
}

impl Source<'_> {
    fn range(&self) -> Option<Range> {
        if self.within.is_none() && self.outside.is_empty() {
            return None;
        }
        let read = |range: &str| Range::parse(range).expect("the document was checked");
        Some(read(self.within.unwrap_or("*")).except(self.outside.iter().map(|range| read(range)).collect()))
    }
}

fn version_is_unknown() -> Condition {
    let test = Test { present: Some(false), ..Test::default() };
    Condition { of: Place::Resource(VERSION.to_owned()), test, or_absent: true }
}

/// The runner's own labels, and its runtime; the schema's are laid under them.
fn labels(runtime: &str) -> Labels {
    let runtime = Label {
        name: "runtime".to_owned(),
        from: vec![text(runtime)],
        translate: Vec::new(),
        is_lower_tail: false,
        default: None,
    };
    Labels { labels: vec![runtime], keep: vec![NameMatch::Prefix(String::new())] }
}

fn text(text: &str) -> Template {
    Template(vec![Part::Text(text.to_owned())])
}
