//! Where a snapshot is copied to or from: what ExportSnapshot and ImportSnapshot share.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    ExportDestinationConfiguration, ImportSourceConfiguration, S3PrefixLocation,
    SnapshotEncryptionConfiguration,
};
use millrace_domain::Reject;
use millrace_domain::transfer::S3Prefix;

use crate::calls::Call;
use crate::code::bucket_of;
use crate::convert::refuse_customer_key;
use crate::error::ApiError;

/// Where an export may go.
///
/// # Errors
/// The service has no S3, the place is none, or the account may not write there.
pub fn destination(
    call: &Call,
    wire: &ExportDestinationConfiguration,
) -> Result<S3Prefix, ApiError> {
    let key = wire.destination_encryption_configuration.as_ref();
    let place = place(call, &wire.destination_s3_prefix_location, key)?;
    let allowed = &call.state.config.s3_exports;
    if allowed.allow(&call.account, &place.bucket, &place.key("")) {
        return Ok(place);
    }
    let message = format!(
        "this account may not export snapshots to {place}: \
         ask who runs the service to allow it (millrace serve --s3-export)"
    );
    Err(ApiError::new(ErrorCode::InvalidArgument, message))
}

/// Where an import may come from.
///
/// # Errors
/// The service has no S3, the place is none, or the account may not read there.
pub fn source(call: &Call, wire: &ImportSourceConfiguration) -> Result<S3Prefix, ApiError> {
    let key = wire.source_encryption_configuration.as_ref();
    let place = place(call, &wire.source_s3_prefix_location, key)?;
    let allowed = &call.state.config.s3_locations;
    if allowed.allow(&call.account, &place.bucket, &place.key("")) {
        return Ok(place);
    }
    let message = format!(
        "this account may not import snapshots from {place}: \
         ask who runs the service to allow it (millrace serve --s3-allow)"
    );
    Err(ApiError::new(ErrorCode::InvalidArgument, message))
}

fn place(
    call: &Call,
    wire: &S3PrefixLocation,
    key: Option<&SnapshotEncryptionConfiguration>,
) -> Result<S3Prefix, ApiError> {
    check_key(key)?;
    if !call.state.config.copies_snapshots {
        return Err(Reject::Unsupported {
            what: "copying snapshots to and from S3",
            next: "this service has no S3: start it with --s3-endpoint or --s3-directory",
        }
        .into());
    }
    Ok(S3Prefix::new(bucket_of(&wire.bucket_arn)?, wire.key_prefix.clone())?)
}

/// # Errors
/// It is a customer's key, or an id of a key where there is none to name.
pub fn check_key(key: Option<&SnapshotEncryptionConfiguration>) -> Result<(), ApiError> {
    refuse_customer_key(key.map(|key| key.key_type.as_str()))?;
    if key.is_some_and(|key| key.key_id.is_some()) {
        let message = "KeyId is for KeyType CUSTOMER_MANAGED_KEY alone: leave it out";
        return Err(ApiError::new(ErrorCode::InvalidArgument, message));
    }
    Ok(())
}

pub fn bucket_arn(place: &S3Prefix) -> String {
    format!("arn:aws:s3:::{}", place.bucket)
}
