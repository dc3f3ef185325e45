//! ExportSnapshot: its files are copied in the background.

use millrace_api_spec::wire::{ExportSnapshotRequest, ExportSnapshotResponse};
use millrace_domain::enhanced::SnapshotOperation;
use serde::Serialize;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::{snapshots, transfers};

pub async fn answer(call: &Call, request: ExportSnapshotRequest) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: ExportSnapshotRequest,
    respond: impl Fn(&SnapshotOperation) -> R,
) -> Result<String, ApiError> {
    let to = transfers::destination(call, &request.export_destination_configuration)?;
    let snapshot = call.enhanced_snapshot(&request.snapshot_name).await?;
    let issue = call.issue();
    let export = snapshot.export(to, issue.operation, issue.now)?;
    let response = encode(&respond(&export));
    let record = call.record(&response, issue.now);
    let store = &call.state.store;
    match store.begin_export(&snapshot, &export, record.as_ref(), issue.now).await {
        Ok(()) => Ok(response),
        Err(error) => snapshots::answer_of(error),
    }
}

fn response(export: &SnapshotOperation) -> ExportSnapshotResponse {
    ExportSnapshotResponse {
        snapshot_operation_id: export.id.to_string(),
        snapshot_operation_status: export.status.name().to_owned(),
    }
}
