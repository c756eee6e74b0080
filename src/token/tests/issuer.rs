//! Which issuer is asked, with which algorithm and which key.

use super::*;

#[test]
fn refuses_none_in_every_spelling() {
    for alg in
        ["none", "None", "NONE", "nOnE", "none ", "", "null", "es256", "ES256K", "RS1", "HS1", "A128KW", "dir"]
    {
        let header = format!(r#"{{"alg":"{alg}","kid":"p256"}}"#);
        let unsigned = format!("{}.{}.", encode(header.as_bytes()), encode(Payload::of_a().to_string().as_bytes()));
        refuses(alg, &unsigned, Refusal::TokenAlgorithmRefused);
        refuses(alg, &with_header(&header), Refusal::TokenAlgorithmRefused);
    }
}

#[test]
fn refuses_algorithms_that_are_not_on_the_issuers_list() {
    for alg in ["HS256", "HS384", "HS512", "RS384", "RS512", "PS384", "ES512"] {
        let header = format!(r#"{{"alg":"{alg}","kid":"rsa"}}"#);
        refuses(alg, &with_header(&header), Refusal::TokenAlgorithmRefused);
    }
    let of_prototype = |algorithm: Algorithm, signer: &Signer| {
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        token(signer, algorithm, &header, &Payload::of_prototype().to_string())
    };
    refuses("HS512", &of_prototype(Algorithm::HS512, &PROTOTYPE), Refusal::TokenAlgorithmRefused);
    refuses("ES256", &of_prototype(Algorithm::ES256, &P256), Refusal::TokenAlgorithmRefused);
    accepts("HS256", &of_prototype(Algorithm::HS256, &PROTOTYPE));
}

/// RFC 8725 §2.1: the public key as the secret of an HMAC, in all the forms in which it can be had.
#[test]
fn a_public_key_is_never_a_secret() {
    let Signer::Rsa(pair) = &*RSA else { panic!("not RSA") };
    let der = pair.public_key().as_ref().to_vec();
    let jwk = RSA.jwk(r#""kid":"rsa""#).into_bytes();
    let jwks = jwks(&[RSA.jwk(r#""kid":"rsa""#)]);
    for secret in [der, jwk, jwks.clone(), RSA.rsa_modulus(), encode(&RSA.rsa_modulus()).into_bytes(), Vec::new()] {
        let forged = token(
            &Signer::Secret(secret),
            Algorithm::HS256,
            r#"{"alg":"HS256","kid":"rsa"}"#,
            &Payload::of_a().to_string(),
        );
        refuses("HS256 with the public key", &forged, Refusal::TokenAlgorithmRefused);
        // Even where someone put HS256 on the list of an issuer with a JWKS.
        let careless = Issuer {
            algorithms: Algorithm::ALL.into(),
            keys: Some(Arc::new(KeySet::from_jwks(&jwks).unwrap())),
            ..Issuer::new(A, [HERE.into()])
        };
        let issuers = Issuers::new(vec![careless]).unwrap();
        assert_eq!(verify_at(&forged, &issuers, NOW), Err(Refusal::TokenKeyUnknown));
    }
}

#[test]
fn refuses_keys_that_the_token_names_or_brings() {
    let forger = Signer::p256();
    let jwk = forger.jwk(r#""kid":"p256""#);
    for (member, refusal) in [
        (r#""kid":"../../../../dev/null""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"p256' OR '1'='1""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"p256\u0000""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"P256""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"p256 ""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"https://evil.example/key""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"p384""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"rsa""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"ed""#.to_owned(), Refusal::TokenKeyUnknown),
        (r#""kid":"p256","jku":"https://evil.example/jwks""#.to_owned(), Refusal::TokenSignatureWrong),
        (r#""kid":"p256","x5u":"https://evil.example/cert""#.to_owned(), Refusal::TokenSignatureWrong),
        (r#""kid":"p256","x5c":["MIIB"]"#.to_owned(), Refusal::TokenSignatureWrong),
        (format!(r#""kid":"p256","jwk":{jwk}"#), Refusal::TokenSignatureWrong),
        (format!(r#""jwk":{jwk}"#), Refusal::TokenSignatureWrong),
    ] {
        let header = format!(r#"{{"alg":"ES256",{member}}}"#);
        let forged = token(&forger, Algorithm::ES256, &header, &Payload::of_a().to_string());
        refuses(&member, &forged, refusal);
    }
    // The same members beside a true signature change nothing.
    accepts("jku", &with_header(r#"{"alg":"ES256","kid":"p256","jku":"https://evil.example/jwks"}"#));
}

#[test]
fn refuses_the_key_of_another_issuer_under_the_same_kid() {
    let header = r#"{"alg":"ES256","kid":"p256","typ":"at+jwt"}"#;
    let of_a = Payload::of_a();
    let of_b = Payload::of_a().with("iss", &format!(r#""{B}""#));
    let check = |signer: &Signer, payload: &Payload| {
        verify_at(&token(signer, Algorithm::ES256, header, &payload.to_string()), &ISSUERS, NOW).map(|c| c.issuer)
    };
    assert_eq!(check(&P256, &of_a), Ok(A.into()));
    assert_eq!(check(&P256_OF_B, &of_b), Ok(B.into()));
    assert_eq!(check(&P256_OF_B, &of_a), Err(Refusal::TokenSignatureWrong));
    assert_eq!(check(&P256, &of_b), Err(Refusal::TokenSignatureWrong));
}

#[test]
fn the_issuer_is_chosen_by_the_exact_iss() {
    for (iss, refusal) in [
        (r#""https://a.example/""#, Refusal::TokenIssuerUnknown),
        (r#""https://A.example""#, Refusal::TokenIssuerUnknown),
        (r#""HTTPS://a.example""#, Refusal::TokenIssuerUnknown),
        (r#""https://a.example ""#, Refusal::TokenIssuerUnknown),
        (r#""https://a.example\u0000""#, Refusal::TokenIssuerUnknown),
        (r#""https://a.example.evil.example""#, Refusal::TokenIssuerUnknown),
        (r#""""#, Refusal::TokenIssuerUnknown),
        (r#""https://c.example""#, Refusal::KeysUnavailable),
        ("null", Refusal::TokenClaimsInvalid),
        ("7", Refusal::TokenClaimsInvalid),
        (r#"["https://a.example"]"#, Refusal::TokenClaimsInvalid),
        (r#"{"https://a.example":1}"#, Refusal::TokenClaimsInvalid),
        // That issuer has other algorithms: no key is ever tried across issuers.
        (r#""prototype""#, Refusal::TokenAlgorithmRefused),
    ] {
        let payload = Payload::of_a().with("iss", iss).to_string();
        let token = token(&P256, Algorithm::ES256, r#"{"alg":"ES256","kid":"p256"}"#, &payload);
        refuses(iss, &token, refusal);
    }
}

#[test]
fn only_a_token_without_iss_goes_to_the_issuer_that_needs_none() {
    let caller = accepts("no iss", &with_payload(&Payload::of_prototype().to_string()));
    assert_eq!(&*caller.issuer, "prototype");
    accepts("its name", &with_payload(&Payload::of_prototype().with("iss", r#""prototype""#).to_string()));
    let foreign = with_payload(&Payload::of_prototype().with("iss", r#""https://x.example""#).to_string());
    refuses("a foreign iss", &foreign, Refusal::TokenIssuerUnknown);
    let of_a = with_payload(&Payload::of_prototype().with("iss", r#""https://a.example""#).to_string());
    refuses("the iss of another", &of_a, Refusal::TokenAlgorithmRefused);
    let strict = Issuers::new(vec![Issuer { require_iss: true, ..prototype() }]).unwrap();
    let without = with_payload(&Payload::of_prototype().to_string());
    assert_eq!(verify_at(&without, &strict, NOW), Err(Refusal::TokenIssuerUnknown));
    assert_eq!(verify_at(&without, &Issuers::default(), NOW), Err(Refusal::TokenIssuerUnknown));
}

#[test]
fn says_which_issuer_a_refused_token_claims() {
    let claims =
        |token: &str| Bearer::try_from(token).ok().and_then(|b| claimed_issuer(&b, &ISSUERS)).map(|i| &*i.name);
    assert_eq!(claims(&with_header(r#"{"alg":"none"}"#)), Some(A));
    assert_eq!(claims(&with_payload("{}")), Some("prototype"));
    assert_eq!(claims(&with_payload(r#"{"iss":"https://x.example"}"#)), None);
    assert_eq!(claims("a.b.c"), None);
}

#[test]
fn a_secret_ignores_the_kid() {
    for kid in ["a", "../../secret", ""] {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#);
        accepts(kid, &token(&PROTOTYPE, Algorithm::HS256, &header, &Payload::of_prototype().to_string()));
    }
}

#[test]
fn a_kid_means_a_key_of_that_name_and_no_key_without() {
    let issuer = Issuer { keys: key_set(&[P256.jwk(r#""use":"sig""#)]), ..Issuer::new(A, [HERE.into()]) };
    let issuers = Issuers::new(vec![issuer]).unwrap();
    let verified = |header: &str| verify_at(&with_header(header), &issuers, NOW).map(drop);
    assert_eq!(verified(r#"{"alg":"ES256"}"#), Ok(()));
    assert_eq!(verified(r#"{"alg":"ES256","kid":"p256"}"#), Err(Refusal::TokenKeyUnknown));
    assert_eq!(verified(r#"{"alg":"ES256","kid":""}"#), Err(Refusal::TokenKeyUnknown));
}

#[test]
fn without_a_kid_a_few_keys_that_fit_are_tried() {
    let signers: Vec<Signer> = (0..5).map(|_| Signer::p256()).collect();
    let check = |number: usize, signer: &Signer, header: &str| {
        let keys: Vec<String> =
            signers.iter().take(number).enumerate().map(|(at, key)| key.jwk(&format!(r#""kid":"{at}""#))).collect();
        let keys = [&keys[..], &[RSA.jwk(r#""kid":"rsa""#)]].concat();
        let issuer = Issuer { keys: key_set(&keys), ..Issuer::new(A, [HERE.into()]) };
        let token = token(signer, Algorithm::ES256, header, &Payload::of_a().to_string());
        verify_at(&token, &Issuers::new(vec![issuer]).unwrap(), NOW).map(|_| ())
    };
    let unnamed = r#"{"alg":"ES256"}"#;
    assert_eq!(check(0, &signers[0], unnamed), Err(Refusal::TokenKeyUnknown));
    assert_eq!(check(1, &signers[0], unnamed), Ok(()));
    assert_eq!(check(4, &signers[3], unnamed), Ok(()));
    assert_eq!(check(4, &signers[4], unnamed), Err(Refusal::TokenSignatureWrong));
    assert_eq!(check(5, &signers[0], unnamed), Err(Refusal::TokenKeyUnknown));
    assert_eq!(check(5, &signers[4], r#"{"alg":"ES256","kid":"4"}"#), Ok(()));
    assert_eq!(check(5, &signers[4], r#"{"alg":"ES256","kid":"3"}"#), Err(Refusal::TokenSignatureWrong));
}
