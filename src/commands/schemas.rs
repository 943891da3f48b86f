//! `inferometer schemas`: what the schemas have, and where it comes from.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use config::Problems;
use pipeline::mapping::compiled::{OutputKind, Rule};
use pipeline::mapping::file::{Format, MappingFile};
use pipeline::mapping::{Engine, Loaded, Options};
use pipeline::{Clock, Registry};

use super::explain::series;
use super::instance::ask;
use super::{EXIT_USAGE, print};
use crate::admin::{self, Mappings, Metric};
use crate::cli::Instance;
use crate::mappings;

/// What runs, by rule.
type Live = HashMap<String, Metric>;

pub(crate) fn schemas(name: Option<&str>, instance: &Instance) -> ExitCode {
    let text = match name {
        None => list(),
        Some(name) => mappings::outline(name).map(|loaded| show(&loaded, instance)),
    };
    match text {
        Ok(text) => print(&text),
        Err(problems) => {
            eprintln!("{problems}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn list() -> Result<String, Problems> {
    let mut text = String::new();
    for name in mappings::schemas() {
        let loaded = mappings::outline(name)?;
        let file = &loaded.file;
        let metrics = loaded.mapping.rules.iter().filter(|rule| is_shown(rule)).count();
        let _ = writeln!(text, "{name:<14} {} Metrics: {metrics}.{}", file.about, counts(file));
    }
    Ok(text)
}

/// How many pages there are of each format.
fn counts(file: &MappingFile) -> String {
    let count = |format| file.endpoints.iter().filter(|endpoint| endpoint.format == format).count();
    let json = count(Format::Json) + count(Format::RuntimeConfig);
    let shown = [("text", count(Format::Prometheus)), ("JSON", json)];
    let shown: Vec<_> = shown
        .iter()
        .filter(|(_, pages)| *pages > 0)
        .map(|(format, pages)| format!("{pages} in {format}"))
        .collect();
    if shown.is_empty() { String::new() } else { format!(" Pages: {}.", shown.join(", ")) }
}

fn show(loaded: &Loaded, instance: &Instance) -> String {
    let mut text = format!("# {}: {}\n", loaded.file.mapping, loaded.file.about);
    let live = live(&loaded.file.mapping, instance);
    let _ = writeln!(
        text,
        "# {}",
        match &live {
            Ok(_) => format!("What is live is from the collector at {}.", instance.endpoint),
            Err(reason) => format!("What is live cannot be said: {reason}."),
        }
    );
    show_settings(&mut text, &loaded.file);
    let live = live.unwrap_or_default();
    let mapping = Arc::new(loaded.mapping.clone());
    let engine = Engine::new(vec![mapping], Options::default(), Arc::new(Registry::new(1)), Clock::system());
    let metrics: HashMap<_, _> = engine
        .status()
        .into_iter()
        .map(|status| (rule_of(&status.place).to_owned(), Metric::from(status)))
        .collect();
    for rule in loaded.mapping.rules.iter().filter(|rule| is_shown(rule)) {
        let metric = live.get(rule_of(&rule.place)).or_else(|| metrics.get(rule_of(&rule.place)));
        show_rule(&mut text, rule, metric, !live.is_empty());
    }
    text
}

fn show_settings(text: &mut String, file: &MappingFile) {
    for (name, parameter) in &file.parameters.0 {
        let default = match &parameter.default {
            Some(default) => format!("`{default}` where it is not set"),
            None => String::from("must be set"),
        };
        let _ = writeln!(text, "# Parameter {name}: {} ({default})", parameter.about);
    }
    for endpoint in &file.endpoints {
        let port = endpoint.port.map(|port| format!(" (port {port})")).unwrap_or_default();
        let _ = writeln!(text, "# Page {}{port}", endpoint.path);
    }
}

fn show_rule(text: &mut String, rule: &Rule, metric: Option<&Metric>, is_live: bool) {
    let Some(metric) = metric else { return };
    let unit = rule.unit.as_deref().filter(|unit| !unit.is_empty()).map(|unit| format!(" [{unit}]"));
    let state = if is_live { format!(": {}", series(metric.series)) } else { String::new() };
    let _ = writeln!(text, "\n{} {}{}{state}", metric.name, kind(rule.kind), unit.unwrap_or_default());
    if let Some(help) = &rule.help {
        let _ = writeln!(text, "  {help}");
    }
    for source in &metric.sources {
        let mark = if source.is_used { "*" } else { "-" };
        let state = if is_live { format!(": {}", series(source.live)) } else { String::new() };
        let _ = writeln!(text, "  {mark} {}{state}", source.input);
    }
}

/// A rule's place without the folder, which depends on where a command was run: `mine.yaml:12`.
fn rule_of(place: &str) -> &str {
    place.rsplit('/').next().unwrap_or(place)
}

fn is_shown(rule: &Rule) -> bool {
    rule.metric.is_some() && !rule.is_hidden
}

fn kind(kind: Option<OutputKind>) -> &'static str {
    match kind {
        Some(OutputKind::Counter) => "counter",
        Some(OutputKind::UpDown) => "updown",
        Some(OutputKind::Gauge) => "gauge",
        Some(OutputKind::Histogram) => "histogram",
        Some(OutputKind::Summary) => "summary",
        Some(OutputKind::Untyped) => "untyped",
        None => "as its input",
    }
}

/// What the collector makes of the schema, where one runs that has it.
fn live(schema: &str, instance: &Instance) -> Result<Live, String> {
    let state: Mappings = ask(instance, admin::MAPPINGS).map_err(|error| pipeline::errors::chain(&*error))?;
    let mut processors = state.processors.into_iter();
    let running = processors.find(|processor| processor.mappings.iter().any(|mapping| mapping == schema));
    let running = running.ok_or_else(|| {
        format!(
            "the collector at {} does not run the schema; start it with `--schema {schema}`",
            instance.endpoint
        )
    })?;
    let metrics = running.metrics.into_iter().filter(|metric| metric.mapping == schema);
    Ok(metrics.map(|metric| (rule_of(&metric.place).to_owned(), metric)).collect())
}
