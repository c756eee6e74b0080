//! The configuration of `serve`: read once, checked whole, then only looked at.
//!
//! Every setting can come from a flag, from the environment or from the file, in this order of strength; the table
//! in `keys` is the one list of them. All mistakes are found at once, each named by its key and its place.

mod address;
pub mod args;
mod asked;
mod dpop;
mod draft;
mod file;
mod given;
mod identity;
mod issuers;
mod key_source;
mod keys;
mod limits;
mod mistake;
mod provider;
mod secret;
mod value;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::pin::OnDrift;
use crate::record::arguments::Extent;
use crate::token::IdentityHeaders;
pub use address::{HostRule, Listen, ListenAddress, PublicUrl, Tls, Upstream};
use address::{origin, socket_address};
use args::ServeArgs;
pub use asked::{Asked, Client, ClientAuth, UpstreamToken, Whom};
pub use dpop::Dpop;
use file::{Entry, Node};
use given::Sources;
pub use identity::IdentityToken;
pub use issuers::IssuerSettings;
pub use key_source::{KeySource, Timing};
pub use limits::Limits;
use mistake::Flaw;
pub use mistake::Mistake;
pub use provider::{Networks, ProviderUrl, Reach};
pub use secret::{DEMO_SECRET, Secret};
use value::{count, read_file, readable_file, switch};

/// The port that is listened on unless it is configured.
const PORT: u16 = 8080;
/// The shortest session key, in bytes.
const SHORTEST_SESSION_KEY: usize = 32;

/// The checked configuration of `serve`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The public listeners, at least one.
    pub listen: Vec<Listen>,
    /// The admin listener.
    pub admin: SocketAddr,
    /// The MCP server.
    pub upstream: Upstream,
    /// What clients call this server, as configured; see [`Settings::public_url_at`].
    pub public_url: Option<PublicUrl>,
    /// The policy file.
    pub policy: PathBuf,
    /// From how many recent callers a new policy may take something.
    pub reload_max_lost: Option<usize>,
    /// Whether a policy that is wholly in shadow may be used.
    pub allow_policy_shadow: bool,
    /// The file that says what is revoked.
    pub revocations: Option<PathBuf>,
    /// The lockfile: what tools may say of themselves.
    pub lock: Option<PathBuf>,
    /// What is done about tools that say something else.
    pub on_drift: OnDrift,
    /// Whose tokens are accepted, at least one.
    pub issuers: Vec<IssuerSettings>,
    /// Where a token for the upstream comes from, if it gets one.
    pub upstream_token: Option<UpstreamToken>,
    /// Which headers tell the upstream who calls.
    pub identity_headers: IdentityHeaders,
    /// The signed token that tells it so, if there is one.
    pub identity_token: Option<IdentityToken>,
    /// On which terms DPoP proofs are accepted.
    pub dpop: Dpop,
    /// The limits.
    pub limits: Limits,
    /// Worker threads.
    pub threads: usize,
    /// The hosts requests may name, as configured; see [`Settings::hosts`].
    pub allowed_hosts: Vec<HostRule>,
    /// The origins requests may name: `scheme://host[:port]`, canonical.
    pub allowed_origins: Vec<String>,
    /// The content of `session_key_file`.
    pub session_key: Option<Secret>,
    /// Where audit lines go.
    pub audit: AuditTarget,
    /// What audit lines tell of the arguments of calls.
    pub audit_arguments: Extent,
    /// What the operator should know before it starts.
    pub warnings: Vec<String>,
}

/// Where audit lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTarget {
    /// To standard output.
    Stdout,
    /// To standard error.
    Stderr,
    /// To the end of this file.
    File(PathBuf),
    /// Nowhere.
    None,
}

impl AuditTarget {
    fn parse(text: &str) -> Result<Self, Flaw> {
        Ok(match text {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "none" => Self::None,
            path if path.contains('/') => Self::File(PathBuf::from(path)),
            _ => return Err(Flaw::new("neither `stdout`, `stderr`, `none` nor a path with a slash")),
        })
    }
}

impl Settings {
    /// The settings that flags, environment and file give together.
    ///
    /// # Errors
    ///
    /// Every mistake, at least one.
    pub fn resolve(args: &ServeArgs, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Vec<Mistake>> {
        let mut sources = Sources { flags: args.flags(), environment, file: None, mistakes: Vec::new() };
        if let Err(mistake) = read_config(args, &mut sources) {
            return Err(vec![mistake]);
        }
        sources.refuse_unknown_keys();
        let settings = Self::read(&mut sources);
        match settings {
            Some(settings) if sources.mistakes.is_empty() => Ok(settings),
            _ => Err(sources.mistakes),
        }
    }

    fn read(sources: &mut Sources<'_>) -> Option<Self> {
        let mut warnings = Vec::new();
        let listen = listeners(sources);
        let admin = sources.read("admin", SocketAddr::from(([0, 0, 0, 0], 9090)), socket_address);
        if admin.port() != 0 && listen.iter().any(|listen| listen.address == ListenAddress::Tcp(admin)) {
            sources.mistake("admin", "", Flaw::new(format!("{admin} is a public listener too")));
        }
        let upstream = required(sources, "upstream", Upstream::parse);
        let policy = required(sources, "policy", readable_file);
        let public_url = sources.parsed("public_url", PublicUrl::parse);
        match &public_url {
            None => warnings.push(
                "public_url is not set: clients are told http://localhost, and other hosts are refused".to_owned(),
            ),
            Some(url) if url.is_clear() => {
                warnings.push(format!("public_url {url} is not https: tokens cross the network in clear"));
            }
            Some(_) => {}
        }
        if let Some(upstream) = upstream.as_ref().filter(|upstream| upstream.is_public()) {
            warnings.push(format!("upstream {upstream} is a public address: whoever reaches it needs no gateway"));
        }
        let audit_arguments = sources.read("audit.arguments", Extent::None, extent);
        if audit_arguments == Extent::Full {
            warnings.push("audit.arguments: full writes what callers send, secrets too".to_owned());
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shortest = SHORTEST_SESSION_KEY;
        let identity_headers = identity::headers(sources);
        let (lock, on_drift) = lock(sources);
        Some(Self {
            listen,
            admin,
            reload_max_lost: sources.parsed("reload.max_lost", |text| count(text, &(0..=1_000_000))),
            lock,
            on_drift,
            allow_policy_shadow: sources.read("allow_policy_shadow", false, switch),
            revocations: sources.parsed("revocations", readable_file),
            public_url,
            issuers: issuers::read(sources, &mut warnings),
            upstream_token: asked::upstream_token(sources),
            identity_token: identity::token(sources, &identity_headers, upstream.as_ref()),
            identity_headers,
            dpop: Dpop::read(sources),
            limits: Limits::read(sources),
            threads: sources.read("threads", cores, |text| count(text, &(1..=1024))),
            allowed_hosts: list(sources, "allowed_hosts", HostRule::parse),
            allowed_origins: list(sources, "allowed_origins", origin),
            session_key: sources.parsed("session_key_file", |text| Secret::read(Path::new(text), shortest)),
            audit: sources.read("audit.file", AuditTarget::Stdout, AuditTarget::parse),
            audit_arguments,
            warnings,
            upstream: upstream?,
            policy: policy?,
        })
    }

    /// What clients call this server, when its first TCP listener has this port.
    #[must_use]
    pub fn public_url_at(&self, port: u16) -> PublicUrl {
        self.public_url.clone().unwrap_or_else(|| PublicUrl::local(port, self.upstream.path()))
    }

    /// The hosts that requests may name: those configured, or else that of the public URL, with any port, and the
    /// names of this machine to itself where only this machine can call.
    #[must_use]
    pub fn hosts(&self, public_url: &PublicUrl) -> Vec<HostRule> {
        if !self.allowed_hosts.is_empty() {
            return self.allowed_hosts.clone();
        }
        let mut hosts = vec![public_url.host_rule()];
        if self.listen.iter().all(|listen| listen.address.is_local()) {
            hosts.extend(HostRule::loopback());
        }
        hosts
    }

    /// The origins whose pages may call: those configured, or else the public URL's own. Where none is set and only this
    /// machine can call, that has the names of this machine to itself, with the port of the first TCP listener.
    #[must_use]
    pub fn origins(&self, public_url: &PublicUrl) -> Vec<String> {
        if !self.allowed_origins.is_empty() {
            return self.allowed_origins.clone();
        }
        let own = public_url.origin();
        if self.public_url.is_some() || !self.listen.iter().all(|listen| listen.address.is_local()) {
            return vec![own];
        }
        ["localhost", "127.0.0.1", "[::1]"].map(|name| own.replacen("localhost", name, 1)).into()
    }
}

fn read_config(args: &ServeArgs, sources: &mut Sources<'_>) -> Result<(), Mistake> {
    const LARGEST: u64 = 4 * 1024 * 1024;
    let origin = if args.config.is_some() { "--config" } else { "TOOLGATE_CONFIG" };
    let given = args.config.clone().or_else(|| (sources.environment)("TOOLGATE_CONFIG").map(PathBuf::from));
    let Some(path) = given else { return Ok(()) };
    let name = path.display().to_string();
    let bytes = read_file(&path, LARGEST).map_err(|flaw| Mistake::new("config", origin, flaw.message))?;
    let text =
        String::from_utf8(bytes).map_err(|_| Mistake::new("config", &name, "the file is not valid UTF-8"))?;
    let tree = file::read(&name, &text)?;
    sources.file = Some((name, tree));
    Ok(())
}

/// The value of a key that must be set.
fn required<T>(
    sources: &mut Sources<'_>,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, Flaw>,
) -> Option<T> {
    let before = sources.mistakes.len();
    let value = sources.parsed(name, parse);
    if value.is_none() && sources.mistakes.len() == before {
        let hint = format!("give --{name}, TOOLGATE_{} or `{name}` in the file", name.to_ascii_uppercase());
        sources.mistake(name, "", Flaw::hinted("is required", hint));
    }
    value
}

/// Every value of a key that takes many, without those that are mistakes.
fn list<T>(sources: &mut Sources<'_>, name: &str, parse: impl Fn(&str) -> Result<T, Flaw>) -> Vec<T> {
    let given = sources.all(name).unwrap_or_default();
    given.iter().filter_map(|given| sources.parse(name, given, &parse)).collect()
}

/// The listeners. Those of the file may each have their own certificate.
fn listeners(sources: &mut Sources<'_>) -> Vec<Listen> {
    let cert = sources.parsed("tls.cert", readable_file);
    let key = sources.parsed("tls.key", readable_file);
    let client_ca = sources.parsed("tls.client_ca", client_ca);
    if client_ca.is_some() && cert.is_none() {
        sources.mistake("tls.cert", "", Flaw::new("is missing: certificates of clients need one of the listener"));
    }
    let shared = match (cert, key) {
        (Some(cert), Some(key)) => Some(Tls { cert, key, client_ca }),
        (cert, key) => {
            let (is_half, missing) =
                (cert.is_some() != key.is_some(), if cert.is_some() { "tls.key" } else { "tls.cert" });
            if is_half && !sources.mistakes.iter().any(|mistake| mistake.key == missing) {
                sources.mistake(
                    missing,
                    "",
                    Flaw::new("is missing: a certificate needs its key, and a key its certificate"),
                );
            }
            None
        }
    };
    let mut listen = match structured_listeners(sources) {
        Some(listen) => listen,
        None => {
            let plain = |address| Listen { address, tls: None };
            let is_set = sources.all("listen").is_some();
            let default =
                if is_set { None } else { Some(ListenAddress::Tcp(SocketAddr::from(([0, 0, 0, 0], PORT)))) };
            list(sources, "listen", ListenAddress::parse).into_iter().chain(default).map(plain).collect()
        }
    };
    for one in &mut listen {
        if one.tls.is_none() && matches!(one.address, ListenAddress::Tcp(_)) {
            one.tls.clone_from(&shared);
        }
    }
    refuse_repeated(sources, &listen);
    listen
}

fn refuse_repeated(sources: &mut Sources<'_>, listen: &[Listen]) {
    let has_port = |listen: &Listen| !matches!(listen.address, ListenAddress::Tcp(address) if address.port() == 0);
    for (at, one) in listen.iter().enumerate().filter(|(_, one)| has_port(one)) {
        if listen.iter().take(at).any(|other| other.address == one.address) {
            sources.mistake("listen", "", Flaw::new(format!("{:?} is listed twice", one.address)));
        }
    }
    if listen.is_empty() && !sources.mistakes.iter().any(|mistake| mistake.key.starts_with("listen")) {
        sources.mistake("listen", "", Flaw::new("the list is empty"));
    }
}

/// The listeners of the file, when one of them is a mapping and no flag or variable says otherwise.
fn structured_listeners(sources: &mut Sources<'_>) -> Option<Vec<Listen>> {
    let key = keys::Key::named("listen")?;
    if sources.outside_file(key).is_some() {
        return None;
    }
    let entry = sources.entry("listen")?;
    let nodes = match &entry.node {
        Node::List(items) => items.clone(),
        node @ (Node::Map(_) | Node::Text(_) | Node::Nothing) => vec![(entry.place, node.clone())],
    };
    if !nodes.iter().any(|(_, node)| matches!(node, Node::Map(_))) {
        return None;
    }
    let entries = nodes.into_iter().map(|(place, node)| Entry { place, key: "listen".to_owned(), node });
    Some(entries.collect::<Vec<_>>().iter().filter_map(|entry| listener(sources, entry)).collect())
}

/// `IP:PORT`, or `{address: IP:PORT, tls: {cert: FILE, key: FILE}}`.
fn listener(sources: &mut Sources<'_>, entry: &Entry) -> Option<Listen> {
    let Node::Map(entries) = &entry.node else {
        let given = sources.texts("listen", entry, false).pop()?;
        return Some(Listen { address: sources.parse("listen", &given, ListenAddress::parse)?, tls: None });
    };
    let origin = sources.origin(entry.place);
    let known = ["address", "tls", "tls.cert", "tls.key", "tls.client_ca"];
    for inner in entries {
        let tls = if inner.key == "tls" { inner.node.entries().unwrap_or_default() } else { &[] };
        let keys = tls.iter().map(|inner| (format!("tls.{}", inner.key), inner.place));
        for (key, place) in keys.chain([(inner.key.clone(), inner.place)]) {
            if !known.contains(&key.as_str()) {
                sources.unknown_key(&format!("listen.{key}"), place, &known, &[]);
            }
        }
    }
    let mut text = |path: &str| {
        let found = entry.node.find(path);
        let given = found.and_then(|found| sources.texts(&format!("listen.{path}"), found, false).pop());
        if given.is_none() && found.is_none() {
            sources.mistake(&format!("listen.{path}"), &origin, Flaw::new("is missing"));
        }
        given
    };
    let authorities = entry.node.find("tls.client_ca").cloned();
    let has_tls = entry.node.find("tls").is_some();
    let address = text("address");
    let (cert, key) = if has_tls { (text("tls.cert"), text("tls.key")) } else { (None, None) };
    let address = sources.parse("listen.address", &address?, ListenAddress::parse)?;
    let mut file = |name: &str, given: Option<given::Given>| sources.parse(name, &given?, readable_file);
    let (cert, key) = (file("listen.tls.cert", cert), file("listen.tls.key", key));
    let given = authorities.and_then(|entry| sources.texts("listen.tls.client_ca", &entry, false).pop());
    let client_ca = given.and_then(|given| sources.parse("listen.tls.client_ca", &given, client_ca));
    Some(Listen { address, tls: cert.zip(key).map(|(cert, key)| Tls { cert, key, client_ca }) })
}

/// The lockfile, and what is done about tools that are not as locked.
fn lock(sources: &mut Sources<'_>) -> (Option<PathBuf>, OnDrift) {
    let file = sources.parsed("lock.file", readable_file);
    let on_drift = sources.parsed("lock.on_drift", on_drift);
    if on_drift.is_some() && sources.all("lock.file").is_none() {
        let flaw = Flaw::new("is missing: without a lockfile nothing can differ from it");
        sources.mistake("lock.file", "", flaw);
    }
    (file, on_drift.unwrap_or_default())
}

fn on_drift(text: &str) -> Result<OnDrift, Flaw> {
    Ok(match text {
        "warn" => OnDrift::Warn,
        "shadow" => OnDrift::Shadow,
        "quarantine" => OnDrift::Quarantine,
        _ => return Err(Flaw::new("neither `warn`, `shadow` nor `quarantine`")),
    })
}

/// How much of arguments is recorded.
fn extent(text: &str) -> Result<Extent, Flaw> {
    Ok(match text {
        "none" => Extent::None,
        "names" => Extent::Names,
        "hashed" => Extent::Hashed,
        "full" => Extent::Full,
        _ => return Err(Flaw::new("neither `none`, `names`, `hashed` nor `full`")),
    })
}

/// A file with certificate authorities.
fn client_ca(text: &str) -> Result<PathBuf, Flaw> {
    crate::serve::tls::clients(Path::new(text)).map(|_| PathBuf::from(text)).map_err(Flaw::new)
}

#[cfg(test)]
mod tests;
