//! The cluster as a whole: one process that is JobManager and TaskManager.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use millrace_runtime::view::JobStatus;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Answer;
use crate::session::Session;

/// `1.18` of `FLINK-1_18`.
fn flink_version(session: &Session) -> String {
    session.level.environment().trim_start_matches("FLINK-").replace('_', ".")
}

/// Row I1.1.
pub async fn config(State(session): State<Arc<Session>>) -> Answer {
    Ok(Json(json!({
        "refresh-interval": 3000,
        "timezone-name": "Coordinated Universal Time",
        "timezone-offset": 0,
        "flink-version": flink_version(&session),
        "flink-revision": concat!("millrace ", env!("CARGO_PKG_VERSION")),
        "features": {
            "web-submit": false, "web-cancel": true, "web-rescale": false, "web-history": false,
        },
    })))
}

/// Row I1.2.
pub async fn overview(State(session): State<Arc<Session>>) -> Answer {
    let status = session.view().map(|view| view.status);
    let count = |wanted: &[JobStatus]| status.filter(|s| wanted.contains(s)).iter().count();
    let slots = session.description.parallelism;
    let in_use = if status.is_some_and(|status| !status.is_terminal()) { slots } else { 0 };
    Ok(Json(json!({
        "taskmanagers": 1,
        "taskmanagers-blocked": 0,
        "slots-total": slots,
        "slots-available": slots - in_use,
        "slots-free-and-blocked": 0,
        "jobs-running": status.filter(|status| !status.is_terminal()).iter().count(),
        "jobs-finished": count(&[JobStatus::Finished]),
        "jobs-cancelled": count(&[JobStatus::Canceled]),
        "jobs-failed": count(&[JobStatus::Failed]),
        "flink-version": flink_version(&session),
        "flink-commit": concat!("millrace ", env!("CARGO_PKG_VERSION")),
    })))
}

/// The name of the one task manager: this process.
pub const TASK_MANAGER: &str = "embedded";

/// Row I1.34.
pub async fn task_managers(State(session): State<Arc<Session>>) -> Answer {
    Ok(Json(json!({ "taskmanagers": [task_manager_json(&session)] })))
}

pub(super) fn task_manager_json(session: &Session) -> Value {
    let slots = session.description.parallelism;
    json!({
        "id": TASK_MANAGER,
        "path": TASK_MANAGER,
        "dataPort": -1,
        "jmxPort": -1,
        "timeSinceLastHeartbeat": session.clock.now_ms(),
        "slotsNumber": slots,
        "freeSlots": if session.job().is_some() { 0 } else { slots },
        "hardware": {
            "cpuCores": std::thread::available_parallelism().map_or(1, usize::from),
        },
        "blocked": false,
    })
}

/// `DELETE /cluster`: the process ends once this was answered.
pub async fn delete(State(shut_down): State<Arc<Notify>>) -> (StatusCode, Json<Value>) {
    shut_down.notify_one();
    (StatusCode::OK, Json(json!({})))
}
