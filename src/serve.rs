//! From settings to a running gateway, and from a signal to its end.

pub mod admin;
mod questions;
pub mod signals;
pub mod tls;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use pingora_core::listeners::{ListenerConfig, TcpSocketOptions};
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server};
use pingora_core::services::listening::Service;

use crate::gateway::door::Door;
use crate::gateway::identity::IdentityTokens;
use crate::gateway::listed::Listed;
use crate::gateway::record::Report;
use crate::gateway::upstream::{Target, Upstream, UpstreamSettings};
use crate::gateway::{self, Config, Gateway, Parts, metadata};
use crate::live::guarded::Guarded;
use crate::live::recent::Recent;
use crate::live::{self, Held, Live, Reload};
use crate::pin::OnDrift;
use crate::pinned::Pinned;
use crate::record::arguments::Arguments;
use crate::remote::{Exchanger, KeyRing, Verifier};
use crate::report::audit::Audit;
use crate::report::metrics::Metrics;
use crate::revoked::Revoked;
use crate::session::Sealer;
use crate::settings::{self, ListenAddress, PublicUrl, Settings, Tls};
use crate::token::DpopTerms;
use admin::Admin;
use signals::Signals;

/// Exit code for a configuration or policy that is wrong (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// All that a gateway needs to run, checked.
pub struct Plan {
    /// Where it listens; no port is 0 any more.
    pub listen: Vec<(ListenAddress, Option<Tls>)>,
    /// Where the operator asks.
    pub admin: SocketAddr,
    /// What holds the ports that the system chose.
    pub reserved: Vec<tokio::net::TcpSocket>,
    /// How requests are judged.
    pub config: Config,
    /// Whose tokens are taken.
    pub verifier: Verifier,
    /// On which terms DPoP proofs are accepted.
    pub dpop: DpopTerms,
    /// Where all is counted.
    pub metrics: Arc<Metrics>,
    /// What binds sessions to their owners.
    pub sealer: Sealer,
    /// Where requests go.
    pub upstream: UpstreamSettings,
    /// Where tokens for the upstream come from, if it gets one.
    pub exchanger: Option<Exchanger>,
    /// What signs who calls, and the file of its key.
    pub identity: Option<(Arc<IdentityTokens>, PathBuf)>,
    /// The first policy, in force.
    pub live: Live,
    /// Who called lately, and what the next one may take from them.
    pub recent: Recent,
    /// The file that is watched for the next one.
    pub policy_file: Option<PathBuf>,
    /// What is revoked at the start.
    pub revoked: Revoked,
    /// The file that is watched for what is revoked next.
    pub revocations_file: Option<PathBuf>,
    /// What the server may say of its tools, and the file that says so.
    pub pinned: Option<(Arc<Pinned>, PathBuf)>,
    /// Where decisions are written down.
    pub audit: settings::AuditTarget,
    /// What is written down of arguments.
    pub arguments: Arguments,
    /// Worker threads.
    pub threads: usize,
    /// For what is under way to end after SIGTERM.
    pub grace: Duration,
    /// Between SIGTERM and the closing of the listeners.
    pub shutdown_delay: Duration,
}

/// Runs the gateway until a signal ends it.
pub fn run(settings: &Settings) -> ExitCode {
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    signals::hold_hang_up();
    match plan(settings) {
        Ok(plan) => {
            announce(&plan);
            start(plan)
        }
        Err(trouble) => {
            say(&trouble);
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

/// Tells the operator one thing.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn announce(plan: &Plan) {
    let snapshot = plan.live.snapshot();
    say(&format!("toolgate {} serving {}", env!("CARGO_PKG_VERSION"), plan.config.resource));
    for (address, tls) in &plan.listen {
        let scheme = if tls.is_some() { "https" } else { "http" };
        match address {
            ListenAddress::Tcp(address) => {
                say(&format!("  listening  {scheme}://{address}{}", plan.config.endpoint))
            }
            ListenAddress::Unix(path) => say(&format!("  listening  unix:{}", path.display())),
        }
    }
    say(&format!("  admin      http://{}/readyz  /metrics", plan.admin));
    say(&format!("  upstream   {}", describe(&plan.upstream)));
    say(&format!("  policy     {} rules", snapshot.policy.rule_count()));
    warn_of_shadow(&plan.live);
}

/// A gateway that enforces nothing must say so.
fn warn_of_shadow(live: &Live) {
    if live.is_shadow() {
        say("warning: the policy is in shadow: every caller with a valid token may do everything");
    }
}

fn describe(upstream: &UpstreamSettings) -> String {
    match &upstream.target {
        Target::Tcp(address) => format!("http://{address}{}", upstream.path),
        Target::Unix(path) => format!("unix:{}#{}", path.display(), upstream.path),
    }
}

fn plan(settings: &Settings) -> Result<Plan, String> {
    let text = live::read_file(&settings.policy)?;
    let live = Live::new(settings.allow_policy_shadow);
    if let Reload::Kept(trouble) = live.replace(&settings.policy.display().to_string(), &text) {
        return Err(trouble);
    }
    let revoked = revoked(settings)?;
    let key = match &settings.session_key {
        Some(key) => key.expose().to_vec(),
        None => random_key()?.to_vec(),
    };
    let mut reserved = Vec::new();
    let mut listen = Vec::new();
    for one in &settings.listen {
        let address = match &one.address {
            ListenAddress::Tcp(address) => ListenAddress::Tcp(claim(*address, &mut reserved)?),
            ListenAddress::Unix(path) => ListenAddress::Unix(path.clone()),
        };
        listen.push((address, one.tls.clone()));
    }
    let admin = claim(settings.admin, &mut reserved)?;
    let port = listen.iter().find_map(|(address, _)| match address {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    });
    let public_url = settings.public_url_at(port.unwrap_or(80));
    let metrics = metrics(settings.issuers.iter().map(|issuer| issuer.name()))?;
    let ring = KeyRing::start(&settings.issuers, &public_url, &metrics)?;
    let verifier = Verifier::new(ring, &settings.issuers, &metrics)?;
    let pinned = settings.lock.as_ref().map(|file| pinned(file, settings.on_drift, &metrics)).transpose()?;
    Ok(Plan {
        listen,
        admin,
        reserved,
        config: config(settings, &public_url),
        verifier,
        dpop: settings.dpop.terms(&key),
        sealer: Sealer::new(&key),
        upstream: upstream(settings),
        exchanger: settings.upstream_token.as_ref().map(|token| Exchanger::new(token, &metrics)).transpose()?,
        metrics,
        identity: settings.identity_token.as_ref().map(|token| identity(token, &public_url)).transpose()?,
        live,
        recent: Recent::new(settings.reload_max_lost),
        policy_file: Some(settings.policy.clone()),
        revoked,
        revocations_file: settings.revocations.clone(),
        pinned,
        audit: settings.audit.clone(),
        arguments: Arguments::new(settings.audit_arguments, &key),
        threads: settings.threads,
        grace: settings.limits.grace,
        shutdown_delay: settings.limits.shutdown_delay,
    })
}

/// What is revoked at the start. Without the list that is configured nobody could be told apart.
fn revoked(settings: &Settings) -> Result<Revoked, String> {
    let revoked = Revoked::default();
    if let Some(file) = &settings.revocations
        && let Reload::Kept(trouble) = revoked.replace(&file.display().to_string(), &live::read_file(file)?)
    {
        return Err(trouble);
    }
    Ok(revoked)
}

/// What is locked at the start. Without the lockfile that is configured no tool could be told from another.
fn pinned(file: &Path, on_drift: OnDrift, metrics: &Arc<Metrics>) -> Result<(Arc<Pinned>, PathBuf), String> {
    let pinned = Pinned::new(on_drift, Arc::clone(metrics));
    match pinned.replace(&file.display().to_string(), &live::read_file(file)?) {
        Reload::Done(_) => Ok((Arc::new(pinned), file.to_owned())),
        Reload::Kept(trouble) => Err(trouble),
    }
}

fn identity(
    settings: &settings::IdentityToken,
    public_url: &PublicUrl,
) -> Result<(Arc<IdentityTokens>, PathBuf), String> {
    let file = &settings.key_file;
    let tokens = IdentityTokens::new(settings, public_url.as_str(), &live::read_file(file)?);
    let tokens = tokens.map_err(|trouble| format!("{}: {trouble}", file.display()))?;
    Ok((Arc::new(tokens), file.clone()))
}

/// A key of this process alone: sessions end with it.
pub(crate) fn random_key() -> Result<[u8; 32], String> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(key)
}

fn upstream(settings: &Settings) -> UpstreamSettings {
    let target = match &settings.upstream {
        settings::Upstream::Tcp { host, port, .. } if host.contains(':') => Target::Tcp(format!("[{host}]:{port}")),
        settings::Upstream::Tcp { host, port, .. } => Target::Tcp(format!("{host}:{port}")),
        settings::Upstream::Unix { socket, .. } => Target::Unix(socket.clone()),
    };
    UpstreamSettings {
        target,
        path: settings.upstream.path().to_owned(),
        host: settings.upstream.authority(),
        connect_timeout: settings.limits.upstream_connect_timeout,
        answer_timeout: settings.limits.upstream_timeout,
    }
}

fn config(settings: &Settings, public_url: &PublicUrl) -> Config {
    let limits = &settings.limits;
    let servers = settings.issuers.iter().map(|issuer| issuer.name());
    Config {
        endpoint: public_url.path().to_owned(),
        resource: public_url.as_str().to_owned(),
        metadata_url: metadata::metadata_url(&public_url.origin(), public_url.path()),
        authorization_servers: servers
            .filter(|name| name.starts_with("https://") || name.starts_with("http://"))
            .map(ToOwned::to_owned)
            .collect(),
        allowed_hosts: settings.hosts(public_url),
        allowed_origins: settings.origins(public_url),
        allow_loopback_origins: false,
        identity_headers: settings.identity_headers.clone(),
        takes_certificates: settings
            .listen
            .iter()
            .any(|listen| listen.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())),
        is_dpop_required: settings.dpop.required,
        limits: gateway::Limits::from(limits),
    }
}

/// Makes sure that the address can be listened on, and finds a port where the system is to choose.
///
/// # Errors
/// What the operator should read.
pub fn claim(address: SocketAddr, reserved: &mut Vec<tokio::net::TcpSocket>) -> Result<SocketAddr, String> {
    let trouble = |error: std::io::Error| format!("cannot listen on {address}: {error}");
    if address.port() != 0 {
        // Pingora binds later, and does not say what went wrong.
        TcpListener::bind(address).map_err(trouble)?;
        return Ok(address);
    }
    // Held, but not listening: nobody else is given the port, and Pingora may share it.
    let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() };
    let socket = socket.map_err(trouble)?;
    socket.set_reuseport(true).map_err(trouble)?;
    socket.bind(address).map_err(trouble)?;
    let chosen = socket.local_addr().map_err(trouble)?;
    reserved.push(socket);
    Ok(chosen)
}

/// Starts everything, and returns when it has ended.
pub fn start(plan: Plan) -> ExitCode {
    let (audit, report) = match reporting(&plan.metrics, &plan.audit, plan.arguments) {
        Ok(parts) => parts,
        Err(trouble) => return misconfigured(&trouble),
    };
    let live = Arc::new(plan.live);
    report.policy_in_force(live.snapshot().generation);
    report.policy_shadow(live.is_shadow());
    let recent = Arc::new(plan.recent);
    let revoked = Arc::new(plan.revoked);
    let under_way = Arc::new(AtomicUsize::new(0));
    let upstream = Arc::new(Upstream::new(plan.upstream));
    let listed = Arc::<Listed>::default();
    let keys = Arc::clone(plan.verifier.ring());
    let gateway = Gateway::new(Parts {
        config: plan.config,
        live: Arc::clone(&live),
        recent: Arc::clone(&recent),
        revoked: Arc::clone(&revoked),
        verifier: plan.verifier,
        dpop: plan.dpop,
        sealer: plan.sealer,
        upstream: Arc::clone(&upstream),
        exchanger: plan.exchanger,
        identity: plan.identity.as_ref().map(|(tokens, _)| Arc::clone(tokens)),
        pinned: plan.pinned.as_ref().map(|(pinned, _)| Arc::clone(pinned)),
        listed: Arc::clone(&listed),
        report: Arc::clone(&report),
        under_way: Arc::clone(&under_way),
    });
    let signals = Arc::new(Signals::new(plan.shutdown_delay, under_way, audit));
    let admin = Admin {
        live: Arc::clone(&live),
        revoked: Arc::clone(&revoked),
        keys,
        identity: plan.identity.as_ref().map(|(tokens, _)| Arc::clone(tokens)),
        upstream,
        pinned: plan.pinned.as_ref().map(|(pinned, _)| Arc::clone(pinned)),
        listed,
        decisions: Arc::clone(report.decisions()),
        metrics: plan.metrics,
        signals: Arc::clone(&signals),
    };
    let mut server = Server::new_with_opt_and_conf(None, server_conf(plan.threads, plan.grace));
    server.bootstrap();
    let is_shared = !plan.reserved.is_empty();
    let public = match public(gateway, &plan.listen, plan.threads, is_shared) {
        Ok(public) => public,
        Err(trouble) => return misconfigured(&trouble),
    };
    server.add_service(public);
    server.add_service(operator(admin, plan.admin, is_shared));
    let watched = (Guarded::new(Arc::clone(&live), recent, signals.asked()), live);
    watch_files((plan.policy_file, watched), (plan.revocations_file, revoked), plan.identity, &signals, &report);
    watch_lock(plan.pinned, &signals, &report);
    server.run(RunArgs { shutdown_signal: Box::new(signals::Watch(Arc::clone(&signals))) });
    drop(plan.reserved);
    signals.finish();
    ExitCode::SUCCESS
}

/// The operator's listener.
fn operator(admin: Admin, address: SocketAddr, is_shared: bool) -> Service<Admin> {
    let mut operator = Service::new("admin".to_owned(), admin);
    operator.threads = Some(1);
    operator.add_listener(tcp(address, is_shared));
    operator
}

fn misconfigured(trouble: &str) -> ExitCode {
    say(trouble);
    ExitCode::from(EXIT_CONFIG)
}

/// The gateway on all its listeners.
fn public(
    gateway: Gateway,
    listen: &[(ListenAddress, Option<Tls>)],
    threads: usize,
    is_shared: bool,
) -> Result<Service<Door>, String> {
    let mut public = Service::new("gateway".to_owned(), Door::new(gateway));
    public.threads = Some(threads);
    for (address, tls) in listen {
        public.add_listener(listener(address, tls.as_ref(), is_shared)?);
    }
    Ok(public)
}

/// All numbers at zero, with a row for each of these issuers.
///
/// # Errors
/// What the operator should read.
pub fn metrics<'a>(issuers: impl Iterator<Item = &'a str>) -> Result<Arc<Metrics>, String> {
    Metrics::new(issuers).map(Arc::new).map_err(|error| format!("metrics: {error}"))
}

fn reporting(
    metrics: &Arc<Metrics>,
    target: &settings::AuditTarget,
    arguments: Arguments,
) -> Result<(Audit, Arc<Report>), String> {
    let audit = Audit::start(target, metrics.audit_dropped()).map_err(|error| format!("audit: {error}"))?;
    let [a, b, c, d, e, f, g, h, ..] = random_key()?;
    let seed = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let report = Arc::new(Report::new(Arc::clone(metrics), audit.clone(), arguments, seed));
    Ok((audit, report))
}

fn server_conf(threads: usize, grace: Duration) -> ServerConf {
    ServerConf {
        threads,
        // One thread needs nobody who could take work from it. With several, runtimes that share no work may spin for
        // ever at the end: one accepts for a listener of another that is gone.
        work_stealing: threads > 1,
        // Pingora's default of 300 s is longer than any pod's.
        grace_period_seconds: Some(grace.as_secs()),
        graceful_shutdown_timeout_seconds: Some(1),
        // Pingora's own timeouts have a clock that ticks a hundred times a second from the first connection on. With this those of a
        // second and more, which are all that HTTP/1 has, are tokio's; an idle HTTP/2 connection still starts it.
        fast_timeout_to_tokio_threshold_seconds: Some(0),
        ..ServerConf::default()
    }
}

/// Has all that may change while the gateway runs follow its file.
fn watch_files(
    (policy_file, (guarded, live)): (Option<PathBuf>, (Guarded, Arc<Live>)),
    (revocations_file, revoked): (Option<PathBuf>, Arc<Revoked>),
    identity: Option<(Arc<IdentityTokens>, PathBuf)>,
    signals: &Signals,
    report: &Arc<Report>,
) {
    if let Some(file) = policy_file {
        let report = Arc::clone(report);
        watch("policy", file, Arc::new(guarded), signals, move |reload| {
            report.reloaded(reload);
            report.policy_shadow(live.is_shadow());
            warn_of_shadow(&live);
        });
    }
    if let Some(file) = revocations_file {
        let report = Arc::clone(report);
        watch("revocations", file, revoked, signals, move |reload| report.revocations_reloaded(reload));
    }
    if let Some((tokens, file)) = identity {
        watch("identity key", file, tokens, signals, |_| {});
    }
}

/// Has the lockfile followed.
fn watch_lock(pinned: Option<(Arc<Pinned>, PathBuf)>, signals: &Signals, report: &Arc<Report>) {
    let Some((pinned, file)) = pinned else { return };
    let report = Arc::clone(report);
    watch("lock", file, pinned, signals, move |reload| report.lock_reloaded(reload));
}

/// Puts what is written in `file` into force whenever it changes.
fn watch(
    what: &'static str,
    file: PathBuf,
    held: Arc<impl Held + Send + Sync + 'static>,
    signals: &Signals,
    report: impl Fn(&Reload) + Send + 'static,
) {
    let stop: Arc<AtomicBool> = signals.stop();
    std::thread::spawn(move || {
        live::watch(&file, &*held, &stop, |reload| {
            report(reload);
            match reload {
                Reload::Done(generation) => say(&format!("{what}: generation {generation} is in force")),
                Reload::Kept(trouble) => say(&format!("{what}: the last good one stays in force\n{trouble}")),
            }
        });
    });
}

fn listener(address: &ListenAddress, tls: Option<&Tls>, is_shared: bool) -> Result<ListenerConfig, String> {
    let listener = match address {
        ListenAddress::Tcp(address) => tcp(*address, is_shared),
        ListenAddress::Unix(path) => {
            use std::os::unix::fs::PermissionsExt as _;
            let path = path.to_str().ok_or("the path of the socket is not UTF-8")?;
            ListenerConfig::uds(path).permissions(std::fs::Permissions::from_mode(0o660))
        }
    };
    // What arrives is read to where it is needed, and what leaves does so in one piece: Pingora's own 64 KiB for each
    // connection would be most of what a stream that stands open takes.
    let listener = listener.l4_buffer(L4BufferSettings::unbuffered());
    match tls {
        Some(tls) => Ok(listener.tls(tls::settings(tls)?)),
        None => Ok(listener),
    }
}

fn tcp(address: SocketAddr, is_shared: bool) -> ListenerConfig {
    let mut options = TcpSocketOptions::default();
    options.so_reuseport = is_shared.then_some(true);
    ListenerConfig::tcp(address.to_string()).tcp_socket_options(options)
}
