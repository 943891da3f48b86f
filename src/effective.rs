//! The configuration as it runs: layered, every default filled in, every secret hidden.

use std::collections::BTreeMap;

use config::{Problem, Problems, Value};
use serde::Serialize;

use crate::plan::{Part, Plan};

/// What `print-config` prints, as YAML that can be run again (once its secrets are put back).
pub(crate) fn render(plan: &Plan) -> Result<String, Problems> {
    let mut sections: BTreeMap<&str, Value> = BTreeMap::new();
    insert(&mut sections, "extensions", effective(&plan.extensions)?);
    insert(&mut sections, "receivers", effective(&plan.receivers)?);
    insert(&mut sections, "processors", effective(&plan.processors)?);
    insert(&mut sections, "exporters", effective(&plan.exporters)?);
    let pipelines: BTreeMap<_, _> =
        plan.pipelines.iter().map(|pipeline| (&pipeline.id, &pipeline.joins)).collect();
    let service = BTreeMap::from([
        ("extensions", value(&plan.service.extensions)?),
        ("limits", value(&plan.service.limits)?),
        ("pipelines", value(&pipelines)?),
        ("telemetry", value(&plan.service.telemetry)?),
    ]);
    sections.insert("service", Value::from(service));
    Ok(config::render_yaml(&Value::from(sections)))
}

fn insert<'a>(sections: &mut BTreeMap<&'a str, Value>, name: &'a str, parts: BTreeMap<String, Value>) {
    if !parts.is_empty() {
        sections.insert(name, Value::from(parts));
    }
}

fn effective<T>(parts: &[Part<T>]) -> Result<BTreeMap<String, Value>, Problems> {
    let effective = |part: &Part<T>| (part.entry.effective)(&part.section);
    parts.iter().map(|part| Ok((part.id.clone(), config::without_absent(effective(part)?)))).collect()
}

fn value(config: impl Serialize) -> Result<Value, Problems> {
    Value::serialize(config).map_err(|error| Problem::new("service", error.to_string()).into())
}
