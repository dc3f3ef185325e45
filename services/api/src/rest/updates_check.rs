//! `POST …/updates:check`: the full verdict on an update, without making it.
//!
//! Flow: the update is decided as it would be made, and not committed; the lifecycle is
//! asked what it would do first, which is the check of code and state; the target runtime's
//! planner is asked that, and about the code there is. So a refusal here has the words that
//! the call or its operation would have.

use std::collections::BTreeMap;

use millrace_api_spec::ErrorCode;
use millrace_domain::change::ApplicationWrite;
use millrace_domain::lifecycle::{
    CheckReport, Evidence, Facts, Launch, RestoreFrom, Settings, Step, plan,
};
use millrace_domain::{Application, Change, Operation, OperationKind, OperationStatus, Version};
use millrace_store::{Loaded, OperationFilter};

use super::asked::Asked;
use super::lifecycle::{conditional, update_request};
use super::model::check::{self, Downtime, JobImpact, PlanDiff, UpdateVerdict};
use super::model::{UpdateApplication, Version as ShownVersion};
use super::params::{IfMatch, OfApplication};
use super::problem::{self, Problem};
use super::reply::{self, Answer};
use crate::calls::current_version;
use crate::error::ApiError;
use crate::operations::update_application;

/// Say what an update would do and whether it can, without making it.
///
/// What the update itself would be refused for is answered as there. A verdict that is not
/// `ok` has the words that the operation would fail with.
#[utoipa::path(
    post, path = "/v1/applications/{name}/updates:check", operation_id = "checkUpdate",
    tag = "lifecycle", params(OfApplication, IfMatch), request_body = UpdateApplication,
    responses((status = 200, description = "The verdict.", body = UpdateVerdict))
)]
pub async fn check(asked: Asked) -> Answer {
    asked.may("UpdateApplication").await?;
    let request = update_request(&asked).await?;
    let loaded = asked.call.load(&request.application_name).await?;
    let command = update_application::command(&asked.call, &request).await;
    let command = command.map_err(|error| conditional(&asked, error))?;
    let decided =
        command.decide(&asked.call.facts(&loaded)?, &asked.call.runtimes(), &asked.call.issue());
    let change = decided.map_err(|reject| conditional(&asked, reject.into()))?;
    let verdict = verdict(&asked, &loaded, &change).await?;
    reply::ok(&verdict)
}

/// What the lifecycle would do first.
enum First {
    /// Ask the planner.
    Ask(Box<Launch>),
    /// Fail with this cause.
    Fail(String),
    /// Nothing that could fail.
    Done,
}

async fn verdict(
    asked: &Asked,
    loaded: &Loaded,
    change: &Change,
) -> Result<UpdateVerdict, Problem> {
    let before = current_version(loaded)?;
    let after = change.new_version.as_ref().unwrap_or(before);
    let report = match first(asked, loaded, change) {
        First::Ask(launch) => ask(asked, &launch).await?,
        First::Fail(cause) => CheckReport { message: cause, ..CheckReport::default() },
        First::Done => CheckReport { ok: true, ..CheckReport::default() },
    };
    let plan_before = plan_of(asked, &loaded.application, before).await?;
    let restarts = change.operations.last().is_some_and(is_open);
    Ok(UpdateVerdict {
        ok: report.ok,
        refusal: (!report.ok).then(|| report.message.clone()),
        from_version_id: before.id.0,
        to_version_id: after.id.0,
        changes: changes(before, after),
        job: impact(asked, loaded, after, restarts && report.ok).await?,
        diagnostics: check::diagnostics(&report),
        plan: PlanDiff::of(&plan_before, if restarts { &report.plan } else { &plan_before }),
        state: check::state(&report),
        restored_checkpoint: report.restored_checkpoint,
    })
}

fn first(asked: &Asked, loaded: &Loaded, change: &Change) -> First {
    let (ApplicationWrite::Put(application), Some(operation)) =
        (&change.application, change.operations.last().filter(|it| is_open(it)))
    else {
        return First::Done;
    };
    let mut versions = loaded.versions.clone();
    versions.extend(change.new_version.iter().map(|version| (version.id, version.clone())));
    let facts = Facts {
        application: application.as_ref().clone(),
        operation: Some(operation.clone()),
        versions,
        snapshots: loaded.snapshots.to_vec(),
        // What runs has no say in the first step.
        clusters: BTreeMap::new(),
        settings: Settings::default(),
    };
    match plan(&facts, (asked.call.state.clock)()) {
        Step::CheckPlan(launch) => First::Ask(launch),
        Step::Fail { cause } => First::Fail(cause),
        _ => First::Done,
    }
}

fn is_open(operation: &Operation) -> bool {
    operation.status == OperationStatus::InProgress
}

async fn ask(asked: &Asked, launch: &Launch) -> Result<CheckReport, Problem> {
    asked.call.state.jobs.check(launch).await.map_err(|cause| {
        tracing::warn!(cause, "the planner gave no verdict");
        let message = format!("the planner gave no verdict: {cause}; try again");
        ApiError::new(ErrorCode::ServiceUnavailable, message).into()
    })
}

/// The operators of a version's plan; none without code, or when it cannot be planned.
async fn plan_of(
    asked: &Asked,
    application: &Application,
    version: &Version,
) -> Result<Vec<millrace_domain::lifecycle::PlannedOperator>, Problem> {
    let launch = Launch::of(application, version, application.generation, RestoreFrom::None);
    match launch {
        Some(launch) => Ok(ask(asked, &launch).await?.plan),
        None => Ok(Vec::new()),
    }
}

fn changes(before: &Version, after: &Version) -> Vec<check::Change> {
    let shown = |version: &Version| {
        let mut shown = ShownVersion::of(version, millrace_domain::Status::Ready);
        // They differ always, and say nothing.
        shown.version_id = 0;
        shown.created_at = String::new();
        serde_json::to_value(shown).expect("it has text keys only")
    };
    check::differences(&shown(before), &shown(after))
}

async fn impact(
    asked: &Asked,
    loaded: &Loaded,
    after: &Version,
    restarts: bool,
) -> Result<JobImpact, Problem> {
    let runs = loaded.application.job.is_some();
    let stopped = runs && restarts;
    let downtime = match stopped {
        true => downtime(asked, &loaded.application).await?,
        false => Downtime { expected_ms: Some(0), basis: "no running job is stopped".to_owned() },
    };
    let of_job = current_version(loaded)?;
    Ok(JobImpact {
        runs,
        stopped,
        takes_snapshot: stopped && of_job.configuration.snapshots_enabled,
        rolls_back_on_failure: stopped && after.configuration.rollback_enabled,
        downtime,
    })
}

/// The last update that switched jobs is the best guess there is.
async fn downtime(asked: &Asked, application: &Application) -> Result<Downtime, Problem> {
    let filter = OperationFilter { kind: Some(OperationKind::UpdateApplication), status: None };
    let store = &asked.call.state.store;
    let page = store.operations(&application.id, filter, None, 20).await.map_err(ApiError::from)?;
    Ok(match page.items.iter().find_map(switch_ms) {
        Some(ms) => Downtime {
            expected_ms: Some(ms),
            basis: "the last update of this application: from the request of its savepoint until \
                    the new job was given to its cluster"
                .to_owned(),
        },
        None => Downtime {
            expected_ms: None,
            basis: "no update of this application has stopped its job yet".to_owned(),
        },
    })
}

/// How long an update took from the savepoint to the start of the new job.
fn switch_ms(operation: &Operation) -> Option<i64> {
    let evidence: Evidence = serde_json::from_value(operation.evidence.clone()).ok()?;
    let (snapshot, start) = (evidence.snapshot?, evidence.start?);
    snapshot.location?;
    Some((start.since.0 - snapshot.requested_at.0).max(0))
}

/// What [`check`] may answer beyond what an update may.
pub const UNAVAILABLE: problem::Kind = problem::of_code(ErrorCode::ServiceUnavailable);
