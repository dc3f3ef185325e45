//! What a version of an application says: code, runtime, settings.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::ids::{ArtifactId, SnapshotName, Timestamp, VersionId};

/// One version: immutable once made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub id: VersionId,
    /// AWS: `RuntimeEnvironment`, for example `FLINK-1_18`. Checked against the
    /// catalogue of runtimes when the version is made.
    pub runtime_environment: String,
    pub service_execution_role: String,
    pub configuration: Configuration,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    pub code: Option<Code>,
    pub checkpoint: CheckpointConfiguration,
    pub monitoring: MonitoringConfiguration,
    pub parallelism: ParallelismConfiguration,
    /// AWS: `EnvironmentProperties`: group id to properties.
    pub property_groups: Vec<PropertyGroup>,
    pub snapshots_enabled: bool,
    /// Which kind of snapshots: of the application, or of the account.
    #[serde(default)]
    pub snapshot_mode: SnapshotMode,
    pub rollback_enabled: bool,
    /// Kept and shown; jobs run in the service's own network.
    #[serde(default)]
    pub vpcs: Vec<VpcConfiguration>,
    /// Kept and shown; logs are kept by the service itself.
    #[serde(default)]
    pub logging: Vec<LoggingOption>,
}

/// AWS: `SnapshotMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotMode {
    /// Snapshots belong to their application and go with it.
    #[default]
    #[serde(rename = "APPLICATION_SNAPSHOTS_LEGACY")]
    Legacy,
    /// Snapshots are resources of the account, with an ARN.
    #[serde(rename = "ENHANCED_SNAPSHOTS")]
    Enhanced,
}

impl SnapshotMode {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            SnapshotMode::Legacy => "APPLICATION_SNAPSHOTS_LEGACY",
            SnapshotMode::Enhanced => "ENHANCED_SNAPSHOTS",
        }
    }
}

/// AWS: `VpcConfigurationDescription`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcConfiguration {
    pub id: String,
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
}

impl VpcConfiguration {
    /// AWS looks up whose the subnets are. Nobody can be asked here: the id is a digest
    /// of the subnets, so that the same subnets show the same VPC.
    pub fn vpc_id(&self) -> String {
        let mut subnets: Vec<&str> = self.subnet_ids.iter().map(String::as_str).collect();
        subnets.sort_unstable();
        let digest = hex::encode(Md5::digest(subnets.join(",")));
        format!("vpc-{}", &digest[..17])
    }
}

/// AWS: `CloudWatchLoggingOptionDescription`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingOption {
    pub id: String,
    pub log_stream_arn: String,
}

/// AWS: `ApplicationCodeConfiguration`, with the bytes in the artifact store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    pub origin: CodeOrigin,
    /// The script itself for text, `main.sql` of the zip: what the engine runs.
    pub artifact: ArtifactId,
    pub size_bytes: u64,
    /// Hex MD5 of the bytes as uploaded.
    pub md5: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CodeOrigin {
    /// AWS: `TextContent`; Describe shows it.
    Text(String),
    /// AWS: `ZipFileContent`.
    Zip,
    /// AWS: `S3ContentLocation`; PLAINTEXT or ZIPFILE by `zip`.
    S3 { bucket_arn: String, file_key: String, object_version: Option<String>, zip: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConfigurationType {
    Default,
    Custom,
}

/// DEFAULT means enabled, 60,000 ms, 5,000 ms, whatever else was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointConfiguration {
    pub configuration_type: ConfigurationType,
    pub enabled: bool,
    pub interval_ms: u64,
    pub min_pause_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitoringConfiguration {
    pub configuration_type: ConfigurationType,
    /// APPLICATION, TASK, OPERATOR or PARALLELISM.
    pub metrics_level: String,
    /// INFO, WARN, ERROR or DEBUG.
    pub log_level: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParallelismConfiguration {
    pub configuration_type: ConfigurationType,
    pub parallelism: u32,
    pub parallelism_per_kpu: u32,
    pub auto_scaling_enabled: bool,
}

/// What an application has that says nothing (aws-api 2.3).
impl Default for Configuration {
    fn default() -> Configuration {
        Configuration {
            code: None,
            checkpoint: CheckpointConfiguration::default(),
            monitoring: MonitoringConfiguration::default(),
            parallelism: ParallelismConfiguration::default(),
            property_groups: Vec::new(),
            snapshots_enabled: true,
            snapshot_mode: SnapshotMode::Legacy,
            rollback_enabled: false,
            vpcs: Vec::new(),
            logging: Vec::new(),
        }
    }
}

impl Default for CheckpointConfiguration {
    fn default() -> CheckpointConfiguration {
        CheckpointConfiguration {
            configuration_type: ConfigurationType::Default,
            enabled: true,
            interval_ms: 60_000,
            min_pause_ms: 5_000,
        }
    }
}

impl Default for MonitoringConfiguration {
    fn default() -> MonitoringConfiguration {
        MonitoringConfiguration {
            configuration_type: ConfigurationType::Default,
            metrics_level: "APPLICATION".to_owned(),
            log_level: "INFO".to_owned(),
        }
    }
}

impl ParallelismConfiguration {
    /// Kinesis Processing Units that it takes (AWS: `Parallelism / ParallelismPerKPU`).
    pub fn kpus(&self) -> u32 {
        self.parallelism.div_ceil(self.parallelism_per_kpu.max(1))
    }
}

impl Default for ParallelismConfiguration {
    fn default() -> ParallelismConfiguration {
        ParallelismConfiguration {
            configuration_type: ConfigurationType::Default,
            parallelism: 1,
            parallelism_per_kpu: 1,
            auto_scaling_enabled: true,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropertyGroup {
    pub id: String,
    pub properties: BTreeMap<String, String>,
}

/// AWS: `RunConfiguration`: how one start restores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunConfiguration {
    pub restore: Restore,
    pub allow_non_restored_state: bool,
}

/// AWS: `ApplicationRestoreConfiguration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restore {
    /// SKIP_RESTORE_FROM_SNAPSHOT.
    Skip,
    /// RESTORE_FROM_LATEST_SNAPSHOT: the newest there is, none being fine.
    Latest,
    /// RESTORE_FROM_CUSTOM_SNAPSHOT.
    Custom(SnapshotName),
    /// RESTORE_FROM_CUSTOM_SNAPSHOT with the ARN of an enhanced snapshot, which may be of
    /// another application; looked up when the call was made.
    Enhanced { arn: String, location: String },
}

impl Default for RunConfiguration {
    fn default() -> RunConfiguration {
        RunConfiguration { restore: Restore::Latest, allow_non_restored_state: false }
    }
}
