//! The rows of the table (RFC 8725 and beyond).

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use toolgate::refusal::Refusal;

use crate::support::tokens::{RESOURCE, now};

/// An issuer with a key of each kind.
pub(crate) const ISSUER: &str = "https://keys.test";
/// An issuer that calls its own key as the other does one of his, and issues tokens of RFC 9068 alone.
pub(crate) const OTHER_ISSUER: &str = "https://other.test";
/// An issuer with a shared secret, whose tokens need no `iss`.
pub(crate) const SHARED: &str = "shared";
/// Its secret.
pub(crate) const SECRET: &str = "a-shared-secret-of-more-than-32-bytes";

/// One bad token, what is wrong with it, and what it must be refused for.
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) token: String,
    pub(crate) reason: Refusal,
}

fn row(case: impl fmt::Display, token: String, reason: Refusal) -> Row {
    Row { case: case.to_string(), token, reason }
}

/// The keys of all issuers, and of one who is none.
pub(crate) struct Keys {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    of_other: EcdsaKeyPair,
    of_nobody: EcdsaKeyPair,
}

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rs256,
    Ps256,
    Es256,
    Es384,
    EdDsa,
    Hs256,
    /// With ES256, by the issuer that uses the same `kid`.
    Other,
    /// With ES256, by nobody that is known.
    Nobody,
}

const ALL: [By; 6] = [By::Rs256, By::Ps256, By::Es256, By::Es384, By::EdDsa, By::Hs256];

impl By {
    /// The header of a good token.
    const fn header(self) -> &'static str {
        match self {
            Self::Rs256 => r#"{"alg":"RS256","kid":"rsa"}"#,
            Self::Ps256 => r#"{"alg":"PS256","kid":"rsa"}"#,
            Self::Es256 | Self::Nobody => r#"{"alg":"ES256","kid":"p256"}"#,
            Self::Other => r#"{"alg":"ES256","kid":"p256","typ":"at+jwt"}"#,
            Self::Es384 => r#"{"alg":"ES384","kid":"p384"}"#,
            Self::EdDsa => r#"{"alg":"EdDSA","kid":"ed"}"#,
            Self::Hs256 => r#"{"alg":"HS256","typ":"JWT"}"#,
        }
    }

    const fn issuer(self) -> &'static str {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 | Self::Es384 | Self::EdDsa | Self::Nobody => ISSUER,
            Self::Hs256 => SHARED,
            Self::Other => OTHER_ISSUER,
        }
    }

    /// The claims of a good token.
    fn claims(self) -> Claims {
        Claims(Vec::new())
            .with("iss", quoted(self.issuer()))
            .with("sub", quoted("alice"))
            .with("aud", quoted(RESOURCE))
            .with("scope", quoted("r"))
            .with("exp", now() + 3600)
    }
}

impl Keys {
    pub(crate) fn new() -> Self {
        let p256 = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: p256(),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed25519: Ed25519KeyPair::generate().unwrap(),
            of_other: p256(),
            of_nobody: p256(),
        }
    }

    pub(crate) fn jwks(&self) -> String {
        let keys = [
            format!(r#"{{"kty":"RSA","kid":"rsa","n":"{}","e":"AQAB"}}"#, encode(self.modulus())),
            ec_jwk(&self.p256, "P-256", "p256"),
            ec_jwk(&self.p384, "P-384", "p384"),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"{}"}}"#, encode(self.ed25519.public_key())),
        ];
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    pub(crate) fn jwks_of_the_other_issuer(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, ec_jwk(&self.of_other, "P-256", "p256"))
    }

    /// The modulus, cut out of the DER of a public key of 2048 bits.
    fn modulus(&self) -> &[u8] {
        &self.rsa.public_key().as_ref()[9..265]
    }

    fn sign(&self, by: By, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |rule: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(rule, &random, message, &mut signature).unwrap();
            signature
        };
        let ec = |key: &EcdsaKeyPair| key.sign(&random, message).unwrap().as_ref().to_vec();
        match by {
            By::Rs256 => rsa(&RSA_PKCS1_SHA256),
            By::Ps256 => rsa(&RSA_PSS_SHA256),
            By::Es256 => ec(&self.p256),
            By::Es384 => ec(&self.p384),
            By::EdDsa => self.ed25519.sign(message).as_ref().to_vec(),
            By::Hs256 => hmac_of(SECRET.as_bytes(), message),
            By::Other => ec(&self.of_other),
            By::Nobody => ec(&self.of_nobody),
        }
    }

    /// The token with this header and payload, whatever they are.
    fn token(&self, by: By, header: &str, payload: &str) -> String {
        let text = format!("{}.{}", encode(header), encode(payload));
        format!("{text}.{}", encode(self.sign(by, text.as_bytes())))
    }

    /// A good token of issuer A with this header instead of its own.
    fn with_header(&self, header: &str) -> String {
        self.token(By::Es256, header, &By::Es256.claims().to_string())
    }

    /// A good token with one claim changed, or left out where `json` is empty.
    fn with_claim(&self, by: By, claim: &'static str, json: &str) -> String {
        let claims = if json.is_empty() { by.claims().without(claim) } else { by.claims().with(claim, json) };
        self.token(by, by.header(), &claims.to_string())
    }
}

fn ec_jwk(key: &EcdsaKeyPair, curve: &str, kid: &str) -> String {
    let point = &key.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    format!(r#"{{"kty":"EC","crv":"{curve}","kid":"{kid}","x":"{}","y":"{}"}}"#, encode(x), encode(y))
}

fn hmac_of(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// A claim set, each claim as JSON text.
#[derive(Clone)]
struct Claims(Vec<(&'static str, String)>);

impl Claims {
    fn with(self, name: &'static str, json: impl fmt::Display) -> Self {
        let mut claims = self.without(name);
        claims.0.push((name, json.to_string()));
        claims
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| *other != name);
        self
    }
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<_> = self.0.iter().map(|(name, json)| format!(r#""{name}":{json}"#)).collect();
        write!(f, "{{{}}}", members.join(","))
    }
}

/// One good token of each kind.
pub(crate) fn good(keys: &Keys) -> Vec<(String, String)> {
    let all = ALL.into_iter().chain([By::Other]);
    let mut good: Vec<_> =
        all.map(|by| (format!("{by:?}"), keys.token(by, by.header(), &by.claims().to_string()))).collect();
    good.push(("no iss".into(), keys.with_claim(By::Hs256, "iss", "")));
    good.push(("at+jwt".into(), keys.with_header(r#"{"alg":"ES256","kid":"p256","typ":"at+jwt"}"#)));
    good.push(("no kid".into(), keys.with_header(r#"{"alg":"ES256"}"#)));
    good
}

/// All rows.
pub(crate) fn all(keys: &Keys) -> Vec<Row> {
    let groups = [
        forms(keys),
        headers(keys),
        kinds(keys),
        algorithms(keys),
        names_of_keys(keys),
        signatures(keys),
        issuers(keys),
        payloads(keys),
        times(keys),
        names(keys),
        audiences(keys),
        bindings(keys),
    ];
    groups.into_iter().flatten().collect()
}

fn forms(keys: &Keys) -> Vec<Row> {
    let good = keys.with_header(By::Es256.header());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let cut = |text: &str, bytes: usize| text[..text.len() - bytes].to_owned();
    let unreadable = [
        ("a word", "hello".to_owned()),
        ("one segment", header.to_owned()),
        ("two segments", format!("{header}.{payload}")),
        ("four segments", format!("{good}.{signature}")),
        ("five segments, a JWE", format!("{header}..{payload}.{signature}.{signature}")),
        ("a dot behind", format!("{good}.")),
        ("a dot before", format!(".{good}")),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload, as if detached", format!("{header}..{signature}")),
        ("dots alone", "..".to_owned()),
        ("one character less", cut(&good, 1)),
        ("padded", format!("{good}==")),
        ("the standard alphabet", format!("{header}.{payload}.{}+/", cut(signature, 2))),
        ("a tilde", format!("{header}.{payload}.{}~~", cut(signature, 2))),
        ("trailing bits", format!("{header}.{payload}.{}{}", cut(signature, 1), one_more(signature))),
        ("upside down", format!("{signature}.{payload}.{header}")),
    ];
    let malformed = [
        ("two words", format!("{header} {payload}")),
        ("quotes", format!("\"{good}\"")),
        ("a comma", format!("{good},{good}")),
        ("a percent sign", good.replacen('.', "%2E", 1)),
        ("padding inside", good.replacen('.', "=.", 1)),
        ("a parameter", format!("token=\"{good}\"")),
    ];
    let large = keys.with_claim(By::Es256, "filler", &quoted(&"x".repeat(16 * 1024)));
    let wrong = [
        ("no signature", format!("{header}.{payload}.")),
        ("one character more", format!("{good}A")),
        ("half a signature", format!("{header}.{payload}.{}", cut(signature, 42))),
    ];
    let rows = |cases: Vec<(&'static str, String)>, reason| {
        cases.into_iter().map(move |(case, token)| row(case, token, reason))
    };
    rows(unreadable.into(), Refusal::TokenUnreadable)
        .chain(rows(malformed.into(), Refusal::TokenMalformed))
        .chain(rows(vec![("more than 16 KiB", large)], Refusal::TokenTooLarge))
        .chain(rows(wrong.into(), Refusal::TokenSignatureWrong))
        .collect()
}

/// The last character of 64 bytes with one of its four spare bits set.
fn one_more(signature: &str) -> char {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = ALPHABET.find(signature.chars().last().unwrap()).unwrap();
    ALPHABET.chars().nth(at + 1).unwrap()
}

/// Headers that two readers could read differently, or that change what the rest means.
fn headers(keys: &Keys) -> Vec<Row> {
    let whole = [
        r#"{"alg":"none","alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"ES256","alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"p256","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"p256","x":{"y":1,"y":2}}"#,
        r#"{"alg":"ES256","kid":"p256"}{}"#,
        "\u{feff}{\"alg\":\"ES256\",\"kid\":\"p256\"}",
        r#"["ES256","p256"]"#,
        r#""ES256""#,
        "null",
        "{}",
        "{",
        r#"{"alg":"ES256","kid":"p256",}"#,
        r#"{"alg":"ES256","kid":"\ud800"}"#,
        r#"{'alg':'ES256','kid':'p256'}"#,
        r#"{"Alg":"ES256","kid":"p256"}"#,
    ];
    let members = [
        r#""alg":null"#,
        r#""alg":["ES256"]"#,
        r#""alg":256"#,
        r#""alg":"ES256","kid":256"#,
        r#""alg":"ES256","kid":null"#,
        r#""alg":"ES256","kid":["p256"]"#,
        r#""alg":"ES256","typ":7"#,
        r#""alg":"ES256","typ":null"#,
        r#""alg":"ES256","cty":{}"#,
        r#""alg":"ES256","crit":["exp"]"#,
        r#""alg":"ES256","crit":[]"#,
        r#""alg":"ES256","crit":null"#,
        r#""alg":"ES256","crit":["b64"],"b64":false"#,
        r#""alg":"ES256","b64":false"#,
        r#""alg":"ES256","b64":true"#,
        r#""alg":"ES256","zip":"DEF""#,
        r#""alg":"ES256","enc":"A256GCM""#,
        r#""alg":"dir","enc":"A256GCM""#,
    ];
    let deep = format!(r#"{{"alg":"ES256","kid":"p256","x":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    let headers = whole.into_iter().map(str::to_owned).chain(members.map(|members| format!("{{{members}}}")));
    headers.chain([deep]).map(|text| row(&text, keys.with_header(&text), Refusal::TokenUnreadable)).collect()
}

/// Tokens of other kinds, by header and by claim.
fn kinds(keys: &Keys) -> Vec<Row> {
    let types = [
        "oauth-id-jag+jwt",
        "application/oauth-id-jag+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "toolgate-identity+jwt",
        "id_token+jwt",
        "JOSE",
        "JWE",
        "application/jwt",
        "text/at+jwt",
        "at+jwt ",
        "",
    ]
    .map(|typ| format!(r#""typ":"{typ}""#));
    let contents = ["JWT", "jwt", "application/jwt", "json", ""].map(|cty| format!(r#""cty":"{cty}""#));
    let by_header = types.into_iter().chain(contents).map(|member| {
        let token = keys.with_header(&format!(r#"{{"alg":"ES256","kid":"p256",{member}}}"#));
        row(&member, token, Refusal::TokenTypeWrong)
    });
    let claims = [
        ("nonce", r#""n-0S6_WzA2Mj""#),
        ("nonce", "null"),
        ("at_hash", r#""x""#),
        ("c_hash", r#""x""#),
        ("s_hash", r#""x""#),
        ("token_use", r#""id""#),
        ("token_use", r#""refresh""#),
        ("typ", r#""ID""#),
        ("typ", r#""Refresh""#),
        ("typ", r#""Offline""#),
        ("typ", r#""Logout""#),
        ("token_type", r#""refresh_token""#),
        ("token_type", r#""id_token""#),
        ("events", r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#),
    ];
    let by_claim = claims.map(|(claim, json)| {
        row(format!("{claim}: {json}"), keys.with_claim(By::EdDsa, claim, json), Refusal::TokenTypeWrong)
    });
    let nested = keys.token(By::Es256, r#"{"alg":"ES256","cty":"JWT"}"#, &keys.with_header(By::Es256.header()));
    let strict = |header: &str| keys.token(By::Other, header, &By::Other.claims().to_string());
    let for_its_client = By::Rs256.claims().without("scope").with("azp", quoted(RESOURCE)).to_string();
    let others = [
        ("a token in a token, and it says so", nested),
        ("no typ where at+jwt is asked for", strict(r#"{"alg":"ES256","kid":"p256"}"#)),
        ("JWT where at+jwt is asked for", strict(r#"{"alg":"ES256","kid":"p256","typ":"JWT"}"#)),
        ("for nobody but its client", keys.token(By::Rs256, By::Rs256.header(), &for_its_client)),
    ];
    let others = others.map(|(case, token)| row(case, token, Refusal::TokenTypeWrong));
    by_header.chain(by_claim).chain(others).collect()
}

/// RFC 8725 §2.1, §3.1.
fn algorithms(keys: &Keys) -> Vec<Row> {
    let names = [
        "none", "None", "NONE", "nOnE", "none ", "", "null", "es256", "ES256K", "ES512", "RS1", "HS1", "A128KW",
        "dir", "HS256", "HS384", "HS512", "RS384", "RS512", "PS384", "PS512", "Ed448",
    ];
    let mut rows = Vec::new();
    for name in names {
        let header = format!(r#"{{"alg":"{name}","kid":"p256"}}"#);
        let unsigned = format!("{}.{}.", encode(&header), encode(By::Es256.claims().to_string()));
        rows.push(row(format!("{name:?}, signed"), keys.with_header(&header), Refusal::TokenAlgorithmRefused));
        rows.push(row(format!("{name:?}, unsigned"), unsigned, Refusal::TokenAlgorithmRefused));
    }
    let header = r#"{"alg":"HS256","kid":"rsa"}"#;
    let text = format!("{}.{}", encode(header), encode(By::Rs256.claims().to_string()));
    let der = self_der(keys);
    let (jwks, modulus) = (keys.jwks(), encode(keys.modulus()));
    for (form, secret) in [
        ("as DER", &der[..]),
        ("as a key set", jwks.as_bytes()),
        ("as a number", keys.modulus()),
        ("as text", modulus.as_bytes()),
        ("left out", &[]),
    ] {
        let token = format!("{text}.{}", encode(hmac_of(secret, text.as_bytes())));
        rows.push(row(format!("the public key as a secret, {form}"), token, Refusal::TokenAlgorithmRefused));
    }
    let of_shared = |by: By, header: &str| keys.token(by, header, &By::Hs256.claims().to_string());
    rows.push(row(
        "ES256 for the secret",
        of_shared(By::Es256, By::Es256.header()),
        Refusal::TokenAlgorithmRefused,
    ));
    rows.push(row(
        "HS512 for the secret",
        of_shared(By::Hs256, r#"{"alg":"HS512"}"#),
        Refusal::TokenAlgorithmRefused,
    ));
    rows
}

fn self_der(keys: &Keys) -> Vec<u8> {
    keys.rsa.public_key().as_ref().to_vec()
}

/// Keys that a token names, or brings along.
fn names_of_keys(keys: &Keys) -> Vec<Row> {
    let forged = |members: &str| {
        let header = format!(r#"{{"alg":"ES256",{members}}}"#);
        keys.token(By::Nobody, &header, &By::Nobody.claims().to_string())
    };
    let unknown = [
        "../../../../dev/null",
        "/dev/null",
        "p256' OR '1'='1",
        "p256;--",
        "p256\\u0000",
        "P256",
        "p256 ",
        "",
        "https://evil.test/key",
        "${jndi:ldap://evil.test/a}",
        "p384",
        "rsa",
        "ed",
        "*",
    ]
    .map(|kid| row(format!("kid {kid}"), forged(&format!(r#""kid":"{kid}""#)), Refusal::TokenKeyUnknown));
    let jwk = ec_jwk(&keys.of_nobody, "P-256", "p256");
    let brought = [
        r#""kid":"p256","jku":"https://evil.test/jwks""#.to_owned(),
        r#""kid":"p256","x5u":"https://evil.test/cert""#.to_owned(),
        r#""kid":"p256","x5c":["MIIB"]"#.to_owned(),
        r#""kid":"p256","x5t#S256":"AAAA""#.to_owned(),
        format!(r#""kid":"p256","jwk":{jwk}"#),
        format!(r#""jwk":{jwk}"#),
        r#""kid":"p256""#.to_owned(),
    ]
    .map(|members| row(&members, forged(&members), Refusal::TokenSignatureWrong));
    let other = |signer: By, claims: By| keys.token(signer, By::Other.header(), &claims.claims().to_string());
    let others = [
        row("the other issuer's key of the same name", other(By::Other, By::Es256), Refusal::TokenSignatureWrong),
        row("the other issuer's name over this key", other(By::Es256, By::Other), Refusal::TokenSignatureWrong),
    ];
    unknown.into_iter().chain(brought).chain(others).collect()
}

/// Signatures that are none, for each algorithm.
fn signatures(keys: &Keys) -> Vec<Row> {
    let mut rows = Vec::new();
    for by in ALL {
        let claims = by.claims();
        let good = keys.token(by, by.header(), &claims.to_string());
        let (text, signature) = good.rsplit_once('.').unwrap();
        let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let header = text.split('.').next().unwrap();
        let mut bit = raw.clone();
        bit[raw.len() / 2] ^= 1;
        let elsewhere = keys.sign(by, encode(claims.to_string()).as_bytes());
        for (case, bytes) in [
            ("of zeros", vec![0; raw.len()]),
            ("of ones", vec![0xff; raw.len()]),
            ("of one byte", raw[..1].to_vec()),
            ("cut short", raw[..raw.len() - 1].to_vec()),
            ("with a byte behind", [&raw[..], &[0]].concat()),
            ("with a byte before", [&[0], &raw[..]].concat()),
            ("with a bit turned", bit),
            ("of the payload alone", elsewhere),
        ] {
            let token = format!("{text}.{}", encode(bytes));
            rows.push(row(format!("{by:?}, a signature {case}"), token, Refusal::TokenSignatureWrong));
        }
        let root = encode(claims.with("sub", quoted("root")).to_string());
        rows.push(row(
            format!("{by:?}, the signature of another payload"),
            format!("{header}.{root}.{signature}"),
            Refusal::TokenSignatureWrong,
        ));
        let spaced = encode(format!("{} ", by.header()));
        let (_, payload) = text.split_once('.').unwrap();
        rows.push(row(
            format!("{by:?}, the same header written otherwise"),
            format!("{spaced}.{payload}.{signature}"),
            Refusal::TokenSignatureWrong,
        ));
    }
    // RFC 7518 §3.4: `r` and `s` of full length, never DER.
    let text = format!("{}.{}", encode(By::Es256.header()), encode(By::Es256.claims().to_string()));
    let raw = keys.sign(By::Es256, text.as_bytes());
    let (r, s) = raw.split_at(32);
    for (case, bytes) in [
        ("DER", [&[0x30, 70, 2, 33, 0], r, &[2, 33, 0], s].concat()),
        ("swapped", [s, r].concat()),
        ("r alone", r.to_vec()),
        ("doubled", [&raw[..], &raw[..]].concat()),
    ] {
        rows.push(row(format!("ES256, {case}"), format!("{text}.{}", encode(bytes)), Refusal::TokenSignatureWrong));
    }
    for (signed, named) in [(By::Rs256, By::Ps256), (By::Ps256, By::Rs256)] {
        let token = keys.token(signed, named.header(), &named.claims().to_string());
        rows.push(row(format!("{signed:?} as {named:?}"), token, Refusal::TokenSignatureWrong));
    }
    rows
}

/// The issuer is chosen by the exact `iss`.
fn issuers(keys: &Keys) -> Vec<Row> {
    let unknown = [
        r#""https://keys.test/""#,
        r#""https://KEYS.test""#,
        r#""HTTPS://keys.test""#,
        r#""http://keys.test""#,
        r#""https://keys.test ""#,
        r#""https://keys.test\u0000""#,
        r#""https://keys.test.evil.test""#,
        r#""https://keys.test@evil.test""#,
        r#""https://evil.test""#,
        r#""""#,
    ]
    .map(|iss| row(format!("iss {iss}"), keys.with_claim(By::Es256, "iss", iss), Refusal::TokenIssuerUnknown));
    let invalid = ["null", "7", r#"["https://keys.test"]"#, r#"{"https://keys.test":1}"#]
        .map(|iss| row(format!("iss {iss}"), keys.with_claim(By::Es256, "iss", iss), Refusal::TokenClaimsInvalid));
    let foreign = [
        ("no iss is the shared issuer's", keys.with_claim(By::Es256, "iss", "")),
        ("the shared issuer over a key", keys.with_claim(By::Es256, "iss", &quoted(SHARED))),
        ("a key's issuer over the secret", keys.with_claim(By::Hs256, "iss", &quoted(ISSUER))),
    ]
    .map(|(case, token)| row(case, token, Refusal::TokenAlgorithmRefused));
    unknown.into_iter().chain(invalid).chain(foreign).collect()
}

/// Payloads that are not one strict JSON object.
fn payloads(keys: &Keys) -> Vec<Row> {
    let whole = [
        "null",
        "[]",
        "alice",
        "{",
        "7",
        r#"{"sub":"alice","sub":"root","exp":9000000000}"#,
        r#"{"sub":"alice","\u0073ub":"root","exp":9000000000}"#,
        r#"{"sub":"alice","exp":1,"exp":9000000000}"#,
        r#"{"sub":"alice","exp":9000000000}x"#,
        r#"{"sub":"alice","exp":9000000000,"act":{"sub":"a","sub":"b"}}"#,
        r#"{"sub":"alice","exp":9000000000,"x":[{"a":[{"b":1,"b":1}]}]}"#,
        r#"{"sub":"alice","exp":NaN}"#,
        r#"{"sub":"alice","exp":Infinity}"#,
        r#"{"sub":"alice","exp":0x6b49d200}"#,
        r#"{"sub":"alice","exp":09000000000}"#,
        r#"{"sub":"alice","exp":+9000000000}"#,
        "{\"sub\":\"a\nb\",\"exp\":9000000000}",
        r#"{"sub":"\udead","exp":9000000000}"#,
        "\u{feff}{\"sub\":\"alice\",\"exp\":9000000000}",
    ]
    .map(|payload| row(payload, keys.token(By::Hs256, By::Hs256.header(), payload), Refusal::TokenUnreadable));
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let deep = row("deep", keys.with_claim(By::Hs256, "x", &deep), Refusal::TokenUnreadable);
    whole.into_iter().chain([deep]).collect()
}

fn times(keys: &Keys) -> Vec<Row> {
    let at = |seconds: i64| now().checked_add_signed(seconds).unwrap().to_string();
    let mut rows = Vec::new();
    let mut push = |by: By, claim: &'static str, json: &str, reason| {
        rows.push(row(format!("{claim}: {json}"), keys.with_claim(by, claim, json), reason));
    };
    for json in [&at(-61), &at(-3600), &format!("{}.99", at(-62)), "0", "-0", "0.5", "1e-999", "1"] {
        push(By::Rs256, "exp", json, Refusal::TokenExpired);
    }
    for json in [
        "",
        "null",
        "true",
        &quoted(&at(3600)),
        &format!("[{}]", at(3600)),
        "{}",
        "-1",
        "-0.5",
        "1e999",
        "-1e999",
        "1e19",
        "253402300800",
        &format!("{}000", at(3600)),
        "18446744073709551616",
        "99999999999999999999999999999",
    ] {
        push(By::Ps256, "exp", json, Refusal::TokenClaimsInvalid);
    }
    for claim in ["nbf", "iat"] {
        for json in [&at(600), "9e9", "253402300799"] {
            push(By::Es384, claim, json, Refusal::TokenNotYetValid);
        }
        for json in ["null", "\"0\"", "-1", "[0]", "1e999", "1800000000000000", "false"] {
            push(By::Es384, claim, json, Refusal::TokenClaimsInvalid);
        }
    }
    rows
}

/// Claims that name somebody or something, and scopes.
fn names(keys: &Keys) -> Vec<Row> {
    let long = quoted(&"a".repeat(1025));
    let mut rows = Vec::new();
    let mut push = |claim: &'static str, json: &str| {
        let case = format!("{claim}: {json:.40}");
        rows.push(row(case, keys.with_claim(By::EdDsa, claim, json), Refusal::TokenClaimsInvalid));
    };
    for json in ["", "{}", "true", r#""a\n""#, r#""\u0000""#, r#""\u007f""#, r#""\u0085""#] {
        push("sub", json);
    }
    for claim in ["sub", "client_id", "azp", "jti", "sid"] {
        for json in ["null", "7", r#""""#, r#""a\u001b[0m""#, r#"["a"]"#, &long] {
            push(claim, json);
        }
    }
    for json in ["7", "{}", "true", "null", r#"["r",7]"#, r#"[["r"]]"#, r#"[null]"#] {
        push("scope", json);
        push("scp", json);
    }
    rows
}

fn audiences(keys: &Keys) -> Vec<Row> {
    let wrong = [
        "",
        r#""""#,
        "[]",
        r#"[""]"#,
        r#""http://gateway.test/mcp/""#,
        r#""http://gateway.test/MCP""#,
        r#""http://gateway.test""#,
        r#""http://gateway.test/mcp?x""#,
        r#""http://gateway.test/mcp#x""#,
        r#""http://gateway.test:80/mcp""#,
        r#""https://gateway.test/mcp""#,
        r#""http://gateway.test/mcp urn:x""#,
        r#""http://gateway.test/%6dcp""#,
        r#""urn:x,http://gateway.test/mcp""#,
        r#""*""#,
        r#"["a","b"]"#,
    ];
    let invalid =
        ["null", "7", "{}", r#"["http://gateway.test/mcp",7]"#, r#"[["http://gateway.test/mcp"]]"#, "[null]"];
    let wrong = wrong.map(|json| (json, Refusal::TokenAudienceWrong));
    let all = wrong.into_iter().chain(invalid.map(|json| (json, Refusal::TokenClaimsInvalid)));
    all.map(|(json, reason)| row(format!("aud: {json}"), keys.with_claim(By::Es256, "aud", json), reason)).collect()
}

/// Tokens that are bound, in ways that are known and others (RFC 7800).
fn bindings(keys: &Keys) -> Vec<Row> {
    let digest = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let strange = [
        r#"{"jkt":"x"}"#.to_owned(),
        r#"{"jkt":""}"#.to_owned(),
        r#"{"jkt":null}"#.to_owned(),
        r#"{"jkt":7}"#.to_owned(),
        r#"{"x5t#S256":"x"}"#.to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "true".to_owned(),
        quoted(digest),
        format!(r#"{{"jkt":"{digest}="}}"#),
        format!(r#"{{"JKT":"{digest}"}}"#),
        format!(r#"{{"jkt":"{digest}","x5t#S256":"{digest}"}}"#),
        format!(r#"{{"jkt":"{digest}","kid":"x"}}"#),
        format!(r#"{{"x5t":"{digest}"}}"#),
        format!(r#"{{"kid":"{digest}"}}"#),
        r#"{"jwk":{"kty":"EC"}}"#.to_owned(),
    ];
    let bound = ["jkt", "x5t#S256"].map(|method| format!(r#"{{"{method}":"{digest}"}}"#));
    let strange = strange.map(|json| (json, Refusal::TokenTypeWrong));
    let all = strange.into_iter().chain(bound.map(|json| (json, Refusal::TokenUnbound)));
    all.map(|(json, reason)| row(format!("cnf: {json}"), keys.with_claim(By::Rs256, "cnf", &json), reason))
        .collect()
}
