//! What a configuration says shall run: components found in the lists, pipelines resolved.
//!
//! Pure: nothing is opened. Everything that is wrong is reported at once.

use std::collections::HashSet;

use config::{Document, Problem, Problems, Section};
use exporters::EXPORTERS;
use pipeline::component::{
    BuiltExporter, Context, Delivery, Entry, ExporterEntry, ProcessorEntry, ReceiverEntry,
};
use pipeline::extensions::{EXTENSIONS, Extension};
use pipeline::processors::PROCESSORS;
use receivers::RECEIVERS;

use crate::elsewhere::{instead_of, instead_of_section, without_effect};
use crate::service::{self, PipelineConfig};

/// A component of the file: its id, its line in the list, its section.
pub(crate) struct Part<T: 'static> {
    pub(crate) id: String,
    pub(crate) entry: &'static Entry<T>,
    pub(crate) section: Section,
}

impl<T> Part<T> {
    /// Whether the same component would be built.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.section == other.section
    }
}

/// A pipeline of the file, with the ids it joins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PipelinePlan {
    pub(crate) id: String,
    pub(crate) joins: PipelineConfig,
}

/// Everything that shall run.
pub(crate) struct Plan {
    pub(crate) extensions: Vec<Part<Extension>>,
    pub(crate) receivers: Vec<Part<ReceiverOf>>,
    pub(crate) processors: Vec<Part<ProcessorOf>>,
    pub(crate) exporters: Vec<Part<ExporterOf>>,
    pub(crate) pipelines: Vec<PipelinePlan>,
    pub(crate) service: service::Config,
    /// The whole configuration, to say where in it something stands.
    pub(crate) root: Section,
    /// What works but should be changed.
    pub(crate) warnings: Vec<String>,
}

type ReceiverOf = Box<dyn pipeline::component::Receiver>;
type ProcessorOf = pipeline::component::Processor;
type ExporterOf = BuiltExporter;

const SECTIONS: [&str; 5] = ["extensions", "receivers", "processors", "exporters", "service"];

impl Plan {
    /// Resolves every name of the document, and reads `service`; says all that is wrong with it.
    pub(crate) fn new(document: &Document) -> (Self, Vec<Problem>) {
        let (mut plan, problems) = Self::of_everything(document);
        let (pipelines, found) = plan.resolve_pipelines(document);
        plan.pipelines = pipelines;
        let Problems(mut problems) = Problems(problems).and(found);
        plan.check_references(document, &mut problems);
        (plan, problems)
    }

    /// All components of the document, whether a pipeline names them or not.
    pub(crate) fn of_everything(document: &Document) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut warnings = document.warnings.clone();
        check_sections(document, &mut problems);
        let (service, found) = service::Config::read(document);
        problems.extend(found.0);
        warnings.extend(service.warnings.iter().cloned());
        let mut reader = PartReader { document, problems: &mut problems, warnings: &mut warnings };
        let plan = Self {
            extensions: reader.read("extensions", EXTENSIONS),
            receivers: reader.read::<ReceiverOf>("receivers", RECEIVERS as &[ReceiverEntry]),
            processors: reader.read::<ProcessorOf>("processors", PROCESSORS as &[ProcessorEntry]),
            exporters: reader.read::<ExporterOf>("exporters", EXPORTERS as &[ExporterEntry]),
            pipelines: Vec::new(),
            service,
            root: document.section(""),
            warnings: Vec::new(),
        };
        (Self { warnings, ..plan }, problems)
    }

    /// Builds every component once and throws it away, to find all that is wrong inside the sections.
    pub(crate) fn check(&self, context: &Context) -> Vec<Problem> {
        let mut problems = Vec::new();
        check_parts(&self.extensions, context, &mut problems);
        check_parts(&self.receivers, context, &mut problems);
        check_parts(&self.processors, context, &mut problems);
        check_parts(&self.exporters, context, &mut problems);
        self.check_storages(context, &mut problems);
        problems
    }

    /// Whether the storages that exporters name are there.
    fn check_storages(&self, context: &Context, problems: &mut Vec<Problem>) {
        for part in &self.exporters {
            let built = (part.entry.build)(&part.section, &named(context, &part.id));
            let Ok(BuiltExporter { delivery: Delivery::Queued(delivery), .. }) = built else { continue };
            let storage = delivery.sending_queue.storage.as_ref();
            if let Some(Err(message)) = storage.map(|storage| context.storages.check(storage)) {
                problems.push(part.section.problem("sending_queue.storage", message));
            }
        }
    }

    fn resolve_pipelines(&self, document: &Document) -> (Vec<PipelinePlan>, Vec<Problem>) {
        let (mut pipelines, mut problems) = (Vec::new(), Vec::new());
        for (id, joins) in self.service.pipelines.clone() {
            let path = format!("service.pipelines.{id}");
            let section = document.section(&path);
            let signal = id.split('/').next().unwrap_or_default();
            if signal == "metrics" {
                problems.extend(check_name(&id, &section));
                problems.extend(joins.problems(&section));
                pipelines.push(PipelinePlan { id, joins });
            } else {
                let message = format!(
                    "signal `{signal}` is not collected: take the pipeline out; there are `metrics` and `metrics/NAME`"
                );
                problems.push(section.problem("", message));
            }
        }
        if self.service.pipelines.is_empty() {
            let message =
                "no pipeline; write one under `service.pipelines.metrics` with `receivers` and `exporters`";
            problems.push(document.section("service").problem("pipelines", message));
        }
        (pipelines, problems)
    }

    fn check_references(&self, document: &Document, problems: &mut Vec<Problem>) {
        let receivers = ids(&self.receivers, document, "receivers");
        let processors = ids(&self.processors, document, "processors");
        let exporters = ids(&self.exporters, document, "exporters");
        for pipeline in &self.pipelines {
            let section = document.section(&format!("service.pipelines.{}", pipeline.id));
            let mut check = |key: &str, named: &[String], known: &[String]| {
                for id in named.iter().filter(|id| !known.contains(id)) {
                    problems.push(section.problem(key, not_configured(key, id, known)));
                }
            };
            check("receivers", &pipeline.joins.receivers, &receivers);
            check("processors", &pipeline.joins.processors, &processors);
            check("exporters", &pipeline.joins.exporters, &exporters);
        }
        let extensions = ids(&self.extensions, document, "extensions");
        for id in self.service.extensions.iter().filter(|id| !extensions.contains(id)) {
            let message = not_configured("extensions", id, &extensions);
            problems.push(document.section("service").problem("extensions", message));
        }
    }

    /// Those that `service.extensions` names.
    pub(crate) fn extensions_in_service(&self) -> impl Iterator<Item = &Part<Extension>> {
        self.extensions.iter().filter(|part| self.service.extensions.contains(&part.id))
    }

    /// Leaves out what no pipeline names, as an OpenTelemetry Collector does.
    pub(crate) fn forget_unused(&mut self) {
        // Those that are taken without effect.
        self.service.extensions.retain(|id| self.extensions.iter().any(|part| part.id == *id));
        let mut used: HashSet<(&str, String)> = HashSet::new();
        for pipeline in &self.pipelines {
            let PipelineConfig { receivers, processors, exporters } = &pipeline.joins;
            used.extend(receivers.iter().map(|id| ("receivers", id.clone())));
            used.extend(processors.iter().map(|id| ("processors", id.clone())));
            used.extend(exporters.iter().map(|id| ("exporters", id.clone())));
        }
        used.extend(self.service.extensions.iter().map(|id| ("extensions", id.clone())));
        let warnings = &mut self.warnings;
        forget(&mut self.extensions, "extensions", &used, warnings);
        forget(&mut self.receivers, "receivers", &used, warnings);
        forget(&mut self.processors, "processors", &used, warnings);
        forget(&mut self.exporters, "exporters", &used, warnings);
    }
}

/// Finds the members of a section in their list.
struct PartReader<'a> {
    document: &'a Document,
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<String>,
}

impl PartReader<'_> {
    fn read<T>(&mut self, section: &'static str, list: &'static [Entry<T>]) -> Vec<Part<T>> {
        let entries = self.document.entries(section).unwrap_or_else(|Problems(found)| {
            self.problems.extend(found);
            Vec::new()
        });
        let mut parts = Vec::with_capacity(entries.len());
        let mut add = |id, entry: &'static Entry<T>, part, warnings: &mut Vec<String>| {
            parts.push(Part { id, entry, section: without_ignored(part, entry.ignored_paths(), warnings) });
        };
        for (id, part) in entries {
            let kind = id.split('/').next().unwrap_or_default().trim();
            self.problems.extend(check_name(&id, &part));
            if let Some(entry) = list.iter().find(|entry| entry.name == kind) {
                add(id, entry, part, self.warnings);
            } else if let Some(entry) = list.iter().find(|entry| entry.aliases.contains(&kind)) {
                self.warnings.push(format!("{section}.{id}: `{kind}` is called `{}` now", entry.name));
                add(id, entry, part, self.warnings);
            } else if let Some(why) = without_effect(section, kind) {
                self.warnings.push(format!("{section}.{id}: has no effect: {why}"));
            } else {
                let known: Vec<_> = list.iter().map(|entry| entry.name).collect();
                self.problems.push(part.problem("", unknown_kind(section, kind, &known)));
            }
        }
        parts
    }
}

/// The section without the keys that have no meaning here, which are said.
fn without_ignored(
    mut section: Section,
    keys: impl Iterator<Item = String>,
    warnings: &mut Vec<String>,
) -> Section {
    let mut found = Vec::new();
    for key in keys {
        if let Some(rest) = section.without(&key) {
            found.push(section.problem(&key, "has no effect here"));
            section = rest;
        }
    }
    warnings.extend(Problems(found).in_order().0.iter().map(ToString::to_string));
    section
}

fn check_sections(document: &Document, problems: &mut Vec<Problem>) {
    for key in document.keys() {
        if !SECTIONS.contains(&key.as_str()) {
            let message = instead_of_section(&key).map_or_else(
                || format!("unknown section; {}", config::instead(&key, &SECTIONS).unwrap_or_default()),
                str::to_owned,
            );
            problems.push(document.section(&key).problem("", message));
        }
    }
}

fn check_parts<T>(parts: &[Part<T>], context: &Context, problems: &mut Vec<Problem>) {
    for part in parts {
        if let Err(Problems(found)) = (part.entry.build)(&part.section, &named(context, &part.id)) {
            problems.extend(found);
        }
    }
}

/// Nothing after the slash would be another name for the id without it.
fn check_name(id: &str, section: &Section) -> Option<Problem> {
    let (kind, name) = id.split_once('/')?;
    let message = || format!("the name after `/` is empty; write `{kind}` or `{kind}/NAME`");
    name.trim().is_empty().then(|| section.problem("", message()))
}

/// The context of one component.
pub(crate) fn named(context: &Context, id: &str) -> Context {
    Context { id: id.to_owned(), ..context.clone() }
}

fn ids<T>(parts: &[Part<T>], document: &Document, section: &str) -> Vec<String> {
    // What is in the file but of an unknown kind has been reported already: do not report it twice.
    let written = document.entries(section).unwrap_or_default().into_iter().map(|(id, _)| id);
    let mut ids: Vec<_> = parts.iter().map(|part| part.id.clone()).collect();
    ids.extend(written.filter(|id| !parts.iter().any(|part| part.id == *id)));
    ids
}

fn forget<T>(
    parts: &mut Vec<Part<T>>,
    section: &'static str,
    used: &HashSet<(&str, String)>,
    warnings: &mut Vec<String>,
) {
    parts.retain(|part| {
        let keep = used.contains(&(section, part.id.clone()));
        if !keep {
            warnings.push(format!("{section}.{}: not used by the service, so it is not started", part.id));
        }
        keep
    });
}

fn not_configured(section: &str, id: &str, known: &[String]) -> String {
    let instead = config::instead(id, known).unwrap_or_else(|| String::from("there is nothing"));
    format!("references `{id}` which is not configured under `{section}`; {instead}")
}

fn unknown_kind(section: &str, kind: &str, known: &[&str]) -> String {
    let singular = section.trim_end_matches('s');
    if let Some(instead) = instead_of(section, kind) {
        return format!("there is no {singular} `{kind}` here yet; {instead}");
    }
    let instead = config::instead(kind, known).unwrap_or_else(|| String::from("there are none"));
    format!("unknown {singular} `{kind}`; {instead}")
}
