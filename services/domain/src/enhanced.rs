//! Enhanced snapshots: resources of the account, which outlive their application.
//!
//! A snapshot is taken by an operation of its application, and deleted by itself. What is
//! done to it is recorded in snapshot operations, kept under its name also when it is gone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{
    ApplicationId, ApplicationName, EnhancedSnapshotName, OperationId, Timestamp, VersionId,
};
use crate::operation::OperationStatus;
use crate::reject::Reject;
use crate::snapshot::SnapshotStatus;
use crate::transfer::S3Prefix;

/// AWS: snapshot operations are listed for 90 days.
pub const OPERATIONS_KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// AWS: names that begin so, in any case, are the service's own.
const RESERVED: &str = "SYSTEMSNAPSHOT";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnhancedSnapshot {
    pub account: String,
    pub region: String,
    /// Unique in the account and Region, also while FAILED.
    pub name: EnhancedSnapshotName,
    pub description: String,
    pub status: SnapshotStatus,
    pub created_at: Timestamp,
    /// AWS: `SnapshotInitiatorOperation`.
    pub initiator: SnapshotOperationKind,
    pub source: SnapshotSource,
    /// Where its manifest is, once READY: what the engine restores from.
    pub location: Option<String>,
    /// Of all its files; `None` until they were measured.
    pub size_bytes: Option<u64>,
    pub tags: BTreeMap<String, String>,
}

/// Where it comes from. Stored without a tag, as the application alone was at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SnapshotSource {
    Application(SourceApplication),
    Import(ImportSource),
}

/// The application it was taken from, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceApplication {
    pub application: ApplicationId,
    pub name: ApplicationName,
    pub created_at: Timestamp,
    pub version: VersionId,
    pub runtime_environment: String,
}

/// What was read when it was imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSource {
    /// Under whose name its files are: that of no application, and of no other import.
    pub holder: ApplicationId,
    pub from: S3Prefix,
}

impl SnapshotSource {
    /// Under whose name the files are.
    pub fn holder(&self) -> &ApplicationId {
        match self {
            SnapshotSource::Application(source) => &source.application,
            SnapshotSource::Import(source) => &source.holder,
        }
    }

    pub fn application(&self) -> Option<&SourceApplication> {
        match self {
            SnapshotSource::Application(source) => Some(source),
            SnapshotSource::Import(_) => None,
        }
    }

    pub fn import(&self) -> Option<&ImportSource> {
        match self {
            SnapshotSource::Application(_) => None,
            SnapshotSource::Import(source) => Some(source),
        }
    }
}

/// AWS: `SnapshotOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SnapshotOperationKind {
    CreateSnapshot,
    DeleteSnapshot,
    /// Copied from S3.
    ImportSnapshot,
    /// Copied to S3.
    ExportSnapshot,
    /// Taken by the service within a stop, an update or a rollback.
    SystemCreateSnapshot,
}

impl SnapshotOperationKind {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            SnapshotOperationKind::CreateSnapshot => "CreateSnapshot",
            SnapshotOperationKind::DeleteSnapshot => "DeleteSnapshot",
            SnapshotOperationKind::ImportSnapshot => "ImportSnapshot",
            SnapshotOperationKind::ExportSnapshot => "ExportSnapshot",
            SnapshotOperationKind::SystemCreateSnapshot => "SystemCreateSnapshot",
        }
    }

    /// AWS: `SnapshotInitiator`.
    pub fn initiator(self) -> &'static str {
        match self {
            SnapshotOperationKind::SystemCreateSnapshot => "SYSTEM",
            _ => "USER",
        }
    }
}

/// One thing done to a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotOperation {
    pub id: OperationId,
    pub account: String,
    pub region: String,
    pub snapshot: EnhancedSnapshotName,
    pub kind: SnapshotOperationKind,
    pub status: OperationStatus,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Why it FAILED.
    pub failure: Option<String>,
    /// The application whose operation it was part of, and that operation.
    pub application: Option<(ApplicationName, OperationId)>,
    /// Where an export goes or an import comes from, as the call said.
    pub place: Option<S3Prefix>,
}

/// What CreateSnapshot leaves with the application's operation, for its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnhancedRequest {
    pub snapshot: EnhancedSnapshot,
    pub operation: SnapshotOperation,
}

impl EnhancedSnapshot {
    /// AWS: `arn:aws:kinesisanalytics:REGION:ACCOUNT:snapshot/NAME`.
    pub fn arn(&self) -> String {
        arn(&self.region, &self.account, &self.name)
    }

    /// The snapshot DELETING, with the operation that says so.
    ///
    /// # Errors
    /// The creation time is another's, or it is neither READY nor FAILED.
    pub fn delete(
        &self,
        created_at: Timestamp,
        id: OperationId,
        now: Timestamp,
    ) -> Result<EnhancedRequest, Reject> {
        if created_at.seconds() != self.created_at.seconds() {
            let of = format!("snapshot {}", self.name);
            return Err(Reject::CreationTime { member: "SnapshotCreationTimestamp", of });
        }
        if !matches!(self.status, SnapshotStatus::Ready | SnapshotStatus::Failed) {
            return Err(Reject::EnhancedStatus {
                name: self.name.clone(),
                status: self.status.name(),
                next: "only a READY or FAILED snapshot can be deleted",
            });
        }
        let snapshot = EnhancedSnapshot { status: SnapshotStatus::Deleting, ..self.clone() };
        let kind = SnapshotOperationKind::DeleteSnapshot;
        Ok(EnhancedRequest { operation: begun(&snapshot, kind, id, None, now), snapshot })
    }
}

impl SnapshotOperation {
    pub fn arn(&self) -> String {
        arn(&self.region, &self.account, &self.snapshot)
    }

    /// The operation at its end.
    pub fn ended(self, failure: Option<String>, now: Timestamp) -> SnapshotOperation {
        let status = match failure {
            None => OperationStatus::Successful,
            Some(_) => OperationStatus::Failed,
        };
        SnapshotOperation { status, failure, ended_at: Some(now), ..self }
    }
}

impl EnhancedRequest {
    /// The snapshot as it came out, with its operation's end.
    pub fn settled(&self, outcome: Result<String, String>, now: Timestamp) -> EnhancedRequest {
        let (status, location, failure) = match outcome {
            Ok(location) => (SnapshotStatus::Ready, Some(location), None),
            Err(cause) => (SnapshotStatus::Failed, None, Some(cause)),
        };
        EnhancedRequest {
            snapshot: EnhancedSnapshot { status, location, ..self.snapshot.clone() },
            operation: self.operation.clone().ended(failure, now),
        }
    }

    /// Of this size.
    pub fn sized(mut self, bytes: u64) -> EnhancedRequest {
        self.snapshot.size_bytes = Some(bytes);
        self
    }
}

/// An operation that begins.
pub fn begun(
    snapshot: &EnhancedSnapshot,
    kind: SnapshotOperationKind,
    id: OperationId,
    application: Option<(ApplicationName, OperationId)>,
    now: Timestamp,
) -> SnapshotOperation {
    SnapshotOperation {
        id,
        account: snapshot.account.clone(),
        region: snapshot.region.clone(),
        snapshot: snapshot.name.clone(),
        kind,
        status: OperationStatus::InProgress,
        started_at: now,
        ended_at: None,
        failure: None,
        application,
        place: None,
    }
}

/// # Errors
/// The name is the service's own.
pub fn check_name(name: &EnhancedSnapshotName) -> Result<(), Reject> {
    let start = name.as_str().get(..RESERVED.len()).unwrap_or_default();
    if start.eq_ignore_ascii_case(RESERVED) {
        let problem = format!("names that begin with {RESERVED} are reserved: choose another");
        return Err(Reject::Invalid { member: "SnapshotName", problem });
    }
    Ok(())
}

/// The name of the snapshot that the service takes within an operation.
pub fn system_name(operation: &OperationId) -> EnhancedSnapshotName {
    EnhancedSnapshotName::new(format!("{RESERVED}-{operation}"))
        .expect("14 + 1 + 64 characters of an operation id")
}

fn arn(region: &str, account: &str, name: &EnhancedSnapshotName) -> String {
    format!("arn:aws:kinesisanalytics:{region}:{account}:snapshot/{name}")
}
