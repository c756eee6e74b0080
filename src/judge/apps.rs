//! The interfaces of tools: resources `ui://…`, as MCP Apps has them (SEP-1865).
//!
//! A tool names its interface in its `_meta`. What draws a tool that a caller may not see would tell of the tool, so
//! such a resource needs a tool that the caller sees, and a rule under `resources` like every other.

use crate::catalogue::Catalogue;
use crate::message::lists::ListKind;

const SCHEME: &str = "ui://";

/// Whether the resource may be the interface of a tool.
#[must_use]
pub fn is_interface(uri: &str) -> bool {
    // Schemes have no case (RFC 3986 §3.1).
    uri.split_at_checked(SCHEME.len()).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
}

/// Whether a caller who `sees` some tools may have the resource `uri`, as far as it is the interface of a tool.
///
/// The server lists which tools it is of. While no list of tools was seen as a whole, an interface that no known tool
/// names might be of any: it `is_listed` to nobody then. Who asks for it by its name is left to the rules.
pub fn shows(catalogue: &Catalogue, uri: &str, is_listed: bool, sees: impl Fn(&str) -> bool) -> bool {
    if !is_interface(uri) {
        return true;
    }
    let mut tools = catalogue.tools_of_interface(uri).peekable();
    if tools.peek().is_some() {
        return tools.any(sees);
    }
    !is_listed || catalogue.is_complete(ListKind::Tools)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::lists::Listing;

    const TOOLS: &str = r#"[
        {"name":"a","_meta":{"ui":{"resourceUri":"ui://both","visibility":["app"]}}},
        {"name":"b","_meta":{"ui\/resourceUri":"ui://b\u0031","ui":{"resourceUri":"ui://both"}}},
        {"name":"c","_meta":{"ui":{"resourceUri":7},"ui/resourceUri":"ui://c"}},
        {"name":"d","_meta":"ui://d"},
        {"name":"e","ui":{"resourceUri":"ui://e"}},
        {"name":"f","_meta":{"ui/resourceUri":"x:f"}}
    ]"#;

    fn catalogue(next: Option<&'static str>) -> Catalogue {
        let listing = Listing { kind: ListKind::Tools, elements: TOOLS, next: next.map(Into::into) };
        Catalogue::default().with(None, &listing).unwrap()
    }

    #[test]
    fn an_interface_needs_one_of_its_tools() {
        let catalogue = catalogue(None);
        for (uri, tools, is_shown) in [
            ("ui://both", "a", true),
            ("ui://both", "b", true),
            ("ui://both", "c", false),
            ("ui://b1", "b", true),
            ("ui://b1", "a", false),
            ("ui://c", "c", true),
            ("ui://c", "", false),
            ("x:f", "", true),
            // Nobody's, and that is known.
            ("ui://d", "", true),
            ("ui://e", "", true),
            ("ui://none", "", true),
        ] {
            for is_listed in [true, false] {
                assert_eq!(shows(&catalogue, uri, is_listed, |tool| tools == tool), is_shown, "{uri} {tools}");
            }
        }
    }

    #[test]
    fn while_the_tools_are_not_known_no_interface_is_listed() {
        for catalogue in [Catalogue::default(), catalogue(Some("more"))] {
            for uri in ["ui://none", "UI://none"] {
                assert!(!shows(&catalogue, uri, true, |_| true), "{uri}");
                assert!(shows(&catalogue, uri, false, |_| true), "{uri}");
            }
            assert!(shows(&catalogue, "x:none", true, |_| false));
        }
        assert!(!shows(&catalogue(Some("more")), "ui://c", false, |tool| tool == "a"), "what is known counts");
    }

    #[test]
    fn schemes_are_told_by_their_letters() {
        assert!(is_interface("ui://x") && is_interface("Ui://") && is_interface("UI://x"));
        assert!(!is_interface("ui:/x") && !is_interface("uix://") && !is_interface("") && !is_interface("é://"));
    }
}
