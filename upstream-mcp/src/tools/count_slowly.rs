//! The tool that takes its time: progress, logging and cancellation.
#![expect(deprecated, reason = "logging is deprecated by MCP 2026-07-28, and still spoken by its clients")]

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResult, ContentBlock, JsonObject, LoggingLevel, ProgressNotificationParam,
        object,
    },
    service::RequestContext,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{COUNT_SLOWLY, failure};
use crate::{logging::log, server::Server};

const MAX_STEPS: u32 = 100;
const MAX_INTERVAL_MS: u64 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    #[serde(default = "default_steps")]
    steps: u32,
    #[serde(default = "default_interval_ms")]
    interval_ms: u64,
}

fn default_steps() -> u32 {
    5
}

fn default_interval_ms() -> u64 {
    100
}

/// The schema of the arguments.
pub(super) fn input_schema() -> JsonObject {
    object(json!({
        "type": "object",
        "properties": {
            "steps": {
                "type": "integer", "minimum": 1, "maximum": MAX_STEPS, "default": default_steps(),
                "description": "How far to count",
            },
            "interval_ms": {
                "type": "integer", "minimum": 0, "maximum": MAX_INTERVAL_MS, "default": default_interval_ms(),
                "description": "Milliseconds before each step",
            },
        },
        "additionalProperties": false,
    }))
}

/// Counts, and stops as soon as the request is cancelled.
pub(super) async fn call(
    server: &Server,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let arguments = match arguments(request) {
        Ok(arguments) => arguments,
        Err(error) => return Ok(failure(error)),
    };
    let steps = arguments.steps;
    log(&server.session, context, LoggingLevel::Info, &format!("counting to {steps}")).await;
    for step in 1..=steps {
        tokio::select! {
            biased;
            () = context.ct.cancelled() => {
                server.shared.calls.record("cancelled", COUNT_SLOWLY)?;
                return Ok(failure("cancelled"));
            }
            () = tokio::time::sleep(Duration::from_millis(arguments.interval_ms)) => {}
        }
        progress(context, step, steps).await;
        log(&server.session, context, LoggingLevel::Debug, &format!("counted {step}")).await;
    }
    Ok(CallToolResult::success(vec![ContentBlock::text(format!("counted to {steps}"))]))
}

async fn progress(context: &RequestContext<RoleServer>, step: u32, steps: u32) {
    let Some(token) = context.meta.get_progress_token() else {
        return;
    };
    let progress = ProgressNotificationParam::new(token, f64::from(step))
        .with_total(f64::from(steps))
        .with_message(format!("{step} of {steps}"));
    // A caller that is gone shows as cancellation, not here.
    let _ = context.peer.notify_progress(progress).await;
}

fn arguments(request: CallToolRequestParams) -> Result<Arguments, String> {
    let arguments = Value::Object(request.arguments.unwrap_or_default());
    let arguments: Arguments =
        serde_json::from_value(arguments).map_err(|error| format!("bad arguments: {error}"))?;
    if !(1..=MAX_STEPS).contains(&arguments.steps) {
        return Err(format!("bad arguments: `steps` must be 1 to {MAX_STEPS}"));
    }
    if arguments.interval_ms > MAX_INTERVAL_MS {
        return Err(format!("bad arguments: `interval_ms` must be 0 to {MAX_INTERVAL_MS}"));
    }
    Ok(arguments)
}
