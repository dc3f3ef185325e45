//! Aggregation over SESSION windows: sessions of a key are merged as rows join them.
//!
//! A row opens the session `[t, t + gap)`; sessions that overlap or touch are one. A
//! session is emitted when the watermark reaches its last millisecond (or the wall
//! clock its end). A row is late when its session, merged with what is still open, has
//! fired already; so a late row still counts in an open session that it touches.
//! Source of the rules: Flink `SessionWindowAssigner`, `MergingWindowProcessFunction`.
//!
//! Each session has one timer, which is not moved when the session grows: when it goes
//! off, it is set anew for the session's end. A row thus costs one lookup of its key.
//!
//! State: table 0, one entry a session: start, key -> end, aggregates; table 1, how far
//! sessions have fired.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::{
    WindowAggregate as Config, WindowInput, WindowKind, WindowProperty, WindowTime,
};
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::row;
use smallvec::SmallVec;

use super::assign::{Clock, is_instant};
use super::calls::WindowCalls;
use super::slices::Span;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::aggregate::Steps;
use crate::operators::keys::KeyTable;
use crate::operators::paged::{Pageable, Put, snapshot_all};
use crate::operators::progress::Progress;
use crate::operators::shape::{BATCH_ROWS, Shape};

const SESSIONS: u8 = 0;
const PROGRESS: u8 = 1;
/// Bytes of the start before the key: one BIGINT value.
const START_BYTES: usize = 9;

/// Timers of sessions that are gone, beside two for each that is not.
const MOST_STALE: usize = 1024;

/// Start and key of each entry of state.
type Parts<'e> = Vec<(&'e [u8], &'e [u8])>;

pub struct SessionAggregate {
    shape: Shape,
    clock: Clock,
    time: WindowTime,
    gap_ms: i64,
    keys: Vec<usize>,
    key_types: Vec<ArrowType>,
    properties: Vec<WindowProperty>,
    /// By session.
    calls: WindowCalls,
    table: KeyTable,
    /// Sessions of each key, by start. They are apart, so by end too.
    of_key: Vec<SmallVec<[u32; 2]>>,
    sessions: Vec<Session>,
    free: Vec<u32>,
    /// When to look at a session; an entry whose session has another timer is stale.
    timers: BTreeMap<i64, Vec<u32>>,
    /// Timers of sessions that were dropped from memory, about.
    stale: usize,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    key: u32,
    start: i64,
    end: i64,
    /// At most `end`; `None`: the session is gone.
    timer: Option<i64>,
}

/// Rows whose sessions are known and that are not yet counted.
#[derive(Debug, Default)]
struct Waiting {
    from: usize,
    /// `None`: late.
    sessions: Vec<Option<u32>>,
}

impl SessionAggregate {
    /// # Errors
    /// The windows are no sessions, the session time zone is unknown, or an aggregate
    /// does not take its arguments.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
    ) -> Result<SessionAggregate, OperatorError> {
        let shape = Shape::new(name, output);
        let WindowInput::Assign(window) = &config.window else {
            return Err(shape.failed("sessions that the input carries are not aggregated here"));
        };
        let WindowKind::Session { gap_ms } = window.kind else {
            return Err(shape.failed("these windows are no sessions"));
        };
        let input = input.to_arrow();
        Ok(SessionAggregate {
            clock: Clock::new(window.time_zone.as_deref(), &shape)?,
            time: window.time,
            gap_ms,
            keys: config.keys.clone(),
            key_types: config.keys.iter().map(|&k| input.field(k).data_type().clone()).collect(),
            properties: config.properties.clone(),
            calls: WindowCalls::new(config).map_err(|error| shape.failed(error))?,
            table: KeyTable::default(),
            of_key: Vec::new(),
            sessions: Vec::new(),
            free: Vec::new(),
            timers: BTreeMap::new(),
            stale: 0,
            progress: Progress::default(),
            shape,
        })
    }

    fn is_proctime(&self) -> bool {
        self.time == WindowTime::Proctime
    }

    /// The watermark or wall clock at which a session of this end fires.
    fn fires_at(&self, end: i64) -> i64 {
        let last = self.clock.zone.timer_ms(end.saturating_sub(1));
        if self.is_proctime() { last.saturating_add(1) } else { last }
    }

    fn has_fired(&self, end: i64) -> bool {
        self.fires_at(end) <= self.progress.ms()
    }

    /// Which of the key's sessions the row's own one overlaps or touches.
    fn touched(&self, key: u32, time: i64) -> (usize, usize) {
        let of_key = &self.of_key[key as usize];
        let session = |id: &u32| &self.sessions[*id as usize];
        let first = of_key.partition_point(|id| session(id).end < time);
        let end = time.saturating_add(self.gap_ms);
        let last = of_key[first..].partition_point(|id| session(id).start <= end);
        (first, first + last)
    }

    fn open(&mut self, key: u32, place: usize, start: i64, end: i64) -> u32 {
        let session = Session { key, start, end, timer: Some(end) };
        let id = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(session);
            u32::try_from(self.sessions.len() - 1).expect("fewer than 2^32 sessions")
        });
        self.sessions[id as usize] = session;
        self.of_key[key as usize].insert(place, id);
        self.timers.entry(end).or_default().push(id);
        id
    }

    /// The session that the row belongs to from now on; `None`: it is late. Sessions
    /// that it joins are merged into the first.
    fn place(&mut self, hash: u64, key: &[u8], time: i64) -> Option<u32> {
        let end = time.saturating_add(self.gap_ms);
        let known = self.table.find(hash, key);
        let touched = known.map_or((0, 0), |key| self.touched(key, time));
        if touched.0 == touched.1 {
            if !self.is_proctime() && self.has_fired(end) {
                return None;
            }
            let key = known.unwrap_or_else(|| self.new_key(hash, key));
            self.table.mark_used(key);
            return Some(self.open(key, touched.0, time, end));
        }
        let key = known.expect("a key with sessions") as usize;
        self.table.mark_used(key as u32);
        let id = self.of_key[key][touched.0];
        for _ in touched.0 + 1..touched.1 {
            let gone = self.of_key[key].remove(touched.0 + 1);
            self.calls.merge(&[gone], &[id]);
            let gone_end = self.sessions[gone as usize].end;
            self.close(gone);
            let session = &mut self.sessions[id as usize];
            session.end = session.end.max(gone_end);
        }
        let session = &mut self.sessions[id as usize];
        session.start = session.start.min(time);
        session.end = session.end.max(end);
        Some(id)
    }

    fn new_key(&mut self, hash: u64, key: &[u8]) -> u32 {
        let slot = self.table.find_or_insert(hash, key).0;
        if self.of_key.len() <= slot as usize {
            self.of_key.resize_with(slot as usize + 1, SmallVec::new);
        }
        slot
    }

    /// The session is no more; its key has forgotten it already.
    fn close(&mut self, id: u32) {
        self.calls.clear(id);
        self.sessions[id as usize].timer = None;
        self.free.push(id);
    }

    /// Counts the rows that wait.
    fn count(&mut self, batch: &Batch, waiting: &mut Waiting) -> Result<u64, OperatorError> {
        let from = waiting.from;
        let sessions = std::mem::take(&mut waiting.sessions);
        let rows = sessions.len();
        waiting.from += rows;
        let slots: Vec<u32> = sessions.iter().copied().flatten().collect();
        if slots.is_empty() {
            return Ok(rows as u64);
        }
        let mut record = batch.record.slice(from, rows);
        if slots.len() < rows {
            let keep: BooleanArray = sessions.iter().map(|id| Some(id.is_some())).collect();
            record = filter_record_batch(&record, &keep).map_err(|e| self.shape.failed(e))?;
        }
        let accumulate = batch.kinds.as_ref().map(|kinds| {
            let kinds = kinds[from..from + rows].iter().zip(&sessions);
            let kept = kinds.filter(|(_, id)| id.is_some());
            kept.map(|(kind, _): (&RowKind, _)| kind.is_accumulate()).collect::<Vec<bool>>()
        });
        self.calls.resize(self.sessions.len());
        let steps = Steps { slots: &slots, fresh: None, accumulate: accumulate.as_deref() };
        self.calls.update(&record, &steps);
        Ok((rows - slots.len()) as u64)
    }

    fn fire_until(&mut self, progress: i64, out: &mut Output) -> Result<(), OperatorError> {
        self.progress.advance(progress);
        let mut due = Vec::new();
        while let Some((&end, _)) = self.timers.first_key_value() {
            if !self.has_fired(end) {
                break;
            }
            for id in self.timers.remove(&end).unwrap_or_default() {
                let session = &mut self.sessions[id as usize];
                if session.timer != Some(end) {
                    continue;
                }
                if session.end > end {
                    session.timer = Some(session.end);
                    self.timers.entry(session.end).or_default().push(id);
                } else {
                    session.timer = None;
                    due.push(id);
                }
            }
        }
        self.emit(&due, out)?;
        due.into_iter().for_each(|id| self.end(id));
        Ok(())
    }

    fn end(&mut self, id: u32) {
        let key = self.sessions[id as usize].key;
        let of_key = &mut self.of_key[key as usize];
        of_key.retain(|held| *held != id);
        if of_key.is_empty() {
            self.table.remove(key);
        } else {
            self.table.mark_dirty(key);
        }
        self.close(id);
    }

    fn emit(&self, sessions: &[u32], out: &mut Output) -> Result<(), OperatorError> {
        let shown = self.calls.shown(sessions);
        for ids in shown.chunks(BATCH_ROWS) {
            let keys = ids.iter().map(|&id| self.key(id));
            let mut columns =
                row::decode(&self.key_types, keys).map_err(|error| self.shape.damaged(error))?;
            columns.extend(self.calls.evaluate(ids));
            for property in &self.properties {
                let index = columns.len();
                let instant = is_instant(&self.shape, index);
                let time = |&id: &u32| self.property(id, *property, instant);
                columns.push(self.shape.timestamps(index, ids.iter().map(time).collect())?);
            }
            out.emit(Batch::insert_only(self.shape.record(columns, ids.len())?));
        }
        Ok(())
    }

    fn key(&self, id: u32) -> &[u8] {
        self.table.slab.key(self.sessions[id as usize].key)
    }

    fn property(&self, id: u32, property: WindowProperty, instant: bool) -> i64 {
        let Session { start, end, .. } = self.sessions[id as usize];
        match property {
            WindowProperty::Start => start,
            WindowProperty::End => end,
            WindowProperty::Time => self.clock.window_time(Span { start, end }, instant),
        }
    }
}

impl Operator for SessionAggregate {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let times = self.clock.times(&batch, self.time, ctx, &self.shape)?;
        let keys = row::encode_column_subset(&batch.record, &self.keys);
        let mut waiting = Waiting::default();
        for (row, &time) in times.iter().enumerate() {
            let key = keys.row(row);
            let hash = row::hash(key);
            // Rows before a merge are counted before it: sessions take their aggregates along.
            let known = self.table.find(hash, key);
            let merges = known.is_some_and(|key| {
                let (first, last) = self.touched(key, time);
                last - first > 1
            });
            if merges {
                out.late_records_dropped += self.count(&batch, &mut waiting)?;
                self.calls.resize(self.sessions.len());
            }
            waiting.sessions.push(self.place(hash, key, time));
        }
        out.late_records_dropped += self.count(&batch, &mut waiting)?;
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() { Ok(()) } else { self.fire_until(ctx.watermark.0, out) }
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if self.is_proctime() { self.fire_until(ctx.processing_time_ms, out) } else { Ok(()) }
    }

    fn next_processing_timer(&self) -> Option<i64> {
        let (end, _) = self.timers.first_key_value().filter(|_| self.is_proctime())?;
        Some(self.fires_at(*end))
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.save_progress(ctx, writer);
        snapshot_all(self, ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let (progress, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.table == PROGRESS);
        if !progress.is_empty() {
            self.progress = Progress::load(&progress, &self.shape)?;
        }
        let damaged = |error| self.shape.damaged(error);
        let parts = self.parts(&entries)?;
        row::decode(&self.key_types, parts.iter().map(|part| part.1)).map_err(damaged)?;
        let starts =
            row::decode(&[ArrowType::Int64], parts.iter().map(|part| part.0)).map_err(damaged)?;
        let mut types = vec![ArrowType::Int64];
        types.extend(self.calls.saved_types());
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(damaged)?;
        let [starts, ends] = [&starts[0], &columns[0]].map(|c| c.as_primitive::<Int64Type>());
        let mut ids = Vec::with_capacity(parts.len());
        for (at, (_, key)) in parts.iter().enumerate() {
            let slot = self.new_key(row::hash(key), key);
            let (start, end) = (starts.value(at), ends.value(at));
            let of_key = &self.of_key[slot as usize];
            let place = of_key.partition_point(|id| self.sessions[*id as usize].start < start);
            ids.push(self.open(slot, place, start, end));
        }
        self.calls.resize(self.sessions.len());
        self.calls.load(&ids, &columns[1..]).map_err(|error| self.shape.damaged(error))
    }
}

impl Pageable for SessionAggregate {
    fn table(&self) -> &KeyTable {
        &self.table
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.table
    }

    fn key_columns(&self, _: usize) -> &[usize] {
        &self.keys
    }

    fn prefix_bytes(&self) -> usize {
        START_BYTES
    }

    fn progress_table(&self) -> Option<u8> {
        Some(PROGRESS)
    }

    fn save_progress(&self, ctx: &OperatorContext, writer: &mut dyn StateWriter) {
        self.progress.save(PROGRESS, ctx, writer);
    }

    fn has_timers(&self) -> bool {
        true
    }

    fn due_ms(&self, slot: u32) -> Option<i64> {
        let ends = self.of_key[slot as usize].iter().map(|id| self.sessions[*id as usize].end);
        ends.map(|end| self.fires_at(end)).min()
    }

    fn goes_by_clock(&self) -> bool {
        self.is_proctime()
    }

    fn marks_what_it_uses(&self) -> bool {
        true
    }

    fn changes_what_it_touches(&self) -> bool {
        false
    }

    fn save(&self, slots: &[u32], _: &OperatorContext, put: &mut Put<'_>) {
        let of_slot = |at: usize| self.of_key[slots[at] as usize].iter().map(move |id| (at, *id));
        let held: Vec<(usize, u32)> = (0..slots.len()).flat_map(of_slot).collect();
        if held.is_empty() {
            return;
        }
        let ids: Vec<u32> = held.iter().map(|(_, id)| *id).collect();
        let times = |time: fn(&Session) -> i64| {
            let times = ids.iter().map(|&id| time(&self.sessions[id as usize]));
            Arc::new(Int64Array::from_iter_values(times)) as ArrayRef
        };
        let starts = row::encode(&[times(|session| session.start)]);
        let mut columns = vec![times(|session| session.end)];
        columns.extend(self.calls.save(&ids));
        let values = row::encode(&columns);
        for (row, (at, _)) in held.iter().enumerate() {
            put(*at, SESSIONS, starts.row(row), values.row(row));
        }
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            for id in std::mem::take(&mut self.of_key[slot as usize]) {
                self.close(id);
                self.stale += 1;
            }
            self.table.evict(slot);
        }
        self.drop_stale();
    }

    fn memory_bytes(&self) -> usize {
        let sessions = self.sessions.len() - self.free.len();
        // The session, and its places in its key's list and among the timers.
        let of_sessions = sessions * (size_of::<Session>() + 32);
        self.table.memory_bytes() + of_sessions + self.calls.memory_bytes(sessions)
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        None
    }
}

impl SessionAggregate {
    /// Makes the timers anew when most of them are of sessions that are gone.
    fn drop_stale(&mut self) {
        let live = self.sessions.len() - self.free.len();
        if self.stale < MOST_STALE + 2 * live {
            return;
        }
        self.stale = 0;
        self.timers.clear();
        for (id, session) in self.sessions.iter().enumerate() {
            if let Some(time) = session.timer {
                self.timers.entry(time).or_default().push(id as u32);
            }
        }
    }

    fn parts<'e>(&self, entries: &'e [StateEntry]) -> Result<Parts<'e>, OperatorError> {
        let part = |entry: &'e StateEntry| {
            let parts = entry.key.split_at_checked(START_BYTES);
            parts
                .filter(|_| entry.table == SESSIONS)
                .ok_or_else(|| self.shape.damaged(format!("an entry of table {}", entry.table)))
        };
        entries.iter().map(part).collect()
    }
}
