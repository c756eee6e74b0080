//! The keys of a policy: one table, by which the loader knows them and from which the JSON Schema is made.

use super::rate::{LimitBy, MOST_REQUESTS};
use super::{DenyReason, Kind, Mode, OnDeny};

/// A mapping of a policy.
#[derive(Debug)]
pub(crate) struct Shape {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// Its keys, in the order in which they are told.
    pub(crate) keys: &'static [Key],
    /// What holds between its keys. The loader checks each of them with words of its own.
    pub(crate) bounds: &'static [Bound],
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What it is for, as an editor tells it.
    pub(crate) says: &'static str,
    pub(crate) form: Form,
}

/// What stands under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// The number 1.
    One,
    /// `true`, and nothing else.
    True,
    /// One of these words.
    Word(&'static [&'static str]),
    Text,
    /// A text that a regular expression matches.
    TextLike(&'static str),
    /// A condition: text, or the word `true` or `false`.
    Condition,
    /// A whole number from 1 to this.
    Count(u32),
    /// A list of texts.
    Texts,
    /// A list of scopes.
    Scopes,
    /// A list of lists of scopes, none of them empty.
    Alternatives,
    /// A mapping with any keys.
    Object,
    /// The claims of a caller.
    Claims,
    /// Scopes, and what each implies.
    Hierarchy,
    /// Rules of one kind, by name or pattern.
    Rules(Kind),
    Mapping(&'static Shape),
    List(&'static Shape),
    /// One of these words, or a mapping.
    WordOr(&'static [&'static str], &'static Shape),
}

/// What holds between the keys of one mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// All of these are there.
    Needs(&'static [&'static str]),
    /// One of these is there, or more.
    NeedsSome(&'static [&'static str]),
    /// Exactly one of these is there.
    NeedsOne(&'static [&'static str]),
    /// Where the first is, the second is.
    With(&'static str, &'static str),
    /// Where the first is, none of these is.
    Without(&'static str, &'static [&'static str]),
    /// Where the first is, the second can only be one of these words.
    Narrows(&'static str, &'static str, &'static [&'static str]),
}

impl Shape {
    /// The names of the keys.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }
}

const fn key(name: &'static str, form: Form, says: &'static str) -> Key {
    Key { name, says, form }
}

/// The words of a decision.
pub(super) const DECISIONS: [&str; 2] = ["allow", "deny"];

/// A policy.
pub(crate) static POLICY: Shape = Shape {
    name: "policy",
    keys: &[
        key("version", Form::One, "The version of this format: 1."),
        key(
            "mode",
            Form::WordOr(&Mode::WORDS, &SHARE),
            "`enforce` (default), or `shadow`: the whole policy is evaluated and reported, and not enforced. `serve` \
             takes a policy in shadow only with `allow_policy_shadow`.",
        ),
        key("scopes", Form::Hierarchy, "Scopes that imply others, as in `admin: {implies: [read]}`."),
        key(
            "tools",
            Form::Rules(Kind::Tool),
            "Rules about tools, by name or pattern (`*`, `?`): who sees and calls them. A tool that no rule names is \
             refused.",
        ),
        key(
            "prompts",
            Form::Rules(Kind::Prompt),
            "Rules about prompts, by name or pattern (`*`, `?`). A prompt that no rule names is refused.",
        ),
        key(
            "resources",
            Form::Rules(Kind::Resource),
            "Rules about resources and templates, by URI or pattern: `*` and `?` stop at `/`, `**` does not, `{name}` \
             is a variable. A resource that no rule names is refused.",
        ),
        key(
            "methods",
            Form::Rules(Kind::Method),
            "Rules about methods that the specification does not open to every caller, as `logging/setLevel` or \
             `x-acme/*`.",
        ),
        key(
            "tests",
            Form::List(&TEST),
            "What must hold of this policy. A policy whose tests fail is not taken into use.",
        ),
    ],
    bounds: &[Bound::Needs(&["version"])],
};

/// What a rule says.
pub(crate) static RULE: Shape = Shape {
    name: "rule",
    keys: &[
        key(
            "scopes",
            Form::Scopes,
            "Scopes that a caller's token must have, all of them. `[]` lets in every caller with a valid token.",
        ),
        key("any_of", Form::Alternatives, "Alternatives: all scopes of one of these lists are needed."),
        key("deny", Form::True, "`true`: nobody gets it. This wins over all other rules that match."),
        key(
            "on_deny",
            Form::Word(&OnDeny::WORDS),
            "What a refused caller is told: which scopes it needs (`challenge`, the default), that the policy does not \
             allow it (`explain`), or that there is no such thing (`hide`, the default with `deny`).",
        ),
        key(
            "when",
            Form::Condition,
            "A condition on calls in CEL, over `args`, `claims`, `request`, and `tool`, `prompt`, `resource` or `vars`. \
             It decides about calling only, not about what lists show.",
        ),
        key(
            "mode",
            Form::WordOr(&Mode::WORDS, &SHARE),
            "`enforce` (default), or `shadow`: the rule is evaluated and reported, and not enforced. `{shadow: 10%}` \
             audits a share of what it would refuse.",
        ),
        key("rate_limit", Form::Mapping(&RATE_LIMIT), "How often it lets through what scopes and condition allow."),
    ],
    bounds: &[
        Bound::NeedsSome(&["scopes", "any_of", "deny"]),
        Bound::Without("deny", &["scopes", "any_of", "when", "rate_limit"]),
        Bound::Narrows("deny", "on_deny", &["explain", "hide"]),
    ],
};

/// How much of what a rule in shadow would refuse is audited.
pub(crate) static SHARE: Shape = Shape {
    name: "mode",
    keys: &[key(
        "shadow",
        Form::TextLike("^[0-9]+(\\.[0-9]{1,4})?%$"),
        "The share of what would be refused that is audited: `10%` or `0.5%`. The metric counts all.",
    )],
    bounds: &[Bound::Needs(&["shadow"])],
};

/// How often a rule lets through.
pub(crate) static RATE_LIMIT: Shape = Shape {
    name: "rate limit",
    keys: &[
        key("requests", Form::Count(MOST_REQUESTS), "How many."),
        key("per", Form::TextLike("^0*[1-9][0-9]*[smhd]$"), "In what time, up to a day: `10s`, `1m`, `1h`, `1d`."),
        key(
            "by",
            Form::Word(&LimitBy::WORDS),
            "Counted for each subject (default), client or session by itself, or for each tool with all callers together.",
        ),
    ],
    bounds: &[Bound::Needs(&["requests", "per"])],
};

/// What is said of a scope in the hierarchy.
pub(crate) static SCOPE: Shape = Shape {
    name: "scope",
    keys: &[key("implies", Form::Scopes, "Who has this scope has these, too.")],
    bounds: &[],
};

/// A test of a policy.
pub(crate) static TEST: Shape = Shape {
    name: "test",
    keys: &[
        key("name", Form::Text, "What is claimed, in a sentence."),
        key(
            "token",
            Form::Claims,
            "The caller's claims, as in its token. `scope` has the scopes, separated by spaces: \
             `{sub: alice, scope: \"a:read b:read\"}`.",
        ),
        key("tools", Form::Mapping(&SIGHT), "Which tools the caller sees, and which it does not."),
        key("prompts", Form::Mapping(&SIGHT), "Which prompts the caller sees, and which it does not."),
        key(
            "resources",
            Form::Mapping(&SIGHT),
            "Which resources and templates the caller sees, and which it does not.",
        ),
        key("call", Form::Mapping(&CALL), "What the caller asks for."),
        key("expect", Form::WordOr(&DECISIONS, &EXPECTATION), "What must become of the call."),
        key("request", Form::Mapping(&REQUEST), "What else is known of the request, for conditions."),
    ],
    bounds: &[
        Bound::Needs(&["name", "token"]),
        Bound::NeedsSome(&["tools", "prompts", "resources", "call"]),
        Bound::With("call", "expect"),
        Bound::With("expect", "call"),
        Bound::With("request", "call"),
    ],
};

/// What a caller sees of one kind.
pub(crate) static SIGHT: Shape = Shape {
    name: "list of claims",
    keys: &[
        key("visible", Form::Texts, "Names that the caller sees and, apart from conditions, may use."),
        key("hidden", Form::Texts, "Names that the caller neither sees nor may use."),
    ],
    bounds: &[],
};

/// A call of a test.
pub(crate) static CALL: Shape = Shape {
    name: "call",
    keys: &[
        key("tool", Form::Text, "The tool that is called."),
        key("prompt", Form::Text, "The prompt that is asked for."),
        key("resource", Form::Text, "The URI of the resource that is read."),
        key("method", Form::Text, "The method that is called."),
        key("args", Form::Object, "The arguments of the call."),
        key("annotations", Form::Object, "What the server says of the tool: `{readOnlyHint: true}`."),
    ],
    bounds: &[Bound::NeedsOne(&["tool", "prompt", "resource", "method"])],
};

/// What is known of the request of a test.
pub(crate) static REQUEST: Shape = Shape {
    name: "request",
    keys: &[
        key("session", Form::Text, "`request.session`."),
        key("client_address", Form::Text, "`request.client_address`, as `10.0.0.1`."),
        key(
            "time",
            Form::TextLike("^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]"),
            "`request.time`, as `\"2026-07-28T12:00:00Z\"`.",
        ),
    ],
    bounds: &[],
};

/// What must become of a call, where it is more than a word.
pub(crate) static EXPECTATION: Shape = Shape {
    name: "expectation",
    keys: &[
        key("decision", Form::Word(&DECISIONS), "Whether it is allowed."),
        key("reason", Form::Word(&DenyReason::WORDS), "Why it is refused."),
        key("scopes", Form::Texts, "The scopes that the caller is told to get, all of them."),
    ],
    bounds: &[
        Bound::Needs(&["decision"]),
        Bound::Narrows("reason", "decision", &["deny"]),
        Bound::Narrows("scopes", "decision", &["deny"]),
    ],
};

/// Every mapping of the format, each once.
pub(crate) const ALL: [&Shape; 10] =
    [&POLICY, &RULE, &SHARE, &RATE_LIMIT, &SCOPE, &TEST, &SIGHT, &CALL, &REQUEST, &EXPECTATION];
