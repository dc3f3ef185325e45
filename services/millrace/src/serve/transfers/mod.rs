//! Files of enhanced snapshots: to S3, from S3, and how large they are
//! (`services/design/snapshot-transfers.md`).
//!
//! Guarantees. An export writes the manifest last: what has one is whole. An import is in a
//! directory of its attempt, every byte of it compared with its checksum and on the disk
//! before anybody learns where it is; a failed one leaves nothing.

mod contents;
mod depot;
mod s3;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use contents::Contents;
use depot::DepotError;
pub use depot::{Depot, Directory};
use futures::{StreamExt, TryStreamExt, stream};
use millrace_controller::{FilesError, Kept, SnapshotFiles};
use millrace_domain::ApplicationId;
use millrace_domain::transfer::S3Prefix;
use millrace_state::manifest::{FileMeta, METADATA};
pub use s3::S3;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Of one snapshot, copied at the same time: small ones wait for answers.
const FILES_AT_ONCE: usize = 8;
const READ_BYTES: usize = 1024 * 1024;

/// Why a copy was not made. The first sentence names what is wrong.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("This service has no S3 any more: start it with --s3-endpoint or --s3-directory")]
    NoDepot,
    #[error(
        "There is no snapshot at {place}: it has no {METADATA}. Give the whole prefix that an \
         export has written, as DescribeSnapshotOperation shows it in ExportedPrefix"
    )]
    NoSnapshot { place: String },
    #[error("The snapshot at {place} is damaged: {problem}")]
    Damaged { place: String, problem: String },
    #[error("The snapshot at {place} cannot be imported: {problem}")]
    Unfit { place: String, problem: String },
    #[error("The copy of {what} did not work")]
    Depot { what: String, source: DepotError },
    #[error("The snapshot's files could not be {doing}: {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
}

impl TransferError {
    fn is_final(&self) -> bool {
        match self {
            TransferError::Depot { source, .. } => source.is_final(),
            TransferError::Io { .. } => false,
            _ => true,
        }
    }
}

impl From<TransferError> for FilesError {
    fn from(error: TransferError) -> FilesError {
        let is_final = error.is_final();
        FilesError { message: format!("{:#}", anyhow::Error::from(error)), is_final }
    }
}

/// The files of snapshots in a data directory, and the S3 that they are copied to and from.
pub struct Transfers {
    kept: PathBuf,
    /// Where no snapshot from outside may lead a job.
    private: Vec<PathBuf>,
    depot: Option<Arc<dyn Depot>>,
}

impl Transfers {
    /// `kept` is the directory of snapshots that outlive their application.
    pub fn new(kept: PathBuf, private: Vec<PathBuf>, depot: Option<Arc<dyn Depot>>) -> Transfers {
        Transfers { kept, private, depot }
    }

    fn depot(&self) -> Result<&dyn Depot, TransferError> {
        self.depot.as_deref().ok_or(TransferError::NoDepot)
    }

    fn attempt_directory(&self, holder: &ApplicationId, attempt: u64) -> PathBuf {
        self.kept.join(holder.as_str()).join(attempt.to_string())
    }

    async fn copy_out(&self, directory: &Path, to: &S3Prefix) -> Result<(), TransferError> {
        let depot = self.depot()?;
        let place = directory.display().to_string();
        let manifest = directory.join(METADATA);
        let bytes = fs::read(&manifest).await.map_err(|source| match source.kind() {
            ErrorKind::NotFound => TransferError::NoSnapshot { place: place.clone() },
            _ => io("read", &manifest)(source),
        })?;
        let contents = Contents::read(&bytes, &place)?;
        let copies = contents.files().cloned().map(|meta| async move {
            let path = directory.join(&meta.name);
            check_file(&path, &meta, &directory.display().to_string()).await?;
            let key = to.key(&meta.name);
            let put = depot.put(&to.bucket, &key, &path, meta.length).await;
            put.map_err(|source| TransferError::Depot { what: what(to, &meta.name), source })
        });
        stream::iter(copies).buffer_unordered(FILES_AT_ONCE).try_collect::<()>().await?;
        // What has a manifest is whole.
        let put = depot.put(&to.bucket, &to.key(METADATA), &manifest, bytes.len() as u64).await;
        put.map_err(|source| TransferError::Depot { what: what(to, METADATA), source })
    }

    async fn copy_in(&self, from: &S3Prefix, directory: &Path) -> Result<Kept, TransferError> {
        let place = from.to_string();
        let manifest = self.fetch_manifest(from).await?;
        let contents = Contents::read(&manifest, &place)?;
        contents.check_foreign(&self.private, &place)?;
        fs::create_dir_all(directory).await.map_err(io("written", directory))?;
        let files = contents.files().cloned();
        let copies = files.map(|meta| async move { self.fetch_file(from, &meta, directory).await });
        stream::iter(copies).buffer_unordered(FILES_AT_ONCE).try_collect::<()>().await?;
        let path = directory.join(METADATA);
        write_whole(&path, &manifest).await.map_err(io("written", &path))?;
        for directory in [Some(directory), directory.parent(), Some(&self.kept)] {
            let Some(directory) = directory else { continue };
            sync(directory).await.map_err(io("written", directory))?;
        }
        Ok(Kept {
            location: directory.display().to_string(),
            size_bytes: contents.bytes() + manifest.len() as u64,
        })
    }

    async fn fetch_manifest(&self, from: &S3Prefix) -> Result<Bytes, TransferError> {
        let failed = |source| TransferError::Depot { what: what(from, METADATA), source };
        let found = self.depot()?.get(&from.bucket, &from.key(METADATA)).await.map_err(failed)?;
        let place = || from.to_string();
        let mut body = found.ok_or_else(|| TransferError::NoSnapshot { place: place() })?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.map_err(failed)?);
            if bytes.len() > contents::MANIFEST_BYTES {
                let problem = format!("its {METADATA} is larger than any manifest");
                return Err(TransferError::Unfit { place: place(), problem });
            }
        }
        Ok(bytes.into())
    }

    /// Stops at the length that the manifest gives, whatever the other side sends.
    async fn fetch_file(
        &self,
        from: &S3Prefix,
        meta: &FileMeta,
        directory: &Path,
    ) -> Result<(), TransferError> {
        let failed = |source| TransferError::Depot { what: what(from, &meta.name), source };
        let damaged = |problem: &str| TransferError::Damaged {
            place: from.to_string(),
            problem: format!("{} {problem}", meta.name),
        };
        let found = self.depot()?.get(&from.bucket, &from.key(&meta.name)).await;
        let mut body = found.map_err(failed)?.ok_or_else(|| damaged("is missing"))?;
        let path = directory.join(&meta.name);
        let written = io("written", &path);
        let mut file = File::create(&path).await.map_err(&written)?;
        let mut seen = Seen::default();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(failed)?;
            seen.add(&chunk);
            if seen.length > meta.length {
                return Err(damaged("is longer than it should be"));
            }
            file.write_all(&chunk).await.map_err(&written)?;
        }
        file.sync_all().await.map_err(&written)?;
        seen.check(meta).map_err(|problem| damaged(&problem))
    }

    /// Removes what other attempts than this one have brought; of a newer one, nothing.
    async fn remove_earlier(&self, holder: &ApplicationId, attempt: u64) {
        let directory = self.kept.join(holder.as_str());
        let Ok(mut entries) = fs::read_dir(&directory).await else { return };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number.is_some_and(|number| number < attempt) {
                remove(&entry.path()).await;
            }
        }
    }
}

#[async_trait]
impl SnapshotFiles for Transfers {
    async fn export(&self, location: &str, to: &S3Prefix) -> Result<(), FilesError> {
        Ok(self.copy_out(&directory_of(location), to).await?)
    }

    async fn import(
        &self,
        from: &S3Prefix,
        holder: &ApplicationId,
        attempt: u64,
    ) -> Result<Kept, FilesError> {
        let directory = self.attempt_directory(holder, attempt);
        self.remove_earlier(holder, attempt).await;
        let copied = self.copy_in(from, &directory).await;
        // One that was slow to learn that it was overtaken may have gone on meanwhile.
        self.remove_earlier(holder, attempt).await;
        if copied.is_err() {
            self.discard(holder, attempt).await;
        }
        Ok(copied?)
    }

    async fn discard(&self, holder: &ApplicationId, attempt: u64) {
        let directory = self.attempt_directory(holder, attempt);
        remove(&directory).await;
        if let Some(parent) = directory.parent() {
            // Only when nothing else is in it.
            let _ = fs::remove_dir(parent).await;
        }
    }

    async fn size(&self, location: &str) -> Result<u64, FilesError> {
        let directory = directory_of(location);
        let measured = files_in(&directory).await;
        Ok(measured.map_err(io("measured", &directory))?)
    }
}

/// The directory of a location as engines give it.
fn directory_of(location: &str) -> PathBuf {
    let path = location
        .strip_prefix("file:")
        .map_or(location, |rest| rest.strip_prefix("//").unwrap_or(rest));
    PathBuf::from(path.trim_end_matches('/').trim_end_matches("/_metadata"))
}

/// Snapshots have no directories within.
async fn files_in(directory: &Path) -> std::io::Result<u64> {
    let mut entries = match fs::read_dir(directory).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    while let Some(entry) = entries.next_entry().await? {
        let found = entry.metadata().await?;
        bytes += if found.is_file() { found.len() } else { 0 };
    }
    Ok(bytes)
}

/// What was read of a file.
#[derive(Default)]
struct Seen {
    length: u64,
    crc32: crc32fast::Hasher,
}

impl Seen {
    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.crc32.update(bytes);
    }

    fn check(self, meta: &FileMeta) -> Result<(), String> {
        if self.length != meta.length {
            let (has, wants) = (self.length, meta.length);
            return Err(format!("has {has} bytes and should have {wants}"));
        }
        match self.crc32.finalize() == meta.crc32 {
            true => Ok(()),
            false => Err("does not fit its checksum".to_owned()),
        }
    }
}

async fn check_file(path: &Path, meta: &FileMeta, place: &str) -> Result<(), TransferError> {
    let damaged = |problem: String| TransferError::Damaged {
        place: place.to_owned(),
        problem: format!("{} {problem}", meta.name),
    };
    let read = io("read", path);
    let mut file = File::open(path).await.map_err(|source| match source.kind() {
        ErrorKind::NotFound => damaged("is missing".to_owned()),
        _ => read(source),
    })?;
    let (mut seen, mut buffer) = (Seen::default(), vec![0; READ_BYTES]);
    loop {
        let length = file.read(&mut buffer).await.map_err(&read)?;
        if length == 0 {
            return seen.check(meta).map_err(damaged);
        }
        seen.add(&buffer[..length]);
    }
}

async fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path).await?;
    file.write_all(bytes).await?;
    file.sync_all().await
}

async fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory).await?.sync_all().await
}

/// What stays is found by the next attempt, or by the snapshot's deletion.
async fn remove(directory: &Path) {
    match fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(path = %directory.display(), %error, "files of an import stay");
        }
        _ => {}
    }
}

fn what(place: &S3Prefix, file: &str) -> String {
    format!("s3://{}/{}", place.bucket, place.key(file))
}

fn io(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> TransferError + use<> {
    let path = path.to_owned();
    move |source| TransferError::Io { doing, path: path.clone(), source }
}

#[cfg(test)]
mod tests;
