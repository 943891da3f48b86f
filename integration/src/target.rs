//! Something to scrape: answers every request with the same text, until it is given another.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A scrape target on a port of its own; gone when dropped.
#[derive(Debug)]
pub struct Target {
    pub address: String,
    page: Arc<Mutex<Page>>,
    _work: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone)]
struct Page {
    status: u16,
    headers: String,
    body: Arc<[u8]>,
    scrapes: u64,
}

impl Target {
    /// Serves this body as text 0.0.4.
    pub async fn start(body: impl AsRef<[u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port is there");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let headers = String::from("Content-Type: text/plain; version=0.0.4\r\n");
        let page = Page { status: 200, headers, body: body.as_ref().into(), scrapes: 0 };
        let page = Arc::new(Mutex::new(page));
        let shared = page.clone();
        let work = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, shared.clone()));
            }
        });
        Self { address, page, _work: AbortOnDropHandle::new(work) }
    }

    /// Answers with this from now on; `headers` are whole lines ending in CR LF.
    pub fn serve(&self, status: u16, headers: &str, body: impl AsRef<[u8]>) {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        *page =
            Page { status, headers: headers.to_owned(), body: body.as_ref().into(), scrapes: page.scrapes };
    }

    /// How often it was asked.
    pub fn scrapes(&self) -> u64 {
        self.page.lock().unwrap_or_else(PoisonError::into_inner).scrapes
    }
}

async fn answer(mut stream: TcpStream, page: Arc<Mutex<Page>>) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let page = {
        let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
        page.scrapes += 1;
        page.clone()
    };
    let head = format!(
        "HTTP/1.1 {} x\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
        page.status,
        page.body.len(),
        page.headers
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&page.body).await;
    let _ = stream.shutdown().await;
}
