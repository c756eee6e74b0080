//! What a new policy changes in what a caller sees.

use super::{apps, sees};
use crate::catalogue::Catalogue;
use crate::message::lists::ListKind;
use crate::policy::{Kind, View};

/// Which of the lists that a caller sees are others than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Tools came or went.
    pub tools: bool,
    /// Prompts came or went.
    pub prompts: bool,
    /// Resources or resource templates came or went.
    pub resources: bool,
}

impl Change {
    /// Both changes together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            tools: self.tools || other.tools,
            prompts: self.prompts || other.prompts,
            resources: self.resources || other.resources,
        }
    }

    /// What of this change somebody wants to hear of who `wants` these.
    #[must_use]
    pub const fn and(self, wants: Self) -> Self {
        Self {
            tools: self.tools && wants.tools,
            prompts: self.prompts && wants.prompts,
            resources: self.resources && wants.resources,
        }
    }

    /// Every list.
    pub const ALL: Self = Self { tools: true, prompts: true, resources: true };
}

/// What changes for a caller from one view to the other, among what `catalogue` knows.
///
/// Where a list was never seen as a whole, or the server may list other things to each caller and so is not
/// `is_same_for_all`, the rules are compared: rather a change too many than one too few.
#[must_use]
pub fn change(before: View<'_>, after: View<'_>, catalogue: &Catalogue, is_same_for_all: bool) -> Change {
    let differs =
        |kind: ListKind, name: &str| listed(before, catalogue, kind, name) != listed(after, catalogue, kind, name);
    let changed = |kind: ListKind, ruled: Kind| match catalogue.ever_listed(kind).filter(|_| is_same_for_all) {
        Some(mut names) => names.any(|name| differs(kind, name)),
        // A tool that comes or goes takes its interface with it.
        None => {
            !before.permits_the_same(after, ruled)
                || (kind == ListKind::Resources
                    && catalogue.tools_with_interface().any(|tool| differs(ListKind::Tools, tool)))
        }
    };
    Change {
        tools: changed(ListKind::Tools, Kind::Tool),
        prompts: changed(ListKind::Prompts, Kind::Prompt),
        resources: changed(ListKind::Resources, Kind::Resource)
            || changed(ListKind::ResourceTemplates, Kind::Resource),
    }
}

/// Whether the element is left in a list.
fn listed(view: View<'_>, catalogue: &Catalogue, kind: ListKind, name: &str) -> bool {
    let allows = |kind, name: &str| sees(view.policy, view.grants, kind, name);
    allows(kind, name)
        && (kind != ListKind::Resources || apps::shows(catalogue, name, true, |tool| allows(ListKind::Tools, tool)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scopes;
    use crate::message::lists::Listing;
    use crate::policy::Policy;

    const NEW: &str =
        "version: 1\ntools: {'t*': {scopes: []}}\nprompts: {p: {scopes: []}}\nresources: {'x:*': {scopes: []}}\n";

    fn changed(catalogue: &Catalogue) -> Change {
        between(["version: 1\n", NEW], catalogue, true)
    }

    fn between(policies: [&str; 2], catalogue: &Catalogue, is_same_for_all: bool) -> Change {
        let policies = policies.map(|text| Policy::compile("policy", text).unwrap());
        let grants = [0, 1].map(|at: usize| policies[at].grants(&Scopes::default()));
        let [before, after] = [0, 1].map(|at| View { policy: &policies[at], grants: &grants[at] });
        assert_eq!(change(before, before, catalogue, is_same_for_all), Change::default());
        change(before, after, catalogue, is_same_for_all)
    }

    fn with(catalogue: &Catalogue, kind: ListKind, elements: &str) -> Catalogue {
        catalogue.with(None, &Listing { kind, elements, next: None }).unwrap()
    }

    #[test]
    fn without_a_whole_list_the_rules_are_compared() {
        assert_eq!(changed(&Catalogue::default()), Change::ALL);
        let none = with(&Catalogue::default(), ListKind::Tools, "[]");
        assert_eq!(between(["version: 1\n", NEW], &none, false), Change::ALL);
    }

    #[test]
    fn with_a_whole_list_only_what_is_listed_counts() {
        let none = with(&Catalogue::default(), ListKind::Tools, r#"[{"name":"other"}]"#);
        assert_eq!(changed(&none), Change { tools: false, ..Change::ALL });
        let one = with(&none, ListKind::Tools, r#"[{"name":"other"},{"name":"t1"}]"#);
        assert_eq!(changed(&one), Change::ALL);
        let prompts = with(&none, ListKind::Prompts, "[]");
        assert_eq!(changed(&prompts), Change { resources: true, ..Change::default() });
        // A template may come or go as well as a resource.
        let resources = with(&prompts, ListKind::Resources, "[]");
        assert_eq!(changed(&resources), Change { resources: true, ..Change::default() });
        let all = with(&resources, ListKind::ResourceTemplates, r#"[{"uriTemplate":"y:{a}"}]"#);
        assert_eq!(changed(&all), Change::default());
        let template = with(&resources, ListKind::ResourceTemplates, r#"[{"uriTemplate":"x:{a}"}]"#);
        assert_eq!(changed(&template), Change { resources: true, ..Change::default() });
    }

    #[test]
    fn the_interface_of_a_tool_comes_and_goes_with_it() {
        let with_tool = "version: 1\ntools: {t: {scopes: []}}\nresources: {'ui://**': {scopes: []}}\n";
        let policies = ["version: 1\nresources: {'ui://**': {scopes: []}}\n", with_tool];
        let drawn = r#"[{"name":"t","_meta":{"ui":{"resourceUri":"ui://t"}}}]"#;
        let tools = Change { tools: true, ..Change::default() };
        let both = Change { tools: true, resources: true, ..Change::default() };
        for (elements, resources, expected) in [
            (drawn, None, both),
            (r#"[{"name":"t"}]"#, None, tools),
            (drawn, Some(r#"[{"uri":"ui://t"}]"#), both),
            (drawn, Some(r#"[{"uri":"ui://other"}]"#), tools),
        ] {
            let catalogue = with(&Catalogue::default(), ListKind::Tools, elements);
            let catalogue =
                resources.map_or_else(|| catalogue.clone(), |text| with(&catalogue, ListKind::Resources, text));
            assert_eq!(between(policies, &catalogue, true), expected, "{elements} {resources:?}");
        }
    }
}
