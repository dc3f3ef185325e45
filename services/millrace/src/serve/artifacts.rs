//! Application code: kept in the data directory, fetched from the S3 endpoint if there is
//! one.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use millrace_api::{ArtifactError, Artifacts, LocalArtifacts, S3Object};
use millrace_domain::ArtifactId;
use tokio::sync::Semaphore;

/// Packages held in memory at once: each may have 512 MiB.
const FETCHES: usize = 4;

pub struct ServedArtifacts {
    local: LocalArtifacts,
    s3: Option<Client>,
    fetches: Semaphore,
}

impl ServedArtifacts {
    pub fn new(local: LocalArtifacts, s3: Option<Client>) -> ServedArtifacts {
        ServedArtifacts { local, s3, fetches: Semaphore::new(FETCHES) }
    }
}

/// Addresses are path-style, which every S3 endpoint answers. Keys come from
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, as every AWS tool
/// reads them; without them requests go out under a key that only an open endpoint takes.
pub fn client(endpoint: &str, region: &str) -> Client {
    let key = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let credentials = Credentials::new(
        key("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "anonymous".into()),
        key("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "anonymous".into()),
        key("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let config = aws_sdk_s3::config::Builder::new()
        .behavior_version_latest()
        .endpoint_url(endpoint)
        .region(Region::new(region.to_owned()))
        .credentials_provider(credentials)
        .force_path_style(true)
        // Not every S3 takes checksums in trailers; snapshots have their own.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Client::from_conf(config)
}

#[async_trait]
impl Artifacts for ServedArtifacts {
    async fn put(&self, bytes: Bytes) -> Result<ArtifactId, ArtifactError> {
        self.local.put(bytes).await
    }

    async fn fetch_s3(&self, object: &S3Object, max_bytes: u64) -> Result<Bytes, ArtifactError> {
        let client = self.s3.as_ref().ok_or(ArtifactError::NoObjectStore)?;
        let _turn = self.fetches.acquire().await.expect("nobody closes it");
        let request = client.get_object().bucket(&object.bucket).key(&object.key);
        let answer = request.set_version_id(object.version.clone()).send().await;
        let found = answer.map_err(|cause| unreachable_object(object, cause))?;
        read(found.body, object, max_bytes).await
    }
}

/// Stops at the bound, whatever length the endpoint promised.
async fn read(
    mut body: ByteStream,
    object: &S3Object,
    max_bytes: u64,
) -> Result<Bytes, ArtifactError> {
    let mut bytes = Vec::new();
    while let Some(chunk) =
        body.try_next().await.map_err(|cause| unreachable_object(object, cause))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > max_bytes {
            let (bucket, key) = (object.bucket.clone(), object.key.clone());
            return Err(ArtifactError::TooLarge { bucket, key, max_bytes });
        }
    }
    Ok(bytes.into())
}

fn unreachable_object(
    object: &S3Object,
    cause: impl std::error::Error + Send + Sync + 'static,
) -> ArtifactError {
    let (bucket, key) = (object.bucket.clone(), object.key.clone());
    ArtifactError::Unreachable { bucket, key, source: Box::new(cause) }
}
