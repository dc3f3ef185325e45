//! Application code from an S3 endpoint.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, Region};
use aws_sdk_s3::error::DisplayErrorContext;

/// AWS: a zip of application code is at most 50 MiB where it is sent inline; the same
/// bound keeps an object from filling memory.
const GREATEST_BYTES: usize = 50 * 1024 * 1024;

/// Fetches objects from one endpoint, by path-style addresses.
pub struct S3 {
    client: Client,
}

impl S3 {
    /// Keys come from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`, as every AWS tool reads them; without them requests go
    /// out under a key that only an open endpoint accepts.
    pub fn new(endpoint: &str, region: &str) -> S3 {
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
            .build();
        S3 { client: Client::from_conf(config) }
    }

    /// The bytes of one object.
    ///
    /// # Errors
    /// One sentence for the caller of the API; the cause goes to the log here.
    pub async fn fetch(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Vec<u8>, String> {
        let request = self.client.get_object().bucket(bucket).key(key);
        let answer = request.set_version_id(version.map(str::to_owned)).send().await;
        let object = answer.map_err(|failure| {
            tracing::warn!(bucket, key, cause = %DisplayErrorContext(&failure), "cannot fetch code");
            unavailable(bucket, key)
        })?;
        read(object.body).await.map_err(|cause| {
            tracing::warn!(bucket, key, cause, "cannot read code");
            if cause == TOO_LARGE {
                format!("s3://{bucket}/{key}: {TOO_LARGE}")
            } else {
                unavailable(bucket, key)
            }
        })
    }
}

const TOO_LARGE: &str = "application code is at most 52428800 bytes";

async fn read(mut body: aws_sdk_s3::primitives::ByteStream) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.try_next().await.map_err(|failure| failure.to_string())? {
        if bytes.len() + chunk.len() > GREATEST_BYTES {
            return Err(TOO_LARGE.to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// AWS's own words, which the Terraform provider looks for.
fn unavailable(bucket: &str, key: &str) -> String {
    format!(
        "Please check the role provided or validity of S3 location you provided. We are unable to \
         get the specified fileKey: {key} in the specified bucket: {bucket}"
    )
}
