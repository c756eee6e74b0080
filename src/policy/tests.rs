//! What a policy means, and agreement with the plainest reading of the rules.
