//! A tree → a plan, or what is wrong with it: names that nothing declares, functions that do not exist, types that
//! do not fit. What is found here cannot happen when a request is judged.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an operation is for the types that it names; for all others it is the same mistake"
)]

use regex::RegexBuilder;

use super::functions::{Function, OVERLOADS, Overload};
use super::network::Network;
use super::parser::{Binary, Expr, Form, Literal};
use super::plan::{Document, Fact, Matcher, Plan, Walk};
use super::types::Type;
use super::{About, Declared, Fault};
use crate::policy::nearest;

/// How deep macros may stand in each other.
const DEEPEST_WALK: usize = 3;

type Checked = Result<(Plan, Type), Fault>;

/// Checks an expression, whose value must be true or false.
pub(super) fn check(expr: &Expr, declared: Declared<'_>) -> Result<Plan, Fault> {
    let mut checker = Checker { declared, locals: Vec::new() };
    let (plan, kind) = checker.plan(expr)?;
    if kind.may_be(&Type::Bool) {
        return Ok(plan);
    }
    let fault = Fault::new(expr.at, format!("a condition must be true or false, and this is {kind}"));
    Err(fault.hint("compare it with something, as in `args.size < 10`"))
}

struct Checker<'d> {
    declared: Declared<'d>,
    /// The variables of the macros around, the innermost last.
    locals: Vec<(Box<str>, Type)>,
}

impl Checker<'_> {
    fn plan(&mut self, expr: &Expr) -> Checked {
        let at = expr.at;
        match &expr.form {
            Form::Literal(literal) => Ok((Plan::Literal(literal.clone()), type_of(literal))),
            Form::Name(name) => self.name(at, name),
            Form::Select(of, field) => self.select(at, of, field),
            Form::Index(of, key) => self.index(at, of, key),
            Form::Call(Some(of), name, arguments) => self.method(at, of, name, arguments),
            Form::Call(None, name, arguments) => self.call(at, name, arguments),
            Form::List(items) => {
                let (plans, types) = self.plans(items)?;
                let of = types.into_iter().reduce(Type::or).unwrap_or(Type::Any);
                Ok((Plan::List(plans), Type::list(of)))
            }
            Form::Map(entries) => self.map(entries),
            Form::Not(of) => Ok((Plan::Not(self.of_type(of, &Type::Bool, "`!`")?.into()), Type::Bool)),
            Form::Negate(of) => {
                let (plan, kind) = self.plan(of)?;
                match kind {
                    Type::Int | Type::Double | Type::Any => Ok((Plan::Negate(plan.into()), kind)),
                    _ => Err(Fault::new(at, format!("`-` cannot go before {kind}"))),
                }
            }
            Form::Binary(binary, one, two) => self.binary(at, *binary, one, two),
            Form::All(list) => Ok((Plan::All(self.conditions(list, "`&&`")?), Type::Bool)),
            Form::Any(list) => Ok((Plan::Any(self.conditions(list, "`||`")?), Type::Bool)),
            Form::If(condition, yes, no) => {
                let condition = self.of_type(condition, &Type::Bool, "`?`")?;
                let ((yes, one), (no, two)) = (self.plan(yes)?, self.plan(no)?);
                Ok((Plan::If(condition.into(), yes.into(), no.into()), one.or(two)))
            }
        }
    }

    fn plans(&mut self, list: &[Expr]) -> Result<(Vec<Plan>, Vec<Type>), Fault> {
        let checked = list.iter().map(|expr| self.plan(expr)).collect::<Result<Vec<_>, _>>()?;
        Ok(checked.into_iter().unzip())
    }

    fn conditions(&mut self, list: &[Expr], what: &str) -> Result<Vec<Plan>, Fault> {
        list.iter().map(|expr| self.of_type(expr, &Type::Bool, what)).collect()
    }

    fn of_type(&mut self, expr: &Expr, wanted: &Type, what: &str) -> Result<Plan, Fault> {
        let (plan, kind) = self.plan(expr)?;
        if kind.may_be(wanted) {
            return Ok(plan);
        }
        Err(Fault::new(expr.at, format!("{what} needs {wanted}, and this is {kind}")))
    }

    fn map(&mut self, entries: &[(Expr, Expr)]) -> Checked {
        let mut plans = Vec::with_capacity(entries.len());
        let mut of: Option<Type> = None;
        for (key, value) in entries {
            let key = self.of_type(key, &Type::Text, "a key of a map")?;
            let (value, kind) = self.plan(value)?;
            of = Some(of.map_or_else(|| kind.clone(), |of| of.or(kind.clone())));
            plans.push((key, value));
        }
        Ok((Plan::Map(plans), Type::map(of.unwrap_or(Type::Any))))
    }

    /// A name that stands alone.
    fn name(&self, at: usize, name: &str) -> Checked {
        // The innermost variable hides the others.
        if let Some((at, (_, kind))) = self.locals.iter().enumerate().rfind(|(_, (local, _))| &**local == name) {
            return Ok((Plan::Local(at), kind.clone()));
        }
        if let Some(document) = self.document(name) {
            return Ok((Plan::Document(document), Type::map(Type::Any)));
        }
        let members = self.members_of(name);
        if !members.is_empty() {
            let all: Vec<String> = members.iter().map(|member| format!("`{name}.{member}`")).collect();
            return Err(
                Fault::new(at, format!("`{name}` alone is no value")).hint(format!("write {}", all.join(", ")))
            );
        }
        Err(self.undeclared(at, name))
    }

    fn undeclared(&self, at: usize, name: &str) -> Fault {
        let fault = Fault::new(at, format!("`{name}` is not declared here"));
        let known = self.declared.roots();
        if name == "vars" && self.declared.about == About::Resource {
            return fault.hint("the URI of this rule has no variable: write one as in `file:///users/{owner}/**`");
        }
        if name == "scope" || name == "scopes" {
            return fault.hint(
                "scopes go into `scopes` or `any_of` of the rule; conditions are for what scopes cannot say",
            );
        }
        let meant = match name {
            "arguments" | "params" | "input" => known.iter().copied().find(|known| *known == "args"),
            "token" | "jwt" | "user" => Some("claims"),
            _ => nearest(name, &known),
        };
        match meant {
            Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
            None => fault.hint(format!(
                "a rule about a {} can look at `{}`",
                self.declared.about.word(),
                known.join("`, `")
            )),
        }
    }

    /// The JSON document that a name stands for.
    fn document(&self, name: &str) -> Option<Document> {
        match name {
            "claims" => Some(Document::Claims),
            "args" if self.declared.about.has_args() => Some(Document::Args),
            _ => None,
        }
    }

    /// The members of a name that has declared ones; none where the name is not declared.
    fn members_of(&self, name: &str) -> Vec<&str> {
        match name {
            "request" => vec!["method", "session", "client_address", "time"],
            "vars" => self.declared.vars.iter().map(AsRef::as_ref).collect(),
            "tool" if self.declared.about == About::Tool => vec!["name", "annotations"],
            "prompt" if self.declared.about == About::Prompt => vec!["name"],
            "resource" if self.declared.about == About::Resource => vec!["uri"],
            _ => Vec::new(),
        }
    }

    /// `request.time`, `vars.owner`, … : `None` where `of` is no such name.
    fn declared_member(&self, at: usize, of: &Expr, field: &str) -> Option<Checked> {
        let Form::Name(name) = &of.form else { return None };
        let is_local = self.locals.iter().any(|(local, _)| local == name);
        let members = self.members_of(name);
        if is_local || members.is_empty() {
            return None;
        }
        let Some(place) = members.iter().position(|member| *member == field) else {
            let fault = Fault::new(at, format!("`{name}` has no `{field}`"));
            return Some(Err(fault.hint(match nearest(field, &members) {
                Some(meant) => format!("did you mean `{name}.{meant}`?"),
                None => format!("it has `{}`", members.join("`, `")),
            })));
        };
        Some(Ok(match (&**name, field) {
            ("vars", _) => (Plan::Variable(place), Type::Text),
            ("request", "method") => (Plan::Fact(Fact::Method), Type::Text),
            ("request", "session") => (Plan::Fact(Fact::Session), Type::Text),
            ("request", "client_address") => (Plan::Fact(Fact::ClientAddress), Type::Text),
            ("request", _) => (Plan::Fact(Fact::Time), Type::Timestamp),
            (_, "annotations") => (Plan::Document(Document::Annotations), Type::map(Type::Any)),
            _ => (Plan::Fact(Fact::Name), Type::Text),
        }))
    }

    fn select(&mut self, at: usize, of: &Expr, field: &str) -> Checked {
        if let Some(member) = self.declared_member(at, of, field) {
            return member;
        }
        Ok(match self.plan(of)? {
            (Plan::Document(document), _) => (Plan::Member(document, field.into()), Type::Any),
            (plan, Type::Map(of)) => (Plan::Select(plan.into(), field.into()), *of),
            (plan, Type::Any) => (Plan::Select(plan.into(), field.into()), Type::Any),
            (_, kind) => return Err(Fault::new(at, format!("{kind} has no `{field}`"))),
        })
    }

    fn index(&mut self, at: usize, of: &Expr, key: &Expr) -> Checked {
        if let Form::Literal(Literal::Text(field)) = &key.form {
            return self.select(at, of, field);
        }
        let ((plan, of), (index, kind)) = (self.plan(of)?, self.plan(key)?);
        let (wanted, gives) = match of {
            Type::Any => return Ok((Plan::Index(plan.into(), index.into()), Type::Any)),
            Type::List(of) => (Type::Int, *of),
            Type::Map(of) => (Type::Text, *of),
            of => return Err(Fault::new(at, format!("{of} has no elements"))),
        };
        if !kind.may_be(&wanted) && (wanted != Type::Int || !kind.is_number()) {
            return Err(Fault::new(key.at, format!("{wanted} is needed here, and this is {kind}")));
        }
        Ok((Plan::Index(plan.into(), index.into()), gives))
    }

    fn binary(&mut self, at: usize, binary: Binary, one: &Expr, two: &Expr) -> Checked {
        let ((left, one), (right, two)) = (self.plan(one)?, self.plan(two)?);
        let gives = result(binary, &one, &two).ok_or_else(|| {
            let fault = Fault::new(at, format!("`{}` cannot go between {one} and {two}", binary.sign()));
            if one.is_number() && two.is_number() {
                fault.hint("convert one of them with `int(…)`, `uint(…)` or `double(…)`")
            } else {
                fault
            }
        })?;
        Ok((Plan::Binary(binary, left.into(), right.into()), gives))
    }

    fn call(&mut self, at: usize, name: &str, arguments: &[Expr]) -> Checked {
        if name == "has" {
            return self.has(at, arguments);
        }
        if name == "cidr" {
            return Err(cidr_fault(at));
        }
        self.function(at, name, false, arguments.iter())
    }

    fn method(&mut self, at: usize, of: &Expr, name: &str, arguments: &[Expr]) -> Checked {
        if let Some(walk) = walk(name) {
            return self.walk(at, walk, of, name, arguments);
        }
        if name == "containsIP" {
            return self.contains_ip(at, of, arguments);
        }
        self.function(at, name, true, std::iter::once(of).chain(arguments))
    }

    fn function<'e>(
        &mut self,
        at: usize,
        name: &str,
        is_method: bool,
        arguments: impl Iterator<Item = &'e Expr>,
    ) -> Checked {
        let arguments: Vec<&Expr> = arguments.collect();
        let named: Vec<&Overload> = OVERLOADS.iter().filter(|overload| overload.name == name).collect();
        if named.is_empty() {
            return Err(unknown_function(at, name, is_method));
        }
        let spelt: Vec<&Overload> =
            named.iter().copied().filter(|overload| overload.is_method == is_method).collect();
        if spelt.is_empty() {
            let hint = if is_method { format!("write `{name}(…)`") } else { format!("write `….{name}(…)`") };
            return Err(Fault::new(at, format!("`{name}` is not called like this")).hint(hint));
        }
        let counted: Vec<&Overload> =
            spelt.iter().copied().filter(|overload| overload.takes.len() == arguments.len()).collect();
        if counted.is_empty() {
            let extra = usize::from(is_method);
            let counts: Vec<usize> =
                spelt.iter().map(|overload| overload.takes.len().saturating_sub(extra)).collect();
            return Err(wrong_count(at, name, &counts, arguments.len().saturating_sub(extra)));
        }
        let checked = arguments.iter().map(|expr| self.plan(expr)).collect::<Result<Vec<_>, _>>()?;
        let (plans, types): (Vec<Plan>, Vec<Type>) = checked.into_iter().unzip();
        let fits = |overload: &&Overload| {
            overload.takes.iter().zip(&types).all(|(wanted, kind)| kind.may_be(&wanted.to_type()))
        };
        let fitting: Vec<&Overload> = counted.iter().copied().filter(fits).collect();
        let Some(first) = fitting.first() else {
            let shown: Vec<String> = types.iter().map(ToString::to_string).collect();
            let wanted: Vec<String> = counted
                .iter()
                .map(|overload| {
                    overload.takes.iter().map(|kind| kind.to_type().to_string()).collect::<Vec<_>>().join(", ")
                })
                .collect();
            let fault = Fault::new(at, format!("`{name}` is not for {}", shown.join(", ")));
            return Err(fault.hint(format!("it is for {}", wanted.join("; or "))));
        };
        let gives = fitting.iter().map(|overload| overload.gives.to_type()).reduce(Type::or).unwrap_or(Type::Any);
        if first.function == Function::Matches {
            return self.matches(plans, &arguments);
        }
        check_zone(first.function, &arguments)?;
        Ok((Plan::Call(first.function, plans), gives))
    }

    /// `text.matches("literal")`
    fn matches(&self, plans: Vec<Plan>, arguments: &[&Expr]) -> Checked {
        let (Some(text), Some(pattern)) = (plans.into_iter().next(), arguments.get(1)) else {
            return Err(Fault::new(0, "`matches` needs a text and a regular expression"));
        };
        let Form::Literal(Literal::Text(source)) = &pattern.form else {
            let fault = Fault::new(pattern.at, "the regular expression must be written out");
            return Err(fault.hint("what a caller sends is never taken for a regular expression"));
        };
        let matcher = matcher(source).map_err(|message| Fault::new(pattern.at, message))?;
        Ok((Plan::Matches(text.into(), matcher.into()), Type::Bool))
    }

    /// `cidr("10.0.0.0/8").containsIP(address)`
    fn contains_ip(&mut self, at: usize, of: &Expr, arguments: &[Expr]) -> Checked {
        let Form::Call(None, name, networks) = &of.form else { return Err(cidr_fault(at)) };
        let ([network], "cidr") = (networks.as_slice(), &**name) else { return Err(cidr_fault(of.at)) };
        let Form::Literal(Literal::Text(text)) = &network.form else { return Err(cidr_fault(network.at)) };
        let Some(parsed) = Network::parse(text) else {
            let fault = Fault::new(network.at, "this is no network");
            return Err(fault.hint("write an address, `/` and the bits that count: `10.0.0.0/8`, `2001:db8::/32`"));
        };
        let [address] = arguments else { return Err(wrong_count(at, "containsIP", &[1], arguments.len())) };
        let address = self.of_type(address, &Type::Text, "`containsIP`")?;
        Ok((Plan::InNetwork(address.into(), parsed), Type::Bool))
    }

    /// `has(a.b)`
    fn has(&mut self, at: usize, arguments: &[Expr]) -> Checked {
        const HINT: &str = "write `has(args.path)`, or `\"a-b\" in args` for what is no plain name";
        let [argument] = arguments else { return Err(wrong_count(at, "has", &[1], arguments.len())) };
        let Form::Select(of, field) = &argument.form else {
            return Err(Fault::new(argument.at, "`has` asks for a field").hint(HINT));
        };
        if let Some(member) = self.declared_member(argument.at, of, field) {
            member?;
            return Err(Fault::new(argument.at, "this is always there").hint("remove the `has(…)`"));
        }
        Ok(match self.plan(of)? {
            (Plan::Document(document), _) => (Plan::HasMember(document, field.clone()), Type::Bool),
            (plan, Type::Map(_) | Type::Any) => (Plan::Has(plan.into(), field.clone()), Type::Bool),
            (_, kind) => return Err(Fault::new(argument.at, format!("{kind} has no fields"))),
        })
    }

    /// `list.all(x, …)` and its like.
    fn walk(&mut self, at: usize, walk: Walk, of: &Expr, name: &str, arguments: &[Expr]) -> Checked {
        let (variable, bodies) = match (walk, arguments) {
            (_, [variable, body]) => (variable, (body, None)),
            (Walk::Map, [variable, filter, body]) => (variable, (body, Some(filter))),
            (Walk::Map, _) => return Err(wrong_count(at, name, &[2, 3], arguments.len())),
            _ => return Err(wrong_count(at, name, &[2], arguments.len())),
        };
        let Form::Name(variable_name) = &variable.form else {
            return Err(Fault::new(variable.at, "a name for the elements is needed here")
                .hint(format!("write `{name}(x, …)`")));
        };
        if !self.members_of(variable_name).is_empty() || self.document(variable_name).is_some() {
            return Err(Fault::new(variable.at, format!("`{variable_name}` has a meaning already")));
        }
        if self.locals.len() >= DEEPEST_WALK {
            return Err(Fault::new(at, format!("more than {DEEPEST_WALK} macros stand in each other")));
        }
        let (range, kind) = self.plan(of)?;
        let element = match kind {
            Type::Any => Type::Any,
            Type::List(of) => *of,
            Type::Map(_) => Type::Text,
            kind => return Err(Fault::new(of.at, format!("`{name}` is for lists and maps, and this is {kind}"))),
        };
        self.locals.push((variable_name.clone(), element.clone()));
        let checked = self.walk_bodies(walk, name, bodies);
        self.locals.pop();
        let (body, filter, kind) = checked?;
        let gives = match walk {
            Walk::All | Walk::Exists | Walk::ExistsOne => Type::Bool,
            Walk::Filter => Type::list(element),
            Walk::Map => Type::list(kind),
        };
        Ok((Plan::Walk(walk, range.into(), body.into(), filter.map(Box::new)), gives))
    }

    fn walk_bodies(
        &mut self,
        walk: Walk,
        name: &str,
        (body, filter): (&Expr, Option<&Expr>),
    ) -> Result<(Plan, Option<Plan>, Type), Fault> {
        let what = format!("`{name}`");
        let filter = filter.map(|filter| self.of_type(filter, &Type::Bool, &what)).transpose()?;
        if walk == Walk::Map {
            let (plan, kind) = self.plan(body)?;
            return Ok((plan, filter, kind));
        }
        Ok((self.of_type(body, &Type::Bool, &what)?, filter, Type::Bool))
    }
}

fn walk(name: &str) -> Option<Walk> {
    match name {
        "all" => Some(Walk::All),
        "exists" => Some(Walk::Exists),
        "exists_one" | "existsOne" => Some(Walk::ExistsOne),
        "filter" => Some(Walk::Filter),
        "map" => Some(Walk::Map),
        _ => None,
    }
}

fn type_of(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::Text(_) => Type::Text,
    }
}

/// What an operator gives between values of these types; `None` where it cannot stand there.
fn result(binary: Binary, one: &Type, two: &Type) -> Option<Type> {
    let is = |kind: &Type| one.may_be(kind) && two.may_be(kind);
    let same = |kinds: &[Type]| {
        let fitting: Vec<&Type> = kinds.iter().filter(|kind| is(kind)).collect();
        match fitting.as_slice() {
            [] => None,
            [only] => Some((*only).clone()),
            _ => Some(Type::Any),
        }
    };
    match binary {
        Binary::Equal | Binary::NotEqual => one.may_equal(two).then_some(Type::Bool),
        Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
            let are_numbers = one.is_number() && two.is_number();
            let are_ordered =
                [Type::Bool, Type::Int, Type::Uint, Type::Double, Type::Text, Type::Timestamp, Type::Duration]
                    .iter()
                    .any(is);
            (are_numbers || are_ordered).then_some(Type::Bool)
        }
        Binary::In => match two {
            Type::Any => Some(Type::Bool),
            Type::List(of) => one.may_equal(of).then_some(Type::Bool),
            Type::Map(_) => one.may_be(&Type::Text).then_some(Type::Bool),
            _ => None,
        },
        Binary::Add => match (one, two) {
            (Type::List(one), Type::List(two)) => Some(Type::list(one.as_ref().clone().or(two.as_ref().clone()))),
            (Type::List(_), Type::Any) | (Type::Any, Type::List(_)) => Some(Type::list(Type::Any)),
            (Type::Timestamp, other) | (other, Type::Timestamp) => {
                other.may_be(&Type::Duration).then_some(Type::Timestamp)
            }
            (Type::Duration, Type::Any) | (Type::Any, Type::Duration) => Some(Type::Any),
            _ => same(&[Type::Int, Type::Uint, Type::Double, Type::Text, Type::Duration]),
        },
        Binary::Subtract => match (one, two) {
            (Type::Timestamp, Type::Timestamp) => Some(Type::Duration),
            (Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
            (Type::Timestamp, Type::Any) | (Type::Any, Type::Duration) => Some(Type::Any),
            (Type::Any, Type::Timestamp) => Some(Type::Duration),
            _ => same(&[Type::Int, Type::Uint, Type::Double, Type::Duration]),
        },
        Binary::Multiply | Binary::Divide => same(&[Type::Int, Type::Uint, Type::Double]),
        Binary::Remainder => same(&[Type::Int, Type::Uint]),
    }
}

/// The size of a compiled expression that costs [`LIGHT`] steps for each 32 bytes of text. What is larger costs more in
/// proportion: in the worst case every character of the text is looked at from every place of the expression.
const SMALL: usize = 2 * 1024;
const LIGHT: u64 = 8;
/// The largest.
pub(crate) const LARGEST: usize = 256 * 1024;

fn matcher(source: &str) -> Result<Matcher, String> {
    let mut size = SMALL;
    let mut weight = LIGHT;
    loop {
        match RegexBuilder::new(source).size_limit(size).dfa_size_limit(1024 * 1024).nest_limit(64).build() {
            Ok(regex) => return Ok(Matcher { regex, size, weight }),
            Err(regex::Error::CompiledTooBig(_)) if size < LARGEST => {
                size = size.saturating_mul(2);
                weight = weight.saturating_mul(2);
            }
            Err(regex::Error::CompiledTooBig(_)) => return Err("this regular expression is too large".to_owned()),
            Err(error) => {
                // The last line of several says what is wrong; the others draw it.
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default();
                let reason = reason.trim().trim_start_matches("error: ");
                return Err(format!("this is no regular expression: {reason}"));
            }
        }
    }
}

fn cidr_fault(at: usize) -> Fault {
    Fault::new(at, "networks are used in one way only")
        .hint("write `cidr(\"10.0.0.0/8\").containsIP(request.client_address)`")
}

fn unknown_function(at: usize, name: &str, is_method: bool) -> Fault {
    let mut known: Vec<&str> =
        OVERLOADS.iter().filter(|overload| overload.is_method == is_method).map(|overload| overload.name).collect();
    known.extend(if is_method {
        &["all", "exists", "exists_one", "filter", "map", "containsIP"][..]
    } else {
        &["has", "cidr"]
    });
    known.dedup();
    let fault = Fault::new(at, format!("there is no function `{name}`"));
    if name == "now" {
        return fault.hint("the time of the request is `request.time`");
    }
    match nearest(name, &known) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None => fault.hint(format!("the functions are `{}`", known.join("`, `"))),
    }
}

fn wrong_count(at: usize, name: &str, wanted: &[usize], given: usize) -> Fault {
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Fault::new(at, format!("`{name}` takes {} arguments, not {given}", wanted.join(" or ")))
}

/// A time zone must be known when the policy is loaded: `UTC`, or an offset.
fn check_zone(function: Function, arguments: &[&Expr]) -> Result<(), Fault> {
    let (Function::TimePart(_), Some(zone)) = (function, arguments.get(1)) else { return Ok(()) };
    let is_known = matches!(&zone.form, Form::Literal(Literal::Text(text)) if super::time::offset(text).is_some());
    if is_known {
        return Ok(());
    }
    Err(Fault::new(zone.at, "this time zone is not known")
        .hint("write `\"UTC\"`, or an offset such as `\"+02:00\"`"))
}
