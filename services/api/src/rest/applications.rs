//! `/v1/applications`: list, create, describe, delete.

use http::{HeaderValue, StatusCode, header};
use millrace_api_spec::EpochSeconds;
use millrace_api_spec::wire::{
    DeleteApplicationRequest, DescribeApplicationRequest, ListApplicationsRequest,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::asked::Asked;
use super::model::{
    Application, ApplicationList, ApplicationSummary, ApplicationsQuery, ChangedApplication,
    CreateApplication, RunsOn, parse_time,
};
use super::params::{OfApplication, Once};
use super::problem::Problem;
use super::reply::{self, Answer};
use crate::calls::current_version;
use crate::operations::{create_application, delete_application, list_applications};

/// List the applications, by name.
#[utoipa::path(
    get, path = "/v1/applications", operation_id = "listApplications", tag = "applications",
    params(ApplicationsQuery),
    responses((status = 200, description = "A part of the list.", body = ApplicationList))
)]
pub async fn list(asked: Asked) -> Answer {
    let query: ApplicationsQuery = asked.query()?;
    let request = ListApplicationsRequest { limit: query.limit, next_token: query.next_token };
    asked.check("ListApplications", &request).await?;
    let (found, next_token) = list_applications::find(&asked.call, request).await?;
    let applications = found.iter().map(ApplicationSummary::of).collect();
    reply::ok(&ApplicationList { applications, next_token })
}

/// Create an application, READY to be started.
#[utoipa::path(
    post, path = "/v1/applications", operation_id = "createApplication", tag = "applications",
    params(Once), request_body = CreateApplication,
    responses((
        status = 201, description = "The application.", body = Application,
        headers(("Location", description = "Where it is."))
    ))
)]
pub async fn create(asked: Asked) -> Answer {
    let request = asked.body::<CreateApplication>()?.into_wire();
    asked.check("CreateApplication", &request).await?;
    let location = format!("/v1/applications/{}", request.application_name);
    super::lifecycle::check_engine(
        request
            .application_configuration
            .as_ref()
            .and_then(|it| it.environment_properties.as_ref()),
    )?;
    let creation = create_application::perform(&asked.call, request, Application::of);
    let mut response =
        reply::json(StatusCode::CREATED, asked.once("CreateApplication", creation).await?);
    let location = HeaderValue::from_str(&location).expect("a checked name is ASCII");
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Describe an application.
#[utoipa::path(
    get, path = "/v1/applications/{name}", operation_id = "describeApplication",
    tag = "applications",
    params(OfApplication),
    responses((
        status = 200, description = "The application.", body = Application,
        headers(("ETag", description = "Its conditional token, for If-Match."))
    ))
)]
pub async fn describe(asked: Asked) -> Answer {
    let name = asked.path("name");
    let request = DescribeApplicationRequest {
        application_name: name.clone(),
        include_additional_details: None,
    };
    asked.check("DescribeApplication", &request).await?;
    let loaded = asked.call.load(&name).await?;
    let mut shown = Application::of(&loaded.application, current_version(&loaded)?);
    if let Some(job) = &loaded.application.job {
        let runs_on = asked.call.state.jobs.runs_on(&loaded.application.id, job.generation).await;
        shown.runs_on = runs_on.map(RunsOn::of);
    }
    Ok(reply::tagged(reply::ok(&shown)?, &shown.conditional_token))
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Deletion {
    /// When it was created: refuses to delete another of the same name.
    #[param(format = DateTime)]
    pub created_at: Option<String>,
}

/// Delete an application, a running one too, with all that belongs to it.
#[utoipa::path(
    delete, path = "/v1/applications/{name}", operation_id = "deleteApplication",
    tag = "applications",
    params(OfApplication, Once, Deletion),
    responses((status = 202, description = "It is being deleted.", body = ChangedApplication))
)]
pub async fn delete(asked: Asked) -> Answer {
    let (name, query) = (asked.path("name"), asked.query::<Deletion>()?);
    let delete = async {
        let created_at = created_at(&asked, &name, query.created_at.as_deref()).await?;
        let request =
            DeleteApplicationRequest { application_name: name, create_timestamp: created_at };
        asked.check("DeleteApplication", &request).await?;
        let perform = delete_application::perform(&asked.call, request, ChangedApplication::of);
        perform.await.map_err(Problem::from)
    };
    reply::accepted(asked.once("DeleteApplication", delete).await?)
}

/// The time given, or that of the application there is.
async fn created_at(
    asked: &Asked,
    name: &str,
    given: Option<&str>,
) -> Result<EpochSeconds, Problem> {
    let time = match given {
        Some(text) => time(text)?,
        None => asked.call.application(name).await?.created_at,
    };
    Ok(EpochSeconds(time.seconds()))
}

/// A time in a query.
pub fn time(text: &str) -> Result<millrace_domain::Timestamp, Problem> {
    parse_time(text).ok_or_else(|| {
        Problem::invalid("createdAt must be a time of RFC 3339, as describing it shows")
    })
}
