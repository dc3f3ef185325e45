//! One checkpoint, task by task and subtask by subtask (row I1.17).
//!
//! All state of a checkpoint is written together once the last subtask acknowledged, so the
//! asynchronous part is the same for all of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use millrace_runtime::view::{
    AlignmentView, CheckpointRecord, CheckpointState, JobView, SubtaskCheckpoint, VertexView,
};
use serde_json::{Map, Value, json};

use super::checkpoints::{record_json, statistics};
use super::{Answer, Error, find_job};
use crate::session::Session;

pub async fn of_checkpoint(
    State(session): State<Arc<Session>>,
    Path((id, checkpoint)): Path<(String, u64)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let record = find(&view, checkpoint)?;
    let mut json = record_json(record);
    let tasks = view.vertices.iter().enumerate();
    let tasks: Map<String, Value> = tasks
        .map(|(at, vertex)| (vertex.id.to_string(), task_json(record, vertex, &of(record, at))))
        .collect();
    json["tasks"] = tasks.into();
    Ok(Json(json))
}

pub async fn of_subtasks(
    State(session): State<Arc<Session>>,
    Path((id, checkpoint, vertex)): Path<(String, u64, String)>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let record = find(&view, checkpoint)?;
    let found = view.vertices.iter().position(|it| it.id.to_string() == vertex);
    let at = found.ok_or_else(|| Error::not_found(format!("there is no vertex {vertex}")))?;
    let (vertex, subtasks) = (&view.vertices[at], of(record, at));
    let mut json = task_json(record, vertex, &subtasks);
    json["summary"] = summary(record, &subtasks);
    let all = 0..vertex.parallelism;
    let each = all.map(|index| match subtasks.iter().find(|it| it.subtask == index) {
        Some(subtask) => subtask_json(record, subtask),
        None => json!({ "className": "pending", "index": index, "status": "pending_or_failed" }),
    });
    json["subtasks"] = each.collect();
    Ok(Json(json))
}

fn find(view: &JobView, checkpoint: u64) -> Result<&CheckpointRecord, Error> {
    let record = view.checkpoints.history.iter().find(|record| record.id == checkpoint);
    record.ok_or_else(|| {
        let known = view.checkpoints.history.iter().map(|it| it.id.to_string());
        let known = known.collect::<Vec<_>>().join(", ");
        Error::not_found(format!("checkpoint {checkpoint} is not remembered; known are: {known}"))
    })
}

/// The acknowledgements of one vertex.
fn of(record: &CheckpointRecord, vertex: usize) -> Vec<SubtaskCheckpoint> {
    record.acknowledgements.iter().filter(|it| it.vertex == vertex).copied().collect()
}

fn task_json(
    record: &CheckpointRecord,
    vertex: &VertexView,
    subtasks: &[SubtaskCheckpoint],
) -> Value {
    let is_whole = subtasks.len() == usize::from(vertex.parallelism);
    let status = match record.state {
        CheckpointState::Failed => "FAILED",
        _ if is_whole => "COMPLETED",
        _ => "IN_PROGRESS",
    };
    let sum = |field: fn(&SubtaskCheckpoint) -> u64| subtasks.iter().map(field).sum::<u64>();
    let last = subtasks.iter().map(|it| it.acknowledged_at_ms).max();
    json!({
        "id": record.id,
        "status": status,
        "latest_ack_timestamp": last.unwrap_or(-1),
        "checkpointed_size": sum(|it| it.bytes),
        "state_size": sum(|it| it.state_bytes),
        "end_to_end_duration": last.map_or(-1, |last| last - record.triggered_at_ms),
        "alignment_buffered": 0,
        "processed_data": sum(|it| it.alignment.processed_bytes),
        "persisted_data": sum(|it| it.alignment.persisted_bytes),
        "num_subtasks": vertex.parallelism,
        "num_acknowledged_subtasks": subtasks.len(),
    })
}

fn subtask_json(record: &CheckpointRecord, subtask: &SubtaskCheckpoint) -> Value {
    let AlignmentView { unaligned, duration_ms, persisted_bytes, processed_bytes } =
        subtask.alignment;
    json!({
        "className": "completed",
        "index": subtask.subtask,
        "status": "completed",
        "ack_timestamp": subtask.acknowledged_at_ms,
        "end_to_end_duration": subtask.acknowledged_at_ms - record.triggered_at_ms,
        "checkpointed_size": subtask.bytes,
        "state_size": subtask.state_bytes,
        "checkpoint": { "sync": subtask.sync_ms, "async": record.async_ms },
        "alignment": {
            "buffered": 0,
            "processed": processed_bytes,
            "persisted": persisted_bytes,
            "duration": duration_ms,
        },
        "start_delay": start_delay_ms(record, subtask),
        "unaligned_checkpoint": unaligned,
        "aborted": record.state == CheckpointState::Failed,
    })
}

/// From the trigger until the first barrier came: what is left of the time.
fn start_delay_ms(record: &CheckpointRecord, subtask: &SubtaskCheckpoint) -> i64 {
    let own = subtask.sync_ms + subtask.alignment.duration_ms;
    (subtask.acknowledged_at_ms - record.triggered_at_ms - own as i64).max(0)
}

fn summary(record: &CheckpointRecord, subtasks: &[SubtaskCheckpoint]) -> Value {
    let over = |field: &dyn Fn(&SubtaskCheckpoint) -> i64| {
        statistics(subtasks.iter().map(field).collect())
    };
    json!({
        "checkpointed_size": over(&|it| it.bytes as i64),
        "state_size": over(&|it| it.state_bytes as i64),
        "end_to_end_duration": over(&|it| it.acknowledged_at_ms - record.triggered_at_ms),
        "checkpoint_duration": {
            "sync": over(&|it| it.sync_ms as i64),
            "async": over(&|_| record.async_ms as i64),
        },
        "alignment": {
            "buffered": over(&|_| 0),
            "processed": over(&|it| it.alignment.processed_bytes as i64),
            "persisted": over(&|it| it.alignment.persisted_bytes as i64),
            "duration": over(&|it| it.alignment.duration_ms as i64),
        },
        "start_delay": over(&|it| start_delay_ms(record, it)),
    })
}
