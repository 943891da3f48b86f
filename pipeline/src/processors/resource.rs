//! Changes the attributes of resources by a list of actions.

use std::sync::Arc;

use config::{Problems, Section};
use serde::{Deserialize, Serialize};

use super::actions::{self, Action, ActionConfig};
use crate::attributes::Attributes;
use crate::component::{Context, Entry, Processor, ProcessorEntry, SeriesProcessor};
use crate::metric::Resource;
use crate::registry::{Full, Registry};
use crate::series::Series;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "resource",
    aliases: &[],
    ignored: &[],
    about: "Inserts, changes, deletes, hashes, extracts and converts attributes of resources.",
    example: r"
attributes:
  - {key: deployment.environment.name, value: production, action: upsert}
  - {key: host.name, from_attribute: k8s.node.name, action: insert}
  - {key: process.command_line, action: delete}
",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What is done, in order.
    attributes: Vec<ActionConfig>,
}

struct ResourceProcessor {
    actions: Vec<Action>,
    registry: Arc<Registry>,
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config| made(config, section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<Processor, Problems> {
    let actions = actions::compile(&config.attributes, "attributes").map_err(|messages| {
        Problems(messages.into_iter().map(|(key, message)| section.problem(&key, message)).collect())
    })?;
    Ok(Processor::Series(Box::new(ResourceProcessor { actions, registry: context.registry.clone() })))
}

impl SeriesProcessor for ResourceProcessor {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        let resource = series.resource();
        let mut pairs = resource.attributes.to_pairs();
        for action in &self.actions {
            action.apply(&mut pairs);
        }
        let attributes = Attributes::new(pairs);
        if attributes == resource.attributes {
            return Ok(Some(series.clone()));
        }
        let resource = self.registry.resource(Resource { attributes, ..resource.as_ref().clone() });
        self.registry
            .series(&resource, series.scope(), series.metric(), series.attributes().clone())
            .map(Some)
    }
}
