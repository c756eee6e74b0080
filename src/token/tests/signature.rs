//! Every algorithm verifies, and nothing that was changed does.

use proptest::prelude::*;

use super::*;

static SIGNED: LazyLock<Vec<(Algorithm, String, Issuers)>> = LazyLock::new(|| {
    Algorithm::ALL
        .iter()
        .map(|algorithm| {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#);
            let signer = signer_of(*algorithm);
            let keys = match signer {
                Signer::Secret(secret) => Some(Arc::new(KeySet::from_secret(secret).unwrap())),
                Signer::Rsa(_) | Signer::P256(_) | Signer::P384(_) | Signer::Ed25519(_) => {
                    key_set(&[signer.jwk(&format!(r#""kid":"k","alg":"{algorithm}""#))])
                }
            };
            let issuer = Issuer { keys, algorithms: [*algorithm].into(), ..Issuer::new(A, [HERE.into()]) };
            let token = token(signer, *algorithm, &header, &Payload::of_a().to_string());
            (*algorithm, token, Issuers::new(vec![issuer]).unwrap())
        })
        .collect()
});

fn signer_of(algorithm: Algorithm) -> &'static Signer {
    match algorithm.name() {
        "ES256" => &P256,
        "ES384" => &P384,
        "EdDSA" => &ED25519,
        name if name.starts_with("HS") => &PROTOTYPE,
        _ => &RSA,
    }
}

#[test]
fn every_algorithm_verifies_its_own_signature() {
    for (algorithm, token, issuers) in SIGNED.iter() {
        assert_eq!(verify_at(token, issuers, NOW).map(|c| c.issuer), Ok(A.into()), "{algorithm}");
    }
}

/// A key without `alg` is bound to its kind; the header still decides nothing but which of its algorithms is meant.
#[test]
fn no_algorithm_verifies_the_signature_of_another() {
    let keys = key_set(&[
        RSA.jwk(r#""kid":"k""#),
        P256.jwk(r#""kid":"k""#),
        P384.jwk(r#""kid":"k""#),
        ED25519.jwk(r#""kid":"k""#),
    ]);
    let issuers = Issuers::new(vec![Issuer { keys, ..Issuer::new(A, [HERE.into()]) }]).unwrap();
    for signed_as in Algorithm::ASYMMETRIC {
        for named in Algorithm::ASYMMETRIC {
            let header = format!(r#"{{"alg":"{named}","kid":"k"}}"#);
            let token = token(signer_of(*signed_as), *signed_as, &header, &Payload::of_a().to_string());
            let expected = if named == signed_as { Ok(()) } else { Err(Refusal::TokenSignatureWrong) };
            assert_eq!(verify_at(&token, &issuers, NOW).map(drop), expected, "{signed_as} as {named}");
        }
    }
}

#[test]
fn a_key_with_alg_verifies_that_algorithm_alone() {
    let issuer = Issuer { keys: key_set(&[RSA.jwk(r#""alg":"RS256""#)]), ..Issuer::new(A, [HERE.into()]) };
    let issuers = Issuers::new(vec![issuer]).unwrap();
    for algorithm in Algorithm::ASYMMETRIC {
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        let token = token(&RSA, *algorithm, &header, &Payload::of_a().to_string());
        let expected = if *algorithm == Algorithm::RS256 { Ok(()) } else { Err(Refusal::TokenKeyUnknown) };
        assert_eq!(verify_at(&token, &issuers, NOW).map(drop), expected, "{algorithm}");
    }
}

/// RFC 7518 §3.4: `r` and `s`, 32 bytes each; neither DER nor shortened; neither may be zero.
#[test]
fn an_ecdsa_signature_is_two_numbers_of_full_length() {
    let (_, good, issuers) = SIGNED.iter().find(|(algorithm, ..)| *algorithm == Algorithm::ES256).unwrap();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let der = [&[0x30, 70, 2, 33, 0], r, &[2, 33, 0], s].concat();
    let swapped = [s, r].concat();
    let longer = [r, &[0], s].concat();
    let doubled = [&raw[..], &raw[..]].concat();
    for (case, bytes) in [
        ("DER", &der[..]),
        ("zeros", &[0; 64]),
        ("ones", &[0xff; 64]),
        ("empty", &[]),
        ("r alone", r),
        ("swapped", &swapped),
        ("longer", &longer),
        ("doubled", &doubled),
        ("63 bytes", &raw[..63]),
        ("a zero behind", &[&raw[..], &[0]].concat()),
        ("a zero before", &[&[0], &raw[..]].concat()),
    ] {
        let token = format!("{signed}.{}", encode(bytes));
        assert_eq!(verify_at(&token, issuers, NOW), Err(Refusal::TokenSignatureWrong), "{case}");
    }
}

#[test]
fn a_tag_or_rsa_signature_of_another_length_is_wrong() {
    for (algorithm, good, issuers) in SIGNED.iter() {
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
        for bytes in
            [&raw[..raw.len() - 1], &raw[..16], &[], &[&raw[..], &[0]].concat(), &[&[0], &raw[..]].concat()]
        {
            let token = format!("{signed}.{}", encode(bytes));
            assert_eq!(verify_at(&token, issuers, NOW), Err(Refusal::TokenSignatureWrong), "{algorithm}");
        }
    }
}

/// The signature is over the bytes received: the same header and payload, written otherwise, are another message.
#[test]
fn a_signature_is_worth_nothing_for_the_same_json_written_otherwise() {
    for (algorithm, good, issuers) in SIGNED.iter() {
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("segments") };
        let spaced = |segment: &str| encode(&[&URL_SAFE_NO_PAD.decode(segment).unwrap()[..], b" "].concat());
        for token in [
            format!("{}.{payload}.{signature}", spaced(header)),
            format!("{header}.{}.{signature}", spaced(payload)),
        ] {
            assert_eq!(verify_at(&token, issuers, NOW), Err(Refusal::TokenSignatureWrong), "{algorithm}");
        }
    }
}

/// Through the header, as the bytes would arrive.
fn is_accepted(token: &[u8], issuers: &Issuers) -> bool {
    let value = [b"Bearer ", token].concat();
    let values = [&value[..]];
    bearer(values.into_iter(), None).and_then(|bearer| verify(&bearer, issuers, UnixTime(NOW))).is_ok()
}

/// Each byte of a token of each algorithm: to each other value for one algorithm of each family, bit by bit for the rest.
#[test]
fn no_single_byte_of_a_token_can_be_changed() {
    let bits: Vec<u8> = (0..8).map(|bit| 1 << bit).collect();
    for (algorithm, good, issuers) in SIGNED.iter() {
        assert!(is_accepted(good.as_bytes(), issuers), "{algorithm}");
        let is_first = ["HS256", "RS256", "PS256", "ES256", "EdDSA"].contains(&algorithm.name());
        let changes: Vec<u8> = if is_first { (1..=255).collect() } else { bits.clone() };
        for at in 0..good.len() {
            for change in &changes {
                let mut token = good.clone().into_bytes();
                token[at] ^= change;
                assert!(!is_accepted(&token, issuers), "{algorithm}: byte {at} xor {change}");
            }
        }
    }
}

proptest! {
    #[test]
    fn a_changed_token_is_never_accepted(which in 0..12_usize, at: prop::sample::Index, change in 1..=255_u8) {
        let (algorithm, good, issuers) = &SIGNED[which];
        let mut token = good.clone().into_bytes();
        let at = at.index(token.len());
        token[at] ^= change;
        prop_assert!(!is_accepted(&token, issuers), "{} byte {}", algorithm, at);
    }

    #[test]
    fn a_longer_or_shorter_token_is_never_accepted(which in 0..12_usize, at: prop::sample::Index, byte: u8) {
        let (algorithm, good, issuers) = &SIGNED[which];
        let mut longer = good.clone().into_bytes();
        longer.insert(at.index(good.len().saturating_add(1)), byte);
        prop_assert!(!is_accepted(&longer, issuers), "{}", algorithm);
        let mut shorter = good.clone().into_bytes();
        shorter.remove(at.index(good.len()));
        prop_assert!(!is_accepted(&shorter, issuers), "{}", algorithm);
    }

    #[test]
    fn no_input_makes_it_panic(text in ".{0,200}", header in ".{0,80}", payload in ".{0,80}") {
        prop_assert!(verify_at(&text, &ISSUERS, NOW).is_err());
        let signed = format!("{}.{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()), encode(text.as_bytes()));
        prop_assert!(verify_at(&signed, &ISSUERS, NOW).is_err());
    }
}

#[test]
fn a_token_that_is_revoked_by_its_text_is_revoked_in_its_other_text() {
    let kid = |name: &str, kid: &str| format!(r#"{{"alg":"{name}","kid":"{kid}"}}"#);
    for (signer, algorithm, header) in
        [(&*P256, Algorithm::ES256, kid("ES256", "p256")), (&*P384, Algorithm::ES384, kid("ES384", "p384"))]
    {
        // Half of all signatures have an s in the upper half.
        for _ in 0..20 {
            let one = token(signer, algorithm, &header, &Payload::of_a().to_string());
            let other = twin::twin(&one).unwrap();
            assert_eq!(twin::twin(&other).as_ref(), Some(&one));
            assert_ne!(one, other);
            let caller = accepts("as it was issued", &one);
            assert_eq!(accepts("with the other signature", &other), caller);
            for (listed, presented) in [(&one, &one), (&one, &other), (&other, &one)] {
                let digest = encode(&Bearer::try_from(&**listed).unwrap().digest().0);
                let list = Revocations::parse("revoked", &format!("token_sha256: [\"{digest}\"]")).unwrap();
                assert!(list.revokes(&caller, &Bearer::try_from(&**presented).unwrap()), "{algorithm}");
            }
        }
    }
    for token in ["", "a", "a.b.c", "a.b.", "a.b.!", &with_payload("{}")] {
        assert_eq!(twin::twin(token), None, "{token}");
    }
}
