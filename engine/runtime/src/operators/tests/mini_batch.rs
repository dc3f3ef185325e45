//! Mini-batches: when they end, what they give out, and that nothing else changes. The
//! comparison of all aggregates with a recomputation is in `aggregates`.

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{
    AggregateFunction, Deduplicate, GroupAggregate, Keep, MiniBatch, MiniBatchMode,
    Operator as Node, WindowTime,
};

use super::group_aggregate::call;
use super::naive::{Dice, KeyedTable};
use super::stage::{Spec, Stage, check};
use super::text::schema;

pub fn mini_batch(rows: usize, mode: MiniBatchMode) -> MiniBatch {
    MiniBatch { rows, latency_ms: 100, mode }
}

fn groups(rows: usize, mode: MiniBatchMode, state_ttl_ms: i64) -> Spec {
    Spec {
        node: Node::GroupAggregate(GroupAggregate {
            keys: vec![0],
            aggregates: vec![call(AggregateFunction::Sum, Some((1, "INT")), "INT")],
            retracts: true,
            emit_update_before: true,
            state_ttl_ms,
            mini_batch: Some(mini_batch(rows, mode)),
            merges: false,
        }),
        inputs: vec![schema("k STRING, v INT")],
        output: schema("k STRING, s INT"),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0]],
    }
}

fn kept(time: WindowTime, keep: Keep, mini_batch: Option<MiniBatch>) -> Spec {
    Spec {
        node: Node::Deduplicate(Deduplicate {
            keys: vec![0],
            time,
            keep,
            emit_update_before: true,
            state_ttl_ms: 0,
            mini_batch,
        }),
        inputs: vec![schema("k STRING, v INT, ts TIMESTAMP(3)")],
        output: schema("k STRING, v INT, ts TIMESTAMP(3)"),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0]],
    }
}

#[test]
fn f1_2_a_group_emits_its_net_change() {
    check(
        &groups(100, MiniBatchMode::ProcTime, 0),
        "rows +I[a, 1] +I[b, 1] +I[a, 2] +I[c, 1] -D[c, 1] -D[x, 1]
         =>
         flush
         => +I[a, 3] +I[b, 1]
         rows -D[b, 1] +I[a, 5] -D[a, 5] +I[c, 4]
         flush
         => -D[b, 1] +I[c, 4]
         rows -D[c, 4] +I[c, 5] -U[a, 1] +U[a, 7]
         flush
         => -U[c, 4] +U[c, 5] -U[a, 3] +U[a, 9]
         flush
         =>",
    );
}

#[test]
fn f1_4_its_size_ends_a_mini_batch_even_within_a_batch() {
    check(
        &groups(3, MiniBatchMode::ProcTime, 0),
        "rows +I[a, 1] +I[a, 1]
         =>
         rows +I[a, 1] +I[b, 1] +I[b, 1] +I[a, 1] +I[b, 1]
         => +I[a, 3] +I[b, 2] -U[a, 3] +U[a, 4]
         rows +I[b, 1] +I[b, 1]
         => -U[b, 2] +U[b, 5]",
    );
}

#[test]
fn f1_3_so_does_the_wall_clock_at_multiples_of_the_latency() {
    check(
        &groups(100, MiniBatchMode::ProcTime, 0),
        "time 130
         rows +I[a, 1]
         time 170
         rows +I[a, 1]
         time 199
         =>
         time 200
         => +I[a, 2]
         time 900
         =>",
    );
}

#[test]
fn e_23_watermarks_end_mini_batches_in_event_time_only_and_the_end_of_input_always() {
    let script = |of_watermark: &str| {
        format!(
            "rows +I[a, 1]
             watermark 5
             => {of_watermark}
             rows +I[b, 1]
             end
             => {}+I[b, 1]",
            if of_watermark.is_empty() { "+I[a, 1] " } else { "" }
        )
    };
    check(&groups(100, MiniBatchMode::ProcTime, 0), &script(""));
    check(&groups(100, MiniBatchMode::RowTime, 0), &script("+I[a, 1]"));
}

#[test]
fn what_is_held_back_is_given_out_before_a_snapshot_and_no_part_of_it() {
    check(
        &groups(100, MiniBatchMode::ProcTime, 0),
        "rows +I[a, 1] +I[b, 1] -D[b, 1]
         restore 3
         => +I[a, 1]
         rows +I[a, 2] +I[b, 7]
         restore 2
         => -U[a, 1] +U[a, 3] +I[b, 7]",
    );
}

#[test]
fn b2_2_with_a_time_to_live_an_unchanged_group_is_sent_and_an_old_one_begins_anew() {
    check(
        &groups(100, MiniBatchMode::ProcTime, 1000),
        "rows +I[a, 1] +I[b, 1]
         flush
         => +I[a, 1] +I[b, 1]
         time 500
         rows +I[a, 0]
         flush
         => -U[a, 1] +U[a, 1]
         time 1000
         rows +I[b, 5] +I[a, 1]
         flush
         => +I[b, 5] -U[a, 1] +U[a, 2]",
    );
}

#[test]
fn b9_11_deduplication_by_the_wall_clock_emits_the_last_row() {
    let config = mini_batch(100, MiniBatchMode::ProcTime);
    check(
        &kept(WindowTime::Proctime, Keep::Last, Some(config)),
        "rows +I[a, 1, 1] +I[a, 2, 1] +I[b, 1, 1]
         flush
         => +I[a, 2, 1] +I[b, 1, 1]
         rows +I[a, 3, 1] +I[a, 2, 1] +I[b, 2, 1]
         restore 2
         => -U[b, 1, 1] +U[b, 2, 1]
         rows +I[b, 3, 1]
         end
         => -U[b, 2, 1] +U[b, 3, 1]",
    );
}

#[test]
fn f1_17_changes_by_event_time_are_compacted() {
    let config = mini_batch(100, MiniBatchMode::RowTime);
    check(
        &kept(WindowTime::Rowtime(2), Keep::Last, Some(config)),
        "rows +I[a, 1, 5] +I[a, 2, 7] +I[a, 3, 6]
         watermark 1
         => +I[a, 2, 7]
         rows +I[a, 4, 6] +I[b, 1, 1]
         watermark 2
         => +I[b, 1, 1]",
    );
}

/// Whatever ends mini-batches, and wherever they are switched on or off: the changes fit
/// each other, and the table they make is that of single changes.
#[test]
fn deduplication_in_mini_batches_makes_the_same_table() {
    for seed in 1..60 {
        let mut dice = Dice::new(seed);
        let keep = if dice.one_in(2) { Keep::First } else { Keep::Last };
        let time = match keep {
            Keep::Last if dice.one_in(2) => WindowTime::Proctime,
            _ => WindowTime::Rowtime(2),
        };
        let mode = if dice.one_in(2) { MiniBatchMode::ProcTime } else { MiniBatchMode::RowTime };
        let gathered = kept(time, keep, Some(mini_batch(1 + dice.roll(20) as usize, mode)));
        let (mut stage, mut single) = (Stage::new(&gathered), Stage::new(&kept(time, keep, None)));
        for at in 0..80 {
            let row = format!("+I[{}, {at}, {}]", dice.roll(4), dice.roll(30));
            stage.rows(0, &row);
            single.rows(0, &row);
            match dice.roll(12) {
                0 => stage.watermark(at),
                1 => stage.time(stage.now_ms + dice.roll(150) as i64),
                2 => {
                    let is_on = dice.one_in(2);
                    stage.become_spec(if is_on { &gathered } else { &single.spec });
                    stage.restore(1 + dice.roll(4) as u16);
                }
                _ => {}
            }
        }
        stage.flush();
        let [table, expected] = [&mut stage, &mut single].map(|stage| {
            let mut table = KeyedTable::default();
            stage.emitted().iter().for_each(|row| table.apply(row, &[0]));
            table.0
        });
        assert_eq!(table, expected, "seed {seed}");
    }
}
