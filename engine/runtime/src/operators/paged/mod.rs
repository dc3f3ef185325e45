//! State larger than memory: an operator's tables become a cache of pages over a page
//! store.
//!
//! A page is all entries of one key. Flow: before a batch, pages of its keys that are
//! not in memory are read and loaded by the code that restores; keys that the batch
//! touches are dirty; when the tables outgrow their allowance, keys that were not used
//! lately are dropped, the dirty ones written first; at a barrier the pages of dirty
//! keys are written, those of dead keys removed, and the store is frozen.
//!
//! Without a store ([`Operator::use_pages`] was not called) a [`Paged`] hands every
//! call on and does nothing else.
//!
//! Keys that do something when time comes (windows that end, rows that wait) have a
//! timer in the store beside their page: see [`timers`]. When time has come, pages of
//! such keys are loaded, some thousands at once, before the operator is told.
//!
//! Caveats: a page is rewritten whole, so a key with very many rows costs its size at
//! every checkpoint that finds it dirty, and all keys of one batch are in memory
//! together. State past its time-to-live that nobody touches is taken out of the store
//! by looking through one key group after another, all within one time-to-live.

mod expiry;
mod pages;
mod timers;

use std::sync::Arc;

use millrace_dataflow::Batch;
use millrace_state::PageStore;

use super::keys::KeyTable;
use super::shape::BATCH_ROWS;
use crate::memory::{Account, StateBytes};
use crate::operator::{
    Operator, OperatorContext, OperatorError, Output, Parts, StateEntry, StateWriter,
};
use pages::Pages;

/// Slots saved or dropped at once: bounds the copies that are held meanwhile.
const SLOTS_AT_ONCE: usize = 1024;

/// Receives entries: `(index into the slots saved, table, bytes before the key, value)`.
pub type Put<'a> = dyn FnMut(usize, u8, &[u8], &[u8]) + 'a;

/// An operator whose state is a table of keys, each with entries of its own.
///
/// [`Operator::restore`] must add to what is there, and may be called between batches.
pub trait Pageable: Operator {
    fn table(&self) -> &KeyTable;

    fn table_mut(&mut self) -> &mut KeyTable;

    /// The columns that make a row's key.
    fn key_columns(&self, input: usize) -> &[usize];

    /// Bytes before the key in the key of an entry.
    fn prefix_bytes(&self) -> usize {
        0
    }

    /// As [`Pageable::prefix_bytes`], where tables differ.
    fn prefix_of(&self, table: u8) -> usize {
        let _ = table;
        self.prefix_bytes()
    }

    /// A table whose entries belong to no key, and so to no page: how far the operator
    /// has fired. They are restored before all others.
    fn progress_table(&self) -> Option<u8> {
        None
    }

    /// Writes the entries of [`Pageable::progress_table`].
    fn save_progress(&self, ctx: &OperatorContext, writer: &mut dyn StateWriter) {
        let _ = (ctx, writer);
    }

    /// Whether keys do something when time comes, though no row of theirs does.
    fn has_timers(&self) -> bool {
        false
    }

    /// When the slot does so first: from what is saved of it alone, so that it is the
    /// same after a restore. In the time of [`Pageable::time_ms`].
    fn due_ms(&self, slot: u32) -> Option<i64> {
        let _ = slot;
        None
    }

    /// Whether its time is the wall clock; else it is the watermark.
    fn goes_by_clock(&self) -> bool {
        false
    }

    /// The time up to which timers go off.
    fn time_ms(&self, ctx: &OperatorContext) -> i64 {
        if self.goes_by_clock() { ctx.processing_time_ms } else { ctx.watermark.0 }
    }

    /// Whether it calls [`KeyTable::mark_used`] for each row's key itself: then a batch
    /// is not looked through while all keys are in memory.
    fn marks_what_it_uses(&self) -> bool {
        false
    }

    /// The live entries of these slots; a slot past its time has none.
    fn save(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>);

    /// Drops slots from memory with [`KeyTable::evict`]: their keys live on in the store.
    fn forget(&mut self, slots: &[u32]);

    /// How many slots are saved or forgotten at once: more, where it is dear to find
    /// what belongs to a slot.
    fn slots_at_once(&self) -> usize {
        SLOTS_AT_ONCE
    }

    /// About how much memory the tables take: from counters, not by looking through them.
    fn memory_bytes(&self) -> usize;

    /// Whether every key of a batch must be taken for changed. An operator that says no
    /// calls [`KeyTable::mark_dirty`].
    fn changes_what_it_touches(&self) -> bool {
        true
    }

    /// Whether the slot must stay where it is: what it is to emit is held back.
    fn is_pinned(&self, slot: u32) -> bool {
        let _ = slot;
        false
    }

    /// How long an entry lives after its last write, in ms, and the place of that time
    /// among the BIGINTs that the entry's value begins with; `None`: for ever.
    fn life_of(&self, table: u8) -> Option<(i64, usize)>;
}

/// An operator, and its page store when it has one.
pub struct Paged<O> {
    inner: O,
    name: String,
    pages: Option<Pages>,
    account: Option<Arc<Account>>,
    /// Entries of [`Pageable::progress_table`] that were restored so far.
    progress: Vec<StateEntry>,
}

/// Tells an operator that time has come.
type Tell<O> = fn(&mut O, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError>;

impl<O: Pageable> Paged<O> {
    pub fn new(inner: O, name: &str) -> Paged<O> {
        Paged { inner, name: name.to_owned(), pages: None, account: None, progress: Vec::new() }
    }

    /// Tells the operator, once for each part of the keys whose time has come.
    fn tell(
        &mut self,
        tell: Tell<O>,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let Some(pages) = &mut self.pages else { return tell(&mut self.inner, ctx, out) };
        loop {
            let has_more = pages.wake(&mut self.inner, self.account.as_deref(), ctx)?;
            tell(&mut self.inner, ctx, out)?;
            pages.shrink(&mut self.inner, self.account.as_deref(), ctx)?;
            if !has_more {
                return Ok(());
            }
        }
    }

    /// After what may have let slots go.
    fn shrink(&mut self, ctx: &OperatorContext) -> Result<(), OperatorError> {
        match &mut self.pages {
            Some(pages) => pages.shrink(&mut self.inner, self.account.as_deref(), ctx),
            None => Ok(()),
        }
    }
}

/// All entries of an operator whose state is in memory.
pub fn snapshot_all<O: Pageable>(
    operator: &O,
    ctx: &OperatorContext,
    writer: &mut dyn StateWriter,
) {
    let KeyTable { slab, index, .. } = operator.table();
    let slots: Vec<u32> = index.slots().collect();
    // A part at a time: columns of all would need their memory once more.
    for slots in slots.chunks(operator.slots_at_once().max(BATCH_ROWS)) {
        operator.save(slots, ctx, &mut |at, table, prefix, value| {
            writer.put(StateEntry {
                key_group: Some(slab.group(slots[at], ctx.max_parallelism)),
                table,
                key: [prefix, slab.key(slots[at])].concat(),
                value: value.to_vec(),
            });
        });
    }
}

impl<O: Pageable> Operator for Paged<O> {
    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let Some(pages) = &mut self.pages else {
            return self.inner.on_batch(input, batch, ctx, out);
        };
        pages.bring(&mut self.inner, input, &batch, ctx)?;
        self.inner.on_batch(input, batch, ctx, out)?;
        pages.shrink(&mut self.inner, self.account.as_deref(), ctx)
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.tell(O::on_watermark, ctx, out)
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.tell(O::on_processing_time, ctx, out)
    }

    fn next_processing_timer(&self) -> Option<i64> {
        let in_memory = self.inner.next_processing_timer();
        let stored =
            self.pages.as_ref().filter(|_| self.inner.goes_by_clock() && self.inner.has_timers());
        in_memory.into_iter().chain(stored.and_then(Pages::first_timer_ms)).min()
    }

    fn watermark_delay_ms(&self) -> i64 {
        self.inner.watermark_delay_ms()
    }

    fn flush(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.inner.flush(ctx, out)?;
        self.shrink(ctx)
    }

    fn on_end(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.inner.on_end(ctx, out)
    }

    fn keeps_pages(&self) -> bool {
        true
    }

    fn use_pages(&mut self, store: Box<dyn PageStore>) {
        self.inner.table_mut().track();
        self.pages = Some(Pages::new(store, &self.name));
    }

    fn account_for(&mut self, account: &Arc<Account>) {
        self.account = Some(Arc::clone(account));
    }

    fn state_bytes(&self) -> StateBytes {
        StateBytes {
            memory: self.inner.memory_bytes() as u64,
            stored: self.pages.as_ref().map_or(0, Pages::stored_bytes),
            indexes: self.pages.as_ref().map_or(0, Pages::index_bytes),
        }
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        match &mut self.pages {
            Some(pages) => {
                self.inner.save_progress(ctx, writer);
                pages.snapshot(&mut self.inner, ctx, writer)
            }
            None => self.inner.snapshot(ctx, writer),
        }
    }

    fn restores_in_parts(&self) -> Option<Parts> {
        Some(Parts { first: self.inner.progress_table() })
    }

    fn restore(
        &mut self,
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        match &mut self.pages {
            Some(pages) => {
                let table = self.inner.progress_table();
                let (progress, entries): (Vec<_>, Vec<_>) =
                    entries.into_iter().partition(|entry| Some(entry.table) == table);
                self.progress.extend(progress);
                if table.is_some() {
                    self.inner.restore(ctx, self.progress.clone())?;
                }
                pages.restore(&mut self.inner, self.account.as_deref(), ctx, entries)
            }
            None => self.inner.restore(ctx, entries),
        }
    }
}
