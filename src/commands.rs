//! What each command does.

mod demo;
mod discover;
mod explain;
mod instance;
mod map;
mod run;
mod schemas;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use config::{Document, Problems, Section};
use pipeline::component::Context;
use pipeline::net::Net;
use pipeline::{Clock, Registry};

use crate::cli::{Exposition, Source, Validate};
use crate::components;
use crate::facade::{self, Wanted};
use crate::plan::Plan;

pub(crate) use demo::demo_runner;
pub(crate) use discover::discover;
pub(crate) use explain::explain;
pub(crate) use map::map;
pub(crate) use run::run;
pub(crate) use schemas::schemas;

/// The command line or the configuration is wrong.
pub(crate) const EXIT_USAGE: u8 = 2;

/// A configuration that cannot be run.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) problems: Problems,
    /// What may be the cause, such as a variable that is not set.
    pub(crate) warnings: Vec<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        write!(f, "{}", self.problems)
    }
}

impl From<Problems> for Refused {
    fn from(problems: Problems) -> Self {
        Self { problems, warnings: Vec::new() }
    }
}

/// Reads a configuration and checks all of it; opens nothing. All problems come at once.
pub(crate) fn load(source: &Source) -> Result<Plan, Refused> {
    let mut sources = source.layers();
    let wanted =
        Wanted { schemas: &source.schemas, is_facade: source.facade, is_demo: source.demo.is_some() };
    let added = facade::add(&mut sources, &wanted);
    let document = Document::load(&sources)?;
    let (mut plan, mut problems) = Plan::new(&document);
    if let Err(Problems(found)) = added {
        problems.extend(found);
    }
    let context = checking_context();
    if let Ok(context) = crate::collector::with_extensions(&context, &plan) {
        problems.extend(plan.check(&context));
    } else {
        // `check` finds what is wrong with the extensions; that others do not find them follows from it.
        let found = plan.check(&context).into_iter();
        let follows = [".auth.authenticator", ".sending_queue.storage"];
        problems.extend(found.filter(|problem| !follows.iter().any(|end| problem.path.ends_with(end))));
    }
    if problems.is_empty() {
        plan.forget_unused();
        return Ok(plan);
    }
    let mut problems = Problems(problems).in_order();
    problems.0.dedup();
    Err(Refused { problems, warnings: plan.warnings })
}

/// A context for building components that are thrown away again.
pub(crate) fn checking_context() -> Context {
    let provider = opentelemetry_sdk::metrics::SdkMeterProvider::default();
    Context {
        id: String::new(),
        registry: Arc::new(Registry::new(1)),
        clock: Clock::system(),
        meter: opentelemetry::metrics::MeterProvider::meter(&provider, "inferometer").into(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

/// `inferometer validate`.
pub(crate) fn validate(validate: &Validate) -> ExitCode {
    if let Some(format) = validate.exposition {
        return validate_exposition(format);
    }
    match load(&validate.source) {
        Ok(plan) => {
            for warning in &plan.warnings {
                eprintln!("warning: {warning}");
            }
            match validate.source.config.as_slice() {
                [] => println!("configuration is valid: the built-in default, as no `--config` is given"),
                _ => println!("configuration is valid"),
            }
            ExitCode::SUCCESS
        }
        Err(refused) => {
            eprintln!("{refused}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn validate_exposition(format: Exposition) -> ExitCode {
    let mut text = Vec::new();
    if let Err(error) = std::io::stdin().read_to_end(&mut text) {
        eprintln!("cannot read standard input: {error}");
        return ExitCode::FAILURE;
    }
    let format = match format {
        Exposition::Text => receivers::prometheus::Format::Text,
        Exposition::Openmetrics => receivers::prometheus::Format::OpenMetrics,
    };
    match receivers::prometheus::validate(&text, format) {
        Ok(summary) => {
            println!("exposition is valid (families: {}, samples: {})", summary.families, summary.samples);
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            ExitCode::FAILURE
        }
    }
}

/// `inferometer print-config`.
pub(crate) fn print_config(source: &Source) -> ExitCode {
    let printed = load(source).and_then(|plan| Ok(crate::effective::render(&plan)?));
    match printed {
        Ok(text) => print(&text),
        Err(refused) => {
            eprintln!("{refused}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// `inferometer components [NAME]`.
pub(crate) fn components(name: Option<&str>) -> ExitCode {
    let listed = components::all();
    let Some(name) = name else {
        return print(&list(&listed));
    };
    let mut text = String::new();
    for component in listed.iter().filter(|listed| listed.name == name || listed.aliases.contains(&name)) {
        text.push_str(&describe(component));
    }
    if !text.is_empty() {
        return print(&text);
    }
    let names: Vec<_> = listed.iter().map(|component| component.name).collect();
    let instead = config::instead(name, &names).unwrap_or_default();
    eprintln!("there is no component `{name}`; {instead}");
    ExitCode::from(EXIT_USAGE)
}

fn list(listed: &[components::Listed]) -> String {
    let mut text = String::new();
    let mut section = "";
    let width = listed.iter().map(|component| component.name.len()).max().unwrap_or_default();
    for component in listed {
        if component.section != section {
            section = component.section;
            text.push_str(section);
            text.push_str(":\n");
        }
        let older = match component.aliases {
            [] => String::new(),
            aliases => format!(" Older name: {}.", aliases.join(", ")),
        };
        let _ = writeln!(text, "  {:<width$} {}{older}", component.name, component.about);
    }
    text
}

/// A component with its example, every key with the value it has there, and those that have none.
fn describe(component: &components::Listed) -> String {
    let components::Listed { section, name, about, example, .. } = component;
    let read = Section::from_yaml(&format!("{section}.{name}"), example)
        .and_then(|section| (component.effective)(&section));
    let (keys, absent) = match read {
        Ok(value) => (config::render_yaml(&config::without_absent(value.clone())), config::absent(&value)),
        Err(problems) => (problems.to_string(), Vec::new()),
    };
    let mut text = format!(
        "# {} `{name}`: {about}\n\n# An example:\n{}\n\n# Every key that has a value, as it is in the example:\n{keys}",
        section.trim_end_matches('s'),
        example.trim(),
    );
    if !absent.is_empty() {
        let absent = absent.join(", ");
        let _ = write!(
            text,
            "\n# Keys that have none until they are given; docs/{section}/{name}.md says what holds then:\n# {absent}\n"
        );
    }
    text.push('\n');
    text
}

/// Prints to standard output; a reader that went away is no error.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
