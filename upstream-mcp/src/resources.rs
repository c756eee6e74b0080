//! The documents as resources.

use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::json;

use crate::{
    calls::CallsLog,
    document::{Document, Library},
};

/// The media type of the documents.
pub(crate) const MARKDOWN: &str = "text/markdown";

/// The URI template of the documents.
pub(crate) const TEMPLATE: &str = "docs://acme/{name}";

/// All resources, with `extra` at the end.
pub(crate) fn list(extra: &[String]) -> Vec<Resource> {
    let added = extra.iter().map(|uri| Resource::new(uri, uri).with_description("Contains its URI"));
    Document::ALL
        .into_iter()
        .map(|document| {
            Resource::new(document.uri(), document.name())
                .with_title(document.title())
                .with_description(format!("The sample company's {} document", document.name()))
                .with_mime_type(MARKDOWN)
        })
        .chain(added)
        .collect()
}

/// Answers `resources/read` for a resource that was added.
pub(crate) fn read_extra(calls: &CallsLog, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    calls.record("resource", uri)?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(uri, uri)]))
}

/// All resource templates.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(TEMPLATE, "document")
            .with_title("Company document")
            .with_description("A document of the sample company, by name")
            .with_mime_type(MARKDOWN),
    ]
}

/// Answers `resources/read`.
pub(crate) async fn read(calls: &CallsLog, library: &Library, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let document = find(uri)?;
    calls.record("resource", document.uri())?;
    let text = library
        .read(document)
        .await
        .map_err(|error| ErrorData::internal_error(format!("cannot read the document: {error}"), None))?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, document.uri()).with_mime_type(MARKDOWN)]))
}

/// Finds the document that `uri` names, byte for byte.
pub(crate) fn find(uri: &str) -> Result<Document, ErrorData> {
    // The SDK turns this code into -32602 for 2026-07-28, which has no other.
    Document::find(uri, Document::uri)
        .ok_or_else(|| ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri }))))
}
