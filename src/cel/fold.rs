//! What a condition says whatever the request: folding of constants.
#![expect(clippy::wildcard_enum_match_arm, reason = "what is folded is named; the rest is constant or not")]

use super::Facts;
use super::error::Error;
use super::eval::Evaluation;
use super::plan::Plan;

/// The value of the plan where it is the same for all requests.
pub(super) fn constant(plan: &Plan) -> Option<Result<bool, Error>> {
    match plan {
        Plan::Not(of) => constant(of).map(|value| value.map(|holds| !holds)),
        // A false operand decides, whatever the others are.
        Plan::All(list) => decided(list, false),
        Plan::Any(list) => decided(list, true),
        Plan::If(condition, yes, no) => match constant(condition)? {
            Ok(holds) => constant(if holds { yes } else { no }),
            Err(error) => Some(Err(error)),
        },
        _ if plan.is_constant() => {
            let facts = Facts { claims: "{}", ..Facts::default() };
            Some(Evaluation::new(&facts).condition(plan))
        }
        _ => None,
    }
}

fn decided(list: &[Plan], decisive: bool) -> Option<Result<bool, Error>> {
    let mut all = Some(Ok(!decisive));
    for plan in list {
        match constant(plan) {
            Some(Ok(value)) if value == decisive => return Some(Ok(decisive)),
            Some(Ok(_)) => {}
            Some(Err(error)) => all = all.map(|_| Err(error)),
            None => all = None,
        }
    }
    all
}
