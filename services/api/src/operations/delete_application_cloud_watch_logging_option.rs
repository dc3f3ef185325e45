//! DeleteApplicationCloudWatchLoggingOption.

use millrace_api_spec::wire::{
    CloudWatchLoggingOptionResponse, DeleteApplicationCloudWatchLoggingOptionRequest,
};
use millrace_domain::commands::{ChangeOptions, ExpectedVersion, Facts, OptionsPatch};
use millrace_domain::{OperationKind, VersionId};
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: DeleteApplicationCloudWatchLoggingOptionRequest,
) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: DeleteApplicationCloudWatchLoggingOptionRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let command = ChangeOptions {
        kind: OperationKind::DeleteApplicationCloudWatchLoggingOption,
        expected: ExpectedVersion {
            version: request.current_application_version_id.map(VersionId),
            token: request.conditional_token,
        },
        patch: OptionsPatch {
            delete_logging: Some(request.cloud_watch_logging_option_id),
            ..OptionsPatch::default()
        },
    };
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| command.clone().decide(facts, &issue);
    call.change(&request.application_name, decide, respond).await
}

fn response(changed: &Changed<'_>) -> CloudWatchLoggingOptionResponse {
    let configuration = &changed.version.configuration;
    CloudWatchLoggingOptionResponse {
        application_arn: Some(changed.application.arn()),
        application_version_id: Some(changed.application.version.0),
        cloud_watch_logging_option_descriptions: Some(describe::logging(configuration)),
        operation_id: changed.operation.map(ToString::to_string),
    }
}
