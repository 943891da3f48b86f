//! A way to a backend that can be shut, or be made bad, as when the backend or the network is.

mod carry;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use carry::{Direction, Lateness, Parting, carry};

/// How connections are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Open,
    /// Takes connections, and neither reads nor answers.
    Hangs,
    /// Reads so many bytes of each connection, and resets it.
    Resets {
        after: u64,
    },
    /// Reads so many bytes of each connection, and closes it.
    Closes {
        after: u64,
    },
    /// Reads this many bytes a second of each connection.
    Slow {
        bytes_per_second: u64,
    },
    /// Passes everything on later, and much later where a piece was lost: five of a hundred.
    Late {
        each_way: Duration,
        when_lost: Duration,
    },
}

/// Passes connections on, until it is shut.
pub struct Gate {
    pub address: String,
    to: String,
    way: Way,
    tls: Option<Arc<Mutex<TlsAcceptor>>>,
    hangs_up: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
    parting: Arc<watch::Sender<Parting>>,
    work: Option<AbortOnDropHandle<()>>,
    // Keeps the port while nothing listens, so that connections are refused and nobody else gets it.
    kept: Option<TcpSocket>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("address", &self.address).field("way", &self.way).finish_non_exhaustive()
    }
}

impl Gate {
    /// Opens a gate to this address.
    pub async fn open(to: &str) -> Self {
        Self::open_at("127.0.0.1:0", to).await
    }

    /// Opens a gate at one address to another.
    pub async fn open_at(address: &str, to: &str) -> Self {
        Self::begin(address, to, None).await
    }

    /// Opens a gate that speaks TLS to whoever comes, and plain text to the backend.
    pub async fn open_with_tls(to: &str, acceptor: TlsAcceptor) -> Self {
        Self::begin("127.0.0.1:0", to, Some(Arc::new(Mutex::new(acceptor)))).await
    }

    async fn begin(address: &str, to: &str, tls: Option<Arc<Mutex<TlsAcceptor>>>) -> Self {
        let mut gate = Self {
            address: address.to_owned(),
            to: to.to_owned(),
            way: Way::Open,
            tls,
            hangs_up: Arc::default(),
            connections: Arc::default(),
            parting: Arc::default(),
            work: None,
            kept: None,
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
        if self.kept.is_none() {
            self.kept = Some(bind(&self.address).expect("the address is free"));
        }
    }

    pub fn is_shut(&self) -> bool {
        self.work.is_none()
    }

    /// Listens where it did before.
    #[expect(clippy::unused_async, reason = "a listener is made within the runtime")]
    pub async fn reopen(&mut self) {
        let socket = self.kept.take().unwrap_or_else(|| bind(&self.address).expect("the address is free"));
        let listener = socket.listen(1024).expect("a bound socket can listen");
        self.address = listener.local_addr().expect("a listener has an address").to_string();
        let passage = Passage {
            to: self.to.clone(),
            way: self.way,
            tls: self.tls.clone(),
            parting: self.parting.clone(),
        };
        let (hangs_up, connections) = (self.hangs_up.clone(), self.connections.clone());
        self.work = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            // Dropping the set ends what is under way.
            let mut passing = JoinSet::new();
            while let Ok((stream, _)) = accept(&listener).await {
                connections.fetch_add(1, Ordering::Relaxed);
                if !hangs_up.load(Ordering::Relaxed) {
                    passing.spawn(passage.clone().enter(stream));
                }
                while passing.try_join_next().is_some() {}
            }
        })));
    }

    /// Ends every connection, and passes new ones on in this way.
    pub async fn turn(&mut self, way: Way) {
        self.shut().await;
        self.way = way;
        self.reopen().await;
    }

    /// Shows another certificate to new connections.
    pub fn show(&self, acceptor: TlsAcceptor) {
        let tls = self.tls.as_ref().expect("the gate speaks TLS");
        *tls.lock().unwrap_or_else(PoisonError::into_inner) = acceptor;
    }

    /// Takes connections and ends them at once, or does not any more; those under way go on.
    pub fn hang_up(&self, hangs_up: bool) {
        self.hangs_up.store(hangs_up, Ordering::Relaxed);
    }

    /// Lets half of the next answer through, and then nothing either way until [`Self::heal`]; connections stay.
    pub fn part(&self) {
        self.parting.send_replace(Parting::NextAnswer);
    }

    /// Whether an answer was cut in two since [`Self::part`].
    pub fn is_parted(&self) -> bool {
        *self.parting.borrow() == Parting::Apart
    }

    /// Lets everything through again, what was held first.
    pub fn heal(&self) {
        self.parting.send_replace(Parting::Together);
    }

    /// How many connections came.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

fn bind(address: &str) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address.parse().expect("an address is a number and a port"))?;
    Ok(socket)
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, std::net::SocketAddr)> {
    let accepted = listener.accept().await?;
    accepted.0.set_nodelay(true)?;
    Ok(accepted)
}

/// What becomes of one connection.
#[derive(Clone)]
struct Passage {
    to: String,
    way: Way,
    tls: Option<Arc<Mutex<TlsAcceptor>>>,
    parting: Arc<watch::Sender<Parting>>,
}

impl Passage {
    async fn enter(self, stream: TcpStream) {
        if self.way == Way::Hangs {
            let _held = stream;
            return std::future::pending().await;
        }
        if matches!(self.way, Way::Resets { .. }) {
            let _ = stream.set_zero_linger();
        }
        let acceptor =
            self.tls.as_ref().map(|tls| tls.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let _ = match acceptor {
            Some(acceptor) => match acceptor.accept(stream).await {
                Ok(stream) => self.pass(stream).await,
                Err(error) => Err(error),
            },
            None => self.pass(stream).await,
        };
    }

    async fn pass(self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut other = TcpStream::connect(&self.to).await?;
        other.set_nodelay(true)?;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut answers, mut requests) = other.split();
        match self.way {
            Way::Open | Way::Hangs | Way::Late { .. } => {
                let lateness = match self.way {
                    Way::Late { each_way, when_lost } => Lateness { each_way, stall: when_lost },
                    _ => Lateness::default(),
                };
                tokio::try_join!(
                    carry(reader, requests, lateness, Direction::Requests, &self.parting),
                    carry(answers, writer, lateness, Direction::Answers, &self.parting),
                )?;
            }
            Way::Resets { after } | Way::Closes { after } => {
                let mut limited = reader.take(after);
                tokio::select! {
                    read = copy(&mut limited, &mut requests) => read?,
                    written = copy(&mut answers, &mut writer) => written?,
                };
            }
            Way::Slow { bytes_per_second } => {
                tokio::select! {
                    read = copy_slowly(&mut reader, &mut requests, bytes_per_second) => read?,
                    written = copy(&mut answers, &mut writer) => { written?; }
                }
            }
        }
        Ok(())
    }
}

async fn copy_slowly(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    bytes_per_second: u64,
) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut piece = vec![0; (bytes_per_second / 20).max(1) as usize];
    loop {
        let read = reader.read(&mut piece).await?;
        if read == 0 {
            return writer.shutdown().await;
        }
        writer.write_all(&piece[..read]).await?;
        sleep(PAUSE).await;
    }
}
