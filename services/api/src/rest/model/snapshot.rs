//! Snapshots of applications, and those of the account.

use millrace_api_spec::wire::S3PrefixLocation;
use millrace_domain as domain;
use millrace_domain::enhanced::{self, EnhancedRequest, EnhancedSnapshot};
use millrace_domain::transfer::S3Prefix;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::words::{
    OperationStatus, SnapshotInitiator, SnapshotInitiatorOperation, SnapshotOperationName,
    SnapshotStatus, of_domain,
};
use super::{Tags, time};
use crate::calls::Changed;
use crate::transfers;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateApplicationSnapshot {
    #[schema(min_length = 1, max_length = 256, pattern = "^[a-zA-Z0-9_.-]+$")]
    pub name: String,
}

/// A named copy of a job's state, which goes with its application.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSnapshot {
    pub name: String,
    pub status: SnapshotStatus,
    /// The version whose job it was taken from.
    pub version_id: u64,
    pub runtime_environment: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Taken by the service within a stop, an update or a rollback.
    pub automatic: bool,
}

/// Snapshots, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSnapshotList {
    pub snapshots: Vec<ApplicationSnapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApplicationSnapshot {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    pub name: String,
    pub status: SnapshotStatus,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSnapshot {
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-zA-Z0-9_.-]+$")]
    pub application_name: String,
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-zA-Z0-9_.-]+$")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
}

/// A snapshot of the account, which outlives its application.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub name: String,
    pub arn: String,
    pub status: SnapshotStatus,
    pub description: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    pub initiator: SnapshotInitiator,
    pub initiator_operation: String,
    pub source: SnapshotSource,
    /// Of all its files, once they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    pub tags: Tags,
}

/// The application that it was taken from, as it was then, or where it was imported from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub application_created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<S3Place>,
}

/// A prefix of keys in a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Place {
    #[schema(min_length = 1, max_length = 2048, pattern = "^arn:.*")]
    pub bucket_arn: String,
    #[schema(min_length = 1, max_length = 200)]
    pub prefix: String,
}

/// Where to copy a snapshot to: an own prefix is appended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportSnapshot {
    pub to: S3Place,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportSnapshot {
    #[schema(min_length = 1, max_length = 100, pattern = "^[a-zA-Z0-9_.-]+$")]
    pub name: String,
    /// What an export has written: its whole prefix.
    pub from: S3Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
}

/// Snapshots of the account, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotList {
    pub snapshots: Vec<Snapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedSnapshot {
    pub operation_id: String,
    pub snapshot: Snapshot,
}

/// One thing done to a snapshot; kept for 90 days, also when the snapshot is gone.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotOperation {
    pub id: String,
    pub operation: String,
    pub status: OperationStatus,
    #[schema(format = DateTime)]
    pub started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The application whose operation it was part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_operation_id: Option<String>,
    /// Where an import comes from or an export goes, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<S3Place>,
    /// The whole prefix of an export that has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exported_prefix: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotOperationList {
    pub operations: Vec<SnapshotOperation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Which snapshots: by one filter at most.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SnapshotsQuery {
    /// How many at most; 50 when left out.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
    /// Of the answer before.
    #[param(pattern = "^[0-9]{1,18}$")]
    pub next_token: Option<String>,
    /// Only those taken from this application.
    #[param(min_length = 1, max_length = 128, pattern = "^[a-zA-Z0-9_.-]+$")]
    pub application_name: Option<String>,
    pub initiator: Option<SnapshotInitiator>,
    /// Only those made by this operation.
    pub operation: Option<SnapshotInitiatorOperation>,
    pub status: Option<SnapshotStatus>,
}

/// Which operations of a snapshot: by one filter at most.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SnapshotOperationsQuery {
    /// How many at most; 50 when left out.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
    /// Of the answer before.
    #[param(pattern = "^[0-9]{1,18}$")]
    pub next_token: Option<String>,
    pub operation: Option<SnapshotOperationName>,
    pub status: Option<OperationStatus>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SnapshotDeletion {
    /// When it was made: refuses to delete another of the same name.
    #[param(format = DateTime)]
    pub created_at: Option<String>,
}

impl ApplicationSnapshot {
    pub fn of(snapshot: &domain::Snapshot) -> ApplicationSnapshot {
        ApplicationSnapshot {
            name: snapshot.name.to_string(),
            status: of_domain(snapshot.status.name()),
            version_id: snapshot.version.0,
            runtime_environment: snapshot.runtime_environment.clone(),
            created_at: time(snapshot.created_at),
            automatic: snapshot.automatic,
        }
    }
}

impl CreatedApplicationSnapshot {
    pub fn of(changed: &Changed<'_>, name: &str) -> CreatedApplicationSnapshot {
        CreatedApplicationSnapshot {
            operation_id: changed.operation.map(ToString::to_string),
            name: name.to_owned(),
            status: SnapshotStatus::Creating,
        }
    }
}

impl Snapshot {
    pub fn of(snapshot: &EnhancedSnapshot) -> Snapshot {
        Snapshot {
            name: snapshot.name.to_string(),
            arn: snapshot.arn(),
            status: of_domain(snapshot.status.name()),
            description: snapshot.description.clone(),
            created_at: time(snapshot.created_at),
            initiator: of_domain(snapshot.initiator.initiator()),
            initiator_operation: snapshot.initiator.name().to_owned(),
            source: SnapshotSource::of(&snapshot.source),
            size_bytes: snapshot.size_bytes,
            tags: Tags(snapshot.tags.clone()),
        }
    }
}

impl SnapshotSource {
    fn of(source: &enhanced::SnapshotSource) -> SnapshotSource {
        match source {
            enhanced::SnapshotSource::Application(source) => SnapshotSource {
                application_name: Some(source.name.to_string()),
                application_created_at: Some(time(source.created_at)),
                version_id: Some(source.version.0),
                runtime_environment: Some(source.runtime_environment.clone()),
                imported_from: None,
            },
            enhanced::SnapshotSource::Import(source) => SnapshotSource {
                imported_from: Some(S3Place::of(&source.from)),
                ..SnapshotSource::default()
            },
        }
    }
}

impl S3Place {
    fn of(place: &S3Prefix) -> S3Place {
        S3Place { bucket_arn: transfers::bucket_arn(place), prefix: place.prefix.clone() }
    }

    pub fn into_wire(self) -> S3PrefixLocation {
        S3PrefixLocation { bucket_arn: self.bucket_arn, key_prefix: self.prefix }
    }
}

impl ChangedSnapshot {
    pub fn of(request: &EnhancedRequest) -> ChangedSnapshot {
        ChangedSnapshot {
            operation_id: request.operation.id.to_string(),
            snapshot: Snapshot::of(&request.snapshot),
        }
    }
}

impl SnapshotOperation {
    pub fn of(operation: &domain::enhanced::SnapshotOperation) -> SnapshotOperation {
        let part_of = operation.application.as_ref();
        SnapshotOperation {
            id: operation.id.to_string(),
            operation: operation.kind.name().to_owned(),
            status: of_domain(operation.status.name()),
            started_at: time(operation.started_at),
            ended_at: operation.ended_at.map(time),
            failure: operation.failure.clone(),
            application_name: part_of.map(|(name, _)| name.to_string()),
            application_operation_id: part_of.map(|(_, id)| id.to_string()),
            place: operation.place.as_ref().map(S3Place::of),
            exported_prefix: operation.exported().map(|place| place.prefix),
        }
    }
}
