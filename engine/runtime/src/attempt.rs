//! One attempt's event loop: tasks' reports, commands, timers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::select;
use millrace_state::{Claimed, LoadedSnapshot};
use tracing::info;

use crate::backend::Backend;
use crate::checkpoints::{Checkpoints, Request};
use crate::coordinator::{Coordinator, End, Failure, refuse};
use crate::error::TaskError;
use crate::execution::{AttemptSpec, Execution};
use crate::job::{Command, Reply};
use crate::lookup::LookupTables;
use crate::task::{TaskEvent, TaskId};
use crate::topology::Topology;
use crate::view::{JobStatus, VertexView};

/// The longest wait without a look at the timers.
const MAX_WAIT_MS: i64 = 1_000;

pub(crate) struct Attempt<'a> {
    pub job: &'a mut Coordinator,
    pub claimed: &'a mut Claimed,
    pub execution: Execution,
    pub writer_attempt: u32,
    pub checkpoints: Checkpoints,
    /// Its working directory stays as long as the attempt.
    _backend: Arc<Backend>,
    pub running: BTreeSet<TaskId>,
    exhausted: BTreeSet<TaskId>,
    ended: BTreeSet<TaskId>,
    sources: usize,
}

impl<'a> Attempt<'a> {
    pub fn start(
        job: &'a mut Coordinator,
        claimed: &'a mut Claimed,
        restored: Option<Arc<LoadedSnapshot>>,
        writer_attempt: u32,
    ) -> Result<Attempt<'a>, End> {
        let now = job.spec.clock.now_ms();
        let settings = &job.spec.settings.backend;
        let has_runs = restored.as_ref().is_some_and(|loaded| !loaded.manifest.runs.is_empty());
        let (id, claim) = (&job.spec.id, claimed.sequence);
        let backend = Backend::start(settings, id, claim, job.attempt, has_runs);
        let backend = backend.map(Arc::new).map_err(|error| {
            let message = format!(
                "cannot make a working directory for state (state.backend.rocksdb.localdir): {error}"
            );
            End::Failed(Failure { task: None, message })
        })?;
        let spec = AttemptSpec {
            backend: Arc::clone(&backend),
            spec: Arc::clone(&job.spec),
            topology: Arc::clone(&job.topology),
            max_parallelism: job.max_parallelism,
            writer_attempt,
            restored,
            lookups: LookupTables::default(),
        };
        let execution = Execution::start(spec, now)?;
        job.view.write().vertices = vertices(job, &execution, now);
        let chains = execution.sources.iter().map(|source| source.chain);
        let sources = chains.map(|chain| usize::from(job.topology.chains[chain].parallelism)).sum();
        Ok(Attempt {
            job,
            claimed,
            execution,
            writer_attempt,
            checkpoints: Checkpoints::default(),
            _backend: backend,
            running: BTreeSet::new(),
            exhausted: BTreeSet::new(),
            ended: BTreeSet::new(),
            sources,
        })
    }

    pub fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.step() {
                return end;
            }
        }
    }

    /// Ends the threads, and answers whoever still waits.
    pub fn close(mut self) {
        self.execution.cancel();
        self.abandon_checkpoints();
    }

    fn step(&mut self) -> Result<(), End> {
        let now = self.job.spec.clock.monotonic_ns();
        self.execution.metrics.iter().flatten().for_each(|subtask| subtask.sample(now));
        self.look_for_splits()?;
        self.drive_checkpoints()?;
        if self.is_finished() {
            return Err(End::Finished);
        }
        let wait = Duration::from_millis(self.next_wait_ms() as u64);
        select! {
            recv(self.execution.events) -> event => match event {
                Ok(event) => self.on_event(event),
                Err(_) => Err(End::Failed(Failure { task: None, message: "all tasks are gone".into() })),
            },
            recv(self.job.commands) -> command => match command {
                Ok(command) => self.on_command(command),
                // Its owner is gone.
                Err(_) => Err(End::Canceled),
            },
            recv(self.job.uploads.1) -> uploaded => match uploaded {
                Ok(uploaded) => self.on_uploaded(uploaded),
                Err(_) => Ok(()),
            },
            default(wait) => Ok(()),
        }
    }

    fn on_event(&mut self, event: TaskEvent) -> Result<(), End> {
        match event {
            TaskEvent::Running(task) => self.on_running(task),
            TaskEvent::SplitWanted { node, subtask } => {
                let sources = &mut self.execution.sources;
                if let Some(source) = sources.iter_mut().find(|source| source.node == node) {
                    source.split_wanted(subtask);
                }
            }
            TaskEvent::Exhausted(task) => {
                self.exhausted.insert(task);
            }
            TaskEvent::Acknowledged { task, checkpoint, snapshots, alignment } => {
                return self.on_acknowledged(task, checkpoint, snapshots, alignment);
            }
            TaskEvent::Ended(task) => {
                self.ended.insert(task);
            }
            TaskEvent::Failed { task, error } => return Err(self.task_failed(task, &error)),
        }
        Ok(())
    }

    fn on_running(&mut self, task: TaskId) {
        self.running.insert(task);
        if self.is_running() {
            let now = self.job.spec.clock.now_ms();
            self.job.view.write().enter(JobStatus::Running, now);
            info!(tasks = self.running.len(), attempt = self.job.attempt, "job is running");
        }
    }

    fn task_failed(&self, task: TaskId, error: &TaskError) -> End {
        let chain = &self.job.topology.chains[task.chain];
        let name = self.job.topology.chain_name(&self.job.spec.graph, task.chain);
        let place = format!("{name} ({}/{})", task.subtask + 1, chain.parallelism);
        End::Failed(Failure { task: Some(place), message: error.to_string() })
    }

    fn on_command(&mut self, command: Command) -> Result<(), End> {
        if self.checkpoints.is_last_done()
            && !matches!(command, Command::Cancel | Command::ReleaseCommits { .. })
        {
            refuse(command, "the job has come to its end");
            return Ok(());
        }
        match command {
            Command::Cancel => return Err(End::Canceled),
            Command::Savepoint { target, level, reply } => {
                self.request(Request::savepoint(target, level, reply));
            }
            Command::Checkpoint { reply } => self.request(Request::checkpoint(reply)),
            Command::Stop { target, drain, level, reply } => {
                self.request(Request::stop(target, drain, level, reply));
            }
            Command::ReleaseCommits { reply } => return self.on_release(reply),
        }
        Ok(())
    }

    fn on_release(&mut self, reply: Reply) -> Result<(), End> {
        let released = self.release_commits();
        let answer = match &released {
            Ok(()) => Ok("commits are released".to_owned()),
            Err(End::Failed(failure)) => Err(failure.message.clone()),
            Err(End::Fenced(message) | End::Refused(message)) => Err(message.clone()),
            Err(_) => Err("the job has ended".into()),
        };
        let _ = reply.send(answer);
        released
    }

    fn look_for_splits(&mut self) -> Result<(), End> {
        let now = self.job.spec.clock.now_ms();
        for source in &mut self.execution.sources {
            source
                .discover_when_due(now)
                .map_err(|error| TaskError::from_error(&source.name, &error))?;
        }
        Ok(())
    }

    pub fn is_running(&self) -> bool {
        self.running.len() == self.execution.tasks.len()
    }

    /// Every source has given all its rows.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted.len() == self.sources
    }

    /// The last barrier's checkpoint is visible, all tasks have ended, and nothing
    /// waits for its release.
    fn is_finished(&self) -> bool {
        self.checkpoints.is_last_done()
            && self.ended.len() == self.execution.tasks.len()
            && (!self.job.holding || self.checkpoints.is_stopped())
    }

    fn next_wait_ms(&self) -> i64 {
        let now = self.job.spec.clock.now_ms();
        let discoveries = self.execution.sources.iter().filter_map(|s| s.next_discovery_ms());
        let discovery = discoveries.min().map_or(MAX_WAIT_MS, |due| due.saturating_sub(now));
        discovery.min(self.checkpoint_wait_ms()).clamp(0, MAX_WAIT_MS)
    }
}

fn vertices(job: &Coordinator, execution: &Execution, now_ms: i64) -> Vec<VertexView> {
    let (graph, topology): (_, &Topology) = (&job.spec.graph, &job.topology);
    let vertex = |(index, chain): (usize, &crate::topology::Chain)| VertexView {
        id: graph.nodes[chain.nodes[0]].id.clone(),
        name: topology.chain_name(graph, index),
        parallelism: chain.parallelism,
        started_at_ms: now_ms,
        attempt: job.attempt,
        subtasks: execution.metrics[index].clone(),
        inputs: graph
            .edges
            .iter()
            .filter(|edge| topology.chain_of[edge.to] == index && !topology.is_chained(edge))
            .map(|edge| (topology.chain_of[edge.from], ship_strategy(edge)))
            .collect(),
    };
    topology.chains.iter().enumerate().map(vertex).collect()
}

fn ship_strategy(edge: &millrace_dataflow::graph::Edge) -> &'static str {
    use millrace_dataflow::graph::Exchange;
    match edge.exchange {
        Exchange::Forward => "FORWARD",
        Exchange::Hash(_) => "HASH",
        Exchange::Global => "GLOBAL",
        Exchange::Rebalance => "REBALANCE",
    }
}
