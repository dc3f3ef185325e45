//! What a version says: code, engine, settings.

use std::collections::BTreeMap;

use millrace_api_spec::wire::{self, FlinkApplicationConfigurationUpdate};
use millrace_domain::configuration as domain;
use millrace_domain::configuration::{CodeOrigin, Configuration as DomainConfiguration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::words::{
    ConfigurationType, ContentType, Engine, LogLevel, MetricsLevel, SnapshotMode, named, of_domain,
    text,
};

/// The property group of this service's own settings.
pub const RUNTIME_GROUP: &str = "millrace.runtime";
const ENGINE: &str = "engine";

/// What a create or an update says; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigurationPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What runs the job; kept as property `engine` of the group `millrace.runtime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Checkpoints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<Parallelism>,
    /// Replaces all groups: group to key to value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property_groups: Option<BTreeMap<String, BTreeMap<String, String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<SnapshotSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackSettings>,
}

/// Application code: one of `text`, `zip` and `s3`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Code {
    /// Without it: as the content says, of an object in S3 by its name (`.zip`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<ContentType>,
    /// A script in Flink's SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 102_400)]
    pub text: Option<String>,
    /// A zip with `main.sql`, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Location>,
}

/// An object in S3; in an update what is left out is as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct S3Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_version: Option<String>,
}

/// Values make the type `CUSTOM`, where none is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoints {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_type: Option<ConfigurationType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub interval_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub min_pause_ms: Option<i64>,
}

/// Values make the type `CUSTOM`, where none is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Monitoring {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_type: Option<ConfigurationType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_level: Option<MetricsLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
}

/// Values make the type `CUSTOM`, where none is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parallelism {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_type: Option<ConfigurationType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub parallelism: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub parallelism_per_kpu: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_enabled: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotSettings {
    /// Whether a stop and an update take a snapshot.
    pub enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<SnapshotMode>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackSettings {
    /// Whether the old version is put back when an update fails.
    pub enabled: bool,
}

impl ConfigurationPatch {
    /// As a creation of the AWS surface says it.
    pub fn for_create(self) -> wire::ApplicationConfiguration {
        let property_groups = self.groups(None);
        let update = FlinkApplicationConfigurationUpdate {
            checkpoint_configuration_update: self.checkpoints.map(checkpoints),
            monitoring_configuration_update: self.monitoring.map(monitoring),
            parallelism_configuration_update: self.parallelism.map(parallelism),
        };
        wire::ApplicationConfiguration {
            flink_application_configuration: Some(created(update)),
            environment_properties: property_groups,
            application_code_configuration: self.code.map(new_code),
            application_snapshot_configuration: self.snapshots.map(|snapshots| {
                wire::ApplicationSnapshotConfiguration {
                    snapshots_enabled: snapshots.enabled,
                    snapshot_mode: snapshots.mode.as_ref().map(text),
                }
            }),
            application_system_rollback_configuration: self.rollback.map(|rollback| {
                wire::ApplicationSystemRollbackConfiguration { rollback_enabled: rollback.enabled }
            }),
            ..wire::ApplicationConfiguration::default()
        }
    }

    /// As an update of the AWS surface says it. `current` is the configuration there is, to
    /// which an engine without property groups is added.
    pub fn for_update(
        self,
        current: Option<&DomainConfiguration>,
    ) -> wire::ApplicationConfigurationUpdate {
        let property_groups = self.groups(current);
        let flink = FlinkApplicationConfigurationUpdate {
            checkpoint_configuration_update: self.checkpoints.map(checkpoints),
            monitoring_configuration_update: self.monitoring.map(monitoring),
            parallelism_configuration_update: self.parallelism.map(parallelism),
        };
        let says = flink != FlinkApplicationConfigurationUpdate::default();
        wire::ApplicationConfigurationUpdate {
            application_code_configuration_update: self.code.map(code_update),
            flink_application_configuration_update: says.then_some(flink),
            environment_property_updates: property_groups,
            application_snapshot_configuration_update: self.snapshots.map(|snapshots| {
                wire::ApplicationSnapshotConfigurationUpdate {
                    snapshots_enabled_update: snapshots.enabled,
                    snapshot_mode_update: snapshots.mode.as_ref().map(text),
                }
            }),
            application_system_rollback_configuration_update: self.rollback.map(|rollback| {
                wire::ApplicationSystemRollbackConfigurationUpdate {
                    rollback_enabled_update: rollback.enabled,
                }
            }),
            ..wire::ApplicationConfigurationUpdate::default()
        }
    }

    fn groups(&self, current: Option<&DomainConfiguration>) -> Option<wire::EnvironmentProperties> {
        let mut groups = match (&self.property_groups, self.engine) {
            (None, None) => return None,
            (Some(given), _) => given.clone(),
            (None, Some(_)) => current.map(groups_of).unwrap_or_default(),
        };
        if let Some(engine) = self.engine {
            let own = groups.entry(RUNTIME_GROUP.to_owned()).or_default();
            own.insert(ENGINE.to_owned(), text(&engine));
        }
        let group = |(id, properties)| wire::PropertyGroup {
            property_group_id: id,
            property_map: properties,
        };
        let property_groups = groups.into_iter().map(group).collect();
        Some(wire::EnvironmentProperties { property_groups })
    }
}

fn groups_of(configuration: &DomainConfiguration) -> BTreeMap<String, BTreeMap<String, String>> {
    let group = |group: &domain::PropertyGroup| (group.id.clone(), group.properties.clone());
    configuration.property_groups.iter().map(group).collect()
}

fn engine_of(configuration: &DomainConfiguration) -> Engine {
    let own = configuration.property_groups.iter().find(|group| group.id == RUNTIME_GROUP);
    let chosen = own.and_then(|group| group.properties.get(ENGINE));
    chosen.and_then(|name| named(name)).unwrap_or(Engine::Auto)
}

fn kind(given: Option<ConfigurationType>, has_values: bool) -> Option<String> {
    given.or(has_values.then_some(ConfigurationType::Custom)).as_ref().map(text)
}

fn checkpoints(it: Checkpoints) -> wire::CheckpointConfigurationUpdate {
    let has_values = it.enabled.is_some() || it.interval_ms.is_some() || it.min_pause_ms.is_some();
    wire::CheckpointConfigurationUpdate {
        configuration_type_update: kind(it.configuration_type, has_values),
        checkpointing_enabled_update: it.enabled,
        checkpoint_interval_update: it.interval_ms,
        min_pause_between_checkpoints_update: it.min_pause_ms,
    }
}

fn monitoring(it: Monitoring) -> wire::MonitoringConfigurationUpdate {
    let has_values = it.metrics_level.is_some() || it.log_level.is_some();
    wire::MonitoringConfigurationUpdate {
        configuration_type_update: kind(it.configuration_type, has_values),
        metrics_level_update: it.metrics_level.as_ref().map(text),
        log_level_update: it.log_level.as_ref().map(text),
    }
}

fn parallelism(it: Parallelism) -> wire::ParallelismConfigurationUpdate {
    let has_values = it.parallelism.is_some()
        || it.parallelism_per_kpu.is_some()
        || it.auto_scaling_enabled.is_some();
    wire::ParallelismConfigurationUpdate {
        configuration_type_update: kind(it.configuration_type, has_values),
        parallelism_update: it.parallelism,
        parallelism_per_kpu_update: it.parallelism_per_kpu,
        auto_scaling_enabled_update: it.auto_scaling_enabled,
    }
}

/// The settings of a new application; a type that nothing asks for is DEFAULT.
fn created(update: FlinkApplicationConfigurationUpdate) -> wire::FlinkApplicationConfiguration {
    let default = || text(&ConfigurationType::Default);
    wire::FlinkApplicationConfiguration {
        checkpoint_configuration: update.checkpoint_configuration_update.map(|it| {
            wire::CheckpointConfiguration {
                configuration_type: it.configuration_type_update.unwrap_or_else(default),
                checkpointing_enabled: it.checkpointing_enabled_update,
                checkpoint_interval: it.checkpoint_interval_update,
                min_pause_between_checkpoints: it.min_pause_between_checkpoints_update,
            }
        }),
        monitoring_configuration: update.monitoring_configuration_update.map(|it| {
            wire::MonitoringConfiguration {
                configuration_type: it.configuration_type_update.unwrap_or_else(default),
                metrics_level: it.metrics_level_update,
                log_level: it.log_level_update,
            }
        }),
        parallelism_configuration: update.parallelism_configuration_update.map(|it| {
            wire::ParallelismConfiguration {
                configuration_type: it.configuration_type_update.unwrap_or_else(default),
                parallelism: it.parallelism_update,
                parallelism_per_kpu: it.parallelism_per_kpu_update,
                auto_scaling_enabled: it.auto_scaling_enabled_update,
            }
        }),
    }
}

impl Code {
    /// Of an object whose key is not given there is nothing to tell it by.
    fn kind(&self) -> Option<ContentType> {
        let by_name = |key: &str| match key.ends_with(".zip") {
            true => ContentType::Zipfile,
            false => ContentType::Plaintext,
        };
        let location = self.s3.as_ref().and_then(|s3| s3.key.as_deref());
        self.content_type
            .or(self.text.as_ref().map(|_| ContentType::Plaintext))
            .or(self.zip.as_ref().map(|_| ContentType::Zipfile))
            .or(location.map(by_name))
    }
}

fn new_code(code: Code) -> wire::ApplicationCodeConfiguration {
    let kind = code.kind().unwrap_or(ContentType::Plaintext);
    wire::ApplicationCodeConfiguration {
        code_content_type: text(&kind),
        code_content: Some(wire::CodeContent {
            text_content: code.text,
            zip_file_content: code.zip,
            s3_content_location: code.s3.map(|s3| wire::S3ContentLocation {
                bucket_arn: s3.bucket_arn.unwrap_or_default(),
                file_key: s3.key.unwrap_or_default(),
                object_version: s3.object_version,
            }),
        }),
    }
}

fn code_update(code: Code) -> wire::ApplicationCodeConfigurationUpdate {
    let kind = code.kind();
    let content = wire::CodeContentUpdate {
        text_content_update: code.text,
        zip_file_content_update: code.zip,
        s3_content_location_update: code.s3.map(|s3| wire::S3ContentLocationUpdate {
            bucket_arn_update: s3.bucket_arn,
            file_key_update: s3.key,
            object_version_update: s3.object_version,
        }),
    };
    wire::ApplicationCodeConfigurationUpdate {
        code_content_type_update: kind.as_ref().map(text),
        code_content_update: Some(content),
    }
}

/// What a version says, defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeDescription>,
    pub engine: Engine,
    pub checkpoints: Checkpoints,
    pub monitoring: Monitoring,
    pub parallelism: Parallelism,
    /// Kinesis Processing Units that it takes.
    pub kpus: u32,
    pub property_groups: BTreeMap<String, BTreeMap<String, String>>,
    pub snapshots: SnapshotSettings,
    pub rollback: RollbackSettings,
    pub vpc_configurations: Vec<VpcConfiguration>,
    pub logging_options: Vec<LoggingOption>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CodeDescription {
    pub content_type: ContentType,
    /// Of code that came as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of code that came from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Location>,
    /// Hexadecimal, of the bytes as they came.
    pub md5: String,
    pub size_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VpcConfiguration {
    pub id: String,
    pub vpc_id: String,
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggingOption {
    pub id: String,
    pub log_stream_arn: String,
}

impl Configuration {
    pub fn of(configuration: &DomainConfiguration) -> Configuration {
        let (checkpoint, monitoring) = (&configuration.checkpoint, &configuration.monitoring);
        let parallelism = &configuration.parallelism;
        let ms = |value: u64| i64::try_from(value).ok();
        let number = |value: u32| i32::try_from(value).ok();
        Configuration {
            code: configuration.code.as_ref().map(described),
            engine: engine_of(configuration),
            checkpoints: Checkpoints {
                configuration_type: Some(type_of(checkpoint.configuration_type)),
                enabled: Some(checkpoint.enabled),
                interval_ms: ms(checkpoint.interval_ms),
                min_pause_ms: ms(checkpoint.min_pause_ms),
            },
            monitoring: Monitoring {
                configuration_type: Some(type_of(monitoring.configuration_type)),
                metrics_level: named(&monitoring.metrics_level),
                log_level: named(&monitoring.log_level),
            },
            parallelism: Parallelism {
                configuration_type: Some(type_of(parallelism.configuration_type)),
                parallelism: number(parallelism.parallelism),
                parallelism_per_kpu: number(parallelism.parallelism_per_kpu),
                auto_scaling_enabled: Some(parallelism.auto_scaling_enabled),
            },
            kpus: parallelism.kpus(),
            property_groups: groups_of(configuration),
            snapshots: SnapshotSettings {
                enabled: configuration.snapshots_enabled,
                mode: Some(of_domain(configuration.snapshot_mode.name())),
            },
            rollback: RollbackSettings { enabled: configuration.rollback_enabled },
            vpc_configurations: configuration.vpcs.iter().map(vpc).collect(),
            logging_options: configuration.logging.iter().map(logging_option).collect(),
        }
    }
}

fn type_of(configuration_type: domain::ConfigurationType) -> ConfigurationType {
    match configuration_type {
        domain::ConfigurationType::Default => ConfigurationType::Default,
        domain::ConfigurationType::Custom => ConfigurationType::Custom,
    }
}

fn described(code: &domain::Code) -> CodeDescription {
    let (content_type, text, s3) = match &code.origin {
        CodeOrigin::Text(text) => (ContentType::Plaintext, Some(text.clone()), None),
        CodeOrigin::Zip => (ContentType::Zipfile, None, None),
        CodeOrigin::S3 { bucket_arn, file_key, object_version, zip } => {
            let location = S3Location {
                bucket_arn: Some(bucket_arn.clone()),
                key: Some(file_key.clone()),
                object_version: object_version.clone(),
            };
            let kind = if *zip { ContentType::Zipfile } else { ContentType::Plaintext };
            (kind, None, Some(location))
        }
    };
    CodeDescription { content_type, text, s3, md5: code.md5.clone(), size_bytes: code.size_bytes }
}

pub fn vpc(vpc: &domain::VpcConfiguration) -> VpcConfiguration {
    VpcConfiguration {
        id: vpc.id.clone(),
        vpc_id: vpc.vpc_id(),
        subnet_ids: vpc.subnet_ids.clone(),
        security_group_ids: vpc.security_group_ids.clone(),
    }
}

pub fn logging_option(option: &domain::LoggingOption) -> LoggingOption {
    LoggingOption { id: option.id.clone(), log_stream_arn: option.log_stream_arn.clone() }
}
