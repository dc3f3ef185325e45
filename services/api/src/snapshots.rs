//! Enhanced snapshots: what their operations share.

use millrace_api_spec::ErrorCode;
use std::collections::BTreeMap;

use millrace_api_spec::wire::{
    ApplicationOperationDescription, Empty, S3PrefixLocation, SnapshotEncryptionConfiguration,
    SnapshotErrorInfo, SnapshotInfo, SnapshotInfoDetails, SnapshotOperationFailureDetails,
    SnapshotOperationInfo, SnapshotOperationInfoDetails, SnapshotOperationLocationDescription,
    SnapshotOperationResponse, SnapshotOperationS3PrefixLocation, SnapshotSourceDescription,
    SourceApplicationDescription,
};
use millrace_domain::commands::check_tags;
use millrace_domain::configuration::{Restore, RunConfiguration};
use millrace_domain::enhanced::{
    EnhancedRequest, EnhancedSnapshot, SnapshotOperation, SnapshotOperationKind,
};
use millrace_domain::{EnhancedSnapshotName, SnapshotStatus};
use millrace_store::{CommitError, Owner};

use crate::calls::{Call, encode};
use crate::describe::seconds;
use crate::error::ApiError;
use crate::transfers;

/// AWS: characters of an `ErrorString`.
const ERROR_CHARACTERS: usize = 512;

impl Call {
    pub fn owner(&self) -> Owner<'_> {
        Owner { account: &self.account, region: &self.region }
    }

    /// The enhanced snapshot of this name.
    pub async fn enhanced_snapshot(&self, name: &str) -> Result<EnhancedSnapshot, ApiError> {
        let name = EnhancedSnapshotName::new(name)?;
        let found = self.state.store.enhanced_snapshot(self.owner(), &name).await?;
        found.ok_or_else(|| no_snapshot(&name))
    }

    /// The enhanced snapshot that an ARN names: one of the caller's account and Region,
    /// READY to be restored.
    pub async fn snapshot_to_restore(&self, arn: &str) -> Result<EnhancedSnapshot, ApiError> {
        let prefix = format!("arn:aws:kinesisanalytics:{}:{}:snapshot/", self.region, self.account);
        let name = arn.strip_prefix(&prefix).ok_or_else(|| {
            let message =
                format!("SnapshotArn must be one of this account and Region: {prefix}NAME");
            ApiError::new(ErrorCode::InvalidArgument, message)
        })?;
        let snapshot = self.enhanced_snapshot(name).await?;
        if snapshot.status == SnapshotStatus::Ready {
            return Ok(snapshot);
        }
        let status = snapshot.status.name();
        let message = format!("snapshot {name} is {status}: only a READY one can be restored");
        Err(ApiError::new(ErrorCode::ResourceInUse, message))
    }

    /// Changes a snapshot's tags.
    pub async fn retag(
        &self,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>),
    ) -> Result<String, ApiError> {
        let snapshot = self.enhanced_snapshot(name).await?;
        let mut tags = snapshot.tags.clone();
        change(&mut tags);
        check_tags(tags.len())?;
        let now = (self.state.clock)();
        let response = encode(&Empty {});
        let record = self.record(&response, now);
        match self.state.store.tag_enhanced(&snapshot, &tags, record.as_ref()).await {
            Ok(()) => Ok(response),
            Err(error) => answer_of(error),
        }
    }

    /// Looks up the snapshot that a restore names by its ARN.
    pub async fn resolve(&self, run: &mut RunConfiguration) -> Result<(), ApiError> {
        if let Restore::Enhanced { arn, location } = &mut run.restore {
            let snapshot = self.snapshot_to_restore(arn).await?;
            *location = snapshot.location.unwrap_or_default();
        }
        Ok(())
    }
}

/// What a commit about a snapshot failed with, or the answer given to it before.
pub fn answer_of(error: CommitError) -> Result<String, ApiError> {
    match error {
        CommitError::AlreadyDone(earlier) => Ok(earlier.response),
        CommitError::Stale => Err(ApiError::new(
            ErrorCode::ConcurrentModification,
            "the snapshot changed meanwhile: describe it and decide again",
        )),
        CommitError::Store(error) => Err(error.into()),
        error @ CommitError::SnapshotNameTaken { .. } => {
            let message = format!("{error}: choose another name, or delete that one first");
            Err(ApiError::new(ErrorCode::ResourceInUse, message))
        }
        error @ CommitError::SnapshotUsed { .. } => {
            let message = format!("{error}: wait for the end of that operation");
            Err(ApiError::new(ErrorCode::ResourceInUse, message))
        }
        error @ (CommitError::ExportOpen { .. }
        | CommitError::SnapshotsReached { .. }
        | CommitError::TransfersReached { .. }) => {
            Err(ApiError::new(ErrorCode::LimitExceeded, error.to_string()))
        }
        error => Err(ApiError::internal(&error)),
    }
}

pub fn no_snapshot(name: &EnhancedSnapshotName) -> ApiError {
    let message = format!("there is no snapshot {name} in this account and Region");
    ApiError::new(ErrorCode::ResourceNotFound, message)
}

/// What CreateSnapshot, ImportSnapshot and DeleteSnapshot answer.
pub fn response(request: &EnhancedRequest) -> SnapshotOperationResponse {
    SnapshotOperationResponse {
        snapshot_arn: request.snapshot.arn(),
        snapshot_status: request.snapshot.status.name().to_owned(),
        snapshot_operation_id: request.operation.id.to_string(),
        snapshot_operation_status: request.operation.status.name().to_owned(),
    }
}

/// A snapshot in a list.
pub fn info(snapshot: &EnhancedSnapshot) -> SnapshotInfo {
    SnapshotInfo {
        snapshot_name: snapshot.name.to_string(),
        snapshot_arn: snapshot.arn(),
        snapshot_status: snapshot.status.name().to_owned(),
        snapshot_creation_timestamp: seconds(snapshot.created_at),
        snapshot_initiator: snapshot.initiator.initiator().to_owned(),
        snapshot_initiator_operation: snapshot.initiator.name().to_owned(),
        snapshot_format: "CANONICAL".to_owned(),
        source_application_name: snapshot.source.application().map(|it| it.name.to_string()),
    }
}

/// A snapshot with everything. AWS: its size is 0 until it is READY.
pub fn details(snapshot: &EnhancedSnapshot) -> SnapshotInfoDetails {
    let SnapshotInfo {
        snapshot_name,
        snapshot_arn,
        snapshot_status,
        snapshot_creation_timestamp,
        snapshot_initiator,
        snapshot_initiator_operation,
        snapshot_format,
        ..
    } = info(snapshot);
    SnapshotInfoDetails {
        snapshot_name,
        snapshot_arn,
        snapshot_status,
        snapshot_creation_timestamp,
        snapshot_initiator,
        snapshot_initiator_operation,
        snapshot_source_description: source(snapshot),
        snapshot_format,
        snapshot_description: Some(snapshot.description.clone()).filter(|text| !text.is_empty()),
        runtime_environment: snapshot
            .source
            .application()
            .map(|source| source.runtime_environment.clone()),
        snapshot_size_in_bytes: Some(snapshot.size_bytes.unwrap_or(0)),
        snapshot_encryption_configuration_description: Some(service_key()),
    }
}

fn source(snapshot: &EnhancedSnapshot) -> SnapshotSourceDescription {
    SnapshotSourceDescription {
        s3_prefix_location: snapshot.source.import().map(|source| S3PrefixLocation {
            bucket_arn: transfers::bucket_arn(&source.from),
            key_prefix: source.from.prefix.clone(),
        }),
        source_application_description: snapshot.source.application().map(|source| {
            SourceApplicationDescription {
                application_name: source.name.to_string(),
                application_creation_timestamp: seconds(source.created_at),
                application_version_id: source.version.0,
            }
        }),
    }
}

/// Customer keys are refused, so every snapshot is under this one.
fn service_key() -> SnapshotEncryptionConfiguration {
    SnapshotEncryptionConfiguration { key_type: "AWS_OWNED_KEY".to_owned(), key_id: None }
}

/// AWS: the source is shown of imports, the destination of exports that have ended.
fn places(one: &SnapshotOperation) -> SnapshotOperationInfoDetails {
    let described = |exported: Option<String>| {
        one.place.as_ref().map(|place| SnapshotOperationLocationDescription {
            location_type: Some("S3".to_owned()),
            s3_prefix_location: Some(SnapshotOperationS3PrefixLocation {
                bucket_arn: Some(transfers::bucket_arn(place)),
                key_prefix: Some(place.prefix.clone()),
                exported_prefix: exported,
            }),
        })
    };
    let mut shown = SnapshotOperationInfoDetails::default();
    match one.kind {
        SnapshotOperationKind::ImportSnapshot => {
            shown.source_encryption_configuration_description = Some(service_key());
            shown.destination_encryption_configuration_description = Some(service_key());
            shown.snapshot_source_location_description = described(None);
        }
        SnapshotOperationKind::ExportSnapshot => {
            shown.destination_encryption_configuration_description = Some(service_key());
            let exported = one.exported().map(|place| place.prefix);
            shown.snapshot_destination_location_description =
                one.ended_at.and_then(|_| described(exported));
        }
        _ => {}
    }
    shown
}

/// An operation in a list.
pub fn operation(operation: &SnapshotOperation) -> SnapshotOperationInfo {
    SnapshotOperationInfo {
        snapshot_operation_id: operation.id.to_string(),
        snapshot_operation: operation.kind.name().to_owned(),
        snapshot_operation_status: operation.status.name().to_owned(),
        start_time: Some(seconds(operation.started_at)),
        end_time: operation.ended_at.map(seconds),
    }
}

/// An operation with everything.
pub fn operation_details(one: &SnapshotOperation) -> SnapshotOperationInfoDetails {
    let failure = |message: &String| SnapshotOperationFailureDetails {
        error_info: Some(SnapshotErrorInfo {
            error_code: Some("SnapshotOperationFailed".to_owned()),
            error_string: Some(message.chars().take(ERROR_CHARACTERS).collect()),
        }),
    };
    SnapshotOperationInfoDetails {
        snapshot_operation_id: one.id.to_string(),
        snapshot_operation: one.kind.name().to_owned(),
        snapshot_operation_status: one.status.name().to_owned(),
        snapshot_arn: one.arn(),
        application_operation_description: one.application.as_ref().map(|(name, id)| {
            ApplicationOperationDescription {
                application_operation_id: Some(id.to_string()),
                application_name: Some(name.to_string()),
            }
        }),
        start_time: Some(seconds(one.started_at)),
        end_time: one.ended_at.map(seconds),
        snapshot_operation_failure_details: one.failure.as_ref().map(failure),
        ..places(one)
    }
}
