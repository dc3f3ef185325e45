//! Unbounded GROUP BY: which rows are emitted when.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{
    AggregateCall, AggregateFunction, GroupAggregate, Operator as Node,
};

use super::naive::{Dice, KeyedTable};
use super::stage::{Spec, Stage, check};
use super::text::{data_type, schema};

pub fn call(
    function: AggregateFunction,
    argument: Option<(usize, &str)>,
    to: &str,
) -> AggregateCall {
    AggregateCall {
        function,
        arguments: argument.iter().map(|(index, _)| *index).collect(),
        argument_types: argument.iter().map(|(_, name)| data_type(name)).collect(),
        distinct: false,
        filter: None,
        output: data_type(to),
    }
}

/// `SELECT k, COUNT(*), SUM(v) GROUP BY k` over `k STRING, v INT`.
fn spec(change: impl FnOnce(&mut GroupAggregate)) -> Spec {
    let mut config = GroupAggregate {
        keys: vec![0],
        aggregates: vec![
            call(AggregateFunction::CountStar, None, "BIGINT"),
            call(AggregateFunction::Sum, Some((1, "INT")), "INT"),
        ],
        retracts: true,
        emit_update_before: true,
        state_ttl_ms: 0,
        mini_batch: None,
        merges: false,
    };
    change(&mut config);
    let keys = config.keys.clone();
    let output = if keys.is_empty() { "n BIGINT, s INT" } else { "k STRING, n BIGINT, s INT" };
    Spec {
        node: Node::GroupAggregate(config),
        inputs: vec![schema("k STRING, v INT, c BOOLEAN")],
        output: schema(output),
        changelog: ChangelogMode::ALL,
        keys: vec![keys],
    }
}

#[test]
fn b2_1_first_row_inserts_and_later_ones_update() {
    check(
        &spec(|_| {}),
        "rows +I[a, 1, NULL] +I[b, 5, NULL] +I[a, 2, NULL]
         => +I[a, 1, 1] +I[b, 1, 5] -U[a, 1, 1] +U[a, 2, 3]
         restore 4
         rows +I[a, NULL, NULL] +I[NULL, 1, NULL] +I[NULL, 1, NULL]
         => -U[a, 2, 3] +U[a, 3, 3] +I[NULL, 1, 1] -U[NULL, 1, 1] +U[NULL, 2, 2]",
    );
    check(
        &spec(|config| config.emit_update_before = false),
        "rows +I[a, 1, NULL] +I[a, 2, NULL]
         => +I[a, 1, 1] +U[a, 2, 3]",
    );
}

#[test]
fn b2_1_an_unchanged_result_emits_nothing() {
    check(
        &spec(|config| drop(config.aggregates.remove(0))).with_output("k STRING, s INT"),
        "rows +I[a, 1, NULL] +I[a, 0, NULL] +I[a, NULL, NULL]
         => +I[a, 1]",
    );
}

#[test]
fn b2_2_with_a_time_to_live_it_is_sent_all_the_same() {
    let spec = spec(|config| {
        config.aggregates.remove(0);
        config.state_ttl_ms = 100;
    });
    check(
        &spec.with_output("k STRING, s INT"),
        "rows +I[a, 1, NULL] +I[a, 0, NULL]
         => +I[a, 1] -U[a, 1] +U[a, 1]
         time 99
         rows +I[a, 1, NULL]
         => -U[a, 1] +U[a, 2]
         restore 2
         time 199
         rows +I[a, 5, NULL] -D[b, 1, NULL]
         => +I[a, 5]",
    );
}

#[test]
fn b2_3_a_group_without_rows_is_deleted_and_forgotten() {
    check(
        &spec(|_| {}),
        "rows +I[a, 1, NULL] -D[a, 1, NULL] -D[a, 1, NULL] +I[a, 7, NULL]
         => +I[a, 1, 1] -D[a, 1, 1] +I[a, 1, 7]
         rows -U[a, 7, NULL] +U[a, 8, NULL]
         => -D[a, 1, 7] +I[a, 1, 8]
         restore 1
         rows -D[a, 8, NULL] -D[b, 1, NULL]
         => -D[a, 1, 8]
         restore 1
         rows -D[a, 8, NULL]
         =>",
    );
}

#[test]
fn b2_4_a_global_group_says_nothing_before_its_first_row() {
    check(
        &spec(|config| config.keys.clear()),
        "watermark 5
         =>
         rows +I[a, 1, NULL] +I[b, 2, NULL]
         => +I[1, 1] -U[1, 1] +U[2, 3]
         restore 3
         rows -D[b, 2, NULL]
         => -U[2, 3] +U[1, 1]
         end",
    );
}

#[test]
fn b2_5_a_row_outside_the_filter_still_makes_the_group() {
    check(
        &spec(|config| config.aggregates.iter_mut().for_each(|call| call.filter = Some(2))),
        "rows +I[a, 1, false] +I[a, 2, NULL] +I[a, 4, true]
         => +I[a, 0, NULL] -U[a, 0, NULL] +U[a, 1, 4]",
    );
}

#[test]
fn b2_6_a_distinct_value_counts_once_until_its_last_is_retracted() {
    check(
        &spec(|config| config.aggregates[1].distinct = true),
        "rows +I[a, 3, NULL] +I[a, 3, NULL]
         => +I[a, 1, 3] -U[a, 1, 3] +U[a, 2, 3]
         restore 2
         rows -D[a, 3, NULL] +I[a, 4, NULL]
         => -U[a, 2, 3] +U[a, 1, 3] -U[a, 1, 3] +U[a, 2, 7]
         rows -D[a, 3, NULL]
         => -U[a, 2, 7] +U[a, 1, 4]",
    );
}

#[test]
fn a_select_distinct_has_no_aggregates() {
    check(
        &spec(|config| config.aggregates.clear()).with_output("k STRING"),
        "rows +I[a, 1, NULL] +I[a, 2, NULL] +I[b, 2, NULL] -D[a, 1, NULL]
         => +I[a] +I[b]
         restore 3
         rows -D[a, 2, NULL]
         => -D[a]",
    );
}

/// Groups by one BIGINT are found without their row bytes: they come and go, and come
/// back in the slots of others.
#[test]
fn groups_of_integers_equal_a_recomputation_with_restores() {
    for seed in 1..30 {
        let mut dice = Dice::new(seed);
        let mut spec =
            spec(|config| config.aggregates.truncate(1)).with_output("k BIGINT, n BIGINT");
        spec.inputs = vec![schema("k BIGINT, v INT")];
        let mut stage = Stage::new(&spec);
        let (mut table, mut live) = (KeyedTable::default(), Vec::new());
        for _ in 0..60 {
            let mut rows = String::new();
            for _ in 0..1 + dice.roll(8) {
                if !live.is_empty() && dice.roll(9) < 4 {
                    let gone: String = live.swap_remove(dice.roll(live.len() as u64) as usize);
                    rows += &format!("-D[{gone}, 1]");
                } else {
                    let key = match dice.roll(12) {
                        0 => "NULL".to_owned(),
                        key => (key as i64 - 5).to_string(),
                    };
                    rows += &format!("+I[{key}, 1]");
                    live.push(key);
                }
            }
            stage.rows(0, &rows);
            if dice.one_in(10) {
                stage.restore(1 + dice.roll(3) as u16);
            }
        }
        stage.emitted().iter().for_each(|row| table.apply(row, &[0]));
        let mut expected = BTreeMap::<Vec<String>, Vec<String>>::new();
        for key in &live {
            let rows = live.iter().filter(|other| *other == key).count();
            expected.insert(vec![key.clone()], vec![key.clone(), rows.to_string()]);
        }
        assert_eq!(table.0, expected, "seed {seed}");
    }
}

impl Spec {
    pub fn with_output(mut self, output: &str) -> Spec {
        self.output = schema(output);
        self
    }
}
