//! AddApplicationVpcConfiguration.

use millrace_api_spec::wire::{AddApplicationVpcConfigurationRequest, VpcConfigurationResponse};
use millrace_domain::commands::{ChangeOptions, ExpectedVersion, Facts, OptionsPatch};
use millrace_domain::{OperationKind, VersionId};
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::error::ApiError;
use crate::{convert, describe};

pub async fn answer(
    call: &Call,
    request: AddApplicationVpcConfigurationRequest,
) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: AddApplicationVpcConfigurationRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let command = ChangeOptions {
        kind: OperationKind::AddApplicationVpcConfiguration,
        expected: ExpectedVersion {
            version: request.current_application_version_id.map(VersionId),
            token: request.conditional_token,
        },
        patch: OptionsPatch {
            add_vpcs: vec![convert::vpc(&request.vpc_configuration)],
            ..OptionsPatch::default()
        },
    };
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| command.clone().decide(facts, &issue);
    call.change(&request.application_name, decide, respond).await
}

fn response(changed: &Changed<'_>) -> VpcConfigurationResponse {
    // The one added is the last.
    let added = changed.version.configuration.vpcs.last().map(describe::vpc);
    VpcConfigurationResponse {
        application_arn: Some(changed.application.arn()),
        application_version_id: Some(changed.application.version.0),
        vpc_configuration_description: added,
        operation_id: changed.operation.map(ToString::to_string),
    }
}
