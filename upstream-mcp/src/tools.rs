//! The tools: their list, and which one runs.
#![expect(deprecated, reason = "logging is deprecated by MCP 2026-07-28, and still spoken by its clients")]

mod ask_name;
mod count_slowly;
mod show_headers;

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject, LoggingLevel, Tool,
        ToolAnnotations, object,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::{document::Document, logging::log, server::Server};

const ECHO: &str = "echo";
const SHOW_HEADERS: &str = "show_headers";
const COUNT_SLOWLY: &str = "count_slowly";
const ASK_NAME: &str = "ask_name";
const ANNOUNCE_CHANGE: &str = "announce_change";

/// All tools, always in the same order, with `extra` at the end.
pub(crate) fn list(extra: &[String]) -> Vec<Tool> {
    let mut tools: Vec<Tool> = Document::ALL.into_iter().map(document_tool).collect();
    tools.extend([
        tool(ECHO, "Echo", "Returns its arguments", any_object(), read_only()),
        tool(
            SHOW_HEADERS,
            "Show headers",
            "Returns the HTTP request headers it received",
            no_arguments(),
            read_only(),
        ),
        tool(
            COUNT_SLOWLY,
            "Count slowly",
            "Counts to `steps`, with progress on the way, until cancelled",
            count_slowly::input_schema(),
            read_only(),
        ),
        tool(ASK_NAME, "Ask for a name", "Asks the user for a name and greets them", no_arguments(), read_only()),
        tool(
            ANNOUNCE_CHANGE,
            "Announce a change",
            "Tells every client that all lists and subscribed resources have changed",
            no_arguments(),
            ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false),
        ),
    ]);
    tools.extend(extra.iter().map(|name| {
        tool(
            name,
            name,
            "Returns its arguments; added to show a tool that no policy names",
            any_object(),
            read_only(),
        )
    }));
    tools
}

/// Answers `tools/call`.
pub(crate) async fn call(
    server: &Server,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    let is_extra = server.shared.extra_tools.iter().any(|extra| extra == name);
    let document = Document::find(name, Document::tool);
    let is_known = matches!(name, ECHO | SHOW_HEADERS | COUNT_SLOWLY | ASK_NAME | ANNOUNCE_CHANGE);
    if !is_known && !is_extra && document.is_none() {
        // MCP 2025-11-25 and 2026-07-28, server/tools, "Error Handling": unknown tools are protocol errors.
        return Err(ErrorData::invalid_params(format!("Unknown tool: {name}"), None));
    }
    server.shared.calls.record("tool", name)?;
    if let Some(document) = document {
        return Ok(read(server, document).await.into());
    }
    match name {
        SHOW_HEADERS => Ok(show_headers::call(&context).into()),
        COUNT_SLOWLY => Ok(count_slowly::call(server, request, &context).await?.into()),
        ASK_NAME => ask_name::call(request, &context).await,
        ANNOUNCE_CHANGE => Ok(announce_change(server, &context).await.into()),
        // `echo`, and the tools that were added to it.
        _ => Ok(CallToolResult::structured(Value::Object(request.arguments.unwrap_or_default())).into()),
    }
}

async fn read(server: &Server, document: Document) -> CallToolResult {
    match server.shared.library.read(document).await {
        Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
        Err(error) => failure(format!("cannot read the {} document: {error}", document.name())),
    }
}

async fn announce_change(server: &Server, context: &RequestContext<RoleServer>) -> CallToolResult {
    log(&server.session, context, LoggingLevel::Notice, "announcing a change").await;
    server.shared.listeners.announce().await;
    CallToolResult::success(vec![ContentBlock::text("announced")])
}

/// A failure that the caller can read and act on, unlike a protocol error.
fn failure(text: impl Into<String>) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

fn document_tool(document: Document) -> Tool {
    let description = format!("Returns the sample company's {} document as Markdown", document.name());
    tool(document.tool(), document.title(), &description, no_arguments(), read_only())
}

fn tool(name: &str, title: &str, description: &str, input: JsonObject, annotations: ToolAnnotations) -> Tool {
    Tool::new(name.to_owned(), description.to_owned(), Arc::new(input))
        .with_title(title)
        .with_annotations(annotations)
}

fn read_only() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false)
}

fn no_arguments() -> JsonObject {
    object(json!({ "type": "object", "properties": {}, "additionalProperties": false }))
}

fn any_object() -> JsonObject {
    object(json!({ "type": "object", "additionalProperties": true }))
}
