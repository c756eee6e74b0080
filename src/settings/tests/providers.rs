use super::*;

const SECRET: &str = "client_id: t, client_secret_file: '@/secret'";

fn file(issuer: &str) -> String {
    FILE.replace("issuer: a, secret_file: '@/secret'", issuer)
}

fn settings(issuer: &str) -> Settings {
    Folder::new().resolve(&[], &[], &file(issuer)).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// With this issuer, exactly these mistakes are found.
#[track_caller]
fn check(issuer: &str, expected: &[&str]) {
    let mistakes = match Folder::new().resolve(&[], &[], &file(issuer)) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    };
    let is_expected = |(mistake, expected): (&String, &&str)| mistake.contains(expected);
    assert!(
        mistakes.len() == expected.len() && mistakes.iter().zip(expected).all(is_expected),
        "{issuer}\n{}",
        mistakes.join("\n")
    );
}

#[test]
fn a_url_alone_is_an_issuer() {
    let settings = settings("issuer: 'https://idp.example.com/t'");
    let issuer = &settings.issuers[0];
    assert!(
        matches!(issuer.keys(), Some(KeySource::Discovery(url)) if url.as_str() == "https://idp.example.com/t")
    );
    assert_eq!((issuer.timing(), issuer.asked()), (Timing::default(), None));
    assert_eq!(issuer.reach(), &Reach::default());
    let flags = ["--upstream", "http://127.0.0.1:9000/mcp", "--policy", "@/policy.yaml", "--issuer", "https://a"];
    let more = ["--jwks-uri", "https://b/k", "--provider-networks", "private", "--allow-http", "true"];
    let settings = Folder::new().resolve(&flags, &[], "").unwrap();
    assert!(matches!(settings.issuers[0].keys(), Some(KeySource::Discovery(_))));
    let settings = Folder::new().resolve(&[&flags[..], &more[..]].concat(), &[], "").unwrap();
    assert!(matches!(settings.issuers[0].keys(), Some(KeySource::JwksUri(_))));
    assert!(settings.issuers[0].reach().allow_http);
    assert!(settings.issuers[0].reach().networks.allows([10, 0, 0, 1].into()));
}

#[test]
fn all_about_fetching_can_be_said() {
    let settings = settings(
        "issuer: a, jwks_uri: 'http://10.0.0.1/k', allow_http: true, provider_networks: [10.0.0.0/8], timeout: 1s, \
         refresh_interval: 60s, min_refetch_interval: 5s, max_stale: 1h",
    );
    let issuer = &settings.issuers[0];
    let timing = Timing {
        refresh_interval: Duration::from_secs(60),
        min_refetch_interval: Duration::from_secs(5),
        max_stale: Duration::from_secs(3600),
    };
    assert_eq!(issuer.timing(), timing);
    let reach = issuer.reach();
    assert!(reach.allow_http && reach.timeout == Duration::from_secs(1) && reach.literals == ["10.0.0.1"]);
}

#[test]
fn an_issuer_has_one_source_of_keys() {
    check("issuer: a", &["issuers[0].jwks_uri: the issuer has no keys"]);
    check("issuer: 'https://a?x'", &["the issuer has no keys"]);
    check("issuer: 'https://a', discovery: false", &["issuers[0].discovery: the issuer has no keys"]);
    check("issuer: a, jwks_uri: ''", &["issuers[0].jwks_uri: the value is empty"]);
    check("issuer: a, jwks_uri: 'ftp://a'", &["not an http(s) URL"]);
    let both =
        "issuers[0].secret_file: given besides `jwks_uri`; an issuer has public keys or a secret, never both";
    check("issuer: a, jwks_uri: 'https://a', secret_file: '@/secret'", &[both]);
    check(
        "issuer: a, jwks_uri: 'https://a', jwks_file: '@/secret'",
        &["besides `jwks_uri`; an issuer has one key set"],
    );
    check("issuer: a, jwks_uri: 'https://a', algorithms: [HS256]", &["needs a shared secret"]);
    check("issuer: a, secret_file: '@/secret', max_stale: 1h", &["max_stale: says nothing about a file"]);
    check("issuer: a, jwks_uri: 'https://a', max_stale: 1m", &["max_stale: is shorter than `refresh_interval`"]);
    check("issuer: a, jwks_uri: 'https://a', refresh_interval: 0s", &["refresh_interval: `0s` is out of range"]);
}

#[test]
fn keys_and_tokens_do_not_cross_a_network_in_clear() {
    check("issuer: 'http://a'", &["issuers[0].issuer: is not https"]);
    check("issuer: a, jwks_uri: 'http://a'", &["issuers[0].jwks_uri: is not https"]);
    check("issuer: a, verifier: {url: 'http://a'}", &["issuers[0].verifier.url: is not https"]);
    check(
        &format!("issuer: a, introspection: {{endpoint: 'http://a', {SECRET}}}"),
        &["introspection.endpoint: is not https"],
    );
    check("issuer: 'http://127.0.0.1:1'", &[]);
    check("issuer: 'http://localhost:1/t'", &[]);
    check("issuer: 'http://a', allow_http: true", &[]);
    check("issuer: 'https://a', allow_http: yes", &["neither `true` nor `false`"]);
}

#[test]
fn introspection_has_a_client() {
    let settings = settings(&format!("issuer: 'https://a', introspection: {{{SECRET}, cache: 10s, jwt: true}}"));
    let asked = settings.issuers[0].asked().unwrap();
    let Whom::Introspection { endpoint: None, client } = &asked.whom else { panic!("{asked:?}") };
    assert!(client.id == "t" && matches!(client.auth, ClientAuth::Basic(_)));
    assert_eq!((asked.cache, asked.negative_cache), (Duration::from_secs(10), Duration::from_secs(5)));
    assert!(asked.takes_jwt && asked.takes_opaque && settings.issuers[0].keys().is_none());
    let with = |rest: &str| format!("issuer: a, introspection: {{endpoint: 'https://a/i', {rest}}}");
    check(&with(SECRET), &[]);
    check(&with("client_id: t, key_file: '@/key.pem', key_id: k"), &[]);
    check(&with("client_id: t, key_file: '@/secret'"), &["key_file: the key is neither a JWK nor PEM"]);
    check(&with(&format!("{SECRET}, auth: post")), &[]);
    check(&with(&format!("{SECRET}, auth: none")), &["introspection.auth: neither `basic`, `post` nor"]);
    check(&with("client_id: t"), &["toolgate.yaml:4:17: issuers[0].introspection.client_secret_file: is missing"]);
    check(&with("client_secret_file: '@/secret'"), &["introspection.client_id: is missing"]);
    check(&with("client_id: t, client_secret_file: '@/absent'"), &["client_secret_file: `"]);
    check(&with("client_id: t, auth: private_key_jwt"), &["introspection.key_file: is missing"]);
    check(&with(&format!("{SECRET}, key_file: '@/secret'")), &["key_file: is not used with `auth: basic`"]);
    check(&with(&format!("{SECRET}, cash: 1s")), &["`introspection.cash`: unknown key"]);
    check(&with(&format!("{SECRET}, cache: 2h")), &["introspection.cache: `2h` is out of range"]);
    check(&format!("issuer: a, introspection: {{{SECRET}}}"), &["introspection.endpoint: is missing"]);
    check(
        "issuer: a, introspection: 7",
        &["issuers[0].introspection: a mapping", "endpoint", "client_id", "client_secret_file"],
    );
}

#[test]
fn a_verifier_is_a_url() {
    let settings = settings("issuer: custom, verifier: {url: 'http://127.0.0.1:7000/verify', timeout: 2s}");
    let asked = settings.issuers[0].asked().unwrap();
    assert!(matches!(&asked.whom, Whom::Verifier(url) if url.port() == 7000));
    assert_eq!(asked.timeout, Duration::from_secs(2));
    check("issuer: a, verifier: {}", &["issuers[0].verifier.url: is missing"]);
    check("issuer: a, verifier: {url: ''}", &["issuers[0].verifier.url: the value is empty"]);
    check("issuer: a, verifier: {uri: 'https://a'}", &["`verifier.uri`: unknown key", "verifier.url: is missing"]);
    check(
        &format!("issuer: 'https://a', introspection: {{{SECRET}}}, verifier: {{url: 'https://a'}}"),
        &["issuers[0].verifier: given besides `introspection`"],
    );
}

#[test]
fn at_most_one_issuer_takes_tokens_that_name_none() {
    let two = |first: &str| {
        format!(
            "issuer: a, verifier: {{url: 'https://a'{first}}}}}\n  - {{issuer: b, verifier: {{url: 'https://b'}}"
        )
    };
    check(&two(""), &["tokens that are no JWT could be those of `a` and of `b`"]);
    check(&two(", opaque: false"), &[]);
}

#[test]
fn networks_and_authorities_are_checked() {
    check("issuer: 'https://a', provider_networks: [private, 10.0.0.0/8, fd00::/8]", &[]);
    check(
        "issuer: 'https://a', provider_networks: [10.0.0.0/33, x]",
        &["`10.0.0.0/33` is not a network", "`x` is not"],
    );
    check("issuer: 'https://a', ca_file: '@/absent'", &["issuers[0].ca_file: `"]);
    check("issuer: 'https://a', ca_file: '@/secret'", &["no certificate in PEM form"]);
}

#[test]
fn a_token_for_the_upstream_can_be_exchanged() {
    let with = |rest: &str| format!("{FILE}upstream_token: {rest}\n");
    let exchange =
        format!("{{exchange: {{endpoint: 'https://a/token', {SECRET}, audience: u, scope: x y, cache: 1m}}}}");
    let settings = Folder::new().resolve(&[], &[], &with(&exchange)).unwrap();
    let token = settings.upstream_token.unwrap();
    assert_eq!((token.audience.as_deref(), token.scope.as_deref()), (Some("u"), Some("x y")));
    assert_eq!((token.cache, token.endpoint.as_str()), (Duration::from_secs(60), "https://a/token"));
    check_file(
        "upstream_token: 7\n",
        "toolgate.yaml:5:1: upstream_token: a mapping of keys to values belongs here",
    );
    check_file(
        "upstream_token: {}\n",
        "toolgate.yaml:5:1: upstream_token: says nothing\n  hint: give `exchange`, with endpoint, client_id and client_secret_file",
    );
    let mistakes = Folder::new().mistakes(&[], &[], &with("{exchange: {endpoint: 'http://a', audienc: u}}"));
    let starts =
        ["`exchange.audienc`: unknown key", "exchange.endpoint: is not https", "client_id", "client_secret_file"];
    assert_eq!(mistakes.len(), starts.len(), "{mistakes:?}");
    assert!(mistakes.iter().zip(starts).all(|(mistake, start)| mistake.contains(start)), "{mistakes:?}");
}
