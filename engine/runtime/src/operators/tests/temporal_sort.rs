//! Rows in order of their event time.

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{Operator as Node, SortKey, TemporalSort};

use super::naive::Dice;
use super::stage::{Spec, Stage, check};
use super::text::schema;

fn spec(order: &[(usize, bool)]) -> Spec {
    let order = order.iter().map(|&(column, ascending)| SortKey {
        column,
        ascending,
        nulls_first: ascending,
    });
    Spec {
        node: Node::TemporalSort(TemporalSort { order: order.collect() }),
        inputs: vec![schema("k STRING, v INT, ts TIMESTAMP(3)")],
        output: schema("k STRING, v INT, ts TIMESTAMP(3)"),
        changelog: ChangelogMode::INSERT_ONLY,
        keys: vec![vec![]],
    }
}

#[test]
fn rows_leave_in_order_once_the_watermark_has_reached_them() {
    check(
        &spec(&[(2, true)]),
        "rows +I[a, 1, 50] +I[b, 2, 40] +I[c, 3, 50] +I[d, 4, 60]
         =>
         watermark 49
         => +I[b, 2, 40]
         restore 2
         watermark 50
         => +I[a, 1, 50] +I[c, 3, 50]
         end
         => +I[d, 4, 60]",
    );
}

#[test]
fn rows_of_one_time_follow_the_other_columns_then_their_arrival() {
    check(
        &spec(&[(2, true), (1, false)]),
        "rows +I[a, 1, 50] +I[b, 2, 50] +I[c, 2, 50] +I[d, NULL, 50] +I[e, 9, 40]
         restore 1
         watermark 50
         => +I[e, 9, 40] +I[b, 2, 50] +I[c, 2, 50] +I[a, 1, 50] +I[d, NULL, 50]",
    );
}

#[test]
fn e14_a_row_behind_the_watermark_is_dropped_also_after_a_restore() {
    check(
        &spec(&[(2, true)]),
        "watermark 50
         rows +I[a, 1, 50] +I[b, 1, 51]
         late 1
         restore 3
         rows +I[c, 1, 50]
         late 2
         end
         => +I[b, 1, 51]",
    );
}

#[test]
fn a_sort_equals_a_stable_sort_over_random_input_with_restores() {
    for seed in 1..60 {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(&spec(&[(2, true), (1, true)]));
        let (mut clock, mut rows, mut emitted) = (0, Vec::new(), Vec::new());
        for at in 0..80 {
            clock += dice.roll(4) as i64;
            let (value, time) = (dice.roll(3), clock - dice.roll(6) as i64);
            let late = stage.late;
            stage.rows(0, &format!("+I[{at}, {value}, {time}]"));
            if stage.late == late {
                rows.push((time, value, at));
            }
            if dice.one_in(8) {
                stage.restore(1 + dice.roll(4) as u16);
            }
            if dice.one_in(4) {
                stage.watermark(stage.watermark.0.max(clock - 3));
                emitted.extend(stage.emitted());
            }
        }
        stage.end();
        emitted.extend(stage.emitted());
        rows.sort();
        let expected: Vec<String> =
            rows.iter().map(|(time, value, at)| format!("+I[{at}, {value}, {time}]")).collect();
        assert_eq!(emitted, expected, "seed {seed}");
    }
}
