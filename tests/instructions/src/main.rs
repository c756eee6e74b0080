//! Runs hot functions of the judge, each a fixed number of times inside [`counted`], and says how often: all of them, or
//! the one that is named. `run.py` has callgrind count what happens there, and nowhere else.
#![expect(clippy::unwrap_used, reason = "a case that cannot be set up has nothing to count")]

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use toolgate::caller::{Caller, Scopes, UnixTime};
use toolgate::cel::Facts;
use toolgate::judge::what;
use toolgate::message::agreement::Mirror;
use toolgate::message::batch::Body;
use toolgate::message::lists::{Filter, Freshness, Passed};
use toolgate::message::recognise;
use toolgate::message::reply::ErrorReply;
use toolgate::message::sse::{Event, EventStream};
use toolgate::policy::{Grants, Kind, Policy, Ruling};
use toolgate::record::{AuditRecord, Moment, Outcome, Told};
use toolgate::refusal::{Era, Refusal};
use toolgate::session::Sealer;
use toolgate::token::{Algorithm, Bearer, Issuer, Issuers, KeySet, Verified, claimed_issuer, verify};

#[path = "../../../benches/judge/samples.rs"]
mod samples;

const NOW: UnixTime = UnixTime(1_800_000_000);
const DEPTH: u16 = 128;
const SECRET: &[u8] = b"a secret of thirty-two bytes: ok";
/// The claims of a usual access token (RFC 9068 §2.2).
const CLAIMS: &str = r#"{"iss":"https://idp.example.com","sub":"248289761001","aud":"https://mcp.example.com/mcp","exp":1800003600,"iat":1800000000,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","client_id":"s6BhdRkqt3","scope":"public:read confidential:read reports:read"}"#;
const WHEN: &str =
    "version: 1\ntools:\n  write: {scopes: [s0], when: 'args.path.startsWith(\"/srv/\") && claims.exp > 0'}\n";

/// What is counted: `work`, so often. It is as it should be if each time it says so.
///
/// The name is that of a function in the symbols, by which callgrind is told where to count.
#[inline(never)]
fn counted(work: &mut dyn FnMut() -> bool, times: u32) -> bool {
    (0..times).fold(true, |all, _| all & work())
}

/// Runs all cases, or the one with this name.
struct Counting(Option<String>);

impl Counting {
    /// Runs one; the first time, which sets up what is set up once, is not counted.
    #[expect(clippy::print_stdout, reason = "run.py reads it")]
    fn case(&self, name: &str, times: u32, mut work: impl FnMut() -> bool) {
        if self.0.as_ref().is_some_and(|only| only != name) {
            return;
        }
        assert!(work(), "{name} is not as it should be");
        assert!(counted(&mut work, times), "{name} is not as it should be");
        println!("{times} {name}");
    }
}

fn main() {
    let counting = Counting(std::env::args().nth(1));
    requests(&counting);
    decisions(&counting);
    lists(&counting);
    tokens(&counting);
    answers(&counting);
}

fn granted(policy: &Policy) -> Grants {
    policy.grants(&Scopes::from_names(["s0", "s3", "s4"]))
}

fn requests(counting: &Counting) {
    let is_read = |body: &str| recognise(&Mirror::default(), black_box(body.as_bytes()), DEPTH).is_ok();
    let small = samples::call("tool_00042", 300);
    counting.case("recognise a call of 300 bytes", 200, || is_read(&small));
    let text = samples::call("tool_00042", 64 * 1024);
    counting.case("recognise a call of 64 KiB, one text", 20, || is_read(&text));
    let rows = samples::call_with_rows("tool_00042", 64 * 1024);
    counting.case("recognise a call of 64 KiB, a table", 20, || is_read(&rows));

    let policy = Policy::compile("policy", &samples::policy(200)).unwrap();
    let (grants, sealer) = (granted(&policy), Sealer::new(b"key"));
    let caller = Caller::new("https://idp.example.com", "alice", NOW.plus(3600));
    counting.case("judge a call of 300 bytes", 200, || {
        let read = Body::read(&Mirror::default(), black_box(small.as_bytes()), DEPTH, 0);
        let Ok(Body::One(message)) = read else { return false };
        what(&policy, &grants, &message, &sealer.of(&caller), &Facts::default()).is_ok()
    });
}

fn decisions(counting: &Counting) {
    let policy = Policy::compile("policy", &samples::policy(200)).unwrap();
    let grants = granted(&policy);
    let is_permitted = |policy: &Policy, grants: &Grants, name: &str, facts: &Facts<'_>| {
        matches!(policy.decide_call(grants, Kind::Tool, black_box(name), facts), Ruling::Permit(_))
    };
    let none = Facts::default();
    counting.case("decide by an exact rule", 500, || is_permitted(&policy, &grants, "tool_00004", &none));
    counting.case("decide by a pattern", 500, || is_permitted(&policy, &grants, "group_00004_x", &none));
    counting.case("decide where no rule speaks", 500, || !is_permitted(&policy, &grants, "nothing_like_it", &none));
    let conditional = Policy::compile("policy", WHEN).unwrap();
    let of_it = granted(&conditional);
    let args = r#"{"path":"/srv/reports/2027-01.txt","overwrite":false,"content":"nobody looks at it"}"#;
    let facts = Facts { claims: CLAIMS, args: Some(args), ..none };
    counting.case("decide by a condition", 200, || is_permitted(&conditional, &of_it, "write", &facts));
    let scopes = Scopes::from_names(["s0", "s3", "s4"]);
    counting.case("grants of a caller", 100, || policy.grants(black_box(&scopes)) == grants);
}

fn lists(counting: &Counting) {
    let filter = Filter {
        sees: &|_, name| samples::is_shown(name),
        freshness: Freshness { ttl_cap_ms: 60_000, is_required: false },
        heard: None,
        pins: None,
        tasks: &samples::NoTasks,
    };
    let is_cut = |document: &[u8]| {
        let mut tallies = Vec::new();
        let passed = filter.message(black_box(document), &mut tallies);
        let is_half = tallies.iter().all(|tally| tally.shown == tally.hidden);
        matches!(passed, Ok(Passed::Cut(_))) && is_half
    };
    let list = samples::list(30);
    counting.case("cut half of 30 tools out of a list", 50, || is_cut(list.as_bytes()));
    let long = samples::list(300);
    counting.case("cut half of 300 tools out of a list", 10, || is_cut(long.as_bytes()));
    let event = samples::event(&list);
    counting.case("cut half of 30 tools out of an event", 50, || {
        let mut is_one = false;
        let mut each = |event: Event<'_>| is_one = event.data().is_some_and(|data| is_cut(&data));
        EventStream::new(1 << 20).push(black_box(event.as_bytes()), &mut each).is_ok() && is_one
    });
}

fn tokens(counting: &Counting) {
    let header = r#"{"alg":"HS256","typ":"at+jwt"}"#;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header.as_bytes()), encode(CLAIMS.as_bytes()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    let token = format!("{message}.{}", encode(signature.as_ref()));
    let bearer = Bearer::try_from(token.as_str()).unwrap();
    let mut issuer = Issuer::new("https://idp.example.com", ["https://mcp.example.com/mcp".into()]);
    issuer.algorithms = Algorithm::SYMMETRIC.into();
    issuer.keys = Some(Arc::new(KeySet::from_secret(SECRET).unwrap()));
    let issuers = Issuers::new(vec![issuer]).unwrap();
    counting.case("verify a token, HS256", 50, || verify(black_box(&bearer), &issuers, NOW).is_ok());
    counting.case("read a token", 50, || claimed_issuer(black_box(&bearer), &issuers).is_some());
    let caller = verify(&bearer, &issuers, NOW).unwrap();
    let (verified, digest) = (Verified::by_signature(&caller, 60, 0), bearer.digest());
    counting.case("recall a token", 200, || black_box(&bearer).digest() == digest && verified.is_usable(NOW, 0));
}

fn answers(counting: &Counting) {
    let caller = Caller {
        client_id: Some("s6BhdRkqt3".into()),
        scopes: Scopes::from_names(["public:read", "confidential:read", "reports:read"]),
        ..Caller::new("https://idp.example.com", "248289761001", NOW.plus(3600))
    };
    let told = Told::new(&caller);
    let arguments = RawValue::from_string(r#"{"names":["path","content"]}"#.to_owned()).unwrap();
    let record = AuditRecord {
        time: Moment(1_800_000_000_123),
        request_id: "01890a5d-ac96-774b-bcce-b302099a8057",
        decision_id: None,
        caller: Some(&told),
        method: Some("tools/call"),
        kind: Some("tool"),
        name: Some("tool_00042"),
        arguments: Some(&arguments),
        decision: Outcome::Allow,
        reason: "permit",
        detail: None,
        rule: Some("tools.tool_00042"),
        would_deny: None,
        would_deny_rule: None,
        tool_drift: None,
        policy_generation: 7,
        session: Some("5b1f0c9d2e3a4b5c"),
        http_status: 200,
        upstream_status: Some(200),
        duration_us: 1234,
        upstream_us: Some(1100),
        stream_end: None,
        remote: Some("192.0.2.17"),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
    };
    counting.case("write an audit line", 200, || black_box(&record).line().ends_with(b"}\n"));
    let reply = ErrorReply {
        id: Some("17"),
        era: Era::Legacy,
        name: Some("tool_00042"),
        required_scopes: &["reports:write"],
        ids: &[],
        decision: Some("01890a5d-ac96-774b-bcce-b302099a8057"),
    };
    counting.case("render a refusal", 200, || black_box(&reply).render(Refusal::ScopeInsufficient).ends_with("}}"));
}
