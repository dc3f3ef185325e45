//! Snapshots in S3: large files in parts.

use std::io::SeekFrom;
use std::path::Path;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::depot::{Body, Depot, DepotError};

/// A file up to this goes in one request; larger ones in parts of at least this.
const PART_BYTES: u64 = 16 * 1024 * 1024;
/// S3: 10,000 parts at most.
const PARTS: u64 = 9_000;
/// What S3 answers to a request that it will not take however often it is sent.
const FINAL: [&str; 8] = [
    "AccessDenied",
    "AllAccessDisabled",
    "InvalidAccessKeyId",
    "InvalidBucketName",
    "InvalidToken",
    "KeyTooLongError",
    "PermanentRedirect",
    "SignatureDoesNotMatch",
];

pub struct S3(pub Client);

#[async_trait]
impl Depot for S3 {
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Body>, DepotError> {
        let answer = self.0.get_object().bucket(bucket).key(key).send().await;
        match answer {
            Ok(found) => Ok(Some(Box::pin(chunks(found.body)))),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(told(error, bucket)),
        }
    }

    async fn put(
        &self,
        bucket: &str,
        key: &str,
        file: &Path,
        length: u64,
    ) -> Result<(), DepotError> {
        if length > PART_BYTES {
            return self.put_parts(bucket, key, file, length).await;
        }
        let bytes = part(file, 0, length).await?;
        let request = self.0.put_object().bucket(bucket).key(key).body(bytes.into());
        request.send().await.map(drop).map_err(|error| told(error, bucket))
    }
}

impl S3 {
    async fn put_parts(
        &self,
        bucket: &str,
        key: &str,
        file: &Path,
        length: u64,
    ) -> Result<(), DepotError> {
        let request = self.0.create_multipart_upload().bucket(bucket).key(key);
        let begun = request.send().await.map_err(|error| told(error, bucket))?;
        let id = begun.upload_id().unwrap_or_default();
        let put = self.put_all(bucket, key, id, (file, length)).await;
        if put.is_err() {
            // Its parts would be kept, and paid for, without end.
            let abort = self.0.abort_multipart_upload().bucket(bucket).key(key).upload_id(id);
            if let Err(error) = abort.send().await {
                let error = DisplayErrorContext(error).to_string();
                tracing::warn!(bucket, key, error, "parts of a failed upload stay in S3");
            }
        }
        put
    }

    async fn put_all(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        (file, length): (&Path, u64),
    ) -> Result<(), DepotError> {
        let size = PART_BYTES.max(length.div_ceil(PARTS));
        let mut done = CompletedMultipartUpload::builder();
        for (number, offset) in (1..).zip((0..length).step_by(size as usize)) {
            let bytes = part(file, offset, size.min(length - offset)).await?;
            let request = self.0.upload_part().bucket(bucket).key(key).upload_id(id);
            let sent = request.part_number(number).body(bytes.into()).send().await;
            let sent = sent.map_err(|error| told(error, bucket))?;
            let part = CompletedPart::builder().part_number(number);
            done = done.parts(part.set_e_tag(sent.e_tag().map(str::to_owned)).build());
        }
        let request = self.0.complete_multipart_upload().bucket(bucket).key(key).upload_id(id);
        let completed = request.multipart_upload(done.build()).send().await;
        completed.map(drop).map_err(|error| told(error, bucket))
    }
}

async fn part(file: &Path, offset: u64, length: u64) -> Result<Bytes, DepotError> {
    let read = async {
        let mut file = File::open(file).await?;
        file.seek(SeekFrom::Start(offset)).await?;
        let mut bytes = BytesMut::zeroed(length as usize);
        file.read_exact(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes.freeze())
    };
    read.await.map_err(DepotError::failed)
}

fn chunks(body: ByteStream) -> impl futures::Stream<Item = Result<Bytes, DepotError>> + Send {
    stream::try_unfold(body, |mut body| async move {
        let chunk = body.try_next().await.map_err(DepotError::failed)?;
        Ok(chunk.map(|chunk| (chunk, body)))
    })
}

fn told<E>(error: SdkError<E>, bucket: &str) -> DepotError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.code() {
        Some("NoSuchBucket") => DepotError::NoBucket { bucket: bucket.to_owned() },
        Some(code) if FINAL.contains(&code) => {
            let message = error.message().unwrap_or_default();
            DepotError::Refused(format!("S3 says {code}: {message}"))
        }
        _ => DepotError::failed(error),
    }
}
