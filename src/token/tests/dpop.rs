//! DPoP proofs that must and must not be accepted (RFC 9449 §4.3), and what a token may be presented with.

use proptest::prelude::*;

use super::*;
use crate::caller::Confirmation;
use crate::message::agreement::Field;
use crate::token::jwk::thumbprint;
use crate::token::thumbprint::Thumbprint;
use crate::token::value::Json;

const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";

static KEY: LazyLock<Signer> = LazyLock::new(Signer::p256);
static NONCES: LazyLock<Nonces> = LazyLock::new(|| Nonces::new(b"0123456789abcdef0123456789abcdef", 60));

fn jkt(signer: &Signer) -> Box<str> {
    let jwk = signer.jwk(r#""kid":"not part of it""#);
    let jwk = Json::read_object(jwk.as_bytes()).unwrap();
    thumbprint(&jwk).unwrap().as_str().into()
}

fn header() -> Payload {
    let jwk = format!("{{{}}}", KEY.jwk_members());
    Payload(vec![]).with("typ", r#""dpop+jwt""#).with("alg", r#""ES256""#).with("jwk", &jwk)
}

fn claims() -> Payload {
    Payload(vec![])
        .with("jti", r#""-BwC3ESc6acc2lTc""#)
        .with("htm", r#""POST""#)
        .with("htu", &format!(r#""{HERE}""#))
        .with("iat", "1800000000")
        .with("ath", r#""fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo""#)
}

fn proof(header: &Payload, claims: &Payload) -> String {
    token(&KEY, Algorithm::ES256, &header.to_string(), &claims.to_string())
}

fn bound_to(signer: &Signer) -> Caller {
    Caller { confirmation: Confirmation::Jwk(jkt(signer)), ..Caller::new(A, "alice", UnixTime(NOW + 600)) }
}

fn presented<'a>(scheme: Scheme, dpop: Field<'a>) -> Presented<'a> {
    Presented {
        scheme,
        token: Bearer::try_from(TOKEN).unwrap(),
        dpop,
        certificate_sha256: None,
        method: "POST",
        url: HERE,
    }
}

fn check_at(caller: &Caller, proof: &str, now: u64, terms: &DpopTerms) -> Result<Option<ProofId>, Refusal> {
    check_binding(caller, &presented(Scheme::Dpop, Field::Once(proof.as_bytes())), UnixTime(now), terms)
}

#[track_caller]
fn check(case: &str, proof: &str, expected: Result<(), Refusal>) {
    let found = check_at(&bound_to(&KEY), proof, NOW, &DpopTerms::default());
    assert_eq!(found.map(|id| assert!(id.is_some())), expected, "{case}");
}

/// One member of the header replaced, added, or (where `json` is empty) left out.
#[track_caller]
fn check_header(name: &'static str, json: &str, expected: Result<(), Refusal>) {
    let header = if json.is_empty() { header().without(name) } else { header().with(name, json) };
    check(&format!("{name}: {json}"), &proof(&header, &claims()), expected);
}

#[track_caller]
fn check_claim(name: &'static str, json: &str, expected: Result<(), Refusal>) {
    let claims = if json.is_empty() { claims().without(name) } else { claims().with(name, json) };
    check(&format!("{name}: {json}"), &proof(&header(), &claims), expected);
}

const INVALID: Result<(), Refusal> = Err(Refusal::DpopProofInvalid);

#[test]
fn accepts_the_proof_of_rfc_9449() {
    // RFC 9449 §7.1, the request of figure 12 and the token of figure 11.
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZ\
                 OXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsIm\
                 NydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5\
                 leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiM\
                 HhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd\
                 -jfxSYoMxhAJpLjA";
    let caller = Caller {
        confirmation: Confirmation::Jwk("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".into()),
        ..Caller::new(A, "alice", UnixTime(NOW))
    };
    let request = Presented {
        method: "GET",
        url: "https://resource.example.org/protectedresource",
        ..presented(Scheme::Dpop, Field::Once(proof.as_bytes()))
    };
    let id = check_binding(&caller, &request, UnixTime(1_562_262_618), &DpopTerms::default()).unwrap().unwrap();
    assert_eq!((&*id.jti, id.issued), ("e1j3V_bKic8-LAEB", UnixTime(1_562_262_618)));
    assert_eq!(&*id.key, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    #[track_caller]
    fn check(jwk: &str, expected: &str) {
        let jwk = Json::read_object(jwk.as_bytes()).unwrap();
        assert_eq!(thumbprint(&jwk).unwrap().as_str(), expected);
    }
    // RFC 7638 §3.1
    check(
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    );
    // RFC 8037 §A.3
    check(
        r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    );
}

#[test]
fn accepts_every_kind_of_key_that_is_asymmetric() {
    let kinds: [(&Signer, &str); 6] = [
        (&RSA, "RS256"),
        (&RSA, "PS256"),
        (&RSA, "PS512"),
        (&P256, "ES256"),
        (&P384, "ES384"),
        (&ED25519, "EdDSA"),
    ];
    for (signer, algorithm) in kinds {
        let jwk = signer.jwk(r#""use":"sig""#);
        let header = header().with("alg", &format!(r#""{algorithm}""#)).with("jwk", &jwk).to_string();
        let made = token(signer, algorithm.parse().unwrap(), &header, &claims().to_string());
        let id = check_at(&bound_to(signer), &made, NOW, &DpopTerms::default()).unwrap().unwrap();
        assert_eq!(id.key, jkt(signer), "{algorithm}");
        let others = DpopTerms { algorithms: [Algorithm::RS384].into(), ..DpopTerms::default() };
        assert_eq!(check_at(&bound_to(signer), &made, NOW, &others), Err(Refusal::DpopProofInvalid), "{algorithm}");
        let none = DpopTerms { algorithms: [].into(), ..DpopTerms::default() };
        assert_eq!(check_at(&bound_to(signer), &made, NOW, &none), Err(Refusal::DpopProofInvalid), "{algorithm}");
    }
}

#[test]
fn there_is_exactly_one_header() {
    let (good, terms, caller) = (proof(&header(), &claims()), DpopTerms::default(), bound_to(&KEY));
    let check = |field: Field<'_>, expected: Result<(), Refusal>| {
        let found = check_binding(&caller, &presented(Scheme::Dpop, field), UnixTime(NOW), &terms);
        assert_eq!(found.map(drop), expected, "{field:?}");
    };
    check(Field::Once(good.as_bytes()), Ok(()));
    check(Field::Absent, INVALID);
    check(Field::Repeated, INVALID);
    check(Field::Once(b""), INVALID);
    check(Field::Once(b"\xff"), INVALID);
    check(Field::Once(format!("{good},{good}").as_bytes()), INVALID);
    check(Field::Once(format!("{good} ").as_bytes()), INVALID);
    check(Field::Once(format!("DPoP {good}").as_bytes()), INVALID);
}

#[test]
fn a_proof_is_three_canonical_segments() {
    let good = proof(&header(), &claims());
    let [head, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("segments") };
    for (case, spoiled) in [
        ("two segments", format!("{head}.{payload}")),
        ("four segments", format!("{good}.{signature}")),
        ("a JWE", format!("{head}..{payload}.{signature}.{signature}")),
        ("no signature", format!("{head}.{payload}.")),
        ("no payload", format!("{head}..{signature}")),
        ("padding", format!("{good}==")),
        ("a dot behind", format!("{good}.")),
        ("line break", format!("{head}.\n{payload}.{signature}")),
        (
            "JSON serialization",
            format!(r#"{{"protected":"{head}","payload":"{payload}","signature":"{signature}"}}"#),
        ),
        ("a larger signature", format!("{good}AAAA")),
    ] {
        check(case, &spoiled, INVALID);
    }
    let long = claims().with("x", &format!(r#""{}""#, "a".repeat(MAX_PROOF)));
    check("too long", &proof(&header(), &long), INVALID);
    let longest = claims().with("x", &format!(r#""{}""#, "a".repeat(5000)));
    check("long", &proof(&header(), &longest), Ok(()));
}

#[test]
fn the_type_is_dpop_jwt_and_nothing_else() {
    check_header("typ", r#""dpop\u002bjwt""#, Ok(()));
    for json in [
        "",
        "null",
        "7",
        r#""""#,
        r#""JWT""#,
        r#""at+jwt""#,
        r#""DPoP+JWT""#,
        r#""application/dpop+jwt""#,
        r#"["dpop+jwt"]"#,
    ] {
        check_header("typ", json, INVALID);
    }
    for name in ["crit", "b64", "zip", "enc", "cty"] {
        for json in ["null", "[]", "true", r#""x""#] {
            check_header(name, json, INVALID);
        }
    }
    for name in ["kid", "jku", "x5c", "x5u", "x"] {
        check_header(name, r#""https://evil.example""#, Ok(()));
    }
}

#[test]
fn the_algorithm_is_asymmetric_and_fits_the_key() {
    for json in [
        "",
        "null",
        r#""none""#,
        r#""None""#,
        r#""""#,
        r#""es256""#,
        r#""ES384""#,
        r#""RS256""#,
        r#""EdDSA""#,
        r#""HS256""#,
        "[]",
    ] {
        check_header("alg", json, INVALID);
    }
    // The public key as a secret.
    let secret = Signer::Secret(KEY.jwk("").into_bytes());
    let header = header().with("alg", r#""HS256""#).to_string();
    let made = token(&secret, Algorithm::HS256, &header, &claims().to_string());
    let symmetric = DpopTerms { algorithms: Algorithm::ALL.into(), ..DpopTerms::default() };
    assert_eq!(check_at(&bound_to(&KEY), &made, NOW, &symmetric), Err(Refusal::DpopProofInvalid));
}

#[test]
fn the_key_is_one_public_key() {
    let members = KEY.jwk_members();
    let with = |more: &str| format!("{{{members},{more}}}");
    for jwk in
        [with(r#""use":"sig""#), with(r#""alg":"ES256""#), with(r#""key_ops":["verify"]"#), with(r#""kid":"x""#)]
    {
        check_header("jwk", &jwk, Ok(()));
    }
    for jwk in [
        String::new(),
        "null".into(),
        "{}".into(),
        "[]".into(),
        format!(r#""{}""#, encode(members.as_bytes())),
        format!("[{{{members}}}]"),
        with(r#""d":"AAAA""#),
        with(r#""d":null"#),
        with(r#""k":"AAAA""#),
        with(r#""oth":[]"#),
        with(r#""use":"enc""#),
        with(r#""alg":"ES384""#),
        with(r#""alg":"ECDH-ES""#),
        with(r#""key_ops":["sign"]"#),
        with(r#""kid":7"#),
        format!("{{{members},{members}}}"),
        r#"{"kty":"oct","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQ"}"#.into(),
        r#"{"kty":"EC","crv":"P-256"}"#.into(),
        with("").replace(r#",}"#, "}").replace("P-256", "P-384"),
        with("").replace(r#",}"#, "}").replace(r#""EC""#, r#""OKP""#),
    ] {
        check_header("jwk", &jwk, INVALID);
    }
}

#[test]
fn the_signature_is_by_the_key_inside() {
    let (header, claims) = (header().to_string(), claims().to_string());
    check("by another key", &token(&P256, Algorithm::ES256, &header, &claims), INVALID);
    let good = token(&KEY, Algorithm::ES256, &header, &claims);
    let other = token(&KEY, Algorithm::ES256, &header, &claims.replace("POST", "GET"));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    check("over other bytes", &format!("{signed}.{signature}"), INVALID);
}

#[test]
fn the_key_is_the_one_the_token_is_bound_to() {
    let good = proof(&header(), &claims());
    let terms = DpopTerms::default();
    assert_eq!(check_at(&bound_to(&P256), &good, NOW, &terms), Err(Refusal::TokenUnbound));
    let mut caller = bound_to(&KEY);
    for jkt in ["", "x", &jkt(&KEY).to_lowercase(), &format!("{}=", jkt(&KEY)), &format!("{} ", jkt(&KEY))] {
        caller.confirmation = Confirmation::Jwk(jkt.into());
        assert_eq!(check_at(&caller, &good, NOW, &terms), Err(Refusal::TokenUnbound), "{jkt}");
    }
}

#[test]
fn the_method_is_the_requests() {
    for json in ["", "null", r#""post""#, r#""Post""#, r#""GET""#, r#""POST ""#, r#""""#, r#"["POST"]"#, "7"] {
        check_claim("htm", json, INVALID);
    }
    check_claim("htm", r#""P\u004fST""#, Ok(()));
    let lower = Presented { method: "post", ..presented(Scheme::Dpop, Field::Absent) };
    let good = proof(&header(), &claims());
    let lower = Presented { dpop: Field::Once(good.as_bytes()), ..lower };
    let found = check_binding(&bound_to(&KEY), &lower, UnixTime(NOW), &DpopTerms::default());
    assert_eq!(found, Err(Refusal::DpopProofInvalid));
}

#[test]
fn the_url_is_the_endpoints() {
    for json in
        [r#""HTTPS://MCP.example:443/mcp""#, r#""https:\/\/mcp.example\/mcp""#, r#""https://mcp.example/%6dcp""#]
    {
        check_claim("htu", json, Ok(()));
    }
    for json in [
        "",
        "null",
        r#""""#,
        r#""/mcp""#,
        r#""http://mcp.example/mcp""#,
        r#""https://mcp.example""#,
        r#""https://mcp.example/mcp/""#,
        r#""https://mcp.example/MCP""#,
        r#""https://mcp.example:8443/mcp""#,
        r#""https://mcp.example/mcp?a=b""#,
        r#""https://mcp.example/mcp#x""#,
        r#""https://other.example/mcp""#,
        r#""https://u@mcp.example/mcp""#,
        r#""https://mcp.example/x/../mcp""#,
        r#""https://mcp.example/mcp\u0000""#,
        r#"["https://mcp.example/mcp"]"#,
    ] {
        check_claim("htu", json, INVALID);
    }
}

#[test]
fn it_was_made_lately() {
    for json in ["1800000000", "1799999700", "1800000060", "1.8e9", "1800000060.9"] {
        check_claim("iat", json, Ok(()));
    }
    for json in
        ["", "null", "1799999699", "1800000061", "0", "-1", r#""1800000000""#, "1e999", "1800000000000", "[]"]
    {
        check_claim("iat", json, INVALID);
    }
    for (name, json, expected) in [
        ("exp", "1800000001", Ok(())),
        ("exp", "1799999941", Ok(())),
        ("exp", "1799999940", INVALID),
        ("exp", "null", INVALID),
        ("nbf", "1800000060", Ok(())),
        ("nbf", "1800000061", INVALID),
        ("nbf", r#""0""#, INVALID),
    ] {
        check_claim(name, json, expected);
    }
    let exact = DpopTerms { max_age: 0, leeway: 0, ..DpopTerms::default() };
    let good = proof(&header(), &claims());
    for (now, expected) in
        [(NOW - 1, INVALID), (NOW, Ok(())), (NOW + 1, INVALID), (0, INVALID), (u64::MAX, INVALID)]
    {
        assert_eq!(check_at(&bound_to(&KEY), &good, now, &exact).map(drop), expected, "{now}");
    }
}

#[test]
fn it_has_a_short_identifier_of_its_own() {
    for json in [r#""x""#, r#""ä b""#, &format!(r#""{}""#, "a".repeat(256))] {
        check_claim("jti", json, Ok(()));
    }
    for json in ["", "null", r#""""#, "7", r#"["x"]"#, r#""a\n""#, &format!(r#""{}""#, "a".repeat(257))] {
        check_claim("jti", json, INVALID);
    }
}

#[test]
fn it_is_about_this_token() {
    for json in [
        "",
        "null",
        r#""""#,
        r#""fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo=""#,
        r#""fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEp""#,
        r#""FUHYO2R2Z3DZ53ESNRWBB0XWXOANY59IIKCAQKSMQEO""#,
        r#""7d41f23b6af66770d9e7712c36b5816f4c565e868dcb9f4888a080aa4b26404a""#,
        r#""Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU""#,
        r#"["fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"]"#,
    ] {
        check_claim("ath", json, INVALID);
    }
}

#[test]
fn a_nonce_is_ours_where_one_is_required() {
    let terms = DpopTerms { nonce: NonceRule::Required(NONCES.clone()), ..DpopTerms::default() };
    let fresh = terms.nonce.fresh(UnixTime(NOW)).unwrap();
    let old = NONCES.fresh(UnixTime(NOW - 120));
    let required: Result<(), Refusal> = Err(Refusal::DpopNonceRequired);
    for (json, expected) in [
        (format!(r#""{fresh}""#), Ok(())),
        (format!(r#""{}""#, NONCES.fresh(UnixTime(NOW - 60))), Ok(())),
        (String::new(), required),
        (r#""""#.into(), required),
        (format!(r#""{old}""#), required),
        (format!(r#""{fresh}=""#), required),
        ("null".into(), INVALID),
        (format!(r#"["{fresh}"]"#), INVALID),
    ] {
        let claims = if json.is_empty() { claims() } else { claims().with("nonce", &json) };
        let found = check_at(&bound_to(&KEY), &proof(&header(), &claims), NOW, &terms);
        assert_eq!(found.map(drop), expected, "{json}");
    }
    let wrong_too = claims().with("htm", r#""GET""#);
    assert_eq!(
        check_at(&bound_to(&KEY), &proof(&header(), &wrong_too), NOW, &terms),
        Err(Refusal::DpopProofInvalid),
        "a nonce would not cure it"
    );
    check_claim("nonce", r#""anything""#, Ok(()));
    check_claim("nonce", "7", INVALID);
    assert_eq!(NonceRule::Off.fresh(UnixTime(NOW)), None);
}

#[test]
fn nothing_is_said_twice() {
    let twice = |text: &Payload, more: &str| text.to_string().replacen('{', &format!("{{{more},"), 1);
    for more in [r#""alg":"ES256""#, r#""typ":"dpop+jwt""#, r#""\u0061lg":"ES256""#, r#""x":1,"x":1"#] {
        let made = token(&KEY, Algorithm::ES256, &twice(&header(), more), &claims().to_string());
        check(more, &made, INVALID);
    }
    for more in [r#""htm":"POST""#, r#""\u0068tm":"POST""#, r#""ath":"x""#, r#""x":{"a":1,"a":1}"#] {
        let made = token(&KEY, Algorithm::ES256, &header().to_string(), &twice(&claims(), more));
        check(more, &made, INVALID);
    }
    for payload in ["", "null", "[]", "{}", "{", "\u{feff}{}"] {
        check(payload, &token(&KEY, Algorithm::ES256, &header().to_string(), payload), INVALID);
        check(payload, &token(&KEY, Algorithm::ES256, payload, &claims().to_string()), INVALID);
    }
}

#[test]
fn a_proof_is_remembered_by_key_and_identifier_until_it_is_too_old() {
    let terms = DpopTerms::default();
    let id = |claims: &Payload| check_at(&bound_to(&KEY), &proof(&header(), claims), NOW, &terms).unwrap().unwrap();
    let first = id(&claims());
    assert_eq!(first.digest(), id(&claims().with("iat", "1799999990")).digest(), "the same identifier");
    assert_ne!(first.digest(), id(&claims().with("jti", r#""another""#)).digest());
    let by_another_key = ProofId { key: jkt(&P256), ..first.clone() };
    assert_ne!(first.digest(), by_another_key.digest());
    assert_eq!(first.forget, UnixTime(NOW + 301));
    let good = proof(&header(), &claims());
    assert!(check_at(&bound_to(&KEY), &good, first.forget.0 - 1, &terms).is_ok());
    assert!(check_at(&bound_to(&KEY), &good, first.forget.0, &terms).is_err());
}

#[test]
fn a_token_goes_with_what_it_is_bound_to() {
    let good = proof(&header(), &claims());
    let certificate = [7; 32];
    let x5t = Thumbprint::from_digest(certificate).as_str().into();
    let unbound = Caller::new(A, "alice", UnixTime(NOW));
    let by_certificate = Caller { confirmation: Confirmation::Certificate(x5t), ..unbound.clone() };
    let by_key = bound_to(&KEY);
    let (dpop, bearer) = (Scheme::Dpop, Scheme::Bearer);
    let no: Result<bool, Refusal> = Err(Refusal::TokenUnbound);
    let (right, wrong) = (Some(certificate), Some([8; 32]));
    for (at, (caller, scheme, has_proof, certificate_sha256, expected, if_required)) in [
        (&unbound, bearer, false, None, Ok(false), no),
        (&unbound, bearer, true, None, Ok(false), no),
        (&unbound, bearer, false, right, Ok(false), no),
        (&unbound, dpop, true, None, no, no),
        (&unbound, dpop, false, None, no, no),
        (&by_key, dpop, true, None, Ok(true), Ok(true)),
        (&by_key, dpop, true, right, Ok(true), Ok(true)),
        (&by_key, dpop, false, None, Err(Refusal::DpopProofInvalid), Err(Refusal::DpopProofInvalid)),
        (&by_key, dpop, false, right, Err(Refusal::DpopProofInvalid), Err(Refusal::DpopProofInvalid)),
        (&by_key, bearer, true, None, no, no),
        (&by_key, bearer, false, None, no, no),
        (&by_key, bearer, false, right, no, no),
        (&by_certificate, bearer, false, right, Ok(false), no),
        (&by_certificate, bearer, true, right, Ok(false), no),
        (&by_certificate, bearer, false, wrong, no, no),
        (&by_certificate, bearer, false, None, no, no),
        (&by_certificate, bearer, true, None, no, no),
        (&by_certificate, dpop, true, right, no, no),
        (&by_certificate, dpop, true, None, no, no),
    ]
    .into_iter()
    .enumerate()
    {
        let field = if has_proof { Field::Once(good.as_bytes()) } else { Field::Absent };
        let request = Presented { certificate_sha256, ..presented(scheme, field) };
        let found = |required| {
            let terms = DpopTerms { required, ..DpopTerms::default() };
            check_binding(caller, &request, UnixTime(NOW), &terms).map(|id| id.is_some())
        };
        assert_eq!((found(false), found(true)), (expected, if_required), "row {at}");
    }
}

#[test]
fn no_changed_byte_is_accepted() {
    let (good, caller, terms) = (proof(&header(), &claims()), bound_to(&KEY), DpopTerms::default());
    assert!(check_at(&caller, &good, NOW, &terms).is_ok());
    for at in 0..good.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64] {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= flip;
            let request = presented(Scheme::Dpop, Field::Once(&bytes));
            let found = check_binding(&caller, &request, UnixTime(NOW), &terms);
            assert!(found.is_err(), "byte {at} with {flip} flipped");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_edited_proof_is_accepted(at in 0_usize..600, cut in 0_usize..3, put in "[A-Za-z0-9_.=+/-]{0,3}") {
        static GOOD: LazyLock<String> = LazyLock::new(|| proof(&header(), &claims()));
        let at = at.min(GOOD.len());
        let edited: String =
            GOOD.chars().take(at).chain(put.chars()).chain(GOOD.chars().skip(at.saturating_add(cut))).collect();
        prop_assume!(edited != *GOOD);
        let found = check_at(&bound_to(&KEY), &edited, NOW, &DpopTerms::default());
        prop_assert!(found.is_err(), "{}", edited);
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        let found = check_at(&bound_to(&KEY), &text, NOW, &DpopTerms::default());
        prop_assert_eq!(found, Err(Refusal::DpopProofInvalid));
    }
}
