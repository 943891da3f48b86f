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

/// Series that become a family.
#[derive(Debug)]
struct Source<'a> {
    entry: &'a Entry,
    /// Ranges that have the same source and come first.
    outside: Vec<&'a str>,
}

/// The rules for what is not as in the default; `None` where everything is.
pub(super) fn of(wanted: &Document, default: &Document) -> Option<Overlay> {
    let mut overlay = Overlay { replaced: Vec::new(), rules: Vec::new() };
    for family in &wanted.families {
        let sources = wanted.sources(&family.name);
        let before = default.family(&family.name);
        let sources_before = default.sources(&family.name);
        if before == Some(family)
            && sources_before.iter().map(Source::key).eq(sources.iter().map(Source::key))
        {
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
        sources.sort_by(|one, other| one.key().cmp(&other.key()));
        sources
    }

    /// The first range that has the version and the source wins, and any of them over `*`.
    fn source<'a>(&'a self, at: usize, entry: &'a Entry) -> Source<'a> {
        let before = if entry.range.is_none() { &self.entries[..] } else { &self.entries[..at] };
        let same =
            before.iter().filter(|same| same.runtime == entry.runtime && same.family() == entry.family());
        let mut outside: Vec<_> = same.filter_map(|same| same.range.as_deref()).collect();
        outside.sort_unstable();
        Source { entry, outside }
    }
}

impl Source<'_> {
    /// What makes a difference: which series, of which runners.
    fn key(&self) -> (&str, &str, Option<&str>, &[&str]) {
        (self.entry.runtime, self.entry.family(), self.entry.range.as_deref(), &self.outside)
    }

    fn range(&self) -> Option<Range> {
        if self.entry.range.is_none() && self.outside.is_empty() {
            return None;
        }
        let read = |range: &str| Range::parse(range).expect("the document was checked");
        let within = read(self.entry.range.as_deref().unwrap_or("*"));
        Some(within.except(self.outside.iter().map(|range| read(range)).collect()))
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
    let mut inputs = vec![input(family, source.entry, source.range())];
    if source.entry.range.is_none() && !source.outside.is_empty() {
        let conditions = vec![version_is_unknown()];
        inputs.push(Input { conditions, ..input(family, source.entry, None) });
    }
    inputs
}

fn input(family: &Family, entry: &Entry, version: Option<Range>) -> Input {
    Input {
        from: From::Metric(NameMatch::Exact(entry.source.clone())),
        is_foreign: false,
        conditions: Vec::new(),
        runner: Some(Runner::Named(entry.dialect.to_owned())),
        version,
        take: if family.kind == Type::Info { Take::One } else { Take::Value },
        kind: None,
        unit: None,
        scale: None,
        offset: 0.0,
        valid: Valid::default(),
        is_whole: false,
        is_accumulated_twice: false,
        labels: labels(entry.runtime),
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
