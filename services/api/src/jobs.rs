//! What is asked of running jobs.

use async_trait::async_trait;
use millrace_domain::{ApplicationId, Generation};

/// The jobs of applications, as far as the API shows them.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// The plan of a job, in Flink's JSON (`/jobs/:id/plan`); `None` when it does not tell.
    async fn plan(&self, application: &ApplicationId, generation: Generation) -> Option<String>;
}

/// None runs, or none can be asked.
#[derive(Clone, Copy, Debug)]
pub struct NoJobs;

#[async_trait]
impl Jobs for NoJobs {
    async fn plan(&self, _: &ApplicationId, _: Generation) -> Option<String> {
        None
    }
}
