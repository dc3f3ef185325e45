//! What the job's checkpoints did (rows I1.13 and I1.16).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use millrace_runtime::view::{CheckpointRecord, CheckpointState, RestoredView};
use serde_json::{Value, json};

use super::{Answer, find_job};
use crate::session::Session;

pub async fn all(State(session): State<Arc<Session>>, Path(id): Path<String>) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let checkpoints = &view.checkpoints;
    let latest = |wanted: &dyn Fn(&CheckpointRecord) -> bool| {
        checkpoints.latest(wanted).map(record_json).unwrap_or(Value::Null)
    };
    let completed = |record: &CheckpointRecord| record.state == CheckpointState::Completed;
    let total = checkpoints.completed + checkpoints.failed + checkpoints.in_progress;
    Ok(Json(json!({
        "counts": {
            "restored": checkpoints.restored_count,
            "total": total,
            "in_progress": checkpoints.in_progress,
            "completed": checkpoints.completed,
            "failed": checkpoints.failed,
        },
        "summary": {},
        "latest": {
            "completed": latest(&|record| completed(record) && !record.savepoint),
            "savepoint": latest(&|record| completed(record) && record.savepoint),
            "failed": latest(&|record| record.state == CheckpointState::Failed),
            "restored": checkpoints.restored.as_ref().map(restored_json),
        },
        "history": checkpoints.history.iter().map(record_json).collect::<Vec<_>>(),
    })))
}

fn record_json(record: &CheckpointRecord) -> Value {
    let (class, status) = match record.state {
        CheckpointState::InProgress => ("in_progress", "IN_PROGRESS"),
        CheckpointState::Completed => ("completed", "COMPLETED"),
        CheckpointState::Failed => ("failed", "FAILED"),
    };
    json!({
        "className": class,
        "id": record.id,
        "status": status,
        "is_savepoint": record.savepoint,
        "savepointFormat": record.savepoint.then_some("NATIVE"),
        "checkpoint_type": if record.savepoint { "SAVEPOINT" } else { "CHECKPOINT" },
        "trigger_timestamp": record.triggered_at_ms,
        "latest_ack_timestamp": record.ended_at_ms.unwrap_or(-1),
        "end_to_end_duration": record.ended_at_ms.map_or(0, |at| at - record.triggered_at_ms),
        "state_size": record.bytes,
        "checkpointed_size": record.bytes,
        "alignment_buffered": 0,
        "processed_data": 0,
        "persisted_data": 0,
        "num_subtasks": record.subtasks,
        "num_acknowledged_subtasks": record.acknowledged,
        "tasks": {},
        "external_path": record.location,
        "discarded": false,
        "failure_message": record.failure,
    })
}

fn restored_json(restored: &RestoredView) -> Value {
    json!({
        "id": restored.checkpoint,
        "restore_timestamp": restored.at_ms,
        "is_savepoint": restored.savepoint,
        "external_path": restored.location,
    })
}

/// Settings as given from outside, with Flink's defaults (section F.4).
pub async fn config(State(session): State<Arc<Session>>, Path(id): Path<String>) -> Answer {
    find_job(&session, &id)?;
    let settings = &session.description.settings;
    let duration = |key: &str, default: i64| {
        let text = settings.get(&format!("execution.checkpointing.{key}"));
        text.and_then(|text| millrace_dataflow::settings::parse_duration_ms(text).ok())
            .unwrap_or(default)
    };
    Ok(Json(json!({
        "mode": "exactly_once",
        "interval": duration("interval", i64::MAX),
        "timeout": duration("timeout", 600_000),
        "min_pause": duration("min-pause", 0),
        "max_concurrent": 1,
        "externalization": { "enabled": true, "delete_on_cancellation": false },
        "state_backend": "embedded",
        "checkpoint_storage": "object store",
        "unaligned_checkpoints": false,
        "tolerable_failed_checkpoints": settings
            .get("execution.checkpointing.tolerable-failed-checkpoints")
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0),
        "aligned_checkpoint_timeout": 0,
        "checkpoints_after_tasks_finish": true,
        "state_changelog_enabled": false,
    })))
}
