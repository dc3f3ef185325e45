//! Before a sink whose primary key is not a key of the query's changes (row B12.22):
//! changes of one primary key come from several rows of the query and in any order, so
//! all rows of a primary key are kept in order of arrival and the sink is shown the
//! last of them.
//!
//! A row is added at the end, or put in the place of the one with its upsert key when
//! the query has such a key. Taking away the last row shows the one before it; taking
//! away the only one deletes; taking away another shows nothing.
//!
//! Source of the rule: Flink `SinkUpsertMaterializer`.
//!
//! State: table 0, one entry a primary key: key -> last write, rows, each behind its
//! length (4 bytes, little-endian).

use std::sync::Arc;

use arrow::array::{AsArray, BinaryArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::SinkMaterialize as Config;
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::row;

use super::keys::KeyTable;
use super::paged::{Pageable, Put, snapshot_all};
use super::shape::{Picks, Shape};
use super::ttl::Ttl;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const KEPT: u8 = 0;

#[derive(Debug)]
pub struct SinkMaterialize {
    shape: Shape,
    config: Config,
    row_types: Vec<ArrowType>,
    keys: KeyTable,
    /// The rows of each slot; empty for slots that are free.
    kept: Vec<Vec<Kept>>,
    /// Of the kept rows.
    held_bytes: usize,
    ttl: Ttl,
}

#[derive(Clone, Debug)]
struct Kept {
    /// What a row is known by: its upsert key; empty when that is the whole row.
    identity: Box<[u8]>,
    row: Arc<[u8]>,
}

impl Kept {
    /// About what it takes, with its places in the list and in memory.
    fn bytes(&self) -> usize {
        2 * size_of::<Kept>() + self.identity.len() + self.row.len()
    }

    fn is(&self, identity: &[u8], row: &[u8]) -> bool {
        if identity.is_empty() { *self.row == *row } else { *self.identity == *identity }
    }
}

/// What a batch changes: source 0 of the picks is the input, source 1 rows that are
/// shown again.
#[derive(Debug, Default)]
struct Changes {
    picks: Picks,
    again: Vec<Arc<[u8]>>,
}

impl SinkMaterialize {
    pub fn new(config: &Config, output: &Schema, name: &str) -> SinkMaterialize {
        let shape = Shape::new(name, output);
        let row_types = shape.schema.fields().iter().map(|f| f.data_type().clone()).collect();
        SinkMaterialize {
            shape,
            config: config.clone(),
            row_types,
            keys: KeyTable::default(),
            kept: Vec::new(),
            held_bytes: 0,
            ttl: Ttl::new(config.state_ttl_ms),
        }
    }

    /// The upsert keys of some columns; one empty key a row when there is none.
    fn identities(&self, batch: &arrow::array::RecordBatch) -> Option<row::EncodedRows> {
        let columns = self.config.upsert_key.as_ref()?;
        Some(row::encode_column_subset(batch, columns))
    }

    fn changes(&mut self, batch: &Batch, ctx: &OperatorContext) -> Changes {
        let keys = row::encode_column_subset(&batch.record, &self.config.keys);
        let hashes = row::hashes(&keys);
        let rows = row::encode(batch.record.columns());
        let identities = self.identities(&batch.record);
        let mut changes = Changes::default();
        for (at, &hash) in hashes.iter().enumerate() {
            let identity = identities.as_ref().map_or(&[][..], |identities| identities.row(at));
            if batch.kind(at).is_accumulate() {
                let slot = self.slot(hash, keys.row(at), ctx);
                let kind = self.add(slot, identity, rows.row(at));
                changes.picks.push(kind, 0, at);
                self.ttl.write(slot, ctx.processing_time_ms);
            } else if let Some(slot) = self.keys.find(hash, keys.row(at))
                && !self.ttl.is_expired(slot, ctx)
            {
                self.take_away(slot, identity, rows.row(at), at, &mut changes);
                self.ttl.write(slot, ctx.processing_time_ms);
            }
        }
        changes
    }

    fn slot(&mut self, hash: u64, key: &[u8], ctx: &OperatorContext) -> u32 {
        let (slot, is_new) = self.keys.find_or_insert(hash, key);
        if self.kept.len() <= slot as usize {
            self.kept.resize_with(slot as usize + 1, Vec::new);
        }
        if !is_new && self.ttl.is_expired(slot, ctx) {
            self.clear(slot);
        }
        slot
    }

    /// Drops the slot's rows; whether there were any.
    fn clear(&mut self, slot: u32) -> bool {
        let gone = std::mem::take(&mut self.kept[slot as usize]);
        self.held_bytes -= gone.iter().map(Kept::bytes).sum::<usize>();
        !gone.is_empty()
    }

    fn add(&mut self, slot: u32, identity: &[u8], row: &[u8]) -> RowKind {
        let rows = &mut self.kept[slot as usize];
        let kind = if rows.is_empty() { RowKind::Insert } else { RowKind::UpdateAfter };
        let added = Kept { identity: identity.into(), row: row.into() };
        let place = rows.iter().position(|kept| !identity.is_empty() && kept.is(identity, row));
        self.held_bytes += added.bytes();
        match place {
            Some(place) => {
                self.held_bytes -= rows[place].bytes();
                rows[place] = added;
            }
            None => rows.push(added),
        }
        kind
    }

    fn take_away(
        &mut self,
        slot: u32,
        identity: &[u8],
        row: &[u8],
        at: usize,
        changes: &mut Changes,
    ) {
        let rows = &mut self.kept[slot as usize];
        let Some(place) = rows.iter().position(|kept| kept.is(identity, row)) else { return };
        self.held_bytes -= rows.remove(place).bytes();
        match rows.last() {
            None => {
                changes.picks.push(RowKind::Delete, 0, at);
                self.keys.remove(slot);
            }
            Some(last) if place == rows.len() => {
                changes.picks.push(RowKind::UpdateAfter, 1, changes.again.len());
                changes.again.push(last.row.clone());
            }
            Some(_) => {}
        }
    }

    fn forget_expired(&mut self, rows: usize, ctx: &OperatorContext) {
        for slot in self.ttl.sweep(rows, ctx) {
            if self.clear(slot) {
                self.keys.remove(slot);
            }
        }
    }
}

impl Operator for SinkMaterialize {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let rows = batch.num_rows();
        let Changes { picks, again } = self.changes(&batch, ctx);
        if !picks.rows.is_empty() {
            out.emit(self.shape.picked(picks, &batch, &again)?);
        }
        self.forget_expired(rows, ctx);
        Ok(())
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
        ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let types = [ArrowType::Int64, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(|error| self.shape.damaged(error))?;
        let written = columns[0].as_primitive::<Int64Type>();
        let packed = columns[1].as_binary::<i32>();
        for (at, entry) in entries.iter().enumerate() {
            if entry.table != KEPT {
                return Err(self.shape.damaged(format!("unknown table {}", entry.table)));
            }
            let rows = unpack(packed.value(at))
                .ok_or_else(|| self.shape.damaged("a list of rows is cut off"))?;
            let kept = self.identified(rows)?;
            let slot = self.slot(row::hash(&entry.key), &entry.key, ctx);
            self.clear(slot);
            self.held_bytes += kept.iter().map(Kept::bytes).sum::<usize>();
            self.kept[slot as usize] = kept;
            self.ttl.write(slot, written.value(at));
        }
        Ok(())
    }
}

impl SinkMaterialize {
    /// Stored rows with their upsert keys, which are not stored.
    fn identified(&self, rows: Vec<&[u8]>) -> Result<Vec<Kept>, OperatorError> {
        let columns = row::decode(&self.row_types, rows.iter().copied())
            .map_err(|error| self.shape.damaged(error))?;
        let identities = self.identities(&self.shape.record(columns, rows.len())?);
        let kept = rows.iter().enumerate().map(|(at, row)| Kept {
            identity: identities.as_ref().map_or(&[][..], |all| all.row(at)).into(),
            row: (*row).into(),
        });
        Ok(kept.collect())
    }
}

impl Pageable for SinkMaterialize {
    fn table(&self) -> &KeyTable {
        &self.keys
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.keys
    }

    fn key_columns(&self, _: usize) -> &[usize] {
        &self.config.keys
    }

    fn save(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        let live: Vec<usize> =
            (0..slots.len()).filter(|&at| !self.ttl.is_expired(slots[at], ctx)).collect();
        let written = live.iter().map(|&at| self.ttl.written_ms(slots[at]));
        let packed = live.iter().map(|&at| pack(&self.kept[slots[at] as usize]));
        let values = row::encode(&[
            Arc::new(Int64Array::from_iter_values(written)),
            Arc::new(BinaryArray::from_iter_values(packed)),
        ]);
        for (value, &at) in values.iter().zip(&live) {
            put(at, KEPT, &[], value);
        }
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            self.clear(slot);
            self.keys.evict(slot);
        }
    }

    fn memory_bytes(&self) -> usize {
        let slot_bytes = size_of::<Vec<Kept>>() + self.ttl.slot_bytes();
        self.keys.memory_bytes() + self.keys.slab.live() * slot_bytes + self.held_bytes
    }

    fn life_of(&self, _: u8) -> Option<(i64, usize)> {
        self.ttl.life_ms().map(|ttl_ms| (ttl_ms, 0))
    }
}

fn pack(rows: &[Kept]) -> Vec<u8> {
    let mut packed = Vec::new();
    for kept in rows {
        let length = u32::try_from(kept.row.len()).expect("a row is below 4 GiB");
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(&kept.row);
    }
    packed
}

fn unpack(mut packed: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rows = Vec::new();
    while !packed.is_empty() {
        let (length, rest) = packed.split_first_chunk::<4>()?;
        let (row, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rows.push(row);
        packed = rest;
    }
    Some(rows)
}
