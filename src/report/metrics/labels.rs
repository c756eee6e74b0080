//! The labels of the metrics: closed lists of words.

use crate::message::Ask;
use crate::policy::Kind;

/// The methods that have a label of their own: those of every revision of MCP.
pub(super) const METHODS: &[&str] = &[
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "subscriptions/listen",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/update",
    "tasks/cancel",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
    "other",
    "none",
];

/// The label of a method: a word of a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodLabel(pub(super) usize);

impl MethodLabel {
    /// No message was read: GET, DELETE, or a refusal before it.
    #[must_use]
    pub fn none() -> Self {
        Self(METHODS.len().saturating_sub(1))
    }

    /// The label of this method; `other` for one of no revision, `none` for a reply, which has no method.
    #[must_use]
    pub fn of(method: &str) -> Self {
        let words = METHODS.len();
        let other = words.saturating_sub(2);
        match METHODS.iter().take(other).position(|word| *word == method) {
            Some(at) => Self(at),
            None if method.is_empty() => Self::none(),
            None => Self(other),
        }
    }

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        METHODS.get(self.0).copied().unwrap_or("other")
    }
}

/// What a decision was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What a valid token is enough for: the base of the protocol, lists and streams.
    Base,
    /// What a rule is about.
    Thing(Kind),
}

impl Subject {
    pub(super) const WORDS: usize = 5;

    /// What a decision about this ask is about.
    #[must_use]
    pub const fn of(ask: &Ask<'_>) -> Self {
        match ask {
            Ask::Base | Ask::List(_) => Self::Base,
            Ask::Tool { .. } => Self::Thing(Kind::Tool),
            Ask::Prompt { .. } => Self::Thing(Kind::Prompt),
            Ask::Resource { .. } | Ask::Listen { .. } => Self::Thing(Kind::Resource),
            Ask::Task | Ask::Specified | Ask::Extension => Self::Thing(Kind::Method),
        }
    }

    /// The word: audit `kind`, metric label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Thing(kind) => kind.word(),
        }
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Base => 0,
            Self::Thing(Kind::Tool) => 1,
            Self::Thing(Kind::Prompt) => 2,
            Self::Thing(Kind::Resource) => 3,
            Self::Thing(Kind::Method) => 4,
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $( $(#[$about:meta])* $variant:ident = $word:literal, )* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$about])* $variant, )* }

        impl $name {
            pub(super) const WORDS: &'static [&'static str] = &[ $( $word, )* ];

            /// The metric label.
            #[must_use]
            pub const fn word(self) -> &'static str { match self { $( Self::$variant => $word, )* } }
        }
    };
}

words! {
    /// What became of a request to the upstream.
    UpstreamResult {
        /// It answered.
        Answered = "answered",
        /// It could not be reached, or broke off before it answered.
        Down = "down",
        /// It did not answer in time.
        Slow = "slow",
        /// Its answer could not be passed on.
        Nonsense = "nonsense",
        /// The caller left first.
        Abandoned = "abandoned",
    }
}

words! {
    /// Why a stream ended.
    StreamEnd {
        /// The upstream ended it.
        Upstream = "upstream",
        /// The caller left.
        Client = "client",
        /// The caller's token expired.
        Expired = "expired",
        /// The caller or its token was revoked.
        Revoked = "revoked",
        /// A new policy took away what it rests on.
        Policy = "policy",
        /// The gateway shuts down.
        Shutdown = "shutdown",
        /// The upstream sent what cannot be passed on.
        Flaw = "flaw",
        /// There was no room for what it carries.
        Overload = "overload",
    }
}

words! {
    /// Whether a token was remembered.
    CacheResult {
        /// It was verified before.
        Hit = "hit",
        /// It had to be verified.
        Miss = "miss",
    }
}

words! {
    /// What became of a policy, or a list of what is revoked, that was found changed.
    ReloadResult {
        /// It is in force.
        Done = "done",
        /// The last good one stays in force.
        Kept = "kept",
    }
}

words! {
    /// What became of asking for an issuer's keys.
    JwksResult {
        /// Other keys than before are in force.
        Changed = "changed",
        /// The keys in force are still the issuer's.
        Unchanged = "unchanged",
        /// There was no answer, or none that can be used.
        Failed = "failed",
    }
}

words! {
    /// What became of asking about a token.
    IntrospectionResult {
        /// It is active, and makes a caller.
        Active = "active",
        /// It is not active, or what is said of it is refused.
        Refused = "refused",
        /// There was no answer, or none that makes sense.
        Unavailable = "unavailable",
    }
}

words! {
    /// What became of asking for a token for the upstream.
    ExchangeResult {
        /// There is one.
        Done = "done",
        /// The server will not give one.
        Refused = "refused",
        /// There was no answer, or none that makes sense.
        Unavailable = "unavailable",
    }
}
