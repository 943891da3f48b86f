use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tempfile::TempDir;

use super::*;
use crate::net::client::{ClientConfig, HttpClient};
use crate::net::server::{HttpService, Incoming, Listen, Served};
use crate::net::{Body, Net, full};

/// Answers with a fixed word.
struct Word(&'static str);

impl HttpService for Word {
    fn call(&self, _request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let word = self.0;
        Box::pin(async move { Response::new(full(word)) })
    }
}

struct Place {
    folder: TempDir,
    net: Net,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), net: Net::default() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("x.sock")
    }

    fn endpoint(&self) -> String {
        format!("unix://{}", self.path().display())
    }

    fn listen(&self, path: &str, owner: &str) -> Listen {
        Listen {
            endpoint: self.endpoint(),
            path: path.to_owned(),
            owner: owner.to_owned(),
            key: format!("exporters.{owner}.endpoint"),
            ..Listen::default()
        }
    }

    async fn serve(&self, path: &str, owner: &str, word: &'static str) -> Served {
        self.net.serve(self.listen(path, owner), Arc::new(Word(word))).await.unwrap()
    }

    async fn refused(&self) -> String {
        let served = self.net.serve(self.listen("/", "prometheus"), Arc::new(Word(""))).await;
        served.unwrap_err().to_string()
    }

    /// Over a connection of its own.
    async fn get(&self, path: &str) -> (StatusCode, String) {
        let config = ClientConfig { unix_socket: Some(self.path()), ..ClientConfig::default() };
        let request = Request::get(format!("http://localhost{path}")).body(full("")).unwrap();
        let response = HttpClient::new(&config).unwrap().send(request).await.unwrap();
        let status = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(text.to_vec()).unwrap())
    }
}

fn ok(word: &str) -> (StatusCode, String) {
    (StatusCode::OK, word.to_owned())
}

#[tokio::test]
async fn owners_share_a_socket_that_goes_with_the_last_of_them() {
    let place = Place::new();
    let first = place.serve("/metrics", "first", "first").await;
    assert_eq!(first.address.to_string(), place.endpoint());
    assert_eq!(first.address.url("http", "/metrics"), format!("{}:/metrics", place.endpoint()));
    let second = place.serve("/other", "second", "second").await;
    assert_eq!(place.get("/metrics").await, ok("first"));
    assert_eq!(place.get("/other").await, ok("second"));
    let error = place.net.serve(place.listen("/other", "third"), Arc::new(Word(""))).await.unwrap_err();
    assert!(error.to_string().contains("`second` serves /other there already"), "{error}");
    first.stop().await;
    assert_eq!(place.get("/metrics").await.0, StatusCode::NOT_FOUND);
    assert_eq!(place.get("/other").await, ok("second"));
    second.stop().await;
    assert!(!place.path().exists());
}

#[tokio::test]
async fn the_same_owner_takes_over_without_a_gap() {
    let place = Place::new();
    let old = place.serve("/metrics", "owner", "old").await;
    let new = place.serve("/metrics", "owner", "new").await;
    assert_eq!(place.get("/metrics").await, ok("new"));
    old.stop().await;
    assert_eq!(place.get("/metrics").await, ok("new"));
    new.stop().await;
    let again = place.serve("/metrics", "owner", "again").await;
    assert_eq!(place.get("/metrics").await, ok("again"));
    // Without a stop too.
    drop(again);
    assert!(!place.path().exists());
}

#[tokio::test]
async fn only_the_user_and_the_group_may_connect() {
    let place = Place::new();
    let _served = place.serve("/", "owner", "word").await;
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o660);
}

#[tokio::test]
async fn a_socket_that_nobody_answers_at_is_replaced() {
    let place = Place::new();
    drop(std::os::unix::net::UnixListener::bind(place.path()).unwrap());
    assert!(place.path().exists());
    let _served = place.serve("/", "owner", "word").await;
    assert_eq!(place.get("/").await, ok("word"));
}

#[tokio::test]
async fn what_is_somebody_elses_stays() {
    let place = Place::new();
    let expected = |reason: &str| {
        let endpoint = place.endpoint();
        format!(
            "cannot listen on {endpoint}: {reason}; change `exporters.prometheus.endpoint` or stop what listens there"
        )
    };
    let other = std::os::unix::net::UnixListener::bind(place.path()).unwrap();
    assert_eq!(place.refused().await, expected("somebody listens there already"));
    assert!(place.path().exists());
    drop(other);
    fs::remove_file(place.path()).unwrap();
    fs::write(place.path(), "text").unwrap();
    assert_eq!(place.refused().await, expected("there is something that is not a socket"));
    assert_eq!(fs::read_to_string(place.path()).unwrap(), "text");
}

#[tokio::test]
async fn a_socket_of_the_next_one_is_not_removed() {
    let place = Place::new();
    let served = place.serve("/", "owner", "word").await;
    fs::remove_file(place.path()).unwrap();
    let _next = std::os::unix::net::UnixListener::bind(place.path()).unwrap();
    served.stop().await;
    assert!(place.path().exists());
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let place = Place::new();
    let endpoint = format!("unix://{}/none/x.sock", place.folder.path().display());
    let listen = Listen { endpoint, ..place.listen("/", "prometheus") };
    let error = place.net.serve(listen, Arc::new(Word(""))).await.unwrap_err().to_string();
    assert!(error.contains("/none/x.sock: there is no such folder; change "), "{error}");
}
