//! First and last rows by time.

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{Deduplicate, Keep, Operator as Node, WindowTime};

use super::naive::{Dice, KeyedTable};
use super::stage::{Spec, Stage, check};
use super::text::schema;

fn spec(time: WindowTime, keep: Keep, state_ttl_ms: i64) -> Spec {
    let first_by_clock = time == WindowTime::Proctime && keep == Keep::First;
    Spec {
        node: Node::Deduplicate(Deduplicate {
            keys: vec![0],
            time,
            keep,
            emit_update_before: true,
            state_ttl_ms,
        }),
        inputs: vec![schema("k STRING, v INT, ts TIMESTAMP(3)")],
        output: schema("k STRING, v INT, ts TIMESTAMP(3)"),
        changelog: if first_by_clock { ChangelogMode::INSERT_ONLY } else { ChangelogMode::ALL },
        keys: vec![vec![0]],
    }
}

#[test]
fn b9_9_the_first_by_the_wall_clock_is_insert_only() {
    check(
        &spec(WindowTime::Proctime, Keep::First, 0),
        "rows +I[a, 1, 5] +I[a, 2, 4] +I[b, 3, 3]
         => +I[a, 1, 5] +I[b, 3, 3]
         restore 3
         rows +I[a, 4, 1] +I[NULL, 5, 1] +I[NULL, 6, 1]
         => +I[NULL, 5, 1]",
    );
}

#[test]
fn b9_10_the_first_by_event_time_gives_way_to_a_strictly_earlier_row() {
    check(
        &spec(WindowTime::Rowtime(2), Keep::First, 0),
        "rows +I[a, 1, 50] +I[a, 2, 50] +I[a, 3, 60] +I[a, 4, 40]
         => +I[a, 1, 50] -U[a, 1, 50] +U[a, 4, 40]
         restore 2
         watermark 100
         rows +I[a, 5, 40] +I[a, 6, 39]
         => -U[a, 4, 40] +U[a, 6, 39]",
    );
}

#[test]
fn b9_11_the_last_gives_way_to_a_row_that_is_not_earlier() {
    check(
        &spec(WindowTime::Rowtime(2), Keep::Last, 0),
        "rows +I[a, 1, 50] +I[a, 2, 50] +I[a, 3, 40]
         => +I[a, 1, 50] -U[a, 1, 50] +U[a, 2, 50]
         restore 2
         rows +I[a, 4, 49] +I[a, 2, 50]
         => -U[a, 2, 50] +U[a, 2, 50]",
    );
    check(
        &spec(WindowTime::Proctime, Keep::Last, 0),
        "rows +I[a, 1, 50] +I[a, 1, 50] +I[a, 2, 1]
         => +I[a, 1, 50] -U[a, 1, 50] +U[a, 2, 1]",
    );
}

#[test]
fn b13_1_a_key_begins_anew_after_its_time_to_live() {
    check(
        &spec(WindowTime::Proctime, Keep::Last, 100),
        "rows +I[a, 1, 1] +I[a, 1, 1]
         => +I[a, 1, 1] -U[a, 1, 1] +U[a, 1, 1]
         restore 2
         time 99
         rows +I[a, 2, 1]
         => -U[a, 1, 1] +U[a, 2, 1]
         time 199
         rows +I[a, 3, 1]
         => +I[a, 3, 1]",
    );
}

#[test]
pub fn a_state_with_a_time_to_live_shrinks_by_itself() {
    let mut stage = Stage::new(&spec(WindowTime::Proctime, Keep::First, 100));
    for key in 0..50 {
        stage.rows(0, &format!("+I[k{key}, 1, 1]"));
    }
    stage.time(1000);
    for _ in 0..10 {
        stage.rows(0, "+I[other, 1, 1]");
    }
    let keys: Vec<_> = stage.snapshot().into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys.len(), 1);
}

#[test]
pub fn rows_kept_equal_a_recomputation_over_random_input_with_restores() {
    for seed in 1..40 {
        for keep in [Keep::First, Keep::Last] {
            let mut dice = Dice::new(seed);
            let mut stage = Stage::new(&spec(WindowTime::Rowtime(2), keep, 0));
            let mut rows: Vec<(u64, u64, u64)> = Vec::new();
            for at in 0..60 {
                let row = (dice.roll(3), at, dice.roll(30));
                stage.rows(0, &format!("+I[{}, {}, {}]", row.0, row.1, row.2));
                rows.push(row);
                if dice.one_in(8) {
                    stage.restore(1 + dice.roll(4) as u16);
                }
            }
            let mut table = KeyedTable::default();
            stage.emitted().iter().for_each(|row| table.apply(row, &[0]));
            for (key, row) in &table.0 {
                let of_key = rows.iter().filter(|row| row.0.to_string() == key[0]);
                let best = match keep {
                    Keep::First => of_key.min_by_key(|row| (row.2, row.1)),
                    Keep::Last => of_key.max_by_key(|row| (row.2, row.1)),
                };
                let (k, v, ts) = best.expect("a key that was emitted came in");
                assert_eq!(row.join(", "), format!("{k}, {v}, {ts}"), "seed {seed}");
            }
        }
    }
}
