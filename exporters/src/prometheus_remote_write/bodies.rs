//! Writes batches as requests without sending them, for whoever measures that.

use config::{Problems, Section};
use pipeline::Batch;
use pipeline::component::Context;

use super::config::Config;
use super::negotiation::Format;
use super::plan::Plan;
use super::{RemoteWrite, made_of};

/// What an exporter with this section would send.
#[derive(Debug)]
pub struct RemoteWriteBodies {
    exporter: RemoteWrite,
    format: Format,
}

impl RemoteWriteBodies {
    pub fn new(section: &Section, context: &Context) -> Result<Self, Problems> {
        section.build(|config: Config| {
            let (exporter, _) = made_of(&config, section, context)?;
            Ok(Self { format: config.format(), exporter })
        })
    }

    /// The message of what is newer than the batch before, not compressed yet.
    pub fn write(&self, batch: &Batch) -> Vec<u8> {
        let plan = Plan::new(&self.exporter.memory, batch, self.format);
        let written = if plan.is_empty() { None } else { self.exporter.write(&plan, batch).ok() };
        plan.mark_sent();
        written.map(|(body, _)| body).unwrap_or_default()
    }
}

/// What a batch is in either version, 1.0 first: the body of a fuzz target.
#[cfg(any(test, fuzzing))]
pub fn fuzz_bodies(batch: &Batch) -> [Vec<u8>; 2] {
    use std::sync::Arc;

    use opentelemetry::metrics::MeterProvider;
    use opentelemetry::metrics::noop::NoopMeterProvider;

    ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"].map(|version| {
        let context = Context {
            id: "fuzz".to_owned(),
            registry: Arc::new(pipeline::Registry::new(1)),
            clock: pipeline::Clock::system(),
            meter: NoopMeterProvider::new().meter("fuzz").into(),
            net: Arc::default(),
            mappings: Arc::default(),
            storages: Arc::default(),
        };
        let settings = format!("{{endpoint: 'http://localhost/', protobuf_message: {version}}}");
        let section = Section::from_yaml("exporters.fuzz", &settings).expect("YAML");
        RemoteWriteBodies::new(&section, &context).expect("a valid section").write(batch)
    })
}
