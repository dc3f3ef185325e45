//! Start, stop, update and roll back an application.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    EnvironmentProperties, RollbackApplicationRequest, StartApplicationRequest,
    StopApplicationRequest, UpdateApplicationRequest,
};
use millrace_domain::Reject;

use super::asked::{Asked, Condition};
use super::model::configuration::RUNTIME_GROUP;
use super::model::{
    ChangedApplication, Restore, RollbackApplication, StartApplication, StopApplication,
    UpdateApplication,
};
use super::params::{IfMatch, OfApplication, Once};
use super::problem::{self, Problem};
use super::reply::{self, Answer};
use crate::calls::current_version;
use crate::error::ApiError;
use crate::operations::{
    rollback_application, start_application, stop_application, update_application,
};

/// Start a stopped application.
#[utoipa::path(
    post, path = "/v1/applications/{name}/start", operation_id = "startApplication",
    tag = "lifecycle", params(OfApplication, Once), request_body = Option<StartApplication>,
    responses((status = 202, description = "It is being started.", body = ChangedApplication))
)]
pub async fn start(asked: Asked) -> Answer {
    let body: StartApplication = asked.body_or_default()?;
    let request = StartApplicationRequest {
        application_name: asked.path("name"),
        run_configuration: body.restore.map(Restore::into_wire),
    };
    asked.check("StartApplication", &request).await?;
    let start = start_application::perform(&asked.call, request, ChangedApplication::of);
    reply::accepted(asked.once("StartApplication", start).await?)
}

/// Stop a running application, with a snapshot unless forced.
#[utoipa::path(
    post, path = "/v1/applications/{name}/stop", operation_id = "stopApplication",
    tag = "lifecycle", params(OfApplication, Once), request_body = Option<StopApplication>,
    responses((status = 202, description = "It is being stopped.", body = ChangedApplication))
)]
pub async fn stop(asked: Asked) -> Answer {
    let body: StopApplication = asked.body_or_default()?;
    let name = asked.path("name");
    let request = StopApplicationRequest { application_name: name, force: Some(body.force) };
    asked.check("StopApplication", &request).await?;
    let stop = stop_application::perform(&asked.call, request, ChangedApplication::of);
    reply::accepted(asked.once("StopApplication", stop).await?)
}

/// Change code, runtime or settings of an application; a running one is changed in place.
///
/// Needs `currentVersionId` or `If-Match`.
#[utoipa::path(
    post, path = "/v1/applications/{name}/updates", operation_id = "updateApplication",
    tag = "lifecycle", params(OfApplication, Once, IfMatch), request_body = UpdateApplication,
    responses((status = 202, description = "It is being changed.", body = ChangedApplication))
)]
pub async fn update(asked: Asked) -> Answer {
    asked.may("UpdateApplication").await?;
    let update = async {
        let request = update_request(&asked).await?;
        let perform = update_application::perform(&asked.call, request, ChangedApplication::of);
        perform.await.map_err(|error| conditional(&asked, error))
    };
    reply::accepted(asked.once("UpdateApplication", update).await?)
}

/// The update asked for, as the AWS surface says it, validated.
pub async fn update_request(asked: &Asked) -> Result<UpdateApplicationRequest, Problem> {
    let mut body: UpdateApplication = asked.body()?;
    let name = asked.path("name");
    let needs_current = body.configuration.as_ref().is_some_and(|it| it.engine.is_some());
    let any = asked.condition == Some(Condition::Any) && body.current_version_id.is_none();
    let loaded = match needs_current || any {
        true => Some(asked.call.load(&name).await?),
        false => None,
    };
    if let Some(loaded) = loaded.as_ref().filter(|_| any) {
        body.current_version_id = Some(loaded.application.version.0);
    }
    let current = match &loaded {
        Some(loaded) => Some(&current_version(loaded)?.configuration),
        None => None,
    };
    let request = body.into_wire(name, token(asked), current);
    asked.check("UpdateApplication", &request).await?;
    check_expects(
        request.current_application_version_id.is_some() || request.conditional_token.is_some(),
    )?;
    let update = request.application_configuration_update.as_ref();
    check_engine(update.and_then(|it| it.environment_property_updates.as_ref()))?;
    Ok(request)
}

/// Go back to the version before the last update.
///
/// Needs `currentVersionId` or `If-Match`.
#[utoipa::path(
    post, path = "/v1/applications/{name}/rollback", operation_id = "rollbackApplication",
    tag = "lifecycle", params(OfApplication, Once, IfMatch),
    request_body = Option<RollbackApplication>,
    responses((status = 202, description = "It goes back.", body = ChangedApplication))
)]
pub async fn rollback(asked: Asked) -> Answer {
    asked.may("RollbackApplication").await?;
    let body: RollbackApplication = asked.body_or_default()?;
    let name = asked.path("name");
    let rollback = async {
        let version = match body.current_version_id {
            Some(version) => version,
            None => seen_version(&asked, &name).await?,
        };
        let request = RollbackApplicationRequest {
            application_name: name,
            current_application_version_id: version,
        };
        asked.check("RollbackApplication", &request).await?;
        let perform = rollback_application::perform(&asked.call, request, ChangedApplication::of);
        perform.await.map_err(|error| conditional(&asked, error))
    };
    reply::accepted(asked.once("RollbackApplication", rollback).await?)
}

/// The version that the condition stands for; a change in between makes the decision
/// refuse it.
async fn seen_version(asked: &Asked, name: &str) -> Result<u64, Problem> {
    check_expects(asked.condition.is_some())?;
    let application = asked.call.application(name).await?;
    match &asked.condition {
        Some(Condition::Token(token)) if *token != application.conditional_token => {
            Err(conditional(asked, Reject::StaleToken.into()))
        }
        _ => Ok(application.version.0),
    }
}

/// What `If-Match` names.
pub fn token(asked: &Asked) -> Option<String> {
    match &asked.condition {
        Some(Condition::Token(token)) => Some(token.clone()),
        _ => None,
    }
}

fn check_expects(given: bool) -> Result<(), Problem> {
    if given {
        return Ok(());
    }
    Err(Problem::invalid("give currentVersionId, or If-Match with the application's entity tag"))
}

/// RFC 9110: a condition that does not hold answers 412.
pub fn conditional(asked: &Asked, error: ApiError) -> Problem {
    let condition = matches!(asked.condition, Some(Condition::Token(_)));
    match condition && error.code == ErrorCode::ConcurrentModification {
        true => Problem::new(problem::PRECONDITION, error.message),
        false => error.into(),
    }
}

/// The engines that there are; whether Flink is installed is found out by the check of a start.
pub fn check_engine(properties: Option<&EnvironmentProperties>) -> Result<(), Problem> {
    let groups = properties.map_or(&[][..], |it| it.property_groups.as_slice());
    let own = groups.iter().find(|group| group.property_group_id == RUNTIME_GROUP);
    match own.and_then(|group| group.property_map.get("engine")).map(String::as_str) {
        None | Some("auto" | "embedded" | "flink") => Ok(()),
        Some(_) => Err(Problem::invalid("configuration.engine must be auto, embedded or flink")),
    }
}
