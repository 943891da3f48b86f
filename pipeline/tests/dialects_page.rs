//! Writes `docs/dialects.md` from the dialects: what a runner exposes, and what becomes of it.
//!
//! When a dialect changes, `INFEROMETER_UPDATE=1 cargo test -p inferometer-pipeline --test dialects_page` writes the
//! page anew.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fmt::Write;
use std::path::Path;

use pipeline::mapping::builtin::DIALECTS;
use pipeline::mapping::check;
use pipeline::mapping::compiled::{Combine, OutputKind, Take};
use pipeline::mapping::file::{Condition, ConditionMap, Input, MappingFile, OneOrMany, Rule};

const INTRODUCTION: &str = "# Dialects

What each runner exposes, and the name of the [conventions](../config/conventions.yaml) that it gets. The files are in
`config/dialects`, in the language of [mappings](mapping.md); this page is written from them.

Where several names are given, the first that a target has is used and the others are silent, so that what was renamed
is never counted twice. What stands in no table keeps its name and its labels. All metrics have `gen_ai.provider.name`
(the name of the dialect) and, where it is known, `gen_ai.request.model`.
";

#[test]
fn the_page_says_what_the_files_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dialects.md");
    let sections = DIALECTS.iter().map(|(name, text)| section(name, text));
    let page = INTRODUCTION.to_owned() + &sections.collect::<String>();
    if std::env::var_os("INFEROMETER_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/dialects.md is out of date; the top of this file says how to write it");
}

fn section(name: &str, text: &str) -> String {
    let file = check(&format!("{name}.yaml"), text).unwrap().file;
    let mut section = format!("\n## {name}\n\n{}", file.about);
    if !file.detect.is_empty() {
        let _ = write!(section, " Known by {}.", quoted(&file.detect));
    }
    section += "\n\n| exposed | becomes | as | |\n|---|---|---|---|\n";
    let remarks = remarks(text);
    assert_eq!(remarks.len(), file.rules.len(), "{name}: a rule begins with two blanks and a dash");
    for (rule, remark) in file.rules.iter().zip(remarks) {
        section += &row(&file, rule, &remark);
    }
    section
}

/// The comment that stands right above each rule.
fn remarks(text: &str) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in text.lines().skip_while(|line| *line != "rules:") {
        match line.strip_prefix("  # ") {
            Some(words) => comment.push(words),
            None if line.starts_with("  - ") => remarks.push(std::mem::take(&mut comment).join(" ")),
            None => comment.clear(),
        }
    }
    remarks
}

fn row(file: &MappingFile, rule: &Rule, remark: &str) -> String {
    let exposed = match (&rule.from, &rule.drop, &rule.difference) {
        (Some(from), ..) => elements(from, rule.combine, "; else "),
        (None, Some(drop), _) => elements(drop, None, ", "),
        (None, None, Some(difference)) => format!("{} less {}", code(&difference.of), code(&difference.less)),
        _ => panic!("{}: a rule of a kind that the page does not know", file.mapping),
    };
    let becomes = match (&rule.metric, &rule.drop) {
        (Some(metric), _) if rule.hidden => format!("{} (hidden)", code(metric)),
        (Some(metric), _) => code(metric),
        (None, Some(_)) => "nothing".to_owned(),
        (None, None) => "stays".to_owned(),
    };
    let kind = rule.kind.map(word).unwrap_or_default();
    let nature = match rule.unit.as_deref() {
        Some(unit) => format!("{kind}, {}", code(unit)),
        None => kind.to_owned(),
    };
    format!("| {exposed} | {becomes} | {nature} | {remark} |\n").replace("|  |", "| |")
}

/// The inputs of each element.
fn elements(from: &OneOrMany<Input>, combine: Option<Combine>, between: &str) -> String {
    let element = |input: &Input| match &input.all {
        Some(all) => {
            let together = if combine == Some(Combine::Sum) { " + " } else { ", " };
            all.iter().map(exposed).collect::<Vec<_>>().join(together)
        }
        None => exposed(input),
    };
    from.each().into_iter().map(|(_, input)| element(input)).collect::<Vec<_>>().join(between)
}

fn exposed(input: &Input) -> String {
    let name = match (&input.metric, &input.prefix, &input.pattern) {
        (Some(metric), ..) => code(metric),
        (_, Some(prefix), _) => format!("everything else with {}", code(&format!("{prefix}*"))),
        (.., Some(pattern)) => code(pattern),
        _ => panic!("an input without a name"),
    };
    let mut text = match input.take {
        Take::Value => name,
        Take::Age => format!("now less {name}"),
        take => format!("{} of {name}", format!("{take:?}").to_lowercase()),
    };
    if let Some(unit) = input.unit.as_deref().filter(|unit| *unit != "s") {
        let _ = write!(text, " in {}", code(unit));
    }
    let conditions = input.conditions.0.iter().map(|(attribute, condition)| match condition {
        Condition::OneOf(values) => format!("{} is {}", code(attribute), quoted(values)),
        Condition::Map(map) => meaning(attribute, map),
    });
    let conditions: Vec<_> = conditions.collect();
    if !conditions.is_empty() {
        let _ = write!(text, " where {}", conditions.join(" and "));
    }
    text
}

/// A condition in words.
fn meaning(attribute: &str, map: &ConditionMap) -> String {
    let attribute = code(attribute);
    let values = |spec: &OneOrMany<String>| {
        spec.each().into_iter().map(|(_, value)| code(value)).collect::<Vec<_>>().join(" or ")
    };
    let told = match (map.present, &map.one_of, &map.not) {
        (Some(true), ..) => format!("there is {attribute}"),
        (Some(false), ..) => format!("there is no {attribute}"),
        (_, Some(one_of), _) => format!("{attribute} is {}", values(one_of)),
        (.., Some(not)) => format!("{attribute} is not {}", values(not)),
        _ => panic!("a condition that the page does not know"),
    };
    if map.or_absent { told + " or absent" } else { told }
}

fn word(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Counter => "counter",
        OutputKind::UpDown => "updown",
        OutputKind::Gauge => "gauge",
        OutputKind::Histogram => "histogram",
        OutputKind::Summary => "summary",
        OutputKind::Untyped => "untyped",
    }
}

/// As code in a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|text| code(text)).collect::<Vec<_>>().join(" or ")
}
