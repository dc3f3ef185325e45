//! What can go wrong between the engine and its snapshots.

use millrace_dataflow::{Generation, RuntimeLevel};

use crate::pages::PageError;

/// A caller may act differently on each: fenced engines end, damaged snapshots
/// are refused, store errors are tried again.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another engine of the same application has written the log since.
    #[error(
        "generation {generation} is fenced: {by}; this engine stops without committing anything more"
    )]
    Fenced { generation: Generation, by: String },
    /// The start comes too late: a newer one has claimed the application.
    #[error(
        "generation {generation} cannot start: generation {newer} has claimed the application; start with a greater generation"
    )]
    Superseded { generation: Generation, newer: Generation },
    #[error("snapshot is damaged: {file}: {reason}; restore another snapshot or start without one")]
    Damaged { file: String, reason: String },
    #[error("there is no snapshot at {location}: it has no readable _metadata file")]
    NoSnapshot { location: String },
    #[error(
        "snapshot {location} has format {format} of runtime {written_by}, and runtime {level} reads formats up to {readable}; start with runtime {written_by} or later, or take a savepoint in the format of {level} first"
    )]
    FormatTooNew {
        location: String,
        format: u32,
        written_by: String,
        level: RuntimeLevel,
        readable: u32,
    },
    /// It must not be removed.
    #[error("{location} is not removed: {reason}")]
    Kept { location: String, reason: String },
    #[error("{location:?} is no location of snapshots: {reason}")]
    BadLocation { location: String, reason: String },
    /// A run that a snapshot refers to, or one that goes into it.
    #[error(transparent)]
    Pages(#[from] PageError),
    #[error("{doing}")]
    Store {
        doing: String,
        #[source]
        source: object_store::Error,
    },
}

impl StateError {
    pub(crate) fn damaged(file: impl Into<String>, reason: impl Into<String>) -> StateError {
        StateError::Damaged { file: file.into(), reason: reason.into() }
    }

    /// Whether this engine must end because another has taken its place.
    pub fn is_fenced(&self) -> bool {
        matches!(self, StateError::Fenced { .. } | StateError::Superseded { .. })
    }
}

/// The error with its causes in one line, outermost first.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
