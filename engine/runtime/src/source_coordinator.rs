//! The coordinator's side of a source: finds splits and hands each to one reader.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::Sender;
use millrace_dataflow::Barrier;
use millrace_dataflow::source::{Assignment, Boundedness, Source, SourceError, SplitEnumerator};
use millrace_state::manifest::{SourceState, SplitPosition};

use crate::task::SourceCommand;
use crate::wake::Wake;

/// The way to one subtask.
pub struct Commands {
    pub sender: Sender<SourceCommand>,
    pub wake: Arc<Wake>,
}

pub struct SourceCoordinator {
    pub node: usize,
    pub name: String,
    pub chain: usize,
    enumerator: Box<dyn SplitEnumerator>,
    assignment: Assignment,
    bounded: bool,
    interval_ms: Option<i64>,
    next_discovery_ms: Option<i64>,
    /// Found, or given back by a snapshot, and not yet with a reader.
    pending: VecDeque<SplitPosition>,
    waiting: VecDeque<u16>,
    next_subtask: usize,
    tasks: Vec<Commands>,
    no_more_told: bool,
}

impl SourceCoordinator {
    /// `tasks`: the subtasks' commands, in order.
    ///
    /// # Errors
    /// The enumerator does not take its restored state.
    pub fn new(
        (node, name, chain): (usize, String, usize),
        source: &dyn Source,
        restored: Option<&SourceState>,
        tasks: Vec<Commands>,
    ) -> Result<SourceCoordinator, SourceError> {
        let parallelism = tasks.len() as u16;
        let state = restored.map(|state| &state.enumerator);
        // What was being read goes first: it is the oldest.
        let pending = restored
            .map(|state| state.reading.iter().chain(&state.pending).cloned().collect())
            .unwrap_or_default();
        Ok(SourceCoordinator {
            node,
            name,
            chain,
            enumerator: source.create_enumerator(parallelism, state)?,
            assignment: source.assignment(),
            bounded: source.boundedness() == Boundedness::Bounded,
            interval_ms: source.discovery_interval().map(|every| every.as_millis().max(1) as i64),
            next_discovery_ms: Some(i64::MIN),
            pending,
            waiting: VecDeque::new(),
            next_subtask: 0,
            tasks,
            no_more_told: false,
        })
    }

    pub fn next_discovery_ms(&self) -> Option<i64> {
        self.next_discovery_ms
    }

    /// Looks for splits when it is time.
    ///
    /// # Errors
    /// The enumerator fails.
    pub fn discover_when_due(&mut self, now_ms: i64) -> Result<(), SourceError> {
        if self.next_discovery_ms.is_none_or(|due| due > now_ms) {
            return Ok(());
        }
        let found = self.enumerator.discover()?;
        let positions = found.into_iter().map(|split| SplitPosition { split, watermark_ms: None });
        self.pending.extend(positions);
        self.next_discovery_ms = self.interval_ms.map(|every| now_ms + every);
        self.hand_out();
        Ok(())
    }

    pub fn split_wanted(&mut self, subtask: u16) {
        self.waiting.push_back(subtask);
        if self.pending.is_empty() && !self.is_done() {
            self.tell(subtask, SourceCommand::NoSplitYet);
        }
        self.hand_out();
    }

    /// What a checkpoint holds of the source beside its readers' splits. The trigger
    /// goes to the subtasks right after, so that every split handed out before is
    /// with its reader when the barrier is.
    pub fn snapshot(&self) -> SourceState {
        SourceState {
            enumerator: self.enumerator.snapshot(),
            pending: self.pending.iter().cloned().collect(),
            reading: vec![],
            watermark_ms: None,
        }
    }

    pub fn trigger(&self, barrier: Barrier) {
        for subtask in 0..self.tasks.len() {
            self.tell(subtask as u16, SourceCommand::Trigger(barrier));
        }
    }

    fn hand_out(&mut self) {
        match self.assignment {
            Assignment::Eager => self.hand_out_evenly(),
            Assignment::OnDemand => self.hand_out_on_demand(),
        }
    }

    fn hand_out_evenly(&mut self) {
        while let Some(position) = self.pending.pop_front() {
            let subtask = self.next_subtask % self.tasks.len();
            self.next_subtask += 1;
            self.give(subtask as u16, position);
        }
        let command = if self.is_done() {
            || SourceCommand::NoMoreSplits
        } else {
            || SourceCommand::NoSplitYet
        };
        if self.is_done() && std::mem::replace(&mut self.no_more_told, true) {
            return;
        }
        for subtask in 0..self.tasks.len() {
            self.tell(subtask as u16, command());
        }
    }

    fn hand_out_on_demand(&mut self) {
        while !self.pending.is_empty()
            && let Some(subtask) = self.waiting.pop_front()
            && let Some(position) = self.pending.pop_front()
        {
            self.give(subtask, position);
        }
        if self.pending.is_empty() && self.is_done() {
            for subtask in std::mem::take(&mut self.waiting) {
                self.tell(subtask, SourceCommand::NoMoreSplits);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.bounded && self.next_discovery_ms.is_none()
    }

    fn give(&self, subtask: u16, position: SplitPosition) {
        let SplitPosition { split, watermark_ms } = position;
        self.tell(subtask, SourceCommand::AddSplit { split, watermark_ms });
    }

    // A subtask that is gone has reported why, or will.
    fn tell(&self, subtask: u16, command: SourceCommand) {
        let task = &self.tasks[usize::from(subtask)];
        let _ = task.sender.send(command);
        task.wake.wake();
    }
}
