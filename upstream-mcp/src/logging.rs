//! Log notifications, at the level each client asked for.
#![expect(deprecated, reason = "logging is deprecated by MCP 2026-07-28, and still spoken by its clients")]

use rmcp::{
    RoleServer,
    model::{LoggingLevel, LoggingMessageNotificationParam},
    service::RequestContext,
};
use serde_json::json;

use crate::{changes::Session, server::is_stateless};

/// Sends `text` to the caller as `notifications/message`, if the caller wants that level.
pub(crate) async fn log(session: &Session, context: &RequestContext<RoleServer>, level: LoggingLevel, text: &str) {
    if !is_wanted(session, context, level) {
        return;
    }
    let message = LoggingMessageNotificationParam::new(level, json!(text)).with_logger("upstream-mcp");
    // A caller that is gone need not know.
    let _ = context.peer.notify_logging_message(message).await;
}

/// MCP 2026-07-28: no message without `io.modelcontextprotocol/logLevel` in the request's `_meta`.
fn is_wanted(session: &Session, context: &RequestContext<RoleServer>, level: LoggingLevel) -> bool {
    let least = if is_stateless(context) { context.meta.log_level() } else { Some(session.level()) };
    least.is_some_and(|least| severity(level) >= severity(least))
}

fn severity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
