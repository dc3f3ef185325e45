//! Temporal join by event time: each left row with the version of its key that was
//! valid at the row's time (rows B6.10 to B6.12, E.16).
//!
//! Left rows wait until the watermark has reached their time and leave in order of
//! arrival, with their own row kind. The right side is the history of each key: a row
//! is valid from its time until the next of its key, a deletion ends it; of two changes
//! at one time the later to arrive counts. -U is not looked at. A row that meets no
//! version, or one that the rest of the condition refuses, is padded by a left join and
//! dropped by an inner one. There is no check for late rows: one that comes behind the
//! watermark leaves at the next one, with the versions that are still kept.
//!
//! Of each key the version that was valid at the watermark is kept, and those after it.
//! If that one is a deletion it goes too: where nothing is, nothing is met.
//!
//! Source of the rule: Flink `TemporalRowTimeJoinOperator`.
//!
//! State: table 0, one entry a waiting left row: number of arrival, key -> time, kind,
//! row; table 1, one entry a version: time, key -> 0, kind, row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int8Array, Int64Array, RecordBatch,
    UInt32Array, new_null_array,
};
use arrow::compute::{prep_null_mask_filter, take};
use arrow::datatypes::{DataType as ArrowType, Int8Type, Int64Type};
use millrace_dataflow::graph::{JoinKind, TemporalJoin as Config};
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::row;

use super::keys::KeyTable;
use super::paged::{Pageable, Put, snapshot_all};
use super::shape::{BATCH_ROWS, Shape, eval_context};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const LEFT: u8 = 0;
const VERSIONS: u8 = 1;
/// Bytes of the number before the key: one BIGINT value.
const NUMBER_BYTES: usize = 9;
/// Times of keys that are gone, beside two for each that is not.
const MOST_STALE: usize = 1024;

pub struct TemporalJoin {
    shape: Shape,
    config: Config,
    left_types: Vec<ArrowType>,
    right_types: Vec<ArrowType>,
    keys: KeyTable,
    /// What is known of each slot's key.
    known: Vec<Known>,
    /// Keys of which a left row leaves at a time, or that get a version then; of those
    /// that are not in memory any more, too.
    changing: BTreeMap<i64, Vec<u32>>,
    /// Places in it of keys that were dropped from memory, about.
    stale: usize,
    /// Of waiting rows and versions.
    held_bytes: usize,
    arrivals: i64,
}

#[derive(Debug, Default)]
struct Known {
    /// By time; each is valid until the next. `None`: deleted.
    versions: Vec<(i64, Option<Arc<[u8]>>)>,
    /// Left rows in order of arrival.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    arrival: i64,
    /// One with NULL in it never has versions.
    key: u32,
    time_ms: i64,
    kind: RowKind,
    row: Box<[u8]>,
}

impl Waiting {
    /// About what it takes in memory.
    fn bytes(&self) -> usize {
        size_of::<Waiting>() + 16 + 8 + self.row.len()
    }
}

/// About what a version takes in memory, with its place among the changes to come.
fn version_bytes(row: Option<&Arc<[u8]>>) -> usize {
    48 + row.map_or(0, |row| row.len())
}

impl Known {
    /// The bytes of the version that gave way.
    fn put(&mut self, time: i64, row: Option<Arc<[u8]>>) -> usize {
        match self.versions.binary_search_by_key(&time, |version| version.0) {
            Ok(at) => {
                let before = std::mem::replace(&mut self.versions[at].1, row);
                version_bytes(before.as_ref())
            }
            Err(at) => {
                self.versions.insert(at, (time, row));
                0
            }
        }
    }

    fn valid_at(&self, time: i64) -> Option<&Arc<[u8]>> {
        let after = self.versions.partition_point(|version| version.0 <= time);
        self.versions[..after].last().and_then(|version| version.1.as_ref())
    }

    /// The bytes of the versions that are gone.
    fn forget_before(&mut self, watermark: i64) -> usize {
        let after = self.versions.partition_point(|version| version.0 <= watermark);
        let Some(valid) = after.checked_sub(1) else { return 0 };
        let is_deleted = self.versions[valid].1.is_none();
        let gone = self.versions.drain(..valid + usize::from(is_deleted));
        gone.map(|(_, row)| version_bytes(row.as_ref())).sum()
    }

    fn is_unused(&self) -> bool {
        self.versions.is_empty() && self.waiting.is_empty()
    }
}

impl TemporalJoin {
    pub fn new(config: &Config, inputs: &[Schema], output: &Schema, name: &str) -> TemporalJoin {
        let types = |schema: &Schema| -> Vec<ArrowType> {
            schema.fields.iter().map(|field| field.data_type.to_arrow()).collect()
        };
        TemporalJoin {
            shape: Shape::new(name, output),
            config: config.clone(),
            left_types: types(&inputs[0]),
            right_types: types(&inputs[1]),
            keys: KeyTable::default(),
            known: Vec::new(),
            changing: BTreeMap::new(),
            stale: 0,
            held_bytes: 0,
            arrivals: 0,
        }
    }

    fn slot(&mut self, hash: u64, key: &[u8]) -> u32 {
        let slot = self.keys.find_or_insert(hash, key).0;
        if self.known.len() <= slot as usize {
            self.known.resize_with(slot as usize + 1, Known::default);
        }
        self.keys.mark_used(slot);
        slot
    }

    fn wait(&mut self, batch: &Batch) -> Result<(), OperatorError> {
        let times = self.shape.times_ms(batch.record.column(self.config.left_time))?;
        let keys = row::encode_column_subset(&batch.record, &self.config.left_keys);
        let hashes = row::hashes(&keys);
        let no_key = null_keys(&batch.record, &self.config.left_keys);
        let rows = row::encode(batch.record.columns());
        for (at, time_ms) in times.into_iter().enumerate() {
            // An inner join has no use for it.
            if no_key[at] && self.config.kind == JoinKind::Inner {
                continue;
            }
            let key = self.slot(hashes[at], keys.row(at));
            let (arrival, kind) = (self.arrivals, batch.kind(at));
            self.arrivals += 1;
            self.add_waiting(Waiting { arrival, key, time_ms, kind, row: rows.row(at).into() });
        }
        Ok(())
    }

    fn add_waiting(&mut self, waiting: Waiting) {
        self.held_bytes += waiting.bytes();
        self.changing.entry(waiting.time_ms).or_default().push(waiting.key);
        self.known[waiting.key as usize].waiting.push(waiting);
    }

    fn change(&mut self, batch: &Batch) -> Result<(), OperatorError> {
        let times = self.shape.times_ms(batch.record.column(self.config.right_time))?;
        let keys = row::encode_column_subset(&batch.record, &self.config.right_keys);
        let hashes = row::hashes(&keys);
        let no_key = null_keys(&batch.record, &self.config.right_keys);
        let rows = row::encode(batch.record.columns());
        for (at, time) in times.into_iter().enumerate() {
            let kind = batch.kind(at);
            if no_key[at] || kind == RowKind::UpdateBefore {
                continue;
            }
            let slot = self.slot(hashes[at], keys.row(at));
            self.add_version(slot, time, kind.is_accumulate().then(|| rows.row(at).into()));
        }
        Ok(())
    }

    fn add_version(&mut self, slot: u32, time: i64, row: Option<Arc<[u8]>>) {
        self.held_bytes += version_bytes(row.as_ref());
        let replaced = self.known[slot as usize].put(time, row);
        self.held_bytes -= replaced;
        self.changing.entry(time).or_default().push(slot);
    }

    fn emit(
        &self,
        due: &[Waiting],
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let met: Vec<Option<&Arc<[u8]>>> =
            due.iter().map(|row| self.known[row.key as usize].valid_at(row.time_ms)).collect();
        let mut rows: Vec<usize> = (0..due.len()).collect();
        if self.config.kind == JoinKind::Inner {
            rows.retain(|&at| met[at].is_some());
        }
        let left = row::decode(&self.left_types, rows.iter().map(|&at| &*due[at].row))
            .map_err(|error| self.shape.damaged(error))?;
        let (right, has_version) = self.versions(rows.iter().map(|&at| met[at]))?;
        let record = self.shape_of(&left, &right, rows.len())?;
        let fits = self.fitting(&record, &has_version, ctx)?;
        let kinds = rows.iter().map(|&at| due[at].kind);
        let batch = match fits {
            None => Batch::changelog(record, kinds.collect()),
            Some(fits) if self.config.kind == JoinKind::Inner => {
                let kinds = kinds.zip(fits.values()).filter(|(_, fits)| *fits);
                let kinds = kinds.map(|(kind, _)| kind).collect();
                let record = arrow::compute::filter_record_batch(&record, &fits)
                    .map_err(|error| self.shape.failed(error))?;
                Batch::changelog(record, kinds)
            }
            Some(fits) => {
                let places = UInt32Array::from_iter(
                    fits.values().iter().enumerate().map(|(at, fits)| fits.then_some(at as u32)),
                );
                let right = taken(&right, &places).map_err(|error| self.shape.failed(error))?;
                Batch::changelog(self.shape_of(&left, &right, rows.len())?, kinds.collect())
            }
        };
        out.emit(batch);
        Ok(())
    }

    /// Right's columns of some versions, NULL where there is none; and where one is.
    fn versions<'a>(
        &self,
        met: impl Iterator<Item = Option<&'a Arc<[u8]>>>,
    ) -> Result<(Vec<ArrayRef>, Vec<bool>), OperatorError> {
        let (mut present, mut places, mut has_version) = (Vec::new(), Vec::new(), Vec::new());
        for version in met {
            places.push(version.map(|_| present.len() as u32));
            has_version.push(version.is_some());
            present.extend(version);
        }
        if present.is_empty() {
            let nothing = self.right_types.iter().map(|t| new_null_array(t, places.len()));
            return Ok((nothing.collect(), has_version));
        }
        let columns = row::decode(&self.right_types, present.iter().map(|row| &***row))
            .map_err(|error| self.shape.damaged(error))?;
        if present.len() == places.len() {
            return Ok((columns, has_version));
        }
        let columns = taken(&columns, &UInt32Array::from(places))
            .map_err(|error| self.shape.failed(error))?;
        Ok((columns, has_version))
    }

    fn shape_of(
        &self,
        left: &[ArrayRef],
        right: &[ArrayRef],
        rows: usize,
    ) -> Result<RecordBatch, OperatorError> {
        self.shape.record([left, right].concat(), rows)
    }

    /// Which rows have a version that passes the rest of the condition; `None` without
    /// one.
    fn fitting(
        &self,
        record: &RecordBatch,
        has_version: &[bool],
        ctx: &OperatorContext,
    ) -> Result<Option<BooleanArray>, OperatorError> {
        let Some(residual) = &self.config.residual else { return Ok(None) };
        let column = residual
            .run
            .evaluate(record, &eval_context(ctx))
            .map_err(|error| self.shape.evaluation(error))?;
        let mask = column
            .as_boolean_opt()
            .ok_or_else(|| self.shape.failed("the join condition is not BOOLEAN"))?;
        let mask = if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() };
        Ok(Some(
            mask.values().iter().zip(has_version).map(|(one, other)| Some(one && *other)).collect(),
        ))
    }

    fn leave(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        let touched: BTreeSet<u32> =
            upto(&mut self.changing, ctx.watermark.0).into_values().flatten().collect();
        let mut due: Vec<Waiting> = Vec::new();
        for &key in &touched {
            let leaves = |row: &mut Waiting| row.time_ms <= ctx.watermark.0;
            due.extend(self.known[key as usize].waiting.extract_if(.., leaves));
        }
        self.held_bytes -= due.iter().map(Waiting::bytes).sum::<usize>();
        due.sort_unstable_by_key(|row| row.arrival);
        for due in due.chunks(BATCH_ROWS) {
            self.emit(due, ctx, out)?;
        }
        for key in touched {
            if !self.keys.find_slot(key) {
                continue;
            }
            let known = &mut self.known[key as usize];
            self.held_bytes -= known.forget_before(ctx.watermark.0);
            if known.is_unused() {
                self.keys.remove(key);
            } else {
                self.keys.mark_dirty(key);
            }
        }
        Ok(())
    }
}

/// Takes out what is at or before a time.
fn upto<T>(all: &mut BTreeMap<i64, T>, time: i64) -> BTreeMap<i64, T> {
    let rest = time.checked_add(1).map_or_else(BTreeMap::new, |next| all.split_off(&next));
    std::mem::replace(all, rest)
}

fn taken(
    columns: &[ArrayRef],
    places: &UInt32Array,
) -> Result<Vec<ArrayRef>, arrow::error::ArrowError> {
    columns.iter().map(|column| take(column, places, None)).collect()
}

fn null_keys(record: &RecordBatch, columns: &[usize]) -> Vec<bool> {
    let mut no_key = vec![false; record.num_rows()];
    for nulls in columns.iter().filter_map(|&at| record.column(at).logical_nulls()) {
        no_key.iter_mut().zip(&nulls).for_each(|(no_key, valid)| *no_key |= !valid);
    }
    no_key
}

impl Operator for TemporalJoin {
    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        _: &OperatorContext,
        _: &mut Output,
    ) -> Result<(), OperatorError> {
        if input == 0 { self.wait(&batch) } else { self.change(&batch) }
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.leave(ctx, out)
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        snapshot_all(self, ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let mut left = Vec::new();
        for loaded in self.load(&entries)? {
            let Loaded { table, number, key, time_ms, kind, row } = loaded;
            let hash = row::hash(key);
            if table == VERSIONS {
                let slot = self.slot(hash, key);
                self.add_version(slot, number, kind.is_accumulate().then(|| row.into()));
            } else {
                left.push((number, hash, key, time_ms, kind, row));
            }
        }
        left.sort_unstable_by_key(|row| row.0);
        row::decode(&self.left_types, left.iter().map(|row| &*row.5))
            .map_err(|error| self.shape.damaged(error))?;
        for (arrival, hash, key, time_ms, kind, row) in left {
            self.arrivals = self.arrivals.max(arrival.saturating_add(1));
            let key = self.slot(hash, key);
            self.add_waiting(Waiting { arrival, key, time_ms, kind, row });
        }
        Ok(())
    }
}

impl Pageable for TemporalJoin {
    fn table(&self) -> &KeyTable {
        &self.keys
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.keys
    }

    fn key_columns(&self, input: usize) -> &[usize] {
        if input == 0 { &self.config.left_keys } else { &self.config.right_keys }
    }

    fn prefix_bytes(&self) -> usize {
        NUMBER_BYTES
    }

    fn has_timers(&self) -> bool {
        true
    }

    /// When a left row leaves, or a version goes: the first when the second counts, or
    /// at once if it is a deletion.
    fn due_ms(&self, slot: u32) -> Option<i64> {
        let known = &self.known[slot as usize];
        let goes = match known.versions.as_slice() {
            [(time, None), ..] | [_, (time, _), ..] => Some(*time),
            _ => None,
        };
        known.waiting.iter().map(|row| row.time_ms).chain(goes).min()
    }

    fn marks_what_it_uses(&self) -> bool {
        true
    }

    fn changes_what_it_touches(&self) -> bool {
        false
    }

    fn save(&self, slots: &[u32], _: &OperatorContext, put: &mut Put<'_>) {
        let mut saved = Saved::default();
        for (at, &slot) in slots.iter().enumerate() {
            let known = &self.known[slot as usize];
            for row in &known.waiting {
                saved.push((at, LEFT), row.arrival, row.time_ms, row.kind, &row.row);
            }
            for (time, row) in &known.versions {
                let kind = if row.is_some() { RowKind::Insert } else { RowKind::Delete };
                let row = row.as_deref().unwrap_or_default();
                saved.push((at, VERSIONS), *time, 0, kind, row);
            }
        }
        saved.write(put);
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            let known = std::mem::take(&mut self.known[slot as usize]);
            self.stale += known.waiting.len() + known.versions.len();
            let versions = known.versions.iter().map(|(_, row)| version_bytes(row.as_ref()));
            let waiting = known.waiting.iter().map(Waiting::bytes);
            self.held_bytes -= versions.chain(waiting).sum::<usize>();
            self.keys.evict(slot);
        }
        self.drop_stale();
    }

    fn memory_bytes(&self) -> usize {
        let of_keys = self.keys.slab.live() * size_of::<Known>();
        self.keys.memory_bytes() + of_keys + self.held_bytes
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        None
    }
}

impl TemporalJoin {
    /// Makes the times anew when most of them may be of keys that are gone.
    fn drop_stale(&mut self) {
        if self.stale < MOST_STALE + 2 * self.keys.slab.live() {
            return;
        }
        self.stale = 0;
        self.changing.clear();
        for slot in self.keys.index.slots() {
            let known = &self.known[slot as usize];
            let times = known.waiting.iter().map(|row| row.time_ms);
            for time in times.chain(known.versions.iter().map(|version| version.0)) {
                self.changing.entry(time).or_default().push(slot);
            }
        }
    }
}

/// State in columns, to be encoded at once.
#[derive(Default)]
struct Saved<'a> {
    /// Index of the slot, and the table.
    places: Vec<(usize, u8)>,
    numbers: Vec<i64>,
    times: Vec<i64>,
    kinds: Vec<i8>,
    rows: Vec<&'a [u8]>,
}

impl<'a> Saved<'a> {
    fn push(
        &mut self,
        place: (usize, u8),
        number: i64,
        time_ms: i64,
        kind: RowKind,
        row: &'a [u8],
    ) {
        self.places.push(place);
        self.numbers.push(number);
        self.times.push(time_ms);
        self.kinds.push(kind as i8);
        self.rows.push(row);
    }

    fn write(self, put: &mut Put<'_>) {
        let prefixes = row::encode(&[Arc::new(Int64Array::from(self.numbers))]);
        let values = row::encode(&[
            Arc::new(Int64Array::from(self.times)),
            Arc::new(Int8Array::from(self.kinds)),
            Arc::new(BinaryArray::from_iter_values(&self.rows)),
        ]);
        for (row, (at, table)) in self.places.into_iter().enumerate() {
            put(at, table, prefixes.row(row), values.row(row));
        }
    }
}

struct Loaded<'a> {
    table: u8,
    number: i64,
    key: &'a [u8],
    time_ms: i64,
    kind: RowKind,
    row: Box<[u8]>,
}

impl TemporalJoin {
    fn load<'a>(&self, entries: &'a [StateEntry]) -> Result<Vec<Loaded<'a>>, OperatorError> {
        let mut parts = Vec::with_capacity(entries.len());
        for entry in entries {
            let split = entry.key.split_at_checked(NUMBER_BYTES);
            let known = split.filter(|_| entry.table <= VERSIONS);
            let unknown = || self.shape.damaged(format!("an entry of table {}", entry.table));
            parts.push(known.ok_or_else(unknown)?);
        }
        let damaged = |error| self.shape.damaged(error);
        let numbers =
            row::decode(&[ArrowType::Int64], parts.iter().map(|part| part.0)).map_err(damaged)?;
        let types = [ArrowType::Int64, ArrowType::Int8, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(damaged)?;
        let (times, kinds) =
            (columns[0].as_primitive::<Int64Type>(), columns[1].as_primitive::<Int8Type>());
        let rows = columns[2].as_binary::<i32>();
        let versions = (0..entries.len()).filter(|&at| {
            entries[at].table == VERSIONS
                && kind_of(kinds.value(at)).is_some_and(RowKind::is_accumulate)
        });
        row::decode(&self.right_types, versions.map(|at| rows.value(at))).map_err(damaged)?;
        let loaded = parts.iter().enumerate().map(|(at, (_, key))| {
            Ok(Loaded {
                table: entries[at].table,
                number: numbers[0].as_primitive::<Int64Type>().value(at),
                key,
                time_ms: times.value(at),
                kind: kind_of(kinds.value(at)).ok_or_else(|| self.shape.damaged("no row kind"))?,
                row: rows.value(at).into(),
            })
        });
        loaded.collect()
    }
}

fn kind_of(byte: i8) -> Option<RowKind> {
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    kinds.into_iter().find(|kind| *kind as i8 == byte)
}
