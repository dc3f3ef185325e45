//! Window join: rows of one window with equal keys (row B3.16).
//!
//! Rows are kept as they come, by window, and joined when the watermark reaches the
//! window's last millisecond: the right side is hashed and the left side probes it, a
//! column at a time. Rows of a window that has fired are dropped and counted as late.
//! NULL keys match nothing. Source of the rule: Flink `WindowJoinOperator`.
//!
//! State: tables 0 and 1, one entry a row of the left and the right side: window end,
//! window start, number of arrival, key -> row; table 2, the watermark.

use std::collections::BTreeMap;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array,
};
use arrow::compute::{
    concat_batches, filter_record_batch, prep_null_mask_filter, take, take_record_batch,
};
use arrow::datatypes::{DataType as ArrowType, Int64Type, SchemaRef};
use hashbrown::HashMap;
use millrace_dataflow::graph::{JoinKind, WindowBounds, WindowJoin as Config};
use millrace_dataflow::key_group::key_group;
use millrace_dataflow::{Batch, Schema};
use millrace_state::row::{self, EncodedRows};

use super::assign::Clock;
use super::attached::{PREFIX_BYTES, PREFIX_TYPES, by_window, has_fired, prefix};
use super::slices::Span;
use crate::memory::StateBytes;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::progress::Progress;
use crate::operators::shape::{BATCH_ROWS, Shape, eval_context};

const PROGRESS: u8 = 2;
/// No further row of the key.
const NONE: u32 = u32::MAX;

pub struct WindowJoin {
    shape: Shape,
    config: Config,
    clock: Clock,
    /// Left, then right.
    schemas: [SchemaRef; 2],
    /// A row without a match is emitted, padded.
    outer: [bool; 2],
    windows: BTreeMap<Span, [Vec<RecordBatch>; 2]>,
    /// Of the batches in the windows.
    held_bytes: usize,
    progress: Progress,
}

/// One side of a window that fires.
struct Side {
    record: RecordBatch,
    keys: EncodedRows,
    /// NULL in the key.
    no_key: Vec<bool>,
    matched: Vec<bool>,
}

/// The rows of the right side by key: the first of each, and the next of each.
struct Hashed {
    first: HashMap<u64, u32>,
    next: Vec<u32>,
}

impl WindowJoin {
    /// # Errors
    /// The session time zone is unknown.
    pub fn new(
        config: &Config,
        inputs: &[Schema],
        output: &Schema,
        name: &str,
    ) -> Result<WindowJoin, OperatorError> {
        let shape = Shape::new(name, output);
        Ok(WindowJoin {
            clock: Clock::new(config.time_zone.as_deref(), &shape)?,
            config: config.clone(),
            schemas: [0, 1].map(|side: usize| inputs[side].to_arrow()),
            outer: match config.kind {
                JoinKind::Inner => [false, false],
                JoinKind::Left => [true, false],
                JoinKind::Right => [false, true],
                JoinKind::Full => [true, true],
            },
            windows: BTreeMap::new(),
            held_bytes: 0,
            progress: Progress::default(),
            shape,
        })
    }

    fn bounds(&self, side: usize) -> WindowBounds {
        if side == 0 { self.config.left_window } else { self.config.right_window }
    }

    fn key_columns(&self, side: usize) -> &[usize] {
        if side == 0 { &self.config.left_keys } else { &self.config.right_keys }
    }

    fn keep(&mut self, side: usize, record: RecordBatch) -> Result<u64, OperatorError> {
        let bounds = self.bounds(side);
        let found = by_window(&record, bounds, &self.clock, self.progress, &self.shape)?;
        for (window, rows) in found.rows {
            let rows = if rows.len() == record.num_rows() {
                record.clone()
            } else {
                take_record_batch(&record, &UInt32Array::from(rows))
                    .map_err(|error| self.shape.failed(error))?
            };
            self.held_bytes += rows.get_array_memory_size();
            self.windows.entry(window).or_default()[side].push(rows);
        }
        Ok(found.late)
    }

    fn side(&self, side: usize, batches: &[RecordBatch]) -> Result<Side, OperatorError> {
        let record = concat_batches(&self.schemas[side], batches)
            .map_err(|error| self.shape.failed(error))?;
        let columns = self.key_columns(side);
        let keys = row::encode_column_subset(&record, columns);
        let mut no_key = vec![false; record.num_rows()];
        for nulls in columns.iter().filter_map(|&at| record.column(at).logical_nulls()) {
            no_key.iter_mut().zip(&nulls).for_each(|(no_key, valid)| *no_key |= !valid);
        }
        let matched = vec![false; record.num_rows()];
        Ok(Side { record, keys, no_key, matched })
    }

    fn fire(
        &self,
        batches: &[Vec<RecordBatch>; 2],
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let empty = [0, 1].map(|side: usize| batches[side].is_empty());
        if (empty[0] && !self.outer[1]) || (empty[1] && !self.outer[0]) {
            return Ok(());
        }
        let mut left = self.side(0, &batches[0])?;
        let mut right = self.side(1, &batches[1])?;
        self.probe(&mut left, &mut right, ctx, out)?;
        self.pad(0, &left, out)?;
        self.pad(1, &right, out)
    }

    fn probe(
        &self,
        left: &mut Side,
        right: &mut Side,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let hashed = Hashed::new(right);
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for row in 0..left.matched.len() {
            if left.no_key[row] {
                continue;
            }
            let hash = row::hash(left.keys.row(row));
            let mut at = hashed.first.get(&hash).copied().unwrap_or(NONE);
            while at != NONE {
                if right.keys.row(at as usize) == left.keys.row(row) {
                    lefts.push(row as u32);
                    rights.push(at);
                }
                at = hashed.next[at as usize];
                if lefts.len() >= BATCH_ROWS {
                    let pairs = (std::mem::take(&mut lefts), std::mem::take(&mut rights));
                    self.emit(pairs, left, right, ctx, out)?;
                }
            }
        }
        self.emit((lefts, rights), left, right, ctx, out)
    }

    fn emit(
        &self,
        (lefts, rights): (Vec<u32>, Vec<u32>),
        left: &mut Side,
        right: &mut Side,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        if lefts.is_empty() {
            return Ok(());
        }
        let rows = [UInt32Array::from(lefts), UInt32Array::from(rights)];
        let mut columns = self.taken(&left.record, &rows[0])?;
        columns.extend(self.taken(&right.record, &rows[1])?);
        let record = self.shape.record(columns, rows[0].len())?;
        let mask = self.residual(&record, ctx)?;
        for at in 0..rows[0].len() {
            if mask.as_ref().is_none_or(|mask| mask.value(at)) {
                left.matched[rows[0].value(at) as usize] = true;
                right.matched[rows[1].value(at) as usize] = true;
            }
        }
        let record = match &mask {
            None => record,
            Some(mask) => {
                filter_record_batch(&record, mask).map_err(|error| self.shape.failed(error))?
            }
        };
        out.emit(Batch::insert_only(record));
        Ok(())
    }

    fn taken(
        &self,
        record: &RecordBatch,
        rows: &UInt32Array,
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let columns = record.columns().iter().map(|column| take(column, rows, None));
        columns.collect::<Result<_, _>>().map_err(|error| self.shape.failed(error))
    }

    /// Which joined rows pass the rest of the condition; `None`: all.
    fn residual(
        &self,
        record: &RecordBatch,
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
        Ok(Some(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() }))
    }

    fn pad(&self, side: usize, rows: &Side, out: &mut Output) -> Result<(), OperatorError> {
        if !self.outer[side] {
            return Ok(());
        }
        let unmatched = (0..rows.matched.len() as u32).filter(|row| !rows.matched[*row as usize]);
        let unmatched: Vec<u32> = unmatched.collect();
        for chunk in unmatched.chunks(BATCH_ROWS) {
            let own = self.taken(&rows.record, &UInt32Array::from(chunk.to_vec()))?;
            let other = self.schemas[1 - side].fields().iter();
            let other = other.map(|field| new_null_array(field.data_type(), chunk.len())).collect();
            let columns = if side == 0 { [own, other] } else { [other, own] }.concat();
            out.emit(Batch::insert_only(self.shape.record(columns, chunk.len())?));
        }
        Ok(())
    }
}

impl Hashed {
    fn new(side: &Side) -> Hashed {
        let rows = side.no_key.len();
        let mut hashed = Hashed { first: HashMap::with_capacity(rows), next: vec![NONE; rows] };
        // Backwards, so that the rows of a key come in order of arrival.
        for row in (0..rows).rev().filter(|row| !side.no_key[*row]) {
            let hash = row::hash(side.keys.row(row));
            hashed.next[row] = hashed.first.insert(hash, row as u32).unwrap_or(NONE);
        }
        hashed
    }
}

impl Operator for WindowJoin {
    fn on_batch(
        &mut self,
        input: usize,
        batch: Batch,
        _: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        out.late_records_dropped += self.keep(input, batch.record)?;
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.progress.advance(ctx.watermark.0);
        while let Some((&window, _)) = self.windows.first_key_value() {
            if !has_fired(window, &self.clock, self.progress) {
                break;
            }
            let batches = self.windows.remove(&window).expect("just seen");
            let gone = batches.iter().flatten().map(RecordBatch::get_array_memory_size);
            self.held_bytes -= gone.sum::<usize>();
            self.fire(&batches, ctx, out)?;
        }
        Ok(())
    }

    fn state_bytes(&self) -> StateBytes {
        StateBytes::in_memory(self.held_bytes)
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.progress.save(PROGRESS, ctx, writer);
        for (window, sides) in &self.windows {
            for (side, batches) in sides.iter().enumerate() {
                let mut arrival = 0;
                for record in batches {
                    let rows = record.num_rows() as i64;
                    let prefixes = row::encode(&prefix(
                        *window,
                        (arrival..arrival + rows).collect::<Vec<_>>().into_iter(),
                    ));
                    arrival += rows;
                    let keys = row::encode_column_subset(record, self.key_columns(side));
                    let values = row::encode(record.columns());
                    for at in 0..record.num_rows() {
                        let hash = row::hash(keys.row(at));
                        writer.put(StateEntry {
                            key_group: Some(key_group(hash, ctx.max_parallelism)),
                            table: side as u8,
                            key: [prefixes.row(at), keys.row(at)].concat(),
                            value: values.row(at).to_vec(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let (progress, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.table == PROGRESS);
        self.progress = Progress::load(&progress, &self.shape)?;
        for side in [0, 1] {
            self.restore_side(side, &entries)?;
        }
        if let Some(entry) = entries.iter().find(|entry| entry.table > PROGRESS) {
            return Err(self.shape.damaged(format!("unknown table {}", entry.table)));
        }
        Ok(())
    }
}

impl WindowJoin {
    fn restore_side(&mut self, side: usize, entries: &[StateEntry]) -> Result<(), OperatorError> {
        let entries: Vec<&StateEntry> =
            entries.iter().filter(|entry| usize::from(entry.table) == side).collect();
        let mut prefixes = Vec::with_capacity(entries.len());
        for entry in &entries {
            let parts = entry.key.split_at_checked(PREFIX_BYTES);
            prefixes.push(parts.ok_or_else(|| self.shape.damaged("a key without a window"))?.0);
        }
        let columns = row::decode(&PREFIX_TYPES, prefixes.into_iter())
            .map_err(|error| self.shape.damaged(error))?;
        let [ends, starts, arrivals] =
            [0, 1, 2].map(|at: usize| columns[at].as_primitive::<Int64Type>());
        let mut windows: BTreeMap<Span, Vec<(i64, usize)>> = BTreeMap::new();
        for at in 0..entries.len() {
            let window = Span { end: ends.value(at), start: starts.value(at) };
            windows.entry(window).or_default().push((arrivals.value(at), at));
        }
        let types: Vec<ArrowType> =
            self.schemas[side].fields().iter().map(|field| field.data_type().clone()).collect();
        for (window, mut rows) in windows {
            rows.sort_unstable();
            let values = rows.iter().map(|(_, at)| entries[*at].value.as_slice());
            let columns = row::decode(&types, values).map_err(|error| self.shape.damaged(error))?;
            let record = RecordBatch::try_new(self.schemas[side].clone(), columns)
                .map_err(|error| self.shape.damaged(error))?;
            self.held_bytes += record.get_array_memory_size();
            self.windows.entry(window).or_default()[side].push(record);
        }
        Ok(())
    }
}
