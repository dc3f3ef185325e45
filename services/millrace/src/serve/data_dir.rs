//! The data directory: one server at a time.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

/// A data directory that this process holds; let go with the process, however it ends.
pub struct DataDir {
    path: PathBuf,
    /// Held, never read: the lock lives as long as the open file.
    _lock: File,
}

impl DataDir {
    /// Makes the directory where it is not there, and takes it.
    ///
    /// # Errors
    /// It cannot be made or written, or another server holds it.
    pub fn take(path: &Path) -> anyhow::Result<DataDir> {
        std::fs::create_dir_all(path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot find the data directory {}", path.display()))?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.with_context(|| format!("cannot write to {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another millrace serve uses the data directory {}; stop it, or give another with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(cause)) => {
                Err(cause).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes the address in `server.json`, whole or not at all, for programs that
    /// started the server on a free port.
    pub fn announce(&self, address: SocketAddr) -> anyhow::Result<()> {
        let note = json!({"pid": std::process::id(), "address": address.to_string()});
        let writing = self.path.join(".server.json.writing");
        std::fs::write(&writing, note.to_string())?;
        std::fs::rename(&writing, self.path.join("server.json"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::DataDir;

    #[test]
    fn a_data_directory_has_one_holder_and_is_free_after_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("data");
        let first = DataDir::take(&path).expect("nobody holds it");
        let refusal = DataDir::take(&path).err().expect("it is held").to_string();
        assert!(refusal.contains("--data-dir"), "{refusal}");
        drop(first);
        assert!(DataDir::take(&path).is_ok());
    }
}
