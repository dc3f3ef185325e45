//! Requests and replies as they are on the wire, by AWS's names.
//!
//! In each structure the members before the semicolon are required, those after it
//! optional. Enumerations are text: [`crate::validate`] has checked them on the way in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::timestamp::EpochSeconds;

macro_rules! wire {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$attribute:meta])* $required:ident: $required_type:ty),* ;
            $($(#[$optional_attribute:meta])* $optional:ident: $optional_type:ty),* $(,)?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $($(#[$attribute])* pub $required: $required_type,)*
            $(
                $(#[$optional_attribute])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
        }
    )*};
}

// Below the macro, which they use.
mod options;
mod snapshots;

pub use options::*;
pub use snapshots::*;

/// A reply that says nothing but that it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

// Requests

wire! {
    CreateApplicationRequest {
        application_name: String,
        runtime_environment: String,
        service_execution_role: String;
        application_description: String,
        application_configuration: ApplicationConfiguration,
        cloud_watch_logging_options: Vec<CloudWatchLoggingOption>,
        tags: Vec<Tag>,
        application_mode: String,
    }
    ApplicationConfiguration {
        ;
        sql_application_configuration: serde_json::Value,
        flink_application_configuration: FlinkApplicationConfiguration,
        environment_properties: EnvironmentProperties,
        application_code_configuration: ApplicationCodeConfiguration,
        application_snapshot_configuration: ApplicationSnapshotConfiguration,
        application_system_rollback_configuration: ApplicationSystemRollbackConfiguration,
        vpc_configurations: Vec<VpcConfiguration>,
        zeppelin_application_configuration: serde_json::Value,
        application_encryption_configuration: ApplicationEncryptionConfiguration,
    }
    FlinkApplicationConfiguration {
        ;
        checkpoint_configuration: CheckpointConfiguration,
        monitoring_configuration: MonitoringConfiguration,
        parallelism_configuration: ParallelismConfiguration,
    }
    CheckpointConfiguration {
        configuration_type: String;
        checkpointing_enabled: bool,
        checkpoint_interval: i64,
        min_pause_between_checkpoints: i64,
    }
    MonitoringConfiguration {
        configuration_type: String;
        metrics_level: String,
        log_level: String,
    }
    ParallelismConfiguration {
        configuration_type: String;
        parallelism: i32,
        #[serde(rename = "ParallelismPerKPU")]
        parallelism_per_kpu: i32,
        auto_scaling_enabled: bool,
    }
    EnvironmentProperties { property_groups: Vec<PropertyGroup>; }
    PropertyGroup {
        property_group_id: String,
        property_map: BTreeMap<String, String>;
    }
    ApplicationCodeConfiguration {
        code_content_type: String;
        code_content: CodeContent,
    }
    CodeContent {
        ;
        text_content: String,
        /// Base64.
        zip_file_content: String,
        s3_content_location: S3ContentLocation,
    }
    S3ContentLocation {
        #[serde(rename = "BucketARN")]
        bucket_arn: String,
        file_key: String;
        object_version: String,
    }
    ApplicationSnapshotConfiguration {
        snapshots_enabled: bool;
        snapshot_mode: String,
    }
    ApplicationSystemRollbackConfiguration { rollback_enabled: bool; }
    ApplicationEncryptionConfiguration {
        key_type: String;
        key_id: String,
    }
    Tag {
        key: String;
        value: String,
    }
    DescribeApplicationRequest {
        application_name: String;
        include_additional_details: bool,
    }
    ListApplicationsRequest {
        ;
        limit: u32,
        next_token: String,
    }
    DeleteApplicationRequest {
        application_name: String,
        create_timestamp: EpochSeconds;
    }
    StartApplicationRequest {
        application_name: String;
        run_configuration: RunConfiguration,
    }
    /// RunConfiguration, and RunConfigurationUpdate, which lacks the SQL part.
    RunConfiguration {
        ;
        flink_run_configuration: FlinkRunConfiguration,
        sql_run_configurations: Vec<serde_json::Value>,
        application_restore_configuration: ApplicationRestoreConfiguration,
    }
    FlinkRunConfiguration { ; allow_non_restored_state: bool }
    ApplicationRestoreConfiguration {
        application_restore_type: String;
        snapshot_name: String,
        snapshot_arn: String,
    }
    StopApplicationRequest {
        application_name: String;
        force: bool,
    }
    UpdateApplicationRequest {
        application_name: String;
        current_application_version_id: u64,
        application_configuration_update: ApplicationConfigurationUpdate,
        service_execution_role_update: String,
        run_configuration_update: RunConfiguration,
        cloud_watch_logging_option_updates: Vec<CloudWatchLoggingOptionUpdate>,
        conditional_token: String,
        runtime_environment_update: String,
    }
    ApplicationConfigurationUpdate {
        ;
        sql_application_configuration_update: serde_json::Value,
        application_code_configuration_update: ApplicationCodeConfigurationUpdate,
        flink_application_configuration_update: FlinkApplicationConfigurationUpdate,
        environment_property_updates: EnvironmentProperties,
        application_snapshot_configuration_update: ApplicationSnapshotConfigurationUpdate,
        application_system_rollback_configuration_update:
            ApplicationSystemRollbackConfigurationUpdate,
        vpc_configuration_updates: Vec<VpcConfigurationUpdate>,
        zeppelin_application_configuration_update: serde_json::Value,
        application_encryption_configuration_update: ApplicationEncryptionConfigurationUpdate,
    }
    ApplicationCodeConfigurationUpdate {
        ;
        code_content_type_update: String,
        code_content_update: CodeContentUpdate,
    }
    CodeContentUpdate {
        ;
        text_content_update: String,
        /// Base64.
        zip_file_content_update: String,
        s3_content_location_update: S3ContentLocationUpdate,
    }
    S3ContentLocationUpdate {
        ;
        #[serde(rename = "BucketARNUpdate")]
        bucket_arn_update: String,
        file_key_update: String,
        object_version_update: String,
    }
    FlinkApplicationConfigurationUpdate {
        ;
        checkpoint_configuration_update: CheckpointConfigurationUpdate,
        monitoring_configuration_update: MonitoringConfigurationUpdate,
        parallelism_configuration_update: ParallelismConfigurationUpdate,
    }
    CheckpointConfigurationUpdate {
        ;
        configuration_type_update: String,
        checkpointing_enabled_update: bool,
        checkpoint_interval_update: i64,
        min_pause_between_checkpoints_update: i64,
    }
    MonitoringConfigurationUpdate {
        ;
        configuration_type_update: String,
        metrics_level_update: String,
        log_level_update: String,
    }
    ParallelismConfigurationUpdate {
        ;
        configuration_type_update: String,
        parallelism_update: i32,
        #[serde(rename = "ParallelismPerKPUUpdate")]
        parallelism_per_kpu_update: i32,
        auto_scaling_enabled_update: bool,
    }
    ApplicationSnapshotConfigurationUpdate {
        snapshots_enabled_update: bool;
        snapshot_mode_update: String,
    }
    ApplicationSystemRollbackConfigurationUpdate { rollback_enabled_update: bool; }
    ApplicationEncryptionConfigurationUpdate {
        key_type_update: String;
        key_id_update: String,
    }
    RollbackApplicationRequest {
        application_name: String,
        current_application_version_id: u64;
    }
    CreateApplicationSnapshotRequest {
        application_name: String,
        snapshot_name: String;
    }
    DescribeApplicationSnapshotRequest {
        application_name: String,
        snapshot_name: String;
    }
    DeleteApplicationSnapshotRequest {
        application_name: String,
        snapshot_name: String,
        snapshot_creation_timestamp: EpochSeconds;
    }
    ListApplicationSnapshotsRequest {
        application_name: String;
        limit: u32,
        next_token: String,
    }
    ListApplicationVersionsRequest {
        application_name: String;
        limit: u32,
        next_token: String,
    }
    DescribeApplicationVersionRequest {
        application_name: String,
        application_version_id: u64;
    }
    ListApplicationOperationsRequest {
        application_name: String;
        limit: u32,
        next_token: String,
        operation: String,
        operation_status: String,
    }
    DescribeApplicationOperationRequest {
        application_name: String,
        operation_id: String;
    }
    TagResourceRequest {
        #[serde(rename = "ResourceARN")]
        resource_arn: String,
        tags: Vec<Tag>;
    }
    UntagResourceRequest {
        #[serde(rename = "ResourceARN")]
        resource_arn: String,
        tag_keys: Vec<String>;
    }
    ListTagsForResourceRequest {
        #[serde(rename = "ResourceARN")]
        resource_arn: String;
    }
}

// Replies

wire! {
    /// CreateApplication.
    ApplicationDetailResponse { application_detail: ApplicationDetail; }
    /// UpdateApplication and RollbackApplication.
    ChangedApplicationResponse {
        application_detail: ApplicationDetail;
        operation_id: String,
    }
    /// StartApplication and StopApplication.
    OperationIdResponse { ; operation_id: String }
    DescribeApplicationVersionResponse { application_version_detail: ApplicationDetail; }
    ApplicationDetail {
        #[serde(rename = "ApplicationARN")]
        application_arn: String,
        application_name: String,
        runtime_environment: String,
        application_status: String,
        application_version_id: u64;
        application_description: String,
        service_execution_role: String,
        create_timestamp: EpochSeconds,
        last_update_timestamp: EpochSeconds,
        application_configuration_description: ApplicationConfigurationDescription,
        cloud_watch_logging_option_descriptions: Vec<CloudWatchLoggingOptionDescription>,
        application_maintenance_configuration_description:
            ApplicationMaintenanceConfigurationDescription,
        application_version_updated_from: u64,
        application_version_rolled_back_from: u64,
        application_version_create_timestamp: EpochSeconds,
        conditional_token: String,
        application_version_rolled_back_to: u64,
        application_mode: String,
    }
    ApplicationConfigurationDescription {
        ;
        application_code_configuration_description: ApplicationCodeConfigurationDescription,
        run_configuration_description: RunConfigurationDescription,
        flink_application_configuration_description: FlinkApplicationConfigurationDescription,
        environment_property_descriptions: EnvironmentPropertyDescriptions,
        application_snapshot_configuration_description: ApplicationSnapshotConfiguration,
        application_system_rollback_configuration_description:
            ApplicationSystemRollbackConfiguration,
        vpc_configuration_descriptions: Vec<VpcConfigurationDescription>,
    }
    ApplicationCodeConfigurationDescription {
        code_content_type: String;
        code_content_description: CodeContentDescription,
    }
    CodeContentDescription {
        ;
        text_content: String,
        #[serde(rename = "CodeMD5")]
        code_md5: String,
        code_size: u64,
        s3_application_code_location_description: S3ContentLocation,
    }
    RunConfigurationDescription {
        ;
        application_restore_configuration_description: ApplicationRestoreConfiguration,
        flink_run_configuration_description: FlinkRunConfiguration,
    }
    FlinkApplicationConfigurationDescription {
        ;
        checkpoint_configuration_description: CheckpointConfiguration,
        monitoring_configuration_description: MonitoringConfiguration,
        parallelism_configuration_description: ParallelismConfigurationDescription,
        job_plan_description: String,
    }
    ParallelismConfigurationDescription {
        ;
        configuration_type: String,
        parallelism: u32,
        #[serde(rename = "ParallelismPerKPU")]
        parallelism_per_kpu: u32,
        current_parallelism: u32,
        auto_scaling_enabled: bool,
    }
    EnvironmentPropertyDescriptions { property_group_descriptions: Vec<PropertyGroup>; }
    ListApplicationsResponse {
        application_summaries: Vec<ApplicationSummary>;
        next_token: String,
    }
    ApplicationSummary {
        application_name: String,
        #[serde(rename = "ApplicationARN")]
        application_arn: String,
        application_status: String,
        application_version_id: u64,
        runtime_environment: String;
        application_mode: String,
    }
    DescribeApplicationSnapshotResponse { snapshot_details: SnapshotDetails; }
    SnapshotDetails {
        snapshot_name: String,
        snapshot_status: String,
        application_version_id: u64;
        snapshot_creation_timestamp: EpochSeconds,
        runtime_environment: String,
    }
    ListApplicationSnapshotsResponse {
        snapshot_summaries: Vec<SnapshotDetails>;
        next_token: String,
    }
    ListApplicationVersionsResponse {
        application_version_summaries: Vec<ApplicationVersionSummary>;
        next_token: String,
    }
    ApplicationVersionSummary {
        application_version_id: u64,
        application_status: String;
    }
    ListApplicationOperationsResponse {
        application_operation_info_list: Vec<ApplicationOperationInfo>;
        next_token: String,
    }
    ApplicationOperationInfo {
        ;
        operation: String,
        operation_id: String,
        start_time: EpochSeconds,
        end_time: EpochSeconds,
        operation_status: String,
    }
    DescribeApplicationOperationResponse {
        application_operation_info_details: ApplicationOperationInfoDetails;
    }
    /// The model requires `EndTime`, which an operation in progress has not; clients
    /// accept its absence.
    ApplicationOperationInfoDetails {
        operation: String,
        start_time: EpochSeconds,
        operation_status: String;
        end_time: EpochSeconds,
        application_version_change_details: ApplicationVersionChangeDetails,
        operation_failure_details: OperationFailureDetails,
    }
    ApplicationVersionChangeDetails {
        application_version_updated_from: u64,
        application_version_updated_to: u64;
    }
    OperationFailureDetails {
        ;
        rollback_operation_id: String,
        error_info: ErrorInfo,
    }
    ErrorInfo { ; error_string: String }
    ListTagsForResourceResponse { tags: Vec<Tag>; }
}
