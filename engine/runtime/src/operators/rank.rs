//! Top-N per partition, and ORDER BY with LIMIT (rows B9.1 to B9.6).
//!
//! Rows are in order of the sort key, equal ones in order of arrival. With the rank in
//! the output, or ranks that do not begin with 1, the slots of the ranks change: `-U`
//! and `+U` for each rank whose row is another now, `+I` for a new last rank, `-D` for
//! a lost one. Otherwise the set changes: the row that drops out is `-D`, the one that
//! comes in `+I`.
//!
//! Insert-only input keeps just the rows up to the last rank; input that retracts
//! keeps all. A retraction of a row that is not there is dropped.
//!
//! State: table 0, one entry a row: number of arrival, partition -> last write of the
//! partition, row.

mod partition;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array, UInt32Array};
use arrow::compute::{SortOptions, take, take_record_batch};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use arrow::row::{RowConverter, Rows, SortField};
use hashbrown::HashMap;
use millrace_dataflow::graph::Rank as Config;
use millrace_dataflow::{Batch, Schema};
use millrace_state::cow::CowVec;
use millrace_state::row;

use super::frozen::{FrozenColumns, PutOfSlots, freeze};
use super::keys::{Bytes, KeyTable};
use super::paged::{Pageable, Put, snapshot_all};
use super::shape::Shape;
use super::ttl::{FrozenTtl, Ttl};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use partition::{Change, Limits, Partition, Ranked};

const ROWS: u8 = 0;
/// Bytes of the number of arrival before the partition: one BIGINT value.
const ARRIVAL_BYTES: usize = 9;

pub struct Rank {
    shape: Shape,
    config: Config,
    limits: Limits,
    row_types: Vec<ArrowType>,
    sort: RowConverter,
    keys: KeyTable,
    partitions: CowVec<Partition>,
    /// Of the rows in the partitions.
    held_bytes: usize,
    ttl: Ttl,
    arrivals: i64,
}

/// Order bytes of rows; all equal when there is no order.
struct SortKeys(Option<Rows>);

impl SortKeys {
    fn row(&self, row: usize) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

/// The column with one zero and one NaN, as the row encoding has it: a row must have
/// the same place after a restore.
pub(super) fn one_zero(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        ArrowType::Float32 | ArrowType::Float64 => {
            let rows = row::encode(std::slice::from_ref(column));
            row::decode(std::slice::from_ref(column.data_type()), rows.iter())
                .expect("just encoded")
                .remove(0)
        }
        _ => column.clone(),
    }
}

impl Rank {
    /// # Errors
    /// A sort column has a type without an order.
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
    ) -> Result<Rank, OperatorError> {
        let shape = Shape::new(name, output);
        let row_types: Vec<ArrowType> =
            input.fields.iter().map(|field| field.data_type.to_arrow()).collect();
        let fields = config.order.iter().map(|key| {
            let options = SortOptions { descending: !key.ascending, nulls_first: key.nulls_first };
            SortField::new_with_options(row_types[key.column].clone(), options)
        });
        let sort = RowConverter::new(fields.collect()).map_err(|error| shape.failed(error))?;
        let limits = Limits {
            start: usize::try_from(config.start).unwrap_or(usize::MAX).max(1),
            end: usize::try_from(config.end).unwrap_or(usize::MAX),
            by_rank: config.output_rank || config.start > 1,
            keep_rest: config.retracts,
            update_before: config.emit_update_before,
        };
        Ok(Rank {
            shape,
            config: config.clone(),
            limits,
            row_types,
            sort,
            keys: KeyTable::default(),
            partitions: CowVec::default(),
            held_bytes: 0,
            ttl: Ttl::new(config.state_ttl_ms),
            arrivals: 0,
        })
    }

    /// Order bytes of every row; they live in memory only.
    fn sort_keys(&self, columns: &[ArrayRef]) -> Result<SortKeys, OperatorError> {
        let columns: Vec<ArrayRef> =
            self.config.order.iter().map(|key| one_zero(&columns[key.column])).collect();
        if columns.is_empty() {
            return Ok(SortKeys(None));
        }
        let rows = self.sort.convert_columns(&columns).map_err(|error| self.shape.failed(error))?;
        Ok(SortKeys(Some(rows)))
    }

    fn slot(&mut self, key: &[u8], ctx: &OperatorContext) -> u32 {
        let (slot, is_new) = self.keys.find_or_insert(row::hash(key), key);
        self.partitions.grow(slot as usize + 1);
        if is_new || self.ttl.is_expired(slot, ctx) {
            self.clear(slot);
            self.keys.mark_dirty(slot);
            self.ttl.write(slot, ctx.processing_time_ms);
        }
        slot
    }

    /// Leaves out rows that cannot come in: behind the last rank of a full partition
    /// that keeps no more. Saves encoding them.
    fn candidates(&self, batch: Batch) -> Result<Batch, OperatorError> {
        if self.limits.keep_rest || batch.kinds.is_some() || self.ttl.is_on() {
            return Ok(batch);
        }
        let keys = row::encode_column_subset(&batch.record, &self.config.partition);
        let sort = self.sort_keys(batch.record.columns())?;
        let hopeful: Vec<u32> = (0..batch.num_rows())
            .filter(|&row| {
                let key = keys.row(row);
                let slot = self.keys.find(row::hash(key), key);
                let partition = slot.map(|slot| &self.partitions[slot as usize]);
                partition.is_none_or(|p| p.admits(sort.row(row), &self.limits))
            })
            .map(|row| row as u32)
            .collect();
        if hopeful.len() == batch.num_rows() {
            return Ok(batch);
        }
        take_record_batch(&batch.record, &UInt32Array::from(hopeful))
            .map(Batch::insert_only)
            .map_err(|error| self.shape.failed(error))
    }

    fn apply(
        &mut self,
        batch: &Batch,
        ctx: &OperatorContext,
    ) -> Result<Vec<Change>, OperatorError> {
        let keys = row::encode_column_subset(&batch.record, &self.config.partition);
        let sort = self.sort_keys(batch.record.columns())?;
        let rows = row::encode(batch.record.columns());
        let mut changes = Vec::new();
        for row in 0..batch.num_rows() {
            let slot = self.slot(keys.row(row), ctx);
            let partition = &mut self.partitions[slot as usize];
            self.held_bytes -= partition.bytes();
            let known = changes.len();
            let ranked = Ranked {
                sort: Bytes::from_slice(sort.row(row)),
                arrival: self.arrivals,
                row: Arc::from(rows.row(row)),
            };
            if batch.kind(row).is_accumulate() {
                self.arrivals += 1;
                partition.insert(ranked, &self.limits, &mut changes);
            } else {
                partition.remove(&ranked, &self.limits, &mut changes);
            }
            self.held_bytes += partition.bytes();
            if partition.is_empty() {
                self.keys.remove(slot);
                continue;
            }
            self.keys.mark_dirty(slot);
            if self.limits.keep_rest || changes.len() > known {
                self.ttl.write(slot, ctx.processing_time_ms);
            }
        }
        Ok(changes)
    }

    fn emit(&self, changes: Vec<Change>, out: &mut Output) -> Result<(), OperatorError> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut columns = self.columns(&changes)?;
        if self.config.output_rank {
            let ranks = changes.iter().map(|change| change.rank as i64);
            columns.push(Arc::new(Int64Array::from_iter_values(ranks)));
        }
        let record = self.shape.record(columns, changes.len())?;
        let kinds = changes.iter().map(|change| change.kind).collect();
        out.emit(Batch::changelog(record, kinds));
        Ok(())
    }

    /// Rows that changes show. One that moves from rank to rank is decoded once.
    fn columns(&self, changes: &[Change]) -> Result<Vec<ArrayRef>, OperatorError> {
        let mut places: HashMap<usize, u32> = HashMap::with_capacity(changes.len());
        let mut distinct: Vec<&[u8]> = Vec::new();
        let rows = changes.iter().map(|change| {
            // All of them are alive: what has one address is one row.
            *places.entry(change.row.as_ptr().addr()).or_insert_with(|| {
                distinct.push(&change.row);
                distinct.len() as u32 - 1
            })
        });
        let rows: UInt32Array = rows.collect::<Vec<u32>>().into();
        let columns = row::decode(&self.row_types, distinct.iter().copied())
            .map_err(|error| self.shape.damaged(error))?;
        if distinct.len() == changes.len() {
            return Ok(columns);
        }
        let taken = columns.iter().map(|column| take(column, &rows, None));
        taken.collect::<Result<_, _>>().map_err(|error| self.shape.failed(error))
    }

    fn clear(&mut self, slot: u32) {
        let gone = std::mem::take(&mut self.partitions[slot as usize]);
        self.held_bytes -= gone.bytes();
    }

    fn forget_expired(&mut self, rows: usize, ctx: &OperatorContext) {
        for slot in self.ttl.sweep(rows, ctx) {
            if !self.partitions[slot as usize].is_empty() {
                self.clear(slot);
                self.keys.remove(slot);
            }
        }
    }
}

impl Operator for Rank {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let rows = batch.num_rows();
        let batch = self.candidates(batch)?;
        let changes = self.apply(&batch, ctx)?;
        self.emit(changes, out)?;
        self.forget_expired(rows, ctx);
        Ok(())
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        if self.limits.keep_rest {
            // A partition may have any number of rows: too much to copy at a write.
            snapshot_all(self, ctx, writer);
            return Ok(());
        }
        let frozen = |of: &mut Rank| FrozenRank {
            partitions: of.partitions.freeze(),
            ttl: of.ttl.freeze(ctx),
        };
        freeze(self, frozen, ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let mut parts = Vec::with_capacity(entries.len());
        for entry in &entries {
            let split = entry.key.split_at_checked(ARRIVAL_BYTES);
            let known = split.filter(|_| entry.table == ROWS);
            parts.push(
                known.ok_or_else(|| {
                    self.shape.damaged(format!("an entry of table {}", entry.table))
                })?,
            );
        }
        let damaged = |error| self.shape.damaged(error);
        let arrivals =
            row::decode(&[ArrowType::Int64], parts.iter().map(|part| part.0)).map_err(damaged)?;
        let types = [ArrowType::Int64, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(damaged)?;
        let rows = columns[1].as_binary::<i32>();
        let decoded = row::decode(&self.row_types, (0..entries.len()).map(|at| rows.value(at)))
            .map_err(damaged)?;
        let sort = self.sort_keys(&decoded)?;
        let arrivals = arrivals[0].as_primitive::<Int64Type>().values();
        let written = columns[0].as_primitive::<Int64Type>().values();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&at| arrivals[at]);
        for at in order {
            let slot = self.slot_again(parts[at].1, written[at]);
            let ranked = Ranked {
                sort: Bytes::from_slice(sort.row(at)),
                arrival: arrivals[at],
                row: Arc::from(rows.value(at)),
            };
            self.arrivals = self.arrivals.max(arrivals[at] + 1);
            let partition = &mut self.partitions[slot as usize];
            self.held_bytes -= partition.bytes();
            partition.insert(ranked, &self.limits, &mut Vec::new());
            self.held_bytes += partition.bytes();
        }
        Ok(())
    }
}

impl Rank {
    fn slot_again(&mut self, key: &[u8], written_ms: i64) -> u32 {
        let (slot, _) = self.keys.find_or_insert(row::hash(key), key);
        self.partitions.grow(slot as usize + 1);
        self.ttl.write(slot, written_ms);
        slot
    }
}

/// The partitions as they were at a barrier.
#[derive(Debug)]
struct FrozenRank {
    partitions: CowVec<Partition>,
    ttl: FrozenTtl,
}

impl FrozenColumns for FrozenRank {
    fn has(&self, slot: u32) -> bool {
        self.partitions.get(slot as usize).is_some_and(|partition| !partition.is_empty())
    }

    fn write(&self, slots: &[u32], put: PutOfSlots<'_>) {
        let mut scratch = Vec::new();
        let live = slots.iter().filter(|slot| !self.ttl.is_expired(**slot));
        live.for_each(|&slot| self.write_slot(slot, &mut scratch, put));
    }
}

impl FrozenRank {
    fn write_slot(&self, slot: u32, scratch: &mut Vec<u8>, put: PutOfSlots<'_>) {
        for (arrival, bytes) in self.partitions[slot as usize].rows() {
            scratch.clear();
            row::push_int(scratch, arrival);
            row::push_int(scratch, self.ttl.written_ms(slot));
            row::push_binary(scratch, bytes);
            let (prefix, value) = scratch.split_at(ARRIVAL_BYTES);
            put(slot, ROWS, prefix, value);
        }
    }
}

impl Pageable for Rank {
    fn table(&self) -> &KeyTable {
        &self.keys
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.keys
    }

    fn key_columns(&self, _: usize) -> &[usize] {
        &self.config.partition
    }

    fn prefix_bytes(&self) -> usize {
        ARRIVAL_BYTES
    }

    fn save(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        let live = (0..slots.len()).filter(|&at| !self.ttl.is_expired(slots[at], ctx));
        let rows: Vec<(usize, i64, &[u8])> = live
            .flat_map(|at| {
                let rows = self.partitions[slots[at] as usize].rows();
                rows.map(move |(arrival, row)| (at, arrival, row))
            })
            .collect();
        let written = rows.iter().map(|(at, ..)| self.ttl.written_ms(slots[*at]));
        let arrivals = Int64Array::from_iter_values(rows.iter().map(|(_, arrival, _)| *arrival));
        let prefixes = row::encode(&[Arc::new(arrivals)]);
        let values = row::encode(&[
            Arc::new(Int64Array::from_iter_values(written)),
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|(.., row)| *row))),
        ]);
        for (row, (at, ..)) in rows.iter().enumerate() {
            put(*at, ROWS, prefixes.row(row), values.row(row));
        }
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            self.clear(slot);
            self.keys.evict(slot);
        }
    }

    fn memory_bytes(&self) -> usize {
        let slot_bytes = size_of::<Partition>() + self.ttl.slot_bytes();
        self.keys.memory_bytes() + self.keys.slab.live() * slot_bytes + self.held_bytes
    }

    fn changes_what_it_touches(&self) -> bool {
        false
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        self.ttl.life_ms().map(|ttl_ms| (ttl_ms, 0))
    }
}
