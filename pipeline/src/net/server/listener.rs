//! An open address: the routes that are served there, and the loop that accepts connections.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::warn;

use super::address::{Address, LocalAddress};
use super::bound::{Bound, Socket};
use super::unix::SocketFile;
use super::{HttpService, Listen, connection};
use crate::net::auth::Authenticator;
use crate::net::server_tls::{self, Acceptor};

/// Connections an address has at most; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4096;

/// The longest wait after accepting has failed, as it does when there are no file descriptors left.
const ACCEPT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Every open address.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    open: Mutex<Vec<Arc<Listener>>>,
}

/// One open address.
pub(super) struct Listener {
    addresses: Vec<LocalAddress>,
    /// The file of a Unix socket.
    file: Option<SocketFile>,
    /// Port 0 was asked for, by this owner and key.
    any_port_of: Option<(String, String)>,
    /// In the order they came: of those with the same path the last one answers, and the one before it again
    /// if that is withdrawn first. Changed only by who holds the lock of [`Listeners`].
    routes: ArcSwap<Vec<Arc<Route>>>,
    tls: ArcSwapOption<Acceptor>,
    stop: CancellationToken,
    accepting: TaskTracker,
    connections: TaskTracker,
    permits: Arc<Semaphore>,
}

/// A path and who answers there.
pub(super) struct Route {
    pub(super) path: String,
    owner: String,
    pub(super) service: Arc<dyn HttpService>,
    pub(super) authenticator: Option<Arc<Authenticator>>,
    tls: Option<Arc<Acceptor>>,
    requests: TaskTracker,
}

impl Listeners {
    /// Adds a route to the address, which is opened if it is not yet.
    pub(super) fn open(
        &self,
        address: &Address,
        listen: &Listen,
        route: Arc<Route>,
    ) -> Result<Arc<Listener>, String> {
        let mut open = self.lock();
        if let Some(listener) = open.iter().find(|listener| listener.is_at(address, listen)) {
            listener.add(route).map_err(|reason| {
                format!("cannot serve on {}: {reason}; change `{}`", listen.endpoint, listen.key)
            })?;
            return Ok(listener.clone());
        }
        let bound = Bound::open(address).map_err(|reason| {
            let (endpoint, key) = (&listen.endpoint, &listen.key);
            format!("cannot listen on {endpoint}: {reason}; change `{key}` or stop what listens there")
        })?;
        let listener = Listener::start(bound, listen, route);
        open.push(listener.clone());
        Ok(listener)
    }

    /// Takes the route away; true when that closed the address.
    ///
    /// What it had taken over from goes on, with its TLS, if that is still there.
    pub(super) fn withdraw(&self, listener: &Arc<Listener>, route: &Arc<Route>) -> bool {
        let mut open = self.lock();
        route.requests.close();
        let mut routes = Vec::clone(&listener.routes.load());
        let before = routes.len();
        routes.retain(|other| !Arc::ptr_eq(other, route));
        if routes.len() == before {
            // It was withdrawn before, and what it was to close may be another's by now.
            return false;
        }
        let is_last = routes.is_empty();
        if let Some(last) = routes.last()
            && config_of(listener.tls.load().as_ref()) != config_of(last.tls.as_ref())
        {
            listener.tls.store(last.tls.clone());
        }
        listener.routes.store(Arc::new(routes));
        if is_last {
            open.retain(|other| !Arc::ptr_eq(other, listener));
            listener.stop.cancel();
            // Before the lock is gone, so that it is not taken from whoever opens the path next.
            listener.file.iter().for_each(SocketFile::remove);
        }
        is_last
    }

    pub(crate) fn addresses(&self) -> Vec<std::net::SocketAddr> {
        self.lock()
            .iter()
            .flat_map(|listener| listener.addresses.iter().filter_map(LocalAddress::tcp))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Listener>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn start(bound: Bound, listen: &Listen, route: Arc<Route>) -> Arc<Self> {
        let any_port = bound.file.is_none() && listen.endpoint.ends_with(":0");
        let listener = Arc::new(Self {
            addresses: bound.addresses,
            file: bound.file,
            any_port_of: any_port.then(|| (listen.owner.clone(), listen.key.clone())),
            tls: ArcSwapOption::new(route.tls.clone()),
            routes: ArcSwap::from_pointee(vec![route]),
            stop: CancellationToken::new(),
            accepting: TaskTracker::new(),
            connections: TaskTracker::new(),
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        });
        for socket in bound.sockets {
            listener.accepting.spawn(listener.clone().accept(socket));
        }
        listener.accepting.close();
        listener
    }

    pub(super) fn address(&self) -> &LocalAddress {
        &self.addresses[0]
    }

    fn is_at(&self, address: &Address, listen: &Listen) -> bool {
        let wanted = match address {
            Address::Tcp(address) => LocalAddress::Tcp(address.first),
            Address::Unix(path) => LocalAddress::Unix(path.clone()),
        };
        if wanted.tcp().is_none_or(|address| address.port() != 0) {
            return self.addresses.contains(&wanted);
        }
        let is_same = |(owner, key): &(String, String)| *owner == listen.owner && *key == listen.key;
        self.any_port_of.as_ref().is_some_and(is_same)
    }

    /// Adds a route, or says what stands in its way.
    fn add(&self, route: Arc<Route>) -> Result<(), String> {
        let mut routes = Vec::clone(&self.routes.load());
        let other = |other: &&Arc<Route>| other.owner != route.owner;
        if let Some(other) = routes.iter().find(other)
            && config_of(self.tls.load().as_ref()) != config_of(route.tls.as_ref())
        {
            return Err(format!("`{}` listens there with other `tls` settings", other.owner));
        }
        if let Some(other) = routes.iter().filter(other).find(|other| other.path == route.path) {
            let path = if route.path.is_empty() { "every path" } else { &route.path };
            return Err(format!("`{}` serves {path} there already", other.owner));
        }
        self.tls.store(route.tls.clone());
        routes.push(route);
        self.routes.store(Arc::new(routes));
        Ok(())
    }

    /// Finds who answers at the path, and counts a request as under way there.
    pub(super) fn route(&self, path: &str) -> Option<(Arc<Route>, TaskTrackerToken)> {
        loop {
            let routes = self.routes.load();
            let last = |path: &str| routes.iter().rfind(|route| route.path == path);
            let route = last(path).or_else(|| last(""))?;
            let token = route.requests.token();
            // One that was withdrawn just now may have stopped waiting for requests already.
            if !route.requests.is_closed() || Arc::ptr_eq(&routes, &self.routes.load()) {
                return Some((route.clone(), token));
            }
        }
    }

    /// The paths that are served, for whoever asked for another.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for route in self.routes.load().iter() {
            if !paths.contains(&route.path) {
                paths.push(route.path.clone());
            }
        }
        paths
    }

    pub(super) fn stopped(&self) -> &CancellationToken {
        &self.stop
    }

    pub(super) fn tls(&self) -> Option<Arc<Acceptor>> {
        self.tls.load_full()
    }

    /// Returns when the address is free again and its connections are closed, or after a while.
    pub(super) async fn finish(&self, time_max: Duration) {
        self.accepting.wait().await;
        self.connections.close();
        // Whoever keeps a connection open longer does not read what it asked for.
        let _ = tokio::time::timeout(time_max, self.connections.wait()).await;
    }

    async fn accept(self: Arc<Self>, socket: Socket) {
        let mut failures = 0;
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = self.accept_one(&socket) => accepted,
            };
            let Err(error) = accepted else {
                failures = 0;
                continue;
            };
            if is_of_one_connection(&error) {
                continue;
            }
            failures += 1;
            if failures == 1 {
                warn!(address = %self.address(), %error, "cannot accept connections; trying again");
            }
            let wait = ACCEPT_WAIT_MAX.min(Duration::from_millis(50) * failures);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn accept_one(self: &Arc<Self>, socket: &Socket) -> io::Result<()> {
        let permit = self.permits.clone().acquire_owned().await.map_err(io::Error::other)?;
        match socket {
            Socket::Tcp(socket) => {
                let (stream, _) = socket.accept().await?;
                // Answers are small and waited for.
                let _ = stream.set_nodelay(true);
                self.serve(stream, permit);
            }
            Socket::Unix(socket) => self.serve(socket.accept().await?.0, permit),
        }
        Ok(())
    }

    fn serve<S>(self: &Arc<Self>, stream: S, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let listener = self.clone();
        self.connections.spawn(async move {
            connection::serve(listener, stream).await;
            drop(permit);
        });
    }
}

impl Route {
    pub(super) fn new(
        listen: &Listen,
        service: Arc<dyn HttpService>,
        authenticator: Option<Arc<Authenticator>>,
        tls: Option<Arc<Acceptor>>,
    ) -> Self {
        Self {
            path: listen.path.clone(),
            owner: listen.owner.clone(),
            service,
            authenticator,
            tls,
            requests: TaskTracker::new(),
        }
    }

    /// Returns when no request is under way.
    pub(super) async fn finish(&self) {
        self.requests.close();
        self.requests.wait().await;
    }
}

fn config_of(tls: Option<&Arc<Acceptor>>) -> Option<&server_tls::Config> {
    tls.map(|tls| tls.config())
}

/// The connection that was to be accepted is gone; the next may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("path", &self.path).field("owner", &self.owner).finish_non_exhaustive()
    }
}
