//! The running jobs, for the API.

use async_trait::async_trait;
use millrace_api::Jobs;
use millrace_domain::lifecycle::{CheckReport, Launch};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation, Timestamp};
use millrace_launcher::LocalLauncher;

use crate::edge;

/// Asks the engines that the launcher's files name.
pub struct LocalJobs(pub LocalLauncher);

#[async_trait]
impl Jobs for LocalJobs {
    async fn plan(&self, application: &ApplicationId, generation: Generation) -> Option<String> {
        match self.0.plan(application, generation).await {
            Ok(plan) => Some(plan),
            Err(error) => {
                tracing::debug!(application.id = %application, error = %error.chain(), "no plan");
                None
            }
        }
    }

    async fn check(&self, launch: &Launch) -> Result<CheckReport, String> {
        self.0.judge(launch).await.map_err(|error| error.chain())
    }

    async fn reading(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Option<JobReading> {
        match self.0.reading(application, generation, Timestamp(edge::now_ms())).await {
            Ok(reading) => Some(reading),
            Err(error) => {
                tracing::debug!(application.id = %application, error = %error.chain(), "no metrics");
                None
            }
        }
    }
}
