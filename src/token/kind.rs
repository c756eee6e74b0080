//! What kind of token a claim set is: an access token, or one of those that look like it (RFC 8725 §3.12).

use super::claims::Claims;
use super::value::Json;
use crate::refusal::Refusal;

/// Claims that only an ID token has (OpenID Connect Core §3.3.2.11, FAPI 1.0 Part 2 §5.1.1).
const HASHES: [&str; 3] = ["at_hash", "c_hash", "s_hash"];

/// Claims that no ID token has: what was granted, and how a client proved itself to Entra ID or got it from Auth0.
const OF_AN_ACCESS_TOKEN: [&str; 7] = ["scope", "scp", "scopes", "permissions", "azpacr", "appidacr", "gty"];

/// What authentik adds to the claims of an ID token, the nonce included, to make an access token of them.
const OF_AUTHENTIK: [&str; 3] = ["azp", "uid", "scope"];

/// Claims that name the client, `cid` at Okta and `appid` at Entra ID.
const CLIENTS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

/// Claims in which issuers say what kind of token it is: Cognito, Ory, Keycloak, and RFC 7662 §2.2.
const KIND_CLAIMS: [&str; 3] = ["token_use", "typ", "token_type"];

/// What they say of access tokens. Compared without case.
const ACCESS_KINDS: [&str; 5] = ["access", "access_token", "bearer", "dpop", "at+jwt"];

/// What they say of tokens that are for the client or for the issuer itself. Compared without case.
const OTHER_KINDS: [&str; 7] = ["id", "id_token", "refresh", "refresh_token", "offline", "logout", "logout_token"];

impl Claims<'_> {
    /// Whether it has what only ID tokens have. Keycloak before 24 and authentik put a nonce into access tokens too,
    /// which say by other claims what they are.
    pub(super) fn is_marked_as_id_token(&self) -> bool {
        let is_excused = || self.says_access() || OF_AUTHENTIK.iter().all(|name| self.has(name));
        HASHES.iter().any(|name| self.has(name)) || (self.has("nonce") && !is_excused())
    }

    /// What says that it is another kind of token is one, whatever its header says.
    pub(super) fn check_kind(&self) -> Result<(), Refusal> {
        let is_other = |kind: &str| OTHER_KINDS.iter().any(|other| kind.eq_ignore_ascii_case(other));
        // Logout tokens and other news of events (RFC 8417 §2.2).
        let is_event = matches!(self.get("events"), Some(Json::Object(_)));
        if is_event || self.kinds().any(is_other) { Err(Refusal::TokenTypeWrong) } else { Ok(()) }
    }

    /// Whether nothing says that it is an access token, and it is meant for nobody but the client that got it, or
    /// tells of a login and names no client: then it is an ID token (OpenID Connect Core §2), or cannot be told from
    /// one.
    pub(super) fn is_like_an_id_token(&self) -> Result<bool, Refusal> {
        let is_for_client = self.is_for_its_client()?;
        let is_marked = OF_AN_ACCESS_TOKEN.iter().any(|name| self.has(name)) || self.says_access();
        Ok(!is_marked && (is_for_client || self.tells_of_a_login()))
    }

    fn is_for_its_client(&self) -> Result<bool, Refusal> {
        let clients = [self.name("client_id")?, self.name("azp")?];
        let is_client = |name: &str| clients.contains(&Some(name));
        Ok(match self.get("aud") {
            Some(Json::String(one)) => is_client(one),
            Some(Json::Array(many)) => {
                !many.is_empty() && many.iter().all(|one| one.as_str().is_some_and(is_client))
            }
            None | Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_)) => false,
        })
    }

    /// Access tokens name their client (RFC 9068 §2.2). ID tokens of Entra ID have its `tid` and `ver`; those of Okta,
    /// authentik and others say when and how the user was authenticated.
    fn tells_of_a_login(&self) -> bool {
        let is_of_entra = self.has("tid") && self.has("ver");
        let is_login = self.has("auth_time") && (self.has("acr") || self.has("amr"));
        (is_of_entra || is_login) && !CLIENTS.iter().any(|name| self.has(name))
    }

    fn says_access(&self) -> bool {
        self.kinds().any(|kind| ACCESS_KINDS.iter().any(|access| kind.eq_ignore_ascii_case(access)))
    }

    fn kinds(&self) -> impl Iterator<Item = &str> {
        KIND_CLAIMS.iter().filter_map(|name| self.get(name)?.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}
