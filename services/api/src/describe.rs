//! Applications as Describe shows them, defaults filled in (aws-api 2.3).

use millrace_api_spec::EpochSeconds;
use millrace_api_spec::wire::{
    ApplicationCodeConfigurationDescription, ApplicationConfigurationDescription,
    ApplicationDetail, ApplicationMaintenanceConfigurationDescription,
    ApplicationRestoreConfiguration, ApplicationSnapshotConfiguration,
    ApplicationSystemRollbackConfiguration, CheckpointConfiguration,
    CloudWatchLoggingOptionDescription, CodeContentDescription, EnvironmentPropertyDescriptions,
    FlinkApplicationConfigurationDescription, FlinkRunConfiguration, MonitoringConfiguration,
    ParallelismConfigurationDescription, PropertyGroup, RunConfigurationDescription,
    S3ContentLocation, SnapshotDetails, VpcConfigurationDescription,
};
use millrace_domain::configuration::{
    Code, CodeOrigin, Configuration, ConfigurationType, LoggingOption, Restore, RunConfiguration,
    VpcConfiguration,
};
use millrace_domain::maintenance::WindowStart;
use millrace_domain::{Application, Job, Snapshot, Timestamp, Version, VersionId};

pub fn seconds(time: Timestamp) -> EpochSeconds {
    EpochSeconds(time.seconds())
}

/// The application as of one of its versions.
pub fn application(application: &Application, version: &Version) -> ApplicationDetail {
    let current = version.id == application.version;
    let of_current = |id: Option<VersionId>| id.filter(|_| current).map(|id| id.0);
    ApplicationDetail {
        application_arn: application.arn(),
        application_name: application.name.to_string(),
        runtime_environment: version.runtime_environment.clone(),
        application_status: application.status.name().to_owned(),
        application_version_id: version.id.0,
        application_description: Some(application.description.clone()),
        service_execution_role: Some(version.service_execution_role.clone()),
        create_timestamp: Some(seconds(application.created_at)),
        last_update_timestamp: Some(seconds(application.updated_at)),
        application_configuration_description: Some(configuration(
            &version.configuration,
            application.job.as_ref().filter(|_| current),
            application.current_parallelism(version),
        )),
        cloud_watch_logging_option_descriptions: Some(logging(&version.configuration))
            .filter(|options| !options.is_empty()),
        application_maintenance_configuration_description: Some(maintenance(
            application.maintenance_window(),
        )),
        application_version_updated_from: of_current(application.version_updated_from),
        application_version_rolled_back_from: of_current(application.version_rolled_back_from),
        application_version_create_timestamp: Some(seconds(version.created_at)),
        conditional_token: current.then(|| application.conditional_token.clone()),
        application_version_rolled_back_to: of_current(application.version_rolled_back_to),
        application_mode: Some("STREAMING".to_owned()),
    }
}

fn configuration(
    configuration: &Configuration,
    job: Option<&Job>,
    current_parallelism: u32,
) -> ApplicationConfigurationDescription {
    ApplicationConfigurationDescription {
        application_code_configuration_description: configuration.code.as_ref().map(code),
        run_configuration_description: job.map(|job| run_configuration(&job.run)),
        flink_application_configuration_description: Some(flink(
            configuration,
            current_parallelism,
        )),
        environment_property_descriptions: properties(configuration),
        application_snapshot_configuration_description: Some(ApplicationSnapshotConfiguration {
            snapshots_enabled: configuration.snapshots_enabled,
            snapshot_mode: Some(configuration.snapshot_mode.name().to_owned()),
        }),
        application_system_rollback_configuration_description: Some(
            ApplicationSystemRollbackConfiguration {
                rollback_enabled: configuration.rollback_enabled,
            },
        ),
        vpc_configuration_descriptions: Some(configuration.vpcs.iter().map(vpc).collect())
            .filter(|vpcs: &Vec<_>| !vpcs.is_empty()),
    }
}

fn code(code: &Code) -> ApplicationCodeConfigurationDescription {
    // The model says that CodeMD5 has 128 characters, which no MD5 has; no client
    // checks it. Ours is the MD5 in hexadecimal, as `md5sum` prints it.
    let mut content = CodeContentDescription {
        code_md5: Some(code.md5.clone()),
        code_size: Some(code.size_bytes),
        ..CodeContentDescription::default()
    };
    let zip = match &code.origin {
        CodeOrigin::Text(text) => {
            content.text_content = Some(text.clone());
            false
        }
        CodeOrigin::Zip => true,
        CodeOrigin::S3 { bucket_arn, file_key, object_version, zip } => {
            content.s3_application_code_location_description = Some(S3ContentLocation {
                bucket_arn: bucket_arn.clone(),
                file_key: file_key.clone(),
                object_version: object_version.clone(),
            });
            *zip
        }
    };
    ApplicationCodeConfigurationDescription {
        code_content_type: if zip { "ZIPFILE" } else { "PLAINTEXT" }.to_owned(),
        code_content_description: Some(content),
    }
}

fn flink(
    configuration: &Configuration,
    current_parallelism: u32,
) -> FlinkApplicationConfigurationDescription {
    let (checkpoint, monitoring) = (&configuration.checkpoint, &configuration.monitoring);
    let parallelism = &configuration.parallelism;
    let milliseconds = |value: u64| i64::try_from(value).ok();
    FlinkApplicationConfigurationDescription {
        checkpoint_configuration_description: Some(CheckpointConfiguration {
            configuration_type: type_name(checkpoint.configuration_type),
            checkpointing_enabled: Some(checkpoint.enabled),
            checkpoint_interval: milliseconds(checkpoint.interval_ms),
            min_pause_between_checkpoints: milliseconds(checkpoint.min_pause_ms),
        }),
        monitoring_configuration_description: Some(MonitoringConfiguration {
            configuration_type: type_name(monitoring.configuration_type),
            metrics_level: Some(monitoring.metrics_level.clone()),
            log_level: Some(monitoring.log_level.clone()),
        }),
        parallelism_configuration_description: Some(ParallelismConfigurationDescription {
            configuration_type: Some(type_name(parallelism.configuration_type)),
            parallelism: Some(parallelism.parallelism),
            parallelism_per_kpu: Some(parallelism.parallelism_per_kpu),
            current_parallelism: Some(current_parallelism),
            auto_scaling_enabled: Some(parallelism.auto_scaling_enabled),
        }),
        job_plan_description: None,
    }
}

pub fn vpc(vpc: &VpcConfiguration) -> VpcConfigurationDescription {
    VpcConfigurationDescription {
        vpc_configuration_id: vpc.id.clone(),
        vpc_id: vpc.vpc_id(),
        subnet_ids: vpc.subnet_ids.clone(),
        security_group_ids: vpc.security_group_ids.clone(),
    }
}

pub fn logging(configuration: &Configuration) -> Vec<CloudWatchLoggingOptionDescription> {
    let option = |option: &LoggingOption| CloudWatchLoggingOptionDescription {
        log_stream_arn: option.log_stream_arn.clone(),
        cloud_watch_logging_option_id: Some(option.id.clone()),
    };
    configuration.logging.iter().map(option).collect()
}

pub fn maintenance(window: WindowStart) -> ApplicationMaintenanceConfigurationDescription {
    ApplicationMaintenanceConfigurationDescription {
        application_maintenance_window_start_time: window.start(),
        application_maintenance_window_end_time: window.end(),
    }
}

fn type_name(configuration_type: ConfigurationType) -> String {
    match configuration_type {
        ConfigurationType::Default => "DEFAULT",
        ConfigurationType::Custom => "CUSTOM",
    }
    .to_owned()
}

fn properties(configuration: &Configuration) -> Option<EnvironmentPropertyDescriptions> {
    if configuration.property_groups.is_empty() {
        return None;
    }
    let group = |group: &millrace_domain::configuration::PropertyGroup| PropertyGroup {
        property_group_id: group.id.clone(),
        property_map: group.properties.clone(),
    };
    let property_group_descriptions = configuration.property_groups.iter().map(group).collect();
    Some(EnvironmentPropertyDescriptions { property_group_descriptions })
}

fn run_configuration(run: &RunConfiguration) -> RunConfigurationDescription {
    let snapshot_arn = match &run.restore {
        Restore::Enhanced { arn, .. } => Some(arn.clone()),
        _ => None,
    };
    let (restore_type, snapshot_name) = match &run.restore {
        Restore::Enhanced { .. } => ("RESTORE_FROM_CUSTOM_SNAPSHOT", None),
        Restore::Skip => ("SKIP_RESTORE_FROM_SNAPSHOT", None),
        Restore::Latest => ("RESTORE_FROM_LATEST_SNAPSHOT", None),
        Restore::Custom(name) => ("RESTORE_FROM_CUSTOM_SNAPSHOT", Some(name.to_string())),
    };
    RunConfigurationDescription {
        application_restore_configuration_description: Some(ApplicationRestoreConfiguration {
            application_restore_type: restore_type.to_owned(),
            snapshot_name,
            snapshot_arn,
        }),
        flink_run_configuration_description: Some(FlinkRunConfiguration {
            allow_non_restored_state: Some(run.allow_non_restored_state),
        }),
    }
}

/// A snapshot as Describe and List show it.
pub fn snapshot(snapshot: &Snapshot) -> SnapshotDetails {
    SnapshotDetails {
        snapshot_name: snapshot.name.to_string(),
        snapshot_status: snapshot.status.name().to_owned(),
        application_version_id: snapshot.version.0,
        snapshot_creation_timestamp: Some(seconds(snapshot.created_at)),
        runtime_environment: Some(snapshot.runtime_environment.clone()),
    }
}
