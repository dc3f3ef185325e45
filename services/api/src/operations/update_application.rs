//! UpdateApplication: runtime, code, settings, run configuration, role.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{ChangedApplicationResponse, UpdateApplicationRequest};
use millrace_domain::VersionId;
use millrace_domain::commands::{ConfigurationPatch, ExpectedVersion, Facts, UpdateApplication};
use millrace_domain::configuration::Code;
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::error::ApiError;
use crate::{code, convert, describe};

pub async fn answer(call: &Call, request: UpdateApplicationRequest) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: UpdateApplicationRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let command = command(call, &request).await?;
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| command.clone().decide(facts, &call.runtimes(), &issue);
    call.change(&request.application_name, decide, respond).await
}

/// The update with its code, to be decided.
pub async fn command(
    call: &Call,
    request: &UpdateApplicationRequest,
) -> Result<UpdateApplication, ApiError> {
    let mut command = without_code(request)?;
    check_asks(request)?;
    call.resolve(&mut command.run).await?;
    command.configuration.code = new_code(call, &command, request).await?;
    Ok(command)
}

fn without_code(request: &UpdateApplicationRequest) -> Result<UpdateApplication, ApiError> {
    let mut configuration = match &request.application_configuration_update {
        Some(update) => convert::configuration_update(update)?,
        None => ConfigurationPatch::default(),
    };
    configuration.options.update_logging =
        convert::logging_updates(request.cloud_watch_logging_option_updates.as_deref());
    Ok(UpdateApplication {
        expected: ExpectedVersion {
            version: request.current_application_version_id.map(VersionId),
            token: request.conditional_token.clone(),
        },
        runtime_environment: request.runtime_environment_update.clone(),
        service_execution_role: request.service_execution_role_update.clone(),
        configuration,
        run: convert::run_configuration(request.run_configuration_update.as_ref())?,
    })
}

/// An update of nothing would restart a job for nothing.
fn check_asks(request: &UpdateApplicationRequest) -> Result<(), ApiError> {
    let asks = request.application_configuration_update.is_some()
        || request.service_execution_role_update.is_some()
        || request.run_configuration_update.is_some()
        || request.cloud_watch_logging_option_updates.as_ref().is_some_and(|all| !all.is_empty())
        || request.runtime_environment_update.is_some();
    if asks {
        return Ok(());
    }
    let message = "the update asks for no change: give ApplicationConfigurationUpdate, \
                   RuntimeEnvironmentUpdate, RunConfigurationUpdate, ServiceExecutionRoleUpdate or \
                   CloudWatchLoggingOptionUpdates";
    Err(ApiError::new(ErrorCode::InvalidArgument, message))
}

/// Fetched before the decision, as it takes its time, and after a look at whether the
/// update has a chance. The location merges with that of the version which the update
/// expects, so a change in between makes the decision refuse.
async fn new_code(
    call: &Call,
    command: &UpdateApplication,
    request: &UpdateApplicationRequest,
) -> Result<Option<Code>, ApiError> {
    let update = request.application_configuration_update.as_ref();
    let loaded = call.load(&request.application_name).await?;
    let facts = call.facts(&loaded)?;
    command.check(&facts, &call.runtimes())?;
    let Some(wire) =
        update.and_then(|update| update.application_code_configuration_update.as_ref())
    else {
        return Ok(None);
    };
    let current = facts.version.configuration.code.as_ref().map(|code| &code.origin);
    match code::of_update(current, wire)? {
        Some(source) => Ok(Some(call.keep_code(source).await?)),
        None => Ok(None),
    }
}

fn response(changed: &Changed<'_>) -> ChangedApplicationResponse {
    ChangedApplicationResponse {
        application_detail: describe::application(changed.application, changed.version),
        operation_id: changed.operation.map(ToString::to_string),
    }
}
