//! The job description: what the launcher tells an engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use millrace_dataflow::{Generation, RuntimeLevel};
use millrace_state::RestoreRequest;
use serde::Deserialize;

/// One job, as JSON.
#[derive(Clone, Debug, Deserialize)]
pub struct JobDescription {
    pub application: String,
    pub name: String,
    pub generation: Generation,
    pub runtime: String,
    /// The SQL script's file.
    pub script: PathBuf,
    /// Root of the application's checkpoints and savepoints.
    pub state: String,
    pub restore: RestoreRequest,
    #[serde(default)]
    pub allow_non_restored_state: bool,
    pub parallelism: u16,
    /// Memory of this process; unless given, 4 GiB for each subtask.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    #[serde(default)]
    pub hold_commits: bool,
    /// Listen, plan and open, and wait to be given the job.
    #[serde(default)]
    pub standby: bool,
    pub rest_address: String,
    pub endpoint_file: PathBuf,
    #[serde(default)]
    pub log_level: String,
}

/// The description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadDescription {
    #[error("cannot read the job description {path}: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("the job description {path} is no job description: {reason}")]
    NoDescription { path: PathBuf, reason: String },
}

impl JobDescription {
    /// # Errors
    /// The file cannot be read or is no description.
    pub fn read(path: &Path) -> Result<JobDescription, BadDescription> {
        let text = std::fs::read_to_string(path).map_err(|error| BadDescription::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        serde_json::from_str(&text).map_err(|error| BadDescription::NoDescription {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// # Errors
    /// The embedded engine has no such level; the text lists those it has.
    pub fn level(&self) -> Result<RuntimeLevel, String> {
        self.runtime
            .parse()
            .map_err(|error: millrace_dataflow::level::UnknownLevel| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_with_its_defaults() {
        let text = r#"{"application":"a","name":"n","generation":3,"runtime":"FLINK-1_18",
            "script":"/s.sql","state":"/state","restore":{"kind":"latest"},"parallelism":2,
            "properties":[{"PropertyGroupId":"g","PropertyMap":{"k":"v"}}],
            "rest_address":"127.0.0.1:0","endpoint_file":"/e.json"}"#;
        let description: JobDescription = serde_json::from_str(text).unwrap();
        assert_eq!(description.restore, RestoreRequest::Latest);
        assert_eq!(description.level(), Ok(RuntimeLevel::Flink1_18));
        assert!(!description.standby && !description.hold_commits);
    }

    #[test]
    fn an_unknown_runtime_is_answered_with_those_offered() {
        let text = r#"{"application":"a","name":"n","generation":3,"runtime":"FLINK-1_6",
            "script":"/s.sql","state":"/state","restore":{"kind":"none","since_generation":2},
            "parallelism":2,"rest_address":"127.0.0.1:0","endpoint_file":"/e.json"}"#;
        let description: JobDescription = serde_json::from_str(text).unwrap();
        let message = description.level().unwrap_err();
        assert!(message.contains("FLINK-1_6") && message.contains("FLINK-1_20"), "{message}");
    }
}
