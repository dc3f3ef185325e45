//! Aggregation over TUMBLE, HOP and CUMULATE windows by slices.
//!
//! Insert-only out, also when rows are taken back: a window is emitted once, when the watermark reaches its last
//! millisecond (row B3.10), in order of window ends (row B3.19). A row is dropped and
//! counted as late only if every window that holds it has fired (row B3.17). Windows
//! of the wall clock fire when the clock reaches their end, and not at the end of the
//! input (row E.18).
//!
//! Windows that the input carries are instants in UTC: the planner lets none through
//! that lie on another wall clock, because their zone is not known here.
//!
//! Every row is counted once, in its slice. A hopping window is merged from its slices
//! when it fires; a cumulating window's fired slices are merged into its first one.
//!
//! State larger than memory goes to pages: see [`paged`].
//!
//! State: table 0, one entry a slice and key: slice end, slice start, key -> aggregates;
//! table 1, how far windows have fired.

mod paged;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::{
    WindowAggregate as Config, WindowInput, WindowKind, WindowProperty, WindowTime,
};
use millrace_dataflow::{Batch, Schema};
use millrace_state::{PageStore, row};

use super::assign::{Clock, is_instant};
use super::calls::WindowCalls;
use super::pages::SPAN_BYTES;
use super::slices::{Slices, Span};
use crate::memory::{Account, StateBytes};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::aggregate::Steps;
use crate::operators::keys::{Bytes, KeyIndex, KeySlab};
use crate::operators::progress::{Ahead, Progress};
use crate::operators::shape::{BATCH_ROWS, Shape};

const SLICES: u8 = 0;
const PROGRESS: u8 = 1;

pub struct WindowAggregate {
    shape: Shape,
    input: Input,
    clock: Clock,
    keys: Vec<usize>,
    key_types: Vec<ArrowType>,
    properties: Vec<WindowProperty>,
    calls: WindowCalls,
    slab: KeySlab,
    slices: BTreeMap<Span, Slice>,
    /// Windows to fire, by end.
    pending: BTreeSet<Span>,
    progress: Progress,
    ahead: Ahead,
    /// Entries of progress that were restored.
    restored: Vec<StateEntry>,
    pages: Option<paged::Pages>,
    account: Option<Arc<Account>>,
}

/// Where a row's windows come from.
#[derive(Debug)]
enum Input {
    Assign { slices: Slices, time: WindowTime },
    Attached { start: usize, end: usize },
}

/// The keys of one slice, in order of arrival.
#[derive(Debug, Default)]
struct Slice {
    index: KeyIndex,
    slots: Vec<u32>,
}

impl Slice {
    fn find_or_insert(&mut self, slab: &mut KeySlab, hash: u64, key: &[u8]) -> (u32, bool) {
        let (slot, is_new) = self.index.find_or_insert(slab, hash, key);
        if is_new {
            self.slots.push(slot);
        }
        (slot, is_new)
    }
}

impl WindowAggregate {
    /// # Errors
    /// The session time zone is unknown, or an aggregate does not take its arguments.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
    ) -> Result<WindowAggregate, OperatorError> {
        let shape = Shape::new(name, output);
        let (windows, time_zone) = match &config.window {
            WindowInput::Assign(assigner) => {
                let slices = Slices::new(assigner);
                (Input::Assign { slices, time: assigner.time }, assigner.time_zone.as_deref())
            }
            WindowInput::Attached { start, end } => {
                (Input::Attached { start: *start, end: *end }, None)
            }
        };
        let input = input.to_arrow();
        Ok(WindowAggregate {
            clock: Clock::new(time_zone, &shape)?,
            input: windows,
            keys: config.keys.clone(),
            key_types: config.keys.iter().map(|&k| input.field(k).data_type().clone()).collect(),
            properties: config.properties.clone(),
            calls: WindowCalls::new(config).map_err(|error| shape.failed(error))?,
            slab: KeySlab::default(),
            slices: BTreeMap::new(),
            pending: BTreeSet::new(),
            progress: Progress::default(),
            ahead: Ahead::default(),
            restored: Vec::new(),
            pages: None,
            account: None,
            shape,
        })
    }

    fn is_proctime(&self) -> bool {
        matches!(self.input, Input::Assign { time: WindowTime::Proctime, .. })
    }

    /// The progress at which a window fires: the watermark of its last millisecond, or
    /// the wall clock of its end.
    fn fires_at(&self, window: Span) -> i64 {
        let last = self.clock.zone.timer_ms(window.end - 1);
        if self.is_proctime() { last.saturating_add(1) } else { last }
    }

    fn has_fired(&self, window: Span) -> bool {
        self.fires_at(window) <= self.progress.ms()
    }

    /// The slice of each row before late ones are told apart.
    fn spans(&self, batch: &Batch, ctx: &OperatorContext) -> Result<Vec<Span>, OperatorError> {
        match &self.input {
            Input::Assign { slices, time } => {
                let times = self.clock.times(batch, *time, ctx, &self.shape)?;
                Ok(times.into_iter().map(|time| slices.of(time)).collect())
            }
            Input::Attached { start, end } => {
                let starts = self.shape.times_ms(batch.record.column(*start))?;
                let ends = self.shape.times_ms(batch.record.column(*end))?;
                let spans = starts.into_iter().zip(ends);
                Ok(spans.map(|(start, end)| Span { end, start }).collect())
            }
        }
    }

    /// Where a row of this slice is counted; `None`: it is late for all its windows.
    fn target(&mut self, slice: Span) -> Option<Span> {
        let Input::Assign { slices, .. } = self.input else {
            return (!self.has_fired(slice)).then(|| self.expect(slice, slice));
        };
        let mut window = slices.first_window(slice);
        if !self.has_fired(window) {
            return Some(self.expect(window, slice));
        }
        if self.has_fired(slices.last_window(slice)) {
            return None;
        }
        while self.has_fired(window) {
            window = slices.next_window(window)?;
        }
        let kept_in = match slices.kind() {
            WindowKind::Cumulate { .. } => slices.base(slice),
            _ => slice,
        };
        Some(self.expect(window, kept_in))
    }

    fn expect(&mut self, window: Span, slice: Span) -> Span {
        self.pending.insert(window);
        slice
    }

    /// The slot of each row; `targets` are the slices.
    fn slots(&mut self, record: &RecordBatch, targets: &[Span]) -> Vec<u32> {
        let keys = row::encode_column_subset(record, &self.keys);
        let mut slots = vec![0; targets.len()];
        let mut start = 0;
        while start < targets.len() {
            let target = targets[start];
            let run = targets[start..].iter().take_while(|other| **other == target).count();
            let slice = self.slices.entry(target).or_default();
            for (row, slot) in slots.iter_mut().enumerate().skip(start).take(run) {
                let key = keys.row(row);
                *slot = slice.find_or_insert(&mut self.slab, row::hash(key), key).0;
            }
            start += run;
        }
        slots
    }

    fn fire_until(
        &mut self,
        progress: i64,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.progress.advance(progress);
        while let Some(&window) = self.pending.first() {
            if !self.has_fired(window) {
                break;
            }
            self.pending.remove(&window);
            match self.absent_of(window) {
                absent if absent.is_empty() => self.fire(window, out)?,
                absent => self.fire_by_group(window, &absent, ctx, out)?,
            }
        }
        self.ahead.catch_up(self.progress);
        self.apply()
    }

    fn fire(&mut self, window: Span, out: &mut Output) -> Result<(), OperatorError> {
        match &self.input {
            Input::Assign { slices, .. } => {
                let slices = *slices;
                match slices.kind() {
                    WindowKind::Tumble { .. } | WindowKind::Session { .. } => {
                        self.fire_whole(window, out)
                    }
                    WindowKind::Hop { .. } => self.fire_hop(slices, window, out),
                    WindowKind::Cumulate { .. } => self.fire_cumulate(slices, window, out),
                }
            }
            Input::Attached { .. } => self.fire_whole(window, out),
        }
    }

    /// The window is one slice.
    fn fire_whole(&mut self, window: Span, out: &mut Output) -> Result<(), OperatorError> {
        let Some(slice) = self.slices.remove(&window) else { return Ok(()) };
        self.emit(window, &slice.slots, out)?;
        self.release(window, &slice.slots);
        Ok(())
    }

    fn fire_hop(
        &mut self,
        slices: Slices,
        window: Span,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let parts: Vec<Span> = self.slices_until(window.end);
        match parts.as_slice() {
            [] => {}
            [only] => self.emit(window, &self.slices[only].slots, out)?,
            parts => {
                let merged = self.merge(parts);
                self.emit(window, &merged.slots, out)?;
                self.release(window, &merged.slots);
            }
        }
        let Some(next) = slices.next_window(window) else { return Ok(()) };
        // Slices before the next window are in no window to come.
        for part in parts.into_iter().filter(|part| part.end <= next.start) {
            let slice = self.slices.remove(&part).expect("listed above");
            self.release(part, &slice.slots);
        }
        if !self.slices_until(next.end).is_empty() {
            self.pending.insert(next);
        }
        Ok(())
    }

    fn slices_until(&self, end: i64) -> Vec<Span> {
        let upto = Span { end, start: i64::MAX };
        self.slices.range(..=upto).map(|(span, _)| *span).collect()
    }

    /// A window of several slices, in slots of its own.
    fn merge(&mut self, parts: &[Span]) -> Slice {
        let mut merged = Slice::default();
        for part in parts {
            let from = self.slices[part].slots.clone();
            let to = self.slots_like(&mut merged, &from);
            self.calls.merge(&from, &to);
        }
        merged
    }

    /// The slots of `into` that have the keys of these slots.
    fn slots_like(&mut self, into: &mut Slice, from: &[u32]) -> Vec<u32> {
        let to: Vec<u32> = from
            .iter()
            .map(|&slot| {
                let hash = self.slab.hash(slot);
                let known = into.index.find(&self.slab, hash, self.slab.key(slot));
                known.unwrap_or_else(|| {
                    let key = Bytes::from_slice(self.slab.key(slot));
                    into.find_or_insert(&mut self.slab, hash, &key).0
                })
            })
            .collect();
        self.calls.resize(self.slab.capacity());
        if let Some(pages) = &mut self.pages {
            pages.mark_used(&to);
        }
        to
    }

    fn fire_cumulate(
        &mut self,
        slices: Slices,
        window: Span,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let last_slice = slices.of(window.end - 1);
        let base = slices.base(last_slice);
        if base != last_slice
            && let Some(slice) = self.slices.remove(&last_slice)
        {
            let mut kept = self.slices.remove(&base).unwrap_or_default();
            let to = self.slots_like(&mut kept, &slice.slots);
            self.calls.merge(&slice.slots, &to);
            self.release(last_slice, &slice.slots);
            self.slices.insert(base, kept);
        }
        let Some(kept) = self.slices.get(&base) else { return Ok(()) };
        self.emit(window, &kept.slots, out)?;
        if let Some(next) = slices.next_window(window) {
            self.pending.insert(next);
        } else if let Some(kept) = self.slices.remove(&base) {
            self.release(base, &kept.slots);
        }
        Ok(())
    }

    /// The keys of a slice are no more.
    fn release(&mut self, slice: Span, slots: &[u32]) {
        if let Some(pages) = &mut self.pages {
            pages.remove(slice, slots, &self.slab);
        }
        for &slot in slots {
            self.calls.clear(slot);
            self.slab.release(slot);
        }
    }

    fn emit(&self, window: Span, slots: &[u32], out: &mut Output) -> Result<(), OperatorError> {
        let mut slots = self.calls.shown(slots);
        if !self.ahead.is_empty() {
            let at_ms = self.fires_at(window);
            slots.to_mut().retain(|&slot| !self.ahead.has_fired(self.slab.hash(slot), at_ms));
        }
        for slots in slots.chunks(BATCH_ROWS) {
            let keys = slots.iter().map(|&slot| self.slab.key(slot));
            let mut columns =
                row::decode(&self.key_types, keys).map_err(|error| self.shape.damaged(error))?;
            columns.extend(self.calls.evaluate(slots));
            for property in &self.properties {
                let index = columns.len();
                let time = match property {
                    WindowProperty::Start => window.start,
                    WindowProperty::End => window.end,
                    WindowProperty::Time => {
                        self.clock.window_time(window, is_instant(&self.shape, index))
                    }
                };
                columns.push(self.shape.timestamps(index, vec![time; slots.len()])?);
            }
            out.emit(Batch::insert_only(self.shape.record(columns, slots.len())?));
        }
        Ok(())
    }
}

impl Operator for WindowAggregate {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let spans = self.spans(&batch, ctx)?;
        let mut last = None;
        let mut targets = Vec::with_capacity(spans.len());
        let mut keep = Vec::with_capacity(spans.len());
        for span in spans {
            let target = match last {
                Some((known, target)) if known == span => target,
                _ => self.target(span),
            };
            last = Some((span, target));
            targets.extend(target);
            keep.push(target.is_some());
        }
        let late = keep.len() - targets.len();
        out.late_records_dropped += late as u64;
        let accumulate = accumulating(&batch, &keep);
        let record = if late == 0 {
            batch.record
        } else {
            filter_record_batch(&batch.record, &BooleanArray::from(keep))
                .map_err(|error| self.shape.failed(error))?
        };
        self.bring(&record, &targets, ctx)?;
        let slots = self.slots(&record, &targets);
        self.calls.resize(self.slab.capacity());
        let steps = Steps { slots: &slots, fresh: None, accumulate: accumulate.as_deref() };
        self.calls.update(&record, &steps);
        if let Some(pages) = &mut self.pages {
            pages.mark_used(&slots);
            self.shrink(ctx)?;
        }
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() {
            return Ok(());
        }
        self.fire_until(ctx.watermark.0, ctx, out)
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() {
            self.fire_until(ctx.processing_time_ms, ctx, out)?;
        }
        Ok(())
    }

    fn next_processing_timer(&self) -> Option<i64> {
        let first = self.pending.first().filter(|_| self.is_proctime())?;
        Some(self.fires_at(*first))
    }

    fn keeps_pages(&self) -> bool {
        true
    }

    fn use_pages(&mut self, store: Box<dyn PageStore>) {
        self.pages = Some(paged::Pages::new(store));
    }

    fn account_for(&mut self, account: &Arc<Account>) {
        self.account = Some(Arc::clone(account));
    }

    fn state_bytes(&self) -> StateBytes {
        StateBytes {
            memory: self.memory_bytes() as u64,
            stored: self.pages.as_ref().map_or(0, paged::Pages::stored_bytes),
            indexes: self.pages.as_ref().map_or(0, paged::Pages::index_bytes),
        }
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.progress.save_with(&self.ahead, PROGRESS, ctx, writer);
        if self.pages.is_some() {
            return self.freeze(ctx, writer);
        }
        for (span, slice) in &self.slices {
            let times = [span.end, span.start]
                .map(|time| Arc::new(Int64Array::from(vec![time])) as ArrayRef);
            let prefix = row::encode(&times);
            let values = row::encode(&self.calls.save(&slice.slots));
            for (at, &slot) in slice.slots.iter().enumerate() {
                let value = if values.is_empty() { &[] } else { values.row(at) };
                writer.put(StateEntry {
                    key_group: Some(self.slab.group(slot, ctx.max_parallelism)),
                    table: SLICES,
                    key: [prefix.row(0), self.slab.key(slot)].concat(),
                    value: value.to_vec(),
                });
            }
        }
        Ok(())
    }

    fn restore(
        &mut self,
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let (progress, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.table == PROGRESS);
        self.restored.extend(progress);
        self.progress = Progress::load(&self.restored, &self.shape)?;
        self.ahead = Ahead::load(&self.restored, self.progress, &self.shape, ctx)?;
        if self.pages.is_some() {
            self.restore_pages(entries, ctx)?;
        } else {
            self.load(&entries)?;
        }
        // How far windows have fired may be known only now.
        self.pending.clear();
        for span in self.spans_held() {
            self.expect_again(span);
        }
        Ok(())
    }
}

/// Whether each kept row adds to its window; `None`: all do.
fn accumulating(batch: &Batch, keep: &[bool]) -> Option<Vec<bool>> {
    let kinds = batch.kinds.as_ref()?.iter().zip(keep);
    Some(kinds.filter(|(_, keep)| **keep).map(|(kind, _)| kind.is_accumulate()).collect())
}

impl WindowAggregate {
    /// The slots that the entries are loaded into.
    fn load(&mut self, entries: &[StateEntry]) -> Result<Vec<u32>, OperatorError> {
        let slots = self.restore_slots(entries)?;
        self.calls.resize(self.slab.capacity());
        let values = entries.iter().map(|entry| entry.value.as_slice());
        let columns = row::decode(&self.calls.saved_types(), values)
            .map_err(|error| self.shape.damaged(error))?;
        self.calls.load(&slots, &columns).map_err(|error| self.shape.damaged(error))?;
        Ok(slots)
    }

    fn memory_bytes(&self) -> usize {
        let live = self.slab.live();
        self.slab.memory_bytes() + self.calls.memory_bytes(live)
    }

    fn restore_slots(&mut self, entries: &[StateEntry]) -> Result<Vec<u32>, OperatorError> {
        let (mut spans, mut keys) = (Vec::new(), Vec::new());
        for entry in entries {
            let parts = entry.key.split_at_checked(SPAN_BYTES);
            let (span, key) = parts
                .filter(|_| entry.table == SLICES)
                .ok_or_else(|| self.shape.damaged(format!("an entry of table {}", entry.table)))?;
            spans.push(span);
            keys.push(key);
        }
        let times = row::decode(&[ArrowType::Int64, ArrowType::Int64], spans.into_iter())
            .map_err(|error| self.shape.damaged(error))?;
        row::decode(&self.key_types, keys.iter().copied())
            .map_err(|error| self.shape.damaged(error))?;
        let [ends, starts] = [0, 1].map(|at: usize| times[at].as_primitive::<Int64Type>());
        let slots = keys.iter().enumerate().map(|(at, key)| {
            let span = Span { end: ends.value(at), start: starts.value(at) };
            let slice = self.slices.entry(span).or_default();
            slice.find_or_insert(&mut self.slab, row::hash(key), key).0
        });
        Ok(slots.collect())
    }

    /// The first window of the slice that has not fired. There is one: a slice goes
    /// with its last window.
    fn expect_again(&mut self, slice: Span) {
        let Input::Assign { slices, .. } = self.input else {
            self.pending.insert(slice);
            return;
        };
        let (mut window, last) = (slices.first_window(slice), slices.last_window(slice));
        while self.has_fired(window) && window < last {
            let Some(next) = slices.next_window(window) else { break };
            window = next;
        }
        self.pending.insert(window);
    }
}
