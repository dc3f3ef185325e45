//! The face between the task loop and an operator.
//!
//! Flow: the task calls `restore` once, then `on_batch`, `on_watermark` and
//! `on_processing_time` in any order, `flush` and `snapshot` between any two of them, and
//! `on_end` last. An operator never blocks and never reads a clock.

use std::sync::Arc;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use millrace_dataflow::{Batch, EvalError, Watermark};
use millrace_state::{Frozen, PageStore, RunSet};

use crate::lookup::LookupMetrics;
use crate::memory::{Account, StateBytes};

/// What an operator may know of where and when it runs.
#[derive(Clone, Copy, Debug)]
pub struct OperatorContext {
    pub subtask: u16,
    pub max_parallelism: u16,
    /// The key groups this subtask owns.
    pub key_groups: KeyGroupRange,
    /// Wall clock in milliseconds since the epoch, fixed for the call.
    pub processing_time_ms: i64,
    /// The minimum over the inputs that are not idle; [`Watermark::MIN`] before the first.
    pub watermark: Watermark,
}

/// Where an operator's rows go, and what it counts.
#[derive(Debug, Default)]
pub struct Output {
    pub batches: Vec<Batch>,
    /// Flink's `numLateRecordsDropped`.
    pub late_records_dropped: u64,
    /// Those that were held back ([`Operator::holds_watermark`]): each goes on behind so many
    /// of the batches.
    pub watermarks: Vec<(usize, Watermark)>,
}

impl Output {
    pub fn emit(&mut self, batch: Batch) {
        if batch.num_rows() > 0 {
            self.batches.push(batch);
        }
    }

    /// A watermark that was held back, behind what was emitted so far.
    pub fn release(&mut self, watermark: Watermark) {
        self.watermarks.push((self.batches.len(), watermark));
    }
}

/// One piece of an operator's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// `None`: belongs to no key; on restore every such entry goes to one subtask,
    /// entry `i` to subtask `i mod parallelism`.
    pub key_group: Option<KeyGroup>,
    /// The operator's own table number: part of its state layout, never reused.
    pub table: u8,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

pub trait StateWriter {
    fn put(&mut self, entry: StateEntry);

    /// Hands over the frozen pages of the operator's store: at most once a snapshot,
    /// beside the entries that are in no page. A key group's entries without a key of
    /// their own (progress) stay entries.
    fn put_runs(&mut self, runs: RunSet);

    /// Hands over tables that are frozen, and become entries later and elsewhere: at most
    /// once a snapshot, beside the entries that are in none of them.
    fn put_frozen(&mut self, frozen: Arc<dyn Frozen>) {
        let all = KeyGroupRange { start: 0, end: u16::MAX };
        frozen.write(all, &mut |group, table, key, value| {
            let (key_group, key, value) = (Some(group), key.concat(), value.to_vec());
            self.put(StateEntry { key_group, table, key, value });
        });
    }
}

/// How state is restored a part at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// A table whose entries come first.
    pub first: Option<u8>,
}

pub trait Operator: Send {
    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError>;

    /// The watermark has grown to `ctx.watermark`; the task forwards it after this.
    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let _ = (ctx, out);
        Ok(())
    }

    /// Whether the watermark that it was told of last stays here: rows that came before it
    /// are still to be emitted. The operator gives it out later ([`Output::release`]).
    fn holds_watermark(&self) -> bool {
        false
    }

    /// Whether rows wait in it for someone's answer, who wakes the task. Such an operator
    /// keeps them in order with the watermarks itself.
    fn awaits_answers(&self) -> bool {
        false
    }

    /// An answer may have come.
    fn on_answers(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        let _ = (ctx, out);
        Ok(())
    }

    /// Whether it should be given more rows now. It takes them all the same.
    fn takes_rows(&self) -> bool {
        true
    }

    /// `ctx.processing_time_ms` has reached [`Operator::next_processing_timer`].
    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let _ = (ctx, out);
        Ok(())
    }

    /// When to be called next by the wall clock.
    fn next_processing_timer(&self) -> Option<i64> {
        None
    }

    /// How far behind `ctx.watermark` the time of an emitted row may be, in
    /// milliseconds: the watermark that goes on is that much lower, so that nothing
    /// downstream takes such a row for late (Flink:
    /// `KeyedCoProcessOperatorWithWatermarkDelay`). Only the head of a chain may have
    /// one.
    fn watermark_delay_ms(&self) -> i64 {
        0
    }

    /// A barrier is about to be handled: gives out the changes that a mini-batch holds
    /// back, so that a snapshot holds no row that nobody has seen (Flink: a bundle is
    /// finished before the snapshot). [`Operator::snapshot`] follows with no row between.
    fn flush(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        let _ = (ctx, out);
        Ok(())
    }

    /// All inputs have ended and the watermark `MAX` was handled.
    fn on_end(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        let _ = (ctx, out);
        Ok(())
    }

    /// Whether it keeps its keyed state in pages: then [`Operator::use_pages`] is called
    /// once, before `restore`, and `restore` gets only the entries that lie in no run.
    /// Asked only under `state.backend.type = rocksdb`; otherwise `restore` gets all.
    fn keeps_pages(&self) -> bool {
        false
    }

    /// The store for its pages, with those restored from runs already in it. State
    /// that was written as plain entries (by the hashmap backend, or a savepoint)
    /// comes by `restore`, and the operator puts it into pages.
    fn use_pages(&mut self, store: Box<dyn PageStore>) {
        drop(store);
    }

    /// Whose allowance bounds the memory of an operator that keeps pages; called once,
    /// before `restore`.
    fn account_for(&mut self, account: &Arc<Account>) {
        let _ = account;
    }

    /// What a lookup join counts.
    fn lookup_metrics(&self) -> Option<Arc<LookupMetrics>> {
        None
    }

    /// What its state takes, from counters: asked after every call.
    fn state_bytes(&self) -> StateBytes {
        StateBytes::default()
    }

    /// Writes all state. The order of entries does not matter.
    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError>;

    /// Whether [`Operator::restore`] adds to what is there, so that it may be given all
    /// entries of some key groups at a time; those of `first`, of all key groups, come
    /// before the others.
    fn restores_in_parts(&self) -> Option<Parts> {
        None
    }

    /// Takes back what some subtasks wrote: just the entries of this subtask's key
    /// groups, and its share of those without one. All at once, unless
    /// [`Operator::restores_in_parts`].
    fn restore(
        &mut self,
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError>;
}

/// The job must fail. `Display` says which operator was doing what.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("{operator}: {source}")]
    Evaluate {
        operator: String,
        #[source]
        source: EvalError,
    },
    #[error("{operator}: {message}")]
    Failed { operator: String, message: String },
    #[error("{operator}: its state cannot be read: {message}")]
    DamagedState { operator: String, message: String },
}
