//! Answers that need something of the client first (MCP 2026-07-28, basic/patterns/mrtr).

use std::{collections::hash_map::RandomState, fmt, hash::BuildHasher};

use rmcp::{
    ErrorData,
    model::{InputRequest, InputRequests, InputRequiredResult, InputResponses},
};
use serde_json::Value;

use super::fixtures::{Fixtures, Rounds};

/// Seals the number of a round, so that a client can bring it back and not change it. Its key dies with the process,
/// and 64 bits are enough for a fixture; a server that guards something needs a proper code.
#[derive(Default)]
pub(super) struct Seal(RandomState);

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seal")
    }
}

impl Seal {
    fn close(&self, round: usize) -> String {
        format!("{round}.{:016x}", self.0.hash_one(round))
    }

    fn open(&self, state: &str) -> Option<usize> {
        let round = state.split_once('.')?.0.parse().ok()?;
        (self.close(round) == state).then_some(round)
    }
}

/// What is still needed; nothing once all rounds are over.
pub(super) fn ask(
    fixtures: &Fixtures,
    rounds: &Rounds,
    responses: Option<&InputResponses>,
    seal: &Seal,
    state: Option<&str>,
) -> Result<Option<InputRequiredResult>, ErrorData> {
    let round = match state.filter(|_| rounds.sealed) {
        Some(state) => {
            seal.open(state).ok_or_else(|| ErrorData::invalid_params("requestState is not the one given", None))?
        }
        None => 0,
    };
    let is_expected = state.is_some() || !rounds.sealed;
    let needs = rounds.needs.get(round).map(Vec::as_slice).unwrap_or_default();
    let is_answered = is_expected
        && needs.iter().all(|key| {
            let request = fixtures.inputs.get(key);
            let response = responses.and_then(|responses| responses.get(key));
            request.zip(response).is_some_and(|(request, response)| answers(request, response))
        });
    let round = if is_answered { round.saturating_add(1) } else { round };
    let Some(needs) = rounds.needs.get(round) else {
        return Ok(None);
    };
    let state = rounds.sealed.then(|| seal.close(round));
    Ok(Some(InputRequiredResult::new(Some(inputs(fixtures, needs)), state)))
}

/// The requests with these keys.
pub(super) fn inputs(fixtures: &Fixtures, keys: &[impl AsRef<str>]) -> InputRequests {
    let request = |key: &str| Some((key.to_owned(), fixtures.inputs.get(key)?.clone()));
    keys.iter().filter_map(|key| request(key.as_ref())).collect()
}

/// Whether `response` is one to `request`, and not a refusal.
fn answers(request: &InputRequest, response: &Value) -> bool {
    let has = |member: &str, is: fn(&Value) -> bool| response.get(member).is_some_and(is);
    match request {
        InputRequest::Elicitation(_) => {
            has("action", |action| action == "accept") && has("content", Value::is_object)
        }
        InputRequest::ListRoots(_) => has("roots", Value::is_array),
        // The type is open: what is not known is no fixture of ours.
        InputRequest::CreateMessage(_) | _ => has("content", Value::is_object),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The keys of what is asked for, and the state to bring back.
    type Missing = (Vec<String>, Option<String>);

    /// What is asked for next.
    fn next(name: &str, seal: &Seal, responses: &Value, state: Option<&str>) -> Result<Option<Missing>, ErrorData> {
        let fixtures = Fixtures::built_in().unwrap();
        let responses: InputResponses = serde_json::from_value(responses.clone()).unwrap();
        let missing = ask(&fixtures, &fixtures.rounds[name], Some(&responses), seal, state)?;
        Ok(missing.map(|missing| {
            (missing.input_requests.unwrap_or_default().into_keys().collect(), missing.request_state)
        }))
    }

    #[test]
    fn rounds_come_one_after_the_other() {
        let (seal, accepted) = (Seal::default(), json!({"action": "accept", "content": {}}));
        let name = "test_input_required_result_multi_round";
        let (keys, first) = next(name, &seal, &json!({}), None).unwrap().unwrap();
        assert_eq!(keys, ["step1"]);
        let (keys, second) = next(name, &seal, &json!({"step1": accepted}), first.as_deref()).unwrap().unwrap();
        assert_eq!(keys, ["step2"]);
        assert_ne!(first, second);
        assert!(next(name, &seal, &json!({"step2": accepted}), second.as_deref()).unwrap().is_none());
    }

    #[test]
    fn what_does_not_answer_is_asked_for_again() {
        let name = "test_input_required_result_elicitation";
        for response in [json!(1), json!({}), json!({"action": "decline"}), json!({"action": "accept"})] {
            let asked = next(name, &Seal::default(), &json!({"user_name": response}), None).unwrap();
            assert_eq!(asked.unwrap().0, ["user_name"], "{response}");
        }
    }

    #[test]
    fn a_state_of_somebody_elses_making_is_refused() {
        let (seal, name) = (Seal::default(), "test_input_required_result_tampered_state");
        let (_, state) = next(name, &seal, &json!({}), None).unwrap().unwrap();
        let state = state.unwrap();
        for forged in [String::new(), "0".into(), "1.0".into(), format!("{state}0"), Seal::default().close(0)] {
            assert!(next(name, &seal, &json!({}), Some(&forged)).is_err(), "{forged}");
        }
        assert!(next(name, &seal, &json!({}), Some(&state)).is_ok());
    }
}
