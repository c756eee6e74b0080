//! Expressions of other formats → clauses.
//!
//! What is not understood counts for what makes the policy stricter: a rule that lets in is taken for matching less
//! than it may, a rule that refuses for matching more.
#![expect(clippy::wildcard_enum_match_arm, reason = "what has another form than those named is not understood")]

use super::clause::{Atom, Clause, Test, has_scope};
use crate::cel::{self, About, Binary, Condition, Declared, Expr, Form, Literal};
use crate::policy::Kind;

/// The most ways in which one expression is taken to match.
const MOST_CLAUSES: usize = 128;
/// What a policy calls its own things: no macro may use these names.
const OWN: [&str; 7] = ["claims", "args", "tool", "prompt", "resource", "request", "vars"];

/// How a rule is taken that is understood in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approach {
    /// It lets in: it matches at most what is understood.
    Within,
    /// It refuses: it matches at least what is understood.
    Around,
}

/// What a path such as `mcp.tool.name` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    /// The name of what is asked for.
    Name(Kind),
    /// What is asked for, as something that is there or is not.
    Kind(Kind),
    /// The server that is asked for a thing of this kind.
    Server(Kind),
    /// Always this text.
    Fixed(&'static str),
    /// The claims, and a path below them.
    Claims,
    /// The arguments, and a path below them.
    Args,
    /// The scopes as a list.
    Scopes,
    /// The claim with the scopes as one text.
    ScopeText,
}

/// The names of an expression in one format.
pub(super) struct Names<'a> {
    /// What a path stands for, and how many of its parts say that; the others lead further.
    pub(super) term: fn(&[&str]) -> Option<(Term, usize)>,
    /// The server that the gateway stands before.
    pub(super) server: Option<&'a str>,
    /// Whether scopes may also stand in the claim `scp`.
    pub(super) also_scp: bool,
    /// Whether regular expressions are those of RE2.
    pub(super) has_re2: bool,
}

/// What was understood of an expression.
#[derive(Debug, Default)]
pub(super) struct Understood {
    pub(super) clauses: Vec<Clause>,
    /// What was not: the byte, and why.
    pub(super) unknown: Vec<(usize, String)>,
}

enum Formula {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Atom(Atom),
    /// The second; where that lets in, the first must hold, too.
    Narrowed(Atom, Atom),
}

/// Takes an expression apart.
pub(super) fn understand(source: &str, names: &Names<'_>, approach: Approach) -> Understood {
    let mut reader = Reader { names, unknown: Vec::new() };
    let formula = match cel::parse(source) {
        Ok(expr) => reader.formula(&expr),
        Err(fault) => reader.not_understood(fault.at, fault.message),
    };
    let mut clauses = Vec::new();
    match ways(&formula, false, approach) {
        Some(ways) => {
            for way in ways {
                let mut clause = Clause { also_scp: names.also_scp, ..Clause::default() };
                if way.iter().all(|(atom, is_negated)| clause.add(atom, *is_negated)) && !clauses.contains(&clause)
                {
                    clauses.push(clause);
                }
            }
        }
        None => {
            reader.unknown.push((0, format!("it matches in more than {MOST_CLAUSES} ways")));
            clauses.extend((approach == Approach::Around).then(Clause::default));
        }
    }
    Understood { clauses, unknown: reader.unknown }
}

type Way<'f> = Vec<(&'f Atom, bool)>;

/// The ways in which a formula holds; none where they are too many.
fn ways(formula: &Formula, is_negated: bool, approach: Approach) -> Option<Vec<Way<'_>>> {
    let (parts, are_all) = match formula {
        Formula::Not(of) => return ways(of, !is_negated, approach),
        Formula::Atom(atom) => {
            let is_unknown = *atom == Atom::Unknown || matches!(atom, Atom::Kind(_)) && is_negated;
            return Some(match (is_unknown, approach) {
                (false, _) => vec![vec![(atom, is_negated)]],
                (true, Approach::Within) => Vec::new(),
                (true, Approach::Around) => vec![Vec::new()],
            });
        }
        Formula::Narrowed(by, atom) => {
            let lets_in = approach == Approach::Within && !is_negated;
            let by = lets_in.then_some((by, false));
            return Some(vec![by.into_iter().chain([(atom, is_negated)]).collect()]);
        }
        // `!(a && b)` is `!a || !b`, also where one of them has no value.
        Formula::All(parts) => (parts, !is_negated),
        Formula::Any(parts) => (parts, is_negated),
    };
    let mut whole: Vec<Way<'_>> = if are_all { vec![Vec::new()] } else { Vec::new() };
    for part in parts {
        let more = ways(part, is_negated, approach)?;
        if are_all {
            if whole.len().saturating_mul(more.len()) > MOST_CLAUSES {
                return None;
            }
            let mut together = Vec::new();
            for one in &whole {
                together.extend(more.iter().map(|two| [one.as_slice(), two].concat()));
            }
            whole = together;
        } else {
            whole.extend(more);
        }
        if whole.len() > MOST_CLAUSES {
            return None;
        }
    }
    Some(whole)
}

struct Reader<'r, 'a> {
    names: &'r Names<'a>,
    unknown: Vec<(usize, String)>,
}

/// Why something cannot be said in a policy.
type Reason = (usize, String);

impl Reader<'_, '_> {
    fn not_understood(&mut self, at: usize, why: impl Into<String>) -> Formula {
        self.unknown.push((at, why.into()));
        Formula::Atom(Atom::Unknown)
    }

    fn formula(&mut self, expr: &Expr) -> Formula {
        match &expr.form {
            Form::All(parts) => Formula::All(parts.iter().map(|part| self.formula(part)).collect()),
            Form::Any(parts) => Formula::Any(parts.iter().map(|part| self.formula(part)).collect()),
            Form::Not(of) => Formula::Not(self.formula(of).into()),
            Form::Literal(Literal::Bool(value)) => Formula::Atom(Atom::Always(*value)),
            Form::Literal(_)
            | Form::Name(_)
            | Form::Select(..)
            | Form::Index(..)
            | Form::Call(..)
            | Form::List(_)
            | Form::Map(_)
            | Form::Negate(_)
            | Form::Binary(..)
            | Form::If(..) => self.plain(expr).unwrap_or_else(|| self.condition(expr)),
        }
    }

    /// A claim about names, servers or scopes.
    fn plain(&mut self, expr: &Expr) -> Option<Formula> {
        match &expr.form {
            Form::Binary(Binary::Equal, left, right) => self.equal(left, right),
            Form::Binary(Binary::NotEqual, left, right) => Some(Formula::Not(self.equal(left, right)?.into())),
            Form::Binary(Binary::In, item, list) => self.within(item, list),
            Form::Call(Some(of), method, arguments) => {
                let [Expr { form: Form::Literal(Literal::Text(text)), .. }] = arguments.as_slice() else {
                    return None;
                };
                let (Term::Name(kind), 0) = self.term(of)? else { return None };
                let test = match &**method {
                    "startsWith" => Test::Begins(text.to_string()),
                    "endsWith" => Test::Ends(text.to_string()),
                    "contains" => Test::Has(text.to_string()),
                    _ => return None,
                };
                Some(Formula::Atom(Atom::Name(kind, test)))
            }
            Form::Call(None, name, arguments) if &**name == "has" => match self.term(arguments.first()?)? {
                (Term::Kind(kind) | Term::Name(kind), 0) => Some(Formula::Atom(Atom::Kind(kind))),
                _ => None,
            },
            _ => None,
        }
    }

    fn equal(&mut self, left: &Expr, right: &Expr) -> Option<Formula> {
        let (of, text) = match (&left.form, &right.form) {
            (_, Form::Literal(Literal::Text(text))) => (left, text),
            (Form::Literal(Literal::Text(text)), _) => (right, text),
            _ => return None,
        };
        let (term, 0) = self.term(of)? else { return None };
        self.is_one_of(of.at, term, &[text])
    }

    fn is_one_of(&mut self, at: usize, term: Term, list: &[&str]) -> Option<Formula> {
        let always = |value| Some(Formula::Atom(Atom::Always(value)));
        match term {
            Term::Name(kind) => {
                let names = list.iter().map(|name| (*name).to_owned()).collect();
                Some(Formula::Atom(Atom::Name(kind, Test::OneOf(names))))
            }
            Term::Fixed(text) => always(list.contains(&text)),
            Term::Server(kind) => Some(match self.names.server {
                Some(server) => Formula::Atom(Atom::Server(kind, list.contains(&server))),
                None => self.not_understood(at, SERVER),
            }),
            Term::Kind(_) | Term::Claims | Term::Args | Term::Scopes | Term::ScopeText => None,
        }
    }

    fn within(&mut self, item: &Expr, list: &Expr) -> Option<Formula> {
        if let Form::List(items) = &list.form {
            let text = |item: &Expr| match &item.form {
                Form::Literal(Literal::Text(text)) => Some(text.clone()),
                _ => None,
            };
            let texts: Vec<Box<str>> = items.iter().map(text).collect::<Option<_>>()?;
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            let (term, 0) = self.term(item)? else { return None };
            return self.is_one_of(item.at, term, &texts);
        }
        let Form::Literal(Literal::Text(scope)) = &item.form else { return None };
        let is_scope =
            !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
        let held = Formula::Atom(Atom::Scope(scope.to_string()));
        match &list.form {
            Form::Call(Some(of), split, by) if &**split == "split" => {
                let [Expr { form: Form::Literal(Literal::Text(by)), .. }] = by.as_slice() else { return None };
                (is_scope && &**by == " " && self.term(of)? == (Term::ScopeText, 0)).then_some(held)
            }
            _ => match self.term(list)? {
                (Term::Scopes, 0) if is_scope => Some(held),
                // So it is written for a claim that is a list. In a text it looks for a part there, and has no value
                // here: also where it refuses, so that the scope alone must not say that it does not hold.
                (Term::ScopeText, 0) if is_scope => {
                    let is_listed = Atom::Condition(None, format!("{} in claims.scope", cel::quoted(scope)));
                    Some(Formula::Narrowed(Atom::Scope(scope.to_string()), is_listed))
                }
                _ => None,
            },
        }
    }

    /// What a path stands for, and how many of its parts lead further.
    fn term(&self, expr: &Expr) -> Option<(Term, usize)> {
        let path = path(expr)?;
        let (term, length) = (self.names.term)(&path)?;
        Some((term, path.len().saturating_sub(length)))
    }

    /// Anything else that a policy can say in the same way.
    fn condition(&mut self, expr: &Expr) -> Formula {
        let mut renaming = Renaming { names: self.names, locals: Vec::new(), kind: None, is_loose: false };
        let renamed = match renaming.rename(expr) {
            Ok(renamed) => renamed,
            Err((at, why)) => return self.not_understood(at, why),
        };
        let (kind, is_loose) = (renaming.kind, renaming.is_loose);
        if kind.is_some() && is_loose {
            return self.not_understood(expr.at, "it asks for a name only in some cases");
        }
        let about = match kind {
            None | Some(Kind::Tool) => About::Tool,
            Some(Kind::Prompt) => About::Prompt,
            Some(Kind::Resource) => About::Resource,
            Some(Kind::Method) => About::Method,
        };
        let text = cel::print(&renamed);
        match Condition::compile(&text, Declared { about, vars: &[] }) {
            Ok(_) => Formula::Atom(Atom::Condition(kind, text)),
            Err(fault) => self.not_understood(expr.at, fault.message),
        }
    }
}

const SERVER: &str = "it names a server: say with `--target` before which of them toolgate stands";

/// `a.b["c"]` as its parts.
fn path(expr: &Expr) -> Option<Vec<&str>> {
    match &expr.form {
        Form::Name(name) => Some(vec![name]),
        Form::Select(of, field) => {
            let mut path = path(of)?;
            path.push(field);
            Some(path)
        }
        Form::Index(of, key) => {
            let Form::Literal(Literal::Text(key)) = &key.form else { return None };
            let mut path = path(of)?;
            path.push(key);
            Some(path)
        }
        _ => None,
    }
}

/// Puts the names of policies in the place of those of another format.
struct Renaming<'r, 'a> {
    names: &'r Names<'a>,
    locals: Vec<Box<str>>,
    /// The kind whose name is used.
    kind: Option<Kind>,
    /// Whether a part of it may go without a value, so that a name in it need not be there.
    is_loose: bool,
}

impl Renaming<'_, '_> {
    fn rename(&mut self, expr: &Expr) -> Result<Expr, Reason> {
        let form = match &expr.form {
            Form::Literal(literal) => Form::Literal(literal.clone()),
            Form::Name(_) | Form::Select(..) | Form::Index(..) => return self.path(expr),
            Form::Call(of, name, arguments) => self.call(of.as_deref(), name, arguments)?,
            Form::List(items) => Form::List(self.all(items)?),
            Form::Map(entries) => {
                let pair = |(key, value): &(Expr, Expr)| Ok((self.rename(key)?, self.rename(value)?));
                Form::Map(entries.iter().map(pair).collect::<Result<_, Reason>>()?)
            }
            Form::Not(of) => Form::Not(self.rename(of)?.into()),
            Form::Negate(of) => Form::Negate(self.rename(of)?.into()),
            Form::Binary(binary, left, right) => {
                Form::Binary(*binary, self.rename(left)?.into(), self.rename(right)?.into())
            }
            Form::All(parts) => {
                self.is_loose = true;
                Form::All(self.all(parts)?)
            }
            Form::Any(parts) => {
                self.is_loose = true;
                Form::Any(self.all(parts)?)
            }
            Form::If(condition, yes, no) => {
                self.is_loose = true;
                Form::If(self.rename(condition)?.into(), self.rename(yes)?.into(), self.rename(no)?.into())
            }
        };
        Ok(Expr { at: expr.at, depth: expr.depth, form })
    }

    fn all(&mut self, list: &[Expr]) -> Result<Vec<Expr>, Reason> {
        list.iter().map(|item| self.rename(item)).collect()
    }

    fn call(&mut self, of: Option<&Expr>, name: &str, arguments: &[Expr]) -> Result<Form, Reason> {
        let renamed = of.map(|of| self.rename(of)).transpose()?;
        let variable = match arguments {
            [Expr { form: Form::Name(variable), at, .. }, _, ..] if renamed.is_some() => {
                let is_taken = OWN.contains(&&**variable) || (self.names.term)(&[variable]).is_some();
                if is_taken || self.is_known(variable) {
                    return Err((*at, format!("`{variable}` means something else here")));
                }
                Some(variable.clone())
            }
            _ => None,
        };
        if let ("matches", true, [Expr { form: Form::Literal(Literal::Text(regex)), at, .. }]) =
            (name, self.names.has_re2, arguments)
            && !is_as_in_re2(regex)
        {
            return Err((*at, "this regular expression matches other texts here".to_owned()));
        }
        // What is no macro does not compile with a name that nothing declares.
        self.is_loose |= variable.is_some() || name == "has";
        let count = self.locals.len();
        self.locals.extend(variable);
        let arguments = self.all(arguments);
        self.locals.truncate(count);
        Ok(Form::Call(renamed.map(Box::new), name.into(), arguments?))
    }

    fn is_known(&self, name: &str) -> bool {
        self.locals.iter().any(|local| &**local == name)
    }

    /// A name, or what leads on from one.
    fn path(&mut self, expr: &Expr) -> Result<Expr, Reason> {
        let known = path(expr).and_then(|path| {
            let (term, length) = (self.names.term)(&path)?;
            Some((term, path.get(length..)?.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()))
        });
        if let Some((term, rest)) = known {
            return self.put(expr, term, &rest);
        }
        let form = match &expr.form {
            Form::Name(name) if self.is_known(name) => Form::Name(name.clone()),
            Form::Select(of, field) => Form::Select(self.rename(of)?.into(), field.clone()),
            Form::Index(of, key) => Form::Index(self.rename(of)?.into(), self.rename(key)?.into()),
            Form::Name(name) => return Err((expr.at, format!("toolgate does not know `{name}`"))),
            _ => return Err((expr.at, "toolgate does not know this".to_owned())),
        };
        Ok(Expr { at: expr.at, depth: expr.depth, form })
    }

    fn be(&mut self, at: usize, kind: Kind) -> Result<(), Reason> {
        if *self.kind.get_or_insert(kind) == kind {
            return Ok(());
        }
        Err((at, "it asks for names of two kinds".to_owned()))
    }

    fn put(&mut self, expr: &Expr, term: Term, rest: &[String]) -> Result<Expr, Reason> {
        let at = expr.at;
        let made = |form| Expr { at, depth: expr.depth, form };
        let name = |name: &str| made(Form::Name(name.into()));
        let select = |of: Expr, field: &str| made(Form::Select(of.into(), field.into()));
        let whole = match term {
            Term::Claims => name("claims"),
            Term::Args => name("args"),
            Term::ScopeText => select(name("claims"), "scope"),
            Term::Fixed(text) => made(Form::Literal(Literal::Text(text.into()))),
            Term::Server(kind) => {
                self.be(at, kind)?;
                let server = self.names.server.ok_or_else(|| (at, SERVER.to_owned()))?;
                made(Form::Literal(Literal::Text(server.into())))
            }
            Term::Name(kind) => {
                self.be(at, kind)?;
                match kind {
                    Kind::Tool => select(name("tool"), "name"),
                    Kind::Prompt => select(name("prompt"), "name"),
                    Kind::Resource => select(name("resource"), "uri"),
                    Kind::Method => return Err((at, "methods have no name here".to_owned())),
                }
            }
            Term::Kind(_) | Term::Scopes => return Err((at, "a policy cannot say this".to_owned())),
        };
        Ok(rest.iter().fold(whole, |of, part| {
            if is_plain(part) {
                select(of, part)
            } else {
                made(Form::Index(of.into(), made(Form::Literal(Literal::Text(part.as_str().into()))).into()))
            }
        }))
    }
}

/// Whether a regular expression means the same here as in RE2: there `\d`, `\w`, `\s` and `\b` know ASCII alone, and
/// sets of letters have neither operators nor sets within them.
pub(super) fn is_as_in_re2(regex: &str) -> bool {
    let mut letters = regex.chars();
    let (mut is_set, mut before) = (false, ' ');
    while let Some(letter) = letters.next() {
        let is_other = match letter {
            '\\' => letters.next().is_some_and(|escaped| "dDwWsSbB".contains(escaped)),
            // `[[:alpha:]]` is left out, too: whoever needs it writes `[A-Za-z]`.
            '[' => std::mem::replace(&mut is_set, true),
            ']' => {
                is_set = false;
                false
            }
            '&' | '-' | '~' => is_set && before == letter,
            _ => false,
        };
        if is_other {
            return false;
        }
        before = letter;
    }
    true
}

/// Whether a key can stand behind a dot: it is a name, and no word that CEL keeps for itself.
fn is_plain(key: &str) -> bool {
    matches!(cel::parse(key), Ok(Expr { form: Form::Name(name), .. }) if &*name == key)
}

/// That a claim is one of these texts, or a list with one of them.
pub(super) fn claim_is_one_of(claim: &str, values: &[String], may_be_list: bool) -> String {
    let path = claim.split('.').fold("claims".to_owned(), |path, part| match is_plain(part) {
        true => format!("{path}.{part}"),
        false => format!("{path}[{}]", cel::quoted(part)),
    });
    let list: Vec<String> = values.iter().map(|value| cel::quoted(value)).collect();
    let list = format!("[{}]", list.join(", "));
    if may_be_list {
        format!("({path} in {list} || {path}.exists(value, value in {list}))")
    } else {
        format!("{path} in {list}")
    }
}

/// That a caller has all of these scopes, as one condition; none where that is everybody.
pub(super) fn has_scopes<'s>(scopes: impl Iterator<Item = &'s String>) -> Option<String> {
    let each: Vec<String> = scopes.map(|scope| has_scope(scope)).collect();
    (!each.is_empty()).then(|| each.join(" && "))
}
