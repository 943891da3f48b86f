//! Endpoints: from `localhost:4317` or `unix:///run/x.sock` to sockets.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::unix;

/// Connections the kernel keeps for us until we accept them.
pub(super) const BACKLOG: i32 = 1024;

/// What endpoints that are paths start with.
const UNIX: &str = "unix://";

/// An address in use; as text `127.0.0.1:4318` or `unix:///run/x.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalAddress {
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(PathBuf),
}

/// Where to listen, once names are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(TcpAddress),
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TcpAddress {
    /// Must be had.
    pub(super) first: SocketAddr,
    /// Listened on as well, with the same port, where the machine has it.
    also: Option<IpAddr>,
    /// Every interface in IPv6 and in IPv4.
    is_dual: bool,
}

/// Says what is wrong with an endpoint as it is written.
pub fn check_endpoint(endpoint: &str) -> Result<(), String> {
    match endpoint.strip_prefix(UNIX) {
        Some(path) => unix::parse(path).map(|_| ()),
        None => split(endpoint).map(|_| ()),
    }
}

impl LocalAddress {
    /// The address where it is one of TCP.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// Where a page is, for people: `http://127.0.0.1:4318/metrics` or `unix:///run/x.sock:/metrics`.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        match self {
            Self::Tcp(address) => format!("{scheme}://{address}{path}"),
            Self::Unix(_) if path.is_empty() => self.to_string(),
            Self::Unix(_) => format!("{self}:{path}"),
        }
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl Address {
    pub(super) async fn resolve(endpoint: &str) -> Result<Self, String> {
        match endpoint.strip_prefix(UNIX) {
            Some(path) => unix::parse(path).map(Self::Unix),
            None => TcpAddress::resolve(endpoint).await.map(Self::Tcp),
        }
    }

    /// Whether only this machine can reach it.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.first.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl TcpAddress {
    async fn resolve(endpoint: &str) -> Result<Self, String> {
        let (host, port) = split(endpoint)?;
        let one = |ip: IpAddr| Self { first: SocketAddr::new(ip, port), also: None, is_dual: false };
        if host.is_empty() || host == "::" {
            return Ok(Self { is_dual: true, ..one(Ipv6Addr::UNSPECIFIED.into()) });
        }
        if host.eq_ignore_ascii_case("localhost") {
            return Ok(Self { also: Some(Ipv6Addr::LOCALHOST.into()), ..one(Ipv4Addr::LOCALHOST.into()) });
        }
        if let Ok(ip) = host.parse() {
            return Ok(one(ip));
        }
        let mut found = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
        let first = found.next().ok_or_else(|| format!("`{host}` has no address"))?;
        Ok(Self { first, also: None, is_dual: false })
    }

    /// Opens the sockets; the error is for a person.
    pub(super) fn bind(&self) -> Result<Vec<TcpListener>, String> {
        let first = match bind(self.first, self.is_dual) {
            // A machine without IPv6.
            Err(error) if self.is_dual && error.kind() != ErrorKind::AddrInUse => {
                bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), self.first.port()), false)
            }
            result => result,
        }
        .map_err(|error| explain(&error))?;
        let mut sockets = vec![first];
        if let Some(ip) = self.also {
            let port = sockets[0].local_addr().map_err(|error| error.to_string())?.port();
            match bind(SocketAddr::new(ip, port), false) {
                Ok(socket) => sockets.push(socket),
                Err(error) if error.kind() == ErrorKind::AddrInUse && self.first.port() != 0 => {
                    return Err(format!("[{ip}]:{port} is already in use"));
                }
                Err(_) => {}
            }
        }
        Ok(sockets)
    }
}

fn split(endpoint: &str) -> Result<(&str, u16), String> {
    let expected = || format!("expected an address such as `127.0.0.1:4318`, got `{endpoint}`");
    if endpoint.starts_with("unix:") {
        return Err(format!("expected a path such as `unix:///run/inferometer.sock`, got `{endpoint}`"));
    }
    let (host, port) = endpoint.rsplit_once(':').ok_or_else(expected)?;
    let port = port.parse().map_err(|_| expected())?;
    match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
        Some(Some(host)) if host.parse::<Ipv6Addr>().is_ok() => Ok((host, port)),
        Some(_) => Err(expected()),
        None if host.contains([':', '/', ' ']) => Err(expected()),
        None => Ok((host, port)),
    }
}

fn bind(address: SocketAddr, is_dual: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!is_dual)?;
    }
    // A restart must not wait for the last one's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => String::from("address already in use"),
        ErrorKind::AddrNotAvailable => String::from("no interface of this machine has that address"),
        ErrorKind::PermissionDenied => {
            String::from("permission denied (ports below 1024 need CAP_NET_BIND_SERVICE)")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: &str, expected: Option<(&str, u16)>) {
        assert_eq!(split(endpoint).ok(), expected, "{endpoint}");
    }

    #[test]
    fn endpoints_are_a_host_and_a_port() {
        check("localhost:4317", Some(("localhost", 4317)));
        check("127.0.0.1:0", Some(("127.0.0.1", 0)));
        check("[::1]:4318", Some(("::1", 4318)));
        check(":4318", Some(("", 4318)));
        check("0.0.0.0:4318", Some(("0.0.0.0", 4318)));
        check("::1:4318", None);
        check("[::1:4318", None);
        check("localhost", None);
        check("localhost:x", None);
        check("localhost:70000", None);
        check("http://localhost:4318", None);
        check("unix:/run/x.sock", None);
        check("", None);
    }

    #[track_caller]
    fn check_unix(endpoint: &str, expected: Result<&str, &str>) {
        let parsed = unix::parse(endpoint.strip_prefix(UNIX).unwrap());
        let shown = parsed.map(|path| LocalAddress::Unix(path).to_string());
        assert_eq!(shown.as_deref().map_err(String::as_str), expected);
        assert_eq!(check_endpoint(endpoint).is_ok(), expected.is_ok());
    }

    #[test]
    fn endpoints_are_paths_behind_unix() {
        check_unix("unix:///run/x.sock", Ok("unix:///run/x.sock"));
        let here = std::env::current_dir().unwrap();
        check_unix("unix://x.sock", Ok(&format!("unix://{}/x.sock", here.display())));
        let message = "expected a path such as `unix:///run/inferometer.sock`, got `unix://";
        check_unix("unix://", Err(&format!("{message}`")));
        check_unix("unix:///run/", Err(&format!("{message}/run/`")));
        assert_eq!(check_endpoint("unix:/x"), Err(message.replace("got `unix://", "got `unix:/x`")));
        let long = format!("unix:///{}", "a".repeat(107));
        check_unix(&long, Err("the path of a socket has 107 bytes at most, and this one 108"));
        check_unix(&long[..long.len() - 1], Ok(&long[..long.len() - 1]));
    }
}
