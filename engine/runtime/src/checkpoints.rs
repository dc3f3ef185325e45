//! The checkpoints of one attempt: trigger, gather, write, publish, commit.
//!
//! One is under way at a time. It is triggered when the job has just come to run
//! (so that its health shows at once), then every interval; savepoints wait their
//! turn. Its state is written off the tasks' threads, and the tasks go on meanwhile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use millrace_dataflow::graph::Operator;
use millrace_dataflow::{Barrier, BarrierKind, CheckpointId, OperatorId, RuntimeLevel};
use millrace_state::manifest::{SinkState, SourceState};
use millrace_state::store::{NewCheckpoint, Written};
use millrace_state::write::{OperatorContent, SnapshotContent};
use millrace_state::{SnapshotKind, StateError};
use tracing::{debug, info, warn};

use crate::attempt::Attempt;
use crate::chain::{NodeSnapshot, ReaderSnapshot};
use crate::coordinator::{Base, End, Failure};
use crate::in_flight::{self, AlignmentReport, ChannelRecord};
use crate::job::Reply;
use crate::restore::state_layout;
use crate::task::TaskId;
use crate::view::{AlignmentView, CheckpointRecord, CheckpointState, SubtaskCheckpoint};

/// A checkpoint that someone asked for.
pub(crate) struct Request {
    kind: BarrierKind,
    target: Option<String>,
    /// The level whose format to write; `None`: the job's own.
    level: Option<RuntimeLevel>,
    reply: Option<Reply>,
}

impl Request {
    pub fn savepoint(target: Option<String>, level: Option<RuntimeLevel>, reply: Reply) -> Request {
        Request { kind: BarrierKind::Savepoint, target, level, reply: Some(reply) }
    }

    pub fn checkpoint(reply: Reply) -> Request {
        Request { reply: Some(reply), ..Request::engine(BarrierKind::Checkpoint) }
    }

    pub fn stop(
        target: Option<String>,
        drain: bool,
        level: Option<RuntimeLevel>,
        reply: Reply,
    ) -> Request {
        let kind = BarrierKind::StopWithSavepoint { drain };
        Request { kind, target, level, reply: Some(reply) }
    }

    fn engine(kind: BarrierKind) -> Request {
        Request { kind, target: None, level: None, reply: None }
    }

    fn is_savepoint(&self) -> bool {
        matches!(self.kind, BarrierKind::Savepoint | BarrierKind::StopWithSavepoint { .. })
    }

    fn is_last(&self) -> bool {
        crate::chain::ends_task(self.kind)
    }

    fn answer(&mut self, answer: Result<String, String>) {
        if let Some(reply) = self.reply.take() {
            // Whoever asked may have given up.
            let _ = reply.send(answer);
        }
    }
}

/// What came of writing a snapshot.
#[derive(Debug)]
pub(crate) struct Uploaded {
    id: CheckpointId,
    /// Location, and what was written.
    result: Result<(String, Written), StateError>,
}

/// The checkpoint under way.
struct InFlight {
    id: CheckpointId,
    request: Request,
    deadline_ms: i64,
    missing: BTreeSet<TaskId>,
    gathered: Vec<(TaskId, NodeSnapshot)>,
    sources: BTreeMap<usize, SourceState>,
    /// By receiving subtask.
    in_flight: Vec<(u16, ChannelRecord)>,
    /// Monotonic milliseconds of the last acknowledgement.
    acknowledged_at_ms: i64,
}

#[derive(Default)]
pub(crate) struct Checkpoints {
    requests: VecDeque<Request>,
    flight: Option<InFlight>,
    /// Monotonic milliseconds of the next periodic one; `None` before the first.
    next_periodic_ms: Option<i64>,
    consecutive_failures: u32,
    last_triggered: Option<BarrierKind>,
    last_done: bool,
}

impl Checkpoints {
    /// The checkpoint after which the tasks end is visible.
    pub fn is_last_done(&self) -> bool {
        self.last_done
    }

    /// It was a stop, which does not wait for a release.
    pub fn is_stopped(&self) -> bool {
        matches!(self.last_triggered, Some(BarrierKind::StopWithSavepoint { .. }))
    }
}

impl Attempt<'_> {
    pub fn request(&mut self, request: Request) {
        self.checkpoints.requests.push_back(request);
    }

    /// Triggers what is due, and gives up what takes too long.
    pub fn drive_checkpoints(&mut self) -> Result<(), End> {
        let now = self.job.spec.clock.monotonic_ms();
        if let Some(flight) = &self.checkpoints.flight {
            if now >= flight.deadline_ms {
                return self.give_up("Checkpoint expired before completing.".into());
            }
            return Ok(());
        }
        if !self.is_running() || self.checkpoints.last_triggered.is_some() {
            return Ok(());
        }
        if let Some(request) = self.next_request(now) {
            self.trigger(request, now);
        }
        Ok(())
    }

    fn next_request(&mut self, now_ms: i64) -> Option<Request> {
        if let Some(request) = self.checkpoints.requests.pop_front() {
            return Some(request);
        }
        if self.is_exhausted() {
            return Some(Request::engine(BarrierKind::Final));
        }
        self.job.spec.settings.checkpoint_interval_ms?;
        let due = self.checkpoints.next_periodic_ms.is_none_or(|due| due <= now_ms);
        due.then(|| Request::engine(BarrierKind::Checkpoint))
    }

    pub fn checkpoint_wait_ms(&self) -> i64 {
        let now = self.job.spec.clock.monotonic_ms();
        let due = match &self.checkpoints.flight {
            Some(flight) => Some(flight.deadline_ms),
            None if self.is_running()
                && self.job.spec.settings.checkpoint_interval_ms.is_some() =>
            {
                self.checkpoints.next_periodic_ms
            }
            None => None,
        };
        due.map_or(i64::MAX, |due| due.saturating_sub(now))
    }

    fn trigger(&mut self, request: Request, now_ms: i64) {
        let settings = &self.job.spec.settings;
        let id = CheckpointId(self.job.last_id.0 + 1);
        self.job.last_id = id;
        let overtakes_at_ns = self.overtakes_at_ns(request.kind);
        let barrier = Barrier { checkpoint: id, kind: request.kind, overtakes_at_ns };
        if let Some(interval) = settings.checkpoint_interval_ms {
            self.checkpoints.next_periodic_ms = Some(now_ms + interval);
        }
        if request.is_last() {
            self.checkpoints.last_triggered = Some(request.kind);
        }
        self.note_begin(id, &request);
        // Enumerators first: a split handed out before is with its reader by then.
        let sources = self.execution.sources.iter().map(|s| (s.node, s.snapshot())).collect();
        for source in &self.execution.sources {
            source.trigger(barrier);
        }
        debug!(checkpoint = %id, kind = ?request.kind, "triggered");
        self.checkpoints.flight = Some(InFlight {
            id,
            request,
            deadline_ms: now_ms.saturating_add(settings.checkpoint_timeout_ms),
            missing: self.execution.tasks.iter().copied().collect(),
            gathered: vec![],
            sources,
            in_flight: vec![],
            acknowledged_at_ms: now_ms,
        });
    }

    /// Only what is for recovery may hold rows in flight: savepoints are for other jobs,
    /// too, and after a last barrier nothing flows (Flink: both are always aligned).
    fn overtakes_at_ns(&self, kind: BarrierKind) -> Option<u64> {
        let after_ms = self.job.spec.settings.overtake_after_ms?;
        let now = self.job.spec.clock.monotonic_ns();
        (kind == BarrierKind::Checkpoint)
            .then(|| now.saturating_add(after_ms.unsigned_abs().saturating_mul(1_000_000)))
    }

    fn note_begin(&self, id: CheckpointId, request: &Request) {
        let record = CheckpointRecord {
            id: id.0,
            state: CheckpointState::InProgress,
            savepoint: request.is_savepoint(),
            triggered_at_ms: self.job.spec.clock.now_ms(),
            ended_at_ms: None,
            bytes: 0,
            state_bytes: 0,
            sync_ms: 0,
            async_ms: 0,
            subtasks: self.execution.tasks.len(),
            acknowledged: 0,
            location: None,
            failure: None,
            alignment: AlignmentView::default(),
            acknowledgements: vec![],
        };
        self.job.view.write().checkpoints.begin(record);
    }

    /// A subtask's part. What its sinks prepared is kept even when the checkpoint was
    /// given up: the next one makes it visible.
    pub fn on_acknowledged(
        &mut self,
        task: TaskId,
        checkpoint: CheckpointId,
        mut snapshots: Vec<NodeSnapshot>,
        alignment: AlignmentReport,
    ) -> Result<(), End> {
        for snapshot in &mut snapshots {
            if let Some(sink) = &mut snapshot.sink {
                let kept = self.job.uncommitted.entry(snapshot.node).or_default();
                kept.append(&mut sink.committables);
            }
        }
        let Some(flight) = self.checkpoints.flight.as_mut().filter(|f| f.id == checkpoint) else {
            return Ok(());
        };
        if !flight.missing.remove(&task) {
            return Ok(());
        }
        if let Some(reason) = alignment.refused {
            return self.give_up(format!("task {}/{}: {reason}", task.chain, task.subtask));
        }
        let (seen, records) = (alignment_view(&alignment), alignment.records);
        let sync_ms = snapshots.iter().map(|snapshot| snapshot.sync_ns).sum::<u64>() / 1_000_000;
        flight.in_flight.extend(records.into_iter().map(|record| (task.subtask, record)));
        flight.gathered.extend(snapshots.into_iter().map(|snapshot| (task, snapshot)));
        let acknowledged = self.execution.tasks.len() - flight.missing.len();
        let all = flight.missing.is_empty();
        let acknowledgement = SubtaskCheckpoint {
            vertex: task.chain,
            subtask: task.subtask,
            acknowledged_at_ms: self.job.spec.clock.now_ms(),
            sync_ms,
            bytes: 0,
            state_bytes: 0,
            alignment: seen,
        };
        let mut view = self.job.view.write();
        view.checkpoints.update(checkpoint.0, |record| {
            record.acknowledged = acknowledged;
            record.sync_ms = record.sync_ms.max(sync_ms);
            record.alignment.add(seen);
            record.acknowledgements.push(acknowledgement);
        });
        drop(view);
        if all {
            self.upload();
        }
        Ok(())
    }

    /// Writes the snapshot elsewhere, and hears of it by [`Attempt::on_uploaded`].
    fn upload(&mut self) {
        let Some(flight) = &mut self.checkpoints.flight else { return };
        flight.acknowledged_at_ms = self.job.spec.clock.monotonic_ms();
        let gathered = std::mem::take(&mut flight.gathered);
        let sources = std::mem::take(&mut flight.sources);
        let (id, is_savepoint) = (flight.id, flight.request.is_savepoint());
        let target = flight.request.target.clone();
        let level = flight.request.level.unwrap_or(self.job.spec.graph.level);
        let in_flight = std::mem::take(&mut flight.in_flight);
        let (spec, topology) = (Arc::clone(&self.job.spec), Arc::clone(&self.job.topology));
        let mut content = self.content(id, is_savepoint, level, gathered, sources);
        let (store, claim) = (self.job.spec.store.clone(), self.claimed.sequence);
        let savepoints = self.job.spec.settings.savepoint_directory.clone();
        let answer = self.job.uploads.0.clone();
        self.job.spec.io.spawn(async move {
            let write = async {
                let location = match (is_savepoint, target, savepoints) {
                    (false, ..) => store.checkpoint_location(claim, id),
                    (true, Some(target), _) => {
                        store.savepoint_location(claim, id, Some(&target)).await?
                    }
                    (true, None, directory) => {
                        store.savepoint_location(claim, id, directory.as_deref()).await?
                    }
                };
                let gather = move || {
                    let parallelism = |node| topology.parallelism_of(node);
                    let rows = in_flight::contents(&spec.graph, parallelism, in_flight);
                    content.operators.extend(rows);
                    content
                };
                let content = tokio::task::spawn_blocking(gather).await;
                let content = content.expect("gathering does not panic");
                let written = store.write_content(&location, content).await?;
                Ok((location, written))
            };
            let result = write.await;
            // The coordinator may have ended.
            let _ = answer.send(Uploaded { id, result });
        });
    }

    fn content(
        &self,
        checkpoint: CheckpointId,
        is_savepoint: bool,
        level: RuntimeLevel,
        gathered: Vec<(TaskId, NodeSnapshot)>,
        sources: BTreeMap<usize, SourceState>,
    ) -> SnapshotContent {
        let spec = &self.job.spec;
        SnapshotContent {
            format: level.snapshot_format(),
            compress: spec.settings.compress,
            incremental: spec.settings.backend.incremental,
            application: spec.application.clone(),
            generation: spec.generation,
            checkpoint,
            kind: if is_savepoint { SnapshotKind::Savepoint } else { SnapshotKind::Checkpoint },
            created_at_ms: spec.clock.now_ms(),
            max_parallelism: self.job.max_parallelism,
            held: self.job.holding,
            operators: self.operators(gathered, sources),
        }
    }

    fn operators(
        &self,
        gathered: Vec<(TaskId, NodeSnapshot)>,
        mut sources: BTreeMap<usize, SourceState>,
    ) -> Vec<OperatorContent> {
        let mut by_node: BTreeMap<usize, Vec<(u16, NodeSnapshot)>> = BTreeMap::new();
        for (task, snapshot) in gathered {
            by_node.entry(snapshot.node).or_default().push((task.subtask, snapshot));
        }
        let mut operators = vec![];
        for (index, mut snapshots) in by_node {
            let node = &self.job.spec.graph.nodes[index];
            let Some(layout) = state_layout(node) else { continue };
            snapshots.sort_by_key(|(subtask, _)| *subtask);
            let source = sources.remove(&index).map(|state| {
                let readers = snapshots.iter_mut().filter_map(|(_, s)| s.source.take());
                with_readers(state, readers.collect())
            });
            let sink = self.sink_state(index, &mut snapshots);
            operators.push(OperatorContent {
                id: node.id.clone(),
                name: node.name.clone(),
                layout,
                state_ttl_ms: state_ttl_ms(&node.operator),
                parallelism: self.job.topology.parallelism_of(index),
                runs: snapshots
                    .iter_mut()
                    .filter_map(|(subtask, s)| Some((*subtask, s.runs.take()?)))
                    .collect(),
                subtasks: snapshots.into_iter().map(|(subtask, s)| (subtask, s.entries)).collect(),
                source,
                sink,
            });
        }
        operators
    }

    /// All writers' states, and all that waits to be committed.
    fn sink_state(&self, node: usize, snapshots: &mut [(u16, NodeSnapshot)]) -> Option<SinkState> {
        let mut writers = vec![];
        let mut is_sink = false;
        for sink in snapshots.iter_mut().filter_map(|(_, snapshot)| snapshot.sink.take()) {
            is_sink = true;
            writers.extend(sink.writers);
        }
        let waiting = [&self.job.held, &self.job.uncommitted];
        let waiting = waiting.into_iter().filter_map(|committables| committables.get(&node));
        let committables = waiting.flatten().cloned().collect();
        is_sink.then_some(SinkState { writers, committables })
    }

    pub fn on_uploaded(&mut self, uploaded: Uploaded) -> Result<(), End> {
        let Some(flight) = self.checkpoints.flight.take_if(|f| f.id == uploaded.id) else {
            self.forget(uploaded);
            return Ok(());
        };
        let async_ms = self.job.spec.clock.monotonic_ms() - flight.acknowledged_at_ms;
        self.job.view.write().checkpoints.update(uploaded.id.0, |record| {
            record.async_ms = async_ms.max(0) as u64;
        });
        match uploaded.result {
            Ok((location, written)) => self.publish(flight, location, written),
            Err(error) => {
                self.checkpoints.flight = Some(flight);
                self.give_up(millrace_state::chain(&error))
            }
        }
    }

    /// Files of a checkpoint that was given up while it was written.
    fn forget(&self, uploaded: Uploaded) {
        if let Ok((location, _)) = uploaded.result {
            let store = self.job.spec.store.clone();
            self.job.spec.io.spawn(async move {
                if let Err(error) = store.remove_snapshot(&location).await {
                    warn!(%error, location, "cannot remove a snapshot that was given up");
                }
            });
        }
    }

    /// The one conditional create, and what it permits.
    fn publish(
        &mut self,
        mut flight: InFlight,
        location: String,
        written: Written,
    ) -> Result<(), End> {
        let spec = Arc::clone(&self.job.spec);
        let new = NewCheckpoint {
            checkpoint: flight.id,
            savepoint: flight.request.is_savepoint(),
            location: location.clone(),
            held: self.job.holding,
        };
        let now = spec.clock.now_ms();
        let published = match spec.io.block_on(spec.store.publish(self.claimed, new, now)) {
            Ok(published) => published,
            Err(error) => {
                flight.request.answer(Err(millrace_state::chain(&error)));
                self.note_end(flight.id, Err(millrace_state::chain(&error)));
                return Err(error.into());
            }
        };
        self.job.base = Some(Base { location: location.clone(), held: self.job.holding });
        self.checkpoints.consecutive_failures = 0;
        let prepared = std::mem::take(&mut self.job.uncommitted);
        if self.job.holding {
            for (node, mut committables) in prepared {
                self.job.held.entry(node).or_default().append(&mut committables);
            }
        } else {
            if let Err(end) = self.job.commit(&published.permit, prepared) {
                flight.request.answer(Err("the savepoint is complete, but what it makes visible could not be committed; the job restarts from it".into()));
                return Err(end);
            }
            self.retire();
        }
        let Written { bytes, state_bytes, .. } = written;
        self.note_subtasks(flight.id, &written);
        self.note_end(flight.id, Ok((location.clone(), bytes, state_bytes)));
        let view = self.job.view.read();
        let record = view.checkpoints.history.iter().find(|record| record.id == flight.id.0);
        let (sync_ms, async_ms) = record.map_or((0, 0), |record| (record.sync_ms, record.async_ms));
        drop(view);
        info!(checkpoint = %flight.id, kind = ?flight.request.kind, bytes, state_bytes, sync_ms, async_ms, entry = published.sequence, "checkpoint completed");
        flight.request.answer(Ok(location));
        self.after_completed(&flight.request);
        Ok(())
    }

    fn after_completed(&mut self, request: &Request) {
        let settings = &self.job.spec.settings;
        if request.is_last() {
            self.checkpoints.last_done = true;
        } else if request.is_savepoint() {
            // Someone may delete the savepoint: recovery should not need it.
            self.checkpoints.next_periodic_ms = None;
        }
        let earliest = self.job.spec.clock.monotonic_ms() + settings.min_pause_ms;
        if let Some(next) = &mut self.checkpoints.next_periodic_ms {
            *next = (*next).max(earliest);
        }
    }

    /// Fails the checkpoint under way, and the job when that is once too often.
    fn give_up(&mut self, reason: String) -> Result<(), End> {
        let Some(mut flight) = self.checkpoints.flight.take() else { return Ok(()) };
        warn!(checkpoint = %flight.id, reason, "checkpoint failed");
        flight.request.answer(Err(reason.clone()));
        self.note_end(flight.id, Err(reason.clone()));
        let id = flight.id;
        let fail = |message: String| Err(End::Failed(Failure { task: None, message }));
        if flight.request.is_last() {
            // The tasks have ended or will: only a restart brings them back.
            return fail(format!("checkpoint {id}, the last of the job, failed: {reason}"));
        }
        if flight.request.is_savepoint() {
            return Ok(());
        }
        self.checkpoints.consecutive_failures += 1;
        if self.checkpoints.consecutive_failures > self.job.spec.settings.tolerable_failures {
            return fail(format!(
                "Exceeded checkpoint tolerable failure threshold. Checkpoint {id}: {reason}"
            ));
        }
        Ok(())
    }

    /// How much each subtask has in the snapshot, by its task.
    fn note_subtasks(&self, id: CheckpointId, written: &Written) {
        let nodes = self.job.spec.graph.nodes.iter().enumerate();
        let chain_of: BTreeMap<&OperatorId, usize> =
            nodes.map(|(index, node)| (&node.id, self.job.topology.chain_of[index])).collect();
        let mut view = self.job.view.write();
        view.checkpoints.update(id.0, |record| {
            for of in &written.subtasks {
                let chain = chain_of.get(&of.operator);
                let is_of = |task: &&mut SubtaskCheckpoint| {
                    Some(&task.vertex) == chain && task.subtask == of.subtask
                };
                if let Some(task) = record.acknowledgements.iter_mut().find(is_of) {
                    task.bytes += of.bytes;
                    task.state_bytes += of.state_bytes;
                }
            }
        });
    }

    fn note_end(&self, id: CheckpointId, result: Result<(String, u64, u64), String>) {
        let now = self.job.spec.clock.now_ms();
        self.job.view.write().checkpoints.end(id.0, result, now);
    }

    /// Removes old checkpoints in the background.
    fn retire(&self) {
        let (store, next) = (self.job.spec.store.clone(), self.claimed.next_sequence());
        let retained = self.job.spec.settings.retained;
        self.job.spec.io.spawn(async move {
            if let Err(error) = store.retire(next, retained).await {
                warn!(%error, "cannot remove old checkpoints; the next checkpoint tries again");
            }
        });
    }

    /// Ends the probation: one more entry for the newest checkpoint, not held, whose
    /// permit commits everything.
    pub fn release_commits(&mut self) -> Result<(), End> {
        if !self.job.holding {
            return Ok(());
        }
        let spec = Arc::clone(&self.job.spec);
        if let Some(base) = self.job.base.clone() {
            let checkpoint = CheckpointId(self.job.last_id.0 + 1);
            self.job.last_id = checkpoint;
            let location = base.location.clone();
            let new = NewCheckpoint { checkpoint, savepoint: false, location, held: false };
            let now = spec.clock.now_ms();
            let published = spec.io.block_on(spec.store.publish(self.claimed, new, now))?;
            self.job.base = Some(Base { held: false, ..base });
            self.end_probation();
            let held = std::mem::take(&mut self.job.held);
            self.job.commit(&published.permit, held)?;
        } else {
            self.end_probation();
        }
        self.job.clean_up(self.writer_attempt)
    }

    fn end_probation(&mut self) {
        info!("commits are released");
        self.job.holding = false;
        self.job.view.write().holding_commits = false;
        // What was prepared since becomes visible soon, too.
        self.checkpoints.next_periodic_ms = None;
    }

    /// Answers whoever waits for a checkpoint that will not come.
    pub fn abandon_checkpoints(&mut self) {
        let why = "the job ended or restarts before the savepoint was complete";
        let flight = self.checkpoints.flight.take();
        if let Some(mut flight) = flight {
            flight.request.answer(Err(why.into()));
            self.note_end(flight.id, Err(why.into()));
        }
        for mut request in std::mem::take(&mut self.checkpoints.requests) {
            request.answer(Err(why.into()));
        }
    }
}

fn alignment_view(report: &AlignmentReport) -> AlignmentView {
    AlignmentView {
        unaligned: report.unaligned,
        duration_ms: report.duration_ms,
        persisted_bytes: report.persisted as u64,
        processed_bytes: report.processed as u64,
    }
}

fn with_readers(mut state: SourceState, readers: Vec<ReaderSnapshot>) -> SourceState {
    // A subtask that never had a split says nothing about time.
    let said = readers.iter().filter(|r| r.watermark_ms.is_some() || !r.reading.is_empty());
    let least = said.map(|reader| reader.watermark_ms.unwrap_or(i64::MIN)).min();
    // The end of time is the end of this run's input, not of a later one's.
    state.watermark_ms = least.filter(|least| ![i64::MIN, i64::MAX].contains(least));
    state.reading = readers.into_iter().flat_map(|reader| reader.reading).collect();
    state
}

fn state_ttl_ms(operator: &Operator) -> i64 {
    match operator {
        Operator::GroupAggregate(aggregate) => aggregate.state_ttl_ms,
        Operator::Rank(rank) => rank.state_ttl_ms,
        Operator::Deduplicate(deduplicate) => deduplicate.state_ttl_ms,
        Operator::ChangelogNormalize(normalize) => normalize.state_ttl_ms,
        Operator::SinkMaterialize(materialize) => materialize.state_ttl_ms,
        _ => 0,
    }
}
