//! VPC configurations and logging options: kept, versioned and shown.

use millrace_api_spec::wire::{
    AddApplicationCloudWatchLoggingOptionRequest, AddApplicationVpcConfigurationRequest,
    CloudWatchLoggingOption, DeleteApplicationCloudWatchLoggingOptionRequest,
    DeleteApplicationVpcConfigurationRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, Condition};
use super::lifecycle::{conditional, token};
use super::model::{ChangedApplication, NewVpcConfiguration};
use super::params::{IfMatch, OfApplication, OfOption, Once};
use super::problem::Problem;
use super::reply::{self, Answer};
use crate::operations::{
    add_application_cloud_watch_logging_option, add_application_vpc_configuration,
    delete_application_cloud_watch_logging_option, delete_application_vpc_configuration,
};

/// A network for the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddVpcConfiguration {
    /// The version that the caller has seen; or send its token in `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 999_999_999)]
    pub current_version_id: Option<u64>,
    #[schema(min_items = 1, max_items = 16)]
    pub subnet_ids: Vec<String>,
    #[schema(min_items = 1, max_items = 5)]
    pub security_group_ids: Vec<String>,
}

/// A log stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddLoggingOption {
    /// The version that the caller has seen; or send its token in `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 999_999_999)]
    pub current_version_id: Option<u64>,
    #[schema(min_length = 1, max_length = 2048, pattern = "^arn:")]
    pub log_stream_arn: String,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OptionDeletion {
    /// The version that the caller has seen; or send its token in `If-Match`.
    #[param(minimum = 1, maximum = 999_999_999)]
    pub current_version_id: Option<u64>,
}

/// Add a VPC configuration. Needs `currentVersionId` or `If-Match`.
#[utoipa::path(
    post, path = "/v1/applications/{name}/vpc-configurations",
    operation_id = "addApplicationVpcConfiguration", tag = "options",
    params(OfApplication, Once, IfMatch), request_body = AddVpcConfiguration,
    responses((status = 200, description = "It is added, last.", body = ChangedApplication))
)]
pub async fn add_vpc(asked: Asked) -> Answer {
    let body: AddVpcConfiguration = asked.body()?;
    let add = async {
        let added = NewVpcConfiguration {
            subnet_ids: body.subnet_ids,
            security_group_ids: body.security_group_ids,
        };
        let request = AddApplicationVpcConfigurationRequest {
            application_name: asked.path("name"),
            vpc_configuration: added.into_wire(),
            current_application_version_id: seen(&asked, body.current_version_id).await?,
            conditional_token: token(&asked),
        };
        asked.check("AddApplicationVpcConfiguration", &request).await?;
        let respond = ChangedApplication::of;
        add_application_vpc_configuration::perform(&asked.call, request, respond)
            .await
            .map_err(|error| conditional(&asked, error))
    };
    Ok(reply::json(http::StatusCode::OK, asked.once("AddApplicationVpcConfiguration", add).await?))
}

/// Delete a VPC configuration. Needs `currentVersionId` or `If-Match`.
#[utoipa::path(
    delete, path = "/v1/applications/{name}/vpc-configurations/{id}",
    operation_id = "deleteApplicationVpcConfiguration", tag = "options",
    params(OfApplication, OfOption, OptionDeletion, Once, IfMatch),
    responses((status = 200, description = "It is gone.", body = ChangedApplication))
)]
pub async fn delete_vpc(asked: Asked) -> Answer {
    let query: OptionDeletion = asked.query()?;
    let delete = async {
        let request = DeleteApplicationVpcConfigurationRequest {
            application_name: asked.path("name"),
            vpc_configuration_id: asked.path("id"),
            current_application_version_id: seen(&asked, query.current_version_id).await?,
            conditional_token: token(&asked),
        };
        asked.check("DeleteApplicationVpcConfiguration", &request).await?;
        let respond = ChangedApplication::of;
        delete_application_vpc_configuration::perform(&asked.call, request, respond)
            .await
            .map_err(|error| conditional(&asked, error))
    };
    Ok(reply::json(
        http::StatusCode::OK,
        asked.once("DeleteApplicationVpcConfiguration", delete).await?,
    ))
}

/// Add a logging option. Needs `currentVersionId` or `If-Match`.
#[utoipa::path(
    post, path = "/v1/applications/{name}/logging-options",
    operation_id = "addApplicationCloudWatchLoggingOption", tag = "options",
    params(OfApplication, Once, IfMatch), request_body = AddLoggingOption,
    responses((status = 200, description = "It is added, last.", body = ChangedApplication))
)]
pub async fn add_logging(asked: Asked) -> Answer {
    let body: AddLoggingOption = asked.body()?;
    let add = async {
        let request = AddApplicationCloudWatchLoggingOptionRequest {
            application_name: asked.path("name"),
            cloud_watch_logging_option: CloudWatchLoggingOption {
                log_stream_arn: body.log_stream_arn,
            },
            current_application_version_id: seen(&asked, body.current_version_id).await?,
            conditional_token: token(&asked),
        };
        asked.check("AddApplicationCloudWatchLoggingOption", &request).await?;
        let respond = ChangedApplication::of;
        add_application_cloud_watch_logging_option::perform(&asked.call, request, respond)
            .await
            .map_err(|error| conditional(&asked, error))
    };
    Ok(reply::json(
        http::StatusCode::OK,
        asked.once("AddApplicationCloudWatchLoggingOption", add).await?,
    ))
}

/// Delete a logging option. Needs `currentVersionId` or `If-Match`.
#[utoipa::path(
    delete, path = "/v1/applications/{name}/logging-options/{id}",
    operation_id = "deleteApplicationCloudWatchLoggingOption", tag = "options",
    params(OfApplication, OfOption, OptionDeletion, Once, IfMatch),
    responses((status = 200, description = "It is gone.", body = ChangedApplication))
)]
pub async fn delete_logging(asked: Asked) -> Answer {
    let query: OptionDeletion = asked.query()?;
    let delete = async {
        let request = DeleteApplicationCloudWatchLoggingOptionRequest {
            application_name: asked.path("name"),
            cloud_watch_logging_option_id: asked.path("id"),
            current_application_version_id: seen(&asked, query.current_version_id).await?,
            conditional_token: token(&asked),
        };
        asked.check("DeleteApplicationCloudWatchLoggingOption", &request).await?;
        let respond = ChangedApplication::of;
        delete_application_cloud_watch_logging_option::perform(&asked.call, request, respond)
            .await
            .map_err(|error| conditional(&asked, error))
    };
    Ok(reply::json(
        http::StatusCode::OK,
        asked.once("DeleteApplicationCloudWatchLoggingOption", delete).await?,
    ))
}

/// The version given; with `If-Match: *` the current one.
async fn seen(asked: &Asked, given: Option<u64>) -> Result<Option<u64>, Problem> {
    match (given, &asked.condition) {
        (None, Some(Condition::Any)) => {
            Ok(Some(asked.call.application(&asked.path("name")).await?.version.0))
        }
        (given, _) => Ok(given),
    }
}
