//! `toolgate demo`: gateway, sample upstream and development keys in one process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::gateway::upstream::{Target, UpstreamSettings};
use crate::gateway::{Config, Limits, metadata, now};
use crate::live::recent::Recent;
use crate::live::{self, Live, Reload};
use crate::record::arguments::{Arguments, Extent};
use crate::remote::{KeyRing, Verifier};
use crate::report::metrics::Metrics;
use crate::revoked::Revoked;
use crate::serve::{self, EXIT_CONFIG, Plan, random_key, say};
use crate::session::Sealer;
use crate::settings::args::DemoArgs;
use crate::settings::{AuditTarget, HostRule, ListenAddress};
use crate::token::{Algorithm, DpopTerms, IdentityHeaders, Issuer, Issuers, KeySet, Mint, mint_hs256};

/// The policy of the demonstration, unless another is given.
const SAMPLE_POLICY: &str = include_str!("../policy/sample.yaml");
/// How long the tokens that are printed are valid, in seconds.
const TOKEN_LIFE: u64 = 8 * 3600;

/// Runs the demonstration until a signal ends it.
pub fn run(args: &DemoArgs) -> ExitCode {
    match plan(args) {
        Ok((plan, secret)) => {
            greet_when_up(&plan, secret.as_bytes());
            serve::start(plan)
        }
        Err(trouble) => {
            say(&trouble);
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn plan(args: &DemoArgs) -> Result<(Plan, String), String> {
    let mut reserved = Vec::new();
    let listen = serve::claim(args.listen, &mut reserved)?;
    let admin = serve::claim(args.admin, &mut reserved)?;
    let live = Live::default();
    let (name, text) = match &args.policy {
        Some(file) => (file.display().to_string(), live::read(file)?),
        None => ("policy/sample.yaml".to_owned(), SAMPLE_POLICY.to_owned()),
    };
    if let Reload::Kept(trouble) = live.replace(&name, &text) {
        return Err(trouble);
    }
    let secret = match &args.secret {
        Some(secret) => secret.clone(),
        None => URL_SAFE_NO_PAD.encode(random_key()?),
    };
    let mut issuer = Issuer::new("toolgate-demo", []);
    issuer.require_iss = false;
    issuer.algorithms = Algorithm::SYMMETRIC.into();
    issuer.keys = Some(Arc::new(KeySet::from_secret_unchecked(secret.as_bytes())));
    let port = start_upstream(args)?;
    let metrics = serve::metrics(std::iter::once(&*issuer.name))?;
    let plan = Plan {
        listen: vec![(ListenAddress::Tcp(listen), None)],
        admin,
        reserved,
        config: config(listen),
        verifier: verifier(issuer, &metrics)?,
        metrics,
        dpop: DpopTerms::default(),
        sealer: Sealer::new(&random_key()?),
        upstream: UpstreamSettings {
            target: Target::Tcp(format!("127.0.0.1:{port}")),
            path: "/mcp".to_owned(),
            host: format!("127.0.0.1:{port}"),
            connect_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(300),
        },
        exchanger: None,
        identity: None,
        live,
        recent: Recent::default(),
        policy_file: args.policy.clone(),
        revoked: Revoked::default(),
        revocations_file: None,
        pinned: None,
        audit: AuditTarget::Stdout,
        arguments: Arguments::new(Extent::None, &[]),
        threads: 2,
        grace: Duration::from_secs(5),
        shutdown_delay: Duration::ZERO,
    };
    Ok((plan, secret))
}

fn verifier(issuer: Issuer, metrics: &Arc<Metrics>) -> Result<Verifier, String> {
    let issuers = Issuers::new(vec![issuer]).map_err(|error| error.to_string())?;
    Verifier::new(KeyRing::fixed(issuers), &[], metrics)
}

fn config(listen: SocketAddr) -> Config {
    let origin = format!("http://{}", reachable(listen));
    Config {
        endpoint: "/mcp".to_owned(),
        resource: format!("{origin}/mcp"),
        metadata_url: metadata::metadata_url(&origin, "/mcp"),
        authorization_servers: Vec::new(),
        allowed_hosts: HostRule::loopback().chain([HostRule::of_address(listen)]).collect(),
        allowed_origins: Vec::new(),
        allow_loopback_origins: true,
        identity_headers: IdentityHeaders::default(),
        is_dpop_required: false,
        takes_certificates: false,
        limits: Limits::default(),
    }
}

/// The address as a client on this machine writes it.
fn reachable(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() { ([127, 0, 0, 1], listen.port()).into() } else { listen }
}

/// Starts the sample server on a free port of its own, in a thread of its own.
fn start_upstream(args: &DemoArgs) -> Result<u16, String> {
    let folder =
        args.documents.clone().or_else(|| Path::new("documents").is_dir().then(|| PathBuf::from("documents")));
    let options =
        upstream_mcp::Options { documents: folder, calls_log: calls_log(), ..upstream_mcp::Options::default() };
    let (started, port) = mpsc::channel();
    std::thread::spawn(move || {
        let work = async {
            let listener = upstream_mcp::bind_tcp(([127, 0, 0, 1], 0).into()).await?;
            let port = listener.local_addr()?.port();
            let _ = started.send(Ok(port));
            upstream_mcp::serve_tcp(listener, options, std::future::pending()).await
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Err(error) = runtime.and_then(|runtime| runtime.block_on(work)) {
            let _ = started.send(Err(error));
        }
    });
    match port.recv() {
        Ok(Ok(port)) => Ok(port),
        Ok(Err(error)) => Err(format!("the sample server cannot start: {error}")),
        Err(_) => Err("the sample server cannot start".to_owned()),
    }
}

/// As the sample server does when it runs by itself.
fn calls_log() -> Option<PathBuf> {
    std::env::var_os("MCP_CALLS_LOG").map(PathBuf::from)
}

/// Says what can be done, as soon as it can be done.
fn greet_when_up(plan: &Plan, secret: &[u8]) {
    let Some((ListenAddress::Tcp(listen), _)) = plan.listen.first() else { return };
    let (listen, admin) = (reachable(*listen), reachable(plan.admin));
    let expires = now().0.plus(TOKEN_LIFE);
    let public = mint_hs256(secret, &Mint::new("alice", &["public:read"], expires));
    let full = mint_hs256(secret, &Mint::new("bob", &["public:read", "confidential:read"], expires));
    let text = greeting(listen, admin, &public, &full);
    std::thread::spawn(move || {
        // Bounded: what does not come up within seconds has said why by itself.
        for _ in 0..500 {
            let is_up = |address| std::net::TcpStream::connect(address).is_ok();
            if is_up(listen) && is_up(admin) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        say(&text);
    });
}

fn greeting(listen: SocketAddr, admin: SocketAddr, public: &str, full: &str) -> String {
    let url = format!("http://{listen}/mcp");
    format!(
        "toolgate demo: a gateway at {url}, with a sample MCP server behind it

alice may read what is public:
  claude mcp add --transport http acme-public {url} --header \"Authorization: Bearer {public}\"

bob may read what is confidential, too:
  claude mcp add --transport http acme {url} --header \"Authorization: Bearer {full}\"

Without Claude Code, a call by hand (alice; put bob's token in to see the difference):
  curl -s {url} -H \"Authorization: Bearer {public}\" \\
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
    -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' \\
    -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{{\"_meta\":{{\
\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
\"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}'

metrics http://{admin}/metrics   health http://{admin}/readyz
why?    http://{admin}/explain?tool=get_confidential_info&scope=public:read
Each decision is a line of JSON on standard output. Ctrl-C ends all of it.
"
    )
}
