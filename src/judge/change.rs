//! What a new policy changes in what a caller sees.

use super::sees;
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
/// Where a list was never seen as a whole, or no catalogue can know it, the rules are compared: rather a change too
/// many than one too few.
#[must_use]
pub fn change(before: View<'_>, after: View<'_>, catalogue: Option<&Catalogue>) -> Change {
    let differs = |kind: ListKind, ruled: Kind| {
        let names = catalogue.and_then(|catalogue| catalogue.ever_listed(kind));
        names.map_or_else(
            || !before.permits_the_same(after, ruled),
            |mut names| {
                let is_seen = |view: View<'_>, name: &str| sees(view.policy, view.grants, kind, name);
                names.any(|name| is_seen(before, name) != is_seen(after, name))
            },
        )
    };
    Change {
        tools: differs(ListKind::Tools, Kind::Tool),
        prompts: differs(ListKind::Prompts, Kind::Prompt),
        resources: differs(ListKind::Resources, Kind::Resource)
            || differs(ListKind::ResourceTemplates, Kind::Resource),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scopes;
    use crate::message::lists::Listing;
    use crate::policy::Policy;

    const NEW: &str =
        "version: 1\ntools: {'t*': {scopes: []}}\nprompts: {p: {scopes: []}}\nresources: {'x:*': {scopes: []}}\n";

    fn changed(catalogue: Option<&Catalogue>) -> Change {
        let policies = ["version: 1\n", NEW].map(|text| Policy::compile("policy", text).unwrap());
        let grants = [0, 1].map(|at: usize| policies[at].grants(&Scopes::default()));
        let [before, after] = [0, 1].map(|at| View { policy: &policies[at], grants: &grants[at] });
        assert_eq!(change(before, before, catalogue), Change::default());
        change(before, after, catalogue)
    }

    fn with(catalogue: &Catalogue, kind: ListKind, elements: &str) -> Catalogue {
        catalogue.with(None, &Listing { kind, elements, next: None }).unwrap()
    }

    #[test]
    fn without_a_whole_list_the_rules_are_compared() {
        assert_eq!(changed(None), Change::ALL);
        assert_eq!(changed(Some(&Catalogue::default())), Change::ALL);
    }

    #[test]
    fn with_a_whole_list_only_what_is_listed_counts() {
        let none = with(&Catalogue::default(), ListKind::Tools, r#"[{"name":"other"}]"#);
        assert_eq!(changed(Some(&none)), Change { tools: false, ..Change::ALL });
        let one = with(&none, ListKind::Tools, r#"[{"name":"other"},{"name":"t1"}]"#);
        assert_eq!(changed(Some(&one)), Change::ALL);
        let prompts = with(&none, ListKind::Prompts, "[]");
        assert_eq!(changed(Some(&prompts)), Change { resources: true, ..Change::default() });
        // A template may come or go as well as a resource.
        let resources = with(&prompts, ListKind::Resources, "[]");
        assert_eq!(changed(Some(&resources)), Change { resources: true, ..Change::default() });
        let all = with(&resources, ListKind::ResourceTemplates, r#"[{"uriTemplate":"y:{a}"}]"#);
        assert_eq!(changed(Some(&all)), Change::default());
        let template = with(&resources, ListKind::ResourceTemplates, r#"[{"uriTemplate":"x:{a}"}]"#);
        assert_eq!(changed(Some(&template)), Change { resources: true, ..Change::default() });
    }
}
