//! A job's life: claim the application, restore, run attempts until one ends it.
//!
//! Order of a start: look at the snapshot (a start that cannot work stops nobody),
//! claim the log, load what the log says, commit again what the restored checkpoint
//! had prepared, then run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use millrace_dataflow::sink::{Committable, Committer};
use millrace_dataflow::{CheckpointId, CommitPermit};
use millrace_state::manifest::SnapshotKind;
use millrace_state::{Claimed, Entry, EntryKind, LoadedSnapshot, Restored, StateError, log};
use parking_lot::RwLock;
use tracing::{error, info, warn};

use crate::attempt::Attempt;
use crate::checkpoints::Uploaded;
use crate::error::TaskError;
use crate::job::{Command, JobSpec, Outcome};
use crate::restart::RestartHistory;
use crate::restore;
use crate::topology::Topology;
use crate::view::{ExceptionEntry, JobStatus, JobView, RestoredView};

/// Why an attempt ended.
#[derive(Debug)]
pub(crate) enum End {
    Finished,
    Canceled,
    Fenced(String),
    /// Not to be tried again.
    Refused(String),
    Failed(Failure),
}

#[derive(Debug)]
pub(crate) struct Failure {
    /// The task's name, when it was a task's.
    pub task: Option<String>,
    pub message: String,
}

impl From<StateError> for End {
    fn from(error: StateError) -> End {
        if error.is_fenced() {
            return End::Fenced(error.to_string());
        }
        End::Failed(Failure { task: None, message: millrace_state::chain(&error) })
    }
}

impl From<TaskError> for End {
    fn from(error: TaskError) -> End {
        End::Failed(Failure { task: None, message: error.to_string() })
    }
}

/// A snapshot that a start may go on from.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub location: String,
    /// Its committables wait for the release of commits.
    pub held: bool,
}

/// By the sink's node.
pub(crate) type Committables = BTreeMap<usize, Vec<Committable>>;

pub(crate) struct Coordinator {
    pub spec: Arc<JobSpec>,
    pub topology: Arc<Topology>,
    pub view: Arc<RwLock<JobView>>,
    pub commands: Receiver<Command>,
    pub uploads: (Sender<Uploaded>, Receiver<Uploaded>),
    pub committers: BTreeMap<usize, Box<dyn Committer>>,
    pub max_parallelism: u16,
    /// What recovery restores: the newest visible checkpoint of this claim, or what
    /// the claim chose.
    pub base: Option<Base>,
    /// The last checkpoint id that was used.
    pub last_id: CheckpointId,
    pub holding: bool,
    /// Part of the newest visible checkpoint, and held back until the release.
    pub held: Committables,
    /// Prepared since; the next completed checkpoint makes it visible.
    pub uncommitted: Committables,
    pub attempt: u32,
    restarts: RestartHistory,
}

impl Coordinator {
    pub fn new(
        spec: JobSpec,
        view: Arc<RwLock<JobView>>,
        commands: Receiver<Command>,
    ) -> Coordinator {
        let topology = Arc::new(Topology::of(&spec.graph, spec.parallelism));
        let holding = spec.hold_commits;
        view.write().holding_commits = holding;
        Coordinator {
            spec: Arc::new(spec),
            topology,
            view,
            commands,
            uploads: unbounded(),
            committers: BTreeMap::new(),
            max_parallelism: 0,
            base: None,
            last_id: CheckpointId(0),
            holding,
            held: BTreeMap::new(),
            uncommitted: BTreeMap::new(),
            attempt: 0,
            restarts: RestartHistory::default(),
        }
    }

    pub fn run(mut self) -> Outcome {
        let outcome = match self.claim() {
            Ok((mut claimed, loaded)) => self.attempts(&mut claimed, loaded),
            Err(end) => self.close(end),
        };
        let text = outcome_text(&outcome);
        info!(application = %self.spec.application, generation = %self.spec.generation, "job {text}");
        outcome
    }

    /// Looks, then claims, then loads.
    fn claim(&mut self) -> Result<(Claimed, Option<Arc<LoadedSnapshot>>), End> {
        if self.spec.graph.nodes.is_empty() {
            return Err(End::Refused(
                "the script has no INSERT and no SELECT: nothing runs".into(),
            ));
        }
        let preview = self.preview()?;
        let now = self.spec.clock.now_ms();
        let spec = Arc::clone(&self.spec);
        let mut claimed =
            spec.io.block_on(spec.store.claim(spec.generation, &spec.restore, now))?;
        info!(generation = %spec.generation, entry = claimed.sequence, restores = ?claimed.restores, "claimed the application");
        self.base = base_of(&claimed.restores);
        let loaded = match (&self.base, preview) {
            (None, _) => None,
            (Some(base), Some(seen)) if same_place(&seen.location, &base.location) => Some(seen),
            (Some(base), _) => Some(self.load(&base.location.clone())?),
        };
        if let (Some(base), Some(loaded)) = (&mut self.base, &loaded)
            && matches!(claimed.restores, Restored::Snapshot { .. })
        {
            base.held = loaded.manifest.held;
        }
        let restored_id = loaded.as_ref().map_or(0, |loaded| loaded.manifest.checkpoint.0);
        self.last_id = CheckpointId(claimed.last_checkpoint.0.max(restored_id));
        claimed.last_checkpoint = self.last_id;
        Ok((claimed, loaded))
    }

    /// Loads what the start will most likely restore, before the claim fences whoever
    /// runs now.
    fn preview(&mut self) -> Result<Option<Arc<LoadedSnapshot>>, End> {
        let entries = self.spec.io.block_on(self.spec.store.entries())?;
        let restored = log::resolve(&entries, &self.spec.restore);
        let location = base_of(&restored).map(|base| base.location);
        let Some(location) = location else { return self.fit(None).map(|()| None) };
        let is_named = matches!(restored, Restored::Snapshot { .. });
        match self.read(&location) {
            // A running engine may be retiring it right now; the claim will tell.
            Err(StateError::NoSnapshot { .. } | StateError::Damaged { .. }) if !is_named => {
                Ok(None)
            }
            read => self.accept(read).map(Some),
        }
    }

    fn load(&mut self, location: &str) -> Result<Arc<LoadedSnapshot>, End> {
        let read = self.read(location);
        self.accept(read)
    }

    fn read(&self, location: &str) -> Result<LoadedSnapshot, StateError> {
        let spec = &self.spec;
        spec.io.block_on(spec.store.load(location, spec.restore.reads(spec.graph.level)))
    }

    fn accept(
        &mut self,
        read: Result<LoadedSnapshot, StateError>,
    ) -> Result<Arc<LoadedSnapshot>, End> {
        let loaded = read.map_err(|error| match error {
            StateError::Store { .. } => End::from(error),
            refused => End::Refused(millrace_state::chain(&refused)),
        })?;
        self.fit(Some(&loaded))?;
        Ok(Arc::new(loaded))
    }

    /// Refuses a snapshot that does not fit the graph.
    fn fit(&mut self, loaded: Option<&LoadedSnapshot>) -> Result<(), End> {
        let refused = |error: restore::DoesNotFit| End::Refused(error.to_string());
        if let Some(loaded) = loaded {
            let verdicts = restore::verdicts(&self.spec.graph, &loaded.manifest);
            restore::check(&verdicts, self.spec.allow_non_restored_state).map_err(refused)?;
        }
        let greatest = self.topology.chains.iter().map(|chain| chain.parallelism).max();
        let groups = restore::max_parallelism(
            self.spec.settings.max_parallelism,
            greatest.unwrap_or(1),
            loaded.map(|loaded| loaded.manifest.max_parallelism),
        );
        self.max_parallelism = groups.map_err(refused)?;
        self.view.write().max_parallelism = self.max_parallelism;
        Ok(())
    }

    fn attempts(
        &mut self,
        claimed: &mut Claimed,
        mut loaded: Option<Arc<LoadedSnapshot>>,
    ) -> Outcome {
        loop {
            let end = match self.run_attempt(claimed, loaded.take()) {
                Ok(end) | Err(end) => end,
            };
            let End::Failed(failure) = end else { return self.close(end) };
            let Some(delay) = self.note_failure(&failure) else {
                return self.close(End::Refused(failure.message));
            };
            if let Some(outcome) = self.wait_before_restart(delay) {
                return outcome;
            }
            match self.recover(claimed) {
                Ok(snapshot) => loaded = snapshot,
                Err(End::Failed(failure)) => {
                    // The next attempt fails at once, and the strategy decides.
                    warn!(error = failure.message, "cannot restore");
                    loaded = None;
                    if let Some(outcome) = self.retry_recovery(claimed, &mut loaded, failure) {
                        return outcome;
                    }
                }
                Err(end) => return self.close(end),
            }
        }
    }

    /// Goes on trying to restore as the restart strategy says.
    fn retry_recovery(
        &mut self,
        claimed: &mut Claimed,
        loaded: &mut Option<Arc<LoadedSnapshot>>,
        mut failure: Failure,
    ) -> Option<Outcome> {
        loop {
            let Some(delay) = self.note_failure(&failure) else {
                return Some(self.close(End::Refused(failure.message)));
            };
            if let Some(outcome) = self.wait_before_restart(delay) {
                return Some(outcome);
            }
            match self.recover(claimed) {
                Ok(snapshot) => {
                    *loaded = snapshot;
                    return None;
                }
                Err(End::Failed(again)) => failure = again,
                Err(end) => return Some(self.close(end)),
            }
        }
    }

    /// What the next attempt starts from, by the log.
    fn recover(&mut self, claimed: &mut Claimed) -> Result<Option<Arc<LoadedSnapshot>>, End> {
        let spec = Arc::clone(&self.spec);
        if let Some(entry) = spec.io.block_on(spec.store.catch_up(claimed))? {
            self.adopt(&entry);
        }
        match self.base.clone() {
            None => self.fit(None).map(|()| None),
            Some(base) => self.load(&base.location).map(Some),
        }
    }

    fn adopt(&mut self, entry: &Entry) {
        if let EntryKind::Checkpoint { checkpoint, location, held, .. } = &entry.kind {
            self.base = Some(Base { location: location.clone(), held: *held });
            self.last_id = CheckpointId(self.last_id.0.max(checkpoint.0));
        }
    }

    fn run_attempt(
        &mut self,
        claimed: &mut Claimed,
        loaded: Option<Arc<LoadedSnapshot>>,
    ) -> Result<End, End> {
        // 65536 attempts a claim: two claims of one generation share no name.
        let writer_attempt = (claimed.earlier_claims << 16) | (self.attempt & 0xffff);
        self.open_sinks(claimed, loaded.as_deref(), writer_attempt)?;
        self.note_restored(loaded.as_deref());
        let mut attempt = Attempt::start(self, claimed, loaded, writer_attempt)?;
        let end = attempt.run();
        attempt.close();
        self.attempt += 1;
        Ok(end)
    }

    /// Makes visible what the restored checkpoint had prepared, or keeps it when its
    /// commits are held and still are; then removes what nobody will commit.
    fn open_sinks(
        &mut self,
        claimed: &Claimed,
        loaded: Option<&LoadedSnapshot>,
        writer_attempt: u32,
    ) -> Result<(), End> {
        self.held.clear();
        self.uncommitted.clear();
        let spec = Arc::clone(&self.spec);
        for (node, sink) in &spec.connections.sinks {
            let name = &spec.graph.nodes[*node].name;
            let committer = sink.create_committer();
            let committer = committer.map_err(|error| TaskError::from_error(name, &error))?;
            self.committers.insert(*node, committer);
        }
        let Some(loaded) = loaded else { return self.clean_up(writer_attempt) };
        let restored: Committables = spec
            .connections
            .sinks
            .keys()
            .filter_map(|node| {
                let state = loaded.operator(&spec.graph.nodes[*node].id)?;
                Some((*node, state.sink.as_ref()?.committables.clone()))
            })
            .collect();
        if self.holding && self.base.as_ref().is_some_and(|base| base.held) {
            self.held = restored;
            return Ok(());
        }
        let checkpoint = loaded.manifest.checkpoint;
        let permit = spec.io.block_on(spec.store.confirm(claimed, checkpoint))?;
        self.commit(&permit, restored)?;
        self.clean_up(writer_attempt)
    }

    pub fn commit(&mut self, permit: &CommitPermit, wanted: Committables) -> Result<(), End> {
        for (node, committables) in wanted {
            if committables.is_empty() {
                continue;
            }
            let Some(committer) = self.committers.get_mut(&node) else { continue };
            committer.commit(permit, &committables).map_err(|error| {
                TaskError::from_error(&self.spec.graph.nodes[node].name, &error)
            })?;
        }
        Ok(())
    }

    /// Not while something waits for its release: that looks like left-overs too.
    pub fn clean_up(&mut self, writer_attempt: u32) -> Result<(), End> {
        if self.holding {
            return Ok(());
        }
        for (node, sink) in &self.spec.connections.sinks {
            sink.clean_up(self.spec.generation, writer_attempt).map_err(|error| {
                TaskError::from_error(&self.spec.graph.nodes[*node].name, &error)
            })?;
        }
        Ok(())
    }

    fn note_restored(&self, loaded: Option<&LoadedSnapshot>) {
        let Some(loaded) = loaded else { return };
        let mut view = self.view.write();
        view.checkpoints.restored_count += 1;
        view.checkpoints.restored = Some(RestoredView {
            checkpoint: loaded.manifest.checkpoint.0,
            location: loaded.location.clone(),
            savepoint: loaded.manifest.kind == SnapshotKind::Savepoint,
            at_ms: self.spec.clock.now_ms(),
        });
    }

    /// Notes a failure; the delay before the next attempt, if there is one.
    fn note_failure(&mut self, failure: &Failure) -> Option<i64> {
        let now = self.spec.clock.now_ms();
        error!(
            application = %self.spec.application, generation = %self.spec.generation,
            task = failure.task.as_deref().unwrap_or("-"), error = failure.message, "job failed"
        );
        let random = (self.spec.random)();
        let delay = self.restarts.on_failure(&self.spec.settings.restart, now, random);
        let mut view = self.view.write();
        let (task, message) = (failure.task.clone(), failure.message.clone());
        let keep = self.spec.settings.exception_history;
        view.fail(ExceptionEntry { message, task, at_ms: now }, keep);
        if delay.is_some() {
            view.restarts += 1;
            view.enter(JobStatus::Restarting, now);
        }
        delay
    }

    /// `Some` when the job was cancelled meanwhile.
    fn wait_before_restart(&mut self, delay_ms: i64) -> Option<Outcome> {
        let deadline = self.spec.clock.monotonic_ms() + delay_ms;
        loop {
            let left = deadline - self.spec.clock.monotonic_ms();
            if left <= 0 {
                return None;
            }
            match self.commands.recv_timeout(Duration::from_millis(left as u64)) {
                Ok(Command::Cancel) => return Some(self.close(End::Canceled)),
                Ok(command) => {
                    refuse(command, "the job is restarting; try again once it is running")
                }
                Err(RecvTimeoutError::Timeout) => return None,
                // Nobody can reach the job any more: its owner is gone.
                Err(RecvTimeoutError::Disconnected) => return Some(self.close(End::Canceled)),
            }
        }
    }

    fn close(&mut self, end: End) -> Outcome {
        let now = self.spec.clock.now_ms();
        let (status, outcome) = match end {
            End::Finished => (JobStatus::Finished, Outcome::Finished),
            End::Canceled => (JobStatus::Canceled, Outcome::Canceled),
            End::Fenced(message) => (JobStatus::Failed, Outcome::Fenced(message)),
            End::Refused(message) | End::Failed(Failure { message, .. }) => {
                (JobStatus::Failed, Outcome::Failed(message))
            }
        };
        let mut view = self.view.write();
        if let Outcome::Failed(message) | Outcome::Fenced(message) = &outcome
            && view.exceptions.front().is_none_or(|last| last.message != *message)
        {
            let message = message.clone();
            let keep = self.spec.settings.exception_history;
            view.fail(ExceptionEntry { message, task: None, at_ms: now }, keep);
        }
        view.enter(status, now);
        drop(view);
        outcome
    }
}

/// Answers all commands that a job has left behind.
pub(crate) fn refuse_all(commands: &Receiver<Command>) {
    commands.try_iter().for_each(|command| refuse(command, "the job has ended"));
}

/// Answers a command that cannot be followed.
pub(crate) fn refuse(command: Command, why: &str) {
    match command {
        Command::Savepoint { reply, .. }
        | Command::Checkpoint { reply }
        | Command::Stop { reply, .. }
        | Command::ReleaseCommits { reply } => {
            // Whoever asked may have given up.
            let _ = reply.send(Err(why.to_owned()));
        }
        Command::Cancel => {}
    }
}

fn base_of(restored: &Restored) -> Option<Base> {
    match restored {
        Restored::None => None,
        Restored::Checkpoint { location, held, .. } => {
            Some(Base { location: location.clone(), held: *held })
        }
        // Whether it was held is in its manifest.
        Restored::Snapshot { location } => Some(Base { location: location.clone(), held: false }),
    }
}

fn same_place(one: &str, other: &str) -> bool {
    match (millrace_state::location::parse(one), millrace_state::location::parse(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Finished => "finished".into(),
        Outcome::Canceled => "was cancelled".into(),
        Outcome::Failed(message) => format!("failed: {message}"),
        Outcome::Fenced(message) => format!("was fenced: {message}"),
    }
}
