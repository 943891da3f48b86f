//! The sockets of an address.

use std::io;

use tokio::net::{TcpListener, UnixListener};

use super::address::{Address, LocalAddress};
use super::unix::{self, SocketFile};

/// A socket that connections come from.
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What is opened for an address.
pub(super) struct Bound {
    pub(super) sockets: Vec<Socket>,
    pub(super) addresses: Vec<LocalAddress>,
    pub(super) file: Option<SocketFile>,
}

impl Bound {
    /// The error is for a person.
    pub(super) fn open(address: &Address) -> Result<Self, String> {
        match address {
            Address::Tcp(address) => {
                let sockets = address.bind()?;
                let addresses: io::Result<Vec<_>> = sockets.iter().map(TcpListener::local_addr).collect();
                let addresses = addresses.map_err(|error| error.to_string())?;
                Ok(Self {
                    sockets: sockets.into_iter().map(Socket::Tcp).collect(),
                    addresses: addresses.into_iter().map(LocalAddress::Tcp).collect(),
                    file: None,
                })
            }
            Address::Unix(path) => {
                let (socket, file) = unix::bind(path)?;
                let addresses = vec![LocalAddress::Unix(path.clone())];
                Ok(Self { sockets: vec![Socket::Unix(socket)], addresses, file: Some(file) })
            }
        }
    }
}
