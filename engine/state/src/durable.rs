//! Local files that outlive a power loss: the object store of a machine's own disk.
//!
//! Guarantees: when a create ([`PutMode::Create`]) has answered, its file is on disk,
//! and so is every file put before it through the same store, each with its name and
//! its directories. No file has a name before its bytes are on disk, so that none is
//! ever found empty or cut off; but one put in parts counts only for whoever has heard
//! that it is complete, as a manifest's writer has. What is read back is durable, too.
//!
//! Cost: one sync a file, and one a directory for each create: a plain put leaves its
//! directory to the next create, as the state files of a checkpoint count only once
//! its manifest is there. Removal is not synced: what comes back is removed again.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

/// How many staged files with one name may lie about after crashes.
const STAGES: u32 = 1_000;

/// How bytes and names reach the disk; tests watch it, and let it fail.
pub trait Sync: fmt::Debug + Send + std::marker::Sync {
    /// # Errors
    /// The disk has failed.
    fn file(&self, file: &File, path: &FilePath) -> io::Result<()>;

    /// # Errors
    /// The disk has failed, or the directory is gone.
    fn directory(&self, path: &FilePath) -> io::Result<()>;
}

/// `fsync`.
#[derive(Debug)]
struct Fsync;

impl Sync for Fsync {
    fn file(&self, file: &File, _: &FilePath) -> io::Result<()> {
        file.sync_all()
    }

    fn directory(&self, path: &FilePath) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// A [`LocalFileSystem`] whose puts are durable.
#[derive(Debug)]
pub struct DurableFiles {
    inner: LocalFileSystem,
    disk: Arc<Disk>,
}

#[derive(Debug)]
struct Disk {
    sync: Box<dyn Sync>,
    /// Directories with names that may not be on disk yet. Locked while they are
    /// synced: a second create must not answer before the first one's sync is over.
    pending: Mutex<BTreeSet<PathBuf>>,
}

impl DurableFiles {
    pub fn new() -> DurableFiles {
        DurableFiles::with_sync(Box::new(Fsync))
    }

    /// With another way to the disk.
    pub fn with_sync(sync: Box<dyn Sync>) -> DurableFiles {
        let inner = LocalFileSystem::new().with_automatic_cleanup(true);
        DurableFiles { inner, disk: Arc::new(Disk { sync, pending: Mutex::default() }) }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        location: &Path,
        act: impl FnOnce(&Disk, &FilePath) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.inner.path_to_filesystem(location)?;
        let disk = Arc::clone(&self.disk);
        let name = location.to_string();
        let done = tokio::task::spawn_blocking(move || act(&disk, &path)).await;
        done.map_err(|source| Error::JoinError { source })?.map_err(|source| named(name, source))
    }
}

impl Default for DurableFiles {
    fn default() -> DurableFiles {
        DurableFiles::new()
    }
}

fn named(path: String, source: io::Error) -> Error {
    let kind = source.kind();
    let source = Box::new(source);
    match kind {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        _ => Error::Generic { store: "local files", source },
    }
}

impl Disk {
    fn put(&self, path: &FilePath, payload: &PutPayload, mode: &PutMode) -> io::Result<()> {
        let directory = path.parent().unwrap_or(FilePath::new("/"));
        let staged = self.stage(path, directory, payload)?;
        self.expect(directory);
        let named = match mode {
            PutMode::Create => fs::hard_link(&staged, path),
            _ => fs::rename(&staged, path),
        };
        if named.is_err() || *mode == PutMode::Create {
            // Only a name of its own; a crash before this leaves it unlisted.
            let _ = fs::remove_file(&staged);
        }
        named?;
        if *mode == PutMode::Create { self.settle() } else { Ok(()) }
    }

    /// The bytes on disk, below a name that no listing shows.
    fn stage(
        &self,
        path: &FilePath,
        directory: &FilePath,
        payload: &PutPayload,
    ) -> io::Result<PathBuf> {
        let (mut file, staged) = loop {
            match create_staged(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.make_directories(directory)?;
                }
                opened => break opened?,
            }
        };
        let written = payload.iter().try_for_each(|part| file.write_all(part));
        if let Err(error) = written.and_then(|()| self.sync.file(&file, path)) {
            let _ = fs::remove_file(&staged);
            return Err(error);
        }
        Ok(staged)
    }

    /// A new directory is a name in the one above it.
    fn make_directories(&self, directory: &FilePath) -> io::Result<()> {
        let missing = directory.ancestors().take_while(|ancestor| !ancestor.exists());
        let parents: Vec<PathBuf> =
            missing.filter_map(|new| Some(new.parent()?.to_owned())).collect();
        parents.iter().for_each(|parent| self.expect(parent));
        fs::create_dir_all(directory)
    }

    fn expect(&self, directory: &FilePath) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(directory.to_owned());
    }

    /// Brings every pending name to disk; those that fail stay pending.
    fn settle(&self) -> io::Result<()> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(directory) = pending.first() {
            match self.sync.directory(directory) {
                // Removed since, with all that was in it.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => pending.pop_first(),
            };
        }
        Ok(())
    }
}

/// The form of name that a [`LocalFileSystem`] leaves out of its listings.
fn create_staged(path: &FilePath) -> io::Result<(File, PathBuf)> {
    for number in 1..=STAGES {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        match OpenOptions::new().write(true).create_new(true).open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((opened?, PathBuf::from(name))),
        }
    }
    Err(io::Error::other(format!("{STAGES} staged files for {} are in the way", path.display())))
}

/// A file in parts: it has its name a moment before its bytes are on disk, and its
/// writer hears of it after. Its directory is left to the next create.
#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    disk: Arc<Disk>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.inner.complete().await?;
        let (disk, path) = (Arc::clone(&self.disk), self.path.clone());
        let name = path.display().to_string();
        let sync = move || disk.sync.file(&File::open(&path)?, &path);
        let synced = tokio::task::spawn_blocking(sync).await;
        synced
            .map_err(|source| Error::JoinError { source })?
            .map_err(|source| named(name, source))?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

impl fmt::Display for DurableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableFiles({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for DurableFiles {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        if let PutMode::Update(_) = options.mode {
            return self.inner.put_opts(location, payload, options).await;
        }
        let put = move |disk: &Disk, path: &FilePath| disk.put(path, &payload, &options.mode);
        self.on_disk(location, put).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let expect = |disk: &Disk, path: &FilePath| {
            let directory = path.parent().unwrap_or(FilePath::new("/"));
            disk.make_directories(directory)?;
            disk.expect(directory);
            Ok(path.to_owned())
        };
        let path = self.on_disk(location, expect).await?;
        let inner = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(DurableUpload { inner, disk: Arc::clone(&self.disk), path }))
    }

    /// Settles first: a create whose sync failed may be looked up to see who won it.
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if !self.disk.pending.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.on_disk(location, |disk, _| disk.settle()).await?;
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
