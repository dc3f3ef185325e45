//! Changes in the order of a sink's primary key.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{Operator as Node, SinkMaterialize};

use super::naive::{Dice, parts};
use super::stage::{Spec, Stage, check};
use super::text::schema;

fn spec(upsert_key: Option<Vec<usize>>, state_ttl_ms: i64) -> Spec {
    Spec {
        node: Node::SinkMaterialize(SinkMaterialize { keys: vec![0], upsert_key, state_ttl_ms }),
        inputs: vec![schema("k STRING, id INT, v INT")],
        output: schema("k STRING, id INT, v INT"),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0]],
    }
}

#[test]
fn b12_22_the_last_row_of_a_key_is_shown() {
    check(
        &spec(None, 0),
        "rows +I[a, 1, 1] +I[a, 2, 2] +I[b, 3, 3]
         => +I[a, 1, 1] +U[a, 2, 2] +I[b, 3, 3]
         restore 3
         rows -D[a, 2, 2]
         => +U[a, 1, 1]
         rows -U[a, 1, 1] -D[b, 3, 3] -D[b, 3, 3]
         => -D[a, 1, 1] -D[b, 3, 3]",
    );
}

#[test]
fn b12_22_taking_away_an_older_row_shows_nothing() {
    check(
        &spec(None, 0),
        "rows +I[a, 1, 1] +I[a, 2, 2] -D[a, 1, 1] -D[a, 9, 9]
         => +I[a, 1, 1] +U[a, 2, 2]
         rows -D[a, 2, 2]
         => -D[a, 2, 2]",
    );
}

#[test]
fn b12_22_a_row_is_known_by_its_upsert_key() {
    check(
        &spec(Some(vec![1]), 0),
        "rows +I[a, 1, 1] +I[a, 2, 2] +U[a, 1, 5]
         => +I[a, 1, 1] +U[a, 2, 2] +U[a, 1, 5]
         restore 2
         rows -D[a, 2, NULL]
         => +U[a, 1, 5]
         rows -D[a, 1, NULL]
         => -D[a, 1, NULL]",
    );
}

#[test]
fn b13_2_a_key_begins_anew_after_its_time_to_live() {
    check(
        &spec(None, 100),
        "rows +I[a, 1, 1]
         => +I[a, 1, 1]
         time 50
         restore 2
         time 100
         rows -D[a, 1, 1] +I[a, 2, 2]
         => +I[a, 2, 2]",
    );
}

// What the sink must hold is the last arrived of the rows that are left.
#[test]
pub fn the_sink_holds_the_last_row_over_random_input_with_restores() {
    for seed in 1..60 {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(&spec(None, 0));
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut sink: BTreeMap<String, String> = BTreeMap::new();
        let mut id = 0;
        for _ in 0..80 {
            let key = ["a", "b", "c"][dice.roll(3) as usize].to_owned();
            let of_key = rows.entry(key.clone()).or_default();
            if !of_key.is_empty() && dice.one_in(2) {
                let row = of_key.remove(dice.roll(of_key.len() as u64) as usize);
                stage.rows(0, &format!("-D[{row}]"));
            } else {
                id += 1;
                of_key.push(format!("{key}, {id}, 0"));
                stage.rows(0, &format!("+I[{key}, {id}, 0]"));
            }
            for change in stage.emitted() {
                let (kind, values) = parts(&change);
                match kind {
                    "-D" => drop(sink.remove(values[0]).expect("a row to delete")),
                    _ => drop(sink.insert(values[0].to_owned(), values.join(", "))),
                }
            }
            let expected: BTreeMap<String, String> = rows
                .iter()
                .filter_map(|(key, rows)| Some((key.clone(), rows.last()?.clone())))
                .collect();
            assert_eq!(sink, expected, "seed {seed}");
            if dice.one_in(8) {
                stage.restore(1 + dice.roll(4) as u16);
            }
        }
    }
}
