//! What one caller can cost: places, memory and work, whatever kind of message it sends.

use crate::support::gateway::Setup;
use crate::support::upstream::{Request, event, fine, json, last_chunk, stream_head};
use crate::support::{Ask, Client, Gate, Gateway, Step, Upstream, call, eventually, request, token};

/// A client that has sent a good head and was told to go on, and then does not.
#[track_caller]
fn stalled(gateway: &Gateway, ask: &Ask) -> Client {
    let mut client = gateway.connect();
    let ask = ask.clone().header("Expect", "100-continue");
    client.send(&ask.head());
    assert_eq!(client.response_head().status, 100);
    client
}

#[test]
fn bodies_that_do_not_come_take_the_places_of_their_caller_alone() {
    let upstream = Upstream::new(fine);
    let gateway =
        Setup::before(&upstream).arg("--limits-streams", "4").arg("--limits-streams-per-caller", "2").start();
    let alice = token("alice", "r");
    let held: Vec<_> = (0..2).map(|_| stalled(&gateway, &Ask::post(&alice, call("open")))).collect();
    let in_chunks = Ask::post(&alice, call("open")).chunked(10);
    let promised = Ask::post(&alice, call("open")).header("Expect", "100-continue");
    for ask in [in_chunks, promised, Ask::method("DELETE", &alice), Ask::get(&alice)] {
        assert_eq!(gateway.ask(&ask).status, 429);
    }
    assert_eq!(gateway.ask(&Ask::post(&alice, call("open"))).status, 200, "what is there need not come");
    assert_eq!(gateway.ask(&Ask::post(&token("bob", "r"), call("open"))).status, 200);
    drop(held);
    eventually("room again", || (gateway.ask(&Ask::post(&alice, call("open"))).status == 200).then_some(()));
}

#[test]
fn what_takes_no_place_cannot_be_sent_without_end_either() {
    let gate = Gate::default();
    let waits = gate.clone();
    let upstream = Upstream::new(move |request: &Request| {
        let waits = Step::Wait(waits.clone());
        std::iter::once(waits).chain(fine(request)).collect()
    });
    let gateway = Setup::before(&upstream).arg("--limits-streams-per-caller", "2").start();
    let alice = token("alice", "r");
    let said =
        Ask::post(&alice, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#);
    let mut held: Vec<_> = (0..2).map(|_| gateway.connect()).collect();
    for client in &mut held {
        client.send(&said.bytes());
    }
    eventually("both", || (upstream.requests().len() == 2).then_some(()));
    assert_eq!(gateway.ask(&said).status, 429);
    gate.open();
    for client in &mut held {
        assert_eq!(client.response().status, 202);
    }
    eventually("room again", || (gateway.ask(&said).status == 202).then_some(()));
}

#[test]
fn a_message_names_so_many_things_and_no_more() {
    let upstream = Upstream::new(fine);
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    for (member, name) in [("taskIds", "\"t\","), ("resourceSubscriptions", "\"x:r\",")] {
        for (count, status) in [(1024, 200), (1025, 400), (500_000, 400)] {
            let names = name.repeat(count);
            let params = format!(r#"{{"notifications":{{"{member}":[{}]}}}}"#, names.trim_end_matches(','));
            let asked = Ask::post(&alice, request("1", "subscriptions/listen", &params));
            assert_eq!(gateway.ask(&asked).status, status, "{count} {member}");
        }
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn answers_that_nobody_reads_do_not_fill_the_memory() {
    const MIB: usize = 1024 * 1024;
    let large = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"said":"{}"}}}}"#, "x".repeat(15 * MIB));
    let upstream = Upstream::new(move |request| match request.header("mcp-param-way") {
        Some("stream") => vec![stream_head(), event(&large), last_chunk()],
        Some(_) => json(&large),
        None => fine(request),
    });
    let gateway = Gateway::before(&upstream);
    let alice = token("alice", "r");
    // 256 MiB are room for 17 of them.
    for (way, counted, label) in [
        ("stream", "toolgate_streams_ended_total", "reason=\"overload\""),
        ("whole", "toolgate_requests_total", "overloaded"),
    ] {
        let held: Vec<_> = (0..40)
            .map(|_| {
                let mut client = gateway.connect();
                client.send(&Ask::post(&alice, call("open")).header("Mcp-Param-Way", way).bytes());
                client
            })
            .collect();
        eventually("what is too much", || (gateway.metric(counted, label) >= 23).then_some(()));
        assert!(gateway.memory() < 500 * 1024 * 1024, "{way}: {} bytes", gateway.memory());
        assert_eq!(gateway.ask(&Ask::post(&alice, call("open"))).status, 200, "what is small needs no room");
        drop(held);
    }
}

/// However long a stream goes on in silence, what was read of it takes no room any more.
#[test]
fn a_stream_that_falls_silent_takes_no_room() {
    const MIB: usize = 1024 * 1024;
    let large = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{}"}}}}"#,
        "x".repeat(15 * MIB)
    );
    let (length, left) = (large.len() + "data: \n\n".len(), Gate::default());
    let upstream = Upstream::new({
        let left = left.clone();
        move |_| vec![stream_head(), event(&large), Step::UntilLeft(left.clone())]
    });
    let gateway = Gateway::before(&upstream);
    let ask = Ask::post(&token("alice", "r"), call("open"));
    // 256 MiB are room for 17 of them.
    let silent: Vec<_> = (0..18)
        .map(|number| {
            let mut client = gateway.connect();
            client.send(&ask.bytes());
            assert_eq!(client.response_head().status, 200);
            let mut read = 0;
            while read < length {
                read += client.chunk().unwrap_or_else(|| panic!("stream {number} ended")).len();
            }
            client
        })
        .collect();
    drop(silent);
    left.wait();
}
