//! What was found at an address: a runner and where its metrics are, or why there is none.

use super::ask::{Answer, Silence};
use super::runner::{Runner, Runners};

/// What is at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nobody takes connections there.
    Absent(String),
    /// Something is there and did not answer in time.
    Slow,
    /// This collector, or another like it.
    Ours,
    /// Something that is no runner, as far as one can tell.
    Other(String),
    Runner(Box<Found>),
}

/// A runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) runner: Runner,
    /// Whose names are on its page; it itself first.
    pub(crate) dialects: Runners,
    pub(crate) version: String,
    /// What it does, where it does nothing else.
    pub(crate) operation: Option<&'static str>,
    /// The path that tells which models it serves.
    pub(crate) model_path: Option<&'static str>,
    /// The models it said it serves; of a router those that are loaded.
    pub(crate) models: Vec<String>,
    pub(crate) scrape: Result<Vec<Page>, Obstacle>,
}

/// A page of metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) path: String,
    /// The one model that the page is about, where there is one.
    pub(crate) model: Option<String>,
    /// The router's page of this model: named in the query, and never loaded for it.
    pub(crate) is_routed: bool,
}

/// Why a runner cannot be scraped, and what would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Obstacle {
    pub(crate) reason: String,
    /// It goes away by itself: look again soon.
    pub(crate) is_temporary: bool,
}

const LLAMA_CPP_OFF: &str = "its metrics are off: start llama-server with `--metrics`";

impl From<Silence> for Finding {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Unreachable(reason) => Self::Absent(reason),
            Silence::Slow => Self::Slow,
            Silence::NotHttp(reason) => Self::Other(format!("does not speak HTTP: {reason}")),
        }
    }
}

impl Page {
    /// The path with what is asked for, for people.
    pub(crate) fn shown_path(&self) -> String {
        match &self.model {
            Some(model) if self.is_routed => format!("{}?autoload=false&model={model}", self.path),
            _ => self.path.clone(),
        }
    }
}

impl Obstacle {
    pub(crate) fn lasting(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_temporary: false }
    }

    pub(crate) fn temporary(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_temporary: true }
    }

    /// Why a runner's answer is no page of metrics.
    pub(crate) fn of(runner: Runner, answer: &Answer) -> Self {
        let path = &answer.path;
        if answer.wants_credentials() {
            return Self::credentials(runner);
        }
        if answer.status.is_redirection() {
            return Self::lasting(format!("`{path}` leads to another address, which is not followed"));
        }
        match answer.status.as_u16() {
            200 => Self::lasting(format!("what it serves at `{path}` is no exposition")),
            503 if answer.says("Loading") => Self::temporary("it is loading its model"),
            503 => Self::temporary("it is not ready yet"),
            404 | 405 | 501 => Self::switched_off(runner, answer),
            _ => Self::lasting(format!("`{path}` is answered with {}", answer.status)),
        }
    }

    pub(crate) fn switched_off_llama_cpp() -> Self {
        Self::lasting(LLAMA_CPP_OFF)
    }

    fn credentials(runner: Runner) -> Self {
        let otherwise = match runner {
            Runner::Litellm => ", or `require_auth_for_metrics_endpoint: false` in the settings of LiteLLM",
            _ => "",
        };
        Self::lasting(format!("needs credentials: set `authorization` for it under `addresses`{otherwise}"))
    }

    fn switched_off(runner: Runner, answer: &Answer) -> Self {
        Self::lasting(match runner {
            Runner::LlamaCpp => LLAMA_CPP_OFF,
            Runner::Sglang => "its metrics are off: start SGLang with `--enable-metrics`",
            Runner::Lmdeploy => "its metrics are off: start LMDeploy without `--disable-metrics`",
            Runner::Trtllm => "its metrics are off: set `return_perf_metrics: true` for trtllm-serve",
            Runner::Litellm => {
                "its metrics are off: add `prometheus` to `callbacks` in the settings of LiteLLM"
            }
            Runner::Mindie => "its metrics are off: start MindIE with `MIES_SERVICE_MONITOR_MODE=1`",
            Runner::Ollama => "Ollama has no metrics",
            Runner::Triton => {
                "its metrics are on another port, 8002 unless set otherwise: add that to `ports`"
            }
            _ => return Self::lasting(format!("`{}` is answered with {}", answer.path, answer.status)),
        })
    }
}
