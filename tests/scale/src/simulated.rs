//! Jobs that need no process: each starts within some milliseconds, runs, completes
//! checkpoints, and stops with a savepoint when told.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use millrace_domain::lifecycle::{
    CheckVerdict, Health, Launch, Observed, Outcome, RestoreFrom, SnapshotRequest,
};
use millrace_domain::{ApplicationId, Generation, Timestamp};
use millrace_launcher::{Launcher, LauncherError};

use crate::edge;

/// From its start, or from being given a job, until a job runs.
const START_MS: i64 = 30;
const CHECKPOINT_MS: i64 = 50;

#[derive(Debug, Default)]
pub struct Simulated {
    engines: Mutex<HashMap<ApplicationId, BTreeMap<Generation, Engine>>>,
    lags: Mutex<Lags>,
}

#[derive(Debug)]
struct Engine {
    since: Timestamp,
    /// When it was given its job; `None`: a standby.
    job_since: Option<Timestamp>,
    held: bool,
    /// It has stopped with this savepoint.
    savepoint: Option<String>,
}

/// From a change of an application to the next look at it.
#[derive(Debug, Default)]
struct Lags {
    changed: HashMap<ApplicationId, Instant>,
    seen: Vec<Duration>,
}

impl Simulated {
    /// A call has changed the application: it waits to be looked at.
    pub fn changed(&self, id: &ApplicationId) {
        lock(&self.lags).changed.entry(id.clone()).or_insert_with(edge::instant);
    }

    /// What was seen since the last call.
    pub fn take_lags(&self) -> Vec<Duration> {
        std::mem::take(&mut lock(&self.lags).seen)
    }

    fn looked_at(&self, id: &ApplicationId) {
        let mut lags = lock(&self.lags);
        if let Some(at) = lags.changed.remove(id) {
            lags.seen.push(edge::instant().duration_since(at));
        }
    }

    fn with<T>(
        &self,
        id: &ApplicationId,
        generation: Generation,
        act: impl FnOnce(&mut Engine) -> T,
    ) -> Result<T, LauncherError> {
        let mut engines = lock(&self.engines);
        let engine = engines.get_mut(id).and_then(|engines| engines.get_mut(&generation));
        engine
            .map(act)
            .ok_or_else(|| LauncherError::NoCluster { application: id.clone(), generation })
    }
}

impl Engine {
    fn observed(&self, now: Timestamp) -> Observed {
        if let Some(savepoint) = &self.savepoint {
            return Observed::Finished { savepoint: Some(savepoint.clone()) };
        }
        let begun = self.job_since.unwrap_or(self.since);
        let uptime_ms = now.0 - begun.0 - START_MS;
        match self.job_since {
            _ if uptime_ms < 0 => Observed::Starting { since: self.since },
            None => Observed::Staged,
            Some(_) => Observed::Running(Health {
                checkpoints_completed: (uptime_ms / CHECKPOINT_MS).unsigned_abs(),
                uptime_ms,
                held: self.held,
                ..Health::default()
            }),
        }
    }
}

#[async_trait]
impl Launcher for Simulated {
    async fn observe(
        &self,
        application: &ApplicationId,
        now: Timestamp,
    ) -> Result<BTreeMap<Generation, Observed>, LauncherError> {
        self.looked_at(application);
        let engines = lock(&self.engines);
        let of_application = engines.get(application).into_iter().flatten();
        Ok(of_application.map(|(generation, it)| (*generation, it.observed(now))).collect())
    }

    async fn check(&self, _: &Launch) -> Result<CheckVerdict, LauncherError> {
        Ok(CheckVerdict { ok: true, message: String::new() })
    }

    async fn start(&self, launch: &Launch, now: Timestamp) -> Result<(), LauncherError> {
        let mut engines = lock(&self.engines);
        let of_application = engines.entry(launch.application.clone()).or_default();
        of_application.entry(launch.generation).or_insert_with(|| Engine {
            since: now,
            job_since: (!launch.standby).then_some(now),
            held: launch.hold_commits,
            savepoint: None,
        });
        Ok(())
    }

    async fn run_job(
        &self,
        application: &ApplicationId,
        generation: Generation,
        _: &RestoreFrom,
        _: bool,
    ) -> Result<(), LauncherError> {
        let now = Timestamp(edge::now_ms());
        self.with(application, generation, |engine| {
            engine.job_since.get_or_insert(now);
        })
    }

    async fn take_snapshot(
        &self,
        application: &ApplicationId,
        request: &SnapshotRequest,
    ) -> Result<Outcome, LauncherError> {
        let location = format!("simulated:{application}/{}", request.name);
        self.with(application, request.generation, |engine| {
            if request.stop {
                engine.savepoint = Some(location.clone());
            }
        })?;
        Ok(Outcome::SnapshotTaken { location })
    }

    async fn trigger_checkpoint(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        self.with(application, generation, |_| ())
    }

    async fn release_commits(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        self.with(application, generation, |engine| engine.held = false)
    }

    async fn stop(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        if let Some(engines) = lock(&self.engines).get_mut(application) {
            engines.remove(&generation);
        }
        Ok(())
    }

    async fn delete_snapshot(&self, _: &ApplicationId, _: &str) -> Result<(), LauncherError> {
        Ok(())
    }

    async fn delete_application(&self, application: &ApplicationId) -> Result<(), LauncherError> {
        lock(&self.engines).remove(application);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
