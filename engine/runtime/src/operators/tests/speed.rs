//! Rows a second of one subtask, for comparison on one machine. Run with
//! `cargo test --release -p millrace-runtime speed -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use millrace_dataflow::graph::{
    AggregateFunction as F, Deduplicate, GroupAggregate, IntervalJoin, Join, JoinEmits, JoinKind,
    Keep, Operator as Node, Over, OverFrame, Rank, SortKey, WindowAggregate, WindowAssigner,
    WindowInput, WindowKind, WindowTime,
};
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{Batch, Schema, Watermark};

use super::group_aggregate::call;
use super::naive::Dice;
use super::text::schema;
use crate::operator::{OperatorContext, Output};
use crate::operators::create;

const BATCH_ROWS: usize = 512;
const BATCHES: usize = 2000;

fn context(watermark: i64) -> OperatorContext {
    OperatorContext {
        subtask: 0,
        max_parallelism: 128,
        key_groups: KeyGroupRange::of_subtask(128, 1, 0),
        processing_time_ms: 0,
        watermark: Watermark(watermark),
    }
}

/// `k BIGINT, v BIGINT, ts TIMESTAMP(3)`, one row a millisecond.
fn batches(schema: &Schema, keys: u64) -> Vec<Batch> {
    let mut dice = Dice::new(7);
    (0..BATCHES)
        .map(|batch| {
            let first = (batch * BATCH_ROWS) as i64;
            let times = first..first + BATCH_ROWS as i64;
            let columns: Vec<ArrayRef> = vec![
                Arc::new(Int64Array::from_iter_values(
                    times.clone().map(|_| dice.roll(keys) as i64),
                )),
                Arc::new(Int64Array::from_iter_values(
                    times.clone().map(|_| dice.roll(1000) as i64),
                )),
                Arc::new(TimestampMillisecondArray::from_iter_values(times)),
            ];
            let record = RecordBatch::try_new(schema.to_arrow(), columns);
            Batch::insert_only(record.expect("columns of the schema"))
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "measures itself")]
fn measure(name: &str, node: &Node, output: &str, keys: u64) {
    let input = schema("k BIGINT, v BIGINT, ts TIMESTAMP(3)");
    let is_join = matches!(node, Node::IntervalJoin(_) | Node::Join(_));
    let inputs = [input.clone(), input.clone()];
    let mut operator = create(node, &inputs, &schema(output), name).expect("a sound operator");
    let batches = batches(&input, keys);
    let (mut out, mut rows_out) = (Output::default(), 0);
    let start = Instant::now();
    for (at, batch) in batches.into_iter().enumerate() {
        let ctx = context((at * BATCH_ROWS) as i64 - 1);
        let side = if is_join { at % 2 } else { 0 };
        operator.on_batch(side, batch, &ctx, &mut out).expect("runs");
        operator.on_watermark(&ctx, &mut out).expect("runs");
        rows_out += out.batches.drain(..).map(|batch| batch.num_rows()).sum::<usize>();
    }
    let rows = (BATCHES * BATCH_ROWS) as f64;
    let rate = rows / start.elapsed().as_secs_f64() / 1e6;
    println!("{name:40} {keys:>8} keys: {rate:6.2} M rows/s in, {rows_out} rows out");
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let aggregates = vec![
        call(F::CountStar, None, "BIGINT"),
        call(F::Sum, Some((1, "BIGINT")), "BIGINT"),
        call(F::Max, Some((1, "BIGINT")), "BIGINT"),
    ];
    let time = WindowTime::Rowtime(2);
    let window = |kind| {
        Node::WindowAggregate(WindowAggregate {
            window: WindowInput::Assign(WindowAssigner {
                kind,
                offset_ms: 0,
                time,
                time_zone: None,
            }),
            keys: vec![0],
            aggregates: aggregates.clone(),
            properties: vec![],
            retracts: false,
        })
    };
    let group = Node::GroupAggregate(GroupAggregate {
        keys: vec![0],
        aggregates: aggregates.clone(),
        retracts: false,
        emit_update_before: true,
        state_ttl_ms: 0,
        mini_batch: None,
        merges: false,
    });
    let rank = Node::Rank(Rank {
        partition: vec![0],
        order: vec![SortKey { column: 1, ascending: false, nulls_first: false }],
        start: 1,
        end: 10,
        output_rank: false,
        retracts: false,
        emit_update_before: true,
        state_ttl_ms: 0,
    });
    let dedup = Node::Deduplicate(Deduplicate {
        keys: vec![0],
        time,
        keep: Keep::Last,
        emit_update_before: true,
        state_ttl_ms: 0,
        mini_batch: None,
    });
    let join = Node::IntervalJoin(IntervalJoin {
        kind: JoinKind::Inner,
        left_keys: vec![0],
        right_keys: vec![0],
        left_time: time,
        right_time: time,
        lower_ms: -1000,
        upper_ms: 1000,
        residual: None,
    });
    let regular = |emits| {
        Node::Join(Join {
            emits,
            left_keys: vec![0],
            right_keys: vec![0],
            null_safe: vec![false],
            residual: None,
            retracts: [false, false],
            state_ttl_ms: [0, 0],
        })
    };
    let aggregated = "k BIGINT, n BIGINT, s BIGINT, m BIGINT";
    let row = "k BIGINT, v BIGINT, ts TIMESTAMP(3)";
    for keys in [1000, 100_000] {
        measure("group", &group, aggregated, keys);
        measure("tumble", &window(WindowKind::Tumble { size_ms: 10_000 }), aggregated, keys);
        let hop = WindowKind::Hop { slide_ms: 2_000, size_ms: 10_000 };
        measure("hop", &window(hop), aggregated, keys);
        let session = WindowKind::Session { gap_ms: 2_000 };
        measure("session", &window(session), aggregated, keys);
        measure("rank", &rank, row, keys);
        measure("deduplicate", &dedup, row, keys);
        let joined = format!("{row}, rk BIGINT, rv BIGINT, rts TIMESTAMP(3)");
        measure("interval join", &join, &joined, keys);
        if keys > 1000 {
            measure("join", &regular(JoinEmits::Pairs(JoinKind::Inner)), &joined, keys);
            measure("full join", &regular(JoinEmits::Pairs(JoinKind::Full)), &joined, keys);
            measure("semi join", &regular(JoinEmits::Semi), row, keys);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_over() {
    let over = |frame, time| {
        Node::Over(Over {
            partition: vec![0],
            time,
            frame,
            calls: vec![
                call(F::CountStar, None, "BIGINT"),
                call(F::Sum, Some((1, "BIGINT")), "BIGINT"),
                call(F::Max, Some((1, "BIGINT")), "BIGINT"),
            ],
            state_ttl_ms: 0,
        })
    };
    let output = "k BIGINT, v BIGINT, ts TIMESTAMP(3), n BIGINT, s BIGINT, m BIGINT";
    let time = WindowTime::Rowtime(2);
    for keys in [1000, 100_000] {
        measure("over, range", &over(OverFrame::UnboundedRange, time), output, keys);
        measure("over, rows", &over(OverFrame::UnboundedRows, time), output, keys);
        measure("over, 10 rows", &over(OverFrame::Rows(10), time), output, keys);
        measure("over, 10 s", &over(OverFrame::Range(10_000), time), output, keys);
        let clock = WindowTime::Proctime;
        measure("over, rows, clock", &over(OverFrame::UnboundedRows, clock), output, keys);
    }
}
