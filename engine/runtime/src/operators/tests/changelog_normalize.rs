//! Upsert streams as full changelogs.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{ChangelogNormalize, Operator as Node};

use super::naive::{Dice, KeyedTable};
use super::stage::{Spec, Stage, check};
use super::text::schema;

fn spec(emit_update_before: bool, state_ttl_ms: i64) -> Spec {
    Spec {
        node: Node::ChangelogNormalize(ChangelogNormalize {
            keys: vec![0],
            emit_update_before,
            state_ttl_ms,
        }),
        inputs: vec![schema("k STRING, v INT")],
        output: schema("k STRING, v INT"),
        changelog: ChangelogMode::UPSERT,
        keys: vec![vec![0]],
    }
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
