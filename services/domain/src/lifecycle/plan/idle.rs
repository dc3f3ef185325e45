//! No operation is open: keep the job alive, clear away what was deleted.

use crate::application::{Job, Status};
use crate::ids::Timestamp;
use crate::lifecycle::facts::{Facts, Observed};
use crate::lifecycle::launch::{Launch, RestoreFrom};
use crate::lifecycle::step::Step;
use crate::snapshot::SnapshotStatus;

pub(super) fn plan(facts: &Facts, now: Timestamp) -> Step {
    let deleting = facts.snapshots.iter().find(|s| s.status == SnapshotStatus::Deleting);
    if let Some(snapshot) = deleting {
        return Step::DeleteSnapshot {
            name: snapshot.name.clone(),
            location: snapshot.location.clone(),
        };
    }
    match (&facts.application.job, facts.application.status) {
        (Some(job), Status::Running) => keep_running(facts, job, now),
        _ => Step::Wait { until: None, why: "there is nothing to do" },
    }
}

fn keep_running(facts: &Facts, job: &Job, now: Timestamp) -> Step {
    let settings = &facts.settings;
    let later = |ms: i64, why| Step::Wait { until: Some(Timestamp(now.0.saturating_add(ms))), why };
    match facts.observed(job.generation) {
        Observed::Running(health) if health.held => {
            Step::ReleaseCommits { generation: job.generation }
        }
        Observed::Running(_) => later(settings.idle_ms, "the job runs"),
        Observed::Restarting { .. } => later(settings.idle_ms, "the engine restarts the job"),
        Observed::Finished { savepoint: None } => Step::SettleFinished,
        Observed::Absent => match launch(facts, job) {
            Some(launch) => Step::StartCluster(Box::new(launch)),
            None => later(settings.backoff_max_ms, "the job's version is not stored"),
        },
        Observed::Staged => Step::RunJob {
            generation: job.generation,
            restore: RestoreFrom::Latest,
            allow_non_restored_state: job.run.allow_non_restored_state,
        },
        Observed::Starting { since } if !past(*since, settings.start_deadline_ms, now) => {
            later(settings.poll_ms, "the engine is starting")
        }
        Observed::Unreachable { since } if !past(*since, settings.unreachable_ms, now) => {
            later(settings.poll_ms, "the engine does not answer")
        }
        _ => restart(facts, job, now),
    }
}

/// With back-off, counted from the last start: a job that had run for long restarts at once.
fn restart(facts: &Facts, job: &Job, now: Timestamp) -> Step {
    let at = Timestamp(job.started_at.0.saturating_add(facts.settings.backoff_ms(job.restarts)));
    match at <= now {
        true => Step::RestartJob,
        false => Step::Wait { until: Some(at), why: "the job crashed; backing off" },
    }
}

fn launch(facts: &Facts, job: &Job) -> Option<Launch> {
    let version = facts.version(job.version)?;
    let launch = Launch::of(&facts.application, version, job.generation, RestoreFrom::Latest)?;
    let launch = launch.at_parallelism(version, job.parallelism);
    Some(Launch { allow_non_restored_state: job.run.allow_non_restored_state, ..launch })
}

fn past(since: Timestamp, ms: i64, now: Timestamp) -> bool {
    now.0.saturating_sub(since.0) >= ms
}
