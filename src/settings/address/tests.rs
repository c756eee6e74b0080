use super::*;

#[track_caller]
fn refused<T: fmt::Debug>(read: Result<T, Flaw>, part: &str) {
    let flaw = read.unwrap_err();
    let text = format!("{}; {}", flaw.message, flaw.hint.unwrap_or_default());
    assert!(text.contains(part), "{text}");
}

#[test]
fn listeners_are_ip_and_port_or_a_unix_socket() {
    for (text, is_local) in
        [("0.0.0.0:8080", false), ("127.0.0.1:0", true), ("[::]:8080", false), ("[::1]:1", true)]
    {
        let address = ListenAddress::parse(text).unwrap();
        assert_eq!((&address, address.is_local()), (&ListenAddress::Tcp(text.parse().unwrap()), is_local));
    }
    assert_eq!(ListenAddress::parse("unix:/run/a.sock"), Ok(ListenAddress::Unix("/run/a.sock".into())));
    for bad in ["", "8080", ":8080", "localhost:8080", "0.0.0.0", "0.0.0.0:65536", "http://0.0.0.0:1"] {
        refused(ListenAddress::parse(bad), "is not an address to listen on");
    }
    for bad in ["unix:", "unix:a.sock", "unix:/run/", "unix:/a\0b"] {
        refused(ListenAddress::parse(bad), "has no absolute path");
    }
    refused(ListenAddress::parse(&format!("unix:/{}", "a".repeat(107))), "longer than 107 bytes");
}

#[test]
fn an_upstream_is_http_or_a_unix_socket() {
    let tcp = |host: &str, port, path: &str| Upstream::Tcp { host: host.into(), port, path: path.into() };
    assert_eq!(Upstream::parse("http://127.0.0.1:9000/mcp"), Ok(tcp("127.0.0.1", 9000, "/mcp")));
    assert_eq!(Upstream::parse("http://Server"), Ok(tcp("server", 80, "/")));
    assert_eq!(Upstream::parse("http://[::1]:9000/a/b/"), Ok(tcp("::1", 9000, "/a/b/")));
    let unix = Upstream::Unix { socket: "/run/mcp/server.sock".into(), path: "/mcp".into() };
    assert_eq!(Upstream::parse("unix:/run/mcp/server.sock#/mcp"), Ok(unix));
    assert_eq!(Upstream::parse("unix:/s").unwrap().path(), "/");
    assert_eq!(tcp("::1", 9000, "/").authority(), "[::1]:9000");
    assert_eq!(tcp("server", 80, "/").authority(), "server");
}

#[test]
fn other_upstreams_are_refused() {
    refused(Upstream::parse("https://127.0.0.1/mcp"), "not supported in this version");
    for bad in [
        "",
        "127.0.0.1:9000",
        "http:/x/mcp",
        "ftp://x/",
        "http:///mcp",
        "http://x:0/",
        "http://x:/y z",
        "http://u@x/",
        "http://x:99999/",
        "http://[::1/",
        "http://x y/",
        "http://x:+1/",
    ] {
        refused(Upstream::parse(bad), "http://127.0.0.1:9000/mcp");
    }
    for bad in [
        "http://x/a?b",
        "http://x/a#b",
        "http://x/%61",
        "http://x//a",
        "http://x/a/../b",
        "http://x/.",
        "unix:/s#mcp",
        "unix:/s#",
    ] {
        refused(Upstream::parse(bad), "a path that is not plain");
    }
}

#[track_caller]
fn check_public(text: &str, expected: &str, host: &str, path: &str) {
    let url = PublicUrl::parse(text).unwrap();
    assert_eq!((url.as_str(), url.host(), url.path()), (expected, host, path));
}

#[test]
fn the_public_url_is_canonical() {
    check_public("https://mcp.example.com/mcp", "https://mcp.example.com/mcp", "mcp.example.com", "/mcp");
    check_public("HTTPS://MCP.example.com:443/mcp/", "https://mcp.example.com/mcp", "mcp.example.com", "/mcp");
    check_public("https://mcp.example.com", "https://mcp.example.com", "mcp.example.com", "/");
    check_public("http://mcp.example.com:8080/", "http://mcp.example.com:8080", "mcp.example.com:8080", "/");
    check_public("http://[::1]:80/mcp", "http://[::1]/mcp", "[::1]", "/mcp");
    let local = PublicUrl::local(8080, "/mcp");
    assert_eq!(
        (local.as_str(), local.host(), local.origin().as_str()),
        ("http://localhost:8080/mcp", "localhost:8080", "http://localhost:8080")
    );
    refused(PublicUrl::parse("https://x/mcp?a"), "a path that is not plain");
    refused(PublicUrl::parse("mcp.example.com"), "is not an http(s) URL");
    refused(PublicUrl::parse("https://x/.well-known/mcp"), "must not lie below");
}

#[test]
fn clear_text_is_noticed_beyond_loopback() {
    for (url, is_clear) in
        [("http://x/", true), ("https://x/", false), ("http://localhost:1/", false), ("http://127.0.0.9/", false)]
    {
        assert_eq!(PublicUrl::parse(url).unwrap().is_clear(), is_clear, "{url}");
    }
}

#[test]
fn a_host_is_compared_as_a_host() {
    let any_port = HostRule::parse("MCP.example.com").unwrap();
    for host in ["mcp.example.com", "mcp.example.com:8080", "MCP.EXAMPLE.COM:1"] {
        assert!(any_port.allows(host), "{host}");
    }
    for host in [
        "",
        "mcp.example.com.",
        "mcp.example.com:",
        "mcp.example.com:x",
        "amcp.example.com",
        "u@mcp.example.com",
        "mcp.example.com:1:2",
        "mcp.example.com:99999",
        "mcp.example.com/",
        "mcp.example.com, x",
    ] {
        assert!(!any_port.allows(host), "{host}");
    }
    let with_port = HostRule::parse("mcp.example.com:8443").unwrap();
    assert!(with_port.allows("mcp.example.com:8443"));
    assert!(!with_port.allows("mcp.example.com") && !with_port.allows("mcp.example.com:443"));
    assert!(HostRule::loopback().any(|rule| rule.allows("[::1]:8080")));
    assert!(HostRule::loopback().any(|rule| rule.allows("[0:0::1]")));
    assert!(!HostRule::loopback().any(|rule| rule.allows("127.0.0.2")));
    for bad in ["", "*", "*.example.com", "http://x", "x/y", "::1", "[::1", ".x", "a b"] {
        refused(HostRule::parse(bad), "is not a host");
    }
}

#[test]
fn origins_are_canonical_and_have_no_path() {
    assert_eq!(origin("https://App.example.com:443"), Ok("https://app.example.com".into()));
    assert_eq!(origin("http://localhost:3000"), Ok("http://localhost:3000".into()));
    assert_eq!(origin("vscode-webview://abc"), Ok("vscode-webview://abc".into()));
    for bad in [
        "",
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://",
        "://x",
        "HTTPS://x",
        "https://*.x",
    ] {
        refused(origin(bad), "is not an origin");
    }
}
