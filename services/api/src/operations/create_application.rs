//! CreateApplication.

use millrace_api_spec::wire::{ApplicationDetailResponse, CreateApplicationRequest};
use millrace_domain::change::{ApplicationWrite, Change};
use millrace_domain::commands::{ConfigurationPatch, CreateApplication};
use millrace_domain::{Application, ApplicationId, ApplicationName, Reject, Version};
use serde::Serialize;

use crate::calls::{Call, Uncommitted, encode};
use crate::error::ApiError;
use crate::{code, convert, describe};

pub async fn answer(call: &Call, request: CreateApplicationRequest) -> Result<String, ApiError> {
    perform(call, request, |application, version| ApplicationDetailResponse {
        application_detail: describe::application(application, version),
    })
    .await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: CreateApplicationRequest,
    respond: impl Fn(&Application, &Version) -> R,
) -> Result<String, ApiError> {
    let name = ApplicationName::new(request.application_name.as_str())?;
    convert::refuse_interactive(request.application_mode.as_deref())?;
    // Before the code is fetched: decided once more with it.
    let command = command(call, name, &request)?;
    let existing = call.state.store.count_applications(&call.account, &call.region).await?;
    decide(call, command.clone(), existing)?;
    let configuration = with_code(call, command.configuration, &request).await?;
    let mut change = decide(call, CreateApplication { configuration, ..command }, existing)?;
    let response = encode(&describe_new(&change, respond));
    match call.commit(&mut change, response).await {
        Ok(response) => Ok(response),
        Err(Uncommitted::Failed(error)) => Err(error),
        Err(Uncommitted::Stale) => unreachable!("a creation expects no revision"),
    }
}

fn command(
    call: &Call,
    name: ApplicationName,
    request: &CreateApplicationRequest,
) -> Result<CreateApplication, ApiError> {
    let mut configuration = match &request.application_configuration {
        Some(configuration) => convert::configuration(configuration)?,
        None => ConfigurationPatch::default(),
    };
    configuration.options.add_logging =
        convert::logging(request.cloud_watch_logging_options.as_deref());
    let id = ApplicationId::new((call.state.ids)().to_string());
    Ok(CreateApplication {
        id: id.expect("a UUID is an application id"),
        account: call.account.clone(),
        region: call.region.clone(),
        name,
        description: request.application_description.clone().unwrap_or_default(),
        runtime_environment: request.runtime_environment.clone(),
        service_execution_role: request.service_execution_role.clone(),
        configuration,
        tags: convert::tags(request.tags.as_deref().unwrap_or_default())?,
    })
}

fn decide(call: &Call, command: CreateApplication, existing: u64) -> Result<Change, Reject> {
    command.decide((existing, call.quotas()), &call.runtimes(), (call.state.clock)())
}

async fn with_code(
    call: &Call,
    mut configuration: ConfigurationPatch,
    request: &CreateApplicationRequest,
) -> Result<ConfigurationPatch, ApiError> {
    let wire = request.application_configuration.as_ref();
    if let Some(wire) = wire.and_then(|wire| wire.application_code_configuration.as_ref()) {
        let source = code::of_create(wire)?;
        configuration.code = Some(call.keep_code(source).await?);
    }
    Ok(configuration)
}

fn describe_new<R>(change: &Change, respond: impl Fn(&Application, &Version) -> R) -> R {
    let (ApplicationWrite::Put(application), Some(version)) =
        (&change.application, &change.new_version)
    else {
        unreachable!("a creation writes an application and its first version");
    };
    respond(application, version)
}
