//! Holds the pages of the world against what is known of each metric, and writes it down in
//! `docs/schemas/conformance.md`: run with `INFEROMETER_UPDATE=1` to write it anew, and read what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

use integration::{binary, get, root};
use serde::Deserialize;
use serde_json::Value;

use crate::world::{SCHEMAS, World};

const HEAD: &str = "# What is made of what

Each metric of the five documents, and what the systems have besides, as a test finds it on the pages of a collector that
scrapes vLLM, SGLang, llama.cpp and MindIE, reads its host, and takes what an application pushes
(`integration/counterparts/application.py`). The test writes this page.

- *Document*: the name in the document, where the page has another; `-` for what the document does not have.
- *Labels*: those that are documented; in brackets those that not every series has; behind a `+` those that are added.
- *From*: what the metric was made of there. Other inputs that would do are in `inferometer schemas NAME`.
";

/// What is known of a system's metrics.
#[derive(Debug, Deserialize)]
struct Facts {
    metrics: Vec<Fact>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    unit: String,
    #[serde(default)]
    labels: BTreeSet<String>,
    /// Labels that a series may be without.
    #[serde(default)]
    optional: BTreeSet<String>,
    /// The name in the document.
    document: Option<String>,
    #[serde(default = "documented")]
    is_documented: bool,
    /// Why it is not on the pages of this world.
    absent: Option<String>,
}

fn documented() -> bool {
    true
}

/// A family as it stands on a page.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// The names of the labels of each series.
    series: Vec<BTreeSet<String>>,
}

pub(crate) async fn check(world: &World) -> Vec<String> {
    let own = world.collector.address("own metrics at http://");
    let mappings: Value = serde_json::from_slice(&get(&own, "/mappings").await.body).unwrap();
    let mut faults = Vec::new();
    let mut written = HEAD.to_owned();
    for schema in SCHEMAS {
        let families = families(&world.text(schema).await);
        let units = units(schema);
        let facts = facts(schema);
        write!(
            written,
            "\n## {schema}\n\n| metric | type | document | labels | from |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        for fact in &facts.metrics {
            let family = families.get(&fact.name);
            faults.extend(
                fact.fault(family, units.get(&fact.name)).map(|fault| format!("{}: {fault}", fact.name)),
            );
            let sources = sources(&mappings, schema, &fact.name);
            writeln!(written, "{}", fact.row(family, &sources)).unwrap();
        }
    }
    faults.extend(compare(&written));
    faults
}

impl Fact {
    fn fault(&self, family: Option<&Family>, unit: Option<&String>) -> Option<String> {
        let Some(family) = family.filter(|family| !family.series.is_empty()) else {
            let is_wanted = self.is_documented || self.absent.is_none();
            return is_wanted.then(|| String::from("it is on no page"));
        };
        if self.absent.is_some() {
            return Some(String::from("it is said to be absent, and is there"));
        }
        if family.kind != self.kind {
            return Some(format!("it is a {}, not a {}", self.kind, family.kind));
        }
        if unit.is_some_and(|unit| *unit != self.unit) {
            return Some(format!("its unit is {}, not {unit:?}", self.unit));
        }
        let has_all = family.series.iter().any(|labels| self.labels.is_subset(labels));
        (!has_all).then(|| format!("no series has the labels {:?}: {:?}", self.labels, family.series))
    }

    fn row(&self, family: Option<&Family>, sources: &str) -> String {
        let document = match &self.document {
            Some(name) => format!("`{name}`"),
            None if self.is_documented => String::from("the same"),
            None => String::from("-"),
        };
        let from = self.absent.clone().unwrap_or_else(|| sources.to_owned());
        let labels = family.map_or_else(String::new, |family| self.shown_labels(family));
        format!("| `{}` | {} | {document} | {labels} | {from} |", self.name, self.kind)
    }

    fn shown_labels(&self, family: &Family) -> String {
        let all: BTreeSet<&String> = family.series.iter().flatten().collect();
        let known = self.labels.iter().chain(&self.optional).filter(|label| all.contains(label));
        let is_everywhere = |label: &String| family.series.iter().all(|labels| labels.contains(label));
        let shown = |label: &String| {
            if is_everywhere(label) { label.clone() } else { format!("[{label}]") }
        };
        let known: Vec<_> = known.map(shown).collect();
        let is_known = |label: &String| self.labels.contains(label) || self.optional.contains(label);
        let more: Vec<_> = all.into_iter().filter(|label| !is_known(label)).map(shown).collect();
        let mut text = known.join(", ");
        if !more.is_empty() {
            text = format!("{text} + {}", more.join(", "));
        }
        text.trim().to_owned()
    }
}

fn facts(schema: &str) -> Facts {
    let path = root().join(format!("integration/conformance/{schema}.yaml"));
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The units of a schema, by metric, as `inferometer schemas` tells them.
fn units(schema: &str) -> BTreeMap<String, String> {
    let output = Command::new(binary()).args(["schemas", schema]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let units = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, unit) = (words.next()?, words.nth(1)?);
        let unit = unit.trim_end_matches(':').strip_prefix('[')?.strip_suffix(']')?;
        Some((name.to_owned(), unit.to_owned()))
    });
    units.collect()
}

fn families(page: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            name.clone_into(&mut current);
            kind.clone_into(&mut families.entry(current.clone()).or_default().kind);
        } else if !line.starts_with('#') && line.starts_with(&current) {
            families.entry(current.clone()).or_default().series.push(labels(line));
        }
    }
    families
}

/// The names of the labels of a sample, without those that tell the parts of one series apart.
fn labels(sample: &str) -> BTreeSet<String> {
    let Some((_, rest)) = sample.split_once('{') else { return BTreeSet::new() };
    let names = rest.split("=\"").filter_map(|part| part.rsplit([',', '{']).next());
    let is_name = |name: &&str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    names.filter(is_name).filter(|name| !["le", "quantile"].contains(name)).map(str::to_owned).collect()
}

/// The inputs that feed a metric now, in the words of `GET /mappings`.
fn sources(mappings: &Value, schema: &str, metric: &str) -> String {
    let processors = mappings["processors"].as_array().unwrap().iter();
    let mut processors = processors.filter(|processor| processor["id"] == format!("schema/{schema}"));
    let metrics = processors.next().unwrap()["metrics"].as_array().unwrap();
    let Some(found) = metrics.iter().find(|found| found["name"] == metric) else {
        return String::from("passed on as the runner has it");
    };
    let used = found["sources"].as_array().unwrap().iter();
    let used = used.filter(|source| source["is_used"] == true && source["live"].as_u64() > Some(0));
    let inputs: Vec<_> = used.filter_map(|source| source["input"].as_str()).collect();
    if inputs.is_empty() { String::from("nothing") } else { inputs.join("; ").replace('|', "\\|") }
}

fn compare(written: &str) -> Option<String> {
    let path = root().join("docs/schemas/conformance.md");
    if std::env::var_os("INFEROMETER_UPDATE").is_some() {
        std::fs::write(path, written).unwrap();
        return None;
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = golden.lines().zip(written.lines()).filter(|(golden, written)| golden != written);
    let first = lines.next().map(|(golden, written)| format!("\n  {golden}\n  {written}"));
    (golden != written).then(|| {
        format!("docs/schemas/conformance.md is not what the world makes (see the top of conformance.rs): {first:?}")
    })
}
