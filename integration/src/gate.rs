//! A way to a backend that can be shut, as when the backend is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Passes connections on, until it is shut.
#[derive(Debug)]
pub struct Gate {
    pub address: String,
    to: String,
    hangs_up: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    work: Option<AbortOnDropHandle<()>>,
}

impl Gate {
    /// Opens a gate to this address.
    pub async fn open(to: &str) -> Self {
        let mut gate = Self {
            address: String::from("127.0.0.1:0"),
            to: to.to_owned(),
            hangs_up: Arc::default(),
            connections: Arc::default(),
            work: None,
        };
        gate.reopen().await;
        gate
    }

    /// Ends every connection, and refuses new ones.
    pub async fn shut(&mut self) {
        if let Some(work) = self.work.take() {
            work.abort();
            let _ = work.await;
        }
    }

    pub fn is_shut(&self) -> bool {
        self.work.is_none()
    }

    /// Listens where it did before.
    pub async fn reopen(&mut self) {
        let listener = TcpListener::bind(&self.address).await.expect("the address is free");
        self.address = listener.local_addr().expect("a listener has an address").to_string();
        let (to, hangs_up, connections) = (self.to.clone(), self.hangs_up.clone(), self.connections.clone());
        self.work = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // Dropping the set ends what is under way.
            let mut passing = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                if !hangs_up.load(Ordering::Relaxed) {
                    passing.spawn(pass(stream, to.clone()));
                }
            }
        })));
    }

    /// Takes connections and ends them at once, or does not any more; those under way go on.
    pub fn hang_up(&self, hangs_up: bool) {
        self.hangs_up.store(hangs_up, Ordering::Relaxed);
    }

    /// How many connections came.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn pass(mut stream: TcpStream, to: String) {
    if let Ok(mut other) = TcpStream::connect(to).await {
        let _ = copy_bidirectional(&mut stream, &mut other).await;
    }
}
