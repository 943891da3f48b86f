//! The configuration that `--schema` stands for: a pipeline a schema, and its pages.
//!
//! It is a layer below the files, so that a file or a flag can change any of it.

mod places;

use std::collections::BTreeMap;

use config::{Document, Problem, Problems, Sources};
use pipeline::mapping::file::MappingFile;
use serde::Serialize;
use serde_json::{Value, json};

use crate::mappings;
use places::{Kind, Page, pages};

/// What a person wants served.
pub(crate) struct Wanted<'a> {
    pub(crate) schemas: &'a [String],
    /// At the documents' ports and paths, instead of all at one address.
    pub(crate) is_facade: bool,
    /// Of a machine that is played, which every page says of itself.
    pub(crate) is_demo: bool,
}

/// The sections of the layer.
#[derive(Default, Serialize)]
struct Layer {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    receivers: BTreeMap<String, Value>,
    processors: BTreeMap<String, Value>,
    exporters: BTreeMap<String, Value>,
    service: Service,
}

#[derive(Default, Serialize)]
struct Service {
    pipelines: BTreeMap<String, Value>,
}

/// What the layer is called where something in it is wrong.
const LAYER: &str = "--schema";

/// The pipeline whose receivers a schema gets.
const MAIN: &str = "service.pipelines.metrics";

/// Adds the layer to the sources; nothing where no schema is wanted.
pub(crate) fn add(sources: &mut Sources, wanted: &Wanted<'_>) -> Result<(), Problems> {
    if wanted.schemas.is_empty() {
        return Ok(());
    }
    let document = Document::load(sources)?;
    let mut layer = Layer::default();
    let mut problems = Problems::default();
    for name in wanted.schemas {
        let added = mappings::outline(name).and_then(|loaded| {
            let pages = pages(&loaded.file, wanted.is_facade, &sources.environment)?;
            let receivers = layer.receivers(&loaded.file, &document)?;
            layer.add(name, &loaded.file, &pages, &receivers);
            if wanted.is_demo {
                layer.mark();
            }
            Ok(())
        });
        if let Err(Problems(found)) = added {
            problems.0.extend(found);
        }
    }
    if !problems.0.is_empty() {
        return Err(problems);
    }
    let value = config::Value::serialize(&layer);
    let value = value.map_err(|error| Problem::new(LAYER, error.to_string()))?;
    sources.generated = Some((LAYER.to_owned(), config::render_yaml(&value)));
    Ok(())
}

/// What the main pipeline takes.
fn received(document: &Document) -> Result<Vec<String>, Problems> {
    let section = document.section(MAIN);
    let receivers: Vec<String> =
        if section.has("receivers") { section.section("receivers").read()? } else { Vec::new() };
    if receivers.is_empty() {
        let message = "`--schema` maps what this pipeline receives; write one, or `metrics/NAME` pipelines \
                       with the processors `dialect` and `schema` instead of `--schema`";
        return Err(section.problem("receivers", message).into());
    }
    Ok(receivers)
}

impl Layer {
    /// What the pipeline of a schema takes: receivers of its own where it names any, else what the main one takes.
    fn receivers(&mut self, file: &MappingFile, document: &Document) -> Result<Vec<String>, Problems> {
        if file.receivers.0.is_empty() {
            return received(document);
        }
        let of = |(kind, section): &(String, Value)| (format!("{kind}/{}", file.mapping), section.clone());
        let own: Vec<_> = file.receivers.0.iter().map(of).collect();
        let ids = own.iter().map(|(id, _)| id.clone()).collect();
        self.receivers.extend(own);
        Ok(ids)
    }

    fn add(&mut self, name: &str, file: &MappingFile, pages: &[Page], receivers: &[String]) {
        let ids = ["dialect", "gpu_attribution", "schema"].map(|kind| format!("{kind}/{}", file.mapping));
        let mut exporters = Vec::new();
        for page in pages {
            let kind = match page.kind {
                Kind::Text { .. } => "prometheus",
                Kind::Json { .. } => "json",
            };
            let mut id = format!("{kind}/{}", file.mapping);
            if exporters.contains(&id) {
                id = format!("{id}_{}", page.suffix());
            }
            while exporters.contains(&id) {
                id.push('_');
            }
            exporters.push(id.clone());
            self.exporters.insert(id, exporter(name, page));
        }
        if exporters.is_empty() {
            return;
        }
        let [dialect, attribution, schema] = &ids;
        // The schema may start from a runner's own names.
        self.processors.insert(dialect.clone(), json!({"originals": "keep"}));
        self.processors.insert(attribution.clone(), json!({}));
        self.processors.insert(schema.clone(), json!({key(name): name}));
        let pipeline = json!({"receivers": receivers, "processors": ids, "exporters": exporters});
        self.service.pipelines.insert(format!("metrics/{}", file.mapping), pipeline);
    }

    /// Says on each page that its machine is played, where a document leaves room for it.
    fn mark(&mut self) {
        for (id, exporter) in &mut self.exporters {
            if id.starts_with("prometheus/") {
                exporter["const_labels"] = json!({"demo": "true"});
            }
        }
    }
}

fn exporter(name: &str, page: &Page) -> Value {
    match &page.kind {
        Kind::Text { path, metrics, empty } => {
            // The documents show the text format, and some of their names are not valid in OpenMetrics.
            let mut exporter = json!({
                "endpoint": page.endpoint,
                "path": path,
                "enable_open_metrics": false,
                "target_info": {"enabled": false},
            });
            if !metrics.is_empty() {
                exporter["metrics"] = json!({"included": metrics});
            }
            if let Some(empty) = empty {
                exporter["empty_page"] = json!(empty);
            }
            exporter
        }
        Kind::Json { port } => {
            let mut exporter = json!({"endpoint": page.endpoint, key(name): name});
            if !page.prefix.is_empty() {
                exporter["prefix"] = json!(page.prefix);
            }
            if let Some(port) = port {
                exporter["port"] = json!(port);
            }
            exporter
        }
    }
}

/// The key under which a schema is named.
fn key(name: &str) -> &'static str {
    if mappings::is_path(name) { "file" } else { "schema" }
}

#[cfg(test)]
mod tests;
