//! The data directory: one server at a time, or several replicas with one database server.

use std::fs::{DirBuilder, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

/// Who else may use the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    /// Nobody: the database is a file in it.
    Alone,
    /// Replicas, which agree through the database server.
    Shared,
}

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
    /// It cannot be made or written, or another server holds it otherwise.
    pub fn take(path: &Path, holding: Holding) -> anyhow::Result<DataDir> {
        // Code, properties and state of all tenants: for the server's user alone.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot find the data directory {}", path.display()))?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.with_context(|| format!("cannot write to {}", path.display()))?;
        let taken = match holding {
            Holding::Alone => lock.try_lock(),
            Holding::Shared => lock.try_lock_shared(),
        };
        match taken {
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
    /// started the server on a free port. Of replicas, the latest is noted.
    pub fn announce(&self, address: SocketAddr) -> anyhow::Result<()> {
        let note = json!({"pid": std::process::id(), "address": address.to_string()});
        let writing = self.path.join(format!(".server.json.{}", std::process::id()));
        std::fs::write(&writing, note.to_string())?;
        std::fs::rename(&writing, self.path.join("server.json"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{DataDir, Holding};

    #[test]
    fn a_data_directory_has_one_holder_and_is_free_after_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("data");
        let first = DataDir::take(&path, Holding::Alone).expect("nobody holds it");
        for holding in [Holding::Alone, Holding::Shared] {
            let refusal = DataDir::take(&path, holding).err().expect("it is held").to_string();
            assert!(refusal.contains("--data-dir"), "{refusal}");
        }
        drop(first);
        let replica = DataDir::take(&path, Holding::Shared).expect("nobody holds it alone");
        let another = DataDir::take(&path, Holding::Shared).expect("replicas share it");
        assert!(DataDir::take(&path, Holding::Alone).is_err());
        drop((replica, another));
        assert!(DataDir::take(&path, Holding::Alone).is_ok());
    }
}
