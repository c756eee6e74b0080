//! JSON-RPC error objects for refusals.

use crate::json::quoted;
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
        let message = match self.name {
            // Many clients show nothing but the message.
            _ if !self.required_scopes.is_empty() => {
                format!("{}: {}", refusal.sentence(), self.required_scopes.join(" "))
            }
            Some(name) if refusal != Refusal::ResourceUnknown => format!("{}: {name}", refusal.sentence()),
            _ => refusal.sentence().to_owned(),
        };
        let id = self.id.map(|id| format!("\"id\":{id},")).unwrap_or_default();
        let data = self.data(refusal).map(|data| format!(",\"data\":{{{data}}}")).unwrap_or_default();
        let (code, message) = (refusal.code(self.era), quoted(&message));
        format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":{code},\"message\":{message}{data}}}}}")
    }

    fn data(&self, refusal: Refusal) -> Option<String> {
        let mut members = Vec::new();
        if !self.required_scopes.is_empty() {
            let scopes: Vec<String> = self.required_scopes.iter().map(|scope| quoted(scope)).collect();
            members.push(format!("\"requiredScopes\":[{}]", scopes.join(",")));
        }
        if let (Refusal::ResourceUnknown, Some(uri)) = (refusal, self.name) {
            members.push(format!("\"uri\":{}", quoted(uri)));
        }
        if !self.ids.is_empty() {
            members.push(format!("\"ids\":[{}]", self.ids.join(",")));
        }
        if let Some(decision) = self.decision {
            members.push(format!("\"decision\":{}", quoted(decision)));
        }
        (!members.is_empty()).then(|| members.join(","))
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
