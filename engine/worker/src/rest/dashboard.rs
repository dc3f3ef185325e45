//! What Flink's web dashboard asks for beside the job itself (rows I1.12, I1.17,
//! I1.29, I1.30, I1.36, I1.37, I1.39). There are no accumulators, no JARs and no data
//! sets; the process is JobManager and TaskManager in one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use millrace_runtime::SubtaskMetrics;
use millrace_runtime::view::VertexView;
use serde_json::{Value, json};

use super::metrics::{MetricsQuery, selected, subtask_metrics};
use super::vertices::{find_vertex, io_metrics};
use super::{Answer, Error, cluster, find_job};
use crate::session::Session;

type Shared = State<Arc<Session>>;

pub async fn job_accumulators(State(session): Shared, Path(id): Path<String>) -> Answer {
    find_job(&session, &id)?;
    Ok(Json(json!({
        "job-accumulators": [],
        "user-task-accumulators": [],
        "serialized-user-task-accumulators": {},
    })))
}

pub async fn vertex_accumulators(
    State(session): Shared,
    Path((id, vertex)): Path<(String, String)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    Ok(Json(json!({ "id": vertex.id, "user-accumulators": [] })))
}

pub async fn subtask_times(
    State(session): Shared,
    Path((id, vertex)): Path<(String, String)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let now = session.clock.now_ms();
    let subtasks = vertex.subtasks.iter().enumerate().map(|(index, subtask)| {
        let mut timestamps = json!({ "CREATED": vertex.started_at_ms });
        timestamps[subtask.status().text()] = vertex.started_at_ms.into();
        json!({
            "subtask": index,
            "host": "localhost",
            "duration": view.ended_at_ms.unwrap_or(now) - vertex.started_at_ms,
            "timestamps": timestamps,
        })
    });
    let subtasks: Vec<Value> = subtasks.collect();
    Ok(Json(json!({ "id": vertex.id, "name": vertex.name, "now": now, "subtasks": subtasks })))
}

pub async fn vertex_task_managers(
    State(session): Shared,
    Path((id, vertex)): Path<(String, String)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let now = session.clock.now_ms();
    Ok(Json(json!({
        "id": vertex.id,
        "name": vertex.name,
        "now": now,
        "taskmanagers": [{
            "host": "localhost",
            "endpoint": cluster::TASK_MANAGER,
            "taskmanager-id": cluster::TASK_MANAGER,
            "status": super::jobs::vertex_status(vertex).text(),
            "start-time": vertex.started_at_ms,
            "end-time": view.ended_at_ms.unwrap_or(-1),
            "duration": view.ended_at_ms.unwrap_or(now) - vertex.started_at_ms,
            "metrics": io_metrics(&session, vertex.subtasks.iter().map(AsRef::as_ref)),
            "status-counts": super::jobs::task_counts(vertex.subtasks.iter().map(|it| it.status())),
            "aggregated": {},
        }],
    })))
}

pub async fn subtask(
    State(session): Shared,
    Path((id, vertex, index)): Path<(String, String, usize)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let subtask = find_subtask(vertex, index)?;
    Ok(Json(super::vertices::subtask_json(&session, &view, vertex, (index, subtask))))
}

pub async fn subtask_values(
    State(session): Shared,
    Path((id, vertex, index)): Path<(String, String, usize)>,
    Query(query): Query<MetricsQuery>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let subtask = find_subtask(find_vertex(&view, &vertex)?, index)?;
    Ok(Json(selected(subtask_metrics(subtask, session.clock.monotonic_ns()), query)))
}

fn find_subtask(vertex: &VertexView, index: usize) -> Result<&Arc<SubtaskMetrics>, Error> {
    let found = vertex.subtasks.get(index);
    found.ok_or_else(|| Error::not_found(format!("vertex {} has no subtask {index}", vertex.id)))
}

/// Just what cannot hold a secret.
pub async fn job_manager_config(State(session): Shared) -> Answer {
    let description = &session.description;
    let pair = |key: &str, value: String| json!({ "key": key, "value": value });
    Ok(Json(json!([
        pair("parallelism.default", description.parallelism.to_string()),
        pair("rest.address", description.rest_address.to_string()),
    ])))
}

pub async fn job_manager_metrics(State(session): Shared, query: Query<MetricsQuery>) -> Answer {
    let slots = session.description.parallelism;
    let running = session.view().is_some_and(|view| !view.status.is_terminal());
    let free = if running { 0 } else { slots };
    let metric = |name: &str, value: u64| (name.to_owned(), value.to_string());
    let metrics = vec![
        metric("numRegisteredTaskManagers", 1),
        metric("numRunningJobs", u64::from(running)),
        metric("taskSlotsTotal", slots.into()),
        metric("taskSlotsAvailable", free.into()),
    ];
    Ok(Json(selected(metrics, query.0)))
}

pub async fn task_manager(State(session): Shared, Path(id): Path<String>) -> Answer {
    if id != cluster::TASK_MANAGER {
        return Err(Error::not_found(format!("TaskManager {id} not found")));
    }
    let mut details = cluster::task_manager_json(&session);
    details["allocatedSlots"] = json!([]);
    Ok(Json(details))
}

pub async fn jars(State(session): Shared) -> Answer {
    let address = format!("http://{}", session.description.rest_address);
    Ok(Json(json!({ "address": address, "files": [] })))
}

pub async fn data_sets() -> Json<Value> {
    Json(json!({ "dataSets": [] }))
}
