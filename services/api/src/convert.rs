//! Wire configurations to the domain's. What this service does not serve is refused
//! here by name, rather than accepted and not done.

use std::collections::BTreeMap;

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    ApplicationConfiguration, ApplicationConfigurationUpdate, CheckpointConfiguration,
    CheckpointConfigurationUpdate, CloudWatchLoggingOption, CloudWatchLoggingOptionUpdate,
    EnvironmentProperties, MonitoringConfiguration, MonitoringConfigurationUpdate,
    ParallelismConfiguration, ParallelismConfigurationUpdate,
    RunConfiguration as WireRunConfiguration, Tag, VpcConfiguration, VpcConfigurationUpdate,
};
use millrace_domain::commands::{
    CheckpointPatch, ConfigurationPatch, LoggingUpdate, MonitoringPatch, NewVpc, OptionsPatch,
    ParallelismPatch, VpcUpdate,
};
use millrace_domain::configuration::{
    ConfigurationType, PropertyGroup, Restore, RunConfiguration, SnapshotMode,
};
use millrace_domain::{Reject, SnapshotName};
use serde_json::Value;

use crate::error::ApiError;

/// Everything of a new application's configuration but its code.
pub fn configuration(wire: &ApplicationConfiguration) -> Result<ConfigurationPatch, ApiError> {
    refuse_sql(wire.sql_application_configuration.as_ref())?;
    refuse_zeppelin(wire.zeppelin_application_configuration.as_ref())?;
    let encryption = wire.application_encryption_configuration.as_ref();
    refuse_customer_key(encryption.map(|encryption| encryption.key_type.as_str()))?;
    let snapshots = wire.application_snapshot_configuration.as_ref();
    let flink = wire.flink_application_configuration.clone().unwrap_or_default();
    Ok(ConfigurationPatch {
        code: None,
        checkpoint: flink.checkpoint_configuration.map(checkpoint),
        monitoring: flink.monitoring_configuration.map(monitoring),
        parallelism: flink.parallelism_configuration.map(parallelism),
        property_groups: wire.environment_properties.as_ref().map(property_groups),
        snapshots_enabled: snapshots.map(|snapshots| snapshots.snapshots_enabled),
        snapshot_mode: snapshot_mode(snapshots.and_then(|it| it.snapshot_mode.as_deref())),
        rollback_enabled: wire
            .application_system_rollback_configuration
            .as_ref()
            .map(|rollback| rollback.rollback_enabled),
        options: OptionsPatch {
            add_vpcs: wire.vpc_configurations.iter().flatten().map(vpc).collect(),
            ..OptionsPatch::default()
        },
    })
}

/// Everything of an update's configuration but its code.
pub fn configuration_update(
    wire: &ApplicationConfigurationUpdate,
) -> Result<ConfigurationPatch, ApiError> {
    refuse_sql(wire.sql_application_configuration_update.as_ref())?;
    refuse_zeppelin(wire.zeppelin_application_configuration_update.as_ref())?;
    let encryption = wire.application_encryption_configuration_update.as_ref();
    refuse_customer_key(encryption.map(|encryption| encryption.key_type_update.as_str()))?;
    let snapshots = wire.application_snapshot_configuration_update.as_ref();
    let flink = wire.flink_application_configuration_update.clone().unwrap_or_default();
    Ok(ConfigurationPatch {
        code: None,
        checkpoint: flink.checkpoint_configuration_update.map(checkpoint_update),
        monitoring: flink.monitoring_configuration_update.map(monitoring_update),
        parallelism: flink.parallelism_configuration_update.map(parallelism_update),
        property_groups: wire.environment_property_updates.as_ref().map(property_groups),
        snapshots_enabled: snapshots.map(|snapshots| snapshots.snapshots_enabled_update),
        snapshot_mode: snapshot_mode(snapshots.and_then(|it| it.snapshot_mode_update.as_deref())),
        rollback_enabled: wire
            .application_system_rollback_configuration_update
            .as_ref()
            .map(|rollback| rollback.rollback_enabled_update),
        options: OptionsPatch {
            update_vpcs: wire.vpc_configuration_updates.iter().flatten().map(vpc_update).collect(),
            ..OptionsPatch::default()
        },
    })
}

fn snapshot_mode(name: Option<&str>) -> Option<SnapshotMode> {
    // Validation has let nothing else through.
    name.map(|name| match name {
        "ENHANCED_SNAPSHOTS" => SnapshotMode::Enhanced,
        _ => SnapshotMode::Legacy,
    })
}

pub fn vpc(wire: &VpcConfiguration) -> NewVpc {
    NewVpc {
        subnet_ids: wire.subnet_ids.clone(),
        security_group_ids: wire.security_group_ids.clone(),
    }
}

fn vpc_update(wire: &VpcConfigurationUpdate) -> VpcUpdate {
    VpcUpdate {
        id: wire.vpc_configuration_id.clone(),
        subnet_ids: wire.subnet_id_updates.clone(),
        security_group_ids: wire.security_group_id_updates.clone(),
    }
}

/// The log streams of a new application.
pub fn logging(wire: Option<&[CloudWatchLoggingOption]>) -> Vec<String> {
    wire.unwrap_or_default().iter().map(|option| option.log_stream_arn.clone()).collect()
}

pub fn logging_updates(wire: Option<&[CloudWatchLoggingOptionUpdate]>) -> Vec<LoggingUpdate> {
    let update = |update: &CloudWatchLoggingOptionUpdate| LoggingUpdate {
        id: update.cloud_watch_logging_option_id.clone(),
        log_stream_arn: update.log_stream_arn_update.clone(),
    };
    wire.unwrap_or_default().iter().map(update).collect()
}

fn configuration_type(name: &str) -> ConfigurationType {
    // Validation has let nothing else through.
    if name == "CUSTOM" { ConfigurationType::Custom } else { ConfigurationType::Default }
}

fn checkpoint(wire: CheckpointConfiguration) -> CheckpointPatch {
    checkpoint_update(CheckpointConfigurationUpdate {
        configuration_type_update: Some(wire.configuration_type),
        checkpointing_enabled_update: wire.checkpointing_enabled,
        checkpoint_interval_update: wire.checkpoint_interval,
        min_pause_between_checkpoints_update: wire.min_pause_between_checkpoints,
    })
}

fn checkpoint_update(wire: CheckpointConfigurationUpdate) -> CheckpointPatch {
    CheckpointPatch {
        configuration_type: wire.configuration_type_update.as_deref().map(configuration_type),
        enabled: wire.checkpointing_enabled_update,
        interval_ms: wire.checkpoint_interval_update.map(i64::unsigned_abs),
        min_pause_ms: wire.min_pause_between_checkpoints_update.map(i64::unsigned_abs),
    }
}

fn monitoring(wire: MonitoringConfiguration) -> MonitoringPatch {
    monitoring_update(MonitoringConfigurationUpdate {
        configuration_type_update: Some(wire.configuration_type),
        metrics_level_update: wire.metrics_level,
        log_level_update: wire.log_level,
    })
}

fn monitoring_update(wire: MonitoringConfigurationUpdate) -> MonitoringPatch {
    MonitoringPatch {
        configuration_type: wire.configuration_type_update.as_deref().map(configuration_type),
        metrics_level: wire.metrics_level_update,
        log_level: wire.log_level_update,
    }
}

fn parallelism(wire: ParallelismConfiguration) -> ParallelismPatch {
    parallelism_update(ParallelismConfigurationUpdate {
        configuration_type_update: Some(wire.configuration_type),
        parallelism_update: wire.parallelism,
        parallelism_per_kpu_update: wire.parallelism_per_kpu,
        auto_scaling_enabled_update: wire.auto_scaling_enabled,
    })
}

fn parallelism_update(wire: ParallelismConfigurationUpdate) -> ParallelismPatch {
    ParallelismPatch {
        configuration_type: wire.configuration_type_update.as_deref().map(configuration_type),
        parallelism: wire.parallelism_update.map(i32::unsigned_abs),
        parallelism_per_kpu: wire.parallelism_per_kpu_update.map(i32::unsigned_abs),
        auto_scaling_enabled: wire.auto_scaling_enabled_update,
    }
}

fn property_groups(wire: &EnvironmentProperties) -> Vec<PropertyGroup> {
    let group = |group: &millrace_api_spec::wire::PropertyGroup| PropertyGroup {
        id: group.property_group_id.clone(),
        properties: group.property_map.clone(),
    };
    wire.property_groups.iter().map(group).collect()
}

/// How a start restores. What is left out is the default, also on an update (aws-api
/// 2.2: AllowNonRestoredState resets).
pub fn run_configuration(
    wire: Option<&WireRunConfiguration>,
) -> Result<RunConfiguration, ApiError> {
    let Some(wire) = wire else { return Ok(RunConfiguration::default()) };
    refuse(
        wire.sql_run_configurations.as_deref().is_some_and(|inputs| !inputs.is_empty()),
        "SqlRunConfigurations",
        "it belongs to SQL-1_0 applications",
    )?;
    let flink = wire.flink_run_configuration.as_ref();
    let allow = flink.and_then(|flink| flink.allow_non_restored_state).unwrap_or(false);
    Ok(RunConfiguration { restore: restore(wire)?, allow_non_restored_state: allow })
}

fn restore(wire: &WireRunConfiguration) -> Result<Restore, ApiError> {
    let Some(wire) = &wire.application_restore_configuration else { return Ok(Restore::Latest) };
    if let Some(arn) = &wire.snapshot_arn {
        return match (wire.application_restore_type.as_str(), &wire.snapshot_name) {
            (_, Some(_)) => Err(invalid("give SnapshotName or SnapshotArn, not both")),
            ("RESTORE_FROM_CUSTOM_SNAPSHOT", None) => {
                Ok(Restore::Enhanced { arn: arn.clone(), location: String::new() })
            }
            _ => Err(invalid("SnapshotArn needs RESTORE_FROM_CUSTOM_SNAPSHOT")),
        };
    }
    match (wire.application_restore_type.as_str(), &wire.snapshot_name) {
        ("RESTORE_FROM_CUSTOM_SNAPSHOT", Some(name)) => {
            Ok(Restore::Custom(SnapshotName::new(name.as_str())?))
        }
        ("RESTORE_FROM_CUSTOM_SNAPSHOT", None) => Err(invalid(
            "SnapshotName is required with RESTORE_FROM_CUSTOM_SNAPSHOT, or SnapshotArn",
        )),
        (_, Some(_)) => Err(invalid("SnapshotName needs RESTORE_FROM_CUSTOM_SNAPSHOT")),
        ("SKIP_RESTORE_FROM_SNAPSHOT", None) => Ok(Restore::Skip),
        (_, None) => Ok(Restore::Latest),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidArgument, message)
}

/// Tags by key; a value that is left out is empty.
pub fn tags(wire: &[Tag]) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for tag in wire {
        let value = tag.value.clone().unwrap_or_default();
        if tags.insert(tag.key.clone(), value).is_some() {
            return Err(invalid(&format!("the tag key {:?} is given twice", tag.key)));
        }
    }
    Ok(tags)
}

fn refuse(given: bool, what: &'static str, next: &'static str) -> Result<(), ApiError> {
    if given { Err(Reject::Unsupported { what, next }.into()) } else { Ok(()) }
}

/// Terraform and others send empty blocks: those ask for nothing.
fn asks(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => members.values().any(asks),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

fn refuse_sql(wire: Option<&Value>) -> Result<(), ApiError> {
    let next = "send a Flink SQL script in ApplicationCodeConfiguration";
    refuse(wire.is_some_and(asks), "SqlApplicationConfiguration (SQL-1_0)", next)
}

fn refuse_zeppelin(wire: Option<&Value>) -> Result<(), ApiError> {
    let next = "Studio notebooks do not exist here; create a STREAMING application";
    refuse(wire.is_some_and(asks), "ZeppelinApplicationConfiguration", next)
}

pub fn refuse_customer_key(key_type: Option<&str>) -> Result<(), ApiError> {
    let next = "use AWS_OWNED_KEY or leave it out";
    refuse(key_type == Some("CUSTOMER_MANAGED_KEY"), "KeyType CUSTOMER_MANAGED_KEY", next)
}

/// INTERACTIVE is Studio.
pub fn refuse_interactive(mode: Option<&str>) -> Result<(), ApiError> {
    let next = "Studio notebooks do not exist here; create a STREAMING application";
    refuse(mode == Some("INTERACTIVE"), "ApplicationMode INTERACTIVE", next)
}
