//! Typed ids. A value of such a type has passed its check.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds: what clients compare creation times by (AWS: truncated).
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// A text that is not of the id's form. `Display` names the form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} must match {pattern} and have {min} to {max} characters")]
pub struct InvalidId {
    pub kind: &'static str,
    pub text: String,
    pub pattern: &'static str,
    pub min: usize,
    pub max: usize,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $pattern:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// The text is not of this id's form.
            pub fn new(text: impl Into<String>) -> Result<$name, InvalidId> {
                let text = text.into();
                let allowed: fn(char) -> bool = $allowed;
                if (1..=$max).contains(&text.chars().count()) && text.chars().all(allowed) {
                    return Ok($name(text));
                }
                Err(InvalidId { kind: $kind, text, pattern: $pattern, min: 1, max: $max })
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

text_id!(
    /// AWS: `ApplicationName`. Unique in an account and Region.
    ApplicationName, "ApplicationName", 128, "[a-zA-Z0-9_.-]+", name_character
);
text_id!(
    /// AWS: `SnapshotName`. Unique in an application.
    SnapshotName, "SnapshotName", 256, "[a-zA-Z0-9_.-]+", name_character
);
text_id!(
    /// AWS: `SnapshotV2Name`. Unique in an account and Region.
    EnhancedSnapshotName, "SnapshotName", 100, "[a-zA-Z0-9_.-]+", name_character
);
text_id!(
    /// AWS: `OperationId`.
    OperationId, "OperationId", 64, "[a-zA-Z0-9_.-]+", name_character
);
text_id!(
    /// Our own key of an application: never reused, also after a delete and a create
    /// under the same name. Names its directories and objects.
    ApplicationId, "ApplicationId", 64, "[a-zA-Z0-9-]+", |c| c.is_ascii_alphanumeric() || c == '-'
);
text_id!(
    /// Names one content of application code in the artifact store: the SHA-256 of its bytes.
    ArtifactId, "ArtifactId", 64, "[0-9a-f]+", |c| c.is_ascii_digit() || ('a'..='f').contains(&c)
);

/// AWS: `ApplicationVersionId`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(pub u64);

/// Counts the starts of an application's job, from 1; a greater one fences a smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// Counts the stored changes of one application: the compare-and-set value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
