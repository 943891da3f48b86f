//! A server that speaks HTTP/1.1 as badly as it is told, and remembers what it was asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

/// What is said to a request; the connection ends with it.
#[derive(Debug, Clone)]
pub enum Reply {
    Bytes(Vec<u8>),
    /// These bytes, and then the piece again and again, with a pause before each.
    Endless {
        head: Vec<u8>,
        piece: Vec<u8>,
        pause: Duration,
    },
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Instant,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
}

/// A server on a port of its own; gone when dropped.
#[derive(Debug)]
pub struct Peer {
    pub address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _work: AbortOnDropHandle<()>,
}

impl Reply {
    /// A well-formed response; `headers` are whole lines ending in CR LF.
    pub fn new(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let length = body.len();
        let mut bytes =
            format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n")
                .into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }

    /// An exposition in the text format.
    pub fn page(body: impl AsRef<[u8]>) -> Self {
        Self::new(200, "Content-Type: text/plain; version=0.0.4\r\n", body)
    }

    pub fn redirect(location: &str) -> Self {
        Self::new(302, &format!("Location: {location}\r\n"), "")
    }
}

impl Peer {
    /// Asks `answer` what to say to each request.
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(answer, true).await
    }

    /// The same, without a memory of the requests.
    pub async fn forgetting(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(answer, false).await
    }

    async fn listen(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static, remembers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port is there");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, shared) = (Arc::new(answer), seen.clone());
        let work = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, seen) = (answer.clone(), shared.clone());
                tokio::spawn(async move { serve(stream, &*answer, remembers.then_some(&*seen)).await });
            }
        });
        Self { address, seen, _work: AbortOnDropHandle::new(work) }
    }

    /// Says the same to everybody.
    pub async fn saying(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: &(impl Fn(&Seen) -> Reply + Sync),
    seen: Option<&Mutex<Vec<Seen>>>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let reply = answer(&request);
    if let Some(seen) = seen {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Endless { head, piece, pause } => {
            let _ = stream.write_all(&head).await;
            while stream.write_all(&piece).await.is_ok() {
                sleep(pause).await;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap_or("0").trim().parse().ok()?;
    while body.len() < length {
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        body.extend_from_slice(&buffer[..read]);
    }
    Some(Seen { at: Instant::now(), head, body })
}
