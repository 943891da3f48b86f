//! Unix sockets: one that nobody answers at is replaced, one of somebody else's is not touched.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::address::BACKLOG;

/// Who may connect: the user that runs the collector, and its group.
const MODE: u32 = 0o660;

/// What the kernel has room for.
const PATH_LENGTH_MAX: usize = 107;

/// A socket in the file system, told from others that may come to have its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocketFile {
    pub(super) path: PathBuf,
    device: u64,
    inode: u64,
}

/// What is written behind `unix://`, as an absolute path.
pub(super) fn parse(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.ends_with('/') || text.contains('\0') {
        return Err(format!("expected a path such as `unix:///run/inferometer.sock`, got `unix://{text}`"));
    }
    let path = std::path::absolute(text).map_err(|error| error.to_string())?;
    let length = path.as_os_str().len();
    if length > PATH_LENGTH_MAX {
        return Err(format!(
            "the path of a socket has {PATH_LENGTH_MAX} bytes at most, and this one {length}"
        ));
    }
    Ok(path)
}

/// Opens the socket; the error is for a person.
pub(super) fn bind(path: &Path) -> Result<(UnixListener, SocketFile), String> {
    clear(path)?;
    let (socket, file) = create(path).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => String::from("somebody listens there already"),
        ErrorKind::NotFound => String::from("there is no such folder"),
        ErrorKind::PermissionDenied => String::from("permission denied"),
        _ => error.to_string(),
    })?;
    match UnixListener::from_std(socket.into()) {
        Ok(listener) => Ok((listener, file)),
        Err(error) => {
            file.remove();
            Err(error.to_string())
        }
    }
}

fn create(path: &Path) -> io::Result<(Socket, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let metadata = fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() };
    // Nobody can connect before the socket listens, so nobody can before it has its mode.
    let opened =
        fs::set_permissions(path, Permissions::from_mode(MODE)).and_then(|()| socket.listen(BACKLOG));
    if let Err(error) = opened {
        file.remove();
        return Err(error);
    }
    Ok((socket, file))
}

/// Takes away a socket that nobody answers at.
fn clear(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(String::from("there is something that is not a socket"));
        }
        Ok(_) => {}
    }
    match knock(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|error| format!("cannot remove the socket that nobody listens at: {error}")),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(String::from("there is a socket of somebody else's"))
        }
        // A full queue says as much as a connection.
        Ok(()) | Err(_) => Err(String::from("somebody listens there already")),
    }
}

fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

impl SocketFile {
    /// Takes the socket out of the file system, unless another has its place.
    pub(super) fn remove(&self) {
        let is_mine = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_mine) {
            // Whoever takes it away before us does what we want.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
