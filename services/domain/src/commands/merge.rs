//! How a partial configuration meets the one there is (aws-api 2.3, 2.5, 2.7, 7.6).

use crate::commands::options::OptionsPatch;
use crate::configuration::{
    CheckpointConfiguration, Code, CodeOrigin, Configuration, ConfigurationType,
    MonitoringConfiguration, ParallelismConfiguration, PropertyGroup, SnapshotMode,
};
use crate::quota::{self, Quotas};
use crate::reject::Reject;

/// What a create or an update says; `None` leaves the value as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigurationPatch {
    /// Fetched and stored already.
    pub code: Option<Code>,
    pub checkpoint: Option<CheckpointPatch>,
    pub monitoring: Option<MonitoringPatch>,
    pub parallelism: Option<ParallelismPatch>,
    /// Replaces all groups; an empty list clears them.
    pub property_groups: Option<Vec<PropertyGroup>>,
    pub snapshots_enabled: Option<bool>,
    pub snapshot_mode: Option<SnapshotMode>,
    pub rollback_enabled: Option<bool>,
    /// Applied by the command that makes the version, as the ids name it.
    pub options: OptionsPatch,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointPatch {
    pub configuration_type: Option<ConfigurationType>,
    pub enabled: Option<bool>,
    pub interval_ms: Option<u64>,
    pub min_pause_ms: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonitoringPatch {
    pub configuration_type: Option<ConfigurationType>,
    pub metrics_level: Option<String>,
    pub log_level: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParallelismPatch {
    pub configuration_type: Option<ConfigurationType>,
    pub parallelism: Option<u32>,
    pub parallelism_per_kpu: Option<u32>,
    pub auto_scaling_enabled: Option<bool>,
}

impl ConfigurationPatch {
    /// The configuration after the patch.
    ///
    /// # Errors
    /// A value is beyond a quota, a property group is named twice, or values are given
    /// for settings that stay DEFAULT.
    pub fn onto(self, current: &Configuration, quotas: &Quotas) -> Result<Configuration, Reject> {
        let parallelism = match self.parallelism {
            Some(patch) => patch.onto(&current.parallelism)?,
            None => current.parallelism.clone(),
        };
        quota::check_parallelism(&parallelism, quotas)?;
        let property_groups = self.property_groups.unwrap_or(current.property_groups.clone());
        check_distinct(&property_groups)?;
        Ok(Configuration {
            code: self.code.or(current.code.clone()),
            checkpoint: match self.checkpoint {
                Some(patch) => patch.onto(&current.checkpoint)?,
                None => current.checkpoint.clone(),
            },
            monitoring: match self.monitoring {
                Some(patch) => patch.onto(&current.monitoring)?,
                None => current.monitoring.clone(),
            },
            parallelism,
            property_groups,
            snapshots_enabled: self.snapshots_enabled.unwrap_or(current.snapshots_enabled),
            snapshot_mode: self.snapshot_mode.unwrap_or(current.snapshot_mode),
            rollback_enabled: self.rollback_enabled.unwrap_or(current.rollback_enabled),
            vpcs: current.vpcs.clone(),
            logging: current.logging.clone(),
        })
    }
}

/// The type after a patch. AWS leaves open what values do without a type while the
/// settings are DEFAULT; dropping them in silence would be an update that does nothing,
/// so that is refused. Values beside an explicit DEFAULT are documented as ignored.
fn patched_type(
    member: &'static str,
    asked: Option<ConfigurationType>,
    current: ConfigurationType,
    has_values: bool,
) -> Result<ConfigurationType, Reject> {
    if asked.is_none() && current == ConfigurationType::Default && has_values {
        let problem = "its settings are DEFAULT and stay so: \
                       send the ConfigurationType CUSTOM with the values"
            .to_owned();
        return Err(Reject::Invalid { member, problem });
    }
    Ok(asked.unwrap_or(current))
}

impl CheckpointPatch {
    fn onto(self, current: &CheckpointConfiguration) -> Result<CheckpointConfiguration, Reject> {
        let has_values =
            self.enabled.is_some() || self.interval_ms.is_some() || self.min_pause_ms.is_some();
        let current_type = current.configuration_type;
        let kind = patched_type(
            "CheckpointConfiguration",
            self.configuration_type,
            current_type,
            has_values,
        )?;
        if kind == ConfigurationType::Default {
            return Ok(CheckpointConfiguration::default());
        }
        Ok(CheckpointConfiguration {
            configuration_type: kind,
            enabled: self.enabled.unwrap_or(current.enabled),
            interval_ms: self.interval_ms.unwrap_or(current.interval_ms),
            min_pause_ms: self.min_pause_ms.unwrap_or(current.min_pause_ms),
        })
    }
}

impl MonitoringPatch {
    fn onto(self, current: &MonitoringConfiguration) -> Result<MonitoringConfiguration, Reject> {
        let has_values = self.metrics_level.is_some() || self.log_level.is_some();
        let current_type = current.configuration_type;
        let kind = patched_type(
            "MonitoringConfiguration",
            self.configuration_type,
            current_type,
            has_values,
        )?;
        if kind == ConfigurationType::Default {
            return Ok(MonitoringConfiguration::default());
        }
        Ok(MonitoringConfiguration {
            configuration_type: kind,
            metrics_level: self.metrics_level.unwrap_or(current.metrics_level.clone()),
            log_level: self.log_level.unwrap_or(current.log_level.clone()),
        })
    }
}

impl ParallelismPatch {
    fn onto(self, current: &ParallelismConfiguration) -> Result<ParallelismConfiguration, Reject> {
        let has_values = self.parallelism.is_some()
            || self.parallelism_per_kpu.is_some()
            || self.auto_scaling_enabled.is_some();
        let current_type = current.configuration_type;
        let kind = patched_type(
            "ParallelismConfiguration",
            self.configuration_type,
            current_type,
            has_values,
        )?;
        if kind == ConfigurationType::Default {
            return Ok(ParallelismConfiguration::default());
        }
        Ok(ParallelismConfiguration {
            configuration_type: kind,
            parallelism: self.parallelism.unwrap_or(current.parallelism),
            parallelism_per_kpu: self.parallelism_per_kpu.unwrap_or(current.parallelism_per_kpu),
            auto_scaling_enabled: self.auto_scaling_enabled.unwrap_or(current.auto_scaling_enabled),
        })
    }
}

fn check_distinct(groups: &[PropertyGroup]) -> Result<(), Reject> {
    for (at, group) in groups.iter().enumerate() {
        if groups[..at].iter().any(|earlier| earlier.id == group.id) {
            let problem = format!("{} is given twice: merge the two groups", group.id);
            return Err(Reject::Invalid { member: "PropertyGroupId", problem });
        }
    }
    Ok(())
}

/// What an update says about an S3 location: only what changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeLocationPatch {
    pub bucket_arn: Option<String>,
    pub file_key: Option<String>,
    pub object_version: Option<String>,
    pub zip: Option<bool>,
}

/// The S3 location after a patch: a documented update sends the new key alone.
/// The object version goes when bucket or key change without one: it named a version
/// of the object before.
///
/// # Errors
/// The code is not in S3 now, and the patch does not say it all.
pub fn merge_code_location(
    current: Option<&CodeOrigin>,
    patch: CodeLocationPatch,
) -> Result<CodeOrigin, Reject> {
    let (bucket, key, version, zip) = match current {
        Some(CodeOrigin::S3 { bucket_arn, file_key, object_version, zip }) => {
            (Some(bucket_arn.clone()), Some(file_key.clone()), object_version.clone(), Some(*zip))
        }
        Some(CodeOrigin::Zip) => (None, None, None, Some(true)),
        Some(CodeOrigin::Text(_)) => (None, None, None, Some(false)),
        None => (None, None, None, None),
    };
    let moved = (patch.bucket_arn.is_some() && patch.bucket_arn != bucket)
        || (patch.file_key.is_some() && patch.file_key != key);
    Ok(CodeOrigin::S3 {
        bucket_arn: needed("BucketARNUpdate", patch.bucket_arn.or(bucket))?,
        file_key: needed("FileKeyUpdate", patch.file_key.or(key))?,
        object_version: patch.object_version.or(version.filter(|_| !moved)),
        zip: needed("CodeContentTypeUpdate", patch.zip.or(zip))?,
    })
}

fn needed<T>(member: &'static str, value: Option<T>) -> Result<T, Reject> {
    let problem = || "is required, as the application's code is not in S3 now".to_owned();
    value.ok_or_else(|| Reject::Invalid { member, problem: problem() })
}
