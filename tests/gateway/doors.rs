//! What is served where and to whom: paths, hosts, origins, methods, and what is told without a token.

use serde_json::{Value, json};

use crate::support::gateway::{METADATA, Setup};
use crate::support::{Ask, Gateway, Response, Upstream, call, request, token};

fn post(body: impl Into<Vec<u8>>) -> Ask {
    Ask::post(&token("alice", "r"), body)
}

#[test]
fn only_the_configured_path_is_served_byte_for_byte() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    let tricks = [
        "/",
        "/mcp/",
        "//mcp",
        "/MCP",
        "/Mcp",
        "/%6dcp",
        "/%6Dcp",
        "/mc%70",
        "/mcp/../mcp",
        "/x/../mcp",
        "/./mcp",
        "/mcp/.",
        "/mcp/..",
        "/mcp;x=1",
        "/mcp%00",
        "/mcp%20",
        "/mcp%2f",
        "/mcp%3f",
        "/mcp%23",
        "/mcp\\",
        "/mcp#x",
        "/mcp.",
        "/mcpx",
        "/mcp/mcp",
        "mcp",
        "*",
        "/.well-known/oauth-authorization-server",
        "/authorize",
        "/token",
        "/register",
        "/sse",
        "/messages",
        "/.well-known/openid-configuration",
        "/metrics",
        "/readyz",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resourcex",
        "/.well-known/oauth-protected-resource/mcp/",
        "/\u{e9}",
    ];
    for target in tricks {
        for ask in [post(call("open")), Ask::get(&token("alice", "r")), Ask::post("", call("open"))] {
            let response = gateway.ask(&ask.target(target));
            assert!([404, 400].contains(&response.status), "{target}: {}", response.status);
        }
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
    gateway.is_well();
}

#[test]
fn a_query_is_dropped_and_an_absolute_target_is_held_to_its_host() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for (target, status) in [
        ("/mcp?x=1", 200),
        ("/mcp?", 200),
        ("/mcp?token=x", 200),
        ("http://gateway.test/mcp", 200),
        ("http://evil.test/mcp", 400),
        ("http://gateway.test/other", 404),
    ] {
        let before = upstream.requests().len();
        assert_eq!(gateway.ask(&post(call("open")).target(target)).status, status, "{target}");
        if status == 200 {
            assert_eq!(upstream.request(before + 1).line(), "POST /mcp HTTP/1.1", "{target}");
        } else {
            assert_eq!(upstream.requests().len(), before, "{target}");
        }
    }
}

#[test]
fn the_host_must_be_ours() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for (host, status) in [
        ("gateway.test", 200),
        ("GATEWAY.test", 200),
        ("gateway.test:8080", 200),
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:1", 200),
        ("evil.test", 403),
        ("gateway.test.evil.test", 403),
        ("evil.gateway.test", 403),
        ("gateway.test@evil.test", 403),
        ("localhost.evil.test", 403),
        ("127.0.0.1.nip.io", 403),
        ("gateway.test:x", 403),
        ("", 403),
        ("gateway.test, evil.test", 403),
    ] {
        let before = upstream.requests().len();
        let response = gateway.ask(&post(call("open")).instead("Host", host));
        let refused = [status, 400];
        assert!(
            response.status == status || (status == 403 && refused.contains(&response.status)),
            "{host:?}: {}",
            response.status
        );
        assert_eq!(upstream.requests().len(), before + usize::from(status == 200), "{host:?}");
    }
    let before = upstream.requests().len();
    for ask in [post(call("open")).without("Host"), post(call("open")).header("Host", "gateway.test")] {
        let status = gateway.ask(&ask).status;
        assert!([400, 403].contains(&status), "{status}");
    }
    assert_eq!(upstream.requests().len(), before);
}

#[test]
fn a_gateway_that_others_can_reach_answers_to_no_name_of_this_machine() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--listen", "0.0.0.0:0").start();
    let address = ([127, 0, 0, 1], gateway.public.port()).into();
    for (host, status) in [("gateway.test", 200), ("localhost", 403), ("127.0.0.1", 403)] {
        let mut client = crate::support::Client::connect(address);
        assert_eq!(client.ask(&post(call("open")).instead("Host", host)).status, status, "{host}");
    }
}

#[test]
fn an_origin_must_be_on_the_list_whoever_calls() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--allowed-origins", "https://app.test").start();
    for (origin, is_allowed) in [
        ("https://app.test", true),
        ("http://app.test", false),
        ("https://app.test:444", false),
        ("https://app.test.evil.test", false),
        ("https://evil.test", false),
        ("http://localhost", false),
        ("null", false),
        ("", false),
        ("https://app.test, https://evil.test", false),
    ] {
        for ask in [post(call("open")), Ask::post("", call("open")), Ask::method("OPTIONS", "")] {
            let response = gateway.ask(&ask.header("Origin", origin));
            assert_eq!(response.status != 403, is_allowed, "{origin:?}: {response:?}");
            let told = response.header("access-control-allow-origin");
            assert_eq!(told, is_allowed.then_some(origin), "{origin:?}");
            if is_allowed {
                assert_eq!(response.header("vary"), Some("Origin"));
                let exposed = response.header("access-control-expose-headers").unwrap();
                assert!(exposed.contains("mcp-session-id") && exposed.contains("www-authenticate"), "{exposed}");
            }
        }
    }
    let twice = post(call("open")).header("Origin", "https://app.test").header("Origin", "https://app.test");
    assert_eq!(gateway.ask(&twice).status, 403);
    // What is refused before the origin is looked at is not shown to its page either.
    for early in [post(call("open")).target("/nowhere"), post(call("open")).target("/mcp#x")] {
        let response = gateway.ask(&early.header("Origin", "https://evil.test"));
        assert!(response.status >= 400);
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
}

#[test]
fn without_a_list_the_pages_of_the_public_url_may_call_and_no_others() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).start();
    let public = "http://gateway.test";
    for (origin, is_allowed) in [
        (public, true),
        ("https://gateway.test", false),
        ("http://gateway.test:8080", false),
        ("http://gateway.test.evil.test", false),
        ("http://localhost", false),
        ("null", false),
    ] {
        let response = gateway.ask(&post(call("open")).header("Origin", origin));
        assert_eq!(response.status, if is_allowed { 200 } else { 403 }, "{origin:?}");
    }
    // Its own page is only its own where the host is its own, too: the name of a page that was led here is not.
    let rebound = post(call("open")).instead("Host", "evil.test").header("Origin", public);
    assert_eq!(gateway.ask(&rebound).status, 403);
}

#[test]
fn a_preflight_needs_no_token() {
    let upstream = Upstream::fine();
    let gateway = Setup::before(&upstream).arg("--allowed-origins", "https://app.test").start();
    let ask = Ask::method("OPTIONS", "")
        .header("Origin", "https://app.test")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization, mcp-param-region, x-evil");
    let response = gateway.ask(&ask);
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-methods"), Some("GET, POST, DELETE, OPTIONS"));
    assert_eq!(response.header("access-control-allow-credentials"), None);
    let allowed = response.header("access-control-allow-headers").unwrap();
    for name in ["authorization", "mcp-session-id", "mcp-method", "last-event-id", "mcp-param-region"] {
        assert!(allowed.split(", ").any(|allowed| allowed == name), "{name}: {allowed}");
    }
    assert!(!allowed.contains("x-evil"), "{allowed}");
    assert!(upstream.requests().is_empty());
}

#[test]
fn other_methods_are_refused_and_only_to_known_callers_by_name() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let good = token("alice", "r");
    for method in ["HEAD", "PUT", "PATCH", "TRACE", "PROPFIND", "post", "QUERY"] {
        assert_eq!(gateway.ask(&Ask::method(method, "")).status, 401, "{method}");
        let response = gateway.ask(&Ask::method(method, &good));
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("GET, POST, DELETE, OPTIONS"), "{method}");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn connect_is_refused() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    for target in ["/mcp", "gateway.test:80"] {
        let mut client = gateway.connect();
        client.send(&Ask::method("CONNECT", &token("alice", "r")).target(target).bytes());
        let status = client.response_head().status;
        assert!((400..500).contains(&status), "{target}: {status}");
    }
    assert!(upstream.requests().is_empty());
    gateway.is_well();
}

#[test]
fn the_metadata_is_told_at_both_places_without_a_token() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let ask = |method: &str, path: &str| -> Response {
        gateway.ask(&Ask::method(method, "").target(path).header("Origin", "https://any.test"))
    };
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let got = ask("GET", path);
        assert_eq!(got.status, 200);
        assert_eq!(got.header("content-type"), Some("application/json"));
        assert_eq!(got.header("access-control-allow-origin"), Some("*"));
        let expected = json!({
            "resource": "http://gateway.test/mcp",
            "authorization_servers": ["https://idp.test"],
            "scopes_supported": ["acme", "r", "w"],
            "bearer_methods_supported": ["header"],
        });
        let told = got.json();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&told[name], value, "{told}");
        }
        let head = ask("HEAD", path);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(&*got.body.len().to_string()));
        let options = ask("OPTIONS", path);
        assert_eq!((options.status, options.header("access-control-allow-origin")), (204, Some("*")));
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(ask(method, path).status, 405, "{method}");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn only_scopes_that_a_client_should_ask_for_are_told() {
    let upstream = Upstream::fine();
    let bare = format!("Bearer {METADATA}");
    for (rules, scopes, challenge) in [
        ("{t: {scopes: []}}", Value::Null, bare.clone()),
        ("{t: {scopes: [offline_access]}}", Value::Null, bare.clone()),
        ("{t: {scopes: [a, offline_access]}}", json!(["a"]), format!("{bare}, scope=\"a\"")),
    ] {
        let setup = Setup::before(&upstream);
        let policy = setup.file("scopes.yaml", &format!("version: 1\ntools: {rules}\n"));
        let gateway = setup.arg("--policy", policy.to_str().unwrap()).start();
        let told = gateway.ask(&Ask::method("GET", "").target("/.well-known/oauth-protected-resource/mcp")).json();
        assert_eq!(told.get("scopes_supported"), scopes.is_array().then_some(&scopes), "{rules}");
        let refused = gateway.ask(&Ask::post("", call("t")));
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(&*challenge)), "{rules}");
    }
}

#[test]
fn the_admin_listener_and_the_public_one_share_nothing() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for path in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(gateway.admin(path).status, 200, "{path}");
        assert_eq!(gateway.ask(&Ask::method("GET", &token("alice", "r")).target(path)).status, 404, "{path}");
    }
    assert_eq!(gateway.admin("/mcp").status, 404);
    let mut admin = crate::support::Client::connect(gateway.admin);
    assert_eq!(admin.ask(&Ask::method("DELETE", "").target("/metrics")).status, 405);
}

#[test]
fn the_base_of_the_protocol_needs_a_token_and_no_scope() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    for method in ["initialize", "ping", "server/discover"] {
        let ask = request("1", method, "{}");
        assert_eq!(gateway.ask(&Ask::post(&token("nobody", ""), &*ask)).status, 200, "{method}");
        assert_eq!(gateway.ask(&Ask::post("", &*ask)).status, 401, "{method}");
    }
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(gateway.ask(&Ask::post(&token("nobody", ""), initialized)).status, 202);
    assert_eq!(upstream.requests().len(), 4);
}
