//! DescribeApplication, with the plan of the running job when asked for details.

use millrace_api_spec::wire::{
    ApplicationDetail, ApplicationDetailResponse, DescribeApplicationRequest,
};
use millrace_domain::Application;

use crate::calls::{Call, current_version, encode};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: DescribeApplicationRequest) -> Result<String, ApiError> {
    let loaded = call.load(&request.application_name).await?;
    let version = current_version(&loaded)?;
    let mut application_detail = describe::application(&loaded.application, version);
    if request.include_additional_details == Some(true) {
        add_plan(call, &loaded.application, &mut application_detail).await;
    }
    Ok(encode(&ApplicationDetailResponse { application_detail }))
}

async fn add_plan(call: &Call, application: &Application, detail: &mut ApplicationDetail) {
    let Some(job) = &application.job else { return };
    let plan = call.state.jobs.plan(&application.id, job.generation).await;
    let flink = detail
        .application_configuration_description
        .as_mut()
        .and_then(|shown| shown.flink_application_configuration_description.as_mut());
    if let Some(flink) = flink {
        flink.job_plan_description = plan;
    }
}
