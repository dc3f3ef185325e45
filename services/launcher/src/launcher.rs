//! The port between decisions and clusters.

use std::collections::BTreeMap;

use async_trait::async_trait;
use millrace_domain::lifecycle::{
    CheckVerdict, Launch, Observed, Outcome, RestoreFrom, SnapshotRequest,
};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation, Timestamp};

use crate::error::LauncherError;

/// Makes job clusters exist, one for each generation. See the crate's contract.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// What is there of each generation; those that were never started are left out.
    async fn observe(
        &self,
        application: &ApplicationId,
        now: Timestamp,
    ) -> Result<BTreeMap<Generation, Observed>, LauncherError>;

    /// What the job measures of itself: all that care is decided from.
    ///
    /// # Errors
    /// There is no job, or it does not tell.
    async fn measure(
        &self,
        _application: &ApplicationId,
        generation: Generation,
        _now: Timestamp,
    ) -> Result<JobReading, LauncherError> {
        Err(LauncherError::NoJob { generation })
    }

    /// The release of the engine that runs the job.
    ///
    /// # Errors
    /// There is none, or it does not tell.
    async fn release(
        &self,
        _application: &ApplicationId,
        generation: Generation,
    ) -> Result<String, LauncherError> {
        Err(LauncherError::NoJob { generation })
    }

    /// The release that a new start of the job would run on, told as
    /// [`Launcher::release`] tells it; `None`: that of the service's own engine.
    ///
    /// # Errors
    /// It cannot be found out.
    async fn installed(
        &self,
        _application: &ApplicationId,
        _generation: Generation,
    ) -> Result<Option<String>, LauncherError> {
        Ok(None)
    }

    /// Asks the target runtime's planner about code and state. Touches nothing.
    async fn check(&self, launch: &Launch) -> Result<CheckVerdict, LauncherError>;

    /// Starts a cluster: with its job, or without one when `launch.standby`.
    async fn start(&self, launch: &Launch, now: Timestamp) -> Result<(), LauncherError>;

    /// Gives a staged cluster its job.
    async fn run_job(
        &self,
        application: &ApplicationId,
        generation: Generation,
        restore: &RestoreFrom,
        allow_non_restored_state: bool,
    ) -> Result<(), LauncherError>;

    /// Takes or goes on with a savepoint, for a bounded time: `SnapshotTaken`,
    /// `SnapshotPending` or `Refused`.
    async fn take_snapshot(
        &self,
        application: &ApplicationId,
        request: &SnapshotRequest,
    ) -> Result<Outcome, LauncherError>;

    async fn trigger_checkpoint(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError>;

    /// Makes visible what a held job prepared.
    async fn release_commits(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError>;

    /// Ends the cluster with whatever job it has; returns when it is gone.
    async fn stop(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError>;

    /// Removes a snapshot's files; fine when they are gone.
    async fn delete_snapshot(
        &self,
        application: &ApplicationId,
        location: &str,
    ) -> Result<(), LauncherError>;

    /// Removes the files of generations beyond the newest `keep`, and of none that lives.
    /// Answers how many; a launcher whose runs leave no files has none.
    async fn remove_old_runs(
        &self,
        _application: &ApplicationId,
        _keep: usize,
    ) -> Result<u64, LauncherError> {
        Ok(0)
    }

    /// Removes all files of an application; its clusters must be stopped.
    async fn delete_application(&self, application: &ApplicationId) -> Result<(), LauncherError>;
}
