//! A job as its owner sees it: what it is made of, how it is spoken to, how it ends.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use millrace_dataflow::graph::Node;
use millrace_dataflow::{Generation, JobGraph, RuntimeLevel, Schema};
use millrace_state::{CheckpointStore, RestoreRequest};
use parking_lot::RwLock;
use tokio::sync::{oneshot, watch};

use crate::chain::OnRows;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::coordinator::Coordinator;
use crate::memory::MemoryLimits;
use crate::operator::{Operator, OperatorError};
use crate::settings::RuntimeSettings;
use crate::view::JobView;

/// Makes an operator from its node and the columns of its inputs.
pub type CreateOperator =
    Arc<dyn Fn(&Node, &[Schema]) -> Result<Box<dyn Operator>, OperatorError> + Send + Sync>;

/// All that a job needs.
pub struct JobSpec {
    /// 32 hex digits; new at each start.
    pub id: String,
    pub name: String,
    pub application: String,
    pub generation: Generation,
    pub graph: JobGraph,
    pub parallelism: u16,
    pub settings: RuntimeSettings,
    /// Of all subtasks together.
    pub memory: MemoryLimits,
    pub restore: RestoreRequest,
    pub allow_non_restored_state: bool,
    /// Prepare, but make nothing visible until released.
    pub hold_commits: bool,
    pub connections: Connections,
    pub create_operator: CreateOperator,
    pub store: CheckpointStore,
    /// Where snapshots are written, off the tasks' threads.
    pub io: tokio::runtime::Handle,
    pub clock: Arc<dyn Clock>,
    /// In `[-1, 1]`: varies the delay between restarts.
    pub random: Arc<dyn Fn() -> f64 + Send + Sync>,
    pub on_rows: OnRows,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    Canceled,
    /// The root cause.
    Failed(String),
    /// Another engine has taken the application.
    Fenced(String),
}

/// An answer to a command: what was done, or why not.
pub type Reply = oneshot::Sender<Result<String, String>>;

/// What a running job can be asked.
#[derive(Debug)]
pub enum Command {
    /// Answers with the location.
    Savepoint { target: Option<String>, level: Option<RuntimeLevel>, reply: Reply },
    /// A checkpoint now, beside the periodic ones. Answers with the location.
    Checkpoint { reply: Reply },
    /// Savepoint, then end. Answers with the location.
    Stop { target: Option<String>, drain: bool, level: Option<RuntimeLevel>, reply: Reply },
    /// End now; the last checkpoint stays.
    Cancel,
    /// Make visible what was held back; answers when it is. Idempotent.
    ReleaseCommits { reply: Reply },
}

/// A job that was started.
pub struct JobHandle {
    commands: Sender<Command>,
    view: Arc<RwLock<JobView>>,
    outcome: watch::Receiver<Option<Outcome>>,
    thread: Option<JoinHandle<()>>,
}

/// More commands than this waiting means that the job does not listen.
const COMMANDS: usize = 64;

impl JobHandle {
    /// Starts the job on threads of its own; what happens then is in its view.
    pub fn start(spec: JobSpec) -> JobHandle {
        let (commands, received) = bounded(COMMANDS);
        let now = spec.clock.now_ms();
        let view = Arc::new(RwLock::new(JobView::new(spec.id.clone(), spec.name.clone(), now)));
        let (ended, outcome) = watch::channel(None);
        let shared = Arc::clone(&view);
        let thread = std::thread::Builder::new().name("coordinator".into()).spawn(move || {
            let outcome = Coordinator::new(spec, shared, received).run();
            let _ = ended.send(Some(outcome));
        });
        let thread = thread.expect("the system has room for one more thread");
        JobHandle { commands, view, outcome, thread: Some(thread) }
    }

    pub fn view(&self) -> JobView {
        self.view.read().clone()
    }

    /// # Errors
    /// The job has ended, or does not listen.
    pub fn send(&self, command: Command) -> Result<(), String> {
        self.commands.try_send(command).map_err(|error| {
            if error.is_full() {
                "the job is too busy to take another command; try again".to_owned()
            } else {
                "the job has ended".to_owned()
            }
        })
    }

    /// Set once the job has ended.
    pub fn outcome(&self) -> watch::Receiver<Option<Outcome>> {
        self.outcome.clone()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Outcome {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let outcome = self.outcome.borrow().clone();
        outcome.unwrap_or_else(|| Outcome::Failed("the coordinator died".into()))
    }
}
