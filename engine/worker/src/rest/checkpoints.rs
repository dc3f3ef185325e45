//! What the job's checkpoints did (rows I1.13 and I1.16).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use millrace_runtime::view::{CheckpointRecord, CheckpointState, RestoredView};
use millrace_runtime::{BackendKind, RuntimeSettings};
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
        "summary": summary(checkpoints.history.iter().filter(|record| completed(record))),
        "latest": {
            "completed": latest(&|record| completed(record) && !record.savepoint),
            "savepoint": latest(&|record| completed(record) && record.savepoint),
            "failed": latest(&|record| record.state == CheckpointState::Failed),
            "restored": checkpoints.restored.as_ref().map(restored_json),
        },
        "history": checkpoints.history.iter().map(record_json).collect::<Vec<_>>(),
    })))
}

pub(super) fn record_json(record: &CheckpointRecord) -> Value {
    let (class, status) = match record.state {
        CheckpointState::InProgress => ("in_progress", "IN_PROGRESS"),
        CheckpointState::Completed => ("completed", "COMPLETED"),
        CheckpointState::Failed => ("failed", "FAILED"),
    };
    let mut json = json!({
        "className": class,
        "id": record.id,
        "status": status,
        "is_savepoint": record.savepoint,
        "savepointFormat": record.savepoint.then_some("NATIVE"),
        "checkpoint_type": match (record.savepoint, record.alignment.unaligned) {
            (true, _) => "SAVEPOINT",
            (false, true) => "UNALIGNED_CHECKPOINT",
            (false, false) => "CHECKPOINT",
        },
        "trigger_timestamp": record.triggered_at_ms,
        "latest_ack_timestamp": record.ended_at_ms.unwrap_or(-1),
        "end_to_end_duration": record.ended_at_ms.map_or(0, |at| at - record.triggered_at_ms),
        "state_size": record.state_bytes,
        "checkpointed_size": record.bytes,
        "alignment_buffered": 0,
        "processed_data": record.alignment.processed_bytes,
        "persisted_data": record.alignment.persisted_bytes,
        "num_subtasks": record.subtasks,
        "num_acknowledged_subtasks": record.acknowledged,
        "tasks": {},
    });
    // Each class has fields of its own, and Flink's client takes no others.
    match record.state {
        CheckpointState::InProgress => {}
        CheckpointState::Completed => {
            json["external_path"] = json!(record.location);
            json["discarded"] = json!(false);
        }
        CheckpointState::Failed => {
            json["failure_timestamp"] = json!(record.ended_at_ms);
            json["failure_message"] = json!(record.failure);
        }
    }
    json
}

/// Least, greatest, mean and percentiles over the completed checkpoints remembered.
fn summary<'a>(completed: impl Iterator<Item = &'a CheckpointRecord>) -> Value {
    let (mut written, mut sizes, mut durations) = (vec![], vec![], vec![]);
    let (mut processed, mut persisted) = (vec![], vec![]);
    for record in completed {
        processed.push(record.alignment.processed_bytes as i64);
        persisted.push(record.alignment.persisted_bytes as i64);
        written.push(record.bytes as i64);
        sizes.push(record.state_bytes as i64);
        durations.extend(record.ended_at_ms.map(|at| at - record.triggered_at_ms));
    }
    json!({
        // Deprecated by Flink itself, which always says 0.
        "alignment_buffered": statistics(vec![0; sizes.len()]),
        "processed_data": statistics(processed),
        "persisted_data": statistics(persisted),
        "end_to_end_duration": statistics(durations),
        "checkpointed_size": statistics(written),
        "state_size": statistics(sizes),
    })
}

pub(super) fn statistics(mut values: Vec<i64>) -> Value {
    values.sort_unstable();
    let percentile = |part: f64| {
        let at = (values.len() as f64 * part).ceil() as usize;
        values.get(at.saturating_sub(1)).copied()
    };
    let mean = values.iter().sum::<i64>().checked_div(values.len() as i64);
    json!({
        "min": values.first().copied().unwrap_or(0),
        "max": values.last().copied().unwrap_or(0),
        "avg": mean.unwrap_or(0),
        "p50": percentile(0.5).map(|value| value as f64),
        "p90": percentile(0.9).map(|value| value as f64),
        "p95": percentile(0.95).map(|value| value as f64),
        "p99": percentile(0.99).map(|value| value as f64),
        "p999": percentile(0.999).map(|value| value as f64),
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
    let runtime = RuntimeSettings::parse(settings, session.level).ok();
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
        "state_backend": state_backend(runtime.as_ref()),
        "checkpoint_storage": "object store",
        "unaligned_checkpoints": runtime.as_ref().is_some_and(|s| s.overtake_after_ms.is_some()),
        "tolerable_failed_checkpoints": settings
            .get("execution.checkpointing.tolerable-failed-checkpoints")
            .and_then(|text| text.parse::<u32>().ok())
            .unwrap_or(0),
        "aligned_checkpoint_timeout": runtime.and_then(|s| s.overtake_after_ms).unwrap_or(0),
        "checkpoints_after_tasks_finish": true,
        "state_changelog_enabled": false,
    })))
}

/// In Flink's words, which name the setting; `hashmap` when there is none (row F5.1).
fn state_backend(settings: Option<&RuntimeSettings>) -> &'static str {
    match settings.map(|settings| settings.backend.kind) {
        Some(BackendKind::RocksDb) => "rocksdb",
        _ => "hashmap",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_1_the_backend_has_the_name_that_it_is_chosen_by() {
        let check = |chosen: Option<&str>, want: &str| {
            let pairs = chosen.map(|kind| ("state.backend.type".to_owned(), kind.to_owned()));
            let level = millrace_dataflow::RuntimeLevel::Flink1_18;
            let settings = RuntimeSettings::parse(&pairs.into_iter().collect(), level).ok();
            assert_eq!(state_backend(settings.as_ref()), want);
        };
        check(None, "hashmap");
        check(Some("hashmap"), "hashmap");
        check(Some("rocksdb"), "rocksdb");
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let found = statistics((1..=200).rev().collect());
        assert_eq!(
            (&found["min"], &found["max"], &found["avg"]),
            (&json!(1), &json!(200), &json!(100))
        );
        assert_eq!(
            (&found["p50"], &found["p99"], &found["p999"]),
            (&json!(100.0), &json!(198.0), &json!(200.0))
        );
        assert_eq!(statistics(vec![])["p50"], Value::Null);
    }
}
