//! What takes its time: asked for with one request, looked after with another
//! (rows I1.14, I1.15, I1.18 to I1.21).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use millrace_dataflow::RuntimeLevel;
use millrace_runtime::{Command, JobHandle, Reply};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Answer, Engine, Error, find_job};
use crate::edge;

/// The requests of this process by trigger id, with their answers.
#[derive(Default)]
pub struct Triggers {
    answers: Mutex<BTreeMap<String, Option<Result<String, String>>>>,
}

/// Older answers are forgotten beyond so many.
const REMEMBERED: usize = 1_000;

impl Triggers {
    fn set(&self, trigger: &str, answer: Option<Result<String, String>>) {
        let mut answers = self.answers.lock().expect("no holder panics");
        if answers.len() >= REMEMBERED {
            answers.retain(|_, answer| answer.is_none());
        }
        answers.insert(trigger.to_owned(), answer);
    }

    fn get(&self, trigger: &str) -> Option<Option<Result<String, String>>> {
        self.answers.lock().expect("no holder panics").get(trigger).cloned()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SavepointRequest {
    #[serde(alias = "target-directory", alias = "targetDirectory")]
    target_directory: Option<String>,
    #[serde(alias = "cancel-job")]
    cancel_job: bool,
    drain: bool,
    /// Ours: write the snapshot format of this runtime.
    runtime: Option<String>,
    #[serde(alias = "triggerId")]
    trigger_id: Option<String>,
}

type Accepted = Result<(StatusCode, Json<Value>), Error>;

pub async fn savepoint(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    body: Option<Json<SavepointRequest>>,
) -> Accepted {
    let request = body.map(|Json(request)| request).unwrap_or_default();
    let ends = request.cancel_job;
    save(&engine, &id, request, ends)
}

pub async fn stop(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    body: Option<Json<SavepointRequest>>,
) -> Accepted {
    let request = body.map(|Json(request)| request).unwrap_or_default();
    save(&engine, &id, request, true)
}

fn save(engine: &Engine, id: &str, request: SavepointRequest, ends: bool) -> Accepted {
    let (job, _) = find_job(&engine.session, id)?;
    let level = level_of(request.runtime.as_deref(), engine.session.level)?;
    let (target, drain) = (request.target_directory, request.drain);
    trigger(engine, &job, request.trigger_id, |reply| {
        if ends {
            Command::Stop { target, drain, level, reply }
        } else {
            Command::Savepoint { target, level, reply }
        }
    })
}

fn level_of(runtime: Option<&str>, own: RuntimeLevel) -> Result<Option<RuntimeLevel>, Error> {
    let Some(runtime) = runtime else { return Ok(None) };
    let level: RuntimeLevel =
        runtime.parse().map_err(|error: millrace_dataflow::level::UnknownLevel| {
            Error::bad_request(error.to_string())
        })?;
    if level > own {
        return Err(Error::bad_request(format!(
            "runtime {own} cannot write the snapshot format of {level}; ask for {own} or an earlier one"
        )));
    }
    Ok(Some(level))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckpointRequest {
    trigger_id: Option<String>,
}

pub async fn checkpoint(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    body: Option<Json<CheckpointRequest>>,
) -> Accepted {
    let (job, _) = find_job(&engine.session, &id)?;
    let request = body.map(|Json(request)| request).unwrap_or_default();
    trigger(&engine, &job, request.trigger_id, |reply| Command::Checkpoint { reply })
}

/// Sends the command; its answer is remembered under the trigger id.
fn trigger(
    engine: &Engine,
    job: &JobHandle,
    id: Option<String>,
    command: impl FnOnce(Reply) -> Command,
) -> Accepted {
    let id = id.unwrap_or_else(edge::new_id);
    let accepted = (StatusCode::ACCEPTED, Json(json!({ "request-id": id })));
    if engine.triggers.get(&id).is_some() {
        // Asked for before: Flink gives the same operation.
        return Ok(accepted);
    }
    let (reply, answer) = oneshot::channel();
    job.send(command(reply)).map_err(Error::conflict)?;
    engine.triggers.set(&id, None);
    let triggers = Arc::clone(&engine.triggers);
    tokio::spawn(async move {
        let answer = answer.await.unwrap_or_else(|_| Err("the job ended before".into()));
        triggers.set(&id, Some(answer));
    });
    Ok(accepted)
}

pub async fn status(
    State(engine): State<Engine>,
    Path((id, trigger)): Path<(String, String)>,
) -> Answer {
    find_job(&engine.session, &id)?;
    answer_json(&engine.triggers, &trigger, |location| json!({ "location": location }))
}

pub async fn checkpoint_status(
    State(engine): State<Engine>,
    Path((id, trigger)): Path<(String, String)>,
) -> Answer {
    let (_, view) = find_job(&engine.session, &id)?;
    answer_json(&engine.triggers, &trigger, |location| {
        let at = |record: &&millrace_runtime::view::CheckpointRecord| {
            record.location.as_deref() == Some(location)
        };
        json!({ "checkpointId": view.checkpoints.history.iter().find(at).map(|r| r.id) })
    })
}

#[derive(Debug, Deserialize)]
pub struct DisposalRequest {
    #[serde(rename = "savepoint-path")]
    savepoint_path: String,
}

/// Removes a savepoint, this job's or another's (row I1.21).
pub async fn dispose(
    State(engine): State<Engine>,
    Json(request): Json<DisposalRequest>,
) -> Accepted {
    let id = edge::new_id();
    engine.triggers.set(&id, None);
    let (triggers, session, trigger) =
        (Arc::clone(&engine.triggers), Arc::clone(&engine.session), id.clone());
    tokio::spawn(async move {
        let disposed = session.store.dispose(&request.savepoint_path).await;
        let answer = disposed.map(|()| request.savepoint_path);
        triggers.set(&trigger, Some(answer.map_err(|error| millrace_state::chain(&error))));
    });
    Ok((StatusCode::ACCEPTED, Json(json!({ "request-id": id }))))
}

pub async fn disposal_status(State(engine): State<Engine>, Path(trigger): Path<String>) -> Answer {
    answer_json(&engine.triggers, &trigger, |_| json!({}))
}

fn answer_json(triggers: &Triggers, trigger: &str, done: impl FnOnce(&str) -> Value) -> Answer {
    let answer = triggers
        .get(trigger)
        .ok_or_else(|| Error::not_found(format!("there is no operation {trigger}")))?;
    Ok(Json(match answer {
        None => json!({ "status": { "id": "IN_PROGRESS" }, "operation": null }),
        Some(Ok(location)) => {
            json!({ "status": { "id": "COMPLETED" }, "operation": done(&location) })
        }
        Some(Err(cause)) => json!({
            "status": { "id": "COMPLETED" },
            "operation": {
                "failure-cause": { "class": "CheckpointException", "stack-trace": cause },
            },
        }),
    }))
}

/// Ours: ends the probation; answers once everything held back is visible.
pub async fn release_commits(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let (job, view) = find_job(&engine.session, &id)?;
    if view.holding_commits {
        let (reply, answer) = oneshot::channel();
        job.send(Command::ReleaseCommits { reply }).map_err(Error::conflict)?;
        answer
            .await
            .unwrap_or_else(|_| Err("the job ended before".into()))
            .map_err(Error::conflict)?;
    }
    Ok(Json(json!({ "commits-held": false })))
}
