//! The record of what was executed, by which a test proves that a forbidden operation never ran.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

use rmcp::ErrorData;

/// A file with one line for each executed operation, or nothing at all.
#[derive(Debug)]
pub(crate) struct CallsLog {
    file: Option<Mutex<File>>,
}

impl CallsLog {
    /// Opens `path` for appending; without a path nothing is recorded.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self { file: None });
        };
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Some(Mutex::new(file)) })
    }

    /// Records that the operation `kind` on `name` runs now.
    ///
    /// An operation that cannot be recorded must not run, or the record would prove nothing.
    pub(crate) fn record(&self, kind: &str, name: &str) -> Result<(), ErrorData> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // One write per line, so that lines of concurrent servers on one file do not mix.
        file.write_all(format!("{kind} {name}\n").as_bytes())
            .and_then(|()| file.flush())
            .map_err(|error| ErrorData::internal_error(format!("cannot write the calls log: {error}"), None))
    }
}
