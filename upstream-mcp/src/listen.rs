//! Where the server listens.

use std::{
    fmt, io,
    net::SocketAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use tokio::net::{TcpListener, UnixListener};

/// An address to listen on: `127.0.0.1:9000`, `[::1]:9000` or `unix:/path/to/socket`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// Why a text is not an address to listen on, or why an address is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// The text is neither `IP:PORT` nor `unix:PATH`.
    Malformed(String),
    /// The address can be reached from other machines, and the server asks nobody who they are.
    NotLoopback(SocketAddr),
}

impl fmt::Display for ListenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(formatter, "`{text}` is neither IP:PORT nor unix:PATH"),
            Self::NotLoopback(address) => write!(
                formatter,
                "refusing to listen on `{address}`: it is not a loopback address, and this server has no \
                 authentication of its own; pass --allow-non-loopback if only the gateway can reach it"
            ),
        }
    }
}

impl std::error::Error for ListenError {}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let malformed = || ListenError::Malformed(text.to_owned());
        match text.strip_prefix("unix:") {
            Some("") => Err(malformed()),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| malformed()),
        }
    }
}

impl Listen {
    /// Refuses an address that other machines can reach.
    pub fn require_loopback(&self) -> Result<(), ListenError> {
        match self {
            Self::Tcp(address) if !address.ip().is_loopback() => Err(ListenError::NotLoopback(*address)),
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
        }
    }
}

/// Binds a TCP address.
///
/// # Errors
///
/// Fails if the address is taken or not this machine's.
pub async fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Binds a unix socket, in the place of one that nobody listens on any more.
///
/// # Errors
///
/// Fails if the path is taken or cannot be created.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}
