//! Every refusal there is: what exactly the caller gets, what is counted, and that the upstream hears nothing.

use std::collections::BTreeSet;

use serde_json::json;
use toolgate::refusal::Refusal;

use crate::support::gateway::{ALGS, METADATA, SCOPES, Setup};
use crate::support::tokens::{Signer, signed, signed_by, with};
use crate::support::upstream::{Request, fine, json, stream_head, with_length};
use crate::support::{Ask, Client, Gate, Gateway, Response, Step, Upstream, call, eventually, request, token};

/// Refusals that no request alone to a running gateway can bring about, and why.
const UNREACHABLE: &[(Refusal, &str)] = &[
    (Refusal::TokenRevoked, "the running gateway has no list of revoked tokens"),
    (Refusal::DpopNonceRequired, "the running gateway asks for no nonces"),
    (Refusal::IdInUse, "it takes two requests at once, see `in_flight`"),
    (Refusal::RateLimited, "one request alone is never one too many"),
];

/// The gateway a case needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Small limits, and an upstream that does what `Mcp-Script` says.
    Script,
    /// The same with little patience.
    Hasty,
    /// A gateway with as much under way as it may have.
    Full,
    /// A gateway with as much of this caller under way as it may have.
    Busy,
    /// A gateway that asks others about tokens: one who answers as the token says, and one who is not there.
    Asking,
}

/// What a refused caller gets.
#[derive(Debug, Clone)]
struct Case {
    refusal: Refusal,
    before: Before,
    sent: Vec<u8>,
    /// Whether the client says that nothing more will come.
    ends: bool,
    status: u16,
    code: i64,
    /// The id of the answer as JSON; empty for none.
    id: &'static str,
    challenge: Option<String>,
    /// Whether the connection must be closed, for nobody knows where the next request begins.
    closes: bool,
    /// Whether the upstream was asked.
    is_forwarded: bool,
}

fn case(refusal: Refusal, ask: &Ask, status: u16, code: i64, id: &'static str) -> Case {
    Case {
        refusal,
        before: Before::Script,
        sent: ask.bytes(),
        ends: false,
        status,
        code,
        id,
        challenge: None,
        closes: false,
        is_forwarded: false,
    }
}

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

fn scripted(script: &str) -> Ask {
    post(call("open")).header("Mcp-Param-Script", script)
}

fn do_as_told(request: &Request) -> Vec<Step> {
    match request.header("mcp-param-script") {
        None => fine(request),
        Some("break off") => vec![Step::Close],
        Some("garbage") => vec!["\0\0 this is not HTTP\r\n\r\n".into(), Step::Close],
        Some("too much") => json(&"x".repeat(70_000)),
        Some("unauthorized") => with_length("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"inner\"\r\n", ""),
        Some("silence") => vec![Step::UntilLeft(Gate::default())],
        Some("stream") => vec![stream_head(), Step::UntilLeft(Gate::default())],
        Some(other) => panic!("{other}"),
    }
}

fn ways_in() -> Vec<Case> {
    let good = token("alice", "r");
    let both = post(call("open")).header("Transfer-Encoding", "chunked");
    vec![
        Case { closes: true, ..case(Refusal::HttpMalformed, &both, 400, -32600, "") },
        case(Refusal::PathUnknown, &post(call("open")).target("/other"), 404, 40_400, ""),
        case(Refusal::TransportRetired, &post(call("open")).target("/messages?sessionId=1"), 404, 40_401, ""),
        case(Refusal::TransportRetired, &Ask::get("").target("/sse"), 404, 40_401, ""),
        case(Refusal::HostNotAllowed, &post(call("open")).instead("Host", "evil.test"), 403, 40_300, ""),
        case(Refusal::OriginNotAllowed, &post(call("open")).header("Origin", "https://evil.test"), 403, 40_300, ""),
        Case { before: Before::Full, ..case(Refusal::Overloaded, &post(call("open")), 503, 50_301, "") },
        Case { before: Before::Busy, ..case(Refusal::CallerBusy, &post(call("open")), 429, 42_900, "1") },
        case(Refusal::HttpMethodNotAllowed, &Ask::method("PUT", &good), 405, 40_500, ""),
        case(Refusal::ContentTypeWrong, &post(call("open")).instead("Content-Type", "text/plain"), 415, 41_500, ""),
        case(Refusal::ContentEncoded, &post(call("open")).header("Content-Encoding", "gzip"), 415, 41_500, ""),
        case(Refusal::BodyTooLarge, &post(vec![b' '; 65_537]), 413, -32600, ""),
        case(Refusal::BodyTooLarge, &post(vec![b' '; 65_537]).chunked(4096), 413, -32600, ""),
        Case {
            before: Before::Hasty,
            sent: post(call("open")).head(),
            closes: true,
            ..case(Refusal::BodyTooSlow, &post(""), 408, 40_800, "")
        },
        Case {
            sent: post(call("open")).head(),
            ends: true,
            closes: true,
            ..case(Refusal::BodyCutShort, &post(""), 400, -32600, "")
        },
    ]
}

fn tokens() -> Vec<Case> {
    let none = Ask::post("", call("open"));
    let bare = format!("Bearer {METADATA}, scope=\"{SCOPES}\"");
    let about_header =
        |sentence| Some(format!("Bearer error=\"invalid_request\", {METADATA}, error_description=\"{sentence}\""));
    let refused = |refusal, token: &str, sentence| Case {
        challenge: Some(format!(
            "Bearer error=\"invalid_token\", scope=\"{SCOPES}\", {METADATA}, error_description=\"{sentence}\""
        )),
        ..case(refusal, &Ask::post(token, call("open")), 401, 40_101, "")
    };
    let hs256 = json!({"alg": "HS256"});
    let other_type = signed_by(&json!({"alg": "HS256", "typ": "id_token+jwt"}), &with(json!({})), "x");
    let none_algorithm = signed_by(&json!({"alg": "none"}), &with(json!({})), "x");
    let forged = signed_by(&hs256, &with(json!({})), "another-secret-of-more-than-32-bytes!");
    let public_key = with(json!({"iss": "https://keys.test"}));
    let is = |changes| signed(&with(changes));
    let dpop = |token: &str| none.clone().header("Authorization", &format!("DPoP {token}"));
    let bound = is(json!({"cnf": {"jkt": "A".repeat(43)}}));
    let unbound = "the token is not bound to the proof that was presented with it";
    let bad_proof = "the DPoP proof is missing or not valid";
    vec![
        Case { sent: dpop(&token("alice", "r")).bytes(), ..refused(Refusal::TokenUnbound, "", unbound) },
        refused(Refusal::TokenUnbound, &bound, unbound),
        Case {
            challenge: Some(format!(
                "DPoP error=\"invalid_dpop_proof\", scope=\"{SCOPES}\", {METADATA}, error_description=\"{bad_proof}\", {ALGS}"
            )),
            ..case(Refusal::DpopProofInvalid, &dpop(&bound), 401, 40_102, "")
        },
        Case { challenge: Some(bare), ..case(Refusal::TokenMissing, &none, 401, 40_100, "") },
        Case {
            challenge: about_header("the Authorization header must be one Bearer token"),
            ..case(Refusal::TokenMalformed, &none.clone().header("Authorization", "Bearer a b"), 400, 40_000, "")
        },
        Case {
            challenge: about_header("more than one Authorization header was sent"),
            ..case(Refusal::TokenRepeated, &post(call("open")).header("Authorization", "Bearer x"), 400, 40_000, "")
        },
        Case {
            challenge: about_header("a token must not be sent in the query"),
            ..case(Refusal::TokenInQuery, &post(call("open")).target("/mcp?access_token=x"), 400, 40_000, "")
        },
        refused(Refusal::TokenTooLarge, &"a".repeat(16_385), "the token is too large"),
        refused(Refusal::TokenUnreadable, "abc", "the token cannot be read"),
        refused(Refusal::TokenTypeWrong, &other_type, "this kind of token is not accepted"),
        refused(Refusal::TokenAlgorithmRefused, &none_algorithm, "the token's algorithm is not accepted"),
        refused(
            Refusal::TokenIssuerUnknown,
            &is(json!({"iss": "https://x.test"})),
            "the token's issuer is not accepted",
        ),
        refused(Refusal::TokenKeyUnknown, &Signer::new().sign("two", &public_key), "the token's key is not known"),
        refused(Refusal::TokenSignatureWrong, &forged, "the token's signature is wrong"),
        refused(Refusal::TokenExpired, &is(json!({"exp": 1_000_000_000})), "the token has expired"),
        refused(Refusal::TokenNotYetValid, &is(json!({"nbf": 9_000_000_000_u64})), "the token is not valid yet"),
        refused(Refusal::TokenAudienceWrong, &is(json!({"aud": "x"})), "the token is not meant for this server"),
        refused(Refusal::TokenClaimsInvalid, &is(json!({"sub": null})), "the token lacks a required claim"),
    ]
}

fn tokens_asked_about() -> Vec<Case> {
    let header = json!({"alg": "ES256", "kid": "one"});
    let of_absent = signed_by(&header, &with(json!({"iss": "https://keys.test"})), "x");
    let inactive = case(Refusal::TokenInactive, &Ask::post("inactive", call("open")), 401, 40_101, "");
    let unavailable = |refusal, token: &str, code| case(refusal, &Ask::post(token, call("open")), 503, code, "");
    let sentence = "the token is not active";
    let challenge =
        format!("Bearer error=\"invalid_token\", scope=\"{SCOPES}\", {METADATA}, error_description=\"{sentence}\"");
    let cases = vec![
        Case { challenge: Some(challenge), ..inactive },
        unavailable(Refusal::VerificationUnavailable, "nonsense", 50_303),
        unavailable(Refusal::KeysUnavailable, &of_absent, 50_302),
    ];
    cases.into_iter().map(|case| Case { before: Before::Asking, ..case }).collect()
}

/// Answers about a token what the token says.
fn verify(request: &Request) -> Vec<Step> {
    let question: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    match question["token"].as_str() {
        Some("inactive") => json(r#"{"active":false}"#),
        Some("good") => json(r#"{"active":true,"sub":"alice","scope":"r","aud":"http://gateway.test/mcp"}"#),
        _ => json("hello"),
    }
}

fn messages() -> Vec<Case> {
    let said = |body: &str| post(body);
    let deep = request("1", "tools/list", &format!("{{\"x\":{}{}}}", "[".repeat(40), "]".repeat(40)));
    let modern = post(request("1", "tools/list", "{}")).header("MCP-Protocol-Version", "2026-07-28");
    let of_task = request("1", "ping", r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}"#);
    let with_session = post(call("open")).header("Mcp-Session-Id", "AAAAAAAAAAAAAAAAAAAAAA.somebody-elses");
    let foreign_event = Ask::get(&token("alice", "r")).header("Last-Event-ID", "somebody-elses");
    vec![
        // MCP 2026-07-28 has no such request, so its parameters are nobody's business.
        case(Refusal::MethodUnknown, &modern_call("resources/subscribe", "{}", ""), 404, -32601, "1"),
        case(Refusal::JsonInvalid, &said("{"), 400, -32700, ""),
        case(Refusal::KeyRepeated, &said(r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#), 400, -32600, ""),
        case(
            Refusal::KeyDisguised,
            &said(r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#),
            400,
            -32600,
            "1",
        ),
        case(Refusal::NestingTooDeep, &said(&deep), 400, -32600, ""),
        case(Refusal::BatchRefused, &said("[]"), 400, -32600, ""),
        case(Refusal::MessageInvalid, &said(r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#), 400, -32600, "1"),
        case(Refusal::IdInvalid, &said(&request("null", "ping", "{}")), 400, -32600, ""),
        case(Refusal::IdMissing, &said(r#"{"jsonrpc":"2.0","method":"ping"}"#), 400, -32600, ""),
        case(Refusal::ParamsInvalid, &said(&request("\"a\"", "tools/call", r#"{"name":1}"#)), 400, -32602, "\"a\""),
        case(Refusal::MetaMissing, &modern, 400, -32602, "1"),
        case(Refusal::HeaderMismatch, &post(call("open")).header("Mcp-Method", "ping"), 400, -32020, "1"),
        case(Refusal::MethodUnknown, &said(&request("1", "x/y", "{}")), 200, -32601, "1"),
        case(Refusal::MethodUnknown, &modern_call("x/y", "{}", ""), 404, -32601, "1"),
        case(Refusal::SessionUnknown, &with_session, 404, -32600, "1"),
        case(Refusal::EventUnknown, &foreign_event, 400, -32600, ""),
        case(Refusal::TaskUnknown, &said(&of_task), 200, -32602, "1"),
    ]
}

fn decisions() -> Vec<Case> {
    let needs = |scopes: &str| {
        let sentence = "the token lacks a scope that this needs";
        Some(format!(
            "Bearer error=\"insufficient_scope\", scope=\"{scopes}\", {METADATA}, error_description=\"{sentence}\""
        ))
    };
    let read = |uri: &str| post(request("1", "resources/read", &format!(r#"{{"uri":"{uri}"}}"#)));
    let get = |name: &str| post(request("1", "prompts/get", &format!(r#"{{"name":"{name}"}}"#)));
    let tool = |name: &str| post(call(name));
    let modern = |uri: &str| modern_call("resources/read", &format!(r#""uri":"{uri}","#), uri);
    vec![
        Case { challenge: needs("r w"), ..case(Refusal::ScopeInsufficient, &tool("write"), 403, 40_301, "1") },
        case(Refusal::Forbidden, &tool("told"), 200, 40_302, "1"),
        case(Refusal::ConditionFailed, &tool("picky"), 200, 40_303, "1"),
        case(Refusal::ToolUnknown, &tool("none"), 200, -32602, "1"),
        case(Refusal::ToolUnknown, &tool("hidden"), 200, -32602, "1"),
        case(Refusal::ToolUnknown, &tool("never"), 200, -32602, "1"),
        case(Refusal::PromptUnknown, &get("secret"), 200, -32602, "1"),
        case(Refusal::ResourceUnknown, &read("x:w"), 200, -32002, "1"),
        case(Refusal::ResourceUnknown, &modern("x:w"), 200, -32602, "1"),
    ]
}

fn ways_out() -> Vec<Case> {
    let no = |refusal, script, status| Case {
        is_forwarded: true,
        ..case(refusal, &scripted(script), status, -32603, "1")
    };
    vec![
        no(Refusal::UpstreamDown, "break off", 502),
        Case { before: Before::Hasty, ..no(Refusal::UpstreamTooSlow, "silence", 504) },
        no(Refusal::UpstreamNonsense, "garbage", 502),
        no(Refusal::UpstreamTooLarge, "too much", 502),
        no(Refusal::UpstreamUnauthorized, "unauthorized", 502),
    ]
}

/// A request of the stateless protocol.
fn modern_call(method: &str, params: &str, name: &str) -> Ask {
    let params = params.trim_start_matches('{').trim_end_matches('}');
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    let ask = post(request("1", method, &format!("{{{params}{meta}}}")))
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", method);
    if name.is_empty() { ask } else { ask.header("Mcp-Name", name) }
}

fn cases() -> Vec<Case> {
    [ways_in(), tokens(), tokens_asked_about(), messages(), decisions(), ways_out()].concat()
}

/// A gateway and its upstream, for the cases that need them so.
struct Bench {
    upstream: Upstream,
    gateway: Gateway,
    /// Who is asked about tokens.
    _verifier: Upstream,
    /// What keeps it full.
    _held: Option<Client>,
}

/// Issuers of which one is not there and another asks `verifier`.
fn asking(verifier: &Upstream) -> String {
    let (absent, verifier) = (Upstream::down().url, &verifier.url);
    [
        "issuers:".to_owned(),
        "- {issuer: https://idp.test, secret_file: secret}".to_owned(),
        format!("- {{issuer: https://keys.test, jwks_uri: '{absent}'}}"),
        format!("- {{issuer: https://asked.test, verifier: {{url: '{verifier}'}}}}"),
    ]
    .join("\n")
}

impl Bench {
    fn new(before: Before) -> Self {
        let upstream = Upstream::new(do_as_told);
        let setup = Setup::before(&upstream);
        // Two issuers: one with a secret, one with public keys.
        let keys = setup.file("keys.json", &Signer::new().jwks());
        let config = format!(
            "issuers:\n- {{issuer: https://idp.test, secret_file: {}}}\n- {{issuer: https://keys.test, jwks_file: {}}}\n",
            setup.folder().join("secret").display(),
            keys.display(),
        );
        let verifier = Upstream::new(verify);
        let config = match before {
            Before::Script | Before::Hasty | Before::Full | Before::Busy => config,
            Before::Asking => asking(&verifier),
        };
        let config = setup.file("toolgate.yaml", &config);
        let setup = setup
            .without("--issuer")
            .without("--secret-file")
            .arg("--config", config.to_str().unwrap())
            .arg("--limits-body", "64KiB")
            .arg("--limits-depth", "16")
            .arg("--limits-response", "64KiB");
        let setup = match before {
            Before::Script | Before::Asking => setup,
            Before::Hasty => setup.arg("--limits-body-timeout", "300ms").arg("--limits-upstream-timeout", "300ms"),
            Before::Full => setup.arg("--limits-streams", "1"),
            Before::Busy => setup.arg("--limits-streams-per-caller", "1"),
        };
        let gateway = setup.start();
        let held = matches!(before, Before::Full | Before::Busy).then(|| {
            let mut client = gateway.connect();
            client.send(&scripted("stream").bytes());
            assert_eq!(client.response_head().status, 200);
            client
        });
        Self { upstream, gateway, _verifier: verifier, _held: held }
    }

    fn outcomes(&self, refusal: Refusal) -> u64 {
        self.gateway.metric("toolgate_requests_total", &format!("outcome=\"{}\"", refusal.word()))
    }

    #[track_caller]
    fn check(&self, case: &Case) {
        let said = String::from_utf8_lossy(&case.sent[..case.sent.len().min(600)]).into_owned();
        let about = format!("{:?} {said}", case.refusal);
        let counted = self.outcomes(case.refusal);
        let before = self.upstream.requests().len();
        let mut client = self.gateway.connect();
        client.send(&case.sent);
        if case.ends {
            client.end_sending();
        }
        let response = client.response();
        check_answer(case, &response, &about);
        eventually(&about, || (self.outcomes(case.refusal) == counted + 1).then_some(()));
        let expected = before + usize::from(case.is_forwarded);
        if case.closes {
            assert!(client.is_closed(), "{about}");
            assert_eq!(self.upstream.requests().len(), expected, "{about}");
        } else if !matches!(case.before, Before::Full | Before::Busy) {
            // The same connection is good for the next request, and that is the next thing the upstream hears.
            let next = post(request("\"next\"", "tools/call", r#"{"name":"open"}"#));
            assert_eq!(client.ask(&next).status, 200, "{about}");
            assert_eq!(self.upstream.requests().len(), expected + 1, "{about}");
            assert_eq!(self.upstream.request(expected + 1).id(), "\"next\"", "{about}");
        }
    }
}

#[track_caller]
fn check_answer(case: &Case, response: &Response, about: &str) {
    assert_eq!(response.status, case.status, "{about}\n{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"), "{about}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{about}");
    assert_eq!(response.header("www-authenticate"), case.challenge.as_deref(), "{about}");
    assert_eq!(response.header("retry-after"), matches!(case.status, 429 | 503).then_some("5"), "{about}");
    assert_eq!(response.header("allow"), (case.status == 405).then_some("GET, POST, DELETE, OPTIONS"), "{about}");
    let answer = response.json();
    assert_eq!(answer["jsonrpc"], "2.0", "{about}");
    assert_eq!(answer.get("id").map(ToString::to_string).as_deref().unwrap_or_default(), case.id, "{about}");
    assert_eq!(answer["error"]["code"], case.code, "{about}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with(case.refusal.sentence()), "{about}\n{message}");
    assert_eq!(answer.get("result"), None, "{about}");
}

#[track_caller]
fn check_all(before: Before) {
    let mut bench = Bench::new(before);
    for case in cases().iter().filter(|case| case.before == before) {
        bench.check(case);
    }
    bench.gateway.is_well();
}

#[test]
fn each_refusal_says_exactly_what_it_says_and_the_upstream_hears_nothing() {
    check_all(Before::Script);
}

#[test]
fn a_gateway_without_patience_says_so() {
    check_all(Before::Hasty);
}

#[test]
fn a_gateway_that_is_full_says_so_and_tells_when_to_come_back() {
    check_all(Before::Full);
    check_all(Before::Busy);
}

#[test]
fn a_gateway_that_asks_others_says_what_they_say() {
    check_all(Before::Asking);
    let bench = Bench::new(Before::Asking);
    assert_eq!(bench.gateway.ask(&Ask::post("good", call("read"))).status, 200);
    assert_eq!(bench.gateway.ask(&Ask::post("good", call("write"))).status, 403);
}

#[test]
fn every_refusal_has_a_case_or_a_reason_why_not() {
    let tried: BTreeSet<Refusal> = cases().iter().map(|case| case.refusal).collect();
    let excused: BTreeSet<Refusal> = UNREACHABLE.iter().map(|(refusal, _)| *refusal).collect();
    for refusal in Refusal::ALL {
        assert!(tried.contains(refusal) != excused.contains(refusal), "{refusal:?}");
    }
    assert!(UNREACHABLE.iter().all(|(_, reason)| !reason.is_empty()));
}

#[test]
fn a_refused_request_does_not_even_open_a_connection() {
    let bench = Bench::new(Before::Script);
    let is_meant = |case: &&Case| case.before == Before::Script && !case.is_forwarded;
    for case in cases().iter().filter(is_meant) {
        let mut client = bench.gateway.connect();
        client.send(&case.sent);
        if case.ends {
            client.end_sending();
        }
        assert_eq!(client.response().status, case.status, "{:?}", case.refusal);
    }
    // Connections are accepted in their order: this is the first of all.
    assert_eq!(bench.gateway.ask(&post(call("open"))).status, 200);
    assert_eq!(bench.upstream.request(1).connection, 1);
    assert_eq!(bench.upstream.requests().len(), 1);
}

#[test]
fn the_caller_learns_what_cures_and_nothing_more() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let error = |tool: &str| gateway.ask(&post(call(tool))).json()["error"].clone();
    let curable = error("write");
    assert_eq!(curable["message"], "the token lacks a scope that this needs: r w");
    assert_eq!(curable["data"]["requiredScopes"], json!(["r", "w"]));
    assert_eq!(curable["data"]["decision"].as_str().unwrap().len(), 16);
    let told = error("told");
    assert_eq!(told["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["decision"]);
    // What is hidden, what is denied and what does not exist cannot be told apart.
    for tool in ["hidden", "never", "none"] {
        assert_eq!(error(tool), json!({"code": -32602, "message": format!("Unknown tool: {tool}")}));
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_refused_notification_has_no_id_to_answer() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let response = gateway.ask(&post(r#"{"jsonrpc":"2.0","method":"notifications/unheard/of"}"#));
    assert_eq!(response.status, 400);
    assert_eq!(response.json()["error"]["code"], -32601);
    assert_eq!(response.json().get("id"), None);
    assert!(upstream.requests().is_empty());
}
