//! Metrics by name (row I1.31), and all of them for Prometheus under Flink's names
//! (section I.2). Rates are of the last five seconds.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::extract::{Path, Query, State};
use millrace_runtime::view::{CheckpointRecord, CheckpointState, JobStatus, JobView};
use millrace_runtime::{OperatorMetrics, SubtaskMetrics};
use serde::Deserialize;
use serde_json::{Value, json};

use super::vertices::find_vertex;
use super::{Answer, find_job};
use crate::session::Session;

#[derive(Debug, Deserialize)]
pub struct MetricsQuery {
    pub(super) get: Option<String>,
}

pub(super) type Metric = (String, String);

pub async fn of_job(
    State(session): State<Arc<Session>>,
    Path(id): Path<String>,
    Query(query): Query<MetricsQuery>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    Ok(Json(selected(job_metrics(&view, session.clock.now_ms()), query)))
}

pub async fn of_vertex(
    State(session): State<Arc<Session>>,
    Path((id, vertex)): Path<(String, String)>,
    Query(query): Query<MetricsQuery>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let now = session.clock.monotonic_ns();
    let metrics = vertex.subtasks.iter().enumerate().flat_map(|(index, subtask)| {
        let of_operators = subtask.operators().iter().flat_map(|operator| {
            let scope = scope_of(&operator.name);
            let named = operator_metrics(operator).into_iter();
            named.map(move |(name, value)| (format!("{scope}.{name}"), value))
        });
        let named = subtask_metrics(subtask, now).into_iter().chain(of_operators);
        named.map(move |(name, value)| (format!("{index}.{name}"), value))
    });
    Ok(Json(selected(metrics.collect(), query)))
}

/// Without `get` the names alone, as Flink does.
pub(super) fn selected(metrics: Vec<Metric>, query: MetricsQuery) -> Value {
    let Some(wanted) = query.get else {
        return metrics.iter().map(|(name, _)| json!({ "id": name })).collect();
    };
    let wanted: Vec<&str> = wanted.split(',').collect();
    metrics
        .iter()
        .filter(|(name, _)| wanted.contains(&name.as_str()))
        .map(|(name, value)| json!({ "id": name, "value": value }))
        .collect()
}

/// Rows I2.5 and I2.6.
pub(super) fn job_metrics(view: &JobView, now_ms: i64) -> Vec<Metric> {
    let checkpoints = &view.checkpoints;
    let completed = |record: &CheckpointRecord| record.state == CheckpointState::Completed;
    let last = checkpoints.latest(completed);
    let duration = last.and_then(|record| Some(record.ended_at_ms? - record.triggered_at_ms));
    let running_since = view
        .timestamps
        .iter()
        .find(|(status, _)| *status == JobStatus::Running)
        .filter(|_| view.status == JobStatus::Running);
    let uptime = running_since.map_or(0, |(_, since)| now_ms - since);
    let in_all = checkpoints.completed + checkpoints.failed + checkpoints.in_progress;
    let metric = |name: &str, value: &dyn ToString| (name.to_owned(), value.to_string());
    let mut metrics = vec![
        metric("numRestarts", &view.restarts),
        metric("fullRestarts", &view.restarts),
        metric("uptime", &uptime),
        metric("numberOfCompletedCheckpoints", &checkpoints.completed),
        metric("numberOfFailedCheckpoints", &checkpoints.failed),
        metric("numberOfInProgressCheckpoints", &checkpoints.in_progress),
        metric("totalNumberOfCheckpoints", &in_all),
        metric("lastCheckpointDuration", &duration.unwrap_or(-1)),
        metric("lastCheckpointSize", &last.map_or(-1, |record| record.bytes as i64)),
        metric("lastCheckpointFullSize", &last.map_or(-1, |record| record.state_bytes as i64)),
        // Ours: 1 while the sinks keep back what they prepared.
        metric("commitsHeld", &u8::from(view.holding_commits)),
        metric("lastCompletedCheckpointId", &last.map_or(-1, |record| record.id as i64)),
    ];
    let restored_at = checkpoints.restored.as_ref().map_or(-1, |restored| restored.at_ms);
    metrics.push(metric("lastCheckpointRestoreTimestamp", &restored_at));
    let path = last.and_then(|record| record.location.clone()).unwrap_or("n/a".into());
    metrics.push(metric("lastCheckpointExternalPath", &path));
    metrics
}

/// Rows I2.1 to I2.3, I2.8.
pub(super) fn subtask_metrics(subtask: &SubtaskMetrics, now_ns: u64) -> Vec<Metric> {
    let time = subtask.time_spent(now_ns);
    let (rates, network) = (subtask.rates(now_ns), subtask.network());
    let held_ms = rates.back_pressured_ms();
    let (read, written) =
        (subtask.records_in.load(Ordering::Relaxed), subtask.records_out.load(Ordering::Relaxed));
    let state = subtask.state_bytes();
    let late = subtask.late_records_dropped.load(Ordering::Relaxed);
    [
        ("numRecordsIn", read.to_string()),
        ("numRecordsOut", written.to_string()),
        ("numRecordsInPerSecond", rates.records_in.to_string()),
        ("numRecordsOutPerSecond", rates.records_out.to_string()),
        ("busyTimeMsPerSecond", rates.busy_ms.to_string()),
        ("idleTimeMsPerSecond", rates.idle_ms.to_string()),
        ("backPressuredTimeMsPerSecond", held_ms.to_string()),
        ("softBackPressuredTimeMsPerSecond", rates.soft_back_pressured_ms.to_string()),
        ("hardBackPressuredTimeMsPerSecond", rates.hard_back_pressured_ms.to_string()),
        ("isBackPressured", (held_ms > 100).to_string()),
        ("debloatedBufferSize", network.limit.to_string()),
        ("estimatedTimeToConsumeBuffersMs", network.consume_ms.to_string()),
        ("Shuffle.Netty.Input.Buffers.inputQueueSize", network.queued.to_string()),
        ("Shuffle.Netty.Input.Buffers.inPoolUsage", format!("{:.3}", network.in_usage)),
        ("Shuffle.Netty.Output.Buffers.outPoolUsage", format!("{:.3}", network.out_usage)),
        ("accumulateBusyTimeMs", time.busy_ms.to_string()),
        ("accumulateIdleTimeMs", time.idle_ms.to_string()),
        ("accumulateBackPressuredTimeMs", time.back_pressured_ms.to_string()),
        ("numLateRecordsDropped", late.to_string()),
        ("currentInputWatermark", subtask.watermark().to_string()),
        // Ours: what the state of its operators takes, in memory and on disk.
        ("stateMemoryBytes", (state.memory + state.indexes).to_string()),
        ("stateStoredBytes", state.stored.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Of one operator of a subtask (rows I2.1, I2.4).
fn operator_metrics(operator: &OperatorMetrics) -> Vec<Metric> {
    let state = operator.state_bytes();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
    let mut all = vec![
        ("numRecordsIn", count(&operator.records_in)),
        ("numRecordsOut", count(&operator.records_out)),
        ("numLateRecordsDropped", count(&operator.late_records_dropped)),
        // Ours: in memory, with the filters and indexes of its files, and on disk.
        ("stateMemoryBytes", (state.memory + state.indexes).to_string()),
        ("stateStoredBytes", state.stored.to_string()),
    ];
    if let Some(lookup) = operator.lookup() {
        let table = &lookup.table;
        all.extend([
            // Row I2.14 (Flink: `CacheMetricGroup`).
            ("hitCount", count(&lookup.hits)),
            ("missCount", count(&lookup.misses)),
            ("loadCount", count(&table.loads)),
            ("numLoadFailures", count(&table.load_failures)),
            ("latestLoadTime", count(&table.latest_load_ms)),
            ("numCachedRecords", count(&table.records)),
            ("numCachedBytes", count(&table.bytes)),
        ]);
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An operator's name within the name of a metric: at most 80 characters, and none that
/// stands between names (Flink: `MetricQueryService`).
fn scope_of(name: &str) -> String {
    let plain = |c: char| if " .:,".contains(c) { '_' } else { c };
    name.chars().take(80).map(plain).collect()
}

/// All metrics as Prometheus text.
pub async fn prometheus(State(session): State<Arc<Session>>) -> String {
    let mut text = String::new();
    let running = session.view().filter(|view| !view.status.is_terminal()).iter().count();
    line(&mut text, "flink_jobmanager_numRunningJobs", "", &running.to_string());
    let Some(view) = session.view() else { return text };
    let job = format!("job_id=\"{}\",job_name=\"{}\"", view.id, escaped(&view.name));
    for (name, value) in job_metrics(&view, session.clock.now_ms()) {
        line(&mut text, &format!("flink_jobmanager_job_{name}"), &job, &value);
    }
    let now = session.clock.monotonic_ns();
    for vertex in &view.vertices {
        for (index, subtask) in vertex.subtasks.iter().enumerate() {
            let labels = format!(
                "{job},task_id=\"{}\",task_name=\"{}\",subtask_index=\"{index}\"",
                vertex.id,
                escaped(&vertex.name)
            );
            for (name, value) in subtask_metrics(subtask, now) {
                let name = name.replace('.', "_");
                line(&mut text, &format!("flink_taskmanager_job_task_{name}"), &labels, &value);
            }
            for operator in subtask.operators() {
                let labels = format!("{labels},operator_name=\"{}\"", escaped(&operator.name));
                for (name, value) in operator_metrics(operator) {
                    let name = format!("flink_taskmanager_job_task_operator_{name}");
                    line(&mut text, &name, &labels, &value);
                }
            }
        }
    }
    text
}

/// Numbers only: Prometheus knows no others.
fn line(text: &mut String, name: &str, labels: &str, value: &str) {
    if value.parse::<f64>().is_err() {
        return;
    }
    // Writing to a String does not fail.
    let _ = match labels {
        "" => writeln!(text, "{name} {value}"),
        labels => writeln!(text, "{name}{{{labels}}} {value}"),
    };
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use millrace_runtime::memory::StateBytes;

    use super::*;

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
        let mut text = String::new();
        line(&mut text, "m", "a=\"b\"", "n/a");
        line(&mut text, "m", "a=\"b\"", "-1");
        assert_eq!(text, "m{a=\"b\"} -1\n");
    }

    #[test]
    fn i2_1_an_operator_has_a_scope_of_its_own() {
        let operator = OperatorMetrics::shared("Join[3: a.id = b.id]");
        operator.set_state(StateBytes { memory: 5, stored: 7, indexes: 2 });
        operator.records_in.store(3, Ordering::Relaxed);
        let metrics = operator_metrics(&operator);
        let value = |name: &str| metrics.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(value("stateMemoryBytes"), Some("7"));
        assert_eq!(value("stateStoredBytes"), Some("7"));
        assert_eq!(value("numRecordsIn"), Some("3"));
        assert_eq!(scope_of(&operator.name), "Join[3__a_id_=_b_id]");
        assert_eq!(scope_of(&"x".repeat(100)).len(), 80);
    }

    #[test]
    fn i1_31_names_alone_or_those_asked_for() {
        let metrics = || vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
        let check = |get: Option<&str>, want: Value| {
            assert_eq!(selected(metrics(), MetricsQuery { get: get.map(str::to_owned) }), want);
        };
        check(None, json!([{ "id": "a" }, { "id": "b" }]));
        check(Some("b,x"), json!([{ "id": "b", "value": "2" }]));
    }
}
