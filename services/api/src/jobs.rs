//! What is asked of running jobs, and of those who start them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use millrace_domain::lifecycle::{CheckReport, Launch};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation, Timestamp};

/// The jobs of applications, as far as the API shows them.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// The plan of a job, in Flink's JSON (`/jobs/:id/plan`); `None` when it does not tell.
    async fn plan(&self, application: &ApplicationId, generation: Generation) -> Option<String>;

    /// What the REST interface of a job's cluster answers to a GET; `None` when there is no
    /// answer. `place` is a path and a query.
    async fn look(&self, _: &ApplicationId, _: Generation, _place: &str) -> Option<Looked> {
        None
    }

    /// What runs a job, and why; `None` when it is not known.
    async fn runs_on(&self, _: &ApplicationId, _: Generation) -> Option<RunsOn> {
        None
    }

    /// What the target runtime's planner says of code and state. Touches nothing.
    ///
    /// # Errors
    /// Why there is no verdict, in a sentence.
    async fn check(&self, _: &Launch) -> Result<CheckReport, String> {
        Err("this service has no planner to ask".to_owned())
    }

    /// What a job measures of itself; `None` when it does not tell.
    async fn reading(&self, _: &ApplicationId, _: Generation) -> Option<JobReading> {
        None
    }

    /// What was noted of its job in the last minutes, oldest first.
    async fn history(&self, _: &ApplicationId) -> Vec<Sample> {
        Vec::new()
    }

    /// A piece of what the jobs of an application logged; `None` when there is no log.
    ///
    /// # Errors
    /// The log cannot be read.
    async fn log(&self, _: &ApplicationId, _: LogFrom) -> std::io::Result<Option<LogChunk>> {
        Ok(None)
    }

    /// Whether the service is about to stop: what goes on for as long as its reader
    /// likes ends then.
    fn stopping(&self) -> bool {
        false
    }
}

/// What runs a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsOn {
    /// `embedded` or `flink`.
    pub engine: &'static str,
    pub release: Option<String>,
    pub reason: String,
}

/// An answer of a job's cluster, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// HTTP's.
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// Metrics at one moment, brought together.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub at: Timestamp,
    pub generation: Generation,
    /// The job's, and those of its vertices added up, by Flink's names.
    pub values: BTreeMap<String, f64>,
}

/// A place in the log of one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    pub generation: Generation,
    /// In bytes.
    pub offset: u64,
}

/// Where to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFrom {
    /// So many bytes before the end of a generation's log; of the newest without one.
    Tail { bytes: u64, generation: Option<Generation> },
    /// There, and on into newer generations.
    Place(LogPlace),
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// Empty at the end of what is logged by now.
    pub bytes: Bytes,
    /// Where it begins.
    pub place: LogPlace,
    pub next: LogPlace,
}

/// None runs, or none can be asked.
#[derive(Clone, Copy, Debug)]
pub struct NoJobs;

#[async_trait]
impl Jobs for NoJobs {
    async fn plan(&self, _: &ApplicationId, _: Generation) -> Option<String> {
        None
    }
}
