//! What can be written in a script: strict, so that a misspelt key is an error and not a board without that value.

mod gpu;
mod measures;
mod value;

use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

pub(crate) use gpu::*;
pub(crate) use measures::*;
pub(crate) use value::Reading;

/// All that a script says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Script {
    pub(crate) driver: Driver,
    /// The code that initializing ends with; 0 is success.
    pub(crate) init: u32,
    /// How often the driver was loaded: handles of another generation are no longer valid, and counters start anew.
    pub(crate) generation: u32,
    /// What an older library does not have: answered with FUNCTION_NOT_FOUND.
    pub(crate) missing: Vec<String>,
    /// What no board supports.
    pub(crate) unsupported: Vec<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) events: Vec<Event>,
    pub(crate) gpus: Vec<Gpu>,
}

/// The keys as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    driver: Driver,
    init: u32,
    generation: u32,
    missing: Vec<String>,
    unsupported: Vec<String>,
    faults: Vec<Fault>,
    events: Vec<Event>,
    /// What each GPU has that does not say otherwise.
    base: Map<String, Value>,
    /// The GPUs, or how many there are that differ in nothing.
    gpus: Value,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Driver {
    pub(crate) version: String,
    pub(crate) nvml: String,
    /// As CUDA counts: 13.0 is 13000. Absent where there is no libcuda.
    pub(crate) cuda: Option<i32>,
    pub(crate) branch: String,
}

/// What a call does instead of answering.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// The function's name; `*` is each that asks a board.
    pub(crate) call: String,
    /// Which board; all without it.
    #[serde(default)]
    pub(crate) gpu: Option<u32>,
    /// What it answers; without it the truth, after the delay.
    #[serde(default)]
    pub(crate) code: Option<u32>,
    /// So many calls go well first.
    #[serde(default)]
    pub(crate) after: u64,
    /// So many calls fail; without it all.
    #[serde(default)]
    pub(crate) times: Option<u64>,
    /// How long it hangs, or until the script says otherwise.
    #[serde(default)]
    pub(crate) delay: Option<Seconds>,
}

/// What the driver reports unasked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    /// An event happens once; without a number its place in the list tells it from the others.
    #[serde(default)]
    pub(crate) id: Option<u64>,
    #[serde(default)]
    pub(crate) gpu: u32,
    /// The bit of its kind; a critical XID without it.
    #[serde(default = "critical_xid", rename = "type")]
    pub(crate) kind: u64,
    #[serde(default)]
    pub(crate) xid: u64,
    #[serde(default)]
    pub(crate) gpu_instance: Option<u32>,
    #[serde(default)]
    pub(crate) compute_instance: Option<u32>,
    /// When, since the driver was loaded; at once without it.
    #[serde(default)]
    pub(crate) at: Seconds,
}

/// A time such as `30s`, `250ms`, `2m`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Seconds(pub(crate) Duration);

fn critical_xid() -> u64 {
    8
}

impl Default for Written {
    fn default() -> Self {
        Self {
            driver: Driver::default(),
            init: 0,
            generation: 1,
            missing: Vec::new(),
            unsupported: Vec::new(),
            faults: Vec::new(),
            events: Vec::new(),
            base: Map::new(),
            gpus: Value::from(0),
        }
    }
}

impl Default for Driver {
    fn default() -> Self {
        let version = "580.95.05".to_owned();
        Self { nvml: format!("13.{version}"), version, cuda: Some(13000), branch: "r580_82".to_owned() }
    }
}

impl Script {
    /// Reads a script; the error says what is wrong and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let value = if value.is_null() { Value::Object(Map::new()) } else { value };
        let Written { driver, init, generation, missing, unsupported, faults, events, base, gpus } =
            read("script", value)?;
        let gpus = match gpus {
            Value::Array(gpus) => gpus,
            Value::Number(count) => {
                let count = count.as_u64().filter(|count| *count <= GPUS_MAX);
                let count =
                    count.ok_or_else(|| format!("gpus: expected a list, or a number up to {GPUS_MAX}"))?;
                vec![Value::Object(Map::new()); count as usize]
            }
            other => return Err(format!("gpus: expected a list or a number, got `{other}`")),
        };
        let gpus = gpus.into_iter().enumerate().map(|(index, own)| {
            let mut gpu = Value::Object(base.clone());
            lay_over(&mut gpu, own);
            read::<Gpu>(&format!("gpus[{index}]"), gpu).map(|gpu| gpu.numbered(index as u32))
        });
        let gpus = gpus.collect::<Result<_, _>>()?;
        Ok(Self { driver, init, generation, missing, unsupported, faults, events, gpus })
    }
}

/// More than any machine has; a handle has room for as many.
const GPUS_MAX: u64 = 255;

fn read<T: DeserializeOwned>(place: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("{place}: {error}"))
}

/// Puts what is written of one GPU over what is written of all; lists and numbers whole, mappings key by key.
fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) if !is_movement(under) && !is_movement(&over) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// Whether a mapping is a number that moves: one that moves otherwise replaces it whole.
fn is_movement(mapping: &Map<String, Value>) -> bool {
    ["wave", "grow", "steps"].iter().any(|key| mapping.contains_key(*key))
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
        let scale = match &text[digits.len()..] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => f64::NAN,
        };
        let seconds = digits.parse().unwrap_or(f64::NAN) * scale;
        let duration = Duration::try_from_secs_f64(seconds);
        duration
            .map(Self)
            .map_err(|_| D::Error::custom(format!("expected a time such as `30s`, got `{text}`")))
    }
}

#[cfg(test)]
mod tests;
