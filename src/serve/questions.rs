//! What the operator asks: why something was decided or would be, and what is in force.
//!
//! A token that is asked about is read, verified where keys are at hand, and forgotten.

use serde_json::{Map, Value, json};

use super::admin::{Admin, text};
use crate::cel::Facts;
use crate::commands::explain::method;
use crate::gateway::answer::Answer;
use crate::gateway::now;
use crate::policy::Kind;
use crate::policy::review::explain;
use crate::refusal::Refusal;
use crate::report::explained;
use crate::token::{self, Granted, Issuer, granted};

const USAGE: &str = "\
GET  /explain?decision=ID                      why a request was decided as it was
GET  /explain?tool=NAME&scope=a+b              why a caller with these scopes may have it or may not
POST /explain {\"token\": …, \"tool\": NAME}       the same for the bearer of a token, or of \"claims\": {…}
In place of tool: prompt, resource, method. With \"args\": {…} the call is judged, with its condition. With &format=text the explanation is in sentences.
";

/// `GET /explain`.
pub(super) fn asked(admin: &Admin, query: &str) -> Answer {
    let Some(fields) = fields(query) else { return text(400, format!("the query cannot be read\n\n{USAGE}")) };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let is_text = field("format") == Some("text");
    if let Some(id) = field("decision") {
        return decision(admin, id, is_text);
    }
    let things = Kind::ALL.into_iter().filter_map(|kind| field(kind.word()).map(|name| (kind, name)));
    let [(kind, name)] = things.collect::<Vec<_>>()[..] else { return text(400, USAGE.to_owned()) };
    let scopes = field("scope").unwrap_or_default().split(' ').filter(|scope| !scope.is_empty());
    let scopes = scopes.map(|scope| (scope.to_owned(), "the query".to_owned())).collect();
    explained(admin, &Granted { scopes, ..Granted::default() }, (kind, name, None), Map::new(), is_text)
}

/// `POST /explain`.
pub(super) fn posted(admin: &Admin, body: &[u8]) -> Answer {
    let Ok(Value::Object(asked)) = serde_json::from_slice::<Value>(body) else {
        return text(400, format!("the question is no JSON object\n\n{USAGE}"));
    };
    let field = |name: &str| asked.get(name).and_then(Value::as_str);
    let things = Kind::ALL.into_iter().filter_map(|kind| field(kind.word()).map(|name| (kind, name)));
    let [(kind, name)] = things.collect::<Vec<_>>()[..] else { return text(400, USAGE.to_owned()) };
    let is_text = field("format") == Some("text");
    let args = asked.get("args").map(ToString::to_string);
    if asked.get("args").is_some_and(|args| !args.is_object()) {
        return text(400, format!("args must be an object\n\n{USAGE}"));
    }
    let given = match (asked.get("claims"), field("token")) {
        (Some(claims), None) => by_claims(admin, claims),
        (None, Some(presented)) => by_token(admin, presented),
        (Some(_), Some(_)) | (None, None) => return text(400, format!("either a token or claims\n\n{USAGE}")),
    };
    match given {
        Ok((granted, more)) => {
            let facts = Facts {
                claims: &granted.claims,
                args: args.as_deref(),
                name,
                annotations: None,
                method: method(kind, name),
                session: "",
                client_address: "",
                time: i128::try_from(now().1.as_nanos()).unwrap_or(i128::MAX),
                vars: &[],
            };
            explained(admin, &granted, (kind, name, args.as_ref().map(|_| &facts)), more, is_text)
        }
        Err(refusal) => text(422, format!("{}\n", refusal.sentence())),
    }
}

type Given = Result<(Granted, Map<String, Value>), Refusal>;

fn by_claims(admin: &Admin, claims: &Value) -> Given {
    let known = admin.keys.issuers();
    let issuer = claims.get("iss").and_then(Value::as_str);
    let issuer = known.iter().find(|known| Some(&*known.name) == issuer);
    granted(&claims.to_string(), &paths(issuer)).map(|granted| (granted, Map::new()))
}

/// What a token says, and whether it is good as far as keys can tell: nothing is asked of anybody for an explanation.
fn by_token(admin: &Admin, presented: &str) -> Given {
    let known = admin.keys.issuers();
    let header = format!("Bearer {presented}");
    let bearer = token::bearer(std::iter::once(header.as_bytes()), None)?;
    let issuer = token::claimed_issuer(&bearer, &known);
    let verified = match token::verify(&bearer, &known, now().0) {
        Ok(_) => json!({"verified": true}),
        Err(refusal) => json!({"verified": false, "reason": refusal.word(), "sentence": refusal.sentence()}),
    };
    let more = Map::from_iter([("token".to_owned(), verified)]);
    granted(presented, &paths(issuer)).map(|granted| (granted, more))
}

/// `GET /policy`: what is in force, rule by rule.
pub(super) fn policy(admin: &Admin, query: &str) -> Answer {
    let snapshot = admin.live.snapshot();
    let trouble = admin.live.trouble();
    let policy = &snapshot.policy;
    if fields(query).is_some_and(|fields| fields.contains(&("format".to_owned(), "json".to_owned()))) {
        let rules: Vec<Value> = policy
            .rules()
            .map(|rule| json!({"rule": rule.label, "kind": rule.kind.word(), "line": rule.line, "asks": explained::asks(&rule)}))
            .collect();
        let page = json!({"generation": snapshot.generation, "trouble": trouble, "rules": rules});
        return Answer::json(200, format!("{page}\n"));
    }
    let mut page = format!("generation {}, {} rules\n", snapshot.generation, policy.rule_count());
    if let Some(trouble) = trouble {
        page.push_str(&format!("the newest file is not in force: {trouble}\n"));
    }
    page.push('\n');
    for rule in policy.rules() {
        page.push_str(&format!("{} (line {}): {}\n", rule.label, rule.line, explained::asks(&rule)));
    }
    text(200, page)
}

/// A decision of the past, and what the policy says of the same now.
fn decision(admin: &Admin, id: &str, is_text: bool) -> Answer {
    let line = admin.decisions.find(id).and_then(|line| serde_json::from_slice::<Value>(&line).ok());
    let Some(line) = line else {
        return text(
            404,
            "no such decision among the last 1000 refusals and 200 permits of this process\n".to_owned(),
        );
    };
    let kind = Kind::ALL.into_iter().find(|kind| Some(kind.word()) == line.get("kind").and_then(Value::as_str));
    let name = line.get("name").and_then(Value::as_str);
    let generation = admin.live.snapshot().generation;
    let is_current = line.get("policy_generation").and_then(Value::as_u64) == Some(generation);
    let more = Map::from_iter([
        ("decision_then".to_owned(), line.clone()),
        ("is_the_same_policy".to_owned(), json!(is_current)),
        ("generation_now".to_owned(), json!(generation)),
    ]);
    let (Some(kind), Some(name)) = (kind, name) else {
        // Nothing was asked for that rules are about: the line says all there is.
        return if is_text {
            text(200, format!("{line}\n"))
        } else {
            Answer::json(200, format!("{}\n", Value::Object(more)))
        };
    };
    let scopes = line.get("scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let scopes = scopes.map(|scope| (scope.to_owned(), "the token".to_owned())).collect();
    explained(admin, &Granted { scopes, ..Granted::default() }, (kind, name, None), more, is_text)
}

fn explained(
    admin: &Admin,
    given: &Granted,
    (kind, name, facts): (Kind, &str, Option<&Facts<'_>>),
    more: Map<String, Value>,
    is_text: bool,
) -> Answer {
    let snapshot = admin.live.snapshot();
    let explanation = explain(&snapshot.policy, &given.scopes, kind, name, facts);
    if is_text {
        let then = more.get("decision_then").map(|line| format!("then\n  {line}\nnow\n")).unwrap_or_default();
        let token = more.get("token").map(|token| format!("token\n  {token}\n")).unwrap_or_default();
        return text(200, format!("{then}{}{token}", explained::text(&explanation)));
    }
    let mut value = explained::json(&explanation);
    if let Value::Object(members) = &mut value {
        members.insert("generation".to_owned(), json!(snapshot.generation));
        members.extend(more);
    }
    Answer::json(200, format!("{value}\n"))
}

/// The claims that hold scopes: those of the issuer that the token names, or those of any.
fn paths(issuer: Option<&Issuer>) -> Box<[Box<str>]> {
    issuer.map_or_else(|| Issuer::new("", []).scope_claims, |issuer| issuer.scope_claims.clone())
}

/// The fields of a query (`application/x-www-form-urlencoded`); `None` if one is not UTF-8 or stands twice.
fn fields(query: &str) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for field in query.split('&').filter(|field| !field.is_empty()) {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if fields.iter().any(|(known, _)| *known == key) {
            return None;
        }
        fields.push((key, value));
    }
    Some(fields)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok().filter(|digits| !digits.starts_with('+'))?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_or_refused() {
        let own = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(fields("tool=a&scope=b+c%20d&x"), own(&[("tool", "a"), ("scope", "b c d"), ("x", "")]));
        assert_eq!(fields(""), own(&[]));
        for query in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "a=1&a=2", "a=1&%61=2"] {
            assert_eq!(fields(query), None, "{query}");
        }
    }
}
