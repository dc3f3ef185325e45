//! What the tables hold: drawn from a seed, in splits whose rows are out of order by
//! less than the watermark's delay.

use std::sync::Arc;

use anyhow::Context;
use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::record_batch::RecordBatch;
use millrace_dataflow::Schema;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// 2024-01-01, in milliseconds.
const START_MS: i64 = 1_704_067_200_000;
/// Less than the delay of the watermark.
const DISORDER_MS: i64 = 2_500;
const STEP_MS: i64 = 331;

/// The batches of each split, one row set for every column of [`crate::scripts::EVENTS`].
#[derive(Clone, Debug)]
pub struct Input {
    pub splits: Vec<Vec<Rows>>,
}

#[derive(Clone, Debug, Default)]
pub struct Rows {
    ids: Vec<i64>,
    keys: Vec<Option<i32>>,
    values: Vec<i64>,
    strings: Vec<String>,
    times_ms: Vec<i64>,
}

impl Input {
    /// `rows` rows over 1 to 5 splits.
    pub fn draw(seed: u64, rows: i64) -> Input {
        let mut random = StdRng::seed_from_u64(seed);
        let mut splits = vec![vec![]; random.random_range(1..=5)];
        let keys = random.random_range(2..40);
        let count = splits.len();
        let mut order: Vec<(i64, i64)> =
            (0..rows).map(|id| (id * STEP_MS + random.random_range(0..DISORDER_MS), id)).collect();
        order.sort_unstable();
        for (_, id) in order {
            let split: &mut Vec<(i64, Option<i32>, i64, String)> =
                &mut splits[random.random_range(0..count)];
            let key = random.random_bool(0.95).then(|| skewed(&mut random, keys));
            let value = random.random_range(0..50);
            split.push((id, key, value, format!("s{}", random.random_range(0..4))));
        }
        let cut = |split: Vec<(i64, Option<i32>, i64, String)>, random: &mut StdRng| {
            let mut batches = vec![];
            let mut rest = split.as_slice();
            while !rest.is_empty() {
                let (head, tail) = rest.split_at(random.random_range(1..=12).min(rest.len()));
                batches.push(Rows::of(head));
                rest = tail;
            }
            batches
        };
        Input { splits: splits.into_iter().map(|split| cut(split, &mut random)).collect() }
    }

    /// One split, in order of time, a row a batch.
    pub fn sort(&mut self) {
        let all = self.splits.drain(..).flatten();
        let mut rows: Vec<Rows> =
            all.flat_map(|rows| (0..rows.ids.len()).map(move |at| rows.row(at))).collect();
        rows.sort_by_key(|row| row.times_ms[0]);
        self.splits = vec![rows];
    }
}

/// Small keys are frequent.
fn skewed(random: &mut StdRng, keys: i32) -> i32 {
    let bound = random.random_range(1..=keys);
    random.random_range(0..bound)
}

impl Rows {
    fn of(rows: &[(i64, Option<i32>, i64, String)]) -> Rows {
        let mut result = Rows::default();
        for (id, key, value, string) in rows {
            result.ids.push(*id);
            result.keys.push(*key);
            result.values.push(*value);
            result.strings.push(string.clone());
            result.times_ms.push(START_MS + id * STEP_MS);
        }
        result
    }

    fn row(&self, at: usize) -> Rows {
        Rows {
            ids: vec![self.ids[at]],
            keys: vec![self.keys[at]],
            values: vec![self.values[at]],
            strings: vec![self.strings[at].clone()],
            times_ms: vec![self.times_ms[at]],
        }
    }

    /// As a batch of the table's physical columns.
    ///
    /// # Errors
    /// The columns are not those of [`crate::scripts::EVENTS`].
    pub fn record(&self, schema: &Schema) -> anyhow::Result<RecordBatch> {
        let columns: [ArrayRef; 5] = [
            Arc::new(Int64Array::from(self.ids.clone())),
            Arc::new(Int32Array::from(self.keys.clone())),
            Arc::new(Int64Array::from(self.values.clone())),
            Arc::new(StringArray::from(self.strings.clone())),
            Arc::new(arrow::array::TimestampMillisecondArray::from(self.times_ms.clone())),
        ];
        let schema = schema.to_arrow();
        let typed = columns.iter().zip(schema.fields());
        let typed = typed.map(|(column, field)| cast(column, field.data_type()));
        let columns = typed.collect::<Result<Vec<_>, _>>().context("cannot type the input")?;
        RecordBatch::try_new(schema, columns).context("cannot build the input")
    }
}
