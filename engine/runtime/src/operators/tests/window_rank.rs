//! Window Top-N and window deduplication.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{Operator as Node, SortKey, WindowBounds, WindowRank};

use super::naive::Dice;
use super::stage::{Spec, Stage, check};
use super::text::schema;

/// Ranks of `k` within a window by `v`, the greatest first unless `ascending`.
fn spec(start: u64, end: u64, ascending: bool, latest_first: bool) -> Spec {
    Spec {
        node: Node::WindowRank(WindowRank {
            window: WindowBounds { start: 3, end: 4 },
            partition: vec![0],
            order: vec![SortKey { column: 1, ascending, nulls_first: ascending }],
            start,
            end,
            latest_first,
            output_rank: true,
            time_zone: None,
        }),
        inputs: vec![schema("k STRING, v INT, t STRING, ws TIMESTAMP(3), we TIMESTAMP(3)")],
        output: schema("k STRING, v INT, t STRING, ws TIMESTAMP(3), we TIMESTAMP(3), rn BIGINT"),
        changelog: ChangelogMode::INSERT_ONLY,
        keys: vec![vec![0]],
    }
}

#[test]
fn b3_14_the_best_rows_of_each_window_come_at_its_end() {
    check(
        &spec(1, 2, false, false),
        "rows +I[a, 1, x, 0, 10] +I[a, 3, y, 0, 10] +I[a, 2, z, 0, 10] +I[a, 3, w, 0, 10]
         rows +I[a, 1, x, 10, 20] +I[b, NULL, n, 0, 10]
         restore 3
         rows +I[a, 3, v, 0, 10]
         watermark 9
         => +I[a, 3, y, 0, 10, 1] +I[a, 3, w, 0, 10, 2] +I[b, NULL, n, 0, 10, 1]
         rows +I[a, 9, u, 0, 10]
         late 1
         restore 1
         rows +I[a, 9, u, 0, 10]
         late 2
         end
         => +I[a, 1, x, 10, 20, 1]",
    );
}

#[test]
fn b9_6_ranks_may_begin_later() {
    check(
        &spec(2, 3, true, false),
        "rows +I[a, 3, x, 0, 10] +I[a, 1, y, 0, 10] +I[a, 2, z, 0, 10] +I[a, 4, w, 0, 10]
         end
         => +I[a, 2, z, 0, 10, 2] +I[a, 3, x, 0, 10, 3]",
    );
}

#[test]
pub fn b3_15_of_equal_times_the_first_is_first_and_the_last_is_last() {
    let rows = "rows +I[a, 5, x, 0, 10] +I[a, 5, y, 0, 10] +I[a, 4, z, 0, 10]
         restore 2
         rows +I[a, 5, w, 0, 10] +I[a, 4, v, 0, 10]
         end";
    check(&spec(1, 1, true, false), &format!("{rows}\n => +I[a, 4, z, 0, 10, 1]"));
    check(&spec(1, 1, false, true), &format!("{rows}\n => +I[a, 5, w, 0, 10, 1]"));
}

#[test]
pub fn ranks_equal_sorting_over_random_input_with_restores() {
    for seed in 1..60 {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(&spec(1, 3, false, false));
        let mut groups: BTreeMap<(i64, u64), Vec<(u64, u64)>> = BTreeMap::new();
        let (mut mark, mut arrival) = (i64::MIN, 0);
        for step in 0..40_i64 {
            let mut rows = String::new();
            for _ in 0..1 + dice.roll(5) {
                let start = (step / 4 - dice.roll(3) as i64) * 10;
                let (key, value) = (dice.roll(3), dice.roll(6));
                arrival += 1;
                rows += &format!("+I[k{key}, {value}, t{arrival}, {start}, {}] ", start + 10);
                if start + 9 > mark {
                    groups.entry((start, key)).or_default().push((value, arrival));
                }
            }
            stage.rows(0, &rows);
            if dice.one_in(8) {
                stage.restore(1 + dice.roll(4) as u16);
            }
            if dice.one_in(4) {
                mark = mark.max(step / 4 * 10 - 6);
                stage.watermark(mark);
            }
        }
        stage.watermark(i64::MAX);
        let mut expected = Vec::new();
        for ((start, key), mut rows) in groups {
            rows.sort_by_key(|(value, arrival)| (std::cmp::Reverse(*value), *arrival));
            for (rank, (value, arrival)) in (1..=3).zip(rows) {
                let end = start + 10;
                expected.push(format!("+I[k{key}, {value}, t{arrival}, {start}, {end}, {rank}]"));
            }
        }
        expected.sort();
        let mut emitted = stage.emitted();
        emitted.sort();
        assert_eq!(emitted, expected, "seed {seed}");
    }
}
