//! The job description that an engine reads: `millrace-engine run|check --job FILE`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millrace_domain::lifecycle::{Launch, RestoreFrom};
use serde::{Deserialize, Serialize};

/// Memory of one Kinesis Processing Unit (AWS: 1 vCPU and 4 GB).
const KPU_BYTES: u64 = 4 << 30;

/// One job description. Field names are the file format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobFile {
    pub application: String,
    pub name: String,
    pub generation: u64,
    pub runtime: String,
    pub script: PathBuf,
    /// Root of the application's checkpoints and savepoints.
    pub state: PathBuf,
    pub restore: RestoreField,
    pub allow_non_restored_state: bool,
    pub parallelism: u32,
    /// What the engine's process may use: 4 GiB for each Kinesis Processing Unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    pub settings: BTreeMap<String, String>,
    pub properties: Vec<PropertyGroupField>,
    pub hold_commits: bool,
    pub standby: bool,
    pub rest_address: String,
    pub endpoint_file: PathBuf,
    pub log_level: String,
}

/// Where the state comes from. `since_generation`: when that or a later generation has
/// claimed the application already, this start is a retry and continues from the latest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RestoreField {
    None {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_generation: Option<u64>,
    },
    Latest,
    Snapshot {
        location: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_generation: Option<u64>,
    },
}

/// As AWS writes property groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PropertyGroupField {
    pub property_group_id: String,
    pub property_map: BTreeMap<String, String>,
}

impl JobFile {
    /// The description of `launch`, with `directory` as the place of its own files.
    pub fn new(launch: &Launch, directory: &Path, state: &Path) -> JobFile {
        JobFile {
            application: launch.application.to_string(),
            name: launch.name.clone(),
            generation: launch.generation.0,
            runtime: launch.runtime.clone(),
            script: directory.join("main.sql"),
            state: state.to_owned(),
            restore: restore_field(launch),
            allow_non_restored_state: launch.allow_non_restored_state,
            parallelism: launch.parallelism,
            memory_bytes: Some(u64::from(launch.kpus) * KPU_BYTES),
            settings: launch.settings.clone(),
            properties: properties(launch),
            hold_commits: launch.hold_commits,
            standby: launch.standby,
            rest_address: "127.0.0.1:0".to_owned(),
            endpoint_file: directory.join("endpoint.json"),
            log_level: launch.log_level.clone(),
        }
    }
}

fn restore_field(launch: &Launch) -> RestoreField {
    let since_generation = launch.since_generation.map(|generation| generation.0);
    match &launch.restore {
        RestoreFrom::None => RestoreField::None { since_generation },
        RestoreFrom::Latest => RestoreField::Latest,
        RestoreFrom::Snapshot { location } => {
            RestoreField::Snapshot { location: location.clone(), since_generation }
        }
    }
}

fn properties(launch: &Launch) -> Vec<PropertyGroupField> {
    let field = |group: &millrace_domain::configuration::PropertyGroup| PropertyGroupField {
        property_group_id: group.id.clone(),
        property_map: group.properties.clone(),
    };
    launch.properties.iter().map(field).collect()
}
