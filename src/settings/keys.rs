//! The settings of `serve`, one row each: its key in the file, and by rule its flag and its variable.

/// One setting.
#[derive(Debug)]
pub(super) struct Key {
    /// The key in the file; a dot where it lies one level deeper.
    pub(super) name: &'static str,
    /// What stands for the value in the help.
    pub(super) value: &'static str,
    /// What it is, and its default.
    pub(super) help: &'static str,
    /// Whether several values can be given: a repeated flag, a variable with commas, a list in the file.
    pub(super) takes_many: bool,
    /// The heading in the help; none for the common ones.
    pub(super) heading: Option<&'static str>,
}

impl Key {
    /// The flag without its dashes.
    pub(super) fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }

    /// The environment variable.
    pub(super) fn variable(&self) -> String {
        format!("TOOLGATE_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// The row of that name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }
}

const fn one(name: &'static str, value: &'static str, help: &'static str, heading: Option<&'static str>) -> Key {
    Key { name, value, help, takes_many: false, heading }
}

const fn many(name: &'static str, value: &'static str, help: &'static str, heading: Option<&'static str>) -> Key {
    Key { name, value, help, takes_many: true, heading }
}

const MAIN: Option<&str> = None;
const ISSUER: Option<&str> = Some("One issuer (several: `issuers` in the file)");
const DOORS: Option<&str> = Some("Listeners");
const PROOFS: Option<&str> = Some("Proofs of possession");
const LIMITS: Option<&str> = Some("Limits");

/// Every setting that is not a structure of the file.
pub(super) const KEYS: &[Key] = &[
    one("upstream", "URL", "The MCP server: http://127.0.0.1:9000/mcp or unix:/run/mcp/server.sock#/mcp", MAIN),
    one("policy", "FILE", "The policy; without one everything would be refused", MAIN),
    one(
        "reload.max_lost",
        "COUNT",
        "From how many recent callers a new policy may take something [default: any number]",
        MAIN,
    ),
    one(
        "allow_policy_shadow",
        "BOOL",
        "Whether a policy with `mode: shadow` may be used: it is reported, and enforced in nothing [default: false]",
        MAIN,
    ),
    one("revocations", "FILE", "Tokens, subjects, clients and sessions that are refused at once", MAIN),
    one(
        "public_url",
        "URL",
        "What clients call this server: the resource identifier, and where it is served [default: http://localhost:PORT and the upstream's path]",
        MAIN,
    ),
    one(
        "session_key_file",
        "FILE",
        "At least 32 bytes, the same on all replicas [default: random per process]",
        MAIN,
    ),
    many(
        "identity_headers",
        "NAME=CLAIM",
        "Headers that tell the upstream who calls; in the file a mapping of names to claims [default: none]",
        MAIN,
    ),
    one(
        "identity_token.key_file",
        "FILE",
        "A private key on P-256 (PEM or JWK): a token it signs tells the upstream who calls [default: none is sent]",
        MAIN,
    ),
    one("identity_token.header", "NAME", "The header with that token [default: X-Toolgate-Identity]", MAIN),
    one("identity_token.audience", "NAME", "Its `aud` [default: the upstream, as configured]", MAIN),
    one("identity_token.life", "TIME", "For how long it is good, at most 60s [default: 60s]", MAIN),
    one("lock.file", "FILE", "What tools may say of themselves: see `toolgate policy lock` [default: none]", MAIN),
    one(
        "lock.on_drift",
        "ACTION",
        "What is done about tools that say something else: warn, shadow or quarantine [default: quarantine]",
        MAIN,
    ),
    one("audit.file", "WHERE", "Where audit lines go: stdout, stderr, none or a file [default: stdout]", MAIN),
    one(
        "audit.arguments",
        "EXTENT",
        "What audit lines tell of arguments: none, names, hashed or full [default: none]",
        MAIN,
    ),
    one("threads", "COUNT", "Worker threads [default: the cores this process may use]", MAIN),
    one("issuer", "NAME", "The exact `iss` of accepted tokens", ISSUER),
    one(
        "jwks_uri",
        "URL",
        "Where its public keys are fetched [default: where the issuer, a URL, publishes them]",
        ISSUER,
    ),
    one("jwks_file", "FILE", "The issuer's public keys (RFC 7517)", ISSUER),
    one("secret_file", "FILE", "The secret shared with the issuer, for HS256", ISSUER),
    many(
        "audience",
        "NAME",
        "Whom a token must be meant for; `none` turns the check off [default: the public URL]",
        ISSUER,
    ),
    one("ca_file", "FILE", "Certificate authorities (PEM) to trust for it beside the public ones", ISSUER),
    one(
        "allow_http",
        "BOOL",
        "Whether it may be asked in clear, which only a safe network bears [default: false]",
        ISSUER,
    ),
    many(
        "provider_networks",
        "NETWORK",
        "Addresses it may have beside public ones: `private`, or ranges such as 10.0.0.0/8 [default: none]",
        ISSUER,
    ),
    many("listen", "ADDRESS", "IP:PORT or unix:PATH [default: 0.0.0.0:8080]", DOORS),
    one("admin", "ADDRESS", "IP:PORT of /metrics, /livez and /readyz [default: 0.0.0.0:9090]", DOORS),
    one("tls.cert", "FILE", "Certificate chain (PEM) of all TCP listeners that have none of their own", DOORS),
    one("tls.key", "FILE", "Its private key (PEM)", DOORS),
    one("tls.client_ca", "FILE", "Authorities (PEM) of the certificates that clients may show", DOORS),
    many(
        "allowed_hosts",
        "HOST",
        "Accepted Host, with or without port [default: the public URL's; loopback on loopback]",
        DOORS,
    ),
    many(
        "allowed_origins",
        "ORIGIN",
        "Accepted Origin, such as https://app.example.com [default: the public URL's own]",
        DOORS,
    ),
    one("dpop.required", "BOOL", "Whether every token must be bound to a DPoP key [default: false]", PROOFS),
    one("dpop.nonce", "BOOL", "Whether proofs must contain a nonce of this gateway [default: false]", PROOFS),
    one("dpop.max_age", "TIME", "How old a proof may be [default: 300s]", PROOFS),
    one("limits.body", "SIZE", "The largest request body [default: 4MiB]", LIMITS),
    one("limits.depth", "COUNT", "The deepest nesting of a request body [default: 128]", LIMITS),
    one("limits.batch", "COUNT", "Messages in one batch of MCP 2025-03-26; 0 refuses batches [default: 0]", LIMITS),
    one("limits.response", "SIZE", "The largest answer that is held to be filtered [default: 16MiB]", LIMITS),
    one("limits.response_event", "SIZE", "The largest event of a stream [default: 16MiB]", LIMITS),
    one(
        "limits.list_ttl",
        "TIME",
        "For how long clients may take a list for fresh, at most [default: 60s]",
        LIMITS,
    ),
    one("limits.header_timeout", "TIME", "For a request's head to arrive [default: 10s]", LIMITS),
    one("limits.body_timeout", "TIME", "For a request's body to arrive [default: 30s]", LIMITS),
    one("limits.upstream_connect_timeout", "TIME", "For a connection to the upstream [default: 2s]", LIMITS),
    one("limits.upstream_timeout", "TIME", "For the head of the upstream's answer [default: 300s]", LIMITS),
    one("limits.keepalive", "TIME", "How long an idle connection is kept [default: 60s]", LIMITS),
    one("limits.streams", "COUNT", "Requests and streams under way at once [default: 10000]", LIMITS),
    one(
        "limits.streams_per_caller",
        "COUNT",
        "Requests and streams of one caller under way at once [default: 1000]",
        LIMITS,
    ),
    one("limits.grace", "TIME", "For what is under way to end after SIGTERM [default: 25s]", LIMITS),
    one("limits.shutdown_delay", "TIME", "Between SIGTERM and the closing of the listeners [default: 0s]", LIMITS),
];

/// Keys of the file that later versions have. Refused by name: to ignore one would be to promise what it promises.
pub(super) const NOT_YET: &[(&str, &str)] =
    &[("exposure_guard", "the exposure guard is not supported in this version")];
