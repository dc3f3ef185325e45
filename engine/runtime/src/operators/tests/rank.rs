//! Top-N: what changes, and sorting over random input.

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{Operator as Node, Rank, SortKey};

use super::naive::{Bag, Dice, KeyedTable};
use super::stage::{Spec, Stage, check};
use super::text::schema;

/// The best `v` of each `k`, between two ranks.
fn spec(start: u64, end: u64, output_rank: bool, retracts: bool) -> Spec {
    let output = if output_rank {
        "k STRING, v INT, t STRING, rn BIGINT"
    } else {
        "k STRING, v INT, t STRING"
    };
    Spec {
        node: Node::Rank(Rank {
            partition: vec![0],
            order: vec![SortKey { column: 1, ascending: false, nulls_first: false }],
            start,
            end,
            output_rank,
            retracts,
            emit_update_before: true,
            state_ttl_ms: 0,
        }),
        inputs: vec![schema("k STRING, v INT, t STRING")],
        output: schema(output),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0]],
    }
}

fn config(spec: &mut Spec) -> &mut Rank {
    match &mut spec.node {
        Node::Rank(config) => config,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn b9_3_without_the_rank_rows_come_in_and_drop_out() {
    for retracts in [false, true] {
        check(
            &spec(1, 2, false, retracts),
            "rows +I[a, 1, x] +I[a, 3, y] +I[a, 2, z] +I[a, 1, w]
             => +I[a, 1, x] +I[a, 3, y] -D[a, 1, x] +I[a, 2, z]
             restore 3
             rows +I[a, 2, u] +I[b, NULL, v]
             => +I[b, NULL, v]
             rows +I[a, 4, t]
             => -D[a, 2, z] +I[a, 4, t]",
        );
    }
}

#[test]
fn b9_2_with_the_rank_slots_change() {
    for retracts in [false, true] {
        check(
            &spec(1, 2, true, retracts),
            "rows +I[a, 1, x] +I[a, 3, y]
             => +I[a, 1, x, 1] -U[a, 1, x, 1] +U[a, 3, y, 1] +I[a, 1, x, 2]
             restore 2
             rows +I[a, 2, z] +I[a, 0, w]
             => -U[a, 1, x, 2] +U[a, 2, z, 2]",
        );
    }
    let mut quiet = spec(1, 2, true, false);
    config(&mut quiet).emit_update_before = false;
    check(
        &quiet,
        "rows +I[a, 1, x] +I[a, 3, y]
         => +I[a, 1, x, 1] +U[a, 3, y, 1] +I[a, 1, x, 2]",
    );
}

#[test]
fn b9_4_ties_stand_in_order_of_arrival() {
    check(
        &spec(1, 2, false, true),
        "rows +I[a, 1, x] +I[a, 1, y] +I[a, 1, z]
         => +I[a, 1, x] +I[a, 1, y]
         restore 2
         rows -D[a, 1, x]
         => -D[a, 1, x] +I[a, 1, z]",
    );
}

#[test]
fn b9_5_what_was_behind_comes_back_when_the_input_retracts() {
    check(
        &spec(1, 2, true, true),
        "rows +I[a, 3, x] +I[a, 2, y] +I[a, 1, z]
         => +I[a, 3, x, 1] +I[a, 2, y, 2]
         restore 4
         rows -U[a, 3, x] +U[a, 0, x]
         => -U[a, 3, x, 1] +U[a, 2, y, 1] -U[a, 2, y, 2] +U[a, 1, z, 2]
         rows -D[a, 0, x] -D[a, 1, z] -D[a, 7, q]
         => -D[a, 1, z, 2]
         rows -D[a, 2, y]
         => -D[a, 2, y, 1]
         rows +I[a, 1, b]
         => +I[a, 1, b, 1]",
    );
}

#[test]
fn b9_6_ranks_may_begin_later() {
    check(
        &spec(2, 3, false, false),
        "rows +I[a, 1, x] +I[a, 2, y] +I[a, 3, z]
         => +I[a, 1, x] -U[a, 1, x] +U[a, 2, y] +I[a, 1, x]
         rows +I[a, 4, w]
         => -U[a, 2, y] +U[a, 3, z] -U[a, 1, x] +U[a, 2, y]",
    );
}

#[test]
fn a_limit_without_an_order_takes_the_first_rows() {
    let mut limit = spec(1, 3, false, false);
    config(&mut limit).order.clear();
    config(&mut limit).partition.clear();
    limit.keys = vec![vec![]];
    check(
        &limit,
        "rows +I[a, 9, x] +I[b, 1, y]
         => +I[a, 9, x] +I[b, 1, y]
         restore 2
         rows +I[a, 2, z] +I[c, 1, w]
         => +I[a, 2, z]
         rows +I[a, 2, z]
         =>",
    );
}

#[test]
fn b13_1_a_partition_that_nothing_changes_is_forgotten() {
    let mut mortal = spec(1, 1, false, false);
    config(&mut mortal).state_ttl_ms = 100;
    check(
        &mortal,
        "rows +I[a, 5, x]
         => +I[a, 5, x]
         time 99
         rows +I[a, 1, y]
         =>
         restore 2
         time 100
         rows +I[a, 1, y]
         => +I[a, 1, y]",
    );
}

/// The rows of `live` that the ranks show, sorted and numbered.
fn sorted(live: &[(String, i64, String)], start: usize, end: usize) -> Vec<(String, usize)> {
    let mut rows = Vec::new();
    for key in ["a", "b", "c"] {
        let mut of_key: Vec<_> = live.iter().filter(|row| row.0 == key).collect();
        of_key.sort_by_key(|row| -row.1);
        let shown = of_key.iter().enumerate().take(end).skip(start - 1);
        rows.extend(shown.map(|(at, (k, v, t))| (format!("{k}, {v}, {t}"), at + 1)));
    }
    rows
}

fn compare(seed: u64, retracts: bool, output_rank: bool, start: usize, end: usize) {
    let mut dice = Dice::new(seed);
    let mut stage = Stage::new(&spec(start as u64, end as u64, output_rank, retracts));
    let mut live: Vec<(String, i64, String)> = Vec::new();
    let (mut ranked, mut bag) = (KeyedTable::default(), Bag::default());
    for batch in 0..25 {
        let mut changes = String::new();
        for _ in 0..1 + dice.roll(8) {
            if retracts && !live.is_empty() && dice.roll(5) < 2 {
                let (k, v, t) = live.remove(dice.roll(live.len() as u64) as usize);
                changes += &format!("-D[{k}, {v}, {t}]");
            } else {
                let key = ["a", "b", "c"][dice.roll(3) as usize].to_owned();
                let row = (key, dice.roll(12) as i64, format!("t{}", live.len() * 100 + batch));
                changes += &format!("+I[{}, {}, {}]", row.0, row.1, row.2);
                live.push(row);
            }
        }
        stage.rows(0, &changes);
        for row in stage.emitted() {
            if output_rank { ranked.apply(&row, &[0, 3]) } else { bag.apply(&row) }
        }
        let expected = sorted(&live, start, end);
        if output_rank {
            let mut shown: Vec<String> = ranked.0.values().map(|row| row.join(", ")).collect();
            let mut expected: Vec<String> =
                expected.iter().map(|(row, rank)| format!("{row}, {rank}")).collect();
            shown.sort();
            expected.sort();
            assert_eq!(shown, expected, "seed {seed}, batch {batch}");
        } else {
            let mut wanted = Bag::default();
            expected.iter().for_each(|(row, _)| wanted.apply(&format!("+I[{row}]")));
            assert_eq!(bag, wanted, "seed {seed}, batch {batch}");
        }
        if dice.one_in(5) {
            stage.restore(1 + dice.roll(4) as u16);
        }
    }
}

#[test]
pub fn ranks_equal_sorting_over_random_input_with_restores() {
    for seed in 1..30 {
        for retracts in [false, true] {
            compare(seed, retracts, true, 1, 4);
            compare(seed, retracts, false, 1, 4);
            compare(seed, retracts, true, 2, 3);
            compare(seed, retracts, false, 3, 5);
        }
    }
}
