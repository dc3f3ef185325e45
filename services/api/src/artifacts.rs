//! Where application code is kept, and where it comes from.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use millrace_domain::ArtifactId;
use sha2::{Digest, Sha256};

/// An object in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Object {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// AWS's own words, which Terraform looks for to try again.
    #[error(
        "Please check the role provided or validity of S3 location you provided. We are unable \
         to get the specified fileKey: {key} in the specified bucket: {bucket}"
    )]
    Unreachable { bucket: String, key: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error(
        "this service has no S3 to fetch code from: configure its S3 endpoint, \
         or send the code in TextContent or ZipFileContent"
    )]
    NoObjectStore,
    #[error(
        "this account may not fetch code from s3://{bucket}/{key}: \
         ask who runs the service to allow it (millrace serve --s3-allow)"
    )]
    NotAllowed { bucket: String, key: String },
    #[error("the object {key} in bucket {bucket} is larger than {max_bytes} bytes")]
    TooLarge { bucket: String, key: String, max_bytes: u64 },
    #[error("the artifact store failed at {}", path.display())]
    Store { path: PathBuf, source: std::io::Error },
}

/// Keeps code by its content, and fetches it from S3.
#[async_trait]
pub trait Artifacts: Send + Sync {
    /// Keeps `bytes`; the same bytes have the same id, and are kept once.
    async fn put(&self, bytes: Bytes) -> Result<ArtifactId, ArtifactError>;

    /// The object's bytes, refused when there are more than `max_bytes`.
    async fn fetch_s3(&self, object: &S3Object, max_bytes: u64) -> Result<Bytes, ArtifactError>;
}

/// Artifacts in a local directory, one file each, named by its SHA-256. Has no S3.
#[derive(Clone, Debug)]
pub struct LocalArtifacts {
    directory: PathBuf,
}

impl LocalArtifacts {
    /// `directory` is made at the first artifact.
    pub fn new(directory: impl Into<PathBuf>) -> LocalArtifacts {
        LocalArtifacts { directory: directory.into() }
    }

    /// Where an artifact is.
    pub fn path(&self, id: &ArtifactId) -> PathBuf {
        self.directory.join(id.as_str())
    }
}

#[async_trait]
impl Artifacts for LocalArtifacts {
    async fn put(&self, bytes: Bytes) -> Result<ArtifactId, ArtifactError> {
        let id = content_id(&bytes);
        let path = self.path(&id);
        let write = move || write_once(&path, &bytes).map_err(|source| (path, source));
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => Ok(id),
            Ok(Err((path, source))) => Err(ArtifactError::Store { path, source }),
            Err(stopped) => Err(ArtifactError::Store {
                path: self.path(&id),
                source: std::io::Error::other(stopped),
            }),
        }
    }

    async fn fetch_s3(&self, _: &S3Object, _: u64) -> Result<Bytes, ArtifactError> {
        Err(ArtifactError::NoObjectStore)
    }
}

fn content_id(bytes: &[u8]) -> ArtifactId {
    ArtifactId::new(hex::encode(Sha256::digest(bytes))).expect("64 hexadecimal digits")
}

/// Whole or not at all: written beside its place, then renamed. Two writers of one
/// content write the same, so either's rename is right.
fn write_once(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;

    if path.exists() {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(directory)?.sync_all()
}

fn tempfile_in(directory: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".writing-").tempfile_in(directory)
}
