//! Why a record could not be read or written.

/// A record that does not fit its table. `Display` says which column and why, and
/// holds nothing of the record itself, since errors end in logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FormatError {
    pub message: String,
}

impl FormatError {
    pub fn new(message: impl Into<String>) -> FormatError {
        FormatError { message: message.into() }
    }
}
