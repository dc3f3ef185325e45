//! Whether code and state will do, found out before anything is stopped.
//!
//! A JobManager alone, without a TaskManager, is Flink's own planner: it plans the program.
//! Where there is state, it is given the job too, with that state: it maps every piece of
//! state to an operator before it asks for a slot, which nobody will ever give it. No task
//! runs, nothing is read or written, and the state is not claimed. What only a task finds out,
//! a serializer that cannot read what was written, is not found here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_domain::Timestamp;
use millrace_domain::lifecycle::{
    CheckDiagnostic, CheckReport, Launch, PlannedOperator, RestoreFrom,
};
use serde_json::Value;

use super::cluster::{Starting, of_cluster};
use super::commands::{Life, Role};
use super::distribution::{Distribution, Release};
use super::jars::{Program, Run as JobRun, Trace};
use super::program::{self, Code, Refused};
use super::run::{ClusterFile, Run};
use super::{Shared, failure, java, state};
use crate::error::LauncherError;
use crate::local::files::generations;

const POLL: Duration = Duration::from_millis(50);
/// How often a checkpoint may vanish while it is looked at.
const PINS: usize = 20;

impl Shared {
    /// The verdict.
    ///
    /// # Errors
    /// There was none.
    pub(super) async fn judge(
        &self,
        launch: &Launch,
        why: &str,
    ) -> Result<CheckReport, LauncherError> {
        let distribution = match self.serving(&launch.runtime)? {
            Some(distribution) => distribution,
            None => return Ok(refused(Refused::whole(not_installed(&launch.runtime)))),
        };
        let java = match java::find() {
            Ok(java) => java,
            Err(missing) => return Ok(refused(Refused::whole(missing.to_string()))),
        };
        let artifact = self.artifact(launch);
        let code = match program::code(&artifact, launch, &self.settings.private)? {
            Ok(code) => code,
            Err(why) => return Ok(refused(why)),
        };
        let run = self.check_run(&launch.application);
        run.create()?;
        let saved = match self.pinned(&run, launch, distribution.release) {
            Ok(saved) => saved,
            Err(why) => {
                run.remove();
                return Ok(refused(why));
            }
        };
        // It has no slots, whatever it asks for.
        let starting = Starting {
            launch,
            distribution: &distribution,
            java: &java,
            code: &code,
            why,
            roles: &[Role::JobManager],
            life: Life::Check,
            now: Timestamp(0),
        };
        let report = self.judge_within(&run, &starting, saved).await;
        self.end(&run).await?;
        run.remove();
        report
    }

    async fn judge_within(
        &self,
        run: &Run,
        starting: &Starting<'_>,
        saved: Option<PathBuf>,
    ) -> Result<CheckReport, LauncherError> {
        match self.spawn(run, starting) {
            Err(LauncherError::Refused { message }) => return Ok(refused(Refused::whole(message))),
            spawned => spawned?,
        }
        let timeout = self.settings.check_timeout;
        let asked = self.ask_planner(run, starting, saved);
        match tokio::time::timeout(timeout, asked).await {
            Ok(report) => report,
            Err(_) => Err(LauncherError::CheckTimeout { seconds: timeout.as_secs() }),
        }
    }

    async fn ask_planner(
        &self,
        run: &Run,
        starting: &Starting<'_>,
        saved: Option<PathBuf>,
    ) -> Result<CheckReport, LauncherError> {
        let cluster = run.cluster()?.ok_or_else(|| LauncherError::CheckFailed {
            problem: "the planner's files are gone".to_owned(),
        })?;
        let jar = self.upload_patiently(run, &cluster).await?;
        let program = of_cluster(&cluster, jar);
        let release = starting.distribution.release;
        let plan = match self.jars.plan(&cluster.address, &program).await? {
            Ok(plan) => plan,
            Err(Trace(trace)) => return Ok(refused(of_trace(&trace, release, starting.code))),
        };
        if let Some(saved) = saved
            && let Some(why) =
                self.restore_without_slots(&cluster, &program, &saved, starting).await?
        {
            return Ok(CheckReport { plan: operators(&plan), ..refused(why) });
        }
        let chosen = CheckDiagnostic {
            severity: "info".to_owned(),
            message: format!("runs on Apache Flink {release}: {}", starting.why),
            ..CheckDiagnostic::default()
        };
        Ok(CheckReport {
            ok: true,
            diagnostics: vec![chosen],
            plan: operators(&plan),
            ..CheckReport::default()
        })
    }

    /// The planner answers once it is up.
    async fn upload_patiently(
        &self,
        run: &Run,
        cluster: &ClusterFile,
    ) -> Result<String, LauncherError> {
        loop {
            if self.rest.slots(&cluster.address).await.is_ok() {
                return self.upload(run, cluster).await;
            }
            if !self.lives(run, Role::JobManager) {
                let problem = format!("Flink ended at once; see {}", run.log().display());
                return Err(LauncherError::CheckFailed { problem });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Why the state does not fit; `None`: it does.
    async fn restore_without_slots(
        &self,
        cluster: &ClusterFile,
        program: &Program,
        saved: &Path,
        starting: &Starting<'_>,
    ) -> Result<Option<Refused>, LauncherError> {
        let run = JobRun {
            job: cluster.job.clone(),
            savepoint: Some(format!("file://{}", saved.display())),
            allow_non_restored_state: starting.launch.allow_non_restored_state,
        };
        let release = starting.distribution.release;
        if let Err(Trace(trace)) = self.jars.run(&cluster.address, program, &run).await? {
            let told = of_trace(&trace, release, starting.code);
            let message = self.with_names(starting.launch, told.message).await;
            return Ok(Some(Refused { message, ..told }));
        }
        loop {
            let job = self.rest.job_named(&cluster.address, &cluster.job).await?;
            match job.as_ref().map(|job| job.state.as_str()) {
                Some("FAILED" | "FAILING" | "RESTARTING") => {
                    let trace = self.rest.last_trace(&cluster.address, &cluster.job).await?;
                    let trace = trace.map(|found| found.trace).unwrap_or_default();
                    let told = failure::sentence(&trace, release);
                    return Ok(Some(Refused::whole(self.with_names(starting.launch, told).await)));
                }
                Some("CREATED" | "RUNNING" | "FINISHED") => return Ok(None),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Flink tells operators by their ids; the running job knows the names of its tasks.
    async fn with_names(&self, launch: &Launch, told: String) -> String {
        let runs = self.application_directory(&launch.application).join("run");
        let all = generations(&runs).unwrap_or_default().into_iter();
        let mut alive = all.filter_map(|it| self.alive(&(launch.application.clone(), it)).ok());
        let Some(cluster) = alive.next() else { return told };
        let Ok(details) = self.rest.details(&cluster.address, &cluster.job).await else {
            return told;
        };
        let vertices = details["vertices"].as_array().into_iter().flatten();
        vertices.fold(told, |told, vertex| match (&vertex["id"], &vertex["name"]) {
            (Value::String(id), Value::String(name)) => {
                told.replace(&format!("operator {id}"), &format!("operator {name} ({id})"))
            }
            _ => told,
        })
    }

    /// What a start would restore now, as the planner is shown it: the metadata alone, for a
    /// running job removes its checkpoints as it goes on. Nothing but tasks reads the rest.
    fn pinned(
        &self,
        run: &Run,
        launch: &Launch,
        release: Release,
    ) -> Result<Option<PathBuf>, Refused> {
        let place = run.path().join("saved");
        for _ in 0..PINS {
            let Some(saved) = self.saved(launch, release)? else { return Ok(None) };
            let copied = std::fs::create_dir_all(&place).and_then(|()| {
                std::fs::copy(saved.join(state::METADATA), place.join(state::METADATA))
            });
            if copied.is_ok() {
                return Ok(Some(place));
            }
        }
        Err(Refused::whole("the job's newest checkpoint could not be read: try again"))
    }

    /// What a start would restore now.
    fn saved(&self, launch: &Launch, release: Release) -> Result<Option<PathBuf>, Refused> {
        let files = self.state_files(&launch.application);
        let saved = match &launch.restore {
            RestoreFrom::None => None,
            RestoreFrom::Latest => files.newest(None).map(|saved| saved.directory),
            RestoreFrom::Snapshot { location } => {
                let path = state::path_of(location);
                if !state::is_saved(path) {
                    let message = format!(
                        "the snapshot at {location} is not one that Apache Flink can restore: \
                         choose the engine that wrote it, or start without a snapshot"
                    );
                    return Err(Refused::whole(message));
                }
                Some(path.to_owned())
            }
        };
        match saved.as_ref().and_then(|path| self.written_by(launch, path)) {
            Some(newer) if newer.line() > release.line() => Err(Refused::whole(format!(
                "the state was written by Flink {newer}, and Flink {release} does not read it"
            ))),
            _ => Ok(saved),
        }
    }

    /// Which release wrote a snapshot, as far as its run is still known.
    fn written_by(&self, launch: &Launch, saved: &Path) -> Option<Release> {
        let files = self.state_files(&launch.application);
        let generation = files.generation_of(saved)?;
        let cluster = self.run(&launch.application, generation).cluster().ok()??;
        Release::parse(&cluster.release)
    }

    pub(super) fn serving(&self, runtime: &str) -> Result<Option<Distribution>, LauncherError> {
        self.releases
            .serving(runtime)
            .map_err(|error| LauncherError::CheckFailed { problem: error.to_string() })
    }
}

pub(super) fn not_installed(runtime: &str) -> String {
    match super::distribution::line_of(runtime) {
        Some((major, minor)) => format!(
            "no release of Apache Flink {major}.{minor} is installed: whoever runs the service \
             installs one with `millrace runtimes install {major}.{minor}`"
        ),
        None => format!("{runtime} is not a runtime of Apache Flink"),
    }
}

/// Of a script, the place is told apart.
fn of_trace(trace: &str, release: Release, code: &Code) -> Refused {
    let message = failure::sentence(trace, release);
    match failure::place(&message).filter(|_| code.is_script) {
        Some((line, column)) => {
            let told = message.split_once(": ").filter(|_| message.starts_with("From line "));
            let message = told.map_or(message.clone(), |(_, rest)| rest.to_owned());
            Refused { line, column, message }
        }
        None => Refused::whole(message),
    }
}

fn refused(why: Refused) -> CheckReport {
    let place = match why.line {
        0 => String::new(),
        line => format!("Line {line}, column {}: ", why.column),
    };
    let text = why.message.trim_end_matches('.').to_owned();
    CheckReport {
        ok: false,
        message: format!("{place}{text}."),
        diagnostics: vec![CheckDiagnostic {
            severity: "error".to_owned(),
            line: Some(why.line),
            column: Some(why.column),
            message: text,
            hint: None,
        }],
        ..CheckReport::default()
    }
}

/// Flink's plan: a node for each task.
fn operators(plan: &Value) -> Vec<PlannedOperator> {
    let nodes = plan["nodes"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    nodes
        .map(|node| PlannedOperator {
            id: text(&node["id"]),
            name: text(&node["description"]).replace("<br/>", " "),
            parallelism: node["parallelism"].as_u64().and_then(|it| u32::try_from(it).ok()),
            inputs: node["inputs"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|it| text(&it["id"]))
                .collect(),
            state: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_in_a_script_is_told_once() {
        let release = Release::parse("1.18.1").expect("a release");
        let code = Code { jar: Vec::new(), arguments: Vec::new(), is_script: true };
        let trace =
            "o.E: From line 3, column 5 to line 3, column 8: Column 'x' not found in any table";
        let report = refused(of_trace(trace, release, &code));
        assert_eq!(report.message, "Line 3, column 5: Column 'x' not found in any table.");
        assert_eq!(report.diagnostics[0].line, Some(3));
        let jar = Code { is_script: false, ..code };
        assert!(refused(of_trace(trace, release, &jar)).message.starts_with("From line 3"));
    }

    #[test]
    fn a_plan_is_its_nodes() {
        let plan = json!({"nodes": [
            {"id": "a", "parallelism": 2, "description": "Source<br/>"},
            {"id": "b", "parallelism": 1, "description": "Sink", "inputs": [{"id": "a"}]}]});
        let found = operators(&plan);
        assert_eq!(found[0].name.trim(), "Source");
        assert_eq!(
            (found[1].inputs.as_slice(), found[1].parallelism),
            (&["a".to_owned()][..], Some(1))
        );
        assert_eq!(operators(&json!({})), []);
    }
}
