//! JSON-RPC error objects for refusals.

use crate::json::{push_escaped, push_quoted};
use crate::refusal::{Era, Refusal};

/// What a JSON-RPC error says beside its code.
#[derive(Debug, Clone, Default)]
pub struct ErrorReply<'a> {
    /// The id of the request, as written there; none where there is no request to answer.
    pub id: Option<&'a str>,
    /// The era of the request.
    pub era: Era,
    /// What was named and not found, appended to the sentence as servers do.
    pub name: Option<&'a str>,
    /// All scopes that the operation needs, for `data.requiredScopes`.
    pub required_scopes: &'a [&'a str],
    /// The ids of those requests of a batch that are refused, as written there, for `data.ids`.
    pub ids: &'a [&'a str],
    /// The decision's identifier, under which the operator finds the reasons.
    pub decision: Option<&'a str>,
}

impl ErrorReply<'_> {
    /// The whole JSON-RPC error response.
    #[must_use]
    pub fn render(&self, refusal: Refusal) -> String {
        let scopes = self.required_scopes;
        // Room for most answers at once: under a flood of refusals this is what they cost.
        let mut out = String::with_capacity(384);
        out.push_str("{\"jsonrpc\":\"2.0\",");
        if let Some(id) = self.id {
            out.push_str("\"id\":");
            out.push_str(id);
            out.push(',');
        }
        out.push_str("\"error\":{\"code\":");
        out.push_str(itoa::Buffer::new().format(refusal.code(self.era)));
        out.push_str(",\"message\":");
        match self.name {
            // Many clients show nothing but the message.
            _ if !scopes.is_empty() => {
                push_quoted(&mut out, &[refusal.sentence(), ": ", &scopes.join(" ")].concat());
            }
            Some(name) if refusal != Refusal::ResourceUnknown => {
                out.push('"');
                for part in [refusal.sentence(), ": ", name] {
                    push_escaped(&mut out, part);
                }
                out.push('"');
            }
            _ => push_quoted(&mut out, refusal.sentence()),
        }
        self.push_data(refusal, &mut out);
        out.push_str("}}");
        out
    }

    fn push_data(&self, refusal: Refusal, out: &mut String) {
        let mut before = ",\"data\":{";
        let mut key = |out: &mut String, name: &str| {
            out.push_str(before);
            out.push('"');
            out.push_str(name);
            out.push_str("\":");
            before = ",";
        };
        if !self.required_scopes.is_empty() {
            key(out, "requiredScopes");
            for (at, scope) in self.required_scopes.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                push_quoted(out, scope);
            }
            out.push(']');
        }
        if let (Refusal::ResourceUnknown, Some(uri)) = (refusal, self.name) {
            key(out, "uri");
            push_quoted(out, uri);
        }
        if !self.ids.is_empty() {
            key(out, "ids");
            out.push('[');
            out.push_str(&self.ids.join(","));
            out.push(']');
        }
        if let Some(decision) = self.decision {
            key(out, "decision");
            push_quoted(out, decision);
        }
        if before == "," {
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_the_id_as_written() {
        let reply = ErrorReply { id: Some("\"a\\u0062\""), name: Some("x\"y"), ..ErrorReply::default() };
        assert_eq!(
            reply.render(Refusal::ToolUnknown),
            r#"{"jsonrpc":"2.0","id":"a\u0062","error":{"code":-32602,"message":"Unknown tool: x\"y"}}"#
        );
    }

    #[test]
    fn says_what_the_client_can_do() {
        let reply = ErrorReply {
            id: Some("1"),
            required_scopes: &["a", "b"],
            decision: Some("d1"),
            ..ErrorReply::default()
        };
        assert_eq!(
            reply.render(Refusal::ScopeInsufficient),
            concat!(
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":40301,"message":"the token lacks a scope that this needs: a b","#,
                r#""data":{"requiredScopes":["a","b"],"decision":"d1"}}}"#
            )
        );
    }

    #[test]
    fn an_unknown_resource_reads_as_servers_write_it() {
        let reply = ErrorReply { id: Some("1"), name: Some("x:y"), ..ErrorReply::default() };
        assert_eq!(
            reply.render(Refusal::ResourceUnknown),
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"Resource not found","data":{"uri":"x:y"}}}"#
        );
    }

    #[test]
    fn without_a_request_there_is_no_id() {
        assert_eq!(
            ErrorReply::default().render(Refusal::JsonInvalid),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"the body is not valid JSON"}}"#
        );
    }
}
