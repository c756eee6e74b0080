//! Whatever the rules of a source are, the policy allows nothing that they do not allow.

use super::*;

/// What a rule asks, in both formats.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Always(bool),
    NameIs(&'static str),
    NameIn(&'static str, &'static str),
    Begins(&'static str),
    Ends(&'static str),
    Has(&'static str),
    Scope(&'static str),
    SubIs(&'static str),
    InGroup(&'static str),
    HasSub,
    Server(&'static str),
    /// What no policy can say.
    Strange,
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) scopes: Option<&'static str>,
    pub(super) sub: Option<&'static str>,
    pub(super) groups: Option<&'static str>,
    pub(super) strange: bool,
}

pub(super) const NAMES: [&str; 6] = ["get_a", "get_b", "put_a", "put", "a", "get_"];
const KINDS: [Kind; 3] = [Kind::Tool, Kind::Prompt, Kind::Resource];

/// Every request there is, with names of these kinds.
pub(super) fn worlds(kinds: &[Kind]) -> Vec<World> {
    let mut all = Vec::new();
    for kind in kinds {
        for name in NAMES {
            for scopes in [None, Some(""), Some("r"), Some("w"), Some("r w")] {
                for (sub, groups) in [(None, None), (Some("alice"), Some("g")), (Some("bob"), Some("h"))] {
                    for strange in [false, true] {
                        all.push(World { kind: *kind, name, scopes, sub, groups, strange });
                    }
                }
            }
        }
    }
    all
}

impl World {
    pub(super) fn claims(&self) -> String {
        let scope = self.scopes.map(|scopes| format!(r#""scope": "{scopes}""#));
        let sub = self.sub.map(|sub| format!(r#""sub": "{sub}""#));
        let groups = self.groups.map(|group| format!(r#""groups": ["{group}"]"#));
        format!("{{{}}}", scope.into_iter().chain(sub).chain(groups).collect::<Vec<_>>().join(", "))
    }

    pub(super) fn is_open(&self, policy: &Policy) -> bool {
        may(policy, &Caller(self.scopes.unwrap_or_default(), &self.claims()), self.kind, self.name, None)
    }
}

impl Ask {
    /// What the source makes of it; none where it has no value. `about` is the kind that names are of.
    pub(super) fn holds(&self, world: &World, about: Kind) -> Option<bool> {
        let name = (world.kind == about).then_some(world.name);
        match self {
            Self::Always(value) => Some(*value),
            Self::NameIs(one) => name.map(|name| name == *one),
            Self::NameIn(one, two) => name.map(|name| [*one, *two].contains(&name)),
            Self::Begins(text) => name.map(|name| name.starts_with(text)),
            Self::Ends(text) => name.map(|name| name.ends_with(text)),
            Self::Has(text) => name.map(|name| name.contains(text)),
            Self::Server(server) => name.map(|_| *server == "files"),
            Self::Scope(scope) => world.scopes.map(|scopes| scopes.split(' ').any(|held| held == *scope)),
            Self::SubIs(sub) => world.sub.map(|held| held == *sub),
            Self::InGroup(group) => world.groups.map(|held| held == *group),
            Self::HasSub => Some(world.sub.is_some()),
            Self::Strange => Some(world.strange),
            Self::Not(of) => of.holds(world, about).map(|value| !value),
            Self::All(parts) => joined(parts.iter().map(|part| part.holds(world, about)), false),
            Self::Any(parts) => joined(parts.iter().map(|part| part.holds(world, about)), true),
        }
    }

    /// As it is written in one of the formats.
    pub(super) fn text(&self, about: Kind, format: Format) -> String {
        let (name, server, claims) = match format {
            Format::Agentgateway => {
                let thing = about.word();
                (format!("mcp.{thing}.name"), format!("mcp.{thing}.target"), "jwt")
            }
            Format::EnvoyAiGateway => {
                ("request.mcp.tool".to_owned(), "request.mcp.backend".to_owned(), "request.auth.jwt.claims")
            }
        };
        let list = |parts: &[Self], sign: &str| {
            let parts: Vec<String> = parts.iter().map(|part| part.text(about, format)).collect();
            format!("({})", parts.join(sign))
        };
        match self {
            Self::Always(value) => value.to_string(),
            Self::NameIs(one) => format!("{name} == \"{one}\""),
            Self::NameIn(one, two) => format!("{name} in [\"{one}\", \"{two}\"]"),
            Self::Begins(text) => format!("{name}.startsWith(\"{text}\")"),
            Self::Ends(text) => format!("{name}.endsWith(\"{text}\")"),
            Self::Has(text) => format!("{name}.contains(\"{text}\")"),
            Self::Server(other) => format!("{server} == \"{other}\""),
            Self::Scope(scope) if format == Format::Agentgateway => {
                format!("\"{scope}\" in jwt.scope.split(\" \")")
            }
            Self::Scope(scope) => format!("\"{scope}\" in request.auth.jwt.scopes"),
            Self::SubIs(sub) => format!("{claims}.sub == \"{sub}\""),
            Self::InGroup(group) => format!("{claims}.groups.exists(g, g == \"{group}\")"),
            Self::HasSub => format!("has({claims}.sub)"),
            Self::Strange => "request.path == \"/strange\"".to_owned(),
            Self::Not(of) => format!("!({})", of.text(about, format)),
            Self::All(parts) => list(parts, " && "),
            Self::Any(parts) => list(parts, " || "),
        }
    }
}

/// `&&` and `||` as CEL has them: what decides wins, also where the other has no value.
fn joined(parts: impl Iterator<Item = Option<bool>>, deciding: bool) -> Option<bool> {
    let parts: Vec<Option<bool>> = parts.collect();
    if parts.contains(&Some(deciding)) {
        return Some(deciding);
    }
    if parts.contains(&None) { None } else { Some(!deciding) }
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let name = || prop::sample::select(NAMES.to_vec());
    let piece = || prop::sample::select(vec!["get_", "put", "a", "t_", "_b"]);
    let leaf = prop_oneof![
        4 => name().prop_map(Ask::NameIs),
        2 => (name(), name()).prop_map(|(one, two)| Ask::NameIn(one, two)),
        2 => piece().prop_map(Ask::Begins),
        1 => piece().prop_map(Ask::Ends),
        1 => piece().prop_map(Ask::Has),
        4 => prop::sample::select(vec!["r", "w"]).prop_map(Ask::Scope),
        2 => prop::sample::select(vec!["alice", "bob"]).prop_map(Ask::SubIs),
        1 => prop::sample::select(vec!["g", "h"]).prop_map(Ask::InGroup),
        1 => Just(Ask::HasSub),
        1 => prop::sample::select(vec!["files", "mail"]).prop_map(Ask::Server),
        1 => Just(Ask::Strange),
        1 => any::<bool>().prop_map(Ask::Always),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(|of| Ask::Not(of.into())),
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Ask::All),
            1 => prop::collection::vec(inner, 1..3).prop_map(Ask::Any),
        ]
    })
}

/// What can be said in a policy as it is.
fn plain() -> impl Strategy<Value = Ask> {
    let name = || prop::sample::select(NAMES.to_vec());
    let leaf = prop_oneof![
        3 => name().prop_map(Ask::NameIs),
        1 => (name(), name()).prop_map(|(one, two)| Ask::NameIn(one, two)),
        1 => prop::sample::select(vec!["get_", "put", "a"]).prop_map(Ask::Begins),
        3 => prop::sample::select(vec!["r", "w"]).prop_map(Ask::Scope),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Ask::All),
            1 => prop::collection::vec(inner, 1..3).prop_map(Ask::Any),
        ]
    })
}

/// What agentgateway decides.
fn allows(rules: &[(&str, Kind, Ask)], world: &World) -> bool {
    let of = |word: &'static str| rules.iter().filter(move |(other, ..)| *other == word);
    let holds = |(_, about, ask): &(&str, Kind, Ask)| ask.holds(world, *about) == Some(true);
    if of("deny").any(holds) || !of("require").all(holds) {
        return false;
    }
    of("allow").any(holds) || of("allow").next().is_none()
}

fn rules() -> impl Strategy<Value = Vec<(&'static str, Kind, Ask)>> {
    let word = prop_oneof![5 => Just("allow"), 2 => Just("deny"), 1 => Just("require")];
    prop::collection::vec((word, prop::sample::select(KINDS.to_vec()), ask()), 1..5)
}

fn source(rules: &[(&str, Kind, Ask)]) -> String {
    let each =
        rules.iter().map(|(word, about, ask)| format!("{{{word}: '{}'}}", ask.text(*about, Format::Agentgateway)));
    configuration(&each.collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_policy_allows_nothing_that_agentgateway_refuses(rules in rules()) {
        let text = source(&rules);
        let choice = Choice { target: Some("files"), line: None };
        let imported = import(Format::Agentgateway, "c", &text, choice).unwrap();
        if let Some(policy) = imported.policy {
            let compiled = Policy::compile("p", &policy).unwrap();
            for world in worlds(&KINDS) {
                let is_wider = world.is_open(&compiled) && !allows(&rules, &world);
                prop_assert!(!is_wider, "{world:?}\n{text}\n{policy}");
            }
        }
    }

    #[test]
    fn what_can_be_said_is_kept_whole(
        rules in prop::collection::vec((Just("allow"), prop::sample::select(KINDS.to_vec()), plain()), 1..4)
    ) {
        let text = source(&rules);
        let imported = import(Format::Agentgateway, "c", &text, Choice::default()).unwrap();
        let policy = imported.policy.map(|policy| Policy::compile("p", &policy).unwrap());
        for world in worlds(&[Kind::Tool]).into_iter().filter(|world| world.scopes.is_some()) {
            let is_open = policy.as_ref().is_some_and(|policy| world.is_open(policy));
            prop_assert_eq!(is_open, allows(&rules, &world), "{:?}\n{}", world, text);
        }
    }
}
