//! The two company documents and everything that is named after them.

use std::{io, path::PathBuf};

/// One of the sample company's documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// What anyone may read.
    Public,
    /// What the gateway is there to protect.
    Confidential,
}

impl Document {
    /// Both documents, in the order in which every list names them.
    pub(crate) const ALL: [Self; 2] = [Self::Public, Self::Confidential];

    /// Finds the document whose name in `field` is `name`.
    pub(crate) fn find(name: &str, field: fn(Self) -> &'static str) -> Option<Self> {
        Self::ALL.into_iter().find(|document| field(*document) == name)
    }

    /// The value of the resource template's variable.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Confidential => "confidential",
        }
    }

    /// The title that people see.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Public => "Public company information",
            Self::Confidential => "Confidential strategy document",
        }
    }

    /// The name of the tool that returns the document.
    pub(crate) fn tool(self) -> &'static str {
        match self {
            Self::Public => "get_public_info",
            Self::Confidential => "get_confidential_info",
        }
    }

    /// The name of the prompt about the document.
    pub(crate) fn prompt(self) -> &'static str {
        match self {
            Self::Public => "summarize_public",
            Self::Confidential => "summarize_confidential",
        }
    }

    /// The URI of the resource that is the document.
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Public => "docs://acme/public",
            Self::Confidential => "docs://acme/confidential",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Public => "public.md",
            Self::Confidential => "confidential.md",
        }
    }

    fn built_in(self) -> &'static str {
        match self {
            Self::Public => include_str!("../../documents/public.md"),
            Self::Confidential => include_str!("../../documents/confidential.md"),
        }
    }
}

/// Where the documents' texts come from.
#[derive(Debug)]
pub(crate) struct Library {
    directory: Option<PathBuf>,
}

impl Library {
    /// Reads from `directory`, or from the built-in copies if there is none.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// Reads the document's text as it is now.
    pub(crate) async fn read(&self, document: Document) -> io::Result<String> {
        let Some(directory) = &self.directory else {
            return Ok(document.built_in().to_owned());
        };
        let file = directory.join(document.file());
        tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await.map_err(io::Error::other)?
    }
}
