//! The running jobs, for the API.

use std::path::PathBuf;

use async_trait::async_trait;
use millrace_api::{Jobs, LogChunk, LogFrom, Looked, RunsOn, Sample};
use millrace_domain::lifecycle::{CheckReport, Launch};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation, Timestamp};
use millrace_launcher::{Engines, RawAnswer};
use tokio::sync::watch;

use super::history::History;
use super::logs;
use crate::edge;

/// Of one answer to a dashboard.
const LOOKED_BYTES: usize = 16 * 1024 * 1024;

/// Asks the engines that the launcher's files name.
pub struct LocalJobs {
    launcher: Engines,
    /// Where the applications' directories are.
    applications: PathBuf,
    pub history: History,
    /// Turns true when the server stops.
    stopping: watch::Receiver<bool>,
}

impl LocalJobs {
    pub fn new(
        launcher: Engines,
        applications: PathBuf,
        stopping: watch::Receiver<bool>,
    ) -> LocalJobs {
        LocalJobs { launcher, applications, history: History::default(), stopping }
    }
}

#[async_trait]
impl Jobs for LocalJobs {
    async fn plan(&self, application: &ApplicationId, generation: Generation) -> Option<String> {
        match self.launcher.plan(application, generation).await {
            Ok(plan) => Some(plan),
            Err(error) => {
                tracing::debug!(application.id = %application, error = %error.chain(), "no plan");
                None
            }
        }
    }

    async fn look(
        &self,
        application: &ApplicationId,
        generation: Generation,
        place: &str,
    ) -> Option<Looked> {
        match self.launcher.look(application, generation, place, LOOKED_BYTES).await {
            Ok(RawAnswer { status, content_type, body }) => {
                Some(Looked { status, content_type, body: body.into() })
            }
            Err(error) => {
                tracing::debug!(application.id = %application, error = %error.chain(), "no look");
                None
            }
        }
    }

    async fn runs_on(&self, application: &ApplicationId, generation: Generation) -> Option<RunsOn> {
        match self.launcher.flink_reason(application, generation) {
            Ok(Some((release, reason))) => {
                Some(RunsOn { engine: "flink", release: Some(release), reason })
            }
            Ok(None) => Some(RunsOn {
                engine: "embedded",
                release: None,
                reason: "the embedded engine takes the script".to_owned(),
            }),
            Err(error) => {
                tracing::debug!(application.id = %application, error = %error.chain(), "no engine");
                None
            }
        }
    }

    async fn check(&self, launch: &Launch) -> Result<CheckReport, String> {
        self.launcher.judge(launch).await.map_err(|error| error.chain())
    }

    async fn reading(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Option<JobReading> {
        let now = Timestamp(edge::now_ms());
        match self.launcher.reading(application, generation, now).await {
            Ok(reading) => Some(reading),
            Err(error) => {
                tracing::debug!(application.id = %application, error = %error.chain(), "no metrics");
                None
            }
        }
    }

    async fn history(&self, application: &ApplicationId) -> Vec<Sample> {
        self.history.of(application)
    }

    async fn log(
        &self,
        application: &ApplicationId,
        from: LogFrom,
    ) -> std::io::Result<Option<LogChunk>> {
        let run = self.applications.join(application.as_str()).join("run");
        let read = tokio::task::spawn_blocking(move || logs::read(&run, from));
        read.await.map_err(std::io::Error::other)?
    }

    fn stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
