//! Jobs on Apache Flink: one cluster for each generation, here as local processes.
//!
//! What a cluster needs and what is said to it ([`configuration`], [`commands`], [`driver`],
//! [`jars`], [`failure`], [`state`]) knows nothing of processes; [`processes`](self) and
//! `cluster` start it on this machine. services/design/flink-runtime.md tells why it is as
//! it is.
//!
//! Contract: that of the crate. A cluster is always started without its job: once its parts
//! are there and its program is uploaded it is staged, and it gets its job under an id that
//! its generation determines, so that a job submitted twice is one job. It gets none while
//! an older generation's runs. Flink cannot hold back what a job commits.

mod check;
mod cluster;
pub mod commands;
pub mod configuration;
mod distribution;
pub mod driver;
pub mod failure;
pub mod jars;
pub mod java;
mod measure;
mod private;
mod processes;
mod program;
mod run;
pub mod script;
pub mod state;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use millrace_domain::lifecycle::{
    CheckReport, CheckVerdict, Launch, Observed, Outcome, RestoreFrom, SnapshotRequest,
};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation, Timestamp};
use tokio::process::Child;

use self::cluster::{Liveness, Starting, no_cluster, of_cluster};
use self::commands::{Life, Role};
pub use self::distribution::{
    Distribution, DistributionError, Distributions, OLDEST, RECORD, Record, Release,
};
use self::jars::{Jars, Trace};
pub(crate) use self::program::NO_PYTHON;
pub use self::program::{CodeKind, kind};
use self::run::{ClusterFile, Prepared, Run};
use self::state::StateFiles;
use self::watch::Noted;
use crate::error::LauncherError;
use crate::flink_rest::{FlinkRest, RawAnswer};
use crate::launcher::Launcher;
use crate::local::files::{Ended, generations};
use crate::savepoint;

/// Where things are and how long to wait for them.
#[derive(Clone, Debug)]
pub struct FlinkSettings {
    pub data_directory: PathBuf,
    /// Environment variables handed on to Flink; nothing else is.
    pub environment: Vec<String>,
    /// Paths that no table of a script may read or write.
    pub private: Vec<PathBuf>,
    pub check_timeout: Duration,
    pub rest_timeout: Duration,
    /// How long one call of `take_snapshot` waits before it answers `SnapshotPending`.
    pub snapshot_slice: Duration,
    /// How long processes may take to go after they were killed.
    pub stop_grace: Duration,
}

impl FlinkSettings {
    pub fn new(data_directory: PathBuf) -> FlinkSettings {
        FlinkSettings {
            private: vec![data_directory.clone()],
            data_directory,
            environment: ["PATH", "LANG", "LC_ALL", "TZ"].map(str::to_owned).to_vec(),
            check_timeout: Duration::from_secs(120),
            rest_timeout: Duration::from_secs(10),
            snapshot_slice: Duration::from_secs(1),
            stop_grace: Duration::from_secs(10),
        }
    }
}

type Key = (ApplicationId, Generation);

/// Clusters of Flink as child processes that outlive their parent. Clones share what they know.
#[derive(Clone, Debug)]
pub struct FlinkLauncher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: FlinkSettings,
    rest: FlinkRest,
    jars: Jars,
    releases: Distributions,
    /// Those started by this process, to be reaped.
    children: Mutex<HashMap<(PathBuf, Role), Child>>,
    noted: Mutex<HashMap<Key, Noted>>,
    /// Those that a task of this process prepares.
    preparing: Mutex<HashMap<Key, Timestamp>>,
}

impl Shared {
    fn application_directory(&self, application: &ApplicationId) -> PathBuf {
        self.settings.data_directory.join("applications").join(application.as_str())
    }

    fn state_files(&self, application: &ApplicationId) -> StateFiles {
        StateFiles {
            state: self.application_directory(application).join("state"),
            kept: self.settings.data_directory.join("snapshots").join(application.as_str()),
        }
    }

    fn run(&self, application: &ApplicationId, generation: Generation) -> Run {
        let runs = self.application_directory(application).join("run");
        Run::at(runs.join(format!("g{generation}")))
    }

    fn artifact(&self, launch: &Launch) -> PathBuf {
        self.settings.data_directory.join("artifacts").join(launch.artifact.as_str())
    }

    fn children(&self) -> MutexGuard<'_, HashMap<(PathBuf, Role), Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn preparing(&self) -> MutexGuard<'_, HashMap<Key, Timestamp>> {
        self.preparing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<T>(&self, key: &Key, change: impl FnOnce(&mut Noted) -> T) -> T {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        change(noted.entry(key.clone()).or_default())
    }

    fn alive(&self, key: &Key) -> Result<ClusterFile, LauncherError> {
        match self.liveness(key)? {
            Liveness::Alive(cluster) => Ok(cluster),
            _ => Err(no_cluster(key)),
        }
    }

    /// Whether one part of a cluster lives.
    fn lives(&self, run: &Run, role: Role) -> bool {
        self.part(run, role).is_ok_and(|part| part.is_alive())
    }

    /// What a job is to start from; `None`: nothing.
    fn restored(
        &self,
        key: &Key,
        cluster: &ClusterFile,
        restore: &RestoreFrom,
    ) -> Result<Option<String>, LauncherError> {
        let files = self.state_files(&key.0);
        let uri = |path: PathBuf| format!("file://{}", path.display());
        if let Some(since) = cluster.since_generation
            && let Some(saved) = files.newest(Some(Generation(since)))
        {
            return Ok(Some(uri(saved.directory)));
        }
        match restore {
            RestoreFrom::None => Ok(None),
            RestoreFrom::Latest => Ok(files.newest(None).map(|saved| uri(saved.directory))),
            RestoreFrom::Snapshot { location } => {
                let path = state::path_of(location).to_owned();
                match state::is_saved(&path) {
                    true => Ok(Some(uri(path))),
                    false => Err(LauncherError::Refused {
                        message: format!("there is no snapshot of Flink at {location}"),
                    }),
                }
            }
        }
    }
}

impl FlinkLauncher {
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(settings: FlinkSettings) -> Result<FlinkLauncher, LauncherError> {
        let shared = Shared {
            rest: FlinkRest::new(settings.rest_timeout)?,
            jars: Jars::new()?,
            releases: Distributions::of_data_directory(&settings.data_directory),
            settings,
            children: Mutex::default(),
            noted: Mutex::default(),
            preparing: Mutex::default(),
        };
        Ok(FlinkLauncher { shared: Arc::new(shared) })
    }

    /// The release that a job of this runtime would run on.
    ///
    /// # Errors
    /// What is installed cannot be listed.
    pub fn serving(&self, runtime: &str) -> Result<Option<Distribution>, LauncherError> {
        self.shared.serving(runtime)
    }

    /// Whether the generation was started here.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn knows(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<bool, LauncherError> {
        Ok(self.shared.run(application, generation).cluster()?.is_some())
    }

    /// Whether the cluster of a generation lives.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn lives(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<bool, LauncherError> {
        let key = (application.clone(), generation);
        Ok(matches!(self.shared.liveness(&key)?, Liveness::Alive(_)))
    }

    /// Whether Flink wrote state of the application.
    pub fn has_state(&self, application: &ApplicationId) -> bool {
        self.shared.state_files(application).newest(None).is_some()
    }

    /// Removes checkpoints that nothing is restored from any more.
    ///
    /// # Errors
    /// They cannot be removed.
    pub fn remove_outlived(&self, application: &ApplicationId) -> Result<(), LauncherError> {
        for (generation, directory) in self.shared.state_files(application).outlived() {
            if !self.lives(application, generation)? {
                crate::local::files::remove_tree(&directory)?;
            }
        }
        Ok(())
    }

    /// What the code of a launch is.
    ///
    /// # Errors
    /// It is not there.
    pub fn kind(&self, launch: &Launch) -> Result<CodeKind, LauncherError> {
        kind(&self.shared.artifact(launch), launch)
    }

    /// Why the job of a generation runs on Flink, and on which release.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub fn reason(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<Option<(String, String)>, LauncherError> {
        let cluster = self.shared.run(application, generation).cluster()?;
        Ok(cluster.map(|cluster| (cluster.release, cluster.why)))
    }

    /// All that Flink's planner says of code and state. Touches nothing.
    ///
    /// # Errors
    /// The planner gave no verdict.
    pub async fn judge(&self, launch: &Launch, why: &str) -> Result<CheckReport, LauncherError> {
        self.shared.judge(launch, why).await
    }

    /// Starts the cluster of a launch; `why` it is Flink is written down.
    ///
    /// # Errors
    /// It cannot be started, or must not be.
    pub async fn start_because(
        &self,
        launch: &Launch,
        why: &str,
        now: Timestamp,
    ) -> Result<(), LauncherError> {
        let key = (launch.application.clone(), launch.generation);
        self.refuse_stale(launch)?;
        match self.shared.liveness(&key)? {
            Liveness::Alive(_) => return Ok(()),
            Liveness::Ended(_) => {
                return Err(LauncherError::Ended { application: key.0, generation: key.1 });
            }
            Liveness::NeverStarted => {}
        }
        let refused = |message: String| LauncherError::Refused { message };
        let distribution = self.shared.serving(&launch.runtime)?;
        let distribution =
            distribution.ok_or_else(|| refused(check::not_installed(&launch.runtime)))?;
        let java = java::find().map_err(|missing| refused(missing.to_string()))?;
        let code =
            program::code(&self.shared.artifact(launch), launch, &self.shared.settings.private)?;
        let code = code.map_err(|why| refused(why.message))?;
        let starting = Starting {
            launch,
            distribution: &distribution,
            java: &java,
            code: &code,
            why,
            roles: &[Role::JobManager, Role::TaskManager],
            life: Life::Job,
            now,
        };
        self.shared.spawn(&self.shared.run(&key.0, key.1), &starting)?;
        self.prepare_beside(&key, now);
        Ok(())
    }

    fn refuse_stale(&self, launch: &Launch) -> Result<(), LauncherError> {
        let runs = self.shared.application_directory(&launch.application).join("run");
        match generations(&runs)?.into_iter().max() {
            Some(newer) if newer > launch.generation => Err(LauncherError::Superseded {
                application: launch.application.clone(),
                generation: launch.generation,
                newer,
            }),
            _ => Ok(()),
        }
    }

    /// A cluster takes seconds to be ready: a task of its own waits for it. One that a server
    /// began that is gone is begun again by whoever looks.
    fn prepare_beside(&self, key: &Key, now: Timestamp) {
        if self.shared.preparing().insert(key.clone(), now).is_some() {
            return;
        }
        let (shared, key) = (self.shared.clone(), key.clone());
        tokio::spawn(async move {
            if let Err(error) = shared.prepare(&key).await {
                tracing::debug!(application.id = %key.0, generation = key.1.0,
                    error = %error.chain(), "a cluster was not prepared");
            }
            shared.preparing().remove(&key);
        });
    }

    /// The plan of a running job, in Flink's JSON.
    ///
    /// # Errors
    /// There is none, or its cluster does not answer.
    pub async fn plan(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<String, LauncherError> {
        let cluster = self.shared.alive(&(application.clone(), generation))?;
        Ok(self.shared.rest.plan(&cluster.address, &cluster.job).await?.to_string())
    }

    /// What the cluster of a generation answers to a GET at `place`.
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
        let cluster = self.shared.alive(&(application.clone(), generation))?;
        self.shared.rest.look(&cluster.address, place, max_bytes).await
    }
}

#[async_trait]
impl Launcher for FlinkLauncher {
    async fn observe(
        &self,
        application: &ApplicationId,
        now: Timestamp,
    ) -> Result<BTreeMap<Generation, Observed>, LauncherError> {
        let runs = self.shared.application_directory(application).join("run");
        let mut seen = BTreeMap::new();
        for generation in generations(&runs)? {
            let key = (application.clone(), generation);
            if !self.knows(application, generation)? {
                continue;
            }
            let (observed, unprepared) = self.shared.observe_one(&key, now).await?;
            if unprepared {
                self.prepare_beside(&key, now);
            }
            if observed != Observed::Absent {
                seen.insert(generation, observed);
            }
        }
        Ok(seen)
    }

    async fn measure(
        &self,
        application: &ApplicationId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<JobReading, LauncherError> {
        let cluster = self.shared.alive(&(application.clone(), generation))?;
        let place = (cluster.address.as_str(), cluster.job.as_str());
        measure::job(&self.shared.rest, place, (generation, now)).await
    }

    async fn release(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<String, LauncherError> {
        match self.shared.run(application, generation).cluster()? {
            Some(cluster) => Ok(format!("flink {}", cluster.release)),
            None => Err(no_cluster(&(application.clone(), generation))),
        }
    }

    async fn installed(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<Option<String>, LauncherError> {
        let cluster = self.shared.run(application, generation).cluster()?;
        let line = cluster.map(|cluster| cluster.release().line());
        let newest = self
            .shared
            .releases
            .installed()
            .map_err(|error| LauncherError::CheckFailed { problem: error.to_string() })?;
        let newest = newest.into_iter().rfind(|it| Some(it.release.line()) == line);
        Ok(newest.map(|it| format!("flink {}", it.release)))
    }

    async fn check(&self, launch: &Launch) -> Result<CheckVerdict, LauncherError> {
        let report = self.judge(launch, "the application asks for it").await?;
        Ok(CheckVerdict { ok: report.ok, message: report.message })
    }

    async fn start(&self, launch: &Launch, now: Timestamp) -> Result<(), LauncherError> {
        self.start_because(launch, "the application asks for it", now).await
    }

    async fn run_job(
        &self,
        application: &ApplicationId,
        generation: Generation,
        restore: &RestoreFrom,
        allow_non_restored_state: bool,
    ) -> Result<(), LauncherError> {
        let shared = &self.shared;
        let key = (application.clone(), generation);
        let cluster = shared.alive(&key)?;
        let refused = |message: String| LauncherError::Refused { message };
        let jar = match shared.prepare(&key).await? {
            Prepared::Ready { jar } => jar,
            Prepared::Failed { cause } => return Err(refused(cause)),
        };
        shared.fence(&key).await?;
        let run = jars::Run {
            job: cluster.job.clone(),
            savepoint: shared.restored(&key, &cluster, restore)?,
            allow_non_restored_state,
        };
        let program = of_cluster(&cluster, jar);
        match shared.jars.run(&cluster.address, &program, &run).await? {
            Ok(()) => Ok(()),
            Err(Trace(trace)) if failure::is_duplicate(&trace) => Ok(()),
            Err(Trace(trace)) => match shared.rest.job_named(&cluster.address, &run.job).await? {
                Some(_) => Ok(()),
                None => Err(refused(failure::sentence(&trace, cluster.release()))),
            },
        }
    }

    async fn take_snapshot(
        &self,
        application: &ApplicationId,
        request: &SnapshotRequest,
    ) -> Result<Outcome, LauncherError> {
        let shared = &self.shared;
        let cluster = shared.alive(&(application.clone(), request.generation))?;
        let place = (cluster.address.as_str(), cluster.job.as_str());
        let slice = shared.settings.snapshot_slice;
        if let Some(trigger) = &request.trigger
            && let Some(outcome) =
                savepoint::wait(&shared.rest, place, trigger.clone(), slice).await?
        {
            return Ok(as_path(outcome));
        }
        let files = shared.state_files(application);
        let parent = if request.keep { files.kept.clone() } else { files.savepoints() };
        let target = format!("file://{}", parent.join(request.name.as_str()).display());
        // Flink writes its own format: an older release is not written for.
        let begun =
            shared.rest.trigger_savepoint(place.0, place.1, &target, request.stop, None).await;
        let trigger = match begun {
            Err(LauncherError::Busy { .. }) => return Ok(Outcome::SnapshotBusy),
            begun => begun?,
        };
        let outcome = savepoint::wait(&shared.rest, place, trigger, slice).await?;
        Ok(outcome.map(as_path).unwrap_or(Outcome::Error {
            message: "Flink forgot the savepoint it had begun".to_owned(),
        }))
    }

    async fn trigger_checkpoint(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        let cluster = self.shared.alive(&(application.clone(), generation))?;
        self.shared.rest.trigger_checkpoint(&cluster.address, &cluster.job).await
    }

    /// Nothing is held back, so there is nothing to release.
    async fn release_commits(
        &self,
        _application: &ApplicationId,
        _generation: Generation,
    ) -> Result<(), LauncherError> {
        Ok(())
    }

    async fn stop(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        let key = (application.clone(), generation);
        let Liveness::Alive(_) = self.shared.liveness(&key)? else { return Ok(()) };
        let run = self.shared.run(application, generation);
        // Killed, not asked: a job that is cancelled in good order would do more than stop.
        if !self.shared.end(&run).await? {
            return Err(LauncherError::Answer {
                url: run.path().display().to_string(),
                problem: "Flink did not end although it was killed".to_owned(),
            });
        }
        run.write_ended(&Ended { code: None, cause: "Flink was stopped".to_owned() })
    }

    async fn delete_snapshot(
        &self,
        application: &ApplicationId,
        location: &str,
    ) -> Result<(), LauncherError> {
        let files = self.shared.state_files(application);
        let path = state::path_of(location);
        let parent = path.parent().and_then(|parent| parent.parent());
        if parent != Some(files.savepoints().as_path()) && parent != Some(files.kept.as_path()) {
            return Err(LauncherError::Refused {
                message: format!("the snapshot {location} is not in the application's directory"),
            });
        }
        crate::local::files::remove_tree(path)?;
        // The last one in them takes the snapshot's own directory along.
        for empty in path.ancestors().skip(1).take(2) {
            let _ = std::fs::remove_dir(empty);
        }
        Ok(())
    }

    async fn delete_application(&self, application: &ApplicationId) -> Result<(), LauncherError> {
        crate::local::files::remove_tree(&self.shared.application_directory(application))
    }
}

fn as_path(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::SnapshotTaken { location } => {
            Outcome::SnapshotTaken { location: state::path_of(&location).display().to_string() }
        }
        outcome => outcome,
    }
}
