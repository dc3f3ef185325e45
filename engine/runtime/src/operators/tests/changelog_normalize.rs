//! Upsert streams as full changelogs.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{ChangelogNormalize, MiniBatchMode, Operator as Node};

use super::mini_batch::mini_batch;
use super::naive::{Dice, KeyedTable};
use super::stage::{Spec, Stage, check};
use super::text::schema;

fn spec(emit_update_before: bool, state_ttl_ms: i64) -> Spec {
    Spec {
        node: Node::ChangelogNormalize(ChangelogNormalize {
            keys: vec![0],
            emit_update_before,
            state_ttl_ms,
            mini_batch: None,
        }),
        inputs: vec![schema("k STRING, v INT")],
        output: schema("k STRING, v INT"),
        changelog: ChangelogMode::UPSERT,
        keys: vec![vec![0]],
    }
}

fn gathering(mut spec: Spec, rows: usize) -> Spec {
    if let Node::ChangelogNormalize(config) = &mut spec.node {
        config.mini_batch = Some(mini_batch(rows, MiniBatchMode::ProcTime));
    }
    spec
}

#[test]
fn b12_20_a_change_says_what_it_replaces() {
    check(
        &spec(true, 0),
        "rows +I[a, 1] +U[a, 2] +U[b, 3] +I[b, 4]
         => +I[a, 1] -U[a, 1] +U[a, 2] +I[b, 3] -U[b, 3] +U[b, 4]
         restore 3
         rows +U[a, 5]
         => -U[a, 2] +U[a, 5]",
    );
    check(
        &spec(false, 0),
        "rows +I[a, 1] +U[a, 2]
         => +I[a, 1] +U[a, 2]",
    );
}

#[test]
fn b12_20_a_change_that_changes_nothing_is_dropped() {
    check(
        &spec(true, 0),
        "rows +I[a, 1] +U[a, 1] +I[a, 1]
         => +I[a, 1]",
    );
}

#[test]
fn b12_16_a_deletion_shows_the_whole_row_and_update_before_is_ignored() {
    check(
        &spec(true, 0),
        "rows +I[a, 1] -D[b, 9] -D[a, NULL] -D[a, 1]
         => +I[a, 1] -D[a, 1]
         restore 2
         rows -U[a, 1] +U[a, 2]
         => +I[a, 2]",
    );
}

#[test]
fn b13_2_a_key_begins_anew_after_its_time_to_live() {
    check(
        &spec(true, 100),
        "rows +I[a, 1] +I[a, 1]
         => +I[a, 1] -U[a, 1] +U[a, 1]
         time 99
         restore 2
         rows +U[a, 2]
         => -U[a, 1] +U[a, 2]
         time 199
         rows -D[a, 2] +U[a, 3]
         => +I[a, 3]",
    );
}

#[test]
fn f1_2_a_key_says_what_became_of_it() {
    check(
        &gathering(spec(true, 0), 100),
        "rows +I[a, 1] +U[a, 2] +I[b, 1] -D[b, NULL] +I[c, 3] -D[x, NULL]
         =>
         flush
         => +I[a, 2] +I[c, 3]
         rows -D[a, NULL] +I[a, 5] +U[c, 4] +U[c, 3] +I[b, 1]
         flush
         => -U[a, 2] +U[a, 5] +I[b, 1]
         rows -D[a, NULL] -D[c, NULL] +U[c, 9] -D[c, NULL] +I[d, 1]
         restore 3
         => -D[a, 5] -D[c, 3] +I[d, 1]
         rows -D[c, NULL] +U[b, 2]
         flush
         => -U[b, 1] +U[b, 2]",
    );
    check(
        &gathering(spec(true, 100), 2),
        "rows +I[a, 1] +I[a, 1] +U[a, 1]
         => +I[a, 1]
         time 100
         => -U[a, 1] +U[a, 1]
         time 201
         rows +U[a, 2] -D[b, NULL]
         => +I[a, 2]",
    );
}

/// Whatever ends mini-batches, and wherever they are switched on or off.
#[test]
fn f1_2_normalized_changes_build_the_same_table_in_mini_batches() {
    for seed in 1..60 {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(&gathering(spec(true, 0), 1 + dice.roll(30) as usize));
        let mut expected: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        let mut table = KeyedTable::default();
        for _ in 0..80 {
            let (key, value) = (dice.roll(5).to_string(), dice.roll(4).to_string());
            if dice.one_in(3) {
                stage.rows(0, &format!("-D[{key}, NULL]"));
                expected.remove(&vec![key]);
            } else {
                stage.rows(0, &format!("+U[{key}, {value}]"));
                expected.insert(vec![key.clone()], vec![key, value]);
            }
            match dice.roll(12) {
                0 => stage.time(stage.now_ms + dice.roll(150) as i64),
                1 => {
                    let rows = 1 + dice.roll(30) as usize;
                    let is_on = dice.one_in(2);
                    let other = if is_on { gathering(spec(true, 0), rows) } else { spec(true, 0) };
                    stage.become_spec(&other);
                    stage.restore(1 + dice.roll(4) as u16);
                }
                2 => {
                    stage.flush();
                    stage.emitted().iter().for_each(|row| table.apply(row, &[0]));
                    assert_eq!(table.0, expected, "seed {seed}");
                }
                _ => {}
            }
        }
    }
}

#[test]
pub fn normalized_changes_build_the_same_table_over_random_input_with_restores() {
    for seed in 1..60 {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(&spec(true, 0));
        let mut expected: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
        let mut table = KeyedTable::default();
        for _ in 0..80 {
            let (key, value) = (dice.roll(5).to_string(), dice.roll(4).to_string());
            if dice.one_in(3) {
                stage.rows(0, &format!("-D[{key}, NULL]"));
                expected.remove(&vec![key]);
            } else {
                let kind = if dice.one_in(2) { "+I" } else { "+U" };
                stage.rows(0, &format!("{kind}[{key}, {value}]"));
                expected.insert(vec![key.clone()], vec![key, value]);
            }
            stage.emitted().iter().for_each(|row| table.apply(row, &[0]));
            if dice.one_in(8) {
                stage.restore(1 + dice.roll(4) as u16);
            }
            assert_eq!(table.0, expected, "seed {seed}");
        }
    }
}
