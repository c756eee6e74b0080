//! The tool that asks the user: elicitation, in the form each revision has for it.

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientResult, ContentBlock,
        ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability,
        ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, ServerRequest,
    },
    service::RequestContext,
};

use super::failure;
use crate::server::is_stateless;

/// The key of the one input request.
const NAME: &str = "name";

/// The request state that a client has to bring back; it says nothing, since nothing has to be remembered.
const STATE: &str = "ask_name";

/// Asks for a name and greets.
pub(super) async fn call(
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    if is_stateless(context) {
        return call_stateless(request, context);
    }
    if !can_elicit(context) {
        return Ok(failure("the client does not support elicitation").into());
    }
    let answer = context.peer.send_request(ServerRequest::ElicitRequest(question()?)).await;
    Ok(match answer {
        Ok(ClientResult::ElicitResult(answer)) => greeting(&answer).into(),
        Ok(_) => failure("the client's answer is not that of an elicitation").into(),
        Err(error) => failure(format!("the client did not answer: {error}")).into(),
    })
}

/// MCP 2026-07-28, basic/patterns/mrtr: the question is a result, the answer comes with a second request.
fn call_stateless(
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    if !can_elicit(context) {
        let required = ClientCapabilities::builder().enable_elicitation_with(ElicitationCapability::new()).build();
        return Err(ErrorData::missing_required_client_capability(required));
    }
    let Some(answer) = request.input_responses.and_then(|mut responses| responses.remove(NAME)) else {
        let questions = InputRequests::from([(NAME.to_owned(), InputRequest::Elicitation(question()?))]);
        return Ok(InputRequiredResult::new(Some(questions), Some(STATE.to_owned())).into());
    };
    if request.request_state.as_deref() != Some(STATE) {
        return Err(ErrorData::invalid_params("requestState is not the one that was given", None));
    }
    match serde_json::from_value::<ElicitResult>(answer) {
        Ok(answer) => Ok(greeting(&answer).into()),
        Err(error) => Err(ErrorData::invalid_params(format!("bad input response: {error}"), None)),
    }
}

fn can_elicit(context: &RequestContext<RoleServer>) -> bool {
    context.client_capabilities().is_some_and(|capabilities| capabilities.elicitation.is_some())
}

fn question() -> Result<ElicitRequest, ErrorData> {
    let schema = ElicitationSchema::builder()
        .required_string(NAME)
        .build()
        .map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: "What is your name?".to_owned(),
        requested_schema: schema,
    }))
}

fn greeting(answer: &ElicitResult) -> CallToolResult {
    if answer.action != ElicitationAction::Accept {
        return CallToolResult::success(vec![ContentBlock::text("No name was given.")]);
    }
    let name = answer.content.as_ref().and_then(|content| content.get(NAME)).and_then(|name| name.as_str());
    match name {
        Some(name) => CallToolResult::success(vec![ContentBlock::text(format!("Hello, {name}!"))]),
        None => failure("the answer has no name"),
    }
}
