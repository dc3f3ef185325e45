//! Rows a second of processor time of one subtask's aggregates, for comparison on one machine. Run with
//! `cargo test --release -p millrace-runtime speed_aggregate -- --ignored --nocapture`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use millrace_dataflow::graph::{
    AggregateCall, AggregateFunction as F, GroupAggregate, MiniBatchMode, Operator as Node,
};
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{Batch, Schema, Watermark};

use super::group_aggregate::call;
use super::mini_batch::mini_batch;
use super::naive::Dice;
use super::text::schema;
use crate::operator::{OperatorContext, Output};
use crate::operators::create;

const BATCH_ROWS: usize = 1024;
const COLUMNS: &str = "k BIGINT, v BIGINT, day STRING, channel STRING, bidder BIGINT, \
                       low BOOLEAN, mid BOOLEAN, high BOOLEAN";

/// Bids: `keys` auctions, a thousand channels, a tenth as many bidders as auctions.
fn batches(schema: &Schema, keys: u64, rows: usize) -> Vec<Batch> {
    let mut dice = Dice::new(7);
    let channels: Vec<String> = (0..1000).map(|at| format!("channel-{at}")).collect();
    (0..rows / BATCH_ROWS)
        .map(|_| {
            let mut longs = |below: u64| -> ArrayRef {
                let values = (0..BATCH_ROWS).map(|_| dice.roll(below) as i64);
                Arc::new(Int64Array::from_iter_values(values))
            };
            let (k, v, bidder) = (longs(keys), longs(10_000_000), longs(keys / 10 + 10));
            let channel: Vec<&str> =
                (0..BATCH_ROWS).map(|_| channels[dice.roll(1000) as usize].as_str()).collect();
            let prices: Vec<i64> =
                arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&v)
                    .values()
                    .to_vec();
            let between = |low: i64, high: i64| -> ArrayRef {
                let is: Vec<bool> = prices.iter().map(|p| (low..high).contains(p)).collect();
                Arc::new(BooleanArray::from(is))
            };
            let columns: Vec<ArrayRef> = vec![
                k,
                v,
                Arc::new(StringArray::from(vec!["2026-11-22"; BATCH_ROWS])),
                Arc::new(StringArray::from(channel)),
                bidder,
                between(0, 10_000),
                between(10_000, 1_000_000),
                between(1_000_000, i64::MAX),
            ];
            let record = RecordBatch::try_new(schema.to_arrow(), columns);
            Batch::insert_only(record.expect("columns of the schema"))
        })
        .collect()
}

/// What this thread has run, in seconds: other work on the machine does not count.
fn thread_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let ns = text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    ns.expect("nanoseconds on a processor") / 1e9
}

fn measure(name: &str, node: &Node, output: &str, keys: u64, rows: usize) {
    let input = schema(COLUMNS);
    let inputs = [input.clone()];
    let mut operator = create(node, &inputs, &schema(output), name).expect("a sound operator");
    let batches = batches(&input, keys, rows);
    let ctx = OperatorContext {
        subtask: 0,
        max_parallelism: 128,
        key_groups: KeyGroupRange::of_subtask(128, 1, 0),
        processing_time_ms: 0,
        watermark: Watermark(0),
    };
    let (mut out, mut rows_out) = (Output::default(), 0);
    let start = thread_seconds();
    for batch in batches {
        operator.on_batch(0, batch, &ctx, &mut out).expect("runs");
        rows_out += out.batches.drain(..).map(|batch| batch.num_rows()).sum::<usize>();
    }
    operator.flush(&ctx, &mut out).expect("runs");
    rows_out += out.batches.drain(..).map(|batch| batch.num_rows()).sum::<usize>();
    let rate = rows as f64 / (thread_seconds() - start) / 1e6;
    println!("{name:30} {keys:>8} keys: {rate:6.2} M rows/s in, {rows_out} rows out");
}

fn filtered(call: AggregateCall, filter: usize) -> AggregateCall {
    AggregateCall { filter: Some(filter), ..call }
}

fn group(keys: &[usize], aggregates: Vec<AggregateCall>) -> GroupAggregate {
    GroupAggregate {
        keys: keys.to_vec(),
        aggregates,
        retracts: false,
        emit_update_before: true,
        state_ttl_ms: 0,
        mini_batch: None,
        merges: false,
    }
}

/// `COUNT(*)`, three with a filter, then `COUNT(DISTINCT ..)` of two columns four times.
fn counts_and_distinct() -> Vec<AggregateCall> {
    let count = || call(F::CountStar, None, "BIGINT");
    let mut calls = vec![count()];
    calls.extend((5..8).map(|filter| filtered(count(), filter)));
    for column in [4, 0] {
        let distinct = || AggregateCall {
            distinct: true,
            ..call(F::Count, Some((column, "BIGINT")), "BIGINT")
        };
        calls.push(distinct());
        calls.extend((5..8).map(|filter| filtered(distinct(), filter)));
    }
    calls
}

fn prices() -> Vec<AggregateCall> {
    let count = || call(F::CountStar, None, "BIGINT");
    let mut calls = vec![count()];
    calls.extend((5..8).map(|filter| filtered(count(), filter)));
    calls.extend([F::Min, F::Max, F::Avg, F::Sum].map(|f| call(f, Some((1, "BIGINT")), "BIGINT")));
    calls
}

fn longs(keys: &str, calls: usize) -> String {
    let calls: Vec<String> = (0..calls).map(|at| format!("a{at} BIGINT")).collect();
    format!("{keys}, {}", calls.join(", "))
}

#[test]
#[ignore = "a measurement"]
fn speed_aggregate() {
    let plain = vec![
        call(F::CountStar, None, "BIGINT"),
        call(F::Sum, Some((1, "BIGINT")), "BIGINT"),
        call(F::Max, Some((1, "BIGINT")), "BIGINT"),
    ];
    let cases = [
        ("count sum max", group(&[0], plain), longs("k BIGINT", 3)),
        ("distinct by day (q15)", group(&[2], counts_and_distinct()), longs("d STRING", 12)),
        (
            "distinct by channel (q16)",
            group(&[3, 2], counts_and_distinct()),
            longs("c STRING, d STRING", 12),
        ),
        ("prices by auction (q17)", group(&[0, 2], prices()), longs("k BIGINT, d STRING", 8)),
    ];
    for (name, config, output) in cases {
        for keys in [1000, 100_000, 4_000_000] {
            let node = Node::GroupAggregate(config.clone());
            measure(name, &node, &output, keys, 4_000_000);
            let mini_batch = Some(mini_batch(50_000, MiniBatchMode::ProcTime));
            let node = Node::GroupAggregate(GroupAggregate { mini_batch, ..config.clone() });
            measure("- in mini-batches", &node, &output, keys, 4_000_000);
        }
    }
}
