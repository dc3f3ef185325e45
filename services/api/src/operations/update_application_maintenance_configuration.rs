//! UpdateApplicationMaintenanceConfiguration.

use millrace_api_spec::wire::{
    UpdateApplicationMaintenanceConfigurationRequest,
    UpdateApplicationMaintenanceConfigurationResponse,
};
use millrace_domain::commands::Facts;
use millrace_domain::maintenance::WindowStart;
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: UpdateApplicationMaintenanceConfigurationRequest,
) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: UpdateApplicationMaintenanceConfigurationRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let update = request.application_maintenance_configuration_update;
    let start = WindowStart::parse(&update.application_maintenance_window_start_time_update)?;
    let now = (call.state.clock)();
    let decide = |facts: &Facts<'_>| facts.set_maintenance(start, now);
    call.change(&request.application_name, decide, respond).await
}

fn response(changed: &Changed<'_>) -> UpdateApplicationMaintenanceConfigurationResponse {
    let window = changed.application.maintenance_window();
    UpdateApplicationMaintenanceConfigurationResponse {
        application_arn: Some(changed.application.arn()),
        application_maintenance_configuration_description: Some(describe::maintenance(window)),
    }
}
