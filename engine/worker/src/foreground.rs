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
use tokio::sync::watch;

use crate::{edge, planning};

/// Rows of a SELECT at top level.
pub struct Rows<'a> {
    /// Which SELECT of the script, counted from 0.
    pub select: usize,
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
    job: JobHandle,
    outcome: watch::Receiver<Option<Outcome>>,
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
    let store = CheckpointStore::new(Arc::new(InMemory::new()), "/state", "foreground", edge::new_id())
        .map_err(|error| start(error.to_string()))?;
    let schemas: Vec<Schema> = graph.nodes.iter().map(|node| node.output.clone()).collect();
    let selects: Vec<usize> = (0..graph.nodes.len())
        .filter(|node| {
            matches!(graph.nodes[*node].operator, millrace_dataflow::graph::Operator::Collect)
        })
        .collect();
    let job = JobHandle::start(JobSpec {
        id: edge::new_id(),
        name: "foreground".into(),
        application: "foreground".into(),
        generation: Generation(1),
        graph,
        parallelism,
        settings: planned.settings,
        restore: RestoreRequest::FRESH,
        allow_non_restored_state: false,
        hold_commits: false,
        connections,
        create_operator: planning::create_operator(),
        store,
        io: tokio::runtime::Handle::current(),
        clock: edge::MachineClock::shared(),
        random: Arc::new(edge::chance),
        on_rows: Arc::new(move |node, batch| {
            let select = selects.iter().position(|other| *other == node).unwrap_or(0);
            on_rows(Rows { select, schema: &schemas[node], batch });
        }),
    });
    let outcome = job.outcome();
    Ok(Foreground { warnings: planned.script.warnings, job, outcome })
}

impl Foreground {
    /// Waits for the end of the job.
    ///
    /// # Errors
    /// The job failed; the text is the root cause.
    pub async fn wait(&mut self) -> Result<(), ForegroundError> {
        let outcome = match self.outcome.wait_for(Option::is_some).await {
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
        // A job that has ended needs no asking.
        let _ = self.job.send(Command::Cancel);
    }
}
