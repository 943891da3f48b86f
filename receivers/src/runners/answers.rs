//! Reads what runners say of themselves: lists of models, properties, versions. Pure.

use serde_json::Value;

use super::runner::Runner;

/// A list of models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Models {
    pub(crate) owner: Option<Runner>,
    /// In the order of the list: the model itself comes before what is derived from it.
    pub(crate) ids: Vec<String>,
    /// The models of a llama.cpp router, which says of each whether it is loaded.
    pub(crate) routed: Option<Vec<Routed>>,
    pub(crate) embeds: bool,
}

/// A model that a llama.cpp router can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Routed {
    pub(crate) id: String,
    pub(crate) is_loaded: bool,
    /// Its process was told to serve metrics, as far as its arguments say.
    pub(crate) has_metrics: bool,
}

/// What `/props` of llama.cpp says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Properties {
    pub(crate) version: String,
    pub(crate) model: String,
    /// Whether there is `/metrics`; older builds do not say.
    pub(crate) has_metrics: Option<bool>,
}

/// What `/info` of TGI and TEI says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Info {
    pub(crate) version: String,
    pub(crate) model: String,
    pub(crate) operation: Option<&'static str>,
}

/// Models that are read of a list.
const MODELS_MAX: usize = 64;
/// What is longer is no name.
pub(crate) const NAME_BYTES_MAX: usize = 256;

impl Models {
    /// `None` where it is no list of models.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(body).ok()?;
        let listed = json.get("data")?;
        // Ollama without models says null.
        let empty = Vec::new();
        let data = if listed.is_null() { &empty } else { listed.as_array()? };
        let first = data.first();
        let id = first.map(|model| text(model, "id")).unwrap_or_default();
        let owner = first.map(|model| text(model, "owned_by")).unwrap_or_default();
        let is_router = first.is_some_and(|model| model["status"]["value"].is_string());
        let is_tgi = !id.is_empty() && owner == id;
        let has = |words: &[&str]| {
            let capabilities = json["models"][0]["capabilities"].as_array();
            capabilities.into_iter().flatten().any(|word| words.iter().any(|one| word == one))
        };
        let models = data.iter().take(MODELS_MAX);
        Some(Self {
            owner: if is_tgi { Some(Runner::Tgi) } else { Runner::of_owner(&owner) },
            ids: models.clone().map(|model| text(model, "id")).filter(|id| !id.is_empty()).collect(),
            routed: is_router
                .then(|| models.map(Routed::read).filter(|model| !model.id.is_empty()).collect()),
            embeds: has(&["embedding", "embeddings"]) && !has(&["completion"]),
        })
    }
}

impl Routed {
    fn read(model: &Value) -> Self {
        let arguments = model["status"]["args"].as_array().into_iter().flatten();
        Self {
            id: text(model, "id"),
            is_loaded: model["status"]["value"] == "loaded",
            has_metrics: arguments.into_iter().any(|argument| argument == "--metrics"),
        }
    }
}

impl Properties {
    pub(crate) fn read(body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        Self {
            version: text(&json, "build_info"),
            model: text(&json, "model_alias"),
            has_metrics: json["endpoint_metrics"].as_bool(),
        }
    }
}

impl Info {
    pub(crate) fn read(body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let kind = &json["model_type"];
        let operation = if kind == "embedding" || kind.get("embedding").is_some() {
            Some("embeddings")
        } else if ["reranker", "classifier"].iter().any(|word| kind == word || kind.get(word).is_some()) {
            Some("rerank")
        } else {
            None
        };
        Self { version: text(&json, "version"), model: text(&json, "model_id"), operation }
    }
}

/// The version in `{"version": …}`; empty where there is none.
pub(crate) fn version(body: &[u8]) -> String {
    text(&serde_json::from_slice(body).unwrap_or_default(), "version")
}

/// Whether it is `{"name": "triton", …}`.
pub(crate) fn is_triton(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|json| json["name"] == "triton")
}

/// Whether it is the statistics of each iteration that `trtllm-serve` has at `/metrics`.
pub(crate) fn is_iterations(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"[") && String::from_utf8_lossy(body).contains("\"iterLatencyMS\"")
}

fn text(json: &Value, key: &str) -> String {
    let text = json.get(key).and_then(Value::as_str).unwrap_or_default();
    let is_fit = text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    if is_fit { text.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_owner(body: &str, owner: Option<Runner>, ids: &[&str]) {
        let models = Models::read(body.as_bytes()).unwrap();
        assert_eq!(models.owner, owner, "{body}");
        assert_eq!(models.ids, ids, "{body}");
    }

    #[test]
    fn a_list_of_models_says_whose_it_is() {
        check_owner(
            r#"{"data":[{"id":"m","owned_by":"vllm"},{"id":"lora"}]}"#,
            Some(Runner::Vllm),
            &["m", "lora"],
        );
        check_owner(r#"{"data":[{"id":"a/b","owned_by":"a/b"}]}"#, Some(Runner::Tgi), &["a/b"]);
        check_owner(r#"{"data":[{"id":"gpt","owned_by":"openai"}]}"#, None, &["gpt"]);
        check_owner(r#"{"data":[{"id":7,"owned_by":["x"]}, 3]}"#, None, &[]);
        check_owner(r#"{"object":"list","data":null}"#, None, &[]);
    }

    #[test]
    fn what_is_no_list_of_models_is_none() {
        for body in ["", "[]", "{}", "<html>", r#"{"data":"x"}"#, r#"{"detail":"Not Found"}"#, "\u{0}"] {
            assert_eq!(Models::read(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_name_that_would_break_a_line_is_none() {
        check_owner("{\"data\":[{\"id\":\"a\\nb\"}]}", None, &[]);
        check_owner(&format!("{{\"data\":[{{\"id\":\"{}\"}}]}}", "x".repeat(300)), None, &[]);
    }

    #[test]
    fn info_says_what_a_runner_does() {
        let check =
            |body: &str, expected| assert_eq!(Info::read(body.as_bytes()).operation, expected, "{body}");
        check(r#"{"model_type":{"embedding":{"pooling":"cls"}}}"#, Some("embeddings"));
        check(r#"{"model_type":"reranker"}"#, Some("rerank"));
        check(r#"{"router":"text-generation-router"}"#, None);
    }
}
