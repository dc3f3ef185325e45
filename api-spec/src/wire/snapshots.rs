//! Enhanced snapshots.

use serde::{Deserialize, Serialize};

use super::Tag;
use crate::timestamp::EpochSeconds;

wire! {
    CreateSnapshotRequest {
        application_name: String,
        snapshot_name: String;
        snapshot_description: String,
        tags: Vec<Tag>,
    }
    /// CreateSnapshot, ImportSnapshot and DeleteSnapshot.
    SnapshotOperationResponse {
        snapshot_arn: String,
        snapshot_status: String,
        snapshot_operation_id: String,
        snapshot_operation_status: String;
    }
    DeleteSnapshotRequest {
        snapshot_name: String,
        snapshot_creation_timestamp: EpochSeconds;
    }
    DescribeSnapshotRequest { snapshot_name: String; }
    DescribeSnapshotResponse { snapshot_info_details: SnapshotInfoDetails; }
    SnapshotInfoDetails {
        snapshot_name: String,
        snapshot_arn: String,
        snapshot_status: String,
        snapshot_creation_timestamp: EpochSeconds,
        snapshot_initiator: String,
        snapshot_initiator_operation: String,
        snapshot_source_description: SnapshotSourceDescription,
        snapshot_format: String;
        snapshot_description: String,
        runtime_environment: String,
        snapshot_size_in_bytes: u64,
        snapshot_encryption_configuration_description: SnapshotEncryptionConfiguration,
    }
    SnapshotSourceDescription {
        ;
        s3_prefix_location: S3PrefixLocation,
        source_application_description: SourceApplicationDescription,
    }
    SourceApplicationDescription {
        application_name: String,
        application_creation_timestamp: EpochSeconds,
        application_version_id: u64;
    }
    S3PrefixLocation {
        #[serde(rename = "BucketARN")]
        bucket_arn: String,
        key_prefix: String;
    }
    SnapshotEncryptionConfiguration {
        key_type: String;
        key_id: String,
    }
    ListSnapshotsRequest {
        ;
        source_application_name: String,
        snapshot_initiator: String,
        snapshot_initiator_operation: String,
        snapshot_status: String,
        limit: u32,
        next_token: String,
    }
    ListSnapshotsResponse {
        snapshot_info_list: Vec<SnapshotInfo>;
        next_token: String,
    }
    SnapshotInfo {
        snapshot_name: String,
        snapshot_arn: String,
        snapshot_status: String,
        snapshot_creation_timestamp: EpochSeconds,
        snapshot_initiator: String,
        snapshot_initiator_operation: String,
        snapshot_format: String;
        source_application_name: String,
    }
    DescribeSnapshotOperationRequest {
        snapshot_name: String,
        snapshot_operation_id: String;
    }
    DescribeSnapshotOperationResponse {
        snapshot_operation_info_details: SnapshotOperationInfoDetails;
    }
    SnapshotOperationInfoDetails {
        snapshot_operation_id: String,
        snapshot_operation: String,
        snapshot_operation_status: String,
        snapshot_arn: String;
        source_encryption_configuration_description: SnapshotEncryptionConfiguration,
        destination_encryption_configuration_description: SnapshotEncryptionConfiguration,
        snapshot_source_location_description: SnapshotOperationLocationDescription,
        snapshot_destination_location_description: SnapshotOperationLocationDescription,
        application_operation_description: ApplicationOperationDescription,
        start_time: EpochSeconds,
        end_time: EpochSeconds,
        snapshot_operation_failure_details: SnapshotOperationFailureDetails,
    }
    SnapshotOperationLocationDescription {
        ;
        location_type: String,
        s3_prefix_location: SnapshotOperationS3PrefixLocation,
    }
    SnapshotOperationS3PrefixLocation {
        ;
        #[serde(rename = "BucketARN")]
        bucket_arn: String,
        key_prefix: String,
        exported_prefix: String,
    }
    ApplicationOperationDescription {
        ;
        application_operation_id: String,
        application_name: String,
    }
    SnapshotOperationFailureDetails { ; error_info: SnapshotErrorInfo }
    SnapshotErrorInfo {
        ;
        error_code: String,
        error_string: String,
    }
    ListSnapshotOperationsRequest {
        snapshot_name: String;
        snapshot_operation: String,
        snapshot_operation_status: String,
        limit: u32,
        next_token: String,
    }
    ListSnapshotOperationsResponse {
        snapshot_operation_info_list: Vec<SnapshotOperationInfo>;
        next_token: String,
    }
    SnapshotOperationInfo {
        snapshot_operation_id: String,
        snapshot_operation: String,
        snapshot_operation_status: String;
        start_time: EpochSeconds,
        end_time: EpochSeconds,
    }
    ExportSnapshotRequest {
        snapshot_name: String,
        export_destination_configuration: ExportDestinationConfiguration;
    }
    ExportDestinationConfiguration {
        destination_type: String,
        export_role_arn: String,
        destination_s3_prefix_location: S3PrefixLocation;
        destination_encryption_configuration: SnapshotEncryptionConfiguration,
    }
    ExportSnapshotResponse {
        snapshot_operation_id: String,
        snapshot_operation_status: String;
    }
    ImportSnapshotRequest {
        snapshot_name: String,
        import_source_configuration: ImportSourceConfiguration;
        destination_encryption_configuration: SnapshotEncryptionConfiguration,
        snapshot_description: String,
        snapshot_format: String,
        tags: Vec<Tag>,
    }
    ImportSourceConfiguration {
        source_type: String,
        import_role_arn: String,
        source_s3_prefix_location: S3PrefixLocation;
        source_encryption_configuration: SnapshotEncryptionConfiguration,
    }
}
