//! The running jobs, for the API.

use async_trait::async_trait;
use millrace_api::Jobs;
use millrace_domain::{ApplicationId, Generation};
use millrace_launcher::LocalLauncher;

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
}
