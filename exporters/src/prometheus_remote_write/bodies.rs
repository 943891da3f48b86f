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
