use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use clap::Parser;

use super::args::{Cli, Task};
use super::*;

/// A folder of its own for each test, with what a working configuration needs.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Self(std::env::temp_dir().join(format!("toolgate-settings-{}-{number}", std::process::id())));
        fs::create_dir_all(&folder.0).unwrap();
        folder.write("policy.yaml", "version: 1\n");
        folder.write("secret", "0123456789abcdef0123456789abcdef\n");
        folder.write("cert.pem", "x");
        folder.write("key.pem", &private_key());
        folder
    }

    fn write(&self, name: &str, content: &str) -> String {
        fs::write(self.0.join(name), content).unwrap();
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Resolves flags, `NAME=value` variables and a file; `@` stands for this folder everywhere.
    fn resolve(&self, flags: &[&str], variables: &[&str], file: &str) -> Result<Settings, Vec<Mistake>> {
        let here = |text: &str| text.replace('@', &self.0.display().to_string());
        let mut line: Vec<String> = vec!["toolgate".into(), "serve".into()];
        line.extend(flags.iter().map(|flag| here(flag)));
        if !file.is_empty() {
            line.extend(["--config".into(), self.write("toolgate.yaml", &here(file))]);
        }
        let variables: HashMap<String, String> = variables
            .iter()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.into(), here(value)))
            .collect();
        let Task::Serve(args) = Cli::try_parse_from(line).unwrap().task else { panic!("not serve") };
        Settings::resolve(&args, &|name| variables.get(name).map(OsString::from))
    }

    /// The mistakes, with this folder's path left out.
    fn mistakes(&self, flags: &[&str], variables: &[&str], file: &str) -> Vec<String> {
        let mistakes = self.resolve(flags, variables, file).unwrap_err();
        mistakes.iter().map(|mistake| mistake.to_string().replace(&format!("{}/", self.0.display()), "")).collect()
    }
}

/// A private key in PEM form.
fn private_key() -> String {
    use base64::Engine as _;
    let rule = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key =
        aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(rule, &aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(key);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const FLAGS: &[&str] = &[
    "--upstream",
    "http://127.0.0.1:9000/mcp",
    "--policy",
    "@/policy.yaml",
    "--issuer",
    "a",
    "--secret-file",
    "@/secret",
];

const FILE: &str = "\
upstream: http://127.0.0.1:9000/mcp
policy: '@/policy.yaml'
issuers:
  - {issuer: a, secret_file: '@/secret'}
";

/// With `FILE` and these lines, exactly this mistake is found.
#[track_caller]
fn check_file(lines: &str, expected: &str) {
    assert_eq!(Folder::new().mistakes(&[], &[], &format!("{FILE}{lines}")), [expected]);
}

/// With the flags of a working configuration and these, exactly this mistake is found.
#[track_caller]
fn check_flags(flags: &[&str], expected: &str) {
    assert_eq!(Folder::new().mistakes(&[FLAGS, flags].concat(), &[], ""), [expected]);
}

#[test]
fn four_flags_are_a_configuration() {
    let settings = Folder::new().resolve(FLAGS, &[], "").unwrap();
    assert_eq!(
        settings.listen,
        [Listen { address: ListenAddress::Tcp("0.0.0.0:8080".parse().unwrap()), tls: None }]
    );
    assert_eq!(settings.admin, "0.0.0.0:9090".parse().unwrap());
    assert_eq!(settings.limits, Limits::default());
    assert_eq!((settings.audit, settings.session_key), (AuditTarget::Stdout, None));
    assert!(settings.threads >= 1 && settings.public_url.is_none());
    assert_eq!(settings.warnings.len(), 1, "{:?}", settings.warnings);
}

#[test]
fn a_secret_alone_is_an_issuer_whose_tokens_name_none() {
    let flags =
        ["--upstream", "http://127.0.0.1:9000/mcp", "--policy", "@/policy.yaml", "--secret-file", "@/secret"];
    let settings = Folder::new().resolve(&flags, &[], "").unwrap();
    let issuer = settings.issuers[0].issuer(&settings.public_url_at(8080));
    assert_eq!((&*issuer.name, issuer.require_iss), ("shared-secret", false));
    assert_eq!(
        issuer.audience,
        ["http://localhost:8080/mcp".into()].into(),
        "whom it is for is checked all the same"
    );
    let named = Folder::new().resolve(FLAGS, &[], "").unwrap();
    assert!(named.issuers[0].issuer(&named.public_url_at(8080)).require_iss);
}

#[test]
fn the_file_alone_is_a_configuration() {
    let file = "
listen: [0.0.0.0:8080, {address: '[::]:8443', tls: {cert: '@/cert.pem', key: '@/cert.pem'}}, unix:/run/t.sock]
admin: 127.0.0.1:0
upstream: unix:/run/mcp.sock#/mcp
public_url: https://mcp.example.com/mcp
policy: '@/policy.yaml'
issuers:
  - issuer: a
    secret_file: '@/secret'
    algorithms: [HS256, HS512]
    audience: [x, y]
    leeway: 0s
    require_iss: false
    scope_claims: [scope, realm_access.roles]
    required_claims: []
limits: {body: 1MiB, depth: 64, streams: 5, grace: 5s}
threads: 3
allowed_hosts: [mcp.example.com, 'localhost:8080']
allowed_origins: https://app.example.com
session_key_file: '@/secret'
audit: {file: none, arguments: hashed}
";
    let settings = Folder::new().resolve(&[], &[], file).unwrap();
    assert_eq!(settings.listen.len(), 3);
    assert_eq!(settings.listen.iter().filter(|listen| listen.tls.is_some()).count(), 1);
    assert_eq!((settings.limits.body, settings.limits.depth, settings.limits.streams), (1024 * 1024, 64, 5));
    assert_eq!(
        (settings.limits.grace, settings.limits.keepalive),
        (Duration::from_secs(5), Duration::from_secs(60))
    );
    assert_eq!((settings.threads, settings.allowed_hosts.len(), settings.allowed_origins.len()), (3, 2, 1));
    assert_eq!(settings.session_key.as_ref().unwrap().expose(), b"0123456789abcdef0123456789abcdef");
    assert_eq!((&settings.audit, settings.warnings.len()), (&AuditTarget::None, 0));
    assert_eq!(settings.audit_arguments, Extent::Hashed);
    let issuer = settings.issuers[0].issuer(&settings.public_url_at(0));
    assert_eq!((&*issuer.name, issuer.require_iss, issuer.leeway), ("a", false, 0));
    assert_eq!(issuer.audience, ["x".into(), "y".into()].into());
    assert_eq!((issuer.algorithms.len(), issuer.scope_claims.len(), issuer.required_claims.len()), (2, 2, 0));
}

#[test]
fn a_flag_beats_the_environment_and_that_the_file() {
    let folder = Folder::new();
    let file = &format!("{FILE}threads: 3\nlimits: {{body: 3KiB, depth: 33, streams: 33}}\nallowed_hosts: [c]\n");
    let variables = &[
        "TOOLGATE_THREADS=2",
        "TOOLGATE_LIMITS_BODY=2KiB",
        "TOOLGATE_ALLOWED_HOSTS=b, bb",
        "TOOLGATE_LIMITS_DEPTH=22",
    ];
    let flags = &["--threads", "1", "--limits-body", "1KiB", "--allowed-hosts", "a"];
    let all = folder.resolve(flags, variables, file).unwrap();
    assert_eq!((all.threads, all.limits.body, all.limits.depth, all.limits.streams), (1, 1024, 22, 33));
    assert!(all.allowed_hosts.len() == 1 && all.allowed_hosts[0].allows("a"));
    let two = folder.resolve(&[], variables, file).unwrap();
    assert_eq!((two.threads, two.limits.body), (2, 2048));
    assert!(two.allowed_hosts.len() == 2 && two.allowed_hosts[1].allows("bb"));
}

#[test]
fn the_file_can_be_named_by_a_variable() {
    let folder = Folder::new();
    folder.write("other.yaml", &FILE.replace('@', &folder.0.display().to_string()));
    assert!(folder.resolve(&[], &["TOOLGATE_CONFIG=@/other.yaml"], "").is_ok());
    let mistakes = folder.mistakes(&[], &["TOOLGATE_CONFIG=@/absent.yaml"], "");
    assert!(
        mistakes.len() == 1 && mistakes[0].starts_with("TOOLGATE_CONFIG: config: `absent.yaml` cannot be read"),
        "{mistakes:?}"
    );
}

#[test]
fn every_mistake_is_named_at_once() {
    let file = "\
lisen: 1
limits:
  body: 4MB
  depht: 3
threads: 0
admin: localhost:9090
issuers:
  - issuer: a
    jwks_uri: a/jwks
  - secret_file: '@/secret'
    algorithms: [HS256, RS256, none]
";
    let mistakes =
        Folder::new().mistakes(&["--public-url", "x"], &["TOOLGATE_LIMITS_GRACE=0s", "TOOLGATE_TLS_CERT="], file);
    let starts = [
        "toolgate.yaml:1:1: `lisen`: unknown key\n  hint: did you mean `listen`?",
        "toolgate.yaml:4:3: `limits.depht`: unknown key\n  hint: did you mean `limits.depth`?",
        "TOOLGATE_TLS_CERT: tls.cert: the value is empty",
        "toolgate.yaml:6:1: admin: `localhost:9090` is not an address",
        "upstream: is required\n  hint: give --upstream, TOOLGATE_UPSTREAM or `upstream` in the file",
        "policy: is required\n  hint: give --policy, TOOLGATE_POLICY or `policy` in the file",
        "--public-url: public_url: `x` is not an http(s) URL",
        "toolgate.yaml:9:5: issuers[0].jwks_uri: `a/jwks` is not an http(s) URL",
        "toolgate.yaml:10:5: issuers[1].issuer: the issuer has no name",
        "toolgate.yaml:11:25: issuers[1].algorithms: RS256 needs public keys",
        "toolgate.yaml:11:32: issuers[1].algorithms: `none` is not a supported algorithm",
        "toolgate.yaml:3:3: limits.body: `4MB` is not a size",
        "TOOLGATE_LIMITS_GRACE: limits.grace: `0s` is out of range\n  hint: allowed: 1s to 3600s",
        "toolgate.yaml:5:1: threads: `0` is out of range\n  hint: allowed: 1 to 1024",
    ];
    for start in starts {
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(start)), "{start}\n{}", mistakes.join("\n"));
    }
    assert_eq!(mistakes.len(), starts.len(), "{}", mistakes.join("\n"));
}

#[test]
fn an_identity_token_needs_a_key_for_es256() {
    let folder = Folder::new();
    let of =
        |flags: &[&str], file: &str| folder.resolve(&[FLAGS, flags].concat(), &[], file).unwrap().identity_token;
    assert_eq!(of(&[], ""), None);
    let token = of(&["--identity-token-key-file", "@/key.pem"], "").unwrap();
    assert_eq!((token.header.as_str(), &*token.audience), ("x-toolgate-identity", "http://127.0.0.1:9000/mcp"));
    assert_eq!((token.life, token.key_file), (Duration::from_secs(60), PathBuf::from(folder.path("key.pem"))));
    let file = "identity_token: {key_file: '@/key.pem', header: X-Who, audience: up, life: 5s}\n";
    let token = of(&["--identity-token-life", "7s"], file).unwrap();
    assert_eq!((token.header.as_str(), &*token.audience, token.life.as_secs()), ("x-who", "up", 7));
    for (file, expected) in [
        ("identity_token: {header: X-Who}", "identity_token.key_file: is missing"),
        ("identity_token: {key_file: '@/policy.yaml'}", "identity_token.key_file: the key is neither"),
        ("identity_token: {key_file: '@/none'}", "identity_token.key_file: "),
        ("identity_token: {key_file: ''}", "identity_token.key_file: the value is empty"),
        (
            "identity_token: {key_file: '@/key.pem', header: Authorization}",
            "identity_token.header: `Authorization` means",
        ),
        ("identity_token: {key_file: '@/key.pem', header: X_Who}", "identity_token.header: `X_Who` is not"),
        (
            "identity_token: {key_file: '@/key.pem'}\nidentity_headers: {X-Toolgate-Identity: sub}",
            "identity_token.header: `x-toolgate-identity` is one of `identity_headers` too",
        ),
        ("identity_token: {key_file: '@/key.pem', life: 61s}", "identity_token.life: `61s` is out of range"),
        ("identity_token: {key_file: '@/key.pem', life: 1s}", "identity_token.life: `1s` is out of range"),
        ("identity_token: {key_file: '@/key.pem', kid: a}", "`identity_token.kid`: unknown key"),
        ("identity_token: on", "identity_token: a mapping of keys to values belongs here"),
        (
            "identity_token: {key_file: '@/key.pem', header: x-a}\nidentity_headers: {X-A: sub}",
            "identity_token.header: `x-a` is one of `identity_headers` too",
        ),
    ] {
        let mistakes = folder.mistakes(FLAGS, &[], &format!("{file}\n"));
        assert_eq!(mistakes.len(), 1, "{file}: {mistakes:?}");
        assert!(mistakes[0].contains(expected), "{file}: {mistakes:?}");
    }
}

#[test]
fn keys_of_the_file_are_exact_and_of_their_kind() {
    check_file(
        "identity_headers: {Host: sub}\n",
        "toolgate.yaml:5:1: identity_headers: `Host` means something of its own to HTTP or MCP",
    );
    check_file(
        "audit: {arguments: all}\n",
        "toolgate.yaml:5:9: audit.arguments: neither `none`, `names`, `hashed` nor `full`",
    );
    check_file("Threads: 1\n", "toolgate.yaml:5:1: `Threads`: unknown key\n  hint: did you mean `threads`?");
    check_file("config: a\n", "toolgate.yaml:5:1: `config`: unknown key");
    check_file("limits: 3\n", "toolgate.yaml:5:1: limits: a mapping of keys to values belongs here");
    check_file("threads: [1]\n", "toolgate.yaml:5:1: threads: a list stands where one value belongs");
    check_file("threads: {a: 1}\n", "toolgate.yaml:5:1: threads: a mapping stands where a value belongs");
    check_file("threads:\n", "toolgate.yaml:5:1: threads: there is no value");
    check_file(
        "threads: ''\n",
        "toolgate.yaml:5:1: threads: the value is empty\n  hint: remove it or give a value",
    );
    check_file(
        "allowed_hosts: [a, [b]]\n",
        "toolgate.yaml:5:20: allowed_hosts: a list stands where one value belongs",
    );
    check_file("listen: []\n", "listen: the list is empty");
    check_file("listen: [{address: 0.0.0.0:1, port: 2}]\n", "toolgate.yaml:5:31: `listen.port`: unknown key");
    check_file(
        "listen: [{tls: {cert: '@/cert.pem', key: '@/cert.pem'}}]\n",
        "toolgate.yaml:5:10: listen.address: is missing",
    );
    check_file(
        "listen: [{address: 0.0.0.0:1, tls: {cert: '@/cert.pem'}}]\n",
        "toolgate.yaml:5:10: listen.tls.key: is missing",
    );
    check_file(
        "threads: 1\nthreads: 2\n",
        &Folder::new().mistakes(&[], &[], &format!("{FILE}threads: 1\nthreads: 2\n"))[0],
    );
    assert_eq!(
        Folder::new().mistakes(&[], &[], "[]"),
        [
            "toolgate.yaml:1:1: config: the file is not a mapping of keys to values",
            "upstream: is required\n  hint: give --upstream, TOOLGATE_UPSTREAM or `upstream` in the file",
            "policy: is required\n  hint: give --policy, TOOLGATE_POLICY or `policy` in the file",
            "issuers: no issuer is configured, so every token would be refused\n  hint: give --issuer URL, or --issuer with --jwks-uri, --jwks-file or --secret-file, or `issuers` in the file"
        ]
    );
}

#[test]
fn addresses_do_not_collide_and_tls_is_whole() {
    check_flags(&["--admin", "0.0.0.0:8080"], "admin: 0.0.0.0:8080 is a public listener too");
    check_flags(
        &["--tls-cert", "@/cert.pem"],
        "tls.key: is missing: a certificate needs its key, and a key its certificate",
    );
    let twice = Folder::new().mistakes(&[FLAGS, &["--listen", "[::1]:1", "--listen", "[::1]:1"]].concat(), &[], "");
    assert!(twice.len() == 1 && twice[0].ends_with("is listed twice"), "{twice:?}");
    let flags = [
        FLAGS,
        &[
            "--listen",
            "127.0.0.1:0",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            "@/cert.pem",
            "--tls-key",
            "@/cert.pem",
        ],
    ];
    let settings = Folder::new().resolve(&flags.concat(), &[], "").unwrap();
    assert!(settings.listen.len() == 2 && settings.listen.iter().all(|listen| listen.tls.is_some()));
}

#[test]
fn an_issuer_has_one_source_of_keys_and_it_is_good() {
    let issuer = |keys: &str| FILE.replace("secret_file: '@/secret'", keys);
    let check = |keys: &str, expected: &str| {
        let mistakes = Folder::new().mistakes(&[], &[], &issuer(keys));
        assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{mistakes:?}");
    };
    check("secret_file: '@/secret', jwks_file: '@/secret'", "public keys or a secret, never both");
    check("jwks_file: '@/secret'", "issuers[0].jwks_file: the key set is not");
    check("jwks_file: '@/absent'", "issuers[0].jwks_file: `absent` cannot be read");
    check("secret_file: '@'", "is a directory");
    check("secret_file: ''", "issuers[0].secret_file: ");
    check("secret_file: '@/secret', algorithms: []", "an empty list of algorithms");
    check("secret_file: '@/secret', scope_claims: []", "no token would have any");
    check("secret_file: '@/secret', leeway: 1h", "allowed: 0ns to 600s");
    check("secret_file: '@/secret', require_iss: no", "neither `true` nor `false`");
    check("secret_file: '@/secret', audience: [none, x]", "`none` stands beside other audiences");
    check("secret_file: '@/secret'}\n  - {issuer: a, secret_file: '@/secret'", "issuer `a` is configured twice");
    check_flags(
        &["--jwks-file", "@/secret"],
        "--secret-file: secret_file: given besides `jwks_file`; an issuer has public keys or a secret, never both",
    );
    let both = Folder::new().mistakes(&["--issuer", "b", "--secret-file", "@/secret"], &[], FILE);
    assert!(both.len() == 1 && both[0].contains("issuers: given besides"), "{both:?}");
}

#[test]
fn weak_secrets_are_refused_or_warned_of() {
    let folder = Folder::new();
    let file = |name: &str| FILE.replace("@/secret", &format!("@/{name}"));
    for (secret, expected) in [
        ("dev-secret-change-me\n", "which everybody knows"),
        ("0123456789abcde\n", "shorter than 16 bytes"),
        ("", "shorter than 16 bytes"),
    ] {
        folder.write("weak", secret);
        let mistakes = folder.mistakes(&[], &[], &file("weak"));
        assert!(mistakes.len() == 1 && mistakes[0].contains(expected), "{mistakes:?}");
    }
    folder.write("weak", "0123456789abcdef");
    let settings = folder.resolve(&[], &[], &file("weak")).unwrap();
    assert!(
        settings.warnings.iter().any(|warning| warning.contains("shorter than 32 bytes")),
        "{:?}",
        settings.warnings
    );
    let short = folder.mistakes(&["--session-key-file", "@/weak"], &[], FILE);
    assert!(
        short.len() == 1 && short[0].contains("session_key_file: the secret is shorter than 32 bytes"),
        "{short:?}"
    );
    assert_eq!(format!("{:?}", Secret::read(&folder.0.join("secret"), 1).unwrap()), "Secret");
}

#[test]
fn the_audience_is_the_public_url_unless_it_is_said_otherwise() {
    let audience = |flags: &[&str], file: &str| {
        let settings = Folder::new().resolve(flags, &[], file).unwrap();
        let audience = settings.issuers[0].issuer(&settings.public_url_at(8080)).audience;
        (
            audience.join(","),
            settings.warnings.iter().filter(|warning| warning.contains("audience is not checked")).count(),
        )
    };
    assert_eq!(audience(FLAGS, ""), ("http://localhost:8080/mcp".into(), 0));
    assert_eq!(audience(&[FLAGS, &["--public-url", "https://x/mcp/"]].concat(), ""), ("https://x/mcp".into(), 0));
    for root in ["https://x", "https://x/"] {
        let both = audience(&[FLAGS, &["--public-url", root]].concat(), "");
        assert_eq!(both, ("https://x,https://x/".into(), 0), "the same to some clients (RFC 3986 §6.2.3)");
    }
    assert_eq!(audience(&[FLAGS, &["--audience", "a", "--audience", "b"]].concat(), ""), ("a,b".into(), 0));
    assert_eq!(audience(&[FLAGS, &["--audience", "none"]].concat(), ""), (String::new(), 1));
    assert_eq!(audience(&[], &FILE.replace("issuer: a", "issuer: a, audience: []")), (String::new(), 1));
}

#[test]
fn hosts_are_those_of_the_public_url_and_of_loopback_on_loopback() {
    let allows = |flags: &[&str], host: &str| {
        let settings = Folder::new().resolve(&[FLAGS, flags].concat(), &[], "").unwrap();
        settings.hosts(&settings.public_url_at(8080)).iter().any(|rule| rule.allows(host))
    };
    assert!(allows(&[], "localhost:8080") && !allows(&[], "127.0.0.1:8080"));
    let public = ["--public-url", "https://mcp.example.com/mcp"];
    assert!(allows(&public, "mcp.example.com") && !allows(&public, "localhost"));
    assert!(allows(&["--listen", "127.0.0.1:0"], "127.0.0.1:5"));
    assert!(!allows(&["--listen", "127.0.0.1:0", "--allowed-hosts", "a"], "127.0.0.1:5"));
}

#[test]
fn origins_are_the_public_urls_own_under_all_its_names() {
    let origins = |flags: &[&str]| {
        let settings = Folder::new().resolve(&[FLAGS, flags].concat(), &[], "").unwrap();
        settings.origins(&settings.public_url_at(8080)).join(" ")
    };
    let public = ["--public-url", "https://mcp.example.com:443/mcp"];
    let local = ["--listen", "127.0.0.1:0"];
    assert_eq!(origins(&[]), "http://localhost:8080");
    assert_eq!(origins(&local), "http://localhost:8080 http://127.0.0.1:8080 http://[::1]:8080");
    assert_eq!(origins(&public), "https://mcp.example.com");
    assert_eq!(origins(&[local, public].concat()), "https://mcp.example.com");
    assert_eq!(origins(&[&public[..], &["--allowed-origins", "https://a"]].concat()), "https://a");
}

#[test]
fn clear_text_beyond_loopback_is_warned_of() {
    let settings = Folder::new().resolve(&[FLAGS, &["--public-url", "http://x/mcp"]].concat(), &[], "").unwrap();
    assert!(settings.warnings.iter().any(|warning| warning.contains("in clear")), "{:?}", settings.warnings);
}

#[test]
fn a_server_that_everybody_may_reach_is_warned_of() {
    for (upstream, is_warned) in [
        ("http://127.0.0.1:9000/mcp", false),
        ("http://10.1.2.3:9000/mcp", false),
        ("http://[fd00::1]:9000/mcp", false),
        ("http://server:9000/mcp", false),
        ("unix:/run/mcp.sock", false),
        ("http://93.184.216.34/mcp", true),
        ("http://[2606:2800:220:1::1]/mcp", true),
    ] {
        let settings = Folder::new().resolve(&[&["--upstream", upstream], &FLAGS[2..]].concat(), &[], "").unwrap();
        let warnings = &settings.warnings;
        assert_eq!(warnings.iter().any(|warning| warning.contains("public address")), is_warned, "{warnings:?}");
    }
}

#[test]
fn audit_lines_go_to_a_place_that_is_meant() {
    assert_eq!(AuditTarget::parse("/var/log/a"), Ok(AuditTarget::File("/var/log/a".into())));
    assert_eq!(AuditTarget::parse("stderr"), Ok(AuditTarget::Stderr));
    for bad in ["Stdout", "off", "file"] {
        assert!(AuditTarget::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_key_has_a_flag_and_a_variable_of_its_name() {
    let key = keys::Key::named("limits.response_event").unwrap();
    assert_eq!(
        (key.flag().as_str(), key.variable().as_str()),
        ("limits-response-event", "TOOLGATE_LIMITS_RESPONSE_EVENT")
    );
    for (at, key) in keys::KEYS.iter().enumerate() {
        assert!(keys::KEYS[..at].iter().all(|other| other.variable() != key.variable()), "{}", key.name);
    }
}

mod providers;
