//! A configuration, read and checked whole.

use super::Fault;
use super::json::Json;
use crate::mapping::compiled::OutputKind;
use crate::mapping::version::Range;

/// More families, or more entries, than anybody writes.
const ENTRIES_MAX: usize = 2000;

/// How many faults are told at once.
const FAULTS_MAX: usize = 100;

/// The runtimes that can be mapped, under the names that their metrics have in the label `runtime`, with their dialects.
const RUNTIMES: &[(&str, &str)] = &[
    ("vLLM", "vllm"),
    ("SGLang", "sglang"),
    ("MindIE", "mindie"),
    ("llama.cpp", "llama_cpp"),
    ("lmdeploy", "lmdeploy"),
    ("tgi", "tgi"),
    ("tei", "tei"),
    ("triton", "triton"),
    ("trtllm", "trtllm"),
    ("dynamo", "dynamo"),
    ("ray", "ray"),
    ("litellm", "litellm"),
];

/// What a configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) families: Vec<Family>,
    /// In the order of the text.
    pub(super) entries: Vec<Entry>,
}

/// A metric that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Family {
    /// Without the prefix.
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Gauge,
    Counter,
    Histogram,
    Summary,
    /// A gauge of 1 named `<family>_info`.
    Info,
}

/// A family of a runner that becomes one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// As the label `runtime` has it.
    pub(super) runtime: &'static str,
    pub(super) dialect: &'static str,
    /// `None` is any, unless another range of the same runtime has the source.
    pub(super) range: Option<String>,
    /// As it is written; a counter is meant with and without `_total`.
    pub(super) source: String,
    pub(super) target: String,
}

const TYPES: &[(&str, Type)] = &[
    ("Gauge", Type::Gauge),
    ("Counter", Type::Counter),
    ("Histogram", Type::Histogram),
    ("Summary", Type::Summary),
    ("Info", Type::Info),
];

impl Entry {
    /// The name of the family.
    pub(super) fn family(&self) -> &str {
        self.source.strip_suffix("_total").unwrap_or(&self.source)
    }
}

impl Type {
    pub(super) fn output(self) -> OutputKind {
        match self {
            Self::Gauge | Self::Info => OutputKind::Gauge,
            Self::Counter => OutputKind::Counter,
            Self::Histogram => OutputKind::Histogram,
            Self::Summary => OutputKind::Summary,
        }
    }
}

impl Document {
    pub(super) fn read(text: &[u8]) -> Result<Self, Vec<Fault>> {
        let json: Json = serde_json::from_slice(text).map_err(|error| {
            vec![Fault { path: String::new(), message: format!("expected JSON: {error}") }]
        })?;
        let mut reader = Reader::default();
        let mut document = Self { families: Vec::new(), entries: Vec::new() };
        let [metrics, mapping] = reader.parts(&json, ["gpustack_metrics", "runtime_mapping"]);
        if let Some(metrics) = metrics {
            document.families = reader.families(metrics);
        }
        if let Some(mapping) = mapping {
            document.entries = reader.entries(mapping, &document.families);
        }
        if reader.faults.is_empty() { Ok(document) } else { Err(reader.faults) }
    }
}

/// Goes through the text, and remembers what is wrong with it.
#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { path: path.into(), message: message.into() });
        }
    }

    /// Both parts of the whole; both must be there, and nothing else.
    fn parts<'a>(&mut self, json: &'a Json, names: [&str; 2]) -> [Option<&'a Json>; 2] {
        let members = self.members("", json);
        for (key, _) in members {
            if !names.contains(&key.as_str()) {
                let instead = config::instead(key, &names).unwrap_or_default();
                self.fault(place("", key), format!("unknown key; {instead}"));
            }
        }
        names.map(|name| {
            let part = members.iter().find(|(key, _)| key == name).map(|(_, part)| part);
            if part.is_none() && matches!(json, Json::Object(_)) {
                self.fault(name, "missing; set it to an object, `{}` where there is nothing to say");
            }
            part
        })
    }

    /// The members of an object, none of them twice.
    fn members<'a>(&mut self, path: &str, json: &'a Json) -> &'a [(String, Json)] {
        let Json::Object(members) = json else {
            self.fault(path, format!("expected an object, got {}", json.what()));
            return &[];
        };
        if members.len() > ENTRIES_MAX {
            self.fault(path, format!("has more than {ENTRIES_MAX} members; leave out what is not used"));
            return &[];
        }
        let mut keys: Vec<_> = members.iter().map(|(key, _)| key).collect();
        keys.sort();
        for pair in keys.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.fault(place(path, pair[0]), "is there twice; remove one of them");
        }
        members
    }

    fn families(&mut self, json: &Json) -> Vec<Family> {
        let path = "gpustack_metrics";
        let mut families = Vec::new();
        for (name, family) in self.members(path, json) {
            let at = place(path, name);
            let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name {
                self.fault(&at, "expected a name of letters, digits and `_`, such as `num_requests_running`; `gpustack:` is added");
                continue;
            }
            families.push(self.family(&at, name, family));
        }
        families
    }

    fn family(&mut self, path: &str, name: &str, json: &Json) -> Family {
        let mut kind = None;
        let mut description = String::new();
        let members = self.members(path, json);
        for (key, value) in members {
            let at = format!("{path}.{key}");
            match (key.as_str(), value) {
                ("type", Json::Text(text)) => kind = self.kind(&at, text),
                ("description", Json::Text(text)) => description.clone_from(text),
                ("description", Json::Null) => {}
                ("type" | "description", _) => {
                    self.fault(at, format!("expected text, got {}", value.what()));
                }
                _ => {
                    let instead = config::instead(key, &["type", "description"]).unwrap_or_default();
                    self.fault(at, format!("unknown key; {instead}"));
                }
            }
        }
        if matches!(json, Json::Object(_)) && !members.iter().any(|(key, _)| key == "type") {
            self.fault(format!("{path}.type"), format!("missing; {}", known_types()));
        }
        // One whose type is wrong is there all the same for those that become it.
        Family { name: name.to_owned(), kind: kind.unwrap_or(Type::Gauge), description }
    }

    fn kind(&mut self, path: &str, text: &str) -> Option<Type> {
        let kind = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, kind)| *kind);
        if kind.is_none() {
            self.fault(path, format!("unknown type `{text}`; {}", known_types()));
        }
        kind
    }

    fn entries(&mut self, json: &Json, families: &[Family]) -> Vec<Entry> {
        let path = "runtime_mapping";
        let mut entries: Vec<Entry> = Vec::new();
        for (runtime, ranges) in self.members(path, json) {
            let at = place(path, runtime);
            let known = RUNTIMES.iter().find(|(name, dialect)| {
                name.eq_ignore_ascii_case(runtime) || dialect.eq_ignore_ascii_case(runtime)
            });
            let Some((name, dialect)) = known else {
                let names: Vec<_> = RUNTIMES.iter().map(|(name, _)| *name).collect();
                let instead = config::instead(runtime, &names).unwrap_or_default();
                self.fault(at, format!("unknown runtime; {instead}"));
                continue;
            };
            if entries.iter().any(|entry| entry.runtime == *name) {
                self.fault(at, format!("`{name}` is there under another spelling; put both into one"));
                continue;
            }
            for (range, sources) in self.members(&at, ranges) {
                let at = place(&at, range);
                let range = self.range(&at, range);
                for (source, target) in self.members(&at, sources) {
                    let at = place(&at, source);
                    let Some(target) = self.target(&at, source, target, families) else { continue };
                    let (range, source) = (range.clone(), source.clone());
                    entries.push(Entry { runtime: name, dialect, range, source, target });
                }
            }
        }
        if entries.len() > ENTRIES_MAX {
            self.fault(path, format!("has more than {ENTRIES_MAX} entries; leave out what is not used"));
        }
        entries
    }

    fn range(&mut self, path: &str, text: &str) -> Option<String> {
        if text.trim() == "*" {
            return None;
        }
        if let Err(error) = Range::parse(text) {
            self.fault(path, format!("{error}; `*` is any"));
        }
        Some(text.chars().filter(|character| !character.is_whitespace()).collect())
    }

    fn target(&mut self, path: &str, source: &str, json: &Json, families: &[Family]) -> Option<String> {
        let is_source = !source.is_empty()
            && source.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
        if !is_source {
            self.fault(
                path,
                "expected the name of a metric of the runner, such as `vllm:num_requests_running`",
            );
        }
        let Json::Text(text) = json else {
            self.fault(path, format!("expected the name of one of `gpustack_metrics`, got {}", json.what()));
            return None;
        };
        let name = text.strip_prefix("gpustack:").unwrap_or(text);
        let found = families.iter().find(|family| {
            family.name == name || name.strip_suffix("_total").is_some_and(|base| family.name == base)
        });
        if found.is_none() && self.faults.len() < FAULTS_MAX {
            let near = config::nearest(name, families.iter().map(|family| family.name.as_str()));
            let near = near.map(|near| format!("did you mean `{near}`? Otherwise ")).unwrap_or_default();
            self.fault(path, format!("unknown metric `{text}`; {near}add it to `gpustack_metrics`"));
        }
        found.map(|family| family.name.clone())
    }
}

/// A member of an object; JSON quotes what is no word.
fn place(path: &str, key: &str) -> String {
    let is_word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match (path, is_word) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        _ => format!("{path}[{}]", serde_json::Value::from(key)),
    }
}

fn known_types() -> String {
    let names: Vec<_> = TYPES.iter().map(|(name, _)| format!("`{name}`")).collect();
    format!("known are {}", names.join(", "))
}
