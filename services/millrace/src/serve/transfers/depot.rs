//! Where snapshots are copied to and from: S3, or a directory that stands for it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use tokio::fs::{self, File};
use tokio::io::AsyncReadExt;

const READ_BYTES: usize = 1024 * 1024;

/// Why an object could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DepotError {
    #[error("there is no bucket {bucket}")]
    NoBucket { bucket: String },
    /// The other side's own words: it will say them again.
    #[error("{0}")]
    Refused(String),
    #[error("it did not answer as it should")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DepotError {
    /// Whether trying again would give the same.
    pub fn is_final(&self) -> bool {
        !matches!(self, DepotError::Failed(_))
    }

    pub fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> DepotError {
        DepotError::Failed(Box::new(cause))
    }
}

pub type Body = BoxStream<'static, Result<Bytes, DepotError>>;

/// Objects by bucket and key.
#[async_trait]
pub trait Depot: Send + Sync {
    /// `None`: there is no such object.
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Body>, DepotError>;

    /// Writes a file of `length` bytes, whole or not at all, over what is there.
    async fn put(
        &self,
        bucket: &str,
        key: &str,
        file: &Path,
        length: u64,
    ) -> Result<(), DepotError>;
}

/// Buckets are directories in it, and must be there; keys are paths below them.
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    pub fn new(root: PathBuf) -> Directory {
        Directory { root }
    }

    async fn bucket(&self, bucket: &str) -> Result<PathBuf, DepotError> {
        let path = self.root.join(bucket);
        let is_plain = !matches!(bucket, "" | "." | "..") && !bucket.contains('/');
        let found = fs::metadata(&path).await;
        match is_plain && found.is_ok_and(|found| found.is_dir()) {
            true => Ok(path),
            false => Err(DepotError::NoBucket { bucket: bucket.to_owned() }),
        }
    }
}

#[async_trait]
impl Depot for Directory {
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Body>, DepotError> {
        let path = self.bucket(bucket).await?.join(checked(key)?);
        match File::open(path).await {
            Ok(file) => Ok(Some(Box::pin(chunks(file)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DepotError::failed(error)),
        }
    }

    async fn put(&self, bucket: &str, key: &str, file: &Path, _: u64) -> Result<(), DepotError> {
        let path = self.bucket(bucket).await?.join(checked(key)?);
        let directory = path.parent().unwrap_or(&self.root).to_owned();
        let copy = async {
            fs::create_dir_all(&directory).await?;
            let draft = path.with_extension("writing");
            fs::copy(file, &draft).await?;
            File::open(&draft).await?.sync_all().await?;
            fs::rename(&draft, &path).await?;
            File::open(&directory).await?.sync_all().await
        };
        copy.await.map_err(DepotError::failed)
    }
}

/// A key that is no way out of its bucket.
fn checked(key: &str) -> Result<&Path, DepotError> {
    match key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        true => Err(DepotError::Refused(format!("{key:?} is no key of a directory"))),
        false => Ok(Path::new(key)),
    }
}

fn chunks(file: File) -> impl futures::Stream<Item = Result<Bytes, DepotError>> + Send {
    stream::try_unfold(file, |mut file| async move {
        let mut chunk = BytesMut::with_capacity(READ_BYTES);
        match file.read_buf(&mut chunk).await.map_err(DepotError::failed)? {
            0 => Ok(None),
            _ => Ok(Some((chunk.freeze(), file))),
        }
    })
}
