mod bodies;
mod bounds;
mod histograms;
mod messages;
mod metadata;
mod order;
mod random;
mod sending;
mod settings;

use std::time::Duration;

use pipeline::{Batch, Registry, notation};

use super::*;
use crate::testing::context;

/// An exporter that is not started.
fn exporter(settings: &str) -> RemoteWrite {
    let target_info = if settings.contains("target_info") { "" } else { "target_info: {enabled: false}\n" };
    let yaml = format!("endpoint: http://localhost/api/v1/write\n{target_info}{settings}");
    let section = Section::from_yaml("exporters.test", &yaml).unwrap();
    let config: Config = section.read().unwrap();
    let (http, place) = config.connection();
    let destination = http.build(place, &section, &context(&ENTRY)).unwrap();
    RemoteWrite::new(&config, http, destination, &context(&ENTRY))
}

fn points(text: &str) -> Batch {
    notation::parse(text, &Registry::new(1000)).unwrap()
}

/// The message of a batch, before compression, with what was left out.
fn body(exporter: &RemoteWrite, batch: &Batch, format: Format) -> (Vec<u8>, Counts, Receipt) {
    let plan = Plan::new(&exporter.memory, batch, format);
    let (body, counts) = exporter.write(&plan, batch).unwrap();
    (body, counts, plan.receipt)
}
