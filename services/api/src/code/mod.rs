//! Application code: from what a call sends to the script or the JAR that an engine runs.

mod zip;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use millrace_api_spec::wire::{
    ApplicationCodeConfiguration, ApplicationCodeConfigurationUpdate, CodeContentUpdate,
    S3ContentLocationUpdate,
};
use millrace_domain::commands::{CodeLocationPatch, merge_code_location};
use millrace_domain::configuration::{Code, CodeOrigin};

use crate::artifacts::{ArtifactError, Artifacts, S3Object};
use crate::calls::Call;
use crate::error::ApiError;

/// AWS: the largest code package in S3.
const PACKAGE_BYTES: u64 = 512 * 1024 * 1024;
/// The largest script: far beyond what people write, far below what hurts.
const SCRIPT_BYTES: u64 = 4 * 1024 * 1024;

/// Code that cannot be taken as it is.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// What was sent does not fit together.
    #[error("{0}")]
    Mismatch(String),
    #[error("the zip file cannot be opened: {0}")]
    Zip(String),
    #[error("{what} is larger than {max} bytes")]
    TooLarge { what: &'static str, max: u64 },
    #[error("{0} is not UTF-8 text")]
    NotText(&'static str),
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// What a call says about code, before anything is fetched.
#[derive(Debug)]
pub enum Source {
    Text(String),
    Zip(Bytes),
    S3 { origin: CodeOrigin, object: S3Object, zip: bool },
}

/// The code of a new application.
pub fn of_create(wire: &ApplicationCodeConfiguration) -> Result<Source, ApiError> {
    let content = wire.code_content.clone().unwrap_or_default();
    let location = content.s3_content_location.map(|location| S3ContentLocationUpdate {
        bucket_arn_update: Some(location.bucket_arn),
        file_key_update: Some(location.file_key),
        object_version_update: location.object_version,
    });
    let update = CodeContentUpdate {
        text_content_update: content.text_content,
        zip_file_content_update: content.zip_file_content,
        s3_content_location_update: location,
    };
    let zip = wire.code_content_type == "ZIPFILE";
    source(None, Some(zip), update)?.ok_or_else(|| {
        let message = "ApplicationCodeConfiguration.CodeContent must have TextContent, \
                       ZipFileContent or S3ContentLocation";
        CodeError::Mismatch(message.to_owned()).into()
    })
}

/// The code of an update, `None` when it stays as it is. `current` is what the
/// application has.
pub fn of_update(
    current: Option<&CodeOrigin>,
    wire: &ApplicationCodeConfigurationUpdate,
) -> Result<Option<Source>, ApiError> {
    let asked = wire.code_content_type_update.as_deref().map(|kind| kind == "ZIPFILE");
    let mut content = wire.code_content_update.clone().unwrap_or_default();
    let empty = content == CodeContentUpdate::default();
    match (empty, asked, current) {
        (true, Some(zip), Some(CodeOrigin::S3 { zip: now, .. })) if zip != *now => {
            // The same object, read in the other way.
            content.s3_content_location_update = Some(S3ContentLocationUpdate::default());
        }
        (true, Some(zip), Some(origin)) if zip != is_zip(origin) => {
            let message = "CodeContentTypeUpdate changes the type of the code without new code: \
                           send CodeContentUpdate with it";
            return Err(CodeError::Mismatch(message.to_owned()).into());
        }
        _ => {}
    }
    source(current, asked, content)
}

fn is_zip(origin: &CodeOrigin) -> bool {
    match origin {
        CodeOrigin::Text(_) => false,
        CodeOrigin::Zip => true,
        CodeOrigin::S3 { zip, .. } => *zip,
    }
}

fn source(
    current: Option<&CodeOrigin>,
    asked: Option<bool>,
    content: CodeContentUpdate,
) -> Result<Option<Source>, ApiError> {
    let CodeContentUpdate {
        text_content_update: text,
        zip_file_content_update: zip,
        s3_content_location_update: location,
    } = content;
    // What is sent without a type is of the type there is.
    let kind = asked.or(current.map(is_zip));
    match (text, zip, location) {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => {
            check_type(kind, false, "TextContent", "PLAINTEXT")?;
            Ok(Some(Source::Text(text)))
        }
        (None, Some(zip), None) => {
            check_type(kind, true, "ZipFileContent", "ZIPFILE")?;
            let bytes = STANDARD
                .decode(zip)
                .map_err(|_| CodeError::Mismatch("ZipFileContent is not base64".to_owned()))?;
            Ok(Some(Source::Zip(bytes.into())))
        }
        (None, None, Some(location)) => s3(current, asked, location).map(Some),
        _ => {
            let message = "give one of TextContent, ZipFileContent and S3ContentLocation, \
                           not several";
            Err(CodeError::Mismatch(message.to_owned()).into())
        }
    }
}

fn check_type(
    given: Option<bool>,
    zip: bool,
    member: &str,
    expected: &str,
) -> Result<(), CodeError> {
    if given == Some(zip) {
        return Ok(());
    }
    Err(CodeError::Mismatch(format!("{member} needs the CodeContentType {expected}")))
}

fn s3(
    current: Option<&CodeOrigin>,
    asked: Option<bool>,
    location: S3ContentLocationUpdate,
) -> Result<Source, ApiError> {
    let patch = CodeLocationPatch {
        bucket_arn: location.bucket_arn_update,
        file_key: location.file_key_update,
        object_version: location.object_version_update,
        zip: asked,
    };
    let origin = merge_code_location(current, patch)?;
    let CodeOrigin::S3 { bucket_arn, file_key, object_version, zip } = &origin else {
        unreachable!("a merged code location is in S3");
    };
    let object = S3Object {
        bucket: bucket_of(bucket_arn)?,
        key: file_key.clone(),
        // AWS allows an empty version; it names none.
        version: object_version.clone().filter(|version| !version.is_empty()),
    };
    let zip = *zip;
    Ok(Source::S3 { origin, object, zip })
}

/// `arn:aws:s3:::bucket`, in any partition.
pub fn bucket_of(arn: &str) -> Result<String, CodeError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match parts[..] {
        ["arn", _, "s3", "", "", bucket] if !bucket.is_empty() && bucket.chars().all(plain) => {
            Ok(bucket.to_owned())
        }
        _ => Err(CodeError::Mismatch(format!(
            "BucketARN '{arn}' does not name a bucket: it must be like arn:aws:s3:::bucket"
        ))),
    }
}

impl Call {
    /// Keeps the code of the caller's, who may not have it fetched from everywhere.
    pub async fn keep_code(&self, source: Source) -> Result<Code, CodeError> {
        if let Source::S3 { object, .. } = &source {
            self.state.config.s3_locations.check(&self.account, object)?;
        }
        source.store(&*self.state.artifacts).await
    }
}

impl Source {
    /// Fetches what is elsewhere, opens what is packed, keeps the script.
    async fn store(self, artifacts: &dyn Artifacts) -> Result<Code, CodeError> {
        let (origin, bytes, zip) = match self {
            Source::Text(text) => {
                let bytes = Bytes::from(text.clone());
                (CodeOrigin::Text(text), bytes, false)
            }
            Source::Zip(bytes) => (CodeOrigin::Zip, bytes, true),
            Source::S3 { origin, object, zip } => {
                (origin, artifacts.fetch_s3(&object, PACKAGE_BYTES).await?, zip)
            }
        };
        let md5 = hex::encode(Md5::digest(&bytes));
        let size_bytes = bytes.len() as u64;
        let script = if zip { unpacked(bytes).await? } else { checked(bytes)? };
        Ok(Code { origin, artifact: artifacts.put(script).await?, size_bytes, md5 })
    }
}

/// The script of a zip; a JAR as it is. Inflating is work: not on the threads that answer
/// calls.
async fn unpacked(bytes: Bytes) -> Result<Bytes, CodeError> {
    let open = tokio::task::spawn_blocking(move || match zip::package(&bytes)? {
        zip::Package::Script => zip::script(&bytes),
        zip::Package::Program => Ok(bytes),
    });
    open.await.map_err(|stopped| CodeError::Zip(stopped.to_string()))?
}

fn checked(script: Bytes) -> Result<Bytes, CodeError> {
    if script.len() as u64 > SCRIPT_BYTES {
        return Err(CodeError::TooLarge { what: "the script", max: SCRIPT_BYTES });
    }
    if std::str::from_utf8(&script).is_err() {
        return Err(CodeError::NotText("the script"));
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bucket(arn: &str, expected: Option<&str>) {
        assert_eq!(bucket_of(arn).ok().as_deref(), expected, "{arn}");
    }

    #[test]
    fn a_bucket_is_the_last_part_of_an_s3_arn() {
        check_bucket("arn:aws:s3:::code-1.eu", Some("code-1.eu"));
        check_bucket("arn:aws-cn:s3:::code", Some("code"));
        check_bucket("arn:aws:s3:::", None);
        check_bucket("arn:aws:s3:::code/key", None);
        check_bucket("arn:aws:sqs:::code", None);
        check_bucket("arn:x", None);
    }

    fn check_source(
        current: Option<CodeOrigin>,
        asked: Option<&str>,
        content: CodeContentUpdate,
        expected: &str,
    ) {
        let wire = ApplicationCodeConfigurationUpdate {
            code_content_type_update: asked.map(str::to_owned),
            code_content_update: Some(content),
        };
        let shown = match of_update(current.as_ref(), &wire) {
            Ok(source) => format!("{source:?}"),
            Err(error) => error.message,
        };
        assert!(shown.contains(expected), "{shown}\ndoes not contain\n{expected}");
    }

    fn text() -> CodeContentUpdate {
        CodeContentUpdate { text_content_update: Some("x".into()), ..Default::default() }
    }

    fn zip() -> CodeContentUpdate {
        CodeContentUpdate { zip_file_content_update: Some("eA==".into()), ..Default::default() }
    }

    fn key(key: &str) -> CodeContentUpdate {
        let location =
            S3ContentLocationUpdate { file_key_update: Some(key.into()), ..Default::default() };
        CodeContentUpdate { s3_content_location_update: Some(location), ..Default::default() }
    }

    fn in_s3(version: Option<&str>) -> Option<CodeOrigin> {
        Some(CodeOrigin::S3 {
            bucket_arn: "arn:aws:s3:::b".into(),
            file_key: "old".into(),
            object_version: version.map(str::to_owned),
            zip: true,
        })
    }

    #[test]
    fn content_must_be_of_the_type() {
        let plain = || Some(CodeOrigin::Text("y".into()));
        check_source(plain(), None, text(), "Text(");
        check_source(plain(), None, zip(), "ZipFileContent needs the CodeContentType ZIPFILE");
        check_source(plain(), Some("ZIPFILE"), zip(), "Zip(");
        check_source(Some(CodeOrigin::Zip), None, text(), "TextContent needs the CodeContentType");
        check_source(plain(), Some("ZIPFILE"), CodeContentUpdate::default(), "without new code");
        let both = CodeContentUpdate { zip_file_content_update: Some("eA==".into()), ..text() };
        check_source(plain(), None, both, "not several");
    }

    #[test]
    fn a_key_alone_merges_with_the_location_there_is() {
        check_source(in_s3(None), None, key("new"), "bucket: \"b\", key: \"new\", version: None");
        check_source(in_s3(Some("v1")), None, key("old"), "version: Some(\"v1\")");
        check_source(in_s3(Some("v1")), None, key("new"), "key: \"new\", version: None");
        check_source(None, Some("ZIPFILE"), key("new"), "BucketARNUpdate: is required");
    }

    #[test]
    fn a_new_type_reads_the_same_object_in_the_other_way() {
        check_source(in_s3(None), Some("PLAINTEXT"), CodeContentUpdate::default(), "zip: false");
        check_source(in_s3(None), Some("ZIPFILE"), CodeContentUpdate::default(), "None");
    }
}
