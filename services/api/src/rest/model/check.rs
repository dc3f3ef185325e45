//! The verdict on an update that was not made.

use millrace_domain::lifecycle::{CheckDiagnostic, CheckReport, CheckedOperator, PlannedOperator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What an update would do, and whether it can. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateVerdict {
    /// Whether the update would pass its check; the job is touched only after that.
    pub ok: bool,
    /// What the operation would fail with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    pub from_version_id: u64,
    pub to_version_id: u64,
    /// What the new version would say otherwise.
    pub changes: Vec<Change>,
    pub job: JobImpact,
    /// Errors and warnings about the code.
    pub diagnostics: Vec<Diagnostic>,
    pub plan: PlanDiff,
    /// What becomes of each operator's state.
    pub state: Vec<OperatorState>,
    /// The checkpoint that would be restored if the job stopped now; the update itself takes
    /// a newer one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_checkpoint: Option<u64>,
}

/// A member of the version that would be another.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Dotted, for example `configuration.parallelism.parallelism`.
    pub member: String,
    /// Absent: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    pub before: Option<Value>,
    /// Absent: it would not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    pub after: Option<Value>,
}

/// What would happen to the running job.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobImpact {
    /// Whether there is one.
    pub runs: bool,
    /// Whether it would be stopped, with its state taken along, and the new one started.
    pub stopped: bool,
    /// Whether a snapshot would be kept, as the way back.
    pub takes_snapshot: bool,
    /// Whether the new job would show no output until it has proved healthy, and the old
    /// version be put back when it does not.
    pub rolls_back_on_failure: bool,
    pub downtime: Downtime,
}

/// How long nothing would be processed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Downtime {
    /// Absent when there is nothing to judge by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_ms: Option<i64>,
    /// What that is judged by.
    pub basis: String,
}

/// An error or a warning, with its place in the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// `error` or `warning`.
    pub severity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The operators before and after, by their ids: one id is one state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanDiff {
    pub before: Vec<PlanOperator>,
    pub after: Vec<PlanOperator>,
    /// Those of both that are not the same, in the order of the data.
    pub changes: Vec<PlanChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanOperator {
    pub id: String,
    pub name: String,
    /// Absent: the job's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
    /// The operators that its rows come from.
    pub inputs: Vec<String>,
    /// The kind of what it keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChange {
    pub change: PlanChangeKind,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlanChangeKind {
    Added,
    Removed,
    Changed,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatorState {
    pub id: String,
    pub name: String,
    /// `restored`, `new`, `incompatible` or `dropped`.
    pub verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl PlanDiff {
    pub fn of(before: &[PlannedOperator], after: &[PlannedOperator]) -> PlanDiff {
        // What cannot be planned changes nothing that could be told.
        let changes = match after.is_empty() {
            true => Vec::new(),
            false => changes(before, after),
        };
        let shown = |all: &[PlannedOperator]| all.iter().map(operator).collect();
        PlanDiff { before: shown(before), after: shown(after), changes }
    }
}

fn changes(before: &[PlannedOperator], after: &[PlannedOperator]) -> Vec<PlanChange> {
    let find = |all: &[PlannedOperator], id: &str| all.iter().find(|it| it.id == id).cloned();
    let newer = after.iter().filter_map(|it| match find(before, &it.id) {
        None => Some(change(PlanChangeKind::Added, None, Some(it))),
        Some(old) if old == *it => None,
        Some(old) => Some(change(PlanChangeKind::Changed, Some(&old), Some(it))),
    });
    let gone = before.iter().filter(|it| find(after, &it.id).is_none());
    newer.chain(gone.map(|it| change(PlanChangeKind::Removed, Some(it), None))).collect()
}

fn change(
    change: PlanChangeKind,
    before: Option<&PlannedOperator>,
    after: Option<&PlannedOperator>,
) -> PlanChange {
    let id = after.or(before).map(|it| it.id.clone()).unwrap_or_default();
    let name = |it: Option<&PlannedOperator>| it.map(|it| it.name.clone());
    PlanChange { change, id, before: name(before), after: name(after) }
}

fn operator(it: &PlannedOperator) -> PlanOperator {
    PlanOperator {
        id: it.id.clone(),
        name: it.name.clone(),
        parallelism: it.parallelism,
        inputs: it.inputs.clone(),
        state: it.state.clone(),
    }
}

/// Line 0 is the whole of the code.
pub fn diagnostics(report: &CheckReport) -> Vec<Diagnostic> {
    let shown = |it: &CheckDiagnostic| Diagnostic {
        severity: it.severity.to_lowercase(),
        line: it.line.filter(|line| *line > 0),
        column: it.column.filter(|_| it.line.is_some_and(|line| line > 0)),
        message: it.message.clone(),
        hint: it.hint.clone(),
    };
    report.diagnostics.iter().map(shown).collect()
}

pub fn state(report: &CheckReport) -> Vec<OperatorState> {
    let shown = |it: &CheckedOperator| OperatorState {
        id: it.id.clone(),
        name: it.name.clone(),
        verdict: it.verdict.clone(),
        reason: it.reason.clone().filter(|reason| !reason.is_empty()),
    };
    report.operators.iter().map(shown).collect()
}

/// The members of two JSON values that differ.
pub fn differences(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, out: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let more = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(more) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, old.get(key), new.get(key), out);
            }
        }
        (old, new) if old == new => {}
        (old, new) => {
            out.push(Change { member: path.to_owned(), before: old.cloned(), after: new.cloned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_that_differ_are_named_from_the_top() {
        let before = json!({ "a": 1, "b": { "c": [1], "d": 2, "gone": 0 } });
        let after = json!({ "a": 1, "b": { "c": [1, 2], "d": 2, "new": "x" } });
        let change = |member: &str, before: Option<Value>, after: Option<Value>| Change {
            member: member.to_owned(),
            before,
            after,
        };
        assert_eq!(
            differences(&before, &after),
            [
                change("b.c", Some(json!([1])), Some(json!([1, 2]))),
                change("b.gone", Some(json!(0)), None),
                change("b.new", None, Some(json!("x"))),
            ]
        );
    }

    #[test]
    fn plans_are_compared_by_the_ids_of_their_operators() {
        let operator = |id: &str, name: &str| PlannedOperator {
            id: id.to_owned(),
            name: name.to_owned(),
            ..PlannedOperator::default()
        };
        let before = [operator("1", "Source"), operator("2", "Filter"), operator("3", "Sink")];
        let after = [operator("1", "Source"), operator("4", "Aggregate"), operator("3", "Sinks")];
        let diff = PlanDiff::of(&before, &after);
        let kinds: Vec<(PlanChangeKind, &str)> =
            diff.changes.iter().map(|it| (it.change, it.id.as_str())).collect();
        assert_eq!(
            kinds,
            [
                (PlanChangeKind::Added, "4"),
                (PlanChangeKind::Changed, "3"),
                (PlanChangeKind::Removed, "2"),
            ]
        );
        assert_eq!(PlanDiff::of(&before, &[]).changes, []);
    }
}
