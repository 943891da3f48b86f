//! Requests to the API, what is answered, what holds, and what is in the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use http_body_util::{BodyExt, Full};
use tempfile::TempDir;

use super::*;

const PROTECTED: bool = true;

struct Api {
    served: RuntimeConfig,
    live: Arc<Live>,
    folder: TempDir,
}

struct Answer {
    status: u16,
    text: String,
}

impl Api {
    fn new(is_protected: bool) -> Self {
        Self::over(tempfile::tempdir().unwrap(), is_protected)
    }

    fn over(folder: TempDir, is_protected: bool) -> Self {
        let live = Arc::new(Live::default());
        let file = Some(folder.path().join("mapping.json"));
        let settings = Settings { file, is_protected, section: "exporters.json".to_owned() };
        Self { served: RuntimeConfig::new(settings, live.clone()), live, folder }
    }

    /// The same folder after a restart.
    async fn restarted(self) -> Self {
        let api = Self::over(self.folder, PROTECTED);
        api.served.load().await.unwrap();
        api
    }

    fn file(&self) -> Option<String> {
        fs::read_to_string(self.folder.path().join("mapping.json")).ok()
    }

    async fn ask(&self, method: Method, page: Page, body: &str) -> Answer {
        self.ask_as("application/json", method, page, body.to_owned()).await
    }

    async fn ask_as(&self, content_type: &str, method: Method, page: Page, body: String) -> Answer {
        let request = Request::builder().method(method).header(CONTENT_TYPE, content_type).body(()).unwrap();
        let (head, ()) = request.into_parts();
        let response = self.served.answer(page, &head, Full::new(Bytes::from(body))).await;
        let status = response.status().as_u16();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, text: String::from_utf8(text.to_vec()).unwrap() }
    }

    /// The metrics whose rules are replaced in an engine that is added now.
    fn replaced(&self) -> Vec<String> {
        self.live.overlay_of(gpustack::SCHEMA).map(|overlay| overlay.replaced.clone()).unwrap_or_default()
    }
}

fn changed() -> String {
    gpustack::DEFAULT.replacen("vllm:kv_cache_usage_perc", "vllm:cpu_cache_usage_perc", 1)
}

#[tokio::test]
async fn without_an_authenticator_there_is_nothing() {
    let api = Api::new(false);
    for (method, page) in
        [(Method::GET, Page::Config), (Method::POST, Page::Config), (Method::GET, Page::Default)]
    {
        let answer = api.ask(method, page, &changed()).await;
        assert_eq!(answer.status, 404);
        assert!(
            answer.text.contains("set `exporters.json.runtime_config.auth.authenticator`"),
            "{}",
            answer.text
        );
    }
    assert_eq!((api.file(), api.replaced()), (None, vec![]));
}

#[tokio::test]
async fn the_default_is_shown_until_something_is_posted() {
    let api = Api::new(PROTECTED);
    for (method, page) in
        [(Method::GET, Page::Config), (Method::GET, Page::Default), (Method::POST, Page::Default)]
    {
        let answer = api.ask(method, page, "").await;
        assert_eq!((answer.status, answer.text.as_str()), (200, gpustack::DEFAULT));
    }
}

#[tokio::test]
async fn a_change_holds_at_once_and_after_a_restart() {
    let api = Api::new(PROTECTED);
    let answer = api.ask(Method::POST, Page::Config, &changed()).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "{\"status\":\"ok\"}\n"));
    assert_eq!(api.replaced(), ["gpustack:kv_cache_usage_ratio"]);
    assert_eq!(api.file(), Some(changed()));
    let mode = fs::metadata(api.folder.path().join("mapping.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(api.folder.path()).unwrap().count(), 1, "nothing lies beside it");

    let api = api.restarted().await;
    assert_eq!(api.replaced(), ["gpustack:kv_cache_usage_ratio"]);
    assert_eq!(api.ask(Method::GET, Page::Config, "").await.text, changed());
    assert_eq!(api.ask(Method::GET, Page::Default, "").await.text, gpustack::DEFAULT);
}

#[tokio::test]
async fn the_default_posted_and_a_delete_take_the_change_back() {
    for (method, body) in [(Method::POST, gpustack::DEFAULT), (Method::DELETE, "")] {
        let api = Api::new(PROTECTED);
        api.ask(Method::POST, Page::Config, &changed()).await;
        assert_eq!(api.ask(method, Page::Config, body).await.status, 200);
        assert_eq!((api.file(), api.replaced()), (None, vec![]));
        assert_eq!(api.ask(Method::GET, Page::Config, "").await.text, gpustack::DEFAULT);
    }
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let api = Api::new(PROTECTED);
    api.ask(Method::POST, Page::Config, &changed()).await;
    let wrong = changed().replacen("\"Gauge\"", "\"Gouge\"", 2);
    let answer = api.ask(Method::POST, Page::Config, &wrong).await;
    assert_eq!(answer.status, 400);
    let json: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(json["problems"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(json["problems"][0]["path"], "gpustack_metrics.num_requests_running.type");
    for (content_type, body, status) in [
        ("application/json", "x".to_owned(), 400),
        ("text/plain", gpustack::DEFAULT.to_owned(), 415),
        ("application/json", " ".repeat(BODY_BYTES_MAX + 1), 413),
    ] {
        assert_eq!(api.ask_as(content_type, Method::POST, Page::Config, body).await.status, status);
    }
    assert_eq!(api.ask(Method::PUT, Page::Config, gpustack::DEFAULT).await.status, 405);
    assert_eq!(api.ask(Method::DELETE, Page::Default, "").await.status, 405);
    assert_eq!(
        (api.file(), api.replaced()),
        (Some(changed()), vec!["gpustack:kv_cache_usage_ratio".to_owned()])
    );
}

#[tokio::test]
async fn a_change_that_cannot_be_kept_is_not_made() {
    let api = Api::new(PROTECTED);
    fs::create_dir(api.folder.path().join("mapping.json")).unwrap();
    let answer = api.ask(Method::POST, Page::Config, &changed()).await;
    assert_eq!(answer.status, 500);
    assert!(answer.text.contains("cannot write"), "{}", answer.text);
    assert!(api.replaced().is_empty());
    assert_eq!(fs::read_dir(api.folder.path()).unwrap().count(), 1, "nothing lies beside it");

    let settings = Settings { file: None, ..api.served.settings.clone() };
    let answer = Api { served: RuntimeConfig::new(settings, api.live.clone()), ..api };
    let answer = answer.ask(Method::POST, Page::Config, &changed()).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("set `exporters.json.runtime_config.file`"), "{}", answer.text);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_at_the_start() {
    let api = Api::new(PROTECTED);
    let path: &Path = api.folder.path();
    for (text, expected) in [
        ("{".to_owned(), "expected JSON"),
        (
            changed().replacen("\"Gauge\"", "\"Gouge\"", 1),
            "gpustack_metrics.num_requests_running.type: unknown type",
        ),
        (" ".repeat(BODY_BYTES_MAX + 1), "is larger than"),
    ] {
        fs::write(path.join("mapping.json"), text).unwrap();
        let error = api.served.load().await.unwrap_err().to_string();
        assert!(error.contains("mapping.json") && error.contains(expected), "{error}");
    }
}
