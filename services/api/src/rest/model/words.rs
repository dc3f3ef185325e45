//! Enumerations, by the words that AWS has for them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($word:ident),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        #[allow(clippy::enum_variant_names, reason = "the words are AWS's")]
        pub enum $name { $($word),* }
    )*};
}

words! {
    ApplicationStatus {
        Ready, Starting, Running, Updating, Stopping, ForceStopping, RollingBack, RolledBack,
        Autoscaling, Maintenance, Deleting,
    }
    OperationStatus { InProgress, Cancelled, Successful, Failed }
    SnapshotStatus { Creating, Ready, Deleting, Failed }
    /// `DEFAULT` puts the defaults in place of the values.
    ConfigurationType { Default, Custom }
    MetricsLevel { Application, Task, Operator, Parallelism }
    LogLevel { Info, Warn, Error, Debug }
    /// Which kind of snapshots: of the application, or of the account.
    SnapshotMode { ApplicationSnapshotsLegacy, EnhancedSnapshots }
    /// `PLAINTEXT` is a script, `ZIPFILE` a zip with `main.sql`.
    ContentType { Plaintext, Zipfile }
    RestoreType { SkipRestoreFromSnapshot, RestoreFromLatestSnapshot, RestoreFromCustomSnapshot }
    SnapshotInitiator { User, System }
    ScalingRuleName { Cpu, Rate }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum EventKind {
    ApplicationCreated,
    StatusChanged,
    VersionChanged,
    OperationBegan,
    OperationEnded,
    JobStarted,
    JobStopped,
    SnapshotChanged,
    ScalingHeld,
    TroubleBegan,
    TroubleEnded,
}

/// What is done to a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(clippy::enum_variant_names, reason = "the words are AWS's")]
pub enum SnapshotOperationName {
    CreateSnapshot,
    DeleteSnapshot,
    ImportSnapshot,
    ExportSnapshot,
    SystemCreateSnapshot,
}

/// What a snapshot comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(clippy::enum_variant_names, reason = "the words are AWS's")]
pub enum SnapshotInitiatorOperation {
    CreateSnapshot,
    ImportSnapshot,
    SystemCreateSnapshot,
}

/// What runs the job. `auto` chooses by the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Auto,
    Embedded,
    Flink,
}

/// The word as text.
pub fn text<T: Serialize>(word: &T) -> String {
    match serde_json::to_value(word) {
        Ok(Value::String(text)) => text,
        _ => unreachable!("these enumerations are words"),
    }
}

/// The word of this text.
pub fn named<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(Value::String(text.to_owned())).ok()
}

/// A word of the domain's.
pub fn of_domain<T: DeserializeOwned>(name: &'static str) -> T {
    named(name).expect("a test compares these words with the domain's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_domains() {
        for status in millrace_domain::Status::ALL {
            assert_eq!(text(&of_domain::<ApplicationStatus>(status.name())), status.name());
        }
        for status in millrace_domain::OperationStatus::ALL {
            assert_eq!(text(&of_domain::<OperationStatus>(status.name())), status.name());
        }
        for kind in millrace_domain::event::EventKind::ALL {
            assert_eq!(text(&of_domain::<EventKind>(kind.name())), kind.name());
        }
        for name in ["CREATING", "READY", "DELETING", "FAILED"] {
            assert!(millrace_domain::SnapshotStatus::named(name).is_some());
            assert_eq!(text(&of_domain::<SnapshotStatus>(name)), name);
        }
        assert_eq!(text(&of_domain::<SnapshotMode>("ENHANCED_SNAPSHOTS")), "ENHANCED_SNAPSHOTS");
        assert_eq!(text(&Engine::Embedded), "embedded");
    }
}
