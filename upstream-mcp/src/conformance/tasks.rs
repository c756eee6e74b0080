//! Tools that become tasks where the client knows the extension (SEP-2663).

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock,
        CreateTaskResult, InputRequest,
    },
    service::RequestContext,
    task_manager::{TaskContext, TaskExit, TaskOptions},
};
use serde_json::Value;

use super::{
    Shared, rounds,
    tools::{argument, said},
};

/// What a job takes that has nothing to do.
const MOMENT: Duration = Duration::from_millis(200);

/// Long enough for a client to see the task before it ends.
const WHILE: Duration = Duration::from_secs(1);

/// Whether the tool is one of these.
pub(super) fn has(name: &str) -> bool {
    name == "greet" || matches!(name, "slow_compute" | "protocol_error_job") || needs_task(name)
}

/// Whether the tool is nothing for a client that does not know tasks.
fn needs_task(name: &str) -> bool {
    matches!(name, "failing_job" | "confirm_delete" | "multi_input" | "test_tool_with_task")
}

/// Answers `tools/call`.
pub(super) async fn call(
    shared: &Shared,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let name = request.name.as_ref();
    let knows_tasks = context.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks());
    if needs_task(name) && !knows_tasks {
        let needed = ClientCapabilities::builder().enable_tasks().build();
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    let input = |key: &str| shared.fixtures.inputs.get(key).cloned();
    match name {
        "slow_compute" => {
            let time = computing_time(&request);
            if knows_tasks {
                return Ok(start(shared, move |task| compute(task, time)));
            }
            tokio::time::sleep(time).await;
            Ok(said("Computed.").into())
        }
        "failing_job" => Ok(start(shared, |_| async {
            tokio::time::sleep(WHILE).await;
            Ok(CallToolResult::error(vec![ContentBlock::text("This job always fails.")]))
        })),
        "protocol_error_job" if knows_tasks => Ok(start(shared, |_| async { Err(TaskExit::Error(fail().await)) })),
        "protocol_error_job" => Err(fail().await),
        "confirm_delete" => Ok(start(shared, {
            let inputs = vec![("confirm", input("confirm"))];
            move |task| needing(task, inputs)
        })),
        "multi_input" => Ok(start(shared, {
            let inputs = vec![("input-a", input("step1")), ("input-b", input("step2"))];
            move |task| needing(task, inputs)
        })),
        "test_tool_with_task" => after_rounds(shared, &request),
        _ => Ok(said(format!("Hello, {}!", argument(&request, "name").unwrap_or("friend"))).into()),
    }
}

fn computing_time(request: &CallToolRequestParams) -> Duration {
    let seconds = request.arguments.as_ref().and_then(|arguments| arguments.get("seconds")?.as_f64());
    Duration::try_from_secs_f64(seconds.unwrap_or(1.0)).unwrap_or(WHILE)
}

async fn compute(task: TaskContext, time: Duration) -> Result<CallToolResult, TaskExit> {
    tokio::select! {
        () = task.cancelled() => Err(TaskExit::Cancelled),
        () = tokio::time::sleep(time) => Ok(said("Computed.")),
    }
}

async fn fail() -> ErrorData {
    tokio::time::sleep(MOMENT).await;
    ErrorData::internal_error("This request always fails.", None)
}

/// Asks for all inputs at once, and ends when the last of them has come.
async fn needing(
    task: TaskContext,
    inputs: Vec<(&'static str, Option<InputRequest>)>,
) -> Result<CallToolResult, TaskExit> {
    let waits = inputs.into_iter().map(|(key, request)| {
        let task = task.clone();
        tokio::spawn(async move {
            let request = request.ok_or_else(|| ErrorData::internal_error("no such input", None))?;
            task.request_input(key, request).await
        })
    });
    let mut answers = Vec::new();
    for wait in waits.collect::<Vec<_>>() {
        answers.push(wait.await.map_err(|error| ErrorData::internal_error(error.to_string(), None))??);
    }
    Ok(said(format!("The answers: {}", Value::Array(answers))))
}

/// MCP 2026-07-28: an answer that needs input first, and is a task then.
fn after_rounds(shared: &Shared, request: &CallToolRequestParams) -> Result<CallToolResponse, ErrorData> {
    let (responses, state) = (request.input_responses.as_ref(), request.request_state.as_deref());
    if let Some(rounds) = shared.fixtures.rounds.get(request.name.as_ref())
        && let Some(missing) = rounds::ask(&shared.fixtures, rounds, responses, &shared.seal, state)?
    {
        return Ok(missing.into());
    }
    let name = responses.and_then(|responses| responses.get("user_name")?.pointer("/content/name")?.as_str());
    let greeting = format!("Hello, {}!", name.unwrap_or("friend"));
    Ok(start(shared, move |_| async move {
        tokio::time::sleep(MOMENT).await;
        Ok(said(greeting))
    }))
}

fn start<F>(shared: &Shared, work: impl FnOnce(TaskContext) -> F) -> CallToolResponse
where
    F: Future<Output = Result<CallToolResult, TaskExit>> + Send + 'static,
{
    CreateTaskResult::new(shared.tasks.spawn(TaskOptions::default(), |task| Box::pin(work(task)))).into()
}
