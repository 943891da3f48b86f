//! A target that serves another number each time, and notes those that were taken whole.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A scrape target on a port of its own; gone when dropped.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) address: String,
    shared: Arc<Shared>,
    _work: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    source: String,
    next: AtomicI64,
    is_closed: AtomicBool,
    served: Mutex<Vec<i64>>,
}

impl Counting {
    pub(super) async fn start(source: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port is there");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let shared = Arc::new(Shared {
            source: source.to_owned(),
            next: AtomicI64::new(1),
            is_closed: AtomicBool::new(false),
            served: Mutex::default(),
        });
        let state = shared.clone();
        let work = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = state.clone();
                tokio::spawn(async move { state.serve(stream).await });
            }
        });
        Self { address, shared, _work: AbortOnDropHandle::new(work) }
    }

    /// Serves no numbers any more.
    pub(super) fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
    }

    /// The numbers that were taken whole, in order.
    pub(super) fn served(&self) -> Vec<i64> {
        self.shared.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        let mut buffer = [0; 4096];
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
                _ => return,
            }
        }
        if self.is_closed.load(Ordering::Relaxed) {
            let _ =
                stream.write_all(b"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
            return;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let body = format!("# TYPE sequence gauge\nsequence{{src=\"{}\"}} {number}\n", self.source);
        let head = "HTTP/1.1 200 x\r\nConnection: close\r\nContent-Type: text/plain; version=0.0.4\r\n";
        let page = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        // The other side reads to the end, and then closes: only then it has the number.
        let is_taken = stream.write_all(page.as_bytes()).await.is_ok()
            && stream.shutdown().await.is_ok()
            && matches!(stream.read(&mut buffer).await, Ok(0));
        if is_taken {
            let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            served.push(number);
            served.sort_unstable();
        }
    }
}
