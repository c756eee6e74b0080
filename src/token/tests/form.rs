//! Segments and headers.

use super::*;

#[test]
fn accepts_the_plain_form() {
    for header in [
        r#"{"alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"p256","typ":"JWT"}"#,
        r#"{"alg":"ES256","kid":"p256","typ":"jwt"}"#,
        r#"{"alg":"ES256","kid":"p256","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","kid":"p256","typ":"AT+JWT"}"#,
        r#"{"alg":"ES256","kid":"p256","typ":"application/at+jwt"}"#,
        r#"{"alg":"ES256","kid":"p256","typ":"Application\/AT+jwt"}"#,
        " {\r\n\t\"kid\" : \"p256\" , \"alg\":\"ES256\"} ",
        r#"{"\u0061lg":"ES\u003256","kid":"p\u0032\u00356"}"#,
        r#"{"alg":"ES256","kid":"p256","x-unknown":{"a":[1,2,null]}}"#,
    ] {
        accepts(header, &with_header(header));
    }
}

#[test]
fn refuses_what_is_not_three_canonical_segments() {
    let good = with_header(r#"{"alg":"ES256","kid":"p256"}"#);
    accepts("the token that is spoiled below", &good);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("segments") };
    let spoiled = [
        ("one segment", header.to_owned()),
        ("two segments", format!("{header}.{payload}")),
        ("four segments", format!("{good}.{signature}")),
        ("five segments, a JWE", format!("{header}..{payload}.{signature}.{signature}")),
        ("a dot behind", format!("{good}.")),
        ("a dot before", format!(".{good}")),
        ("no header", format!(".{payload}.{signature}")),
        ("no payload, as if detached", format!("{header}..{signature}")),
        ("only dots", "..".to_owned()),
        ("one character less", cut(&good, 1)),
        ("padding behind the signature", format!("{good}==")),
        ("standard alphabet", format!("{header}.{payload}.{}+/", cut(signature, 2))),
        ("a tilde", format!("{header}.{payload}.{}~~", cut(signature, 2))),
        ("trailing bits", format!("{header}.{payload}.{}", with_a_trailing_bit(signature))),
    ];
    for (case, token) in spoiled {
        refuses(case, &token, Refusal::TokenUnreadable);
    }
    refuses("no signature", &format!("{header}.{payload}."), Refusal::TokenSignatureWrong);
    refuses("one character more", &format!("{good}A"), Refusal::TokenSignatureWrong);
    refuses(
        "half a signature",
        &format!("{header}.{payload}.{}", cut(signature, 42)),
        Refusal::TokenSignatureWrong,
    );
}

/// 64 bytes make 86 characters, of which the last has four bits to spare.
fn with_a_trailing_bit(signature: &str) -> String {
    let (head, last) = signature.split_at(85);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    format!("{head}{}", alphabet.chars().nth(at.saturating_add(1)).unwrap())
}

fn cut(text: &str, characters: usize) -> String {
    text.chars().take(text.len().saturating_sub(characters)).collect()
}

#[test]
fn refuses_white_space_and_foreign_characters_before_decoding() {
    let good = with_header(r#"{"alg":"ES256","kid":"p256"}"#);
    for foreign in [" ", "\n", "\r\n", "\t", "\0", "\u{a0}", "\u{2028}", "%", ",", "ａ"] {
        for token in
            [format!("{good}{foreign}"), format!("{foreign}{good}"), good.replacen('.', &format!("{foreign}."), 1)]
        {
            refuses(foreign, &token, Refusal::TokenMalformed);
        }
    }
    // `=` belongs to token68, so it is the decoder that refuses it.
    refuses("padding inside", &good.replacen('.', "=.", 1), Refusal::TokenMalformed);
    refuses("empty", "", Refusal::TokenMalformed);
}

#[test]
fn refuses_an_enormous_token() {
    let filler = "x".repeat(MAX_TOKEN);
    let payload = Payload::of_a().with("filler", &format!(r#""{filler}""#)).to_string();
    let token = token(&P256, Algorithm::ES256, r#"{"alg":"ES256","kid":"p256"}"#, &payload);
    refuses("more than 16 KiB", &token, Refusal::TokenTooLarge);
}

#[test]
fn refuses_headers_that_two_readers_could_read_differently() {
    for header in [
        r#"{"alg":"none","alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"ES256","alg":"ES256","kid":"p256"}"#,
        r#"{"alg":"ES256","\u0061lg":"none","kid":"p256"}"#,
        r#"{"alg":"ES256","kid":"p256","x":{"y":1,"y":2}}"#,
        r#"{"alg":"ES256","kid":"p256","kid":"p256"}"#,
        "{\"alg\":\"ES256\",\"kid\":\"p256\"}{}",
        "\u{feff}{\"alg\":\"ES256\",\"kid\":\"p256\"}",
        r#"["ES256","p256"]"#,
        r#""ES256""#,
        "null",
        "",
        "{}",
        "{",
        r#"{"alg":"ES256","kid":"p256",}"#,
        r#"{"alg":"ES256","kid":"\ud800"}"#,
        r#"{"Alg":"ES256","kid":"p256"}"#,
        r#"{"alg":null,"kid":"p256"}"#,
        r#"{"alg":["ES256"],"kid":"p256"}"#,
        r#"{"alg":256,"kid":"p256"}"#,
        r#"{"alg":"ES256","kid":256}"#,
        r#"{"alg":"ES256","kid":null}"#,
        r#"{"alg":"ES256","kid":["p256"]}"#,
        r#"{"alg":"ES256","kid":"p256","typ":7}"#,
        r#"{"alg":"ES256","kid":"p256","typ":null}"#,
        r#"{"alg":"ES256","kid":"p256","cty":{}}"#,
    ] {
        refuses(header, &with_header(header), Refusal::TokenUnreadable);
    }
    let deep = format!(r#"{{"alg":"ES256","kid":"p256","x":{}1{}}}"#, "[".repeat(40), "]".repeat(40));
    refuses("deep", &with_header(&deep), Refusal::TokenUnreadable);
    let latin = [&b"{\"alg\":\"ES256\",\"kid\":\"p256\",\"x\":\"\xe9\"}"[..], b""].concat();
    refuses("not UTF-8", &format!("{}.e30.YQ", encode(&latin)), Refusal::TokenUnreadable);
}

#[test]
fn refuses_header_members_that_change_the_meaning() {
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"p256",{member}}}"#);
        refuses(member, &with_header(&header), Refusal::TokenUnreadable);
    }
}

#[test]
fn refuses_other_kinds_of_token() {
    for typ in [
        "oauth-id-jag+jwt",
        "application/oauth-id-jag+jwt",
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "client-authentication+jwt",
        "JOSE",
        "JWE",
        "application/jwt",
        "text/at+jwt",
        "at+jwt ",
        "at",
        "",
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"p256","typ":"{typ}"}}"#);
        refuses(typ, &with_header(&header), Refusal::TokenTypeWrong);
    }
    for cty in ["JWT", "jwt", "application/jwt", "json", ""] {
        let header = format!(r#"{{"alg":"ES256","kid":"p256","cty":"{cty}"}}"#);
        refuses(cty, &with_header(&header), Refusal::TokenTypeWrong);
    }
    let nested =
        token(&P256, Algorithm::ES256, r#"{"alg":"ES256","cty":"JWT"}"#, &with_header(r#"{"alg":"ES256"}"#));
    refuses("a token in a token", &nested, Refusal::TokenTypeWrong);
}

#[test]
fn an_issuer_can_insist_on_access_tokens() {
    let of_b = |header| {
        let payload = Payload::of_a().with("iss", &format!(r#""{B}""#)).to_string();
        token(&P256_OF_B, Algorithm::ES256, header, &payload)
    };
    accepts("at+jwt", &of_b(r#"{"alg":"ES256","typ":"at+jwt"}"#));
    accepts("application/at+jwt", &of_b(r#"{"alg":"ES256","kid":"p256","typ":"application/AT+JWT"}"#));
    refuses("no typ", &of_b(r#"{"alg":"ES256"}"#), Refusal::TokenTypeWrong);
    refuses("JWT", &of_b(r#"{"alg":"ES256","typ":"JWT"}"#), Refusal::TokenTypeWrong);
}
