//! The prompts: one about each document.

use rmcp::{
    ErrorData,
    model::{
        ContentBlock, GetPromptRequestParams, GetPromptResult, Prompt, PromptArgument, PromptMessage,
        ResourceContents, Role,
    },
};

use crate::{
    calls::CallsLog,
    document::{Document, Library},
    resources::MARKDOWN,
};

/// The name of the prompts' one argument.
pub(crate) const AUDIENCE: &str = "audience";

/// All prompts, with `extra` at the end.
pub(crate) fn list(extra: &[String]) -> Vec<Prompt> {
    let added = extra.iter().map(|name| Prompt::new(name, Some("Says its name"), None));
    Document::ALL.into_iter().map(prompt).chain(added).collect()
}

/// Answers `prompts/get` for a prompt that was added.
pub(crate) fn get_extra(calls: &CallsLog, name: &str) -> Result<GetPromptResult, ErrorData> {
    calls.record("prompt", name)?;
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, name)]))
}

fn prompt(document: Document) -> Prompt {
    let audience = PromptArgument::new(AUDIENCE)
        .with_title("Audience")
        .with_description("Who the summary is for")
        .with_required(false);
    let description = format!("Asks for a summary of the {} document", document.name());
    Prompt::new(document.prompt(), Some(description), Some(vec![audience]))
        .with_title(format!("Summarize: {}", document.title()))
}

/// Answers `prompts/get`.
pub(crate) async fn get(
    calls: &CallsLog,
    library: &Library,
    request: &GetPromptRequestParams,
) -> Result<GetPromptResult, ErrorData> {
    let Some(document) = Document::find(&request.name, Document::prompt) else {
        return Err(ErrorData::invalid_params(format!("Unknown prompt: {}", request.name), None));
    };
    let audience = audience(request)?;
    calls.record("prompt", document.prompt())?;
    let text = library
        .read(document)
        .await
        .map_err(|error| ErrorData::internal_error(format!("cannot read the document: {error}"), None))?;
    let contents = ResourceContents::text(text, document.uri()).with_mime_type(MARKDOWN);
    Ok(GetPromptResult::new(vec![
        PromptMessage::new_text(Role::User, format!("Summarize this document for {audience}.")),
        PromptMessage::new(Role::User, ContentBlock::resource(contents)),
    ])
    .with_description(document.title()))
}

fn audience(request: &GetPromptRequestParams) -> Result<&str, ErrorData> {
    let Some(value) = request.arguments.as_ref().and_then(|arguments| arguments.get(AUDIENCE)) else {
        return Ok("a general audience");
    };
    value.as_str().ok_or_else(|| ErrorData::invalid_params(format!("Argument {AUDIENCE} must be a string"), None))
}
