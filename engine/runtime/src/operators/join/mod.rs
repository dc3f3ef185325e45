//! Regular joins, both sides kept whole, any changelog in (rows B6.1 to B6.6).
//!
//! A row is joined at once with all kept rows of the other side that have its key and
//! pass the rest of the condition. Inner joins hand the row's kind on; outer ones emit
//! `+I` and `-D` alone: a row without a match is padded with NULLs, its first match
//! takes the padded row back with `-D`, the loss of its last one brings it again with
//! `+I`. A semi join emits left rows with a match, an anti join those without. NULL
//! keys match nothing unless the key is null-safe; such a row is not kept, as nothing
//! that comes later can change what was emitted for it.
//!
//! Each row has its own time-to-live (Flink: map state by row); a retraction of a row
//! that is not there is joined all the same.
//!
//! Source of the rules for kinds: Flink `StreamingJoinOperator`,
//! `StreamingSemiAntiJoinOperator`.
//!
//! State: tables 0 and 1, one entry for equal rows of the left and the right side:
//! place in the key's list, key -> count, matches, last write, row.

mod emission;
mod side;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, NullArray};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType as ArrowType, FieldRef, Int64Type};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use millrace_dataflow::graph::{Join as Config, JoinEmits};
use millrace_dataflow::{Batch, RowKind, Schema, TypeRoot};
use millrace_state::row::{self, EncodedRows};

use super::frozen::{FrozenColumns, PutOfSlots, freeze};
use super::keys::KeyTable;
use super::paged::{Pageable, Put};
use super::shape::{BATCH_ROWS, Shape, eval_context};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use emission::{Emission, picked};
use side::{FrozenSide, Side};

/// A key's list of rows on one side.
const LIST_BYTES: usize = 4;
/// Bytes of the place in the key's list before the key: one BIGINT value.
const PLACE_BYTES: usize = 9;

pub struct Join {
    shape: Shape,
    config: Config,
    /// Columns that the residual is over: left's, then right's.
    both: Shape,
    /// Left, then right.
    sides: [Side; 2],
    keys: KeyTable,
    /// Where each other row is in the columns being made; used within one call.
    decoded_at: HashTable<u32>,
}

/// A batch of one side with all that is known of its rows.
struct Arrived {
    side: usize,
    batch: Batch,
    rows: EncodedRows,
    keys: EncodedRows,
    hashes: Vec<u64>,
    /// NULL in a key that matches none.
    no_key: Vec<bool>,
}

/// Some rows of a batch with the rows of the other side that have their keys.
#[derive(Default)]
struct Candidates {
    /// Rows of the batch, ascending; one for each of `ids` and `decoded`.
    rows: Vec<u32>,
    ids: Vec<u32>,
    /// Where the other row is in the decoded columns.
    decoded: Vec<u32>,
    /// Each other row once.
    distinct: Vec<u32>,
    /// For each row of the batch that was looked at, the slot of its key; [`NO_SLOT`] when
    /// there was none yet.
    keys: Vec<u32>,
}

const NO_SLOT: u32 = u32::MAX;

impl Join {
    pub fn new(config: &Config, inputs: &[Schema], output: &Schema, name: &str) -> Join {
        let outer = config.emits.outer();
        let sides = [0, 1].map(|side| {
            let ttl_ms = config.state_ttl_ms[side];
            Side::new(&inputs[side], outer[side], config.retracts[side], ttl_ms)
        });
        let fields = inputs[0].fields.iter().chain(&inputs[1].fields).cloned();
        // The padded side's columns are NOT NULL in it, not in the residual's input; columns
        // that it does not look at are not made.
        let reads = config.residual.as_ref().and_then(|residual| residual.run.reads());
        let fields = fields.enumerate().map(|(column, mut field)| {
            field.data_type.nullable = true;
            if reads.is_some_and(|reads| !reads.contains(&column)) {
                field.data_type.root = TypeRoot::Null;
            }
            field
        });
        Join {
            shape: Shape::new(name, output),
            both: Shape::new(name, &Schema::new(fields.collect())),
            config: config.clone(),
            sides,
            keys: KeyTable::default(),
            decoded_at: HashTable::new(),
        }
    }

    fn arrive(&self, side: usize, batch: Batch) -> Arrived {
        let columns = if side == 0 { &self.config.left_keys } else { &self.config.right_keys };
        let keys = row::encode_column_subset(&batch.record, columns);
        let hashes = row::hashes(&keys);
        let rows = row::encode(batch.record.columns());
        let mut no_key = vec![false; batch.num_rows()];
        let strict = columns.iter().zip(&self.config.null_safe).filter(|(_, safe)| !**safe);
        for nulls in strict.filter_map(|(at, _)| batch.record.column(*at).logical_nulls()) {
            no_key.iter_mut().zip(&nulls).for_each(|(no_key, valid)| *no_key |= !valid);
        }
        Arrived { side, batch, rows, keys, hashes, no_key }
    }

    /// Rows from `first` on with their candidates, until those are many; and the row
    /// to go on with.
    fn candidates(
        &mut self,
        arrived: &Arrived,
        first: usize,
        ctx: &OperatorContext,
    ) -> (Candidates, usize) {
        let other = &self.sides[1 - arrived.side];
        self.decoded_at.clear();
        let mut found = Candidates::default();
        let mut row = first;
        while row < arrived.hashes.len() && found.rows.len() < BATCH_ROWS {
            let key = (!arrived.no_key[row])
                .then(|| self.keys.find(arrived.hashes[row], arrived.keys.row(row)))
                .flatten();
            found.keys.push(key.unwrap_or(NO_SLOT));
            for id in key.into_iter().flat_map(|key| other.of_key(key)) {
                if other.is_live(id, ctx) {
                    let at = found.decoded_at(id, &mut self.decoded_at);
                    found.rows.push(row as u32);
                    found.ids.push(id);
                    found.decoded.push(at);
                }
            }
            row += 1;
        }
        (found, row)
    }

    fn decode(&self, side: usize, ids: &[u32]) -> Result<Vec<ArrayRef>, OperatorError> {
        let held = &self.sides[side];
        row::decode(&held.types, ids.iter().map(|id| held.row(*id)))
            .map_err(|error| self.shape.damaged(error))
    }

    /// Which candidates pass the rest of the condition; `None`: all.
    fn residual(
        &self,
        arrived: &Arrived,
        found: &Candidates,
        other: &[ArrayRef],
        ctx: &OperatorContext,
    ) -> Result<Option<BooleanArray>, OperatorError> {
        let Some(residual) = &self.config.residual else { return Ok(None) };
        let own = arrived.batch.record.columns();
        let [left, right] = [(own, &found.rows), (other, &found.decoded)];
        let [left, right] = if arrived.side == 0 { [left, right] } else { [right, left] };
        let (first, last) = self.both.schema.fields().split_at(left.0.len());
        let made = |fields: &[FieldRef], (columns, rows): (&[ArrayRef], &Vec<u32>)| {
            let wanted =
                fields.iter().zip(columns).map(|(field, column)| match field.data_type() {
                    ArrowType::Null => Arc::new(NullArray::new(column.len())),
                    _ => column.clone(),
                });
            picked(&wanted.collect::<Vec<ArrayRef>>(), rows)
        };
        let failed = |error| self.shape.failed(error);
        let columns =
            [made(first, left).map_err(failed)?, made(last, right).map_err(failed)?].concat();
        let record = self.both.record(columns, found.rows.len())?;
        let column = residual
            .run
            .evaluate(&record, &eval_context(ctx))
            .map_err(|error| self.shape.evaluation(error))?;
        let mask = column
            .as_boolean_opt()
            .ok_or_else(|| self.shape.failed("the join condition is not BOOLEAN"))?;
        Ok(Some(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() }))
    }

    fn process(
        &mut self,
        arrived: &Arrived,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut first = 0;
        while first < arrived.hashes.len() {
            let (mut found, next) = self.candidates(arrived, first, ctx);
            let other = self.decode(1 - arrived.side, &found.distinct)?;
            if !found.rows.is_empty()
                && let Some(mask) = self.residual(arrived, &found, &other, ctx)?
            {
                found.retain(&mask);
            }
            let mut emission = Emission::default();
            self.apply(arrived, first..next, &found, ctx, &mut emission);
            let own = arrived.batch.record.columns();
            emission.emit(self.config.emits, arrived.side, [own, &other], &self.shape, out)?;
            first = next;
        }
        Ok(())
    }

    /// Rows one after another: what each emits, and what it leaves in state.
    fn apply(
        &mut self,
        arrived: &Arrived,
        rows: std::ops::Range<usize>,
        found: &Candidates,
        ctx: &OperatorContext,
        emission: &mut Emission,
    ) {
        let mut at = 0;
        for (row, key) in rows.zip(&found.keys) {
            let start = at;
            while found.rows.get(at).is_some_and(|of| *of as usize == row) {
                at += 1;
            }
            let row = Row { arrived, row: row as u32, ids: &found.ids[start..at], key: *key };
            let decoded = &found.decoded[start..at];
            match self.config.emits {
                JoinEmits::Pairs(_) => self.emit_pairs(&row, decoded, ctx, emission),
                emits if arrived.side == 0 => row.emit_left(emits, emission),
                emits => self.emit_lefts(emits, &row, decoded, ctx, emission),
            }
            self.keep(&row, ctx);
        }
    }

    fn emit_pairs(
        &mut self,
        row: &Row<'_>,
        decoded: &[u32],
        ctx: &OperatorContext,
        emission: &mut Emission,
    ) {
        let side = row.arrived.side;
        let [own_outer, other_outer] = [side, 1 - side].map(|side| self.sides[side].outer);
        let accumulates = row.kind().is_accumulate();
        let kind = match accumulates {
            true if own_outer || other_outer => RowKind::Insert,
            false if own_outer => RowKind::Delete,
            _ => row.kind(),
        };
        if other_outer && accumulates {
            self.rematch(RowKind::Delete, row, decoded, ctx, emission);
        }
        if row.ids.is_empty() && own_outer {
            emission.own(kind, row.row);
        }
        let other = &self.sides[1 - side];
        for (id, at) in row.ids.iter().zip(decoded) {
            (0..other.get(*id).count).for_each(|_| emission.pair(kind, row.row, *at));
        }
        if other_outer && !accumulates {
            self.rematch(RowKind::Insert, row, decoded, ctx, emission);
        }
    }

    /// Left rows of a semi or anti join that a right row brings or takes away.
    fn emit_lefts(
        &mut self,
        emits: JoinEmits,
        row: &Row<'_>,
        decoded: &[u32],
        ctx: &OperatorContext,
        emission: &mut Emission,
    ) {
        let kind = match (emits, row.kind().is_accumulate()) {
            (JoinEmits::Anti, true) => RowKind::Delete,
            (JoinEmits::Anti, false) => RowKind::Insert,
            _ => row.kind(),
        };
        self.rematch(kind, row, decoded, ctx, emission);
    }

    /// The row is one match more or less for rows of the other side; those for which
    /// it is the first or was the last are emitted.
    fn rematch(
        &mut self,
        kind: RowKind,
        row: &Row<'_>,
        decoded: &[u32],
        ctx: &OperatorContext,
        emission: &mut Emission,
    ) {
        let other = &mut self.sides[1 - row.arrived.side];
        let (by, from) = if row.kind().is_accumulate() { (1, 0) } else { (-1, 1) };
        for (id, at) in row.ids.iter().zip(decoded) {
            if other.shift_degree(*id, by, ctx) == from {
                (0..other.get(*id).count).for_each(|_| emission.other(kind, *at));
            }
        }
    }

    fn keep(&mut self, row: &Row<'_>, ctx: &OperatorContext) {
        let Row { arrived, .. } = row;
        let (side, at) = (arrived.side, row.row as usize);
        if arrived.no_key[at] {
            return;
        }
        let bytes = arrived.rows.row(at);
        if !row.kind().is_accumulate() {
            let emptied = self.sides[side].retract(bytes, ctx);
            self.forget_key(emptied);
            return;
        }
        // A slot that was found may have gone to another key, where rows are taken back.
        let key = if row.key == NO_SLOT || self.config.retracts != [false; 2] || self.has_ttl() {
            self.keys.find_or_insert(arrived.hashes[at], arrived.keys.row(at)).0
        } else {
            row.key
        };
        let held = &self.sides[1 - side];
        let degree = if self.sides[side].outer {
            row.ids.iter().map(|id| held.get(*id).count).sum()
        } else {
            0
        };
        self.sides[side].add(key, bytes, degree, ctx);
    }

    fn has_ttl(&self) -> bool {
        self.sides.iter().any(|side| side.ttl.is_on())
    }

    /// Frees a key that one side has no more rows of, when the other has none either.
    fn forget_key(&mut self, emptied: Option<u32>) {
        if let Some(key) = emptied
            && self.sides.iter().all(|side| !side.has_key(key))
        {
            self.keys.remove(key);
        }
    }

    fn sweep(&mut self, rows: usize, ctx: &OperatorContext) {
        for side in [0, 1] {
            for id in self.sides[side].ttl.sweep(rows, ctx) {
                if self.sides[side].get(id).count > 0 {
                    let emptied = self.sides[side].remove(id);
                    self.forget_key(emptied);
                }
            }
        }
    }
}

/// Spreads the numbers of rows over a table.
fn spread(id: u32) -> u64 {
    u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Candidates {
    /// Where the other row is in the columns to be made; a place for it when it has none.
    fn decoded_at(&mut self, id: u32, places: &mut HashTable<u32>) -> u32 {
        let distinct = &mut self.distinct;
        let is_it = |at: &u32| distinct[*at as usize] == id;
        let entry = places.entry(spread(id), is_it, |at| spread(distinct[*at as usize]));
        match entry {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(vacant) => {
                let at = distinct.len() as u32;
                vacant.insert(at);
                distinct.push(id);
                at
            }
        }
    }

    fn retain(&mut self, mask: &BooleanArray) {
        for column in [&mut self.rows, &mut self.ids, &mut self.decoded] {
            let mut at = 0;
            column.retain(|_| {
                at += 1;
                mask.value(at - 1)
            });
        }
    }
}

/// A kept row and its place among those of its key.
struct Placed {
    /// Which of the keys that are saved.
    at: usize,
    place: i64,
    id: u32,
}

/// A row of a batch and the other side's rows that match it.
struct Row<'a> {
    arrived: &'a Arrived,
    row: u32,
    ids: &'a [u32],
    /// Slot of its key, or [`NO_SLOT`].
    key: u32,
}

impl Row<'_> {
    fn kind(&self) -> RowKind {
        self.arrived.batch.kind(self.row as usize)
    }

    fn emit_left(&self, emits: JoinEmits, emission: &mut Emission) {
        if self.ids.is_empty() == (emits == JoinEmits::Anti) {
            emission.own(self.kind(), self.row);
        }
    }
}

impl Operator for Join {
    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let arrived = self.arrive(input, batch);
        self.process(&arrived, ctx, out)?;
        self.sweep(arrived.hashes.len(), ctx);
        Ok(())
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        let frozen = |of: &mut Join| FrozenJoin(of.sides.each_mut().map(|side| side.freeze(ctx)));
        freeze(self, frozen, ctx, writer);
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let damaged = |error| self.shape.damaged(error);
        let mut parts = Vec::with_capacity(entries.len());
        for entry in &entries {
            let split = entry.key.split_at_checked(PLACE_BYTES);
            let known = split.filter(|_| usize::from(entry.table) < self.sides.len());
            let unknown = || self.shape.damaged(format!("an entry of table {}", entry.table));
            parts.push(known.ok_or_else(unknown)?);
        }
        let places =
            row::decode(&[ArrowType::Int64], parts.iter().map(|part| part.0)).map_err(damaged)?;
        let places = places[0].as_primitive::<Int64Type>().values();
        let types = [ArrowType::Int64, ArrowType::Int64, ArrowType::Int64, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(damaged)?;
        let [counts, degrees, written] =
            [0, 1, 2].map(|at| columns[at].as_primitive::<Int64Type>().values());
        let rows = columns[3].as_binary::<i32>();
        for (side, held) in self.sides.iter().enumerate() {
            let of_side = (0..entries.len()).filter(|&at| usize::from(entries[at].table) == side);
            row::decode(&held.types, of_side.map(|at| rows.value(at))).map_err(damaged)?;
        }
        if counts.iter().any(|count| *count < 1) || degrees.iter().any(|degree| *degree < 0) {
            return Err(self.shape.damaged("a row that is there less than once"));
        }
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&at| places[at]);
        for at in order {
            let key = parts[at].1;
            let (slot, _) = self.keys.find_or_insert(row::hash(key), key);
            let side = &mut self.sides[usize::from(entries[at].table)];
            side.restore(slot, rows.value(at), (counts[at], degrees[at]), written[at]);
        }
        Ok(())
    }
}

impl Join {
    /// The live rows of one side, in the order of their keys' lists.
    fn save_side(&self, table: u8, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        let side = &self.sides[usize::from(table)];
        let mut live: Vec<Placed> = Vec::new();
        for (at, &key) in slots.iter().enumerate() {
            let ids = side.of_key(key).filter(|id| side.is_live(*id, ctx));
            live.extend((0..).zip(ids).map(|(place, id)| Placed { at, place, id }));
        }
        let number = |of: &dyn Fn(&Placed) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(live.iter().map(of)))
        };
        let places = row::encode(&[number(&|placed| placed.place)]);
        let bytes = BinaryArray::from_iter_values(live.iter().map(|at| side.row(at.id)));
        let values = row::encode(&[
            number(&|placed| side.get(placed.id).count),
            number(&|placed| side.degree(placed.id)),
            number(&|placed| side.ttl.written_ms(placed.id)),
            Arc::new(bytes),
        ]);
        for (row, placed) in live.iter().enumerate() {
            put(placed.at, table, places.row(row), values.row(row));
        }
    }
}

/// Both sides as they were at a barrier.
#[derive(Debug)]
struct FrozenJoin([FrozenSide; 2]);

impl FrozenColumns for FrozenJoin {
    fn has(&self, slot: u32) -> bool {
        self.0.iter().any(|side| side.has_key(slot))
    }

    fn write(&self, slots: &[u32], put: PutOfSlots<'_>) {
        let mut scratch = Vec::new();
        for &slot in slots {
            for (table, side) in (0..).zip(&self.0) {
                side.write(table, slot, &mut scratch, put);
            }
        }
    }
}

impl Pageable for Join {
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
        PLACE_BYTES
    }

    /// Both sides of a key are one page: a row changes the degrees of the other side.
    fn save(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        (0..self.sides.len()).for_each(|side| self.save_side(side as u8, slots, ctx, put));
    }

    fn forget(&mut self, slots: &[u32]) {
        for &slot in slots {
            self.sides.iter_mut().for_each(|side| side.forget(slot));
            self.keys.evict(slot);
        }
    }

    fn memory_bytes(&self) -> usize {
        let lists = self.keys.slab.live() * self.sides.len() * LIST_BYTES;
        let rows: usize = self.sides.iter().map(Side::memory_bytes).sum();
        self.keys.memory_bytes() + lists + rows
    }

    fn life_of(&self, table: u8) -> Option<(i64, usize)> {
        let side = self.sides.get(usize::from(table))?;
        side.ttl.life_ms().map(|ttl_ms| (ttl_ms, 2))
    }
}
