//! The files of one generation that runs on Flink, below `run/g<generation>/`: `cluster.json`
//! (what was started, written first), `jobmanager.json` and `taskmanager.json` (their pids),
//! `prepared.json` (the program is uploaded, or cannot be), `ended.json` and `engine.log` as
//! of the embedded engine, `conf/` and `application.jar` (given).

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::commands::Role;
use super::distribution::Release;
use crate::error::LauncherError;
use crate::local::files::{Ended, ProcessFile, RunDirectory, io, read_json, write_json};

/// What was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ClusterFile {
    pub release: String,
    /// Why it is Flink that runs the job.
    pub why: String,
    /// Of its REST interface.
    pub address: String,
    pub parallelism: u32,
    /// The id of its job, before there is one.
    pub job: String,
    /// A retry: what this generation or a later one completed is restored first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_generation: Option<u64>,
    /// What the program is called with.
    pub arguments: Vec<String>,
    /// It may be planned before it is run: a script, not somebody's program.
    pub is_script: bool,
    /// It waits beside an older one: whatever can be done before, is.
    #[serde(default)]
    pub standby: bool,
    pub started_at_ms: i64,
}

impl ClusterFile {
    pub(super) fn release(&self) -> Release {
        let unknown = Release { major: 0, minor: 0, patch: 0 };
        Release::parse(&self.release).unwrap_or(unknown)
    }
}

/// How far a cluster is with its program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Prepared {
    Ready { jar: String },
    Failed { cause: String },
}

pub(super) struct Run {
    directory: RunDirectory,
}

impl Run {
    pub(super) fn at(path: PathBuf) -> Run {
        Run { directory: RunDirectory::new(path) }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.log()
    }

    pub(super) fn jar(&self) -> PathBuf {
        self.path().join("application.jar")
    }

    pub(super) fn create(&self) -> Result<(), LauncherError> {
        for name in ["conf", "tmp", "upload"] {
            let path = self.path().join(name);
            fs::create_dir_all(&path).map_err(io("create", &path))?;
        }
        Ok(())
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), LauncherError> {
        let path = self.path().join(name);
        fs::write(&path, bytes).map_err(io("write", &path))
    }

    pub(super) fn cluster(&self) -> Result<Option<ClusterFile>, LauncherError> {
        self.read("cluster.json")
    }

    pub(super) fn write_cluster(&self, cluster: &ClusterFile) -> Result<(), LauncherError> {
        write_json(&self.path().join("cluster.json"), cluster)
    }

    pub(super) fn prepared(&self) -> Result<Option<Prepared>, LauncherError> {
        self.read("prepared.json")
    }

    pub(super) fn write_prepared(&self, prepared: &Prepared) -> Result<(), LauncherError> {
        write_json(&self.path().join("prepared.json"), prepared)
    }

    pub(super) fn process(&self, role: Role) -> Result<Option<ProcessFile>, LauncherError> {
        self.read(&format!("{}.json", role.name()))
    }

    pub(super) fn write_process(
        &self,
        role: Role,
        process: &ProcessFile,
    ) -> Result<(), LauncherError> {
        write_json(&self.path().join(format!("{}.json", role.name())), process)
    }

    pub(super) fn ended(&self) -> Result<Option<Ended>, LauncherError> {
        self.directory.ended()
    }

    /// What only the living cluster needs goes: it may be much.
    pub(super) fn write_ended(&self, ended: &Ended) -> Result<(), LauncherError> {
        for name in ["tmp", "upload"] {
            drop(fs::remove_dir_all(self.path().join(name)));
        }
        self.directory.write_ended(ended)
    }

    /// Of a check.
    pub(super) fn remove(&self) {
        self.directory.remove();
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, LauncherError> {
        read_json(&self.path().join(name))
    }
}
