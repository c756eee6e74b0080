//! What the gateway itself says on a stream: that a list changed, and that a subscription is over.

/// The key of `_meta` that says which subscription a message belongs to (MCP 2026-07-28, basic/patterns/subscriptions).
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The lists of which a server tells that they changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list` and `resources/templates/list`
    Resources,
}

impl Changed {
    const fn method(self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources => "notifications/resources/list_changed",
        }
    }
}

/// The event that tells of a changed list: to the subscription with this `id`, as it was written in the request, or
/// on the stream of a session, which has none.
#[must_use]
pub fn list_changed(list: Changed, id: Option<&str>) -> String {
    let params = id.map(|id| format!(",\"params\":{{\"_meta\":{{\"{SUBSCRIPTION}\":{id}}}}}")).unwrap_or_default();
    event(&format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{}\"{params}}}", list.method()))
}

/// The event that ends the subscription with this `id` gracefully (MCP 2026-07-28, "Graceful Closure").
#[must_use]
pub fn closed(id: &str) -> String {
    event(&format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\"_meta\":{{\"{SUBSCRIPTION}\":{id}}}}}}}"
    ))
}

/// An event without an id: where a client goes on after a break is the server's to say.
fn event(data: &str) -> String {
    format!("event: message\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn data(event: &str) -> Value {
        let data = event.strip_prefix("event: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
        assert!(!data.contains('\n'));
        serde_json::from_str(data).unwrap()
    }

    #[test]
    fn a_changed_list_is_told_to_its_subscription() {
        for (id, value) in [("7", json!(7)), ("\"listen:0\"", json!("listen:0"))] {
            let expected = json!({
                "jsonrpc": "2.0",
                "method": "notifications/tools/list_changed",
                "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": value}},
            });
            assert_eq!(data(&list_changed(Changed::Tools, Some(id))), expected);
        }
    }

    #[test]
    fn on_the_stream_of_a_session_there_are_no_params() {
        for (list, word) in [(Changed::Prompts, "prompts"), (Changed::Resources, "resources")] {
            let expected = json!({"jsonrpc": "2.0", "method": format!("notifications/{word}/list_changed")});
            assert_eq!(data(&list_changed(list, None)), expected);
        }
    }

    #[test]
    fn a_subscription_ends_with_its_result() {
        let expected = json!({
            "jsonrpc": "2.0",
            "id": "s",
            "result": {
                "resultType": "complete",
                "_meta": {"io.modelcontextprotocol/subscriptionId": "s"},
            },
        });
        assert_eq!(data(&closed("\"s\"")), expected);
    }
}
