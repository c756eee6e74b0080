//! What is judged where cost is measured: requests, lists and policies like those of real servers, of any size.

use std::fmt::Write as _;

/// A policy of so many rules, half of them patterns. Of the tools in [`list`] it shows the first few, every second
/// one for its scopes.
pub(crate) fn policy(rules: usize) -> String {
    let mut text = String::from("version: 1\ntools:\n");
    for number in 0..rules / 2 {
        // Writing to memory cannot fail.
        let _ = writeln!(text, "  tool_{number:05}: {{scopes: [s{}]}}", number % 2);
        let _ = writeln!(text, "  \"group_{number:05}_*\": {{scopes: [s{}]}}", number % 50);
    }
    text
}

/// The call of `tool` in a body of at least so many bytes: its argument is one text, as when a file is written.
pub(crate) fn call(tool: &str, bytes: usize) -> String {
    let mut text = String::new();
    while text.len().saturating_add(180) < bytes {
        text.push_str("Whatever is written here is read once, to its end, and never looked at again.\\n");
    }
    message(tool, &format!(r#"{{"path":"/srv/reports/2027-01.txt","overwrite":false,"content":"{text}"}}"#))
}

/// The call of `tool` in a body of at least so many bytes: its argument is a table, so that there is much to read in
/// few bytes.
pub(crate) fn call_with_rows(tool: &str, bytes: usize) -> String {
    let mut rows = String::new();
    while rows.len().saturating_add(180) < bytes {
        let comma = if rows.is_empty() { "" } else { "," };
        let _ = write!(
            rows,
            r#"{comma}{{"id":{},"name":"Ada","tags":["a","b"],"score":0.75,"open":true,"note":null}}"#,
            rows.len()
        );
    }
    message(tool, &format!(r#"{{"table":"people","rows":[{rows}]}}"#))
}

fn message(tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"progressToken":"p-17"}}}}}}"#
    )
}

/// A server's answer with so many tools of about 380 bytes each.
pub(crate) fn list(tools: usize) -> String {
    let mut elements = String::new();
    for number in 0..tools {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            elements,
            r#"{comma}{{"name":"tool_{number:05}","title":"Changes of a project","description":"Finds the entries of a project that were changed since a day.","inputSchema":{{"type":"object","properties":{{"project":{{"type":"string","description":"Its name"}},"since":{{"type":"string","format":"date"}}}},"required":["project"]}},"annotations":{{"readOnlyHint":true,"destructiveHint":false,"openWorldHint":false}}}}"#
        );
    }
    format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{"tools":[{elements}]}}}}"#)
}

/// The same as one event of a stream.
pub(crate) fn event(data: &str) -> String {
    format!("event: message\ndata: {data}\n\n")
}

/// Whether a tool of [`list`] is shown where half of them are.
pub(crate) fn is_shown(tool: &str) -> bool {
    tool.ends_with(['0', '2', '4', '6', '8'])
}

/// A server without tasks.
pub(crate) struct NoTasks;

impl toolgate::message::lists::TaskSeals for NoTasks {
    fn made(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    fn known(&self, _: &str) -> Option<String> {
        None
    }

    fn mention(&self, _: &str) -> Option<String> {
        None
    }

    fn cursor(&self, _: &str) -> Option<String> {
        None
    }

    fn expects_result(&self) -> bool {
        true
    }
}
