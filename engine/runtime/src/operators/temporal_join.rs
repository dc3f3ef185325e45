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
use super::shape::{BATCH_ROWS, Shape, eval_context};
use crate::memory::StateBytes;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const LEFT: u8 = 0;
const VERSIONS: u8 = 1;
/// Bytes of the number before the key: one BIGINT value.
const NUMBER_BYTES: usize = 9;

pub struct TemporalJoin {
    shape: Shape,
    config: Config,
    left_types: Vec<ArrowType>,
    right_types: Vec<ArrowType>,
    keys: KeyTable,
    /// What is known of each slot's key.
    known: Vec<Known>,
    /// Left rows by time.
    waiting: BTreeMap<i64, Vec<Waiting>>,
    /// Keys that get a version at a time.
    changing: BTreeMap<i64, Vec<u32>>,
    /// Of waiting rows and versions.
    held_bytes: usize,
    arrivals: i64,
}

#[derive(Debug, Default)]
struct Known {
    /// By time; each is valid until the next. `None`: deleted.
    versions: Vec<(i64, Option<Arc<[u8]>>)>,
    waiting: u32,
}

#[derive(Debug)]
struct Waiting {
    arrival: i64,
    /// `None`: NULL in the key, so it meets nothing.
    key: Option<u32>,
    hash: u64,
    key_bytes: Box<[u8]>,
    time_ms: i64,
    kind: RowKind,
    row: Box<[u8]>,
}

impl Waiting {
    /// About what it takes in memory.
    fn bytes(&self) -> usize {
        size_of::<Waiting>() + 16 + self.key_bytes.len() + self.row.len()
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
        self.versions.is_empty() && self.waiting == 0
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
            waiting: BTreeMap::new(),
            changing: BTreeMap::new(),
            held_bytes: 0,
            arrivals: 0,
        }
    }

    fn slot(&mut self, hash: u64, key: &[u8]) -> u32 {
        let slot = self.keys.find_or_insert(hash, key).0;
        if self.known.len() <= slot as usize {
            self.known.resize_with(slot as usize + 1, Known::default);
        }
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
            let key = (!no_key[at]).then(|| self.slot(hashes[at], keys.row(at)));
            let waiting = Waiting {
                arrival: self.arrivals,
                key,
                hash: hashes[at],
                key_bytes: if key.is_none() { keys.row(at).into() } else { Box::default() },
                time_ms,
                kind: batch.kind(at),
                row: rows.row(at).into(),
            };
            self.arrivals += 1;
            self.add_waiting(waiting);
        }
        Ok(())
    }

    fn add_waiting(&mut self, waiting: Waiting) {
        if let Some(key) = waiting.key {
            self.known[key as usize].waiting += 1;
        }
        self.held_bytes += waiting.bytes();
        self.waiting.entry(waiting.time_ms).or_default().push(waiting);
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
            due.iter().map(|row| self.known[row.key? as usize].valid_at(row.time_ms)).collect();
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
        let mut due: Vec<Waiting> =
            upto(&mut self.waiting, ctx.watermark.0).into_values().flatten().collect();
        self.held_bytes -= due.iter().map(Waiting::bytes).sum::<usize>();
        due.sort_unstable_by_key(|row| row.arrival);
        for due in due.chunks(BATCH_ROWS) {
            self.emit(due, ctx, out)?;
        }
        let mut touched = BTreeSet::new();
        for key in due.iter().filter_map(|row| row.key) {
            self.known[key as usize].waiting -= 1;
            touched.insert(key);
        }
        touched.extend(upto(&mut self.changing, ctx.watermark.0).into_values().flatten());
        for key in touched {
            let known = &mut self.known[key as usize];
            self.held_bytes -= known.forget_before(ctx.watermark.0);
            if known.is_unused() && self.keys.find_slot(key) {
                self.keys.remove(key);
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

    fn state_bytes(&self) -> StateBytes {
        let of_keys = self.keys.slab.live() * size_of::<Known>();
        StateBytes::in_memory(self.keys.memory_bytes() + of_keys + self.held_bytes)
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        let mut saved = Saved::default();
        for row in self.waiting.values().flatten() {
            let (hash, key) = match row.key {
                Some(slot) => (self.keys.slab.hash(slot), self.keys.slab.key(slot)),
                None => (row.hash, &*row.key_bytes),
            };
            saved.push(LEFT, row.arrival, (hash, key), row.time_ms, row.kind, &row.row);
        }
        for slot in self.keys.index.slots() {
            let key = (self.keys.slab.hash(slot), self.keys.slab.key(slot));
            for (time, row) in &self.known[slot as usize].versions {
                let kind = if row.is_some() { RowKind::Insert } else { RowKind::Delete };
                saved.push(VERSIONS, *time, key, 0, kind, row.as_deref().unwrap_or_default());
            }
        }
        saved.write(ctx, writer);
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
        let rows = row::decode(&self.left_types, left.iter().map(|row| &*row.5))
            .map_err(|error| self.shape.damaged(error))?;
        let rows = self.left_keys_of(&rows, left.len());
        for ((arrival, hash, key, time_ms, kind, row), no_key) in left.into_iter().zip(rows) {
            self.arrivals = self.arrivals.max(arrival + 1);
            let slot = (!no_key).then(|| self.slot(hash, key));
            let key_bytes = if no_key { key.into() } else { Box::default() };
            self.add_waiting(Waiting { arrival, key: slot, hash, key_bytes, time_ms, kind, row });
        }
        Ok(())
    }
}

/// State in columns, to be encoded at once.
#[derive(Default)]
struct Saved {
    tables: Vec<u8>,
    numbers: Vec<i64>,
    keys: Vec<(u64, Vec<u8>)>,
    times: Vec<i64>,
    kinds: Vec<i8>,
    rows: Vec<Vec<u8>>,
}

impl Saved {
    fn push(
        &mut self,
        table: u8,
        number: i64,
        key: (u64, &[u8]),
        time_ms: i64,
        kind: RowKind,
        row: &[u8],
    ) {
        self.tables.push(table);
        self.numbers.push(number);
        self.keys.push((key.0, key.1.to_vec()));
        self.times.push(time_ms);
        self.kinds.push(kind as i8);
        self.rows.push(row.to_vec());
    }

    fn write(self, ctx: &OperatorContext, writer: &mut dyn StateWriter) {
        let prefixes = row::encode(&[Arc::new(Int64Array::from(self.numbers))]);
        let values = row::encode(&[
            Arc::new(Int64Array::from(self.times)),
            Arc::new(Int8Array::from(self.kinds)),
            Arc::new(BinaryArray::from_iter_values(&self.rows)),
        ]);
        for (at, (hash, key)) in self.keys.iter().enumerate() {
            writer.put(StateEntry {
                key_group: Some(millrace_dataflow::key_group::key_group(
                    *hash,
                    ctx.max_parallelism,
                )),
                table: self.tables[at],
                key: [prefixes.row(at), key].concat(),
                value: values.row(at).to_vec(),
            });
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

    /// Which rows have NULL in their key.
    fn left_keys_of(&self, columns: &[ArrayRef], rows: usize) -> Vec<bool> {
        let mut no_key = vec![false; rows];
        for &column in &self.config.left_keys {
            for (at, no_key) in no_key.iter_mut().enumerate() {
                *no_key |= columns[column].is_null(at);
            }
        }
        no_key
    }
}

fn kind_of(byte: i8) -> Option<RowKind> {
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    kinds.into_iter().find(|kind| *kind as i8 == byte)
}
