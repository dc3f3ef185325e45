//! All that the target runtime's planner says of code and state; the lifecycle itself acts
//! on the [`CheckVerdict`](super::CheckVerdict) in it.

use serde::{Deserialize, Serialize};

/// What `check` reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckReport {
    pub ok: bool,
    /// The refusal as an operation records it; empty when ok.
    pub message: String,
    pub diagnostics: Vec<CheckDiagnostic>,
    /// What becomes of each operator's state; empty when none is restored.
    pub operators: Vec<CheckedOperator>,
    /// The checkpoint that it would restore now.
    pub restored_checkpoint: Option<u64>,
    /// The operators of the job, in the order of the data; empty without a plan.
    pub plan: Vec<PlannedOperator>,
}

/// An error or a warning, with its place in the code; line 0 is the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckDiagnostic {
    /// `error` or `warning`.
    pub severity: String,
    pub line: Option<u64>,
    pub column: Option<u64>,
    pub message: String,
    pub hint: Option<String>,
}

/// What becomes of the state of an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckedOperator {
    pub id: String,
    pub name: String,
    /// `restored`, `new`, `incompatible` or `dropped`.
    pub verdict: String,
    pub reason: Option<String>,
}

/// An operator of a plan. The id is the same in two plans when its state is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlannedOperator {
    pub id: String,
    pub name: String,
    /// Absent: the job's.
    pub parallelism: Option<u32>,
    /// The operators that its rows come from.
    pub inputs: Vec<String>,
    /// The kind of what it keeps.
    pub state: Option<String>,
}
