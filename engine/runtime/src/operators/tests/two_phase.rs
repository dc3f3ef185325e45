//! Aggregation in two phases (row F2.1) against a recomputation: several first phases
//! share the rows, and whatever ends their mini-batches, the table is the same.

use millrace_dataflow::graph::{
    AggregateCall, AggregateFunction as F, LocalGroupAggregate, MiniBatchMode, Operator as Node,
};
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{Batch, Schema, Watermark};

use super::aggregates::{COLUMNS, Live, calls, gathering, recomputed, row, spec};
use super::group_aggregate::call;
use super::mini_batch::mini_batch;
use super::naive::{Dice, KeyedTable};
use super::stage::{Spec, Stage, with_pages};
use super::text::{self, schema};
use crate::operator::{Operator, OperatorContext, Output};
use crate::operators::create;

/// One subtask of the first phase.
struct Local {
    operator: Box<dyn Operator>,
    now_ms: i64,
    /// It owns so many of 128 key groups.
    key_groups: u16,
    out: Output,
}

fn partial_schema(adaptive: bool) -> Schema {
    LocalGroupAggregate::output(&schema(COLUMNS), &[0], adaptive)
}

impl Local {
    fn new(calls: &[AggregateCall], retracts: bool, rows: usize, adaptive: bool) -> Local {
        let node = Node::LocalGroupAggregate(LocalGroupAggregate {
            keys: vec![0],
            aggregates: calls.to_vec(),
            retracts,
            mini_batch: mini_batch(rows, MiniBatchMode::ProcTime),
            adaptive,
        });
        let made = create(&node, &[schema(COLUMNS)], &partial_schema(adaptive), "local");
        Local {
            operator: made.expect("a sound operator"),
            now_ms: 0,
            key_groups: 64,
            out: Output::default(),
        }
    }

    fn context(&self) -> OperatorContext {
        OperatorContext {
            subtask: 0,
            max_parallelism: 128,
            key_groups: KeyGroupRange { start: 0, end: self.key_groups },
            processing_time_ms: self.now_ms,
            watermark: Watermark::MIN,
        }
    }

    fn rows(&mut self, rows: &str) {
        let (batch, ctx) = (text::batch(&schema(COLUMNS), rows), self.context());
        self.operator.on_batch(0, batch, &ctx, &mut self.out).expect("it takes rows");
    }

    fn flush(&mut self) {
        let ctx = self.context();
        self.operator.flush(&ctx, &mut self.out).expect("it gives out");
    }

    fn taken(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.out).batches
    }
}

/// The second phase.
fn global(calls: &[AggregateCall], retracts: bool, rows: usize, adaptive: bool) -> Spec {
    let mut spec = gathering(spec(calls, retracts), rows);
    if let Node::GroupAggregate(config) = &mut spec.node {
        config.merges = true;
        // The key is the first column, and BYTES come behind it.
        for call in &mut config.aggregates {
            let places = call.arguments.iter_mut().chain(&mut call.filter);
            places.for_each(|column| *column = LocalGroupAggregate::place(&[0], *column));
        }
    }
    spec.inputs = vec![partial_schema(adaptive)];
    spec
}

/// Whether the value does not depend on which of two rows of different subtasks is first.
fn is_unordered(call: &AggregateCall) -> bool {
    !matches!(call.function, F::FirstValue | F::LastValue | F::ListAgg { .. })
}

fn locals(
    dice: &mut Dice,
    calls: &[AggregateCall],
    retracts: bool,
    adaptive: bool,
    number: usize,
) -> Vec<Local> {
    (0..number).map(|_| Local::new(calls, retracts, 1 + dice.roll(40) as usize, adaptive)).collect()
}

/// A row's changes all come from one subtask: the one that made it.
fn origin(row: &[String], subtasks: usize) -> usize {
    row[8].parse::<usize>().expect("its time") % subtasks
}

fn compare(seed: u64, retracts: bool, subtasks: usize) {
    let mut dice = Dice::new(seed);
    let calls: Vec<_> = calls().into_iter().filter(|c| subtasks == 1 || is_unordered(c)).collect();
    let adaptive = dice.one_in(2);
    let mut first = locals(&mut dice, &calls, retracts, adaptive, subtasks);
    let mut second = Stage::new(&global(&calls, retracts, 1 + dice.roll(40) as usize, adaptive));
    let (mut live, mut table) = (Live::default(), KeyedTable::default());
    let mut in_one_phase = false;
    for at in 0..40 {
        for step in 0..1 + dice.roll(12) {
            let (change, row) = if retracts && !live.rows.is_empty() && dice.roll(5) < 2 {
                ("-D", live.take(dice.roll(live.rows.len() as u64) as usize))
            } else {
                let new = row(&mut dice, at * 100 + step as i64);
                live.add(new.clone());
                ("+I", new)
            };
            let text = format!("{change}[{}]", row.join(", "));
            match in_one_phase {
                true => second.rows(0, &text),
                false => first[origin(&row, subtasks)].rows(&text),
            }
        }
        if dice.one_in(4) {
            first.iter_mut().for_each(Local::flush);
            first.iter_mut().flat_map(Local::taken).for_each(|batch| second.batch(0, &batch));
            second.flush();
            second.emitted().iter().for_each(|row| table.apply(row, &[0]));
            assert_eq!(table.0, recomputed(&calls, &live), "seed {seed}, batch {at}");
            if dice.one_in(3) {
                // Nothing of the first phase is state, so a savepoint fits one phase, too.
                in_one_phase = dice.one_in(3);
                let spec = match in_one_phase {
                    true => spec(&calls, retracts),
                    false => global(&calls, retracts, 1 + dice.roll(40) as usize, adaptive),
                };
                second.become_spec(&spec);
                second.restore(1 + dice.roll(5) as u16);
                first = locals(&mut dice, &calls, retracts, adaptive, subtasks);
            }
        }
        for local in &mut first {
            local.taken().iter().for_each(|batch| second.batch(0, batch));
        }
    }
}

#[test]
fn f2_1_every_aggregate_in_two_phases_equals_its_recomputation() {
    for seed in 1..24 {
        compare(seed, seed % 3 > 0, 1 + seed as usize % 4);
    }
}

#[test]
fn f2_1_also_where_the_second_phase_keeps_pages() {
    with_pages(|| (1..6).for_each(|seed| compare(seed, true, 1 + seed as usize % 3)));
}

#[test]
fn h4_6_a_savepoint_fits_whatever_the_phases_were() {
    let calls = [call(F::Sum, Some((2, "INT")), "INT")];
    let mut first = Local::new(&calls, false, 100, false);
    let mut second = Stage::new(&global(&calls, false, 100, false));
    first.rows("+I[a, NULL, 4, NULL, NULL, NULL, NULL, NULL, 0]");
    first.rows("+I[a, NULL, 5, NULL, NULL, NULL, NULL, NULL, 0]");
    first.flush();
    first.taken().iter().for_each(|batch| second.batch(0, batch));
    second.become_spec(&spec(&calls, false));
    second.restore(3);
    second.rows(0, "+I[a, NULL, 1, NULL, NULL, NULL, NULL, NULL, 0]");
    assert_eq!(second.emitted(), ["+I[a, 9]", "-U[a, 9]", "+U[a, 10]"]);
}

/// What a first phase gives out for `groups` groups of as many rows each.
fn given_out(adaptive: bool, rows: usize, groups: usize, mini_batches: usize) -> Vec<usize> {
    let calls = [call(F::CountStar, None, "BIGINT")];
    let mut local = Local::new(&calls, false, rows, adaptive);
    (0..mini_batches)
        .map(|_| {
            let cells = ", NULL".repeat(8);
            let text: Vec<String> =
                (0..rows).map(|row| format!("+I[{}{cells}]", row % groups)).collect();
            local.rows(&text.join(" "));
            local.taken().iter().map(Batch::num_rows).sum()
        })
        .collect()
}

#[test]
fn f2_1_auto_goes_on_with_single_rows_where_groups_are_as_many() {
    // Each is told of once a mini-batch, whatever the strategy.
    assert_eq!(given_out(true, 2000, 4, 3), [4, 4, 4]);
    assert_eq!(given_out(false, 2000, 1500, 3), [1500, 1500, 1500]);
    // Adding up is tried, and then left for a while.
    let adaptive = given_out(true, 2000, 1500, 25);
    assert_eq!(adaptive[0], 1500);
    assert_eq!(adaptive[1..21], [2000; 20]);
    assert_eq!(adaptive[21..23], [1500, 2000]);
}

/// Rows that wait when rows begin to go on as they are go before those.
#[test]
fn f2_1_auto_keeps_changes_in_order() {
    let calls = [call(F::CountStar, None, "BIGINT")];
    let mut local = Local::new(&calls, true, 1000, true);
    let mut second = Stage::new(&global(&calls, true, 100_000, true));
    let change = |kind: &str, key: usize| format!("{kind}[{key}{}]", ", NULL".repeat(8));
    let rows: Vec<String> = (0..1200).map(|key| change("+I", key)).collect();
    local.rows(&rows.join(" "));
    assert_eq!(local.out.batches.iter().map(Batch::num_rows).sum::<usize>(), 1000);
    let gone: Vec<String> = (0..1199).map(|key| change("-D", key)).collect();
    local.rows(&gone.join(" "));
    local.taken().iter().for_each(|batch| second.batch(0, batch));
    second.flush();
    assert_eq!(second.emitted(), ["+I[1199, 1]"]);
}

#[test]
fn f2_1_the_second_phase_does_not_wait_a_latency_more() {
    let calls = [call(F::CountStar, None, "BIGINT")];
    let mut local = Local::new(&calls, false, 100, false);
    let mut second = Stage::new(&global(&calls, false, 100, false));
    local.now_ms = 130;
    second.now_ms = 130;
    local.rows("+I[a, NULL, 4, NULL, NULL, NULL, NULL, NULL, 0]");
    assert_eq!(local.operator.next_processing_timer(), Some(200));
    local.now_ms = 200;
    let ctx = local.context();
    local.operator.on_processing_time(&ctx, &mut local.out).expect("it gives out");
    second.time(200);
    local.taken().iter().for_each(|batch| second.batch(0, batch));
    second.time(209);
    assert_eq!(second.emitted(), Vec::<String>::new());
    second.time(210);
    assert_eq!(second.emitted(), ["+I[a, 1]"]);
}
