//! Where toolgate listens, whom it asks, and what clients call it.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::mistake::{Flaw, Quoted};

/// A listener of the public endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where it listens.
    pub address: ListenAddress,
    /// Its certificate, if it speaks TLS.
    pub tls: Option<Tls>,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The absolute path of a unix socket.
    Unix(PathBuf),
}

/// A certificate chain and its private key, both PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The chain.
    pub cert: PathBuf,
    /// The key.
    pub key: PathBuf,
    /// The authorities whose certificates clients may show (mutual TLS), a PEM file.
    pub client_ca: Option<PathBuf>,
}

impl ListenAddress {
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        match text.strip_prefix("unix:") {
            Some(path) => absolute(path, text).map(Self::Unix),
            None => socket_address(text).map(Self::Tcp),
        }
    }

    /// Whether nobody outside this machine (or pod) can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

/// `IP:PORT`.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Flaw> {
    text.parse().map_err(|_| {
        let hint = "write an IP address and a port: 0.0.0.0:8080, 127.0.0.1:8080 or [::]:8080";
        Flaw::hinted(format!("{} is not an address to listen on", Quoted(text)), hint)
    })
}

fn absolute(path: &str, text: &str) -> Result<PathBuf, Flaw> {
    /// `sockaddr_un` holds no more.
    const LONGEST: usize = 107;
    if !Path::new(path).is_absolute() || path.ends_with('/') || path.contains('\0') {
        return Err(Flaw::hinted(
            format!("{} has no absolute path", Quoted(text)),
            "write unix:/run/mcp/server.sock",
        ));
    }
    if path.len() > LONGEST {
        return Err(Flaw::new(format!("the path of {} is longer than 107 bytes", Quoted(text))));
    }
    Ok(PathBuf::from(path))
}

/// The MCP server behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// Over TCP, in clear: it is in the same pod.
    Tcp {
        /// A name or an IP address, an IPv6 one without brackets.
        host: String,
        /// The port.
        port: u16,
        /// The path of the endpoint.
        path: String,
    },
    /// Over a unix socket.
    Unix {
        /// The absolute path of the socket.
        socket: PathBuf,
        /// The path of the endpoint.
        path: String,
    },
}

impl Upstream {
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let (socket, path) = rest.split_once('#').unwrap_or((rest, "/"));
            return Ok(Self::Unix { socket: absolute(socket, text)?, path: clean_path(path, text)? });
        }
        let parts = UrlParts::parse(text).map_err(|mut flaw| {
            flaw.hint.get_or_insert_with(|| {
                "write http://127.0.0.1:9000/mcp or unix:/run/mcp/server.sock#/mcp".to_owned()
            });
            flaw
        })?;
        if parts.is_https {
            let hint = "put the gateway beside the server and speak http to it, over loopback or a unix socket";
            return Err(Flaw::hinted("an https upstream is not supported in this version", hint));
        }
        Ok(Self::Tcp { host: parts.host, port: parts.port.unwrap_or(80), path: parts.path })
    }

    /// The path of the endpoint.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Tcp { path, .. } | Self::Unix { path, .. } => path,
        }
    }

    /// Whether it is at an address of the whole internet. Of a name that cannot be said.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => host.parse().is_ok_and(super::provider::is_public),
            Self::Unix { .. } => false,
        }
    }

    /// What the `Host` header of a request to it says.
    #[must_use]
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } => authority(host, (*port != 80).then_some(*port)),
            Self::Unix { .. } => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { path, .. } => write!(f, "http://{}{path}", self.authority()),
            Self::Unix { socket, path } => write!(f, "unix:{}#{path}", socket.display()),
        }
    }
}

/// What clients call this server: the resource identifier (RFC 8707, RFC 9728).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    host: String,
    path: String,
    is_https: bool,
}

impl PublicUrl {
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        let UrlParts { is_https, host, port, path } = UrlParts::parse(text).map_err(|mut flaw| {
            flaw.hint.get_or_insert_with(|| "write https://mcp.example.com/mcp".to_owned());
            flaw
        })?;
        if path.starts_with("/.well-known/") {
            return Err(Flaw::new("the endpoint must not lie below /.well-known/"));
        }
        let default_port = if is_https { 443 } else { 80 };
        Ok(Self::new(is_https, &authority(&host, port.filter(|port| *port != default_port)), &path))
    }

    /// `http://localhost` with the port that is listened on, and the path of the upstream.
    pub(super) fn local(port: u16, path: &str) -> Self {
        Self::new(false, &authority("localhost", (port != 80).then_some(port)), path)
    }

    fn new(is_https: bool, host: &str, path: &str) -> Self {
        let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
        let scheme = if is_https { "https" } else { "http" };
        let text = format!("{scheme}://{host}{}", if path == "/" { "" } else { path });
        Self { text, host: host.to_owned(), path: path.to_owned(), is_https }
    }

    /// All of it, without a trailing slash: the audience tokens must name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port as clients send them: the port is left out where it is the scheme's.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path of the endpoint; `/` where there is none.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Scheme and host: what the well-known documents are found below.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.is_https { "https" } else { "http" }, self.host)
    }

    /// The rule that allows its host, with any port.
    pub(super) fn host_rule(&self) -> HostRule {
        let name = split_authority(&self.host).map_or_else(|| self.host.clone(), |(name, _)| name.into_owned());
        HostRule { name, port: None }
    }

    /// Whether tokens would cross a network in clear.
    pub(super) fn is_clear(&self) -> bool {
        !self.is_https && !is_loopback_name(&self.host_rule().name)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A host that requests may name, with or without its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    name: String,
    port: Option<u16>,
}

impl HostRule {
    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        let flaw = || {
            Flaw::hinted(format!("{} is not a host", Quoted(text)), "write mcp.example.com or mcp.example.com:8443")
        };
        let (name, port) = split_authority(text).ok_or_else(flaw)?;
        Ok(Self { name: name.into_owned(), port })
    }

    /// The names of this machine to itself, with any port.
    pub fn loopback() -> impl Iterator<Item = Self> {
        ["localhost", "127.0.0.1", "::1"].into_iter().map(|name| Self { name: name.to_owned(), port: None })
    }

    /// The address itself, with any port.
    #[must_use]
    pub fn of_address(address: SocketAddr) -> Self {
        Self { name: address.ip().to_string(), port: None }
    }

    /// Whether this `Host` is the one. A rule without port allows every port; letter case says nothing.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        Self::any_allows(std::slice::from_ref(self), host)
    }

    /// Whether one of these rules allows this `Host`.
    #[must_use]
    pub fn any_allows(rules: &[Self], host: &str) -> bool {
        split_authority(host).is_some_and(|(name, port)| {
            rules.iter().any(|rule| name == rule.name && (rule.port.is_none() || port == rule.port))
        })
    }
}

/// `scheme://host[:port]` as browsers send it.
pub(super) fn origin(text: &str) -> Result<String, Flaw> {
    let flaw = || {
        Flaw::hinted(format!("{} is not an origin", Quoted(text)), "write https://app.example.com, without a path")
    };
    let (scheme, host) = text.split_once("://").ok_or_else(flaw)?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let (name, port) = split_authority(host).filter(|_| is_scheme).ok_or_else(flaw)?;
    let default_port = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Ok(format!("{scheme}://{}", authority(&name, port.filter(|port| Some(*port) != default_port))))
}

pub(super) fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(super) fn authority(host: &str, port: Option<u16>) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

/// Host (lower case, without brackets) and port. Nothing for what is not exactly that.
pub(super) fn split_authority(text: &str) -> Option<(Cow<'_, str>, Option<u16>)> {
    let (name, rest) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, rest) = rest.split_once(']')?;
            (Cow::Owned(name.parse::<Ipv6Addr>().ok()?.to_string()), rest)
        }
        None => {
            let end = memchr::memchr(b':', text.as_bytes()).unwrap_or(text.len());
            let (name, rest) = text.split_at_checked(end)?;
            let is_of_name = |b: u8| matches!(b, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
            let is_name = name.bytes().fold(true, |is_good, byte| is_good & is_of_name(byte));
            if !is_name || name.is_empty() || name.starts_with('.') || name.len() > 253 {
                return None;
            }
            let has_capitals = name.bytes().fold(false, |has, byte| has | byte.is_ascii_uppercase());
            (if has_capitals { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }, rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if rest.is_empty() => None,
        _ => return None,
    };
    Some((name, port))
}

/// An http or https URL that has scheme, host, port and path, and nothing else.
struct UrlParts {
    is_https: bool,
    host: String,
    port: Option<u16>,
    path: String,
}

impl UrlParts {
    fn parse(text: &str) -> Result<Self, Flaw> {
        let flaw = || Flaw::new(format!("{} is not an http(s) URL", Quoted(text)));
        let (scheme, rest) = text.split_once("://").ok_or_else(flaw)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(flaw()),
        };
        let (host, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).ok_or_else(flaw)?;
        let (host, port) = split_authority(host).filter(|(_, port)| *port != Some(0)).ok_or_else(flaw)?;
        Ok(Self {
            is_https,
            host: host.into_owned(),
            port,
            path: clean_path(if path.is_empty() { "/" } else { path }, text)?,
        })
    }
}

/// A path that every reader reads alike: nothing to decode, nothing to resolve.
fn clean_path(path: &str, text: &str) -> Result<String, Flaw> {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte));
    let is_resolved = !path.contains("//") && !path.split('/').any(|segment| segment == "." || segment == "..");
    if path.starts_with('/') && is_plain && is_resolved {
        return Ok(path.to_owned());
    }
    let message =
        format!("{} has a path that is not plain: letters, digits and -._~ between single slashes", Quoted(text));
    Err(Flaw::new(message))
}

#[cfg(test)]
mod tests;
