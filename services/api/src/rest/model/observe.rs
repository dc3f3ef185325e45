//! Events and metrics.

use std::collections::BTreeMap;

use millrace_domain::Timestamp;
use millrace_domain::reading::{JobReading, VertexReading};
use millrace_store::StoredEvent;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::time;
use super::words::{ApplicationStatus, EventKind, of_domain};
use crate::jobs::Sample;
use crate::operations::create_application_presigned_url::Linked;

/// One thing that happened to an application.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place: greater is later. The id in the stream.
    pub sequence: u64,
    #[schema(format = DateTime)]
    pub at: String,
    pub kind: EventKind,
    /// One sentence for people.
    pub message: String,
    /// The application's, after it.
    pub status: ApplicationStatus,
    pub version_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_name: Option<String>,
}

/// Events, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventList {
    pub events: Vec<Event>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// What the running job measures, and what this server noted of it before.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Absent when no job runs, or it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<JobMetrics>,
    /// Oldest first, at most ten minutes: noted every five seconds by the server that
    /// answers, in its memory.
    pub history: Vec<MetricsSample>,
}

/// Metrics by Flink's names.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobMetrics {
    #[schema(format = DateTime)]
    pub at: String,
    pub generation: u64,
    pub job: BTreeMap<String, f64>,
    pub vertices: Vec<VertexMetrics>,
}

/// Operators that run as one task.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VertexMetrics {
    pub id: String,
    pub name: String,
    pub parallelism: u64,
    pub status: String,
    pub metrics: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsSample {
    #[schema(format = DateTime)]
    pub at: String,
    pub generation: u64,
    /// The job's metrics, and its vertices' added up.
    pub values: BTreeMap<String, f64>,
}

/// Which lines.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// How many of the last lines; 1000 when left out.
    #[param(minimum = 1, maximum = 10000)]
    pub tail: Option<u32>,
    /// Only lines with this text, in upper or lower case.
    #[param(min_length = 1, max_length = 256)]
    pub search: Option<String>,
    /// Go on as more is logged.
    pub follow: Option<bool>,
    /// Of this generation of the job; the newest when left out.
    #[param(minimum = 1)]
    pub generation: Option<u64>,
}

impl Event {
    pub fn of(stored: &StoredEvent) -> Event {
        let (event, detail) = (&stored.event, &stored.event.detail);
        Event {
            sequence: stored.sequence,
            at: time(event.at),
            kind: of_domain(event.kind.name()),
            message: detail.message.clone(),
            status: of_domain(detail.status.name()),
            version_id: detail.version.0,
            generation: detail.generation.map(|generation| generation.0),
            operation_id: detail.operation.as_ref().map(ToString::to_string),
            snapshot_name: detail.snapshot.clone(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateDashboardLink {
    /// How long the session lasts that the link begins; twelve hours when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1800, maximum = 43200)]
    pub session_seconds: Option<u64>,
}

/// A link to a dashboard: whoever has it may look.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DashboardLink {
    /// To be followed within three minutes.
    pub url: String,
    /// When the session ends that it begins.
    #[schema(format = DateTime)]
    pub session_ends_at: String,
}

impl DashboardLink {
    pub fn of(linked: &Linked) -> DashboardLink {
        let session_ends_at = time(Timestamp(linked.ends_ms));
        DashboardLink { url: linked.url.clone(), session_ends_at }
    }
}

impl JobMetrics {
    pub fn of(reading: &JobReading) -> JobMetrics {
        JobMetrics {
            at: time(reading.at),
            generation: reading.generation.0,
            job: reading.job.clone(),
            vertices: reading.vertices.iter().map(vertex).collect(),
        }
    }
}

fn vertex(it: &VertexReading) -> VertexMetrics {
    VertexMetrics {
        id: it.id.clone(),
        name: it.name.clone(),
        parallelism: it.parallelism,
        status: it.status.clone(),
        metrics: it.metrics.clone(),
    }
}

impl MetricsSample {
    pub fn of(sample: &Sample) -> MetricsSample {
        MetricsSample {
            at: time(sample.at),
            generation: sample.generation.0,
            values: sample.values.clone(),
        }
    }
}
