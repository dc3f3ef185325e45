//! Operations.

use millrace_domain as domain;
use millrace_domain::lifecycle::Evidence;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::time;
use super::words::{OperationStatus, of_domain};

/// A durable record of what was asked for and how it came out.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    pub id: String,
    /// For example `UpdateApplication`.
    pub operation: String,
    pub status: OperationStatus,
    #[schema(format = DateTime)]
    pub started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    pub from_version_id: u64,
    pub to_version_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<OperationFailure>,
    pub progress: Progress,
}

/// What the service has seen and done for an operation so far; what is absent has not
/// happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// When the target runtime's planner had its say about code and state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub checked_at: Option<String>,
    /// What it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The snapshot taken within the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_name: Option<String>,
    /// The generation that it started, and how many it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When the new job had proved healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub approved_at: Option<String>,
    /// Of the step under way, which is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationFailure {
    /// The first sentence is the cause.
    pub message: String,
    /// The operation that put the old version back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_operation_id: Option<String>,
}

/// Operations, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationList {
    pub operations: Vec<Operation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OperationsQuery {
    /// How many at most; 50 when left out.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
    /// Of the answer before.
    #[param(pattern = "^[0-9]{1,18}$")]
    pub next_token: Option<String>,
    /// Only those of this name.
    #[param(min_length = 1, max_length = 64)]
    pub operation: Option<String>,
    /// Only those in this status.
    pub status: Option<OperationStatus>,
}

impl Operation {
    pub fn of(operation: &domain::Operation) -> Operation {
        Operation {
            id: operation.id.to_string(),
            operation: operation.kind.name().to_owned(),
            status: of_domain(operation.status.name()),
            started_at: time(operation.started_at),
            ended_at: operation.ended_at.map(time),
            from_version_id: operation.from_version.0,
            to_version_id: operation.to_version.0,
            failure: operation.failure.as_ref().map(|failure| OperationFailure {
                message: failure.message.clone(),
                rollback_operation_id: failure.rollback_operation.as_ref().map(ToString::to_string),
            }),
            progress: progress(&operation.evidence),
        }
    }
}

/// Evidence of a kind that is not known here shows nothing.
fn progress(evidence: &serde_json::Value) -> Progress {
    let Ok(seen) = serde_json::from_value::<Evidence>(evidence.clone()) else {
        return Progress::default();
    };
    let refused = seen.check.as_ref().filter(|check| !check.ok);
    Progress {
        checked_at: seen.check.as_ref().map(|check| time(check.at)),
        refusal: refused.map(|check| check.message.clone()),
        snapshot_name: seen.snapshot.map(|snapshot| snapshot.name.to_string()),
        generation: seen.start.as_ref().map(|start| start.generation.0),
        attempts: seen.start.as_ref().map(|start| start.attempts),
        approved_at: seen.approved_at.map(time),
        last_error: seen.errors.map(|errors| errors.last),
    }
}
