//! Within a session, an id belongs to one request at a time.

use std::sync::Mutex;

use crate::support::upstream::{Request, event, fine, last_chunk, stream_head, with_length};
use crate::support::{Ask, Client, Gate, Gateway, Step, Upstream, eventually, request, token};

/// Opens the session that is asked for; answers a call of `read` in a stream when the gate opens.
fn slow(request: &Request, gate: &Gate) -> Vec<Step> {
    let body = String::from_utf8_lossy(&request.body);
    if body.contains("initialize") {
        let session = request.header("mcp-param-session").unwrap();
        let headers = format!("Content-Type: application/json\r\nMcp-Session-Id: {session}\r\n");
        return with_length("200 OK", &headers, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    }
    match request.header("mcp-param-way") {
        Some("slow") => vec![Step::Wait(gate.clone()), Step::Close],
        Some("json") => {
            let mut steps = vec![Step::Wait(gate.clone())];
            steps.extend(fine(request));
            steps
        }
        Some("stream") => {
            let answer = event(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, request.id()));
            vec![stream_head(), event(r#"{"jsonrpc":"2.0"}"#), Step::Wait(gate.clone()), answer, last_chunk()]
        }
        Some("broken") => vec![Step::Close],
        _ => fine(request),
    }
}

struct Session<'a> {
    gateway: &'a Gateway,
    token: String,
    name: String,
}

impl<'a> Session<'a> {
    fn open(gateway: &'a Gateway, subject: &str, inner: &str) -> Self {
        let token = token(subject, "r");
        let ask = Ask::post(&token, request("1", "initialize", "{}")).header("Mcp-Param-Session", inner);
        let name = gateway.ask(&ask).header("mcp-session-id").unwrap().to_owned();
        Self { gateway, token, name }
    }

    fn call(&self, id: &str, way: &str) -> Ask {
        Ask::post(&self.token, request(id, "tools/call", r#"{"name":"read"}"#))
            .header("Mcp-Session-Id", &self.name)
            .header("Mcp-Param-Way", way)
    }

    #[track_caller]
    fn status(&self, id: &str) -> u16 {
        self.gateway.ask(&self.call(id, "")).status
    }

    /// Begins a call and waits until the upstream has it.
    fn begin(&self, upstream: &Upstream, id: &str, way: &str) -> Client {
        let before = upstream.requests().len();
        let mut client = self.gateway.connect();
        client.send(&self.call(id, way).bytes());
        upstream.request(before + 1);
        client
    }
}

#[test]
fn an_id_that_is_under_way_is_refused_in_its_session_alone() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Upstream::new(move |request| slow(request, &wait));
    let mut gateway = Gateway::before(&upstream);
    let session = Session::open(&gateway, "alice", "one");
    let (other, bob) = (Session::open(&gateway, "alice", "two"), Session::open(&gateway, "bob", "one"));
    for way in ["json", "stream"] {
        let mut first = session.begin(&upstream, "7", way);
        let before = upstream.requests().len();
        for same in ["7", "\"7\"", "\"\\u0037\"", "\"7.0\""] {
            let response = gateway.ask(&session.call(same, ""));
            assert_eq!((response.status, response.json()["error"]["code"].as_i64()), (400, Some(-32600)), "{same}");
            assert!(response.text().contains(&format!("\"id\":{same}")), "{}", response.text());
        }
        assert_eq!(upstream.requests().len(), before, "{way}: nothing of these reached the upstream");
        for another in ["8", "\"a\"", "-7"] {
            assert_eq!(session.status(another), 200, "{another}");
        }
        assert_eq!((other.status("7"), bob.status("7")), (200, 200));
        // Without a session, two requests have nothing to do with each other.
        assert_eq!(gateway.ask(&session.call("7", "").without("Mcp-Session-Id")).status, 200);
        gate.open();
        assert_eq!(first.response().status, 200);
        assert_eq!(session.status("7"), 200, "{way}: free as soon as it is answered");
        gate.shut();
    }
    gateway.is_well();
}

#[test]
fn an_id_is_free_however_its_request_ended() {
    let gate = Gate::default();
    let wait = gate.clone();
    let upstream = Upstream::new(move |request| slow(request, &wait));
    let mut gateway = Gateway::before(&upstream);
    let session = Session::open(&gateway, "alice", "one");
    for way in ["json", "stream"] {
        drop(session.begin(&upstream, "1", way));
        eventually("the id of who left", || (session.status("1") == 200).then_some(()));
    }
    assert_eq!(gateway.ask(&session.call("2", "broken")).status, 502);
    assert_eq!(session.status("2"), 200);
    let denied = Ask::post(&session.token, request("3", "tools/call", r#"{"name":"never"}"#))
        .header("Mcp-Session-Id", &session.name);
    assert!(gateway.ask(&denied).json()["error"].is_object());
    assert_eq!(session.status("3"), 200);
    gate.open();
    gateway.is_well();
}

#[test]
fn many_requests_of_one_session_at_once_are_all_served() {
    let gate = Gate::default();
    let upstream = Upstream::new(move |request| slow(request, &gate));
    let mut gateway = Gateway::before(&upstream);
    let session = Session::open(&gateway, "alice", "one");
    let statuses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (session, statuses) = (&session, &statuses);
            scope.spawn(move || {
                let mut client = session.gateway.connect();
                for at in 0..100 {
                    let response = client.ask(&session.call(&(thread * 1000 + at).to_string(), ""));
                    statuses.lock().unwrap().push(response.status);
                }
            });
        }
    });
    let statuses = statuses.into_inner().unwrap();
    assert_eq!((statuses.len(), statuses.iter().filter(|status| **status == 200).count()), (400, 400));
    gateway.is_well();
}
