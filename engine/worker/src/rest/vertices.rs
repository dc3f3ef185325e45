//! One task of the job, subtask by subtask (rows I1.25, I1.26, I1.28).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Path, State};
use millrace_runtime::SubtaskMetrics;
use millrace_runtime::view::{JobView, VertexView};
use serde_json::{Value, json};

use super::{Answer, Error, find_job};
use crate::session::Session;

pub fn find_vertex<'a>(view: &'a JobView, id: &str) -> Result<&'a VertexView, Error> {
    view.vertices
        .iter()
        .find(|vertex| vertex.id.0 == id)
        .ok_or_else(|| Error::not_found(format!("JobVertex {id} not found")))
}

/// Flink's `metrics` of a vertex or subtask. Bytes are not counted.
pub fn io_metrics<'a>(
    session: &Session,
    subtasks: impl Iterator<Item = &'a SubtaskMetrics>,
) -> Value {
    let now = session.clock.monotonic_ns();
    let (mut read, mut written, mut busy, mut idle, mut held) = (0, 0, 0, 0, 0);
    for subtask in subtasks {
        let time = subtask.time_spent(now);
        read += subtask.records_in.load(Ordering::Relaxed);
        written += subtask.records_out.load(Ordering::Relaxed);
        busy += time.busy_ms;
        idle += time.idle_ms;
        held += time.back_pressured_ms;
    }
    json!({
        "read-bytes": 0, "read-bytes-complete": false,
        "write-bytes": 0, "write-bytes-complete": false,
        "read-records": read, "read-records-complete": true,
        "write-records": written, "write-records-complete": true,
        "accumulated-backpressured-time": held,
        "accumulated-idle-time": idle,
        "accumulated-busy-time": busy,
    })
}

pub async fn details(
    State(session): State<Arc<Session>>,
    Path((id, vertex)): Path<(String, String)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let now = session.clock.now_ms();
    let subtasks: Vec<Value> = vertex
        .subtasks
        .iter()
        .enumerate()
        .map(|subtask| subtask_json(&session, &view, vertex, subtask))
        .collect();
    Ok(Json(json!({
        "id": vertex.id,
        "name": vertex.name,
        "parallelism": vertex.parallelism,
        "maxParallelism": view.max_parallelism,
        "now": now,
        "aggregated": {
            "metrics": io_metrics(&session, vertex.subtasks.iter().map(AsRef::as_ref)),
            "status-duration": {},
        },
        "subtasks": subtasks,
    })))
}

pub(super) fn subtask_json(
    session: &Session,
    view: &JobView,
    vertex: &VertexView,
    (index, subtask): (usize, &Arc<SubtaskMetrics>),
) -> Value {
    let now = session.clock.now_ms();
    json!({
        "subtask": index,
        "status": subtask.status().text(),
        "attempt": vertex.attempt,
        "host": "localhost",
        "taskmanager-id": super::cluster::TASK_MANAGER,
        "start-time": vertex.started_at_ms,
        "end-time": view.ended_at_ms.unwrap_or(-1),
        "duration": view.ended_at_ms.unwrap_or(now) - vertex.started_at_ms,
        "metrics": io_metrics(session, std::iter::once(subtask.as_ref())),
        "status-duration": {},
    })
}

pub async fn watermarks(
    State(session): State<Arc<Session>>,
    Path((id, vertex)): Path<(String, String)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let entry = |(index, subtask): (usize, &Arc<SubtaskMetrics>)| {
        json!({
            "id": format!("{index}.currentInputWatermark"),
            "value": subtask.watermark().to_string(),
        })
    };
    Ok(Json(vertex.subtasks.iter().enumerate().map(entry).collect()))
}

pub async fn back_pressure(
    State(session): State<Arc<Session>>,
    Path((id, vertex)): Path<(String, String)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let now = session.clock.monotonic_ns();
    let ratios: Vec<(f64, f64, f64)> =
        vertex.subtasks.iter().map(|subtask| ratios_of(subtask, now)).collect();
    let worst = ratios.iter().map(|ratios| ratios.0).fold(0.0, f64::max);
    let subtasks: Vec<Value> = ratios
        .iter()
        .enumerate()
        .map(|(index, (held, idle, busy))| {
            json!({
                "subtask": index,
                "attempt-number": vertex.attempt,
                "backpressure-level": level_of(*held),
                "ratio": held, "idleRatio": idle, "busyRatio": busy,
            })
        })
        .collect();
    Ok(Json(json!({
        "status": "ok",
        "backpressure-level": level_of(worst),
        "backpressureLevel": level_of(worst),
        "end-timestamp": session.clock.now_ms(),
        "subtasks": subtasks,
    })))
}

/// Back-pressured, idle and busy parts of the subtask's last seconds.
fn ratios_of(subtask: &SubtaskMetrics, now_ns: u64) -> (f64, f64, f64) {
    let rates = subtask.rates(now_ns);
    let part = |ms: u64| (ms as f64 / 1_000.0).min(1.0);
    (part(rates.back_pressured_ms()), part(rates.idle_ms), part(rates.busy_ms))
}

/// Flink's thresholds.
fn level_of(ratio: f64) -> &'static str {
    match ratio {
        ratio if ratio <= 0.1 => "ok",
        ratio if ratio <= 0.5 => "low",
        _ => "high",
    }
}
