//! What is to be seen of a job on Flink.

use millrace_domain::Timestamp;
use millrace_domain::lifecycle::{Health, Observed};
use serde_json::Value;

use super::cluster::Liveness;
use super::run::{ClusterFile, Prepared};
use super::{Key, Shared, failure, state};
use crate::error::LauncherError;
use crate::flink_rest::{JobOverview, TaskCounts};

/// What is remembered between two looks; lost, it is noted anew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noted {
    /// Since when the cluster has not answered.
    pub silent: Option<Timestamp>,
    /// Since when all tasks run.
    pub running: Option<Timestamp>,
    /// Since when they do not.
    pub deploying: Option<Timestamp>,
}

impl Shared {
    /// The second is true when the cluster waits for somebody to prepare it.
    pub(super) async fn observe_one(
        &self,
        key: &Key,
        now: Timestamp,
    ) -> Result<(Observed, bool), LauncherError> {
        let cluster = match self.liveness(key)? {
            Liveness::NeverStarted => return Ok((Observed::Absent, false)),
            Liveness::Ended(ended) => {
                return Ok((Observed::Exited { code: ended.code, cause: ended.cause }, false));
            }
            Liveness::Alive(cluster) => cluster,
        };
        let since = Timestamp(cluster.started_at_ms);
        match self.run(&key.0, key.1).prepared()? {
            None => Ok((Observed::Starting { since }, true)),
            Some(Prepared::Failed { cause }) => Ok((Observed::Failed { cause }, false)),
            Some(Prepared::Ready { .. }) => {
                let answer = self.ask(key, &cluster, now).await;
                Ok((self.note_silence(key, answer, now), false))
            }
        }
    }

    async fn ask(
        &self,
        key: &Key,
        cluster: &ClusterFile,
        now: Timestamp,
    ) -> Result<Observed, LauncherError> {
        let address = cluster.address.as_str();
        let Some(job) = self.rest.job_named(address, &cluster.job).await? else {
            return Ok(Observed::Staged);
        };
        match job.state.as_str() {
            "FINISHED" => {
                let checkpoints = self.rest.checkpoints(address, &job.jid).await?;
                let path = |location: String| state::path_of(&location).display().to_string();
                Ok(Observed::Finished { savepoint: checkpoints.latest_savepoint.map(path) })
            }
            "FAILED" => Ok(Observed::Failed { cause: self.failure(cluster, &job).await }),
            "CANCELED" | "CANCELLING" => Ok(Observed::Cancelled),
            "RESTARTING" | "FAILING" => {
                self.note(key, |noted| noted.running = None);
                Ok(Observed::Restarting { cause: self.failure(cluster, &job).await })
            }
            "RUNNING" if are_running(job.tasks) => {
                let since = self.note(key, |noted| {
                    noted.deploying = None;
                    *noted.running.get_or_insert(now)
                });
                self.health(cluster, &job, now.0 - since.0).await.map(Observed::Running)
            }
            // INITIALIZING, CREATED, or RUNNING with tasks that are not there yet.
            _ => {
                let since = self.note(key, |noted| {
                    noted.running = None;
                    *noted.deploying.get_or_insert(now)
                });
                Ok(Observed::Starting { since })
            }
        }
    }

    async fn health(
        &self,
        cluster: &ClusterFile,
        job: &JobOverview,
        uptime_ms: i64,
    ) -> Result<Health, LauncherError> {
        let address = cluster.address.as_str();
        let checkpoints = self.rest.checkpoints(address, &job.jid).await?;
        let details = self.rest.details(address, &job.jid).await?;
        let [counted] = self.rest.job_metrics(address, &job.jid, ["numRestarts"]).await?;
        let restarts = restarts(&details, counted);
        let last_failure = match restarts {
            0 => None,
            _ => Some(self.failure(cluster, job).await),
        };
        Ok(Health {
            checkpoints_completed: checkpoints.completed,
            last_checkpoint_at: checkpoints.latest_completed_at_ms.map(Timestamp),
            restarts,
            last_failure,
            uptime_ms,
            held: false,
            cannot_hold: true,
        })
    }

    async fn failure(&self, cluster: &ClusterFile, job: &JobOverview) -> String {
        match self.rest.last_trace(&cluster.address, &job.jid).await {
            Ok(Some(found)) => {
                let told = failure::sentence(&found.trace, cluster.release());
                failure::with_task(told, found.task.as_deref())
            }
            Ok(None) => "Flink recorded no cause".to_owned(),
            Err(error) => format!("the cause could not be read: {error}"),
        }
    }

    fn note_silence(
        &self,
        key: &Key,
        answer: Result<Observed, LauncherError>,
        now: Timestamp,
    ) -> Observed {
        match answer {
            Ok(observed) => {
                self.note(key, |noted| noted.silent = None);
                observed
            }
            Err(error) => {
                tracing::debug!(application.id = %key.0, generation = key.1.0, %error,
                    "a cluster does not answer");
                let since = self.note(key, |noted| *noted.silent.get_or_insert(now));
                Observed::Unreachable { since }
            }
        }
    }
}

fn are_running(tasks: TaskCounts) -> bool {
    tasks.total > 0 && tasks.running + tasks.finished == tasks.total
}

/// The metric is a while behind; that the job was RESTARTING once is known at once.
fn restarts(details: &Value, counted: Option<f64>) -> u64 {
    let once = details["timestamps"]["RESTARTING"].as_i64().unwrap_or(0) > 0;
    (counted.unwrap_or(0.0).max(0.0) as u64).max(u64::from(once))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_runs_when_all_its_tasks_do() {
        let check = |total, running, finished, want| {
            assert_eq!(are_running(TaskCounts { total, running, finished }), want);
        };
        check(0, 0, 0, false);
        check(3, 2, 0, false);
        check(3, 2, 1, true);
    }

    #[test]
    fn a_restart_is_seen_before_it_is_counted() {
        let details = |at: i64| json!({"timestamps": {"RESTARTING": at}});
        assert_eq!(restarts(&details(0), None), 0);
        assert_eq!(restarts(&details(7), Some(0.0)), 1);
        assert_eq!(restarts(&details(7), Some(3.0)), 3);
    }
}
