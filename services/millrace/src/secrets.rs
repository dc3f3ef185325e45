//! Files that only their owner may read.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::Context;
use millrace_auth::SealingKey;
use millrace_auth::seal::KEY_BYTES;

use crate::edge;

const KEY_FILE: &str = "secret.key";

/// The key that secrets in the database are sealed under: of the file `given`, which must
/// be there, or of one in the data directory, which is made when it is not there.
///
/// # Errors
/// The file cannot be read or made, or holds no key.
pub fn sealing_key(data_dir: &Path, given: Option<&Path>) -> anyhow::Result<SealingKey> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => made(data_dir)?,
    };
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read the key file {}", path.display()))?;
    warn_of_readers(&path)?;
    SealingKey::from_hex(&text).with_context(|| format!("the key file {} is none", path.display()))
}

fn made(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let path = data_dir.join(KEY_FILE);
    if !path.exists() {
        let key = edge::random::<KEY_BYTES>()?;
        let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        write_new(&path, &format!("{digits}\n"))
            .with_context(|| format!("cannot write the key file {}", path.display()))?;
    }
    Ok(path)
}

/// A mounted file may have to be readable by a group: it is said, and not refused.
fn warn_of_readers(path: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others may read the key file: chmod 600 it");
    }
    Ok(())
}

/// Writes a file that only its owner may read, whole or not at all; false when it is there
/// already, and then it stays as it is. Of several writers one wins.
///
/// # Errors
/// It cannot be written.
pub fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let writing = directory.join(format!(".writing-{}", edge::new_id()));
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(&writing)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // A link takes no place that is taken, as a rename would.
    let linked = written.and_then(|()| fs::hard_link(&writing, path));
    fs::remove_file(&writing)?;
    match linked {
        Ok(()) => fs::File::open(directory)?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_written_once_and_for_its_owner() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("x");
        assert!(write_new(&path, "one").expect("writable"));
        assert!(!write_new(&path, "two").expect("writable"));
        assert_eq!(fs::read_to_string(&path).expect("readable"), "one");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
    }

    #[test]
    fn the_key_is_made_once_and_a_given_one_must_be_there() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        sealing_key(directory.path(), None).expect("made");
        let made = fs::read_to_string(directory.path().join(KEY_FILE)).expect("there");
        sealing_key(directory.path(), None).expect("found");
        let found = fs::read_to_string(directory.path().join(KEY_FILE)).expect("there");
        assert_eq!(made, found);
        let absent = directory.path().join("absent");
        assert!(sealing_key(directory.path(), Some(&absent)).is_err());
        fs::write(&absent, "short").expect("writable");
        let refusal = format!("{:#}", sealing_key(directory.path(), Some(&absent)).unwrap_err());
        assert!(refusal.contains("32 bytes in hexadecimal"), "{refusal}");
    }
}
