//! The state backend of one attempt: where operators keep their pages
//! (`state.backend.type`, rows F5.1, F5.2 and F5.14).
//!
//! `hashmap`: nowhere, all state is in memory. `rocksdb`: every operator that keeps
//! pages has a store of its own for each subtask, in a working directory that goes
//! with the attempt. Its name is Flink's; the store is this engine's own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_state::pages::{Background, RunOptions, RunSet, Runs};
use millrace_state::{PageError, PageStore};
use tracing::{info, warn};

use crate::settings::{BackendKind, BackendSettings};

/// Begins the name of every working directory.
const PREFIX: &str = "millrace-state-";
/// A buffer or cache is not made smaller.
const LEAST_BUFFER: usize = 64 * 1024;
/// Ends the name of the file that its process holds locked while it lives.
const LOCK: &str = ".lock";

/// Attempts of this process so far.
static ATTEMPTS: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Backend {
    settings: BackendSettings,
    directory: PathBuf,
    /// Begins the names of runs: no two attempts of an application share it.
    prefix: String,
    background: Option<Background>,
    /// Held while the directory is there; `None`: none was needed.
    lock: Option<File>,
}

impl Backend {
    /// For an attempt of a claim. `restores_runs`: files are needed for a restore, even
    /// when all state is in memory then.
    ///
    /// # Errors
    /// The working directory cannot be made.
    pub fn start(
        settings: &BackendSettings,
        job: &str,
        claim: u64,
        attempt: u32,
        restores_runs: bool,
    ) -> io::Result<Backend> {
        let pages = settings.kind == BackendKind::RocksDb;
        let base = settings.local_directory.clone().unwrap_or_else(std::env::temp_dir);
        let (process, number) = (std::process::id(), ATTEMPTS.fetch_add(1, Ordering::Relaxed));
        let directory = base.join(format!("{PREFIX}{job}-{process}-{number}"));
        let lock = (pages || restores_runs).then(|| make(&base, &directory)).transpose()?;
        Ok(Backend {
            settings: settings.clone(),
            directory,
            prefix: format!("{claim}-{attempt}"),
            background: pages.then(|| Background::start(settings.threads.div_ceil(2))),
            lock,
        })
    }

    /// Whether operators that can keep pages do.
    pub fn has_pages(&self) -> bool {
        self.background.is_some()
    }

    /// What the buffers and the cache of one store take.
    pub fn store_bytes(&self) -> usize {
        let BackendSettings { write_buffer_bytes, write_buffers, cache_bytes, .. } = self.settings;
        write_buffer_bytes.saturating_mul(write_buffers).saturating_add(cache_bytes)
    }

    /// Where a subtask of an operator may put files.
    pub fn directory_of(&self, node: usize, subtask: u16) -> PathBuf {
        self.directory.join(format!("{node}-{subtask}"))
    }

    /// What the names of a subtask's runs begin with.
    pub fn prefix_of(&self, node: usize, subtask: u16) -> String {
        format!("{}-{node}-{subtask}", self.prefix)
    }

    /// The store of a subtask of an operator, with these pages in it; `None` when all
    /// state is in memory. `most_bytes`: of its buffers and its cache together.
    ///
    /// # Errors
    /// Its directory cannot be made.
    pub fn open(
        &self,
        node: usize,
        subtask: u16,
        restored: &RunSet,
        most_bytes: usize,
    ) -> Result<Option<Box<dyn PageStore>>, PageError> {
        let Some(background) = &self.background else { return Ok(None) };
        let name = self.prefix_of(node, subtask);
        let part = (most_bytes / (self.settings.write_buffers + 1)).max(LEAST_BUFFER);
        let options = RunOptions {
            write_buffer_bytes: self.settings.write_buffer_bytes.min(part),
            write_buffers: self.settings.write_buffers,
            cache_bytes: self.settings.cache_bytes.min(part),
            ..RunOptions::new(self.directory_of(node, subtask), name)
        };
        Ok(Some(Box::new(Runs::open(options, background.clone(), restored)?)))
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            // Runs that a checkpoint still reads stay readable through their open files.
            remove(&self.directory);
            let _ = lock.unlock();
        }
    }
}

/// A working directory, and the lock that says that it is in use.
fn make(base: &Path, directory: &Path) -> io::Result<File> {
    fs::create_dir_all(base)?;
    sweep(base);
    let lock = File::create(lock_of(directory))?;
    lock.lock()?;
    fs::create_dir_all(directory)?;
    Ok(lock)
}

fn lock_of(directory: &Path) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(LOCK);
    name.into()
}

fn remove(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(%error, directory = %directory.display(), "cannot remove a working directory");
        }
        _ => {
            let _ = fs::remove_file(lock_of(directory));
        }
    }
}

/// Removes what processes that were killed have left.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(directory) = name.strip_suffix(LOCK).filter(|name| name.starts_with(PREFIX))
        else {
            continue;
        };
        let is_left = File::open(entry.path()).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_left {
            info!(directory, "removes the working directory of a process that has ended");
            remove(&base.join(directory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RuntimeSettings;

    #[test]
    fn f5_14_a_working_directory_goes_with_its_attempt_or_the_next_one() {
        let base = tempfile::tempdir().expect("a temporary directory");
        let localdir = base.path().to_str().expect("plain").to_owned();
        let settings = [
            ("state.backend.type".to_owned(), "rocksdb".to_owned()),
            ("state.backend.rocksdb.localdir".to_owned(), localdir),
        ];
        let level = millrace_dataflow::RuntimeLevel::Flink1_18;
        let settings = RuntimeSettings::parse(&settings.into(), level).expect("sound");
        let start = |job| Backend::start(&settings.backend, job, 1, 0, false).expect("a directory");
        let left = base.path().join(format!("{PREFIX}dead-0"));
        fs::create_dir(&left).expect("room");
        fs::write(lock_of(&left), "").expect("room");
        let one = start("one");
        assert!(!left.exists(), "left by a dead process");
        let other = start("other");
        assert!(one.directory.exists() && one.directory != other.directory);
        let store = one.open(3, 1, &RunSet::default(), usize::MAX).expect("a store");
        assert!(store.is_some() && one.directory_of(3, 1).exists());
        drop((store, one, other));
        assert_eq!(fs::read_dir(base.path()).expect("there").count(), 0);
    }
}
