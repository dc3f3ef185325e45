//! Both engines behind one [`Launcher`]: which of them runs a job, and why.
//!
//! The application says `engine` = `auto`, `embedded` or `flink` in the property group
//! `millrace.runtime`. `auto`: a JAR runs on Apache Flink; a script runs embedded when that
//! engine's planner takes it, else on Flink where that is installed. State decides before
//! plans do: neither engine reads what the other wrote, so an application with state stays
//! where its state is, and an engine that was asked for and cannot read it is refused before
//! anything is stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use millrace_domain::lifecycle::{
    CheckDiagnostic, CheckReport, CheckVerdict, Launch, Observed, Outcome, RestoreFrom,
    SnapshotRequest,
};
use millrace_domain::reading::JobReading;
use millrace_domain::runtime_environment::RuntimeEnvironment;
use millrace_domain::{ApplicationId, Generation, Timestamp};

use crate::error::LauncherError;
use crate::flink::{CodeKind, FlinkLauncher, FlinkSettings, NO_PYTHON, state};
use crate::flink_rest::RawAnswer;
use crate::launcher::Launcher;
use crate::local::files::{RunDirectory, generations};
use crate::local::{LocalLauncher, LocalSettings};

/// The property group of the service's own settings.
const RUNTIME_GROUP: &str = "millrace.runtime";

/// What runs a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Embedded,
    Flink,
}

/// An engine for a launch.
enum Choice {
    /// With the embedded planner's report, where it was asked.
    Embedded(Option<CheckReport>),
    Flink {
        why: String,
        /// The embedded planner's refusal that led to it.
        instead_of: Option<CheckReport>,
    },
    /// No engine can.
    Neither(String),
}

/// The embedded engine and Apache Flink, as local processes.
#[derive(Debug)]
pub struct Engines {
    data_directory: PathBuf,
    embedded: LocalLauncher,
    flink: FlinkLauncher,
}

impl Engines {
    /// # Errors
    /// An HTTP client cannot be built.
    pub fn new(embedded: LocalSettings, flink: FlinkSettings) -> Result<Engines, LauncherError> {
        Ok(Engines {
            data_directory: embedded.data_directory.clone(),
            embedded: LocalLauncher::new(embedded)?,
            flink: FlinkLauncher::new(flink)?,
        })
    }

    /// All that the target runtime's planner says of code and state. Touches nothing.
    ///
    /// # Errors
    /// The planner gave no verdict.
    pub async fn judge(&self, launch: &Launch) -> Result<CheckReport, LauncherError> {
        match self.choose(launch).await? {
            Choice::Embedded(Some(report)) => Ok(report),
            Choice::Embedded(None) => self.embedded.judge(launch).await,
            Choice::Neither(message) => Ok(refusal(message)),
            Choice::Flink { why, instead_of } => {
                let report = self.flink.judge(launch, &why).await?;
                Ok(match instead_of {
                    Some(embedded) if !report.ok => both(embedded, &report),
                    _ => report,
                })
            }
        }
    }

    async fn choose(&self, launch: &Launch) -> Result<Choice, LauncherError> {
        let kind = self.flink.kind(launch)?;
        let asked = launch.properties.iter().find(|group| group.id == RUNTIME_GROUP);
        let asked = asked.and_then(|group| group.properties.get("engine")).map(String::as_str);
        let holder = self.holder(launch)?;
        let flink = |why: &str| Choice::Flink { why: why.to_owned(), instead_of: None };
        let choice = match (asked.unwrap_or("auto"), kind) {
            (_, CodeKind::Python) => Choice::Neither(NO_PYTHON.to_owned()),
            ("embedded", CodeKind::Script) => Choice::Embedded(None),
            ("embedded", _) => Choice::Neither(
                "the embedded engine runs SQL scripts, and this code is none: \
                 choose engine auto or flink"
                    .to_owned(),
            ),
            ("flink", _) => flink("the application asks for it (engine = flink)"),
            ("auto", CodeKind::Jar) => flink("the code is a JAR"),
            ("auto", CodeKind::Script) => match holder {
                Some(Engine::Flink) => flink("it goes on from state that Flink wrote"),
                Some(Engine::Embedded) => Choice::Embedded(None),
                None => self.by_plan(launch).await?,
            },
            (other, _) => Choice::Neither(format!(
                "property engine of group {RUNTIME_GROUP} is {other:?}: \
                 it must be auto, embedded or flink"
            )),
        };
        Ok(match (&choice, holder) {
            (Choice::Flink { .. }, Some(Engine::Embedded)) => {
                Choice::Neither(foreign("the embedded engine", "Apache Flink"))
            }
            (Choice::Embedded(_), Some(Engine::Flink)) => {
                Choice::Neither(foreign("Apache Flink", "the embedded engine"))
            }
            _ => choice,
        })
    }

    async fn by_plan(&self, launch: &Launch) -> Result<Choice, LauncherError> {
        let Some(release) = self.flink.serving(&launch.runtime)?.map(|it| it.release) else {
            return Ok(Choice::Embedded(None));
        };
        if RuntimeEnvironment::offered(&launch.runtime).is_err() {
            let why = format!("the embedded engine has no {}", launch.runtime);
            return Ok(Choice::Flink { why, instead_of: None });
        }
        let report = self.embedded.judge(launch).await?;
        if report.ok {
            return Ok(Choice::Embedded(Some(report)));
        }
        let why = format!("the embedded engine refuses the script: {}", report.message);
        tracing::debug!(application.id = %launch.application, %release, why, "Flink is tried");
        Ok(Choice::Flink { why, instead_of: Some(report) })
    }

    /// Whose state the launch would restore; `None`: there is none, or none is wanted.
    fn holder(&self, launch: &Launch) -> Result<Option<Engine>, LauncherError> {
        let of_flink = match &launch.restore {
            RestoreFrom::None => return Ok(None),
            RestoreFrom::Snapshot { location } => {
                let of_flink = state::is_saved(state::path_of(location));
                return Ok(Some(if of_flink { Engine::Flink } else { Engine::Embedded }));
            }
            RestoreFrom::Latest => self.flink.has_state(&launch.application),
        };
        let embedded = self.embedded.has_state(&launch.application);
        match (of_flink, embedded) {
            (false, false) => Ok(None),
            (true, false) => Ok(Some(Engine::Flink)),
            (false, true) => Ok(Some(Engine::Embedded)),
            (true, true) => self.newest_run(&launch.application),
        }
    }

    /// Both wrote some: what ran last goes on.
    fn newest_run(&self, application: &ApplicationId) -> Result<Option<Engine>, LauncherError> {
        let Some(newest) = generations(&self.runs(application))?.into_iter().max() else {
            return Ok(None);
        };
        let of_flink = self.flink.knows(application, newest)?;
        Ok(Some(if of_flink { Engine::Flink } else { Engine::Embedded }))
    }

    fn runs(&self, application: &ApplicationId) -> PathBuf {
        self.data_directory.join("applications").join(application.as_str()).join("run")
    }

    fn of(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<&dyn Launcher, LauncherError> {
        match self.flink.knows(application, generation)? {
            true => Ok(&self.flink),
            false => Ok(&self.embedded),
        }
    }

    /// The release of Flink that runs a generation, and why it does; `None`: the embedded
    /// engine does.
    ///
    /// # Errors
    /// The generation's files cannot be read.
    pub fn flink_reason(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<Option<(String, String)>, LauncherError> {
        self.flink.reason(application, generation)
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
        match self.flink.knows(application, generation)? {
            true => self.flink.plan(application, generation).await,
            false => self.embedded.plan(application, generation).await,
        }
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
        match self.flink.knows(application, generation)? {
            true => self.flink.look(application, generation, place, max_bytes).await,
            false => self.embedded.look(application, generation, place, max_bytes).await,
        }
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
        match self.flink.knows(application, generation)? {
            true => self.flink.measure(application, generation, now).await,
            false => self.embedded.reading(application, generation, now).await,
        }
    }
}

/// The embedded planner's refusal is the better told one; that Flink refuses too is added.
fn both(embedded: CheckReport, flink: &CheckReport) -> CheckReport {
    let message = format!("{} (Apache Flink refuses it too: {})", embedded.message, flink.message);
    CheckReport { message, ..embedded }
}

fn foreign(writer: &str, reader: &str) -> String {
    format!(
        "the application's state was written by {writer}, and {reader} does not read it: \
         keep the engine, or start without state (SKIP_RESTORE_FROM_SNAPSHOT)"
    )
}

fn refusal(message: String) -> CheckReport {
    let error = CheckDiagnostic {
        severity: "error".to_owned(),
        message: message.clone(),
        ..CheckDiagnostic::default()
    };
    let message = format!("{}.", message.trim_end_matches('.'));
    CheckReport { ok: false, message, diagnostics: vec![error], ..CheckReport::default() }
}

#[async_trait]
impl Launcher for Engines {
    async fn observe(
        &self,
        application: &ApplicationId,
        now: Timestamp,
    ) -> Result<BTreeMap<Generation, Observed>, LauncherError> {
        let mut seen = self.embedded.observe(application, now).await?;
        seen.extend(self.flink.observe(application, now).await?);
        Ok(seen)
    }

    async fn measure(
        &self,
        application: &ApplicationId,
        generation: Generation,
        now: Timestamp,
    ) -> Result<JobReading, LauncherError> {
        self.of(application, generation)?.measure(application, generation, now).await
    }

    async fn release(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<String, LauncherError> {
        self.of(application, generation)?.release(application, generation).await
    }

    async fn installed(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<Option<String>, LauncherError> {
        self.of(application, generation)?.installed(application, generation).await
    }

    async fn check(&self, launch: &Launch) -> Result<CheckVerdict, LauncherError> {
        let report = self.judge(launch).await?;
        Ok(CheckVerdict { ok: report.ok, message: report.message })
    }

    /// What has begun on one engine goes on there.
    async fn start(&self, launch: &Launch, now: Timestamp) -> Result<(), LauncherError> {
        if self.flink.knows(&launch.application, launch.generation)? {
            return self.flink.start(launch, now).await;
        }
        match self.choose(launch).await? {
            Choice::Embedded(_) => self.embedded.start(launch, now).await,
            Choice::Flink { why, .. } => self.flink.start_because(launch, &why, now).await,
            Choice::Neither(message) => Err(LauncherError::Refused { message }),
        }
    }

    async fn run_job(
        &self,
        application: &ApplicationId,
        generation: Generation,
        restore: &RestoreFrom,
        allow_non_restored_state: bool,
    ) -> Result<(), LauncherError> {
        let engine = self.of(application, generation)?;
        engine.run_job(application, generation, restore, allow_non_restored_state).await
    }

    async fn take_snapshot(
        &self,
        application: &ApplicationId,
        request: &SnapshotRequest,
    ) -> Result<Outcome, LauncherError> {
        self.of(application, request.generation)?.take_snapshot(application, request).await
    }

    async fn trigger_checkpoint(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        self.of(application, generation)?.trigger_checkpoint(application, generation).await
    }

    async fn release_commits(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        self.of(application, generation)?.release_commits(application, generation).await
    }

    async fn stop(
        &self,
        application: &ApplicationId,
        generation: Generation,
    ) -> Result<(), LauncherError> {
        self.of(application, generation)?.stop(application, generation).await
    }

    async fn delete_snapshot(
        &self,
        application: &ApplicationId,
        location: &str,
    ) -> Result<(), LauncherError> {
        match state::is_saved(state::path_of(location)) {
            true => self.flink.delete_snapshot(application, location).await,
            false => self.embedded.delete_snapshot(application, location).await,
        }
    }

    /// The newest stay, so that no older one is started again.
    async fn remove_old_runs(
        &self,
        application: &ApplicationId,
        keep: usize,
    ) -> Result<u64, LauncherError> {
        self.flink.remove_outlived(application)?;
        let runs = self.runs(application);
        let mut found = generations(&runs)?;
        found.sort_unstable_by(|one, other| other.cmp(one));
        let mut removed = 0;
        for generation in found.into_iter().skip(keep.max(1)) {
            let lives = match self.flink.knows(application, generation)? {
                true => self.flink.lives(application, generation)?,
                false => self.embedded.lives(application, generation).await?,
            };
            if !lives {
                RunDirectory::new(runs.join(format!("g{generation}"))).remove_at_once()?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn delete_application(&self, application: &ApplicationId) -> Result<(), LauncherError> {
        self.embedded.delete_application(application).await
    }
}
