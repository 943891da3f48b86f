//! Finds out what is at an address, with as few questions as will do, none of which changes anything there.
//!
//! Asked is in this order: `/v1/models`, which nobody minds and which tells `trtllm-serve` (whose `/metrics`
//! takes what it shows away from others) and the router of llama.cpp (whose `/metrics` loads models); then the
//! page of metrics; then, of who has neither, one path that is his own. Health is not asked for: SGLang makes
//! a token for it, and LiteLLM pays for one.

use super::answers::{self, Info, Models, Properties};
use super::ask::{Answer, Asker, Silence};
use super::config::Place;
use super::found::{Finding, Found, Obstacle, Page};
use super::page;
use super::runner::{Runner, Runners};
use crate::prometheus::target::encode;

const MODELS: &str = "/v1/models";
const METRICS: &str = "/metrics";
const TRTLLM_METRICS: &str = "/prometheus/metrics";
const NIM_METRICS: &str = "/v1/metrics";
const INFO: &str = "/info";

/// Looks at an address.
pub(crate) async fn probe(place: &Place) -> Finding {
    match Asker::new(place) {
        Ok(asker) => Probe { asker }.run().await.unwrap_or_else(Finding::from),
        Err(error) => Finding::Other(error.to_string()),
    }
}

/// Whether a runner that was found says now that it is another, or that it serves another model.
///
/// No answer is no change: the scrapes tell when it has gone.
pub(crate) async fn has_changed(place: &Place, found: &Found) -> bool {
    let (Some(path), Ok(asker)) = (found.model_path, Asker::new(place)) else { return false };
    let Ok(answer) = asker.get(path).await else { return false };
    if !answer.is_ok() {
        return false;
    }
    if path == INFO {
        let info = Info::read(&answer.body);
        return [info.model] != *found.models || info.version != found.version;
    }
    let Some(models) = Models::read(&answer.body) else { return true };
    served(&models) != found.models
}

/// The models that are served now.
fn served(models: &Models) -> Vec<String> {
    match &models.routed {
        Some(routed) => routed.iter().filter(|model| model.is_loaded).map(|model| model.id.clone()).collect(),
        None => models.ids.clone(),
    }
}

struct Probe {
    asker: Asker,
}

impl Probe {
    async fn run(&self) -> Result<Finding, Silence> {
        let listed = self.asker.get(MODELS).await?;
        if listed.is_ours() {
            return Ok(Finding::Ours);
        }
        let models = listed.is_ok().then(|| Models::read(&listed.body)).flatten();
        let owner = models.as_ref().and_then(|models| models.owner);
        if listed.is_llama_cpp() || owner == Some(Runner::LlamaCpp) {
            return self.llama_cpp(&listed, models.unwrap_or_default()).await;
        }
        if owner == Some(Runner::Trtllm) {
            return self.trtllm(models.unwrap_or_default()).await;
        }
        let answer = self.asker.get(METRICS).await?;
        if answer.is_ours() {
            return Ok(Finding::Ours);
        }
        if answer.is_ok() {
            return self.paged(models, answer).await;
        }
        self.refused(models, answer).await
    }

    /// Something that answers at `/metrics`.
    async fn paged(&self, models: Option<Models>, answer: Answer) -> Result<Finding, Silence> {
        let owner = models.as_ref().and_then(|models| models.owner);
        if answers::is_iterations(&answer.body) {
            return self.trtllm(models.unwrap_or_default()).await;
        }
        let is_blank = answer.body.trim_ascii().is_empty();
        match (page::read(&answer.body), owner) {
            (Some(page), _) if !page.runners.is_empty() => {
                Ok(self.described(page.runners, models, Ok(answer.path)).await)
            }
            (Some(_), Some(owner)) => Ok(self.described(Runners::of(owner), models, Ok(answer.path)).await),
            (None, Some(owner)) if is_blank => {
                Ok(self.described(Runners::of(owner), models, Ok(answer.path)).await)
            }
            (None, Some(owner)) => {
                let obstacle = Obstacle::of(owner, &answer);
                Ok(self.described(Runners::of(owner), models, Err(obstacle)).await)
            }
            (Some(_), None) => Ok(Finding::Other("serves metrics, but none of a runner".to_owned())),
            (None, None) => Ok(Finding::Other("what it serves at `/metrics` is no exposition".to_owned())),
        }
    }

    /// Something that has no page at `/metrics`.
    async fn refused(&self, models: Option<Models>, answer: Answer) -> Result<Finding, Silence> {
        let owner = models.as_ref().and_then(|models| models.owner);
        let is_missing = matches!(answer.status.as_u16(), 404 | 405);
        if is_missing && models.is_some() && matches!(owner, None | Some(Runner::Vllm)) {
            let page = self.asker.get(NIM_METRICS).await?;
            let runners = page.is_ok().then(|| page::read(&page.body)).flatten().map(|page| page.runners);
            if let Some(mut runners) = runners.filter(|runners| !runners.is_empty()) {
                runners.insert(Runner::Nim);
                return Ok(self.described(runners, models, Ok(page.path)).await);
            }
        }
        let is_litellm = answer.says("require_auth_for_metrics_endpoint");
        let is_llama_cpp = answer.is_llama_cpp()
            || (answer.status == 501 && answer.says("not_supported_error"))
            || (answer.status == 503 && answer.says("Loading model"));
        let runner = match owner {
            _ if is_litellm => Some(Runner::Litellm),
            _ if is_llama_cpp => Some(Runner::LlamaCpp),
            Some(owner) => Some(owner),
            None if is_missing || answer.wants_credentials() => self.by_its_own_path().await?,
            None => None,
        };
        if let Some(runner) = runner {
            let obstacle = Obstacle::of(runner, &answer);
            return Ok(self.described(Runners::of(runner), models, Err(obstacle)).await);
        }
        Ok(Finding::Other(if answer.wants_credentials() {
            "wants credentials: if it is a runner, set `authorization` for it under `addresses`".to_owned()
        } else if answer.status.is_redirection() {
            "leads to another address, which is not followed".to_owned()
        } else {
            format!("answers `/metrics` with {}", answer.status)
        }))
    }

    /// Runners that say who they are only where nobody else has anything.
    async fn by_its_own_path(&self) -> Result<Option<Runner>, Silence> {
        let is = |answer: Answer, text: &str| answer.is_ok() && answer.says(text);
        if is(self.asker.get("/health/liveliness").await?, "I'm alive!") {
            return Ok(Some(Runner::Litellm));
        }
        if is(self.asker.get("/").await?, "Ollama is running") {
            return Ok(Some(Runner::Ollama));
        }
        let answer = self.asker.get("/v2").await?;
        Ok((answer.is_ok() && answers::is_triton(&answer.body)).then_some(Runner::Triton))
    }

    async fn trtllm(&self, models: Models) -> Result<Finding, Silence> {
        let answer = self.asker.get(TRTLLM_METRICS).await?;
        let is_page = answer.is_ok() && (page::read(&answer.body).is_some() || answer.body.is_empty());
        let path = if is_page { Ok(answer.path) } else { Err(Obstacle::of(Runner::Trtllm, &answer)) };
        Ok(self.described(Runners::of(Runner::Trtllm), Some(models), path).await)
    }

    /// A page's metrics are reset by whoever reads it, so it is read only where `/props` does not say
    /// whether there is one.
    async fn llama_cpp(&self, listed: &Answer, models: Models) -> Result<Finding, Silence> {
        let runner = Runner::LlamaCpp;
        let properties = if listed.is_ok() {
            Properties::read(&self.asker.get("/props").await?.body)
        } else {
            Properties::default()
        };
        let mut found = Found {
            runner,
            dialects: Runners::of(runner),
            version: properties.version,
            operation: models.embeds.then_some("embeddings"),
            model_path: listed.is_ok().then_some(MODELS),
            models: served(&models),
            scrape: Ok(Vec::new()),
        };
        found.scrape = if listed.wants_credentials() || listed.status == 503 {
            Err(Obstacle::of(runner, listed))
        } else if models.routed.is_some() {
            self.router(&models).await?
        } else {
            let model = models.ids.first().cloned().or(Some(properties.model)).filter(|id| !id.is_empty());
            let page = Page { path: METRICS.to_owned(), model, is_routed: false };
            match properties.has_metrics {
                Some(true) => Ok(vec![page]),
                Some(false) => Err(Obstacle::switched_off_llama_cpp()),
                None => {
                    let answer = self.asker.get(METRICS).await?;
                    let is_page = answer.is_ok() && page::read(&answer.body).is_some();
                    if is_page { Ok(vec![page]) } else { Err(Obstacle::of(runner, &answer)) }
                }
            }
        };
        Ok(Finding::Runner(Box::new(found)))
    }

    /// The pages of the models that a router has loaded; nothing is loaded for being asked.
    async fn router(&self, models: &Models) -> Result<Result<Vec<Page>, Obstacle>, Silence> {
        let mut pages = Vec::new();
        let mut obstacle = Obstacle::temporary("no model is loaded");
        for model in models.routed.iter().flatten().filter(|model| model.is_loaded) {
            if !model.has_metrics {
                let answer = self.asker.get(&routed_path(&model.id)).await?;
                if !answer.is_ok() {
                    obstacle = Obstacle::of(Runner::LlamaCpp, &answer);
                    continue;
                }
            }
            pages.push(Page { path: METRICS.to_owned(), model: Some(model.id.clone()), is_routed: true });
        }
        Ok(if pages.is_empty() { Err(obstacle) } else { Ok(pages) })
    }

    /// A runner with what it says of itself, where it does.
    async fn described(
        &self,
        dialects: Runners,
        models: Option<Models>,
        path: Result<String, Obstacle>,
    ) -> Finding {
        let Some(runner) = dialects.main() else {
            return Finding::Other("serves metrics, but none of a runner".to_owned());
        };
        let models = models.unwrap_or_default();
        let info = self.info(runner).await;
        let (served, model_path) = match (models.ids.is_empty(), info.model.is_empty()) {
            (_, false) => (vec![info.model], Some(INFO)),
            (false, true) => (models.ids, Some(MODELS)),
            (true, true) => (Vec::new(), None),
        };
        let is_one = runner.has_one_model() && (runner != Runner::Dynamo || served.len() == 1);
        let model = served.first().filter(|_| is_one).cloned();
        Finding::Runner(Box::new(Found {
            runner,
            dialects,
            version: info.version,
            operation: info.operation.or(models.embeds.then_some("embeddings")),
            model_path,
            models: served,
            scrape: path.map(|path| vec![Page { path, model, is_routed: false }]),
        }))
    }

    /// What a runner says of itself at a path of its own; nothing where that does not work.
    async fn info(&self, runner: Runner) -> Info {
        let path = match runner {
            Runner::Vllm | Runner::Trtllm => "/version",
            Runner::Ollama => "/api/version",
            Runner::Tgi | Runner::Tei => INFO,
            _ => return Info::default(),
        };
        match self.asker.get(path).await {
            Ok(answer) if answer.is_ok() && path == INFO => Info::read(&answer.body),
            Ok(answer) if answer.is_ok() => {
                Info { version: answers::version(&answer.body), ..Info::default() }
            }
            _ => Info::default(),
        }
    }
}

/// The page of a model of a llama.cpp router.
fn routed_path(model: &str) -> String {
    let mut path = format!("{METRICS}?autoload=false&model=");
    encode(&mut path, model);
    path
}
