//! `/v1/applications/{name}/maintenance`.

use millrace_api_spec::wire::{
    ApplicationMaintenanceConfigurationUpdate, UpdateApplicationMaintenanceConfigurationRequest,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::model::ChangedApplication;
use super::params::{OfApplication, Once};
use super::reply::{self, Answer};
use crate::operations::update_application_maintenance_configuration;

/// When maintenance may begin.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetMaintenance {
    /// `HH:MM` in UTC; the window is eight hours long.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub window_start: String,
}

/// Set when maintenance may happen. Makes no version.
#[utoipa::path(
    put, path = "/v1/applications/{name}/maintenance",
    operation_id = "updateApplicationMaintenanceConfiguration", tag = "lifecycle",
    params(OfApplication, Once), request_body = SetMaintenance,
    responses((status = 200, description = "It is set.", body = ChangedApplication))
)]
pub async fn set(asked: Asked) -> Answer {
    let body: SetMaintenance = asked.body()?;
    let request = UpdateApplicationMaintenanceConfigurationRequest {
        application_name: asked.path("name"),
        application_maintenance_configuration_update: ApplicationMaintenanceConfigurationUpdate {
            application_maintenance_window_start_time_update: body.window_start,
        },
    };
    asked.check("UpdateApplicationMaintenanceConfiguration", &request).await?;
    let set = update_application_maintenance_configuration::perform(
        &asked.call,
        request,
        ChangedApplication::of,
    );
    Ok(reply::json(
        http::StatusCode::OK,
        asked.once("UpdateApplicationMaintenanceConfiguration", set).await?,
    ))
}
