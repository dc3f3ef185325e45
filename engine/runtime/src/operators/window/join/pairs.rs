//! A window that fires: the right side is hashed and the left side probes it, a column at
//! a time.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array,
};
use arrow::compute::{concat_batches, filter_record_batch, prep_null_mask_filter, take};
use hashbrown::HashMap;
use millrace_dataflow::Batch;
use millrace_state::row::{self, EncodedRows};

use super::WindowJoin;
use super::held::{Held, Sides};
use crate::operator::{OperatorContext, OperatorError, Output};
use crate::operators::shape::{BATCH_ROWS, eval_context};

/// No further row of the key.
const NONE: u32 = u32::MAX;

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
    fn side(&self, side: usize, batches: &[Held]) -> Result<Side, OperatorError> {
        let record = concat_batches(&self.schemas[side], batches.iter().map(|held| &held.record))
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

    /// Emits what the rows of one window give; all that have one key must be there.
    pub(super) fn fire(
        &self,
        batches: &Sides,
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
