//! A script in the foreground: no server, no files of its own; ends when its bounded
//! inputs do. For `millrace sql run`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use millrace_connectors::Connectors;
use millrace_dataflow::{Batch, Generation, RuntimeLevel, Schema};
use millrace_plan::Diagnostic;
use millrace_runtime::{Command, Connections, JobHandle, JobSpec, Outcome};
use millrace_state::{CheckpointStore, RestoreRequest};
use object_store::memory::InMemory;

use crate::{edge, memory, planning};

/// Rows of the SELECT at top level.
pub struct Rows<'a> {
    pub schema: &'a Schema,
    pub batch: &'a Batch,
}

impl Rows<'_> {
    pub fn record(&self) -> &RecordBatch {
        &self.batch.record
    }
}

/// A script that runs.
pub struct Foreground {
    pub warnings: Vec<Diagnostic>,
    /// What EXPLAIN, SHOW and DESCRIBE answered.
    pub reports: Vec<String>,
    /// The columns of the SELECT at top level, when there is one.
    pub columns: Option<Schema>,
    /// `None`: the script only asks.
    job: Option<JobHandle>,
}

#[derive(Debug, thiserror::Error)]
pub enum ForegroundError {
    /// The script cannot be planned.
    #[error("the script has {} problem(s)", .0.len())]
    Script(Vec<Diagnostic>),
    #[error("{0}")]
    Start(String),
    #[error("the job failed: {0}")]
    Failed(String),
}

/// Starts a script; checkpoints, if it asks for any, stay in memory. `on_rows` is
/// called from the job's threads. Needs a tokio runtime.
///
/// # Errors
/// The script cannot be planned, or a table cannot be opened.
pub fn run_foreground(
    script: &str,
    level: RuntimeLevel,
    parallelism: u16,
    settings: &BTreeMap<String, String>,
    on_rows: impl Fn(Rows<'_>) + Send + Sync + 'static,
) -> Result<Foreground, ForegroundError> {
    let connectors = Connectors::new();
    let planned =
        planning::plan(script, level, settings, &connectors).map_err(ForegroundError::Script)?;
    let graph = planned.script.graph;
    let start = |error: String| ForegroundError::Start(error);
    let connections =
        Connections::open(&graph, &connectors).map_err(|error| start(error.to_string()))?;
    let store =
        CheckpointStore::new(Arc::new(InMemory::new()), "/state", "foreground", edge::new_id())
            .map_err(|error| start(error.to_string()))?;
    let memory = memory::limits(&planned.script.settings, None, parallelism)
        .map_err(|error| start(error.to_string()))?;
    let (warnings, reports) = (planned.script.warnings, planned.script.reports);
    let columns = planned.script.collects;
    if graph.nodes.is_empty() {
        return Ok(Foreground { warnings, reports, columns, job: None });
    }
    let schema = columns.clone().unwrap_or_default();
    let job = JobHandle::start(JobSpec {
        id: edge::new_id(),
        name: "foreground".into(),
        application: "foreground".into(),
        generation: Generation(1),
        graph,
        parallelism,
        settings: planned.settings,
        memory,
        restore: RestoreRequest::FRESH,
        allow_non_restored_state: false,
        hold_commits: false,
        connections,
        create_operator: planning::create_operator(),
        store,
        io: tokio::runtime::Handle::current(),
        clock: edge::MachineClock::shared(),
        random: Arc::new(edge::chance),
        on_rows: Arc::new(move |_, batch| on_rows(Rows { schema: &schema, batch })),
    });
    Ok(Foreground { warnings, reports, columns, job: Some(job) })
}

impl Foreground {
    /// Waits for the end of the job.
    ///
    /// # Errors
    /// The job failed; the text is the root cause.
    pub async fn wait(&mut self) -> Result<(), ForegroundError> {
        let Some(job) = &self.job else { return Ok(()) };
        let mut outcome = job.outcome();
        let outcome = match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        match outcome {
            Some(Outcome::Finished | Outcome::Canceled) => Ok(()),
            Some(Outcome::Failed(cause) | Outcome::Fenced(cause)) => {
                Err(ForegroundError::Failed(cause))
            }
            None => Err(ForegroundError::Failed("the coordinator died".into())),
        }
    }

    /// Asks the job to end now, for Ctrl-C.
    pub fn cancel(&self) {
        if let Some(job) = &self.job {
            // A job that has ended needs no asking.
            let _ = job.send(Command::Cancel);
        }
    }
}
