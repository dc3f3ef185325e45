//! What one job cluster is given, resolved from a version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::configuration::{ParallelismConfiguration, PropertyGroup, Version};
use crate::ids::{ApplicationId, ArtifactId, Generation};

/// Everything that starting (or checking) one generation needs; no secret of the service
/// is among it.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    pub application: ApplicationId,
    pub name: String,
    pub generation: Generation,
    pub runtime: String,
    pub artifact: ArtifactId,
    pub restore: RestoreFrom,
    /// Retries: a checkpoint that this or a later generation completed goes before `restore`.
    pub since_generation: Option<Generation>,
    pub allow_non_restored_state: bool,
    pub parallelism: u32,
    /// Kinesis Processing Units: 1 vCPU and 4 GB each.
    pub kpus: u32,
    /// Flink configuration keys.
    pub settings: BTreeMap<String, String>,
    pub properties: Vec<PropertyGroup>,
    pub hold_commits: bool,
    pub standby: bool,
    pub log_level: String,
}

/// Where a job's state comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RestoreFrom {
    None,
    /// The newest visible checkpoint or savepoint; none being fine.
    Latest,
    Snapshot {
        location: String,
    },
}

impl Launch {
    /// The same at another parallelism; `None` leaves it at that of the version.
    #[must_use]
    pub fn at_parallelism(self, version: &Version, parallelism: Option<u32>) -> Launch {
        let Some(parallelism) = parallelism else { return self };
        let configured = &version.configuration.parallelism;
        let kpus = ParallelismConfiguration { parallelism, ..configured.clone() }.kpus();
        Launch { parallelism, kpus, ..self }
    }

    /// The launch of `version`; `None` when it has no code.
    pub fn of(
        application: &Application,
        version: &Version,
        generation: Generation,
        restore: RestoreFrom,
    ) -> Option<Launch> {
        let configuration = &version.configuration;
        Some(Launch {
            application: application.id.clone(),
            name: application.name.to_string(),
            generation,
            runtime: version.runtime_environment.clone(),
            artifact: configuration.code.as_ref()?.artifact.clone(),
            restore,
            since_generation: None,
            allow_non_restored_state: false,
            parallelism: configuration.parallelism.parallelism,
            kpus: configuration.parallelism.kpus(),
            settings: checkpoint_settings(version),
            properties: configuration.property_groups.clone(),
            hold_commits: false,
            standby: false,
            log_level: configuration.monitoring.log_level.clone(),
        })
    }
}

/// Flink: `execution.checkpointing.interval`; absent, there are no periodic checkpoints.
fn checkpoint_settings(version: &Version) -> BTreeMap<String, String> {
    let checkpoint = &version.configuration.checkpoint;
    let mut settings = BTreeMap::new();
    if checkpoint.enabled {
        let set = |ms: u64| format!("{ms} ms");
        settings.insert("execution.checkpointing.interval".to_owned(), set(checkpoint.interval_ms));
        settings
            .insert("execution.checkpointing.min-pause".to_owned(), set(checkpoint.min_pause_ms));
    }
    settings
}
