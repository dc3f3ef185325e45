//! The job: started, looked at, cancelled.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use millrace_dataflow::RuntimeLevel;
use millrace_runtime::Command;
use millrace_runtime::view::{ExceptionEntry, JobStatus, JobView, TaskStatus, VertexView};
use millrace_state::RestoreRequest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::cluster::TASK_MANAGER;
use super::{Answer, Error, find_job};
use crate::session::Session;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunRequest {
    savepoint_path: Option<String>,
    allow_non_restored_state: bool,
    /// Ours: the newest visible checkpoint or savepoint.
    latest: bool,
}

/// Row I1.37: gives a standby engine its job.
pub async fn run(
    State(session): State<Arc<Session>>,
    Path(_jar): Path<String>,
    body: Option<Json<RunRequest>>,
) -> Answer {
    let request = body.map(|Json(request)| request).unwrap_or_default();
    let restore = match (request.savepoint_path, request.latest) {
        (Some(_), true) => {
            return Err(Error::bad_request("savepointPath and latest exclude each other"));
        }
        (Some(location), false) => RestoreRequest::snapshot(location),
        (None, true) => RestoreRequest::Latest,
        (None, false) => RestoreRequest::FRESH,
    };
    let started = session.start(restore, request.allow_non_restored_state).await;
    let id = started.map_err(|error| Error::conflict(error.to_string()))?;
    Ok(Json(json!({ "jobid": id })))
}

/// Row I1.3.
pub async fn list(State(session): State<Arc<Session>>) -> Answer {
    let jobs: Vec<Value> = session
        .view()
        .iter()
        .map(|view| json!({ "id": view.id, "status": view.status.text() }))
        .collect();
    Ok(Json(json!({ "jobs": jobs })))
}

/// Row I1.4.
pub async fn overview(State(session): State<Arc<Session>>) -> Answer {
    let now = session.clock.now_ms();
    let jobs: Vec<Value> = session.view().iter().map(|view| overview_of(view, now)).collect();
    Ok(Json(json!({ "jobs": jobs })))
}

fn overview_of(view: &JobView, now_ms: i64) -> Value {
    let changed = view.timestamps.iter().map(|(_, at)| *at).max();
    json!({
        "jid": view.id,
        "name": view.name,
        "state": view.status.text(),
        "start-time": view.started_at_ms,
        "end-time": view.ended_at_ms.unwrap_or(-1),
        "duration": view.ended_at_ms.unwrap_or(now_ms) - view.started_at_ms,
        "last-modification": changed,
        "tasks": task_counts(view.vertices.iter().flat_map(|vertex| &vertex.subtasks)
            .map(|subtask| subtask.status())),
    })
}

/// How many tasks are in each of Flink's task states, in small letters.
pub(super) fn task_counts(statuses: impl Iterator<Item = TaskStatus>) -> Value {
    let statuses: Vec<TaskStatus> = statuses.collect();
    let mut counts: Map<String, Value> = ["scheduled", "deploying", "canceling", "reconciling"]
        .map(|n| (n.into(), 0.into()))
        .into_iter()
        .collect();
    counts.insert("total".into(), statuses.len().into());
    for status in TaskStatus::ALL {
        let count = statuses.iter().filter(|other| **other == status).count();
        counts.insert(status.text().to_ascii_lowercase(), count.into());
    }
    Value::Object(counts)
}

/// Row I1.5.
pub async fn details(State(session): State<Arc<Session>>, Path(id): Path<String>) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let now = session.clock.now_ms();
    let timestamps: Map<String, Value> = view
        .timestamps
        .iter()
        .map(|(status, at)| (status.text().to_owned(), (*at).into()))
        .collect();
    let vertices: Vec<Value> =
        view.vertices.iter().map(|vertex| vertex_json(&session, &view, vertex)).collect();
    let running = view.vertices.iter().map(vertex_status);
    let mut status_counts = Map::new();
    for status in running {
        let count = status_counts.get(status.text()).and_then(Value::as_u64).unwrap_or(0);
        status_counts.insert(status.text().into(), (count + 1).into());
    }
    let mut details = json!({
        "jid": view.id,
        "name": view.name,
        "isStoppable": false,
        "state": view.status.text(),
        "start-time": view.started_at_ms,
        "end-time": view.ended_at_ms.unwrap_or(-1),
        "duration": view.ended_at_ms.unwrap_or(now) - view.started_at_ms,
        "maxParallelism": view.max_parallelism,
        "now": now,
        "timestamps": timestamps,
        "vertices": vertices,
        "status-counts": status_counts,
        "plan": plan_json(&view),
    });
    if session.level >= RuntimeLevel::Flink1_19 {
        // Flink's own client takes no field that it does not know.
        details["job-type"] = "STREAMING".into();
    }
    Ok(Json(details))
}

fn vertex_json(session: &Session, view: &JobView, vertex: &VertexView) -> Value {
    let now = session.clock.now_ms();
    json!({
        "id": vertex.id,
        "name": vertex.name,
        "maxParallelism": view.max_parallelism,
        "parallelism": vertex.parallelism,
        "status": vertex_status(vertex).text(),
        "start-time": vertex.started_at_ms,
        "end-time": view.ended_at_ms.unwrap_or(-1),
        "duration": view.ended_at_ms.unwrap_or(now) - vertex.started_at_ms,
        "tasks": task_counts(vertex.subtasks.iter().map(|subtask| subtask.status())),
        "metrics": super::vertices::io_metrics(session, vertex.subtasks.iter().map(AsRef::as_ref)),
    })
}

/// The least advanced of its subtasks, unless one failed.
pub fn vertex_status(vertex: &VertexView) -> TaskStatus {
    let statuses: Vec<TaskStatus> =
        vertex.subtasks.iter().map(|subtask| subtask.status()).collect();
    if statuses.contains(&TaskStatus::Failed) {
        return TaskStatus::Failed;
    }
    statuses.into_iter().min().unwrap_or(TaskStatus::Created)
}

/// Row I1.7.
pub async fn status(State(session): State<Arc<Session>>, Path(id): Path<String>) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    Ok(Json(json!({ "status": view.status.text() })))
}

/// Row I1.9.
pub async fn plan(State(session): State<Arc<Session>>, Path(id): Path<String>) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    Ok(Json(json!({ "plan": plan_json(&view) })))
}

fn plan_json(view: &JobView) -> Value {
    let node = |vertex: &VertexView| {
        let inputs: Vec<Value> = vertex
            .inputs
            .iter()
            .enumerate()
            .map(|(number, (from, strategy))| {
                json!({
                    "num": number,
                    "id": view.vertices[*from].id,
                    "ship_strategy": strategy,
                    "exchange": "pipelined_bounded",
                })
            })
            .collect();
        json!({
            "id": vertex.id,
            "parallelism": vertex.parallelism,
            "operator": "",
            "operator_strategy": "",
            "description": vertex.name,
            "inputs": inputs,
            "optimizer_properties": {},
        })
    };
    let nodes: Vec<Value> = view.vertices.iter().map(node).collect();
    json!({ "jid": view.id, "name": view.name, "type": "STREAMING", "nodes": nodes })
}

/// Row I1.8. Settings may hold secrets, so just those that are known not to are shown.
pub async fn config(State(session): State<Arc<Session>>, Path(id): Path<String>) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let shown = ["execution.", "restart-strategy", "pipeline.", "parallelism.", "table.exec."];
    let user_config: Map<String, Value> = session
        .description
        .settings
        .iter()
        .filter(|(key, _)| shown.iter().any(|prefix| key.starts_with(prefix)))
        .map(|(key, value)| (key.clone(), value.clone().into()))
        .collect();
    Ok(Json(json!({
        "jid": view.id,
        "name": view.name,
        "execution-config": {
            "execution-mode": "PIPELINED",
            "restart-strategy": session.description.settings.get("restart-strategy.type"),
            "job-parallelism": session.description.parallelism,
            "object-reuse-mode": false,
            "user-config": user_config,
        },
    })))
}

#[derive(Debug, Deserialize)]
pub struct ExceptionsQuery {
    #[serde(rename = "maxExceptions")]
    max_exceptions: Option<usize>,
}

/// Row I1.10: the newest first, each with its root cause as the first line.
pub async fn exceptions(
    State(session): State<Arc<Session>>,
    Path(id): Path<String>,
    Query(query): Query<ExceptionsQuery>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let most = query.max_exceptions.unwrap_or(20);
    let entries: Vec<Value> = view.exceptions.iter().take(most).map(exception_json).collect();
    let first = view.exceptions.front();
    Ok(Json(json!({
        "root-exception": first.map(|entry| entry.message.clone()),
        "timestamp": first.map(|entry| entry.at_ms),
        "all-exceptions": [],
        "truncated": false,
        "exceptionHistory": { "entries": entries, "truncated": view.exceptions.len() > most },
    })))
}

fn exception_json(entry: &ExceptionEntry) -> Value {
    json!({
        "exceptionName": entry.message.split(": ").next(),
        "stacktrace": entry.message,
        "timestamp": entry.at_ms,
        "failureLabels": {},
        "taskName": entry.task,
        "location": entry.task.as_ref().map(|_| TASK_MANAGER),
        "endpoint": entry.task.as_ref().map(|_| TASK_MANAGER),
        "taskManagerId": entry.task.as_ref().map(|_| TASK_MANAGER),
        "concurrentExceptions": [],
    })
}

#[derive(Debug, Deserialize)]
pub struct CancelQuery {
    mode: Option<String>,
}

/// Row I1.6.
pub async fn cancel(
    State(session): State<Arc<Session>>,
    Path(id): Path<String>,
    Query(query): Query<CancelQuery>,
) -> Result<(StatusCode, Json<Value>), Error> {
    let (job, view) = find_job(&session, &id)?;
    if let Some(mode) = query.mode.filter(|mode| mode != "cancel") {
        return Err(Error::bad_request(format!("mode {mode:?} is not offered; use mode=cancel")));
    }
    if view.status != JobStatus::Canceled {
        job.send(Command::Cancel).map_err(Error::conflict)?;
    }
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}
