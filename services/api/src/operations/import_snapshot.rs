//! ImportSnapshot: its files are copied and checked in the background.

use millrace_api_spec::wire::ImportSnapshotRequest;
use millrace_domain::EnhancedSnapshotName;
use millrace_domain::enhanced::EnhancedRequest;
use millrace_domain::transfer::ImportSnapshot;
use serde::Serialize;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::{convert, snapshots, transfers};

pub async fn answer(call: &Call, request: ImportSnapshotRequest) -> Result<String, ApiError> {
    perform(call, request, snapshots::response).await
}

/// The same for either surface: `respond` says what its answer shows. There is one format,
/// so that it need not be looked at.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: ImportSnapshotRequest,
    respond: impl Fn(&EnhancedRequest) -> R,
) -> Result<String, ApiError> {
    transfers::check_key(request.destination_encryption_configuration.as_ref())?;
    let command = ImportSnapshot {
        account: call.account.clone(),
        region: call.region.clone(),
        name: EnhancedSnapshotName::new(request.snapshot_name)?,
        description: request.snapshot_description.unwrap_or_default(),
        tags: convert::tags(request.tags.as_deref().unwrap_or_default())?,
        from: transfers::source(call, &request.import_source_configuration)?,
    };
    let issue = call.issue();
    let import = command.decide(issue.operation, issue.now)?;
    let response = encode(&respond(&import));
    let record = call.record(&response, issue.now);
    match call.state.store.begin_import(&import, record.as_ref(), issue.now).await {
        Ok(()) => Ok(response),
        Err(error) => snapshots::answer_of(error),
    }
}
