//! The tool that shows what reached the upstream.

use http::request::Parts;
use rmcp::{RoleServer, model::CallToolResult, service::RequestContext};
use serde_json::{Map, Value, json};

use super::failure;

/// Returns the request's headers as `{"headers": {"name": ["value", …]}}`, each line of a name in its order.
pub(super) fn call(context: &RequestContext<RoleServer>) -> CallToolResult {
    let Some(parts) = context.extensions.get::<Parts>() else {
        return failure("the request came without HTTP headers");
    };
    let mut headers = Map::new();
    for name in parts.headers.keys() {
        let values = parts.headers.get_all(name).iter();
        let values: Value = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str().to_owned(), values);
    }
    CallToolResult::structured(json!({ "headers": headers }))
}
