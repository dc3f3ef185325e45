//! Clusters as local processes: one engine process for each generation.
//!
//! Files of a generation, under `DIR/applications/<id>/run/g<generation>/`: `main.sql` and
//! `job.json` (given), `endpoint.json` (the engine's), `engine.log` (its stderr),
//! `process.json` (its pid with the kernel's start time, so that a pid used again by
//! another process is not taken for it), `ended.json` (it lived and ended). The files
//! outlive the server: a new one finds its engines by them.

mod check;
pub(crate) mod files;
pub(crate) mod measure;
pub(crate) mod process;
pub(crate) mod reading;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use millrace_domain::lifecycle::{
    CheckReport, CheckVerdict, Health, Launch, Observed, Outcome, RestoreFrom, SnapshotRequest,
};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation, Timestamp};

use crate::error::LauncherError;
use crate::flink_rest::{FlinkRest, JobOverview, RawAnswer};
use crate::job_file::JobFile;
use crate::launcher::Launcher;
use crate::savepoint;
use files::{Ended, Endpoint, ProcessFile, RunDirectory};
use reading::JOB_METRICS;

/// Where things are and how long to wait for them.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    pub data_directory: PathBuf,
    /// The engine's program and the arguments before `run` or `check`.
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Environment variables handed on to engines; nothing else is.
    pub environment: Vec<String>,
    /// Paths that no table of a job may read or write: the service's secrets and the files
    /// of all applications are there.
    pub private: Vec<PathBuf>,
    pub check_timeout: Duration,
    pub rest_timeout: Duration,
    /// How long one call of `take_snapshot` waits before it answers `SnapshotPending`.
    pub snapshot_slice: Duration,
    /// How long an engine may take to go after it was told to.
    pub stop_grace: Duration,
}

impl LocalSettings {
    /// `program engine run|check --job FILE`.
    pub fn new(data_directory: PathBuf, program: PathBuf) -> LocalSettings {
        LocalSettings {
            private: vec![data_directory.clone()],
            data_directory,
            program,
            arguments: vec!["engine".to_owned()],
            environment: ["PATH", "LANG", "LC_ALL", "TZ", "RUST_LOG", "RUST_BACKTRACE"]
                .map(str::to_owned)
                .to_vec(),
            check_timeout: Duration::from_secs(20),
            rest_timeout: Duration::from_secs(5),
            snapshot_slice: Duration::from_secs(1),
            stop_grace: Duration::from_secs(1),
        }
    }
}

/// Engines as child processes that outlive their parent.
#[derive(Debug)]
pub struct LocalLauncher {
    settings: LocalSettings,
    rest: FlinkRest,
    /// Those started by this process, to be reaped.
    children: Mutex<HashMap<Key, tokio::process::Child>>,
    /// Since when a cluster that lives has not answered.
    silent_since: Mutex<HashMap<Key, Timestamp>>,
}

/// Checks begun by this process, to name their directories: there are several launchers.
static CHECKS: AtomicU64 = AtomicU64::new(0);

type Key = (ApplicationId, Generation);

const STOP_POLL: Duration = Duration::from_millis(4);

impl LocalLauncher {
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(settings: LocalSettings) -> Result<LocalLauncher, LauncherError> {
        let rest = FlinkRest::new(settings.rest_timeout)?;
        Ok(LocalLauncher {
            settings,
            rest,
            children: Mutex::default(),
            silent_since: Mutex::default(),
        })
    }

    /// Where the log of a generation is; for `app logs`.
    pub fn log_file(&self, application: &ApplicationId, generation: Generation) -> PathBuf {
        self.run_directory(application, generation).log()
    }

    /// The plan of a running job, in Flink's JSON.
    ///
    /// # Errors
    /// There is none, or its engine does not answer.
    pub async fn plan(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<String, LauncherError> {
        let (address, job) = self.job_of(&(application.clone(), generation)).await?;
        Ok(self.rest.plan(&address, &job.jid).await?.to_string())
    }

    /// What the cluster of a generation answers to a GET at `place`, a path and a query.
    ///
    /// # Errors
    /// There is none, it does not answer, or with more than `max_bytes`.
    pub async fn look(
        &self,
        application: &ApplicationId,
        generation: Generation,
        place: &str,
        max_bytes: usize,
    ) -> Result<RawAnswer, LauncherError> {
        let address = self.address(&(application.clone(), generation)).await?;
        self.rest.look(&address, place, max_bytes).await
    }

    /// All that the target runtime's planner says of code and state. Touches nothing.
    ///
    /// # Errors
    /// The planner gave no verdict.
    pub async fn judge(&self, launch: &Launch) -> Result<CheckReport, LauncherError> {
        let number = CHECKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("check-{}-{number}", std::process::id());
        let directory = RunDirectory::new(
            self.application_directory(&launch.application).join("run").join(name),
        );
        self.write_job(launch, &directory)?;
        let report = check::run(&self.settings, &directory).await;
        directory.remove();
        report
    }

    /// What the running job measures of itself.
    ///
    /// # Errors
    /// There is none, or its engine does not answer.
    pub async fn reading(
        &self,
        application: &ApplicationId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<JobReading, LauncherError> {
        let (address, job) = self.job_of(&(application.clone(), generation)).await?;
        let metrics = self.rest.job_metrics(&address, &job.jid, JOB_METRICS).await?;
        let named = JOB_METRICS.into_iter().zip(metrics);
        let job_values = named.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let details = self.rest.details(&address, &job.jid).await?;
        Ok(JobReading {
            at: now,
            generation,
            job: job_values.collect(),
            vertices: reading::vertices(&details),
        })
    }

    /// Whether the engine of a generation lives.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub async fn lives(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<bool, LauncherError> {
        let key = (application.clone(), generation);
        Ok(matches!(self.liveness(&key).await?, Liveness::Alive { .. }))
    }

    /// Whether the engine wrote state of the application: engine/design/checkpoint-log.md.
    pub fn has_state(&self, application: &ApplicationId) -> bool {
        let state = self.state_directory(application);
        let has_any = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut it| it.next().is_some());
        let savepoints = std::fs::read_dir(state.join("savepoints")).into_iter().flatten();
        let mut savepoints = savepoints.flatten().map(|entry| entry.path().join("_metadata"));
        has_any(&state.join("checkpoints")) || savepoints.any(|metadata| metadata.is_file())
    }

    fn application_directory(&self, application: &ApplicationId) -> PathBuf {
        self.settings.data_directory.join("applications").join(application.as_str())
    }

    fn state_directory(&self, application: &ApplicationId) -> PathBuf {
        self.application_directory(application).join("state")
    }

    /// Where snapshots are that outlive their application.
    fn kept_directory(&self) -> PathBuf {
        self.settings.data_directory.join("snapshots")
    }

    fn run_directory(&self, application: &ApplicationId, generation: Generation) -> RunDirectory {
        let runs = self.application_directory(application).join("run");
        RunDirectory::new(runs.join(format!("g{generation}")))
    }

    fn generations(&self, application: &ApplicationId) -> Result<Vec<Generation>, LauncherError> {
        files::generations(&self.application_directory(application).join("run"))
    }

    /// How the process of a generation stands, by its own child handle or by its files.
    async fn liveness(&self, key: &Key) -> Result<Liveness, LauncherError> {
        let directory = self.run_directory(&key.0, key.1);
        if let Some(ended) = directory.ended()? {
            return Ok(Liveness::Ended(ended));
        }
        let own = self.own_child(key);
        let process = directory.process()?;
        let endpoint = directory.endpoint()?;
        match (own, process) {
            (Some(process::Own::Alive), process) => Ok(Liveness::Alive { process, endpoint }),
            (Some(process::Own::Exited(code)), _) => {
                let ended = Ended { code, cause: process::cause(&directory.log(), code) };
                directory.write_ended(&ended)?;
                self.forget(key);
                Ok(Liveness::Ended(ended))
            }
            (None, Some(process)) if process::is_alive(&process) => {
                Ok(Liveness::Alive { process: Some(process), endpoint })
            }
            // Started by a server that died before it could write the process file.
            (None, None) => match endpoint {
                Some(endpoint) if self.answers_as(key, &endpoint).await => {
                    Ok(Liveness::Alive { process: None, endpoint: Some(endpoint) })
                }
                Some(_) => self.found_dead(&directory),
                None => Ok(Liveness::NeverStarted),
            },
            (None, Some(_)) => self.found_dead(&directory),
        }
    }

    /// Not our child: its exit code is not known.
    fn found_dead(&self, directory: &RunDirectory) -> Result<Liveness, LauncherError> {
        let ended = Ended { code: None, cause: process::cause(&directory.log(), None) };
        directory.write_ended(&ended)?;
        Ok(Liveness::Ended(ended))
    }

    fn own_child(&self, key: &Key) -> Option<process::Own> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.get_mut(key).map(process::state_of)
    }

    fn forget(&self, key: &Key) {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.silent_since.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Whether what listens there is the engine of this generation.
    async fn answers_as(&self, key: &Key, endpoint: &Endpoint) -> bool {
        endpoint.generation == key.1.0
            && process::runs_job_file(endpoint.pid, &self.run_directory(&key.0, key.1).job_file())
            && self.rest.job(&endpoint.address).await.is_ok()
    }

    async fn observe_one(&self, key: &Key, now: Timestamp) -> Result<Observed, LauncherError> {
        match self.liveness(key).await? {
            Liveness::NeverStarted => Ok(Observed::Absent),
            Liveness::Ended(ended) => Ok(Observed::Exited { code: ended.code, cause: ended.cause }),
            Liveness::Alive { process, endpoint: None } => Ok(Observed::Starting {
                since: process.map_or(now, |process| Timestamp(process.started_at_ms)),
            }),
            Liveness::Alive { endpoint: Some(endpoint), .. } => {
                let answer = self.ask(&endpoint.address).await;
                Ok(self.note_silence(key, answer, now))
            }
        }
    }

    async fn ask(&self, address: &str) -> Result<Observed, LauncherError> {
        let Some(job) = self.rest.job(address).await? else { return Ok(Observed::Staged) };
        match job.state.as_str() {
            "FINISHED" => {
                let checkpoints = self.rest.checkpoints(address, &job.jid).await?;
                Ok(Observed::Finished { savepoint: checkpoints.latest_savepoint })
            }
            "FAILED" => Ok(Observed::Failed { cause: self.failure(address, &job).await }),
            "CANCELED" | "CANCELLING" => Ok(Observed::Cancelled),
            "RESTARTING" | "FAILING" => {
                Ok(Observed::Restarting { cause: self.failure(address, &job).await })
            }
            "RUNNING" => self.health(address, &job).await.map(Observed::Running),
            // INITIALIZING, CREATED, RECONCILING, SUSPENDED: on its way.
            _ => Ok(Observed::Starting { since: Timestamp(job.start_time_ms) }),
        }
    }

    async fn health(&self, address: &str, job: &JobOverview) -> Result<Health, LauncherError> {
        let checkpoints = self.rest.checkpoints(address, &job.jid).await?;
        let names = ["numRestarts", "commitsHeld"];
        let [restarts, held] = self.rest.job_metrics(address, &job.jid, names).await?;
        let restarts = restarts.unwrap_or(0.0).max(0.0) as u64;
        let last_failure = match restarts {
            0 => None,
            _ => Some(self.failure(address, job).await),
        };
        Ok(Health {
            checkpoints_completed: checkpoints.completed,
            last_checkpoint_at: checkpoints.latest_completed_at_ms.map(Timestamp),
            restarts,
            last_failure,
            uptime_ms: job.duration_ms,
            held: held.is_some_and(|held| held > 0.0),
            cannot_hold: false,
        })
    }

    async fn failure(&self, address: &str, job: &JobOverview) -> String {
        match self.rest.last_failure(address, &job.jid).await {
            Ok(Some(cause)) => cause,
            Ok(None) => "the engine recorded no cause".to_owned(),
            Err(error) => format!("the cause could not be read: {error}"),
        }
    }

    fn note_silence(
        &self,
        key: &Key,
        answer: Result<Observed, LauncherError>,
        now: Timestamp,
    ) -> Observed {
        let mut silent = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(observed) => {
                silent.remove(key);
                observed
            }
            Err(error) => {
                tracing::debug!(application.id = %key.0, generation = key.1.0, %error,
                    "an engine does not answer");
                Observed::Unreachable { since: *silent.entry(key.clone()).or_insert(now) }
            }
        }
    }

    async fn address(&self, key: &Key) -> Result<String, LauncherError> {
        match self.liveness(key).await? {
            Liveness::Alive { endpoint: Some(endpoint), .. } => Ok(endpoint.address),
            _ => Err(LauncherError::NoCluster { application: key.0.clone(), generation: key.1 }),
        }
    }

    async fn job_of(&self, key: &Key) -> Result<(String, JobOverview), LauncherError> {
        let address = self.address(key).await?;
        match self.rest.job(&address).await? {
            Some(job) => Ok((address, job)),
            None => Err(LauncherError::NoJob { generation: key.1 }),
        }
    }

    fn refuse_stale(&self, launch: &Launch) -> Result<(), LauncherError> {
        let newest = self.generations(&launch.application)?.into_iter().max();
        match newest {
            Some(newer) if newer > launch.generation => Err(LauncherError::Superseded {
                application: launch.application.clone(),
                generation: launch.generation,
                newer,
            }),
            _ => Ok(()),
        }
    }

    fn write_job(&self, launch: &Launch, directory: &RunDirectory) -> Result<(), LauncherError> {
        let artifact =
            self.settings.data_directory.join("artifacts").join(launch.artifact.as_str());
        directory.create()?;
        directory.copy_script(&artifact, launch.artifact.as_str())?;
        let state = self.state_directory(&launch.application);
        directory.write_job(&JobFile::new(launch, directory.path(), &state))
    }

    async fn wait_for_savepoint(
        &self,
        address: &str,
        job: &str,
        trigger: String,
    ) -> Result<Option<Outcome>, LauncherError> {
        savepoint::wait(&self.rest, (address, job), trigger, self.settings.snapshot_slice).await
    }

    /// Waits for the process to go; true when it has.
    async fn wait_gone(&self, key: &Key) -> Result<bool, LauncherError> {
        let poll = async {
            while let Liveness::Alive { .. } = self.liveness(key).await? {
                tokio::time::sleep(STOP_POLL).await;
            }
            Ok(true)
        };
        tokio::time::timeout(self.settings.stop_grace, poll).await.unwrap_or(Ok(false))
    }
}

/// Whether `path` names something below `root`, by names alone.
fn is_inside(path: &Path, root: &Path) -> bool {
    path.strip_prefix(root).is_ok_and(|rest| {
        let mut parts = rest.components().peekable();
        parts.peek().is_some() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
    })
}

enum Liveness {
    NeverStarted,
    Alive { process: Option<ProcessFile>, endpoint: Option<Endpoint> },
    Ended(Ended),
}

#[async_trait]
impl Launcher for LocalLauncher {
    async fn observe(
        &self,
        application: &ApplicationId,
        now: Timestamp,
    ) -> Result<BTreeMap<Generation, Observed>, LauncherError> {
        let mut clusters = BTreeMap::new();
        for generation in self.generations(application)? {
            let observed = self.observe_one(&(application.clone(), generation), now).await?;
            if observed != Observed::Absent {
                clusters.insert(generation, observed);
            }
        }
        Ok(clusters)
    }

    async fn measure(
        &self,
        application: &ApplicationId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<JobReading, LauncherError> {
        let (address, job) = self.job_of(&(application.clone(), generation)).await?;
        measure::job(&self.rest, &address, &job.jid, (generation, now)).await
    }

    async fn release(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<String, LauncherError> {
        let address = self.address(&(application.clone(), generation)).await?;
        self.rest.release(&address).await
    }

    async fn check(&self, launch: &Launch) -> Result<CheckVerdict, LauncherError> {
        let CheckReport { ok, message, .. } = self.judge(launch).await?;
        Ok(CheckVerdict { ok, message })
    }

    async fn start(&self, launch: &Launch, now: Timestamp) -> Result<(), LauncherError> {
        let key = (launch.application.clone(), launch.generation);
        self.refuse_stale(launch)?;
        match self.liveness(&key).await? {
            Liveness::Alive { .. } => return Ok(()),
            Liveness::Ended(_) => {
                return Err(LauncherError::Ended {
                    application: key.0,
                    generation: launch.generation,
                });
            }
            Liveness::NeverStarted => {}
        }
        let directory = self.run_directory(&launch.application, launch.generation);
        self.write_job(launch, &directory)?;
        let child = process::spawn(&self.settings, &directory)?;
        if let Some(pid) = child.id() {
            directory.write_process(&process::describe(pid, now))?;
        }
        self.children.lock().unwrap_or_else(PoisonError::into_inner).insert(key, child);
        Ok(())
    }

    async fn run_job(
        &self,
        application: &ApplicationId,
        generation: Generation,
        restore: &RestoreFrom,
        allow_non_restored_state: bool,
    ) -> Result<(), LauncherError> {
        let address = self.address(&(application.clone(), generation)).await?;
        let (savepoint, latest) = match restore {
            RestoreFrom::None => (None, false),
            RestoreFrom::Latest => (None, true),
            RestoreFrom::Snapshot { location } => (Some(location.as_str()), false),
        };
        self.rest.run_job(&address, savepoint, latest, allow_non_restored_state).await
    }

    async fn take_snapshot(
        &self,
        application: &ApplicationId,
        request: &SnapshotRequest,
    ) -> Result<Outcome, LauncherError> {
        let (address, job) = self.job_of(&(application.clone(), request.generation)).await?;
        if let Some(trigger) = &request.trigger
            && let Some(outcome) =
                self.wait_for_savepoint(&address, &job.jid, trigger.clone()).await?
        {
            return Ok(outcome);
        }
        let savepoints = match request.keep {
            true => self.kept_directory().join(application.as_str()),
            false => self.state_directory(application).join("savepoints"),
        };
        let target = savepoints.join(request.name.as_str());
        let (directory, level) = (target.to_string_lossy(), request.level.as_deref());
        let begun =
            self.rest.trigger_savepoint(&address, &job.jid, &directory, request.stop, level).await;
        let trigger = match begun {
            Err(LauncherError::Busy { .. }) => return Ok(Outcome::SnapshotBusy),
            begun => begun?,
        };
        let outcome = self.wait_for_savepoint(&address, &job.jid, trigger).await?;
        Ok(outcome.unwrap_or(Outcome::Error {
            message: "the engine forgot the savepoint it had begun".to_owned(),
        }))
    }

    async fn trigger_checkpoint(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        let (address, job) = self.job_of(&(application.clone(), generation)).await?;
        self.rest.trigger_checkpoint(&address, &job.jid).await
    }

    async fn release_commits(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        let (address, job) = self.job_of(&(application.clone(), generation)).await?;
        self.rest.release_commits(&address, &job.jid).await
    }

    async fn stop(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        let key = (application.clone(), generation);
        let directory = self.run_directory(application, generation);
        let Liveness::Alive { process, endpoint } = self.liveness(&key).await? else {
            return Ok(());
        };
        if let Some(endpoint) = &endpoint
            && self.rest.shut_down(&endpoint.address).await.is_ok()
        {
            self.wait_gone(&key).await?;
        }
        let pid = process.as_ref().map(|process| process.pid).or(endpoint.map(|e| e.pid));
        if let (Liveness::Alive { .. }, Some(pid)) = (self.liveness(&key).await?, pid) {
            process::kill_group(pid);
            self.wait_gone(&key).await?;
        }
        if let Liveness::Alive { .. } = self.liveness(&key).await? {
            return Err(LauncherError::Answer {
                url: directory.path().display().to_string(),
                problem: "the engine did not end although it was killed".to_owned(),
            });
        }
        directory.write_ended(&Ended { code: None, cause: "The engine was stopped".to_owned() })
    }

    async fn delete_snapshot(
        &self,
        application: &ApplicationId,
        location: &str,
    ) -> Result<(), LauncherError> {
        let path = Path::new(location.strip_prefix("file://").unwrap_or(location));
        let own = self.state_directory(application).join("savepoints");
        let kept = self.kept_directory().join(application.as_str());
        if !is_inside(path, &own) && !is_inside(path, &kept) {
            return Err(LauncherError::Refused {
                message: format!("the snapshot {location} is not in the application's directory"),
            });
        }
        files::remove_tree(path)?;
        // Nobody writes there any more: the last one takes the directory along.
        if !self.application_directory(application).exists() {
            let _ = std::fs::remove_dir(kept);
        }
        Ok(())
    }

    /// The newest stay, so that no older one is started again.
    async fn remove_old_runs(
        &self,
        application: &ApplicationId,
        keep: usize,
    ) -> Result<u64, LauncherError> {
        let mut generations = self.generations(application)?;
        generations.sort_unstable_by(|one, other| other.cmp(one));
        let mut removed = 0;
        for generation in generations.into_iter().skip(keep.max(1)) {
            let key = (application.clone(), generation);
            if let Liveness::Alive { .. } = self.liveness(&key).await? {
                continue;
            }
            self.run_directory(application, generation).remove_at_once()?;
            removed += 1;
        }
        Ok(removed)
    }

    async fn delete_application(&self, application: &ApplicationId) -> Result<(), LauncherError> {
        files::remove_tree(&self.application_directory(application))
    }
}
