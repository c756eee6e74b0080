//! The tools, and what they do besides answering.

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientResult, ContentBlock,
        CreateMessageRequest, CreateMessageRequestParams, ElicitRequest, ElicitRequestParams, ElicitationSchema,
        InputRequiredResult, InputResponses, LoggingLevel, LoggingMessageNotificationParam,
        ProgressNotificationParam, SamplingMessage, ServerRequest,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use super::{Shared, rounds, tasks};
use crate::server::is_stateless;

/// Between two things that a client should see come one after the other.
const STEP: Duration = Duration::from_millis(20);

/// Answers `tools/call`.
pub(super) async fn call(
    shared: &Shared,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    if let Some(contents) = shared.fixtures.contents.get(name) {
        return Ok(CallToolResult::success(contents.clone()).into());
    }
    if tasks::has(name) {
        return tasks::call(shared, request, context).await;
    }
    if let Some(rounds) = shared.fixtures.rounds.get(name) {
        let (responses, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
        let missing = rounds::ask(&shared.fixtures, rounds, responses, &shared.seal, state)?;
        return Ok(missing.map_or_else(|| said("Nothing is missing.").into(), Into::into));
    }
    if let Some(form) = shared.fixtures.forms.get(name) {
        let message = argument(&request, "message").unwrap_or("Please fill in");
        return Ok(ask(context, form_to_fill(message, form.clone())).await.into());
    }
    match name {
        "test_error_handling" => {
            Ok(CallToolResult::error(vec![ContentBlock::text("This tool always fails.")]).into())
        }
        "test_tool_with_logging" => {
            for text in ["begun", "half way", "done"] {
                log(context, LoggingLevel::Info, text).await;
                tokio::time::sleep(STEP).await;
            }
            Ok(said("Three lines were logged.").into())
        }
        "test_logging_tool" => {
            if let Some(level) = context.meta.log_level() {
                log(context, level, "running").await;
            }
            Ok(said("Logged if that was asked for.").into())
        }
        "test_tool_with_progress" => Ok(tell_progress(context).await.into()),
        // The SDK gives tools no way to close the stream of their answer.
        "test_reconnection" => {
            tokio::time::sleep(STEP).await;
            Ok(said("Sent on the stream of the call.").into())
        }
        "test_sampling" => {
            let prompt = argument(&request, "prompt").unwrap_or_default();
            let params = CreateMessageRequestParams::new(vec![SamplingMessage::user_text(prompt)], 100);
            Ok(ask(context, ServerRequest::CreateMessageRequest(CreateMessageRequest::new(params))).await.into())
        }
        "test_missing_capability" => need_sampling(context).map(Into::into),
        "test_trigger_tool_change" | "test_trigger_prompt_change" => {
            shared.listeners.announce().await;
            Ok(said("Who listens has been told.").into())
        }
        "test_input_required_result_capabilities" => {
            Ok(ask_as_declared(shared, request.input_responses.as_ref(), context))
        }
        _ => Err(ErrorData::invalid_params(format!("Unknown tool: {name}"), None)),
    }
}

pub(super) fn said(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

pub(super) fn argument<'r>(request: &'r CallToolRequestParams, name: &str) -> Option<&'r str> {
    request.arguments.as_ref()?.get(name)?.as_str()
}

async fn log(context: &RequestContext<RoleServer>, level: LoggingLevel, text: &str) {
    // MCP 2026-07-28: no message without `io.modelcontextprotocol/logLevel` in the request's `_meta`.
    if is_stateless(context) && context.meta.log_level().is_none() {
        return;
    }
    // A caller that is gone need not know.
    let _ = context.peer.notify_logging_message(LoggingMessageNotificationParam::new(level, json!(text))).await;
}

async fn tell_progress(context: &RequestContext<RoleServer>) -> CallToolResult {
    for progress in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let params = ProgressNotificationParam::new(token, progress).with_total(100.0);
            let _ = context.peer.notify_progress(params).await;
        }
        tokio::time::sleep(STEP).await;
    }
    said("Done.")
}

fn form_to_fill(message: &str, form: ElicitationSchema) -> ServerRequest {
    ServerRequest::ElicitRequest(ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_owned(),
        requested_schema: form,
    }))
}

/// Asks the client, and says what it answered.
async fn ask(context: &RequestContext<RoleServer>, request: ServerRequest) -> CallToolResult {
    match context.peer.send_request(request).await {
        Ok(ClientResult::CreateMessageResult(answer)) => said(format!("The model says: {}", shown(&answer))),
        Ok(ClientResult::ElicitResult(answer)) => said(format!("The user's answer: {}", shown(&answer))),
        Ok(_) => CallToolResult::error(vec![ContentBlock::text("That answers another question.")]),
        Err(error) => CallToolResult::error(vec![ContentBlock::text(format!("No answer: {error}"))]),
    }
}

fn shown(answer: &impl serde::Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

fn need_sampling(context: &RequestContext<RoleServer>) -> Result<CallToolResult, ErrorData> {
    if context.client_capabilities().is_some_and(|capabilities| capabilities.sampling.is_some()) {
        return Ok(said("The client samples."));
    }
    let needed = ClientCapabilities::builder().enable_sampling().build();
    Err(ErrorData::missing_required_client_capability(needed))
}

/// Asks only for what the client says it can give.
fn ask_as_declared(
    shared: &Shared,
    responses: Option<&InputResponses>,
    context: &RequestContext<RoleServer>,
) -> CallToolResponse {
    let declared = context.client_capabilities().unwrap_or_default();
    let kinds = [
        (declared.elicitation.is_some(), "user_name"),
        (declared.sampling.is_some(), "greeting"),
        (declared.roots.is_some(), "client_roots"),
    ];
    let keys: Vec<_> = kinds.into_iter().filter_map(|(can, key)| can.then_some(key)).collect();
    if responses.is_some() || keys.is_empty() {
        return said("The client gave what it could.").into();
    }
    InputRequiredResult::from_input_requests(rounds::inputs(&shared.fixtures, &keys)).into()
}
