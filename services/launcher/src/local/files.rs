//! The files of one generation.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use millrace_domain::Generation;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::LauncherError;
use crate::job_file::JobFile;

/// Written by the engine once its REST interface listens.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Endpoint {
    pub pid: u32,
    pub address: String,
    pub generation: u64,
}

/// Written by the launcher after the spawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProcessFile {
    pub pid: u32,
    /// The kernel's start time of the process, in its own ticks; where there is one.
    pub kernel_start: Option<u64>,
    pub started_at_ms: i64,
}

/// The process lived and ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub code: Option<i32>,
    pub cause: String,
}

pub(crate) struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    pub(crate) fn new(path: PathBuf) -> RunDirectory {
        RunDirectory { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("engine.log")
    }

    pub(crate) fn job_file(&self) -> PathBuf {
        self.path.join("job.json")
    }

    pub(crate) fn create(&self) -> Result<(), LauncherError> {
        fs::create_dir_all(&self.path).map_err(io("create", &self.path))
    }

    pub(crate) fn copy_script(&self, from: &Path, artifact: &str) -> Result<(), LauncherError> {
        match fs::copy(from, self.path.join("main.sql")) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(LauncherError::NoCode { artifact: artifact.to_owned() })
            }
            Err(error) => Err(io("copy", from)(error)),
        }
    }

    pub(crate) fn write_job(&self, job: &JobFile) -> Result<(), LauncherError> {
        write_json(&self.job_file(), job)
    }

    pub(crate) fn endpoint(&self) -> Result<Option<Endpoint>, LauncherError> {
        read_json(&self.path.join("endpoint.json"))
    }

    pub(crate) fn process(&self) -> Result<Option<ProcessFile>, LauncherError> {
        read_json(&self.path.join("process.json"))
    }

    pub(crate) fn write_process(&self, process: &ProcessFile) -> Result<(), LauncherError> {
        write_json(&self.path.join("process.json"), process)
    }

    pub(crate) fn ended(&self) -> Result<Option<Ended>, LauncherError> {
        read_json(&self.path.join("ended.json"))
    }

    pub(crate) fn write_ended(&self, ended: &Ended) -> Result<(), LauncherError> {
        write_json(&self.path.join("ended.json"), ended)
    }

    /// For whoever looks, the generation was never there, or all of it is.
    pub(crate) fn remove_at_once(&self) -> Result<(), LauncherError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let aside = self.path.with_file_name(format!("removing-{name}"));
        match fs::rename(&self.path, &aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(io("rename", &self.path)(error))
            }
            // Also one that was cut off before.
            _ => remove_tree(&aside),
        }
    }

    /// Of a check: nothing in it is needed any more, and nobody minds if it stays.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "a check's files stay");
        }
    }
}

/// The generations that have a directory.
pub(crate) fn generations(runs: &Path) -> Result<Vec<Generation>, LauncherError> {
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io("list", runs)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(io("list", runs))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix('g'));
        found.extend(number.and_then(|number| number.parse().ok()).map(Generation));
    }
    Ok(found)
}

/// Removes a directory with all in it; fine when it is not there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), LauncherError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Replaces the file at once, so that a reader sees all of it or the one before.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), LauncherError> {
    let bytes = serde_json::to_vec_pretty(value).expect("these types are plain JSON");
    let draft = path.with_extension("json.tmp");
    fs::write(&draft, bytes).map_err(io("write", &draft))?;
    fs::rename(&draft, path).map_err(io("write", path))
}

/// `None` when it is not there, or not whole: its writer died, or is not done.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, LauncherError> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path)(error)),
    }
}

pub(crate) fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> LauncherError {
    let path = path.to_owned();
    move |source| LauncherError::Io { doing, path: path.clone(), source }
}
