//! Every way in which toolgate refuses, as one closed list with total tables to the wire.
//!
//! A [`Refusal`] names what the caller (or the upstream) did. Its stable word is the vocabulary of the audit
//! log, the metrics, the tests and the documentation alike; status, JSON-RPC code and sentence are functions of
//! it, so that a new variant does not compile until every row exists.

/// The protocol era a request belongs to, which decides some statuses and codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Era {
    /// MCP 2025-11-25 and earlier: `initialize` handshake, optional sessions.
    #[default]
    Legacy,
    /// MCP 2026-07-28 and later: stateless, mirrored headers.
    Modern,
}

macro_rules! refusals {
    ($( $(#[$doc:meta])* $name:ident = $word:literal, $status:literal, $code:expr, $sentence:literal; )*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Refusal { $( $(#[$doc])* $name, )* }

        impl Refusal {
            /// Every refusal there is, in the order of the checks.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The stable word of this refusal: audit `reason`, metric label, test vocabulary.
            #[must_use]
            pub const fn word(self) -> &'static str { match self { $( Self::$name => $word, )* } }

            /// The HTTP status of the answer.
            #[must_use]
            pub const fn status(self, era: Era) -> u16 {
                match (self, era) {
                    // MCP 2026-07-28, streamable-http: an unknown method is 404; earlier SDKs answer 200.
                    (Self::MethodUnknown, Era::Legacy) => 200,
                    $( (Self::$name, _) => $status, )*
                }
            }

            /// The JSON-RPC error code of the answer.
            ///
            /// Codes of our own lie outside -32768…-32000 (MCP 2026-07-28, basic, "Error codes").
            #[must_use]
            pub const fn code(self, era: Era) -> i32 {
                match (self, era) {
                    // -32002 must not be emitted at 2026-07-28; before, it is what servers answer.
                    (Self::ResourceUnknown, Era::Legacy) => -32002,
                    $( (Self::$name, _) => $code, )*
                }
            }

            /// The fixed sentence the caller reads. It never names rules, keys or claims.
            #[must_use]
            pub const fn sentence(self) -> &'static str { match self { $( Self::$name => $sentence, )* } }
        }
    };
}

/// Codes of our own: HTTP status times 100 plus a number.
const FORBIDDEN: i32 = 40_300;

refusals! {
    // --- the way in -------------------------------------------------------------------------------------
    /// The request's framing is not HTTP that can be judged (both lengths, two hosts, an upgrade, …).
    HttpMalformed = "http_malformed", 400, -32600, "the HTTP request is malformed or ambiguous";
    /// No endpoint is served at this path.
    PathUnknown = "path_unknown", 404, 40_400, "nothing is served at this path";
    /// The path is one of the transport of MCP 2024-11-05, whose answers come by another way than its requests.
    TransportRetired = "transport_retired", 404, 40_401, "the HTTP+SSE transport of MCP 2024-11-05 is not served here; use Streamable HTTP";
    /// The `Host` is not one this gateway answers for (DNS rebinding).
    HostNotAllowed = "host_not_allowed", 403, FORBIDDEN, "this host name is not allowed here";
    /// The `Origin` is not on the allow-list (MCP, transports, "Security Warning").
    OriginNotAllowed = "origin_not_allowed", 403, FORBIDDEN, "this origin is not allowed here";
    /// Too many requests or streams are under way.
    Overloaded = "overloaded", 503, 50_301, "the gateway is at its limit, try again later";
    // --- who (RFC 6750 §3.1) ----------------------------------------------------------------------------
    /// No `Authorization` header.
    TokenMissing = "token_missing", 401, 40_100, "a bearer token is required";
    /// The `Authorization` header is not `Bearer <token>`.
    TokenMalformed = "token_malformed", 400, 40_000, "the Authorization header must be one Bearer token";
    /// More than one `Authorization` header.
    TokenRepeated = "token_repeated", 400, 40_000, "more than one Authorization header was sent";
    /// `access_token` in the query (RFC 6750 §2.3, forbidden by MCP authorization).
    TokenInQuery = "token_in_query", 400, 40_000, "a token must not be sent in the query";
    /// The token is longer than any the gateway accepts.
    TokenTooLarge = "token_too_large", 401, 40_101, "the token is too large";
    /// The token is not a well-formed JWS.
    TokenUnreadable = "token_unreadable", 401, 40_101, "the token cannot be read";
    /// The token's `typ` is not an access token's (RFC 9068 §4, RFC 8725 §3.11).
    TokenTypeWrong = "token_type_wrong", 401, 40_101, "this kind of token is not accepted";
    /// The token's algorithm is not on the issuer's allow-list (RFC 8725 §3.1).
    TokenAlgorithmRefused = "token_algorithm_refused", 401, 40_101, "the token's algorithm is not accepted";
    /// The token's issuer is not configured.
    TokenIssuerUnknown = "token_issuer_unknown", 401, 40_101, "the token's issuer is not accepted";
    /// No key of the issuer fits the token.
    TokenKeyUnknown = "token_key_unknown", 401, 40_101, "the token's key is not known";
    /// The signature does not verify.
    TokenSignatureWrong = "token_signature_wrong", 401, 40_101, "the token's signature is wrong";
    /// `exp` has passed.
    TokenExpired = "token_expired", 401, 40_101, "the token has expired";
    /// `nbf` or `iat` lies in the future.
    TokenNotYetValid = "token_not_yet_valid", 401, 40_101, "the token is not valid yet";
    /// `aud` does not name this resource (RFC 8707).
    TokenAudienceWrong = "token_audience_wrong", 401, 40_101, "the token is not meant for this server";
    /// A required claim is absent or of the wrong type.
    TokenClaimsInvalid = "token_claims_invalid", 401, 40_101, "the token lacks a required claim";
    /// The issuer says that the token is not active (RFC 7662 §2.2).
    TokenInactive = "token_inactive", 401, 40_101, "the token is not active";
    /// The token, its subject, its client or its session is on the list of revoked ones.
    TokenRevoked = "token_revoked", 401, 40_101, "the token has been revoked";
    /// The token is bound to a key or certificate other than what was presented with it, or must be and is not
    /// (RFC 9449 §7.1, RFC 8705 §3).
    TokenUnbound = "token_unbound", 401, 40_101, "the token is not bound to the proof that was presented with it";
    /// The DPoP proof is absent, repeated or wrong (RFC 9449 §4.3).
    DpopProofInvalid = "dpop_proof_invalid", 401, 40_102, "the DPoP proof is missing or not valid";
    /// The DPoP proof lacks a nonce of this gateway, or has one that is too old (RFC 9449 §9).
    DpopNonceRequired = "dpop_nonce_required", 401, 40_103, "the DPoP proof must contain the nonce of this answer";
    /// What is to be asked about the token (issuer, introspection, verifier) cannot be reached or makes no sense.
    VerificationUnavailable = "verification_unavailable", 503, 50_303, "tokens cannot be verified at the moment";
    /// The gateway has no keys to judge this token by.
    KeysUnavailable = "keys_unavailable", 503, 50_302, "the gateway has no keys to verify tokens with yet";
    // --- what: HTTP -------------------------------------------------------------------------------------
    /// The HTTP method is none of the endpoint's.
    HttpMethodNotAllowed = "http_method_not_allowed", 405, 40_500, "this HTTP method is not allowed here";
    /// `Content-Type` is not exactly `application/json`.
    ContentTypeWrong = "content_type_wrong", 415, 41_500, "the Content-Type must be application/json";
    /// The request body is compressed.
    ContentEncoded = "content_encoded", 415, 41_500, "the request body must not be encoded";
    /// The body exceeds the limit, announced or not.
    BodyTooLarge = "body_too_large", 413, -32600, "the request body is too large";
    /// The body did not arrive in time.
    BodyTooSlow = "body_too_slow", 408, 40_800, "the request body did not arrive in time";
    /// The client left, or broke its framing, before the body was complete.
    BodyCutShort = "body_cut_short", 400, -32600, "the request body ended early";
    // --- what: JSON-RPC ---------------------------------------------------------------------------------
    /// The body is not one JSON text in UTF-8 without a byte-order mark.
    JsonInvalid = "json_invalid", 400, -32700, "the body is not valid JSON";
    /// An object has the same key twice.
    KeyRepeated = "key_repeated", 400, -32600, "an object has the same key twice";
    /// A key differs from a known one only by case or by look.
    KeyDisguised = "key_disguised", 400, -32600, "a key differs from a known one only by case or look";
    /// The JSON is nested too deeply.
    NestingTooDeep = "nesting_too_deep", 400, -32600, "the body is nested too deeply";
    /// An array of messages (removed in MCP 2025-06-18).
    BatchRefused = "batch_refused", 400, -32600, "JSON-RPC batches are not accepted";
    /// The object is not a JSON-RPC 2.0 message of MCP.
    MessageInvalid = "message_invalid", 400, -32600, "the body is not a JSON-RPC 2.0 message";
    /// The id is null, fractional, neither string nor integer, or an integer that some readers round (RFC 7493 §2.2).
    IdInvalid = "id_invalid", 400, -32600, "the id must be a string or an integer";
    /// A method that asks for something came without an id.
    IdMissing = "id_missing", 400, -32600, "a request needs an id";
    /// A request with the same id, as some server compares ids, is under way in this session.
    IdInUse = "id_in_use", 400, -32600, "a request with this id is under way in this session";
    /// The parameters of a judged method are not what the specification says.
    ParamsInvalid = "params_invalid", 400, -32602, "the parameters are not valid for this method";
    /// `_meta` lacks what 2026-07-28 requires, though the header claims that version.
    MetaMissing = "meta_missing", 400, -32602, "`_meta` lacks `io.modelcontextprotocol/protocolVersion`";
    /// A mirrored header is absent, repeated or says something else than the body (SEP-2243).
    HeaderMismatch = "header_mismatch", 400, -32020, "a mirrored header is missing or does not match the body";
    /// Too many requests and streams of this caller are under way.
    CallerBusy = "caller_busy", 429, 42_900, "too many requests and streams of this caller are under way";
    /// No method of the specification and none the policy names.
    MethodUnknown = "method_unknown", 404, -32601, "Method not found";
    /// The session belongs to another caller, or to none.
    SessionUnknown = "session_unknown", 404, -32600, "Session not found";
    /// The `Last-Event-ID` was sent to another caller, in another session, or to nobody.
    EventUnknown = "event_unknown", 400, -32600, "this Last-Event-ID is not known here";
    /// The task belongs to another caller, or to none.
    TaskUnknown = "task_unknown", 200, -32602, "Failed to retrieve task: Task not found";
    // --- the decision -----------------------------------------------------------------------------------
    /// The caller's token lacks scopes of the operation (RFC 6750 §3.1 `insufficient_scope`).
    ScopeInsufficient = "scope_insufficient", 403, 40_301, "the token lacks a scope that this needs";
    /// Refused for a reason scopes cannot cure, and the rule says so to the caller.
    Forbidden = "forbidden", 200, 40_302, "the policy does not allow this";
    /// The rule's condition does not hold for this call, or cannot be evaluated.
    ConditionFailed = "condition_failed", 200, 40_303, "the policy does not allow this call with what it contains";
    /// More calls than the rule's rate limit lets through.
    RateLimited = "rate_limited", 429, 42_900, "too many calls, try again later";
    /// A tool that is hidden from the caller, denied, or in no rule.
    ToolUnknown = "tool_unknown", 200, -32602, "Unknown tool";
    /// A prompt that is hidden from the caller, denied, or in no rule.
    PromptUnknown = "prompt_unknown", 200, -32602, "Unknown prompt";
    /// A resource that is hidden from the caller, denied, or in no rule.
    ResourceUnknown = "resource_unknown", 200, -32602, "Resource not found";
    // --- the way out ------------------------------------------------------------------------------------
    /// The upstream cannot be reached or broke off before it answered.
    UpstreamDown = "upstream_down", 502, -32603, "the MCP server cannot be reached";
    /// The upstream did not answer in time.
    UpstreamTooSlow = "upstream_too_slow", 504, -32603, "the MCP server did not answer in time";
    /// The upstream's answer is not one that can be judged (not HTTP, not JSON, encoded, …).
    UpstreamNonsense = "upstream_nonsense", 502, -32603, "the MCP server's answer cannot be understood";
    /// The upstream's answer is larger than the limit.
    UpstreamTooLarge = "upstream_too_large", 502, -32603, "the MCP server's answer is too large";
    /// The upstream asked for credentials; its challenge never passes.
    UpstreamUnauthorized = "upstream_unauthorized", 502, -32603, "the MCP server refused the gateway";
}

impl Refusal {
    /// The `error` attribute of the challenge (RFC 6750 §3.1), where the answer carries a challenge.
    #[must_use]
    pub fn challenge(self) -> Challenge {
        match self.status(Era::Legacy) {
            401 if self == Self::TokenMissing => Challenge::Bare,
            401 if self == Self::DpopProofInvalid => Challenge::Dpop("invalid_dpop_proof"),
            401 if self == Self::DpopNonceRequired => Challenge::Dpop("use_dpop_nonce"),
            401 => Challenge::Error("invalid_token"),
            400 if self.is_about_the_header() => Challenge::Error("invalid_request"),
            403 if self == Self::ScopeInsufficient => Challenge::Error("insufficient_scope"),
            _ => Challenge::None,
        }
    }

    const fn is_about_the_header(self) -> bool {
        matches!(self, Self::TokenMalformed | Self::TokenRepeated | Self::TokenInQuery)
    }

    /// Seconds after which trying again may help, for `Retry-After`.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        match self.status(Era::Legacy) {
            429 | 503 => Some(5),
            _ => None,
        }
    }
}

/// What `WWW-Authenticate` says, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// No challenge.
    None,
    /// A challenge without `error`: no credentials were sent (RFC 6750 §3.1).
    Bare,
    /// A challenge with this `error`.
    Error(&'static str),
    /// A challenge of the scheme `DPoP` with this `error` (RFC 9449 §7.1).
    Dpop(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_safe_for_a_label() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert!(refusal.word().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{refusal:?}");
            assert!(Refusal::ALL[..at].iter().all(|r| r.word() != refusal.word()), "{refusal:?}");
        }
    }

    #[test]
    fn sentences_cannot_break_a_quoted_header_value() {
        for refusal in Refusal::ALL {
            let sentence = refusal.sentence();
            assert!(!sentence.contains(['"', '\\', '\n']), "{refusal:?}");
            assert!(!sentence.contains("scope=") && !sentence.contains("error="), "{refusal:?}");
        }
    }

    #[test]
    fn codes_of_our_own_stay_out_of_the_reserved_range() {
        const SPECIFIED: [i32; 7] = [-32700, -32600, -32601, -32602, -32603, -32020, -32002];
        for refusal in Refusal::ALL {
            for era in [Era::Legacy, Era::Modern] {
                let code = refusal.code(era);
                assert!(SPECIFIED.contains(&code) || !(-32768..=-32000).contains(&code), "{refusal:?}");
            }
        }
    }

    #[test]
    fn challenges_go_with_their_statuses() {
        assert_eq!(Refusal::TokenMissing.challenge(), Challenge::Bare);
        assert_eq!(Refusal::TokenExpired.challenge(), Challenge::Error("invalid_token"));
        assert_eq!(Refusal::TokenInQuery.challenge(), Challenge::Error("invalid_request"));
        assert_eq!(Refusal::ScopeInsufficient.challenge(), Challenge::Error("insufficient_scope"));
        for refusal in [Refusal::TokenInactive, Refusal::TokenRevoked, Refusal::TokenUnbound] {
            assert_eq!(refusal.challenge(), Challenge::Error("invalid_token"));
        }
        assert_eq!(Refusal::DpopProofInvalid.challenge(), Challenge::Dpop("invalid_dpop_proof"));
        assert_eq!(Refusal::DpopNonceRequired.challenge(), Challenge::Dpop("use_dpop_nonce"));
        assert_eq!(Refusal::VerificationUnavailable.challenge(), Challenge::None);
        assert_eq!(Refusal::OriginNotAllowed.challenge(), Challenge::None);
        assert_eq!(Refusal::MessageInvalid.challenge(), Challenge::None);
    }

    #[test]
    fn an_unknown_method_is_404_only_in_the_modern_era() {
        assert_eq!(Refusal::MethodUnknown.status(Era::Modern), 404);
        assert_eq!(Refusal::MethodUnknown.status(Era::Legacy), 200);
        assert_eq!(Refusal::ResourceUnknown.code(Era::Legacy), -32002);
        assert_eq!(Refusal::ResourceUnknown.code(Era::Modern), -32602);
    }
}
