//! A runner that answers as the real one does, and notes what it was asked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// What is sent for a path.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Http {
        status: u16,
        headers: String,
        body: Vec<u8>,
    },
    /// Takes the request and says nothing.
    Hang,
    Bytes(Vec<u8>),
}

/// Something that listens; gone when dropped.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) address: String,
    state: Arc<State>,
    work: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    routes: Mutex<HashMap<String, Reply>>,
    /// For paths that have no route; else 404.
    otherwise: Mutex<Option<Reply>>,
    /// `GET /path?query`, in order.
    requests: Mutex<Vec<String>>,
    headers: Mutex<Vec<String>>,
}

impl Fake {
    pub(super) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub(super) async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let work = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self { address, state, work }
    }

    pub(super) fn start_unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let work = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self { address: format!("unix://{}", path.display()), state, work }
    }

    pub(super) fn on(self, path: &str, reply: Reply) -> Self {
        self.set(path, reply);
        self
    }

    pub(super) fn set(&self, path: &str, reply: Reply) {
        self.state.routes.lock().unwrap().insert(path.to_owned(), reply);
    }

    pub(super) fn otherwise(self, reply: Reply) -> Self {
        *self.state.otherwise.lock().unwrap() = Some(reply);
        self
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How often this was asked for.
    pub(super) fn count(&self, request: &str) -> usize {
        self.requests().iter().filter(|one| *one == request).count()
    }

    /// The heads of the requests.
    pub(super) fn heads(&self) -> Vec<String> {
        self.state.headers.lock().unwrap().clone()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let request: Vec<_> = head.split(' ').take(2).collect();
    state.requests.lock().unwrap().push(request.join(" "));
    state.headers.lock().unwrap().push(head.to_lowercase());
    let path = request[1];
    let bare = path.split('?').next().unwrap();
    let reply = {
        let routes = state.routes.lock().unwrap();
        let reply = routes.get(path).or_else(|| routes.get(bare)).cloned();
        reply.or_else(|| state.otherwise.lock().unwrap().clone())
    };
    match reply.unwrap_or_else(|| json(404, r#"{"detail":"Not Found"}"#)) {
        Reply::Http { status, headers, body } => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
            );
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Hang => std::future::pending().await,
    }
    let _ = stream.shutdown().await;
}

pub(super) fn http(status: u16, headers: &str, body: &str) -> Reply {
    Reply::Http { status, headers: headers.to_owned(), body: body.as_bytes().to_vec() }
}

pub(super) fn json(status: u16, body: &str) -> Reply {
    http(status, "Content-Type: application/json\r\n", body)
}

pub(super) fn text(body: &str) -> Reply {
    http(200, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", body)
}

/// A list with one model.
pub(super) fn models(id: &str, owner: &str) -> Reply {
    json(
        200,
        &format!(r#"{{"object":"list","data":[{{"id":"{id}","object":"model","owned_by":"{owner}"}}]}}"#),
    )
}

pub(super) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration/fixtures/runners")
}

/// A recorded answer with its own status, server and type: `probes/llamacpp-….recorded.json`, or a page.
pub(super) fn recorded(name: &str) -> Reply {
    let path = fixtures().join(name);
    let body = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let head = std::fs::read_to_string(path.with_extension("headers")).unwrap_or_default();
    // Of an answer that came after a redirect there are two heads; the last is that of the page.
    let head = head.replace('\r', "");
    let head = head.trim().rsplit("\n\n").next().unwrap_or_default();
    let status = head.split(' ').nth(1).map_or(200, |status| status.parse().unwrap());
    let kept = |line: &&str| {
        let line = line.to_lowercase();
        line.starts_with("content-type:") || line.starts_with("server:")
    };
    let mut headers: String = head.lines().filter(kept).flat_map(|line| [line, "\r\n"]).collect();
    if headers.is_empty() {
        headers.push_str("Content-Type: text/plain; version=0.0.4\r\n");
    }
    Reply::Http { status, headers, body }
}
