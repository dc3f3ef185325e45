//! An operation: a durable record that tells the truth.

use serde::{Deserialize, Serialize};

use crate::configuration::RunConfiguration;
use crate::ids::{ApplicationId, OperationId, Timestamp, VersionId};

/// AWS leaves `Operation` a free string of 1 to 64 characters; these are ours, named
/// as the call that begins them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum OperationKind {
    StartApplication,
    StopApplication,
    UpdateApplication,
    RollbackApplication,
    /// Begun by the service when an update failed and rollback is enabled.
    SystemRollback,
    CreateApplicationSnapshot,
    /// An enhanced snapshot.
    CreateSnapshot,
    DeleteApplication,
    /// Begun by the service: the same version at another parallelism.
    Autoscaling,
    /// Begun by the service: the same version on the installed release of its engine.
    Maintenance,
    // Of these each is SUCCESSFUL at once.
    AddApplicationVpcConfiguration,
    DeleteApplicationVpcConfiguration,
    AddApplicationCloudWatchLoggingOption,
    DeleteApplicationCloudWatchLoggingOption,
}

impl OperationKind {
    pub const ALL: [OperationKind; 14] = [
        OperationKind::StartApplication,
        OperationKind::StopApplication,
        OperationKind::UpdateApplication,
        OperationKind::RollbackApplication,
        OperationKind::SystemRollback,
        OperationKind::CreateApplicationSnapshot,
        OperationKind::CreateSnapshot,
        OperationKind::DeleteApplication,
        OperationKind::Autoscaling,
        OperationKind::Maintenance,
        OperationKind::AddApplicationVpcConfiguration,
        OperationKind::DeleteApplicationVpcConfiguration,
        OperationKind::AddApplicationCloudWatchLoggingOption,
        OperationKind::DeleteApplicationCloudWatchLoggingOption,
    ];

    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            OperationKind::StartApplication => "StartApplication",
            OperationKind::StopApplication => "StopApplication",
            OperationKind::UpdateApplication => "UpdateApplication",
            OperationKind::RollbackApplication => "RollbackApplication",
            OperationKind::SystemRollback => "SystemRollback",
            OperationKind::CreateApplicationSnapshot => "CreateApplicationSnapshot",
            OperationKind::CreateSnapshot => "CreateSnapshot",
            OperationKind::DeleteApplication => "DeleteApplication",
            OperationKind::Autoscaling => "Autoscaling",
            OperationKind::Maintenance => "Maintenance",
            OperationKind::AddApplicationVpcConfiguration => "AddApplicationVpcConfiguration",
            OperationKind::DeleteApplicationVpcConfiguration => "DeleteApplicationVpcConfiguration",
            OperationKind::AddApplicationCloudWatchLoggingOption => {
                "AddApplicationCloudWatchLoggingOption"
            }
            OperationKind::DeleteApplicationCloudWatchLoggingOption => {
                "DeleteApplicationCloudWatchLoggingOption"
            }
        }
    }
}

/// AWS: `OperationStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationStatus {
    InProgress,
    Cancelled,
    Successful,
    Failed,
}

impl OperationStatus {
    pub const ALL: [OperationStatus; 4] = [
        OperationStatus::InProgress,
        OperationStatus::Cancelled,
        OperationStatus::Successful,
        OperationStatus::Failed,
    ];

    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            OperationStatus::InProgress => "IN_PROGRESS",
            OperationStatus::Cancelled => "CANCELLED",
            OperationStatus::Successful => "SUCCESSFUL",
            OperationStatus::Failed => "FAILED",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub application: ApplicationId,
    pub id: OperationId,
    pub kind: OperationKind,
    pub status: OperationStatus,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// The version before, and the one that the operation leads to.
    pub from_version: VersionId,
    pub to_version: VersionId,
    /// What the call asked for.
    pub request: OperationRequest,
    pub failure: Option<Failure>,
    /// What the controller has seen and done so far, as `lifecycle` defines it.
    pub evidence: serde_json::Value,
}

/// Arguments of the call that the steps need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationRequest {
    /// Start, and the start half of an update: how to restore.
    pub run: Option<RunConfiguration>,
    /// StopApplication with Force, or a force-stop that replaced another operation.
    pub force: bool,
    /// CreateApplicationSnapshot: the name.
    pub snapshot: Option<crate::ids::SnapshotName>,
    /// CreateSnapshot: what to write when it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhanced: Option<Box<crate::enhanced::EnhancedRequest>>,
    /// Autoscaling and Maintenance: at which parallelism the job shall run; `None`: at that
    /// of its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// Why the service began it: what was measured, and what it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// AWS: `OperationFailureDetails`. The first sentence is the cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Shown cut to 512 characters.
    pub message: String,
    pub rollback_operation: Option<OperationId>,
}
