//! Completion of the prompts' argument and of the resource template's variable.

use rmcp::{
    ErrorData,
    model::{CompleteRequestParams, CompletionInfo},
};

use crate::{calls::CallsLog, document::Document, prompts::AUDIENCE, resources::TEMPLATE};

const AUDIENCES: [&str; 5] = ["board", "customers", "employees", "investors", "press"];

/// Answers `completion/complete`.
pub(crate) fn complete(calls: &CallsLog, request: &CompleteRequestParams) -> Result<CompletionInfo, ErrorData> {
    let (reference, candidates) = candidates(request)?;
    calls.record("completion", reference)?;
    let values = candidates
        .into_iter()
        .filter(|candidate| candidate.starts_with(&request.argument.value))
        .map(str::to_owned)
        .collect();
    CompletionInfo::with_all_values(values).map_err(|error| ErrorData::internal_error(error, None))
}

/// The reference's name, and everything its argument could be.
fn candidates(request: &CompleteRequestParams) -> Result<(&str, Vec<&'static str>), ErrorData> {
    let argument = request.argument.name.as_str();
    if let Some(prompt) = request.r#ref.as_prompt_name() {
        return match (Document::find(prompt, Document::prompt), argument) {
            (Some(_), AUDIENCE) => Ok((prompt, AUDIENCES.to_vec())),
            (Some(_), _) => Err(unknown("argument", argument)),
            (None, _) => Err(unknown("prompt", prompt)),
        };
    }
    match (request.r#ref.as_resource_uri(), argument) {
        (Some(TEMPLATE), "name") => Ok((TEMPLATE, vec![Document::Confidential.name(), Document::Public.name()])),
        (Some(TEMPLATE), _) => Err(unknown("argument", argument)),
        (Some(uri), _) => Err(unknown("resource template", uri)),
        (None, _) => Err(ErrorData::invalid_params("Unknown kind of reference", None)),
    }
}

fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("Unknown {what}: {name}"), None)
}
