//! The client of Flink's JobManager REST API, as far as the lifecycle needs it.
//!
//! Guarantees: every call ends within its timeout. An answer 409 is
//! [`LauncherError::Busy`], another 4xx [`LauncherError::Refused`], with the cluster's own words; anything else that is not the
//! shape expected is [`LauncherError::Answer`].

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::LauncherError;

/// A client for any number of clusters; clones share connections.
#[derive(Clone, Debug)]
pub struct FlinkRest {
    client: reqwest::Client,
}

/// One entry of `/jobs/overview`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct JobOverview {
    pub jid: String,
    pub state: String,
    #[serde(rename = "start-time", default)]
    pub start_time_ms: i64,
    #[serde(rename = "duration", default)]
    pub duration_ms: i64,
    #[serde(default)]
    pub tasks: TaskCounts,
}

/// How many tasks of a job are in which state; of an engine that does not tell, none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TaskCounts {
    pub total: u64,
    pub running: u64,
    pub finished: u64,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFailure {
    /// Java's stack trace, or one line of the embedded engine.
    pub trace: String,
    /// `count -> Sink (1/2)`
    pub task: Option<String>,
}

/// An answer that is not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// The part of `/jobs/:id/checkpoints` that counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoints {
    pub completed: u64,
    pub latest_completed_at_ms: Option<i64>,
    pub latest_savepoint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavepointStatus {
    InProgress,
    Completed {
        location: String,
    },
    Failed {
        cause: String,
    },
    /// The cluster does not know the trigger (any more).
    Unknown,
}

impl FlinkRest {
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(timeout: Duration) -> Result<FlinkRest, LauncherError> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| LauncherError::Http { url: "(client)".to_owned(), source })?;
        Ok(FlinkRest { client })
    }

    /// The job of a cluster; the newest when there are several.
    pub async fn job(&self, address: &str) -> Result<Option<JobOverview>, LauncherError> {
        Ok(self.jobs(address).await?.into_iter().max_by_key(|job| job.start_time_ms))
    }

    /// The job of that id, of a cluster that may have run others too.
    pub async fn job_named(
        &self,
        address: &str,
        id: &str,
    ) -> Result<Option<JobOverview>, LauncherError> {
        Ok(self.jobs(address).await?.into_iter().find(|job| job.jid == id))
    }

    async fn jobs(&self, address: &str) -> Result<Vec<JobOverview>, LauncherError> {
        #[derive(Deserialize)]
        struct Jobs {
            jobs: Vec<JobOverview>,
        }
        let jobs: Jobs = self.get(address, "/jobs/overview").await?;
        Ok(jobs.jobs)
    }

    /// Slots of the TaskManagers that have registered.
    pub async fn slots(&self, address: &str) -> Result<u64, LauncherError> {
        let value: Value = self.get(address, "/overview").await?;
        Ok(value["slots-total"].as_u64().unwrap_or(0))
    }

    /// The plan in `/jobs/:id/plan`.
    pub async fn plan(&self, address: &str, job: &str) -> Result<Value, LauncherError> {
        let mut value: Value = self.get(address, &format!("/jobs/{job}/plan")).await?;
        Ok(value["plan"].take())
    }

    /// Any GET, its answer as it comes, up to `max_bytes`.
    pub async fn look(
        &self,
        address: &str,
        place: &str,
        max_bytes: usize,
    ) -> Result<RawAnswer, LauncherError> {
        let url = format!("http://{address}{place}");
        let failed = |source| LauncherError::Http { url: url.clone(), source };
        let mut answer = self.client.get(&url).send().await.map_err(failed)?;
        let content_type = answer.headers().get(reqwest::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let (status, mut body) = (answer.status().as_u16(), Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > max_bytes {
                let problem = format!("it has more than {max_bytes} bytes");
                return Err(LauncherError::Answer { url, problem });
            }
        }
        Ok(RawAnswer { status, content_type, body })
    }

    /// `/jobs/:id`: the vertices with what they have done.
    pub async fn details(&self, address: &str, job: &str) -> Result<Value, LauncherError> {
        self.get(address, &format!("/jobs/{job}")).await
    }

    pub async fn checkpoints(
        &self,
        address: &str,
        job: &str,
    ) -> Result<Checkpoints, LauncherError> {
        let value: Value = self.get(address, &format!("/jobs/{job}/checkpoints")).await?;
        Ok(checkpoints(&value))
    }

    /// These metrics of the job, in this order; Flink's values are strings.
    pub async fn job_metrics<const N: usize>(
        &self,
        address: &str,
        job: &str,
        metrics: [&str; N],
    ) -> Result<[Option<f64>; N], LauncherError> {
        let path = format!("/jobs/{job}/metrics?get={}", metrics.join(","));
        let value: Value = self.get(address, &path).await?;
        Ok(metrics.map(|metric| {
            let entry = value.as_array().into_iter().flatten().find(|it| it["id"] == metric)?;
            match &entry["value"] {
                Value::String(text) => text.parse().ok(),
                other => other.as_f64(),
            }
        }))
    }

    /// Of all subtasks of a task: each metric with how it is brought together (`min`, `sum`).
    pub async fn vertex_metrics<const N: usize>(
        &self,
        address: &str,
        (job, vertex): (&str, &str),
        metrics: [(&str, &str); N],
    ) -> Result<[Option<f64>; N], LauncherError> {
        let names = metrics.map(|(name, _)| name).join(",");
        let path = format!("/jobs/{job}/vertices/{vertex}/subtasks/metrics?get={names}");
        let value: Value = self.get(address, &path).await?;
        Ok(metrics.map(|(name, how)| aggregate(&value, name, how)))
    }

    /// Processor time that the job's processes took so far, in nanoseconds; `None`: the
    /// cluster does not count it.
    pub async fn cpu_time(
        &self,
        address: &str,
        metric: &str,
    ) -> Result<Option<f64>, LauncherError> {
        let value: Value =
            self.get(address, &format!("/taskmanagers/metrics?get={metric}")).await?;
        Ok(aggregate(&value, metric, "sum"))
    }

    /// Which release of the engine it is: `flink-revision`.
    pub async fn release(&self, address: &str) -> Result<String, LauncherError> {
        let value: Value = self.get(address, "/config").await?;
        value["flink-revision"].as_str().map(str::to_owned).ok_or_else(|| LauncherError::Answer {
            url: format!("{address}/config"),
            problem: "it names no flink-revision".to_owned(),
        })
    }

    /// The latest failure of the job, in its first line.
    pub async fn last_failure(
        &self,
        address: &str,
        job: &str,
    ) -> Result<Option<String>, LauncherError> {
        let failure = self.last_trace(address, job).await?;
        let first = failure.as_ref().and_then(|failure| failure.trace.lines().next());
        Ok(first.map(|line| line.trim().to_owned()))
    }

    /// The latest failure of the job, with all its causes, and the task where it began.
    pub async fn last_trace(
        &self,
        address: &str,
        job: &str,
    ) -> Result<Option<JobFailure>, LauncherError> {
        let value: Value = self.get(address, &format!("/jobs/{job}/exceptions")).await?;
        let history = &value["exceptionHistory"]["entries"][0];
        let text = [&value["root-exception"], &history["stacktrace"], &history["exceptionName"]]
            .into_iter()
            .find_map(Value::as_str);
        // The history has a failure only once the job restarts.
        let now = &value["all-exceptions"][0]["task"];
        let task = history["taskName"].as_str().or(now.as_str());
        let task = task.and_then(|task| task.split(" - execution").next()).map(str::to_owned);
        Ok(text.map(|trace| JobFailure { trace: trace.to_owned(), task }))
    }

    /// The names of what a task measures, over its subtasks.
    pub async fn vertex_metric_names(
        &self,
        address: &str,
        (job, vertex): (&str, &str),
    ) -> Result<Vec<String>, LauncherError> {
        let path = format!("/jobs/{job}/vertices/{vertex}/subtasks/metrics");
        let value: Value = self.get(address, &path).await?;
        let ids = value.as_array().into_iter().flatten();
        Ok(ids.filter_map(|it| it["id"].as_str().map(str::to_owned)).collect())
    }

    /// Of all subtasks of a task: these metrics, whose names are the cluster's own, each as
    /// it is brought together (`min`, `sum`).
    pub async fn named_metrics(
        &self,
        address: &str,
        (job, vertex): (&str, &str),
        names: &[String],
        how: &str,
    ) -> Result<Vec<f64>, LauncherError> {
        let path = format!("/jobs/{job}/vertices/{vertex}/subtasks/metrics");
        let url = format!("http://{address}{path}");
        let failed = |source| LauncherError::Http { url: url.clone(), source };
        let request = self.client.get(&url).query(&[("get", names.join(","))]);
        let value: Value = request.send().await.map_err(failed)?.json().await.map_err(failed)?;
        let found = names.iter().filter_map(|name| aggregate(&value, name, how));
        Ok(found.collect())
    }

    /// Flink: `POST /jobs/:id/stop`, or `/savepoints`. Answers the trigger to ask after.
    pub async fn trigger_savepoint(
        &self,
        address: &str,
        job: &str,
        directory: &str,
        stop: bool,
        level: Option<&str>,
    ) -> Result<String, LauncherError> {
        let (path, mut body) = match stop {
            true => ("stop", json!({"targetDirectory": directory, "drain": false})),
            false => ("savepoints", json!({"target-directory": directory, "cancel-job": false})),
        };
        if let Some(level) = level {
            body["runtime"] = json!(level);
        }
        let path = format!("/jobs/{job}/{path}");
        let value: Value = self.send(Method::POST, address, &path, Some(body)).await?;
        value["request-id"].as_str().map(str::to_owned).ok_or_else(|| LauncherError::Answer {
            url: format!("{address}{path}"),
            problem: "it names no request-id".to_owned(),
        })
    }

    pub async fn savepoint(
        &self,
        address: &str,
        job: &str,
        trigger: &str,
    ) -> Result<SavepointStatus, LauncherError> {
        let path = format!("/jobs/{job}/savepoints/{trigger}");
        let value: Value = match self.get(address, &path).await {
            Err(LauncherError::Refused { .. }) => return Ok(SavepointStatus::Unknown),
            answer => answer?,
        };
        if value["status"]["id"] != "COMPLETED" {
            return Ok(SavepointStatus::InProgress);
        }
        let operation = &value["operation"];
        if let Some(location) = operation["location"].as_str() {
            return Ok(SavepointStatus::Completed { location: location.to_owned() });
        }
        Ok(SavepointStatus::Failed { cause: failure_cause(&operation["failure-cause"]) })
    }

    /// Flink 1.17: `POST /jobs/:id/checkpoints`.
    pub async fn trigger_checkpoint(&self, address: &str, job: &str) -> Result<(), LauncherError> {
        let path = format!("/jobs/{job}/checkpoints");
        let body = json!({"checkpointType": "CONFIGURED"});
        self.send::<Value>(Method::POST, address, &path, Some(body)).await.map(drop)
    }

    /// `POST /jars/main/run`: gives a session its job. One that has its job already is fine.
    pub async fn run_job(
        &self,
        address: &str,
        savepoint: Option<&str>,
        latest: bool,
        allow_non_restored_state: bool,
    ) -> Result<(), LauncherError> {
        let body = json!({
            "savepointPath": savepoint,
            "latest": latest,
            "allowNonRestoredState": allow_non_restored_state,
        });
        let sent = self.raw(Method::POST, address, "/jars/main/run", Some(body)).await?;
        if sent.0 == StatusCode::CONFLICT {
            return Ok(());
        }
        accepted(address, "/jars/main/run", sent).map(drop)
    }

    /// Ours: ends the probation of a held job.
    pub async fn release_commits(&self, address: &str, job: &str) -> Result<(), LauncherError> {
        let path = format!("/jobs/{job}/release-commits");
        self.send::<Value>(Method::POST, address, &path, None).await.map(drop)
    }

    /// `DELETE /cluster`: the process exits.
    pub async fn shut_down(&self, address: &str) -> Result<(), LauncherError> {
        let sent = self.raw(Method::DELETE, address, "/cluster", None).await?;
        accepted(address, "/cluster", sent).map(drop)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        address: &str,
        path: &str,
    ) -> Result<T, LauncherError> {
        self.send(Method::GET, address, path, None).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        address: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, LauncherError> {
        let text = accepted(address, path, self.raw(method, address, path, body).await?)?;
        let text = if text.trim().is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| LauncherError::Answer {
            url: format!("{address}{path}"),
            problem: error.to_string(),
        })
    }

    async fn raw(
        &self,
        method: Method,
        address: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, String), LauncherError> {
        let url = format!("http://{address}{path}");
        let mut request = self.client.request(method, &url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let failed = |source| LauncherError::Http { url: url.clone(), source };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let text = response.text().await.map_err(failed)?;
        Ok((status, text))
    }
}

/// The savepoint counts while it is the newest: a bounded job that ends takes one more
/// checkpoint, a stop-with-savepoint none.
fn checkpoints(value: &Value) -> Checkpoints {
    let latest = |kind: &str, field: &str| value["latest"][kind][field].clone();
    let id = |kind| latest(kind, "id").as_i64().unwrap_or(0);
    let is_newest = id("savepoint") > id("completed");
    let savepoint = latest("savepoint", "external_path").as_str().map(str::to_owned);
    Checkpoints {
        completed: value["counts"]["completed"].as_u64().unwrap_or(0),
        latest_completed_at_ms: latest("completed", "latest_ack_timestamp").as_i64(),
        latest_savepoint: savepoint.filter(|_| is_newest),
    }
}

/// Flink: `[{"id":"…","min":…,"max":…,"avg":…,"sum":…}]`.
fn aggregate(value: &Value, metric: &str, how: &str) -> Option<f64> {
    let entry = value.as_array()?.iter().find(|entry| entry["id"] == metric)?;
    entry[how].as_f64()
}

fn accepted(
    address: &str,
    path: &str,
    (status, text): (StatusCode, String),
) -> Result<String, LauncherError> {
    if status.is_success() {
        return Ok(text);
    }
    let message = error_message(&text).unwrap_or_else(|| format!("answer {status}"));
    Err(match status {
        StatusCode::CONFLICT => LauncherError::Busy { message },
        status if status.is_client_error() => LauncherError::Refused { message },
        _ => LauncherError::Answer { url: format!("{address}{path}"), problem: message },
    })
}

/// Flink: `{"errors":["…"]}`; the last is the most precise.
fn error_message(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let errors = value["errors"].as_array()?;
    let last = errors.iter().rev().find_map(Value::as_str)?;
    Some(last.lines().next().unwrap_or(last).to_owned())
}

/// Flink: `{"class":"…","stack-trace":"…"}`; ours may be a text.
fn failure_cause(value: &Value) -> String {
    let text = value
        .as_str()
        .or_else(|| value["stack-trace"].as_str())
        .or_else(|| value["class"].as_str())
        .unwrap_or("the cluster gave no cause");
    text.lines().next().unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i1_40_an_error_is_its_last_text_in_one_line() {
        let check = |text: &str, want: Option<&str>| {
            assert_eq!(error_message(text).as_deref(), want);
        };
        check(r#"{"errors":["Not found.","Job x\n  at y"]}"#, Some("Job x"));
        check(r#"{"errors":[]}"#, None);
        check("<html>", None);
    }

    #[test]
    fn i1_13_only_the_newest_savepoint_is_the_end_of_a_job() {
        let check = |savepoint: i64, completed: i64, want: Option<&str>| {
            let value = json!({"counts": {"completed": 4}, "latest": {
                "savepoint": {"id": savepoint, "external_path": "/s"},
                "completed": {"id": completed, "latest_ack_timestamp": 7}}});
            let got = checkpoints(&value);
            assert_eq!(got.latest_savepoint.as_deref(), want);
            assert_eq!((got.completed, got.latest_completed_at_ms), (4, Some(7)));
        };
        check(3, 2, Some("/s"));
        check(3, 4, None);
        assert_eq!(checkpoints(&json!({"latest": {"savepoint": null}})), Checkpoints::default());
    }

    #[test]
    fn i1_19_a_failed_savepoint_has_a_cause() {
        let check = |value: Value, want: &str| assert_eq!(failure_cause(&value), want);
        check(json!({"class": "C", "stack-trace": "C: declined\n\tat x"}), "C: declined");
        check(json!("disk full"), "disk full");
        check(json!({}), "the cluster gave no cause");
    }
}
