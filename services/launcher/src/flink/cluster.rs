//! One cluster: JobManager and TaskManager as two processes that live and end together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millrace_domain::lifecycle::Launch;
use millrace_domain::{ApplicationId, Generation, Timestamp};

use super::commands::{self, Life, Role};
use super::configuration::{self, Addresses, Needs, Places};
use super::distribution::Distribution;
use super::jars::{Program, Trace};
use super::java::Java;
use super::program::{self, Code};
use super::run::{ClusterFile, Prepared, Run};
use super::{Key, Shared, driver, failure, jars, processes, script, state};
use crate::error::LauncherError;
use crate::local::files::{Ended, ProcessFile, generations};
use crate::local::process::{self, Own};

const ROLES: [Role; 2] = [Role::JobManager, Role::TaskManager];
/// Between two looks at a cluster that is starting.
const START_POLL: Duration = Duration::from_millis(50);
const STOP_POLL: Duration = Duration::from_millis(4);
/// A cluster that is not complete after this never will be.
const START_PATIENCE: Duration = Duration::from_secs(120);

const WARM_UP_PATIENCE: Duration = Duration::from_secs(20);
/// Reads, shuffles, keeps state, writes; takes no checkpoint.
const WARM_UP: &str = "
SET 'pipeline.name' = 'warm-up';
SET 'execution.checkpointing.checkpoints-after-tasks-finish.enabled' = 'false';
CREATE TABLE one (k INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
CREATE TABLE none (k INT, n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO none SELECT k, COUNT(*) FROM one GROUP BY k;
";

/// Checks begun by this process, to name their directories.
static CHECKS: AtomicU64 = AtomicU64::new(0);

/// How a cluster stands.
pub(super) enum Liveness {
    NeverStarted,
    Alive(ClusterFile),
    Ended(Ended),
}

/// What a cluster is started for.
pub(super) struct Starting<'a> {
    pub launch: &'a Launch,
    pub distribution: &'a Distribution,
    pub java: &'a Java,
    pub code: &'a Code,
    pub why: &'a str,
    pub roles: &'a [Role],
    pub life: Life,
    pub now: Timestamp,
}

impl Shared {
    /// How the cluster of a generation stands, by its files and its processes.
    pub(super) fn liveness(&self, key: &Key) -> Result<Liveness, LauncherError> {
        let run = self.run(&key.0, key.1);
        if let Some(ended) = run.ended()? {
            return Ok(Liveness::Ended(ended));
        }
        let Some(cluster) = run.cluster()? else { return Ok(Liveness::NeverStarted) };
        let parts = ROLES.map(|role| self.part(&run, role));
        let [job_manager, task_manager] = parts;
        let (job_manager, task_manager) = (job_manager?, task_manager?);
        let ended = match (&job_manager, &task_manager) {
            (Part::Alive(_), Part::Alive(_)) => return Ok(Liveness::Alive(cluster)),
            (Part::None, Part::None) => return Ok(Liveness::NeverStarted),
            (Part::Ended(code), _) => died(&run, Role::JobManager, *code),
            (_, Part::Ended(code)) => died(&run, Role::TaskManager, *code),
            _ => Ended { code: None, cause: "Flink was not started completely".to_owned() },
        };
        // Half a cluster is none, and what is left of it must not run on beside the next one.
        for part in [job_manager, task_manager] {
            part.kill();
        }
        self.forget(&run);
        run.write_ended(&ended)?;
        Ok(Liveness::Ended(ended))
    }

    pub(super) fn part(&self, run: &Run, role: Role) -> Result<Part, LauncherError> {
        if let Some(own) = self.own_child(run, role) {
            return Ok(match (own, run.process(role)?) {
                (Own::Exited(code), _) => Part::Ended(code),
                (Own::Alive, Some(process)) => Part::Alive(process),
                (Own::Alive, None) => Part::None,
            });
        }
        if let Some(process) = run.process(role)? {
            return Ok(match process::is_alive(&process) {
                true => Part::Alive(process),
                false => Part::Ended(None),
            });
        }
        let Some(pid) = processes::find(run.path(), role) else { return Ok(Part::None) };
        let found = process::describe(pid, Timestamp(0));
        run.write_process(role, &found)?;
        Ok(Part::Alive(found))
    }

    /// Writes what the cluster needs and starts its processes.
    pub(super) fn spawn(&self, run: &Run, starting: &Starting<'_>) -> Result<(), LauncherError> {
        let Starting { launch, distribution, java, .. } = starting;
        run.create()?;
        let cluster = self.configure(run, starting)?;
        run.write("application.jar", &starting.code.jar)?;
        run.write("application_properties.json", &program::properties(launch))?;
        run.write_cluster(&cluster)?;
        for role in starting.roles {
            let part = (*role, starting.life);
            let command = commands::command(part, distribution, launch.kpus, run.path());
            let child = processes::spawn(java, &command, run, &self.settings.environment)?;
            if let Some(pid) = child.id() {
                run.write_process(*role, &process::describe(pid, starting.now))?;
            }
            self.children().insert((run.path().to_owned(), *role), child);
        }
        Ok(())
    }

    fn configure(&self, run: &Run, starting: &Starting<'_>) -> Result<ClusterFile, LauncherError> {
        let Starting { launch, distribution, code, .. } = starting;
        let refused = |message: String| LauncherError::Refused { message };
        let Some((rest_port, rpc_port)) = processes::ports(run.path()) else {
            return Err(refused("there are no free ports below 30000 on this machine".to_owned()));
        };
        let files = self.state_files(&launch.application);
        let checkpoints = files.checkpoints(launch.generation);
        let host = "127.0.0.1".to_owned();
        let settings = configuration::settings(&Needs {
            release: distribution.release,
            parallelism: launch.parallelism,
            kpus: launch.kpus,
            addresses: Addresses { job_manager: host.clone(), bind: host, rest_port, rpc_port },
            places: Places {
                checkpoints: &checkpoints,
                savepoints: &files.savepoints(),
                temporary: &run.path().join("tmp"),
                upload: &run.path().join("upload"),
            },
            settings: &launch.settings,
            own: &program::own_settings(launch),
        });
        let settings = settings.map_err(|error| refused(error.to_string()))?;
        let (name, text) = configuration::file(distribution.release, &settings)
            .map_err(|error| refused(error.to_string()))?;
        run.write(&format!("conf/{name}"), text.as_bytes())?;
        let logging = configuration::logging(&launch.log_level);
        run.write("conf/log4j.properties", logging.as_bytes())?;
        Ok(ClusterFile {
            release: distribution.release.to_string(),
            why: starting.why.to_owned(),
            address: format!("127.0.0.1:{rest_port}"),
            parallelism: launch.parallelism,
            job: state::job_id(&launch.application, launch.generation),
            since_generation: launch.since_generation.map(|generation| generation.0),
            arguments: code.arguments.clone(),
            is_script: code.is_script,
            standby: launch.standby,
            started_at_ms: starting.now.0,
        })
    }

    /// Waits for the parts of the cluster, and gives it its program. Planned once, a script is
    /// submitted in a fraction of the time: that is done before anything waits for it.
    pub(super) async fn prepare(&self, key: &Key) -> Result<Prepared, LauncherError> {
        let run = self.run(&key.0, key.1);
        if let Some(prepared) = run.prepared()? {
            return Ok(prepared);
        }
        let Liveness::Alive(cluster) = self.liveness(key)? else { return Err(no_cluster(key)) };
        let wait = self.wait_for_slots(key, &cluster);
        let complete = tokio::time::timeout(START_PATIENCE, wait).await;
        let prepared = match complete {
            Ok(complete) => {
                complete?;
                self.give_program(&run, &cluster).await?
            }
            Err(_) => Prepared::Failed {
                cause: format!("Flink was not complete within {} s", START_PATIENCE.as_secs()),
            },
        };
        run.write_prepared(&prepared)?;
        Ok(prepared)
    }

    async fn wait_for_slots(&self, key: &Key, cluster: &ClusterFile) -> Result<(), LauncherError> {
        loop {
            let slots = self.rest.slots(&cluster.address).await.unwrap_or(0);
            if slots >= u64::from(cluster.parallelism) {
                return Ok(());
            }
            let Liveness::Alive(_) = self.liveness(key)? else { return Err(no_cluster(key)) };
            tokio::time::sleep(START_POLL).await;
        }
    }

    async fn give_program(
        &self,
        run: &Run,
        cluster: &ClusterFile,
    ) -> Result<Prepared, LauncherError> {
        let jar = self.upload(run, cluster).await?;
        if cluster.is_script {
            let planned =
                self.jars.plan(&cluster.address, &of_cluster(cluster, jar.clone())).await?;
            if let Err(Trace(trace)) = planned {
                let cause = failure::sentence(&trace, cluster.release());
                return Ok(Prepared::Failed { cause });
            }
        }
        if cluster.standby {
            self.warm_up(cluster).await;
        }
        Ok(Prepared::Ready { jar })
    }

    /// Tasks load most of Flink when they run for the first time: a job of one row does that
    /// while the old one still runs. That it does not work is no harm.
    async fn warm_up(&self, cluster: &ClusterFile) {
        let work = async {
            let script = script::read(WARM_UP).expect("a test reads it");
            let jar = driver::jar(&script).expect("it is small");
            let jar = self.jars.upload(&cluster.address, jar).await?;
            let arguments = driver::arguments(&script);
            let program = Program { jar, entry_class: None, arguments, parallelism: 1 };
            let job = state::warm_up_id(&cluster.job);
            let run = jars::Run { job, savepoint: None, allow_non_restored_state: false };
            if let Err(Trace(trace)) = self.jars.run(&cluster.address, &program, &run).await? {
                return Ok(Some(trace));
            }
            loop {
                let seen = self.rest.job_named(&cluster.address, &run.job).await?;
                match seen.as_ref().map(|job| job.state.as_str()) {
                    Some("FINISHED" | "FAILED" | "CANCELED") => return Ok(None),
                    _ => tokio::time::sleep(START_POLL).await,
                }
            }
        };
        let ended: Result<Result<Option<String>, LauncherError>, _> =
            tokio::time::timeout(WARM_UP_PATIENCE, work).await;
        if !matches!(ended, Ok(Ok(None))) {
            tracing::debug!(?ended, "a staged cluster was not warmed up");
        }
    }

    pub(super) async fn upload(
        &self,
        run: &Run,
        cluster: &ClusterFile,
    ) -> Result<String, LauncherError> {
        let path = run.jar();
        let bytes = tokio::fs::read(&path).await;
        let bytes = bytes.map_err(|source| LauncherError::Io { doing: "read", path, source })?;
        self.jars.upload(&cluster.address, bytes).await
    }

    /// Ends whatever lives of a run; true when nothing does any more.
    pub(super) async fn end(&self, run: &Run) -> Result<bool, LauncherError> {
        for role in ROLES {
            self.part(run, role)?.kill();
        }
        let gone = async {
            loop {
                let parts = ROLES.map(|role| self.part(run, role));
                if parts.into_iter().all(|part| !matches!(part, Ok(Part::Alive(_)))) {
                    return true;
                }
                tokio::time::sleep(STOP_POLL).await;
            }
        };
        let gone = tokio::time::timeout(self.settings.stop_grace, gone).await.unwrap_or(false);
        if gone {
            self.forget(run);
        }
        Ok(gone)
    }

    /// No older generation may write beside a new one: its processes are gone, or its job is.
    pub(super) async fn fence(&self, key: &Key) -> Result<(), LauncherError> {
        let runs = self.application_directory(&key.0).join("run");
        let older = generations(&runs)?.into_iter().filter(|generation| *generation < key.1);
        for generation in older {
            let older = (key.0.clone(), generation);
            let Liveness::Alive(cluster) = self.liveness(&older)? else { continue };
            let job = self.rest.job_named(&cluster.address, &cluster.job).await?;
            let ended = |state: &str| matches!(state, "FINISHED" | "CANCELED" | "FAILED");
            if job.is_some_and(|job| !ended(&job.state)) {
                let message = format!("the job of generation {generation} has not ended yet");
                return Err(LauncherError::Busy { message });
            }
        }
        Ok(())
    }

    pub(super) fn check_run(&self, application: &ApplicationId) -> Run {
        let number = CHECKS.fetch_add(1, Ordering::Relaxed);
        let name = format!("check-flink-{}-{number}", std::process::id());
        Run::at(self.application_directory(application).join("run").join(name))
    }

    fn own_child(&self, run: &Run, role: Role) -> Option<Own> {
        self.children().get_mut(&(run.path().to_owned(), role)).map(process::state_of)
    }

    fn forget(&self, run: &Run) {
        self.children().retain(|(path, _), _| path != run.path());
    }
}

/// The program of a cluster, uploaded as `jar`.
pub(super) fn of_cluster(cluster: &ClusterFile, jar: String) -> Program {
    Program {
        jar,
        entry_class: None,
        arguments: cluster.arguments.clone(),
        parallelism: cluster.parallelism,
    }
}

pub(super) fn no_cluster((application, generation): &(ApplicationId, Generation)) -> LauncherError {
    LauncherError::NoCluster { application: application.clone(), generation: *generation }
}

/// How one part stands.
pub(super) enum Part {
    None,
    Alive(ProcessFile),
    Ended(Option<i32>),
}

impl Part {
    pub(super) fn is_alive(&self) -> bool {
        matches!(self, Part::Alive(_))
    }

    fn kill(&self) {
        if let Part::Alive(process) = self {
            process::kill_group(process.pid);
        }
    }
}

fn died(run: &Run, role: Role, code: Option<i32>) -> Ended {
    let how = match code {
        Some(code) => format!("exited with code {code}"),
        None => "was killed".to_owned(),
    };
    let name = match role {
        Role::JobManager => "JobManager",
        Role::TaskManager => "TaskManager",
    };
    let why = code.and_then(|_| last_error(run)).map(|why| format!(": {why}")).unwrap_or_default();
    Ended { code, cause: format!("Flink's {name} {how}{why}") }
}

/// The last failure that the log tells.
fn last_error(run: &Run) -> Option<String> {
    const TAIL_BYTES: usize = 32 * 1024;
    let bytes = std::fs::read(run.log()).ok()?;
    let text =
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]).into_owned();
    let caused = text.lines().rev().find_map(|line| line.trim().strip_prefix("Caused by: "));
    let said = caused.or_else(|| text.lines().rfind(|line| line.contains(" ERROR ")))?;
    Some(said.trim().chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_is_a_script() {
        let script = script::read(WARM_UP).expect("a script");
        assert_eq!((script.settings.len(), script.statements.len()), (2, 3));
        assert!(driver::jar(&script).is_some());
    }
}
