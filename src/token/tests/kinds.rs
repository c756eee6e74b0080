//! What well-known providers issue by default, as access tokens and as ID tokens. `client` and `api` are names of this
//! server, both of which the operator has put on the list, since some providers leave no other choice.

use super::*;

static HERE_OR_CLIENT: LazyLock<Issuers> = LazyLock::new(|| {
    let audience = ["client", "api"].map(Box::from).into();
    Issuers::new(vec![Issuer { audience, ..prototype() }]).unwrap()
});

#[track_caller]
fn check(provider: &str, typ: &str, claims: &str, expected: Result<(), Refusal>) {
    let header = format!(r#"{{"alg":"HS256","kid":"k"{typ}}}"#);
    let payload = format!(r#"{{"sub":"s","iat":1800000000,"exp":1800000600,{claims}}}"#);
    let token = token(&PROTOTYPE, Algorithm::HS256, &header, &payload);
    assert_eq!(verify_at(&token, &HERE_OR_CLIENT, NOW).map(drop), expected, "{provider}: {claims}");
}

const JWT: &str = r#","typ":"JWT""#;
const AT: &str = r#","typ":"at+jwt""#;

/// Provider, `typ`, claims.
const ACCESS_TOKENS: &[(&str, &str, &str)] = &[
    (
        "Keycloak 26",
        JWT,
        r#""jti":"j","auth_time":1800000000,"aud":["api","account"],"typ":"Bearer","azp":"client","sid":"x","acr":"1",
            "allowed-origins":["https://c"],"realm_access":{"roles":["offline_access"]},"scope":"openid email",
            "email_verified":false,"name":"A","preferred_username":"a""#,
    ),
    (
        "Keycloak before 24, asked with a nonce",
        JWT,
        r#""jti":"j","auth_time":1800000000,"aud":"api","typ":"Bearer","azp":"client","nonce":"n","session_state":"x",
            "acr":"1","scope":"openid","sid":"x""#,
    ),
    (
        "Entra ID v2",
        JWT,
        r#""aud":"api","nbf":1800000000,"aio":"x","azp":"client","azpacr":"0","name":"A","oid":"o",
            "preferred_username":"a","rh":"x","scp":"read write","tid":"t","uti":"u","ver":"2.0""#,
    ),
    (
        "Entra ID v2, one registration for client and server, a daemon",
        JWT,
        r#""aud":"client","azp":"client","azpacr":"1","oid":"o","roles":["r"],"tid":"t","uti":"u","ver":"2.0""#,
    ),
    (
        "Entra ID v1",
        JWT,
        r#""aud":"api","acr":"1","aio":"x","amr":["pwd"],"appid":"client","appidacr":"0","auth_time":1800000000,
            "name":"A","oid":"o","scp":"read","tid":"t","unique_name":"a","uti":"u","ver":"1.0""#,
    ),
    ("Entra ID v1, a daemon", JWT, r#""aud":"api","appid":"client","oid":"o","roles":["r"],"tid":"t","ver":"1.0""#),
    ("Auth0", JWT, r#""aud":["api","https://t.example/userinfo"],"azp":"client","scope":"openid profile""#),
    ("Auth0, a machine", JWT, r#""aud":"api","azp":"client","gty":"client-credentials""#),
    ("Auth0, profile RFC 9068", AT, r#""aud":"api","client_id":"client","jti":"j""#),
    (
        "Okta",
        "",
        r#""ver":1,"jti":"AT.x","aud":"api","cid":"client","uid":"u","scp":["openid"],"auth_time":1800000000"#,
    ),
    (
        "Cognito, with a resource",
        "",
        r#""aud":"api","client_id":"client","origin_jti":"o","event_id":"e","token_use":"access","scope":"a/b",
            "auth_time":1800000000,"jti":"j","username":"a","version":2"#,
    ),
    ("Ory Hydra", JWT, r#""aud":["api"],"client_id":"client","ext":{},"jti":"j","nbf":1800000000,"scp":["a"]"#),
    (
        "authentik",
        JWT,
        r#""aud":"client","auth_time":1800000000,"acr":"goauthentik.io/providers/oauth2/default","amr":["pwd"],
            "sid":"x","azp":"client","uid":"u","scope":"openid email","email":"a@b.example""#,
    ),
    (
        "authentik, asked with a nonce",
        JWT,
        r#""aud":"client","auth_time":1800000000,"acr":"goauthentik.io/providers/oauth2/default","nonce":"n",
            "azp":"client","uid":"u","scope":"openid""#,
    ),
    ("Zitadel", JWT, r#""aud":["client","api"],"client_id":"client@p","jti":"j","nbf":1800000000"#),
    ("oidc-provider", AT, r#""aud":"api","client_id":"client","jti":"j","scope":"a""#),
    ("idpy-oidc", "", r#""aud":["api"],"client_id":"client","scope":["a"],"jti":"j""#),
    ("Supabase", JWT, r#""aud":"api","amr":[{"method":"password"}],"aal":"aal1","role":"r","session_id":"x""#),
    ("somebody's own", "", r#""aud":"api""#),
];

#[test]
fn access_tokens_of_well_known_providers_are_accepted() {
    for (provider, typ, claims) in ACCESS_TOKENS {
        check(provider, typ, claims, Ok(()));
    }
}

#[test]
fn id_tokens_of_well_known_providers_are_refused() {
    for (provider, claims) in [
        (
            "Keycloak",
            r#""auth_time":1800000000,"jti":"j","aud":"client","typ":"ID","azp":"client","sid":"x","acr":"1","name":"A""#,
        ),
        (
            "Entra ID v2",
            r#""aud":"client","nbf":1800000000,"name":"A","oid":"o","preferred_username":"a","rh":"x","roles":["r"],
            "tid":"t","uti":"u","ver":"2.0""#,
        ),
        ("Entra ID v1", r#""aud":"client","amr":["pwd"],"oid":"o","tid":"t","unique_name":"a","ver":"1.0""#),
        ("Auth0, asked with a nonce", r#""nickname":"a","name":"A","aud":"client","sid":"x","nonce":"n""#),
        (
            "Okta",
            r#""ver":1,"aud":"client","jti":"ID.x","amr":["pwd"],"idp":"i","auth_time":1800000000,"name":"A""#,
        ),
        ("Okta, with an access token", r#""ver":1,"aud":"client","jti":"ID.x","idp":"i","at_hash":"h""#),
        ("Cognito", r#""aud":"client","cognito:username":"a","token_use":"id","auth_time":1800000000,"jti":"j""#),
        ("Google", r#""azp":"client","aud":"client","email":"a@b.example","name":"A""#),
        (
            "Ory Hydra",
            r#""aud":["client"],"at_hash":"h","auth_time":1800000000,"jti":"j","rat":1800000000,"sid":"x""#,
        ),
        (
            "authentik, with a new access token",
            r#""aud":"client","auth_time":1800000000,"acr":"goauthentik.io/providers/oauth2/default","email":"a@b.example""#,
        ),
        (
            "Zitadel",
            r#""aud":["client","api"],"auth_time":1800000000,"amr":["pwd"],"azp":"client","client_id":"client","at_hash":"h""#,
        ),
        ("anybody, asked with a nonce", r#""aud":"client","azp":"client","nonce":"n","scope":"openid""#),
        (
            "anybody, hashes beside marks",
            r#""aud":"api","typ":"Bearer","azp":"c","uid":"u","scope":"a","c_hash":"h""#,
        ),
    ] {
        check(provider, "", claims, Err(Refusal::TokenTypeWrong));
    }
}

#[test]
fn a_client_goes_by_many_names() {
    for (claims, expected) in [
        (r#""client_id":"a","azp":"b","cid":"c","appid":"d""#, Some("a")),
        (r#""azp":"b","cid":"c","appid":"d""#, Some("b")),
        (r#""cid":"c""#, Some("c")),
        (r#""appid":"d""#, Some("d")),
        // Others mean other things by them.
        (r#""cid":7,"appid":{"x":1}"#, None),
        (r#""cid":"a\n""#, None),
    ] {
        let payload = format!(r#"{{"sub":"s","exp":1800000600,{claims}}}"#);
        let caller = accepts(claims, &with_payload(&payload));
        assert_eq!(caller.client_id.as_deref(), expected, "{claims}");
        let list = Revocations::parse("revoked", "client_id: [c, d]").unwrap();
        let is_revoked = list.revokes(&caller, &Bearer::try_from("t").unwrap());
        assert_eq!(is_revoked, ["c", "d"].map(Some).contains(&expected), "{claims}");
    }
    let lenient = Issuers::new(vec![Issuer { required_claims: [].into(), ..prototype() }]).unwrap();
    let nobody = with_payload(r#"{"exp":1800000600,"cid":"customer"}"#);
    assert_eq!(verify_at(&nobody, &lenient, NOW), Err(Refusal::TokenClaimsInvalid), "a customer is no caller");
}
