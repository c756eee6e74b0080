//! Values of a document as JSON: arguments and claims of tests.

use super::document::{Node, Value};
use super::flaw::{Findings, Quoted};
use crate::json::quoted;

/// The value as JSON text; `None` where a flaw says why it has none.
///
/// What stands without quotes is a number, `true`, `false` or `null` where it is one in JSON; what only YAML might
/// take for one must say what it is.
pub(super) fn json_of(node: &Node, findings: &mut Findings) -> Option<String> {
    let mut text = String::new();
    let before = findings.count();
    write(node, &mut text, findings);
    (findings.count() == before).then_some(text)
}

fn write(node: &Node, out: &mut String, findings: &mut Findings) {
    match &node.value {
        Value::Scalar { text, plain: false } => out.push_str(&quoted(text)),
        Value::Scalar { text, plain: true } if is_json(text) => out.push_str(text),
        Value::Scalar { text, plain: true } if super::fields::reads_as_another_type(text) => {
            let message = format!("{} is neither text nor JSON", Quoted(text));
            findings.add_with_hint(node.place, message, format!("write it in quotes, `\"{text}\"`, or as JSON"));
        }
        Value::Scalar { text, plain: true } => out.push_str(&quoted(text)),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write(item, out, findings);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (at, entry) in entries.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&quoted(&entry.key));
                out.push(':');
                write(&entry.node, out, findings);
            }
            out.push('}');
        }
        Value::Broken => {}
    }
}

/// Whether the text is a number, a boolean or null in JSON.
fn is_json(text: &str) -> bool {
    use crate::json::{Kind, Reader};
    let Ok(mut reader) = Reader::of_text(text, 1) else { return false };
    let is_scalar = matches!(reader.kind(), Ok(Kind::Number | Kind::Bool | Kind::Null));
    is_scalar && reader.skip().is_ok() && reader.end().is_ok()
}
