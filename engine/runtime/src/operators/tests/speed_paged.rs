//! Rows a second with pages on disk, when all fits into memory and when a tenth does.
//! Run with `cargo nextest run -E 'test(speed_paged)' --run-ignored all --no-capture`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use millrace_dataflow::graph::{
    AggregateFunction as F, Deduplicate, GroupAggregate, Join, JoinEmits, JoinKind, Keep,
    Operator as Node, Rank, SortKey, WindowTime,
};
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{Batch, Schema, Watermark};
use millrace_state::pages::{Background, RunOptions, Runs};
use millrace_state::{PageStore, RunSet};

use super::group_aggregate::call;
use super::naive::Dice;
use super::text::schema;
use crate::memory::{MemoryLimits, StateMemory};
use crate::operator::{OperatorContext, Output, StateEntry, StateWriter};
use crate::operators::create;

const BATCH_ROWS: usize = 1024;
const BATCHES: usize = 2000;
/// Batches between two barriers.
const BARRIER: usize = 250;
const KEYS: u64 = 1_000_000;

const CONTEXT: OperatorContext = OperatorContext {
    subtask: 0,
    max_parallelism: 128,
    key_groups: KeyGroupRange { start: 0, end: 128 },
    processing_time_ms: 0,
    watermark: Watermark::MIN,
};

/// Takes the runs and drops them.
struct Nowhere;

impl StateWriter for Nowhere {
    fn put(&mut self, _: StateEntry) {}

    fn put_runs(&mut self, _: RunSet) {}
}

/// `k BIGINT, v BIGINT`, keys at random.
fn batch(schema: &Schema, dice: &mut Dice) -> Batch {
    let mut column = |below: u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..BATCH_ROWS).map(|_| dice.roll(below) as i64)))
    };
    let columns = vec![column(KEYS), column(1000)];
    Batch::insert_only(RecordBatch::try_new(schema.to_arrow(), columns).expect("two columns"))
}

/// Memory of the tables at the end.
#[expect(clippy::disallowed_methods, reason = "measures itself")]
fn measure(name: &str, node: &Node, output: &str, budget: Option<u64>) -> u64 {
    let input = schema("k BIGINT, v BIGINT");
    let inputs = [input.clone(), input.clone()];
    let mut operator = create(node, &inputs, &schema(output), name).expect("a sound operator");
    let directory = tempfile::tempdir().expect("a directory");
    if let Some(budget_bytes) = budget {
        let options = RunOptions {
            write_buffer_bytes: 16 << 20,
            ..RunOptions::new(directory.path().join("pages"), "p")
        };
        let store = Runs::open(options, Background::start(1), &RunSet::default());
        let store: Box<dyn PageStore> = Box::new(store.expect("a new store"));
        operator.use_pages(store);
        let limits = MemoryLimits { budget_bytes, limit_bytes: u64::MAX };
        operator.account_for(&StateMemory::shared(limits).open(name, true));
    }
    let mut dice = Dice::new(7);
    let (mut out, mut busy, mut barriers) = (Output::default(), Duration::ZERO, Duration::ZERO);
    for at in 0..BATCHES {
        let batch = batch(&input, &mut dice);
        let start = Instant::now();
        operator.on_batch(at % node_inputs(node), batch, &CONTEXT, &mut out).expect("runs");
        out.batches.clear();
        busy += start.elapsed();
        if at % BARRIER == BARRIER - 1 && budget.is_some() {
            let start = Instant::now();
            operator.snapshot(&CONTEXT, &mut Nowhere).expect("a snapshot");
            barriers += start.elapsed();
        }
    }
    let rate = (BATCHES * BATCH_ROWS) as f64 / busy.as_secs_f64() / 1e6;
    let bytes = operator.state_bytes();
    let (memory, stored) = (bytes.memory >> 20, bytes.stored >> 20);
    let barrier_ms = barriers.as_millis() as usize / (BATCHES / BARRIER);
    println!(
        "{name:38} {rate:6.2} M rows/s, {barrier_ms:4} ms a barrier, {memory:4} MiB in memory, \
         {stored:4} MiB stored"
    );
    bytes.memory
}

fn node_inputs(node: &Node) -> usize {
    if matches!(node, Node::Join(_)) { 2 } else { 1 }
}

fn nodes() -> Vec<(&'static str, Node, &'static str)> {
    let group = Node::GroupAggregate(GroupAggregate {
        keys: vec![0],
        aggregates: vec![
            call(F::CountStar, None, "BIGINT"),
            call(F::Sum, Some((1, "BIGINT")), "BIGINT"),
            call(F::Max, Some((1, "BIGINT")), "BIGINT"),
        ],
        retracts: false,
        emit_update_before: true,
        state_ttl_ms: 0,
        mini_batch: None,
        merges: false,
    });
    let deduplicate = |keep| {
        Node::Deduplicate(Deduplicate {
            keys: vec![0],
            time: WindowTime::Proctime,
            keep,
            emit_update_before: true,
            state_ttl_ms: 0,
            mini_batch: None,
        })
    };
    let rank = Node::Rank(Rank {
        partition: vec![0],
        order: vec![SortKey { column: 1, ascending: false, nulls_first: false }],
        start: 1,
        end: 3,
        output_rank: false,
        retracts: false,
        emit_update_before: true,
        state_ttl_ms: 0,
    });
    let join = Node::Join(Join {
        emits: JoinEmits::Pairs(JoinKind::Inner),
        left_keys: vec![0],
        right_keys: vec![0],
        null_safe: vec![false],
        residual: None,
        retracts: [false, false],
        state_ttl_ms: [0, 0],
    });
    let row = "k BIGINT, v BIGINT";
    vec![
        ("group", group, "k BIGINT, n BIGINT, s BIGINT, m BIGINT"),
        ("deduplicate, first", deduplicate(Keep::First), row),
        ("deduplicate, last", deduplicate(Keep::Last), row),
        ("rank", rank, row),
        ("join", join, "k BIGINT, v BIGINT, rk BIGINT, rv BIGINT"),
    ]
}

#[test]
#[ignore = "a measurement"]
fn speed_paged() {
    for (name, node, output) in nodes() {
        let all = measure(&format!("{name}, in memory"), &node, output, None);
        measure(&format!("{name}, pages, all fits"), &node, output, Some(u64::MAX));
        measure(&format!("{name}, pages, a tenth fits"), &node, output, Some(all / 10));
    }
}
