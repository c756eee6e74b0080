//! CEL, the Common Expression Language: conditions of rules, checked when a policy is loaded, and evaluated within a
//! bounded number of steps.
//!
//! It is an implementation of its own, of what a condition needs of <https://github.com/google/cel-spec>: a library
//! would need three things that none has together: a type checker against declared names, a budget that a hostile
//! argument cannot exceed, and numbers that are never rounded. Not there, and refused when a policy is loaded: bytes,
//! messages, `type()`, maps whose keys are no strings, named time zones, regular expressions that are not written out.

mod arithmetic;
mod check;
mod error;
mod eval;
mod fold;
mod functions;
mod lexer;
mod network;
mod never;
mod parser;
mod plan;
mod print;
mod shape;
mod text;
mod time;
mod types;
mod value;

pub use error::Error;
use eval::Evaluation;
pub(crate) use parser::{Binary, Expr, Form, Literal};
use plan::{Document, Fact, Plan};
pub(crate) use print::{print, quoted};
pub use shape::Types;
pub(crate) use time::parse_timestamp;

pub(crate) use check::LARGEST as LARGEST_REGEX;

/// The longest condition in bytes.
const LONGEST: usize = 4_096;

/// What a rule with a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A tool: `tool`, `args`.
    Tool,
    /// A prompt: `prompt`, `args`.
    Prompt,
    /// A resource: `resource`, `vars`.
    Resource,
    /// A method.
    Method,
}

impl About {
    const fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Method => "method",
        }
    }

    const fn has_args(self) -> bool {
        matches!(self, Self::Tool | Self::Prompt)
    }
}

/// The names that a condition can use, beside `claims` and `request`.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'d> {
    /// What the rule is about.
    pub about: About,
    /// The variables of its URI pattern.
    pub vars: &'d [Box<str>],
}

impl Declared<'_> {
    fn roots(self) -> Vec<&'static str> {
        let mut roots = vec!["claims", "request"];
        roots.extend(match self.about {
            About::Tool => &["args", "tool"][..],
            About::Prompt => &["args", "prompt"],
            About::Resource => &["resource"],
            About::Method => &[],
        });
        if !self.vars.is_empty() {
            roots.push("vars");
        }
        roots
    }
}

/// What is known of a request, for a condition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The caller's verified claims: a JSON object.
    pub claims: &'a str,
    /// The arguments as they stand in the judged bytes: a JSON object. None is the empty one.
    pub args: Option<&'a str>,
    /// The name or URI of what is asked for.
    pub name: &'a str,
    /// The annotations of the tool as last listed by the upstream: a JSON object. None where it was not listed.
    pub annotations: Option<&'a str>,
    /// The JSON-RPC method.
    pub method: &'a str,
    /// The session, or the empty text.
    pub session: &'a str,
    /// Where the request comes from.
    pub client_address: &'a str,
    /// The time, in nanoseconds since 1970-01-01T00:00:00Z.
    pub time: i128,
    /// The values of the pattern's variables, in the order of the declaration.
    pub vars: &'a [String],
}

/// What is wrong with the text of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The byte of the text.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Fault {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Something that a condition can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// `args`
    Args,
    /// `claims`
    Claims,
    /// `tool.annotations`
    Annotations,
    /// `request.session`
    Session,
    /// `request.client_address`
    ClientAddress,
    /// `request.time`
    Time,
}

impl Look {
    /// How it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Args => "args",
            Self::Claims => "claims",
            Self::Annotations => "tool.annotations",
            Self::Session => "request.session",
            Self::ClientAddress => "request.client_address",
            Self::Time => "request.time",
        }
    }
}

/// The tree of an expression that was written for another program: its names need not be declared here.
///
/// # Errors
/// What is wrong with its syntax.
pub(crate) fn parse(source: &str) -> Result<Expr, Fault> {
    if source.len() > LONGEST {
        return Err(Fault::new(0, format!("the expression is longer than {LONGEST} bytes")));
    }
    parser::parse(source)
}

/// A condition, ready to be evaluated.
#[derive(Debug)]
pub struct Condition {
    source: Box<str>,
    plan: Plan,
}

impl Condition {
    /// Compiles and checks `source`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(source: &str, declared: Declared<'_>) -> Result<Self, Fault> {
        if source.len() > LONGEST {
            return Err(Fault::new(0, format!("the condition is longer than {LONGEST} bytes")));
        }
        let expr = parser::parse(source)?;
        let plan = check::check(&expr, declared)?;
        let condition = Self { source: source.into(), plan };
        match condition.constant() {
            Some(Err(error)) => {
                let fault = Fault::new(expr.at, format!("this can never be evaluated: {}", error.word()));
                Err(fault.hint("a condition without a value refuses every call"))
            }
            Some(Ok(_)) | None => Ok(condition),
        }
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// Why that cannot be told. It must be taken for a refusal.
    pub fn holds(&self, facts: &Facts<'_>) -> Result<bool, Error> {
        self.evaluate(facts).0
    }

    /// Whether the condition holds, and how many steps it took to tell: at most [`Condition::MOST_STEPS`].
    ///
    /// # Errors
    /// As for [`Condition::holds`].
    pub fn evaluate(&self, facts: &Facts<'_>) -> (Result<bool, Error>, u64) {
        let mut evaluation = Evaluation::new(facts);
        let result = evaluation.condition(&self.plan);
        (result, Self::MOST_STEPS.saturating_sub(evaluation.fuel.left()))
    }

    /// The most steps that an evaluation takes, whatever the request.
    pub const MOST_STEPS: u64 = eval::MOST_STEPS;

    /// What the condition says of every request, if it says the same of all: as far as folding of constants tells.
    #[must_use]
    pub fn constant(&self) -> Option<Result<bool, Error>> {
        fold::constant(&self.plan)
    }

    /// Whether it holds for no request: constants, and demands that contradict each other. Not all such conditions are
    /// found.
    #[must_use]
    pub fn is_never_true(&self) -> bool {
        never::is_never_true(&self.plan)
    }

    /// The arguments that it compares with what they cannot be, where `is` tells what each may be.
    #[must_use]
    pub fn mistaken(&self, is: &dyn Fn(&str) -> Types) -> Vec<&str> {
        shape::mistaken(&self.plan, is)
    }

    /// The arguments that are named, each once.
    #[must_use]
    pub fn args(&self) -> Vec<&str> {
        self.members(Document::Args)
    }

    /// The claims that are named, each once.
    #[must_use]
    pub fn claims(&self) -> Vec<&str> {
        self.members(Document::Claims)
    }

    /// How many bytes its compiled regular expressions may take.
    #[must_use]
    pub fn regex_size(&self) -> usize {
        let mut size = 0_usize;
        self.plan.each(&mut |plan| {
            if let Plan::Matches(_, matcher) = plan {
                size = size.saturating_add(matcher.size);
            }
        });
        size
    }

    /// What it looks at, each once, besides the name, the method and the variables of the rule.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "what looks at something is named; the rest is made of it")]
    pub fn looks_at(&self) -> Vec<Look> {
        let mut looks = Vec::new();
        self.plan.each(&mut |plan| {
            let look = match plan {
                Plan::Document(document) | Plan::Member(document, _) | Plan::HasMember(document, _) => {
                    match document {
                        Document::Args => Some(Look::Args),
                        Document::Claims => Some(Look::Claims),
                        Document::Annotations => Some(Look::Annotations),
                    }
                }
                Plan::Fact(Fact::Session) => Some(Look::Session),
                Plan::Fact(Fact::ClientAddress) => Some(Look::ClientAddress),
                Plan::Fact(Fact::Time) => Some(Look::Time),
                _ => None,
            };
            looks.extend(look.filter(|look| !looks.contains(look)));
        });
        looks
    }

    fn members(&self, wanted: Document) -> Vec<&str> {
        let mut names = Vec::new();
        self.plan.each(&mut |plan| {
            if let Plan::Member(document, name) | Plan::HasMember(document, name) = plan
                && *document == wanted
            {
                names.push(&**name);
            }
        });
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests;
