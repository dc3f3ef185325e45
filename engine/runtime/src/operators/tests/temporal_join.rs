//! Temporal join: versions, deletions, padding, clean-up, and a naive search over
//! random input.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::Int32Type;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{JoinKind, Operator as Node, TemporalJoin};
use millrace_dataflow::{EvalContext, EvalError, Evaluate, Expression};

use super::naive::Dice;
use super::stage::{Spec, Stage, check};
use super::text::{data_type, schema};

/// `l.v <> r.v`.
#[derive(Debug)]
struct Differs;

impl Evaluate for Differs {
    fn evaluate(&self, batch: &RecordBatch, _: &EvalContext) -> Result<ArrayRef, EvalError> {
        let [left, right] = [1, 4].map(|at| batch.column(at).as_primitive::<Int32Type>());
        let differs: BooleanArray = left.iter().zip(right).map(|(l, r)| Some(l? != r?)).collect();
        Ok(Arc::new(differs))
    }
}

fn spec(kind: JoinKind, residual: bool) -> Spec {
    let residual = residual.then(|| Expression {
        run: Arc::new(Differs),
        data_type: data_type("BOOLEAN"),
        digest: "<>($1, $4)".into(),
        column: None,
    });
    Spec {
        node: Node::TemporalJoin(TemporalJoin {
            kind,
            left_keys: vec![0],
            right_keys: vec![0],
            left_time: 2,
            right_time: 2,
            residual,
        }),
        inputs: vec![
            schema("k STRING, v INT, ts TIMESTAMP(3)"),
            schema("rk STRING, rv INT, rts TIMESTAMP(3)"),
        ],
        output: schema("k STRING, v INT, ts TIMESTAMP(3), rk STRING, rv INT, rts TIMESTAMP(3)"),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0], vec![0]],
    }
}

#[test]
fn b6_10_a_row_meets_the_version_that_was_valid_at_its_time() {
    check(
        &spec(JoinKind::Inner, false),
        "right +I[a, 1, 10] +U[a, 2, 20]
         left +I[a, 7, 19] +I[a, 8, 20] +I[a, 9, 9] +I[b, 1, 15]
         =>
         watermark 19
         => +I[a, 7, 19, a, 1, 10]
         restore 3
         right +U[a, 3, 20]
         watermark 20
         => +I[a, 8, 20, a, 3, 20]",
    );
}

#[test]
fn b6_10_a_left_join_pads_and_keeps_the_order_of_arrival_and_the_kinds() {
    check(
        &spec(JoinKind::Left, false),
        "left -U[a, 1, 15] +U[a, 2, 12] +I[NULL, 3, 11]
         right +I[a, 1, 13] +I[NULL, 2, 1]
         restore 1
         watermark 20
         => -U[a, 1, 15, a, 1, 13] +U[a, 2, 12, NULL, NULL, NULL] +I[NULL, 3, 11, NULL, NULL, NULL]",
    );
}

#[test]
fn b6_11_a_deletion_ends_a_version_and_update_before_does_not() {
    let script = "right +I[a, 1, 10] -U[a, 1, 10] +U[a, 2, 20] -D[a, 2, 30]
         left +I[a, 1, 15] +I[a, 2, 25] +I[a, 3, 35]
         restore 2
         watermark 40";
    let met = "+I[a, 1, 15, a, 1, 10] +I[a, 2, 25, a, 2, 20]";
    check(&spec(JoinKind::Inner, false), &format!("{script}\n => {met}"));
    let padded = "+I[a, 3, 35, NULL, NULL, NULL]";
    check(&spec(JoinKind::Left, false), &format!("{script}\n => {met} {padded}"));
}

#[test]
fn the_rest_of_the_condition_decides_whether_a_version_is_met() {
    let script = "right +I[a, 1, 10]
         left +I[a, 1, 15] +I[a, 2, 15] +I[b, 2, 15]
         watermark 40";
    let met = "+I[a, 2, 15, a, 1, 10]";
    check(&spec(JoinKind::Inner, true), &format!("{script}\n => {met}"));
    check(
        &spec(JoinKind::Left, true),
        &format!(
            "{script}
             => +I[a, 1, 15, NULL, NULL, NULL] {met} +I[b, 2, 15, NULL, NULL, NULL]"
        ),
    );
}

#[test]
fn e16_a_late_row_is_joined_at_the_next_watermark_with_what_is_kept() {
    check(
        &spec(JoinKind::Left, false),
        "right +I[a, 1, 10] +U[a, 2, 20]
         watermark 25
         left +I[a, 1, 21] +I[a, 2, 15]
         =>
         watermark 26
         => +I[a, 1, 21, a, 2, 20] +I[a, 2, 15, NULL, NULL, NULL]",
    );
}

#[test]
fn b6_12_one_version_of_a_key_is_kept_behind_the_watermark_and_none_of_a_deleted_one() {
    let mut stage = Stage::new(&spec(JoinKind::Inner, false));
    stage.rows(1, "+I[a, 1, 10] +U[a, 2, 20] +U[a, 3, 30] +I[b, 1, 10] -D[b, 1, 20]");
    stage.rows(0, "+I[a, 1, 5] +I[c, 1, 5]");
    assert_eq!(stage.snapshot().len(), 7);
    stage.watermark(29);
    assert_eq!(stage.snapshot().len(), 2, "a's at 20 and at 30");
    stage.watermark(30);
    assert_eq!(stage.snapshot().len(), 1);
}

type Event = (String, i64, i64, &'static str);

// A key's version at a time: the last to arrive of those with the latest time.
fn valid<'a>(versions: &'a [Event], key: &str, time: i64) -> Option<&'a Event> {
    let of_key = versions.iter().enumerate().filter(|(_, v)| v.0 == key && v.2 <= time);
    let last = of_key.max_by_key(|(at, version)| (version.2, *at))?.1;
    (last.3 != "-D").then_some(last)
}

fn naive(kind: JoinKind, sides: &[Vec<Event>; 2]) -> Vec<String> {
    let joined = sides[0].iter().filter_map(|(key, value, time, _)| {
        let left = format!("{key}, {value}, {time}");
        match valid(&sides[1], key, *time) {
            Some((key, value, time, _)) => Some(format!("+I[{left}, {key}, {value}, {time}]")),
            None => (kind == JoinKind::Left).then(|| format!("+I[{left}, NULL, NULL, NULL]")),
        }
    });
    let mut rows: Vec<String> = joined.collect();
    rows.sort();
    rows
}

#[test]
pub fn a_join_equals_a_search_of_all_versions_over_random_input_with_restores() {
    for seed in 1..60 {
        for kind in [JoinKind::Inner, JoinKind::Left] {
            let mut dice = Dice::new(seed);
            let mut stage = Stage::new(&spec(kind, false));
            let mut sides: [Vec<Event>; 2] = [Vec::new(), Vec::new()];
            let (mut clock, mut emitted) = (0, Vec::new());
            for at in 0..80 {
                clock += dice.roll(4) as i64;
                let key = ["a", "b", "c"][dice.roll(3) as usize].to_owned();
                let side = dice.roll(2) as usize;
                let change = ["+I", "+U", "-D"][dice.roll(3) as usize];
                let change = if side == 0 { "+I" } else { change };
                let time = clock - dice.roll(6) as i64;
                stage.rows(side, &format!("{change}[{key}, {at}, {time}]"));
                sides[side].push((key, at, time, change));
                if dice.one_in(8) {
                    stage.restore(1 + dice.roll(4) as u16);
                }
                if dice.one_in(4) {
                    stage.watermark(stage.watermark.0.max(clock - 6));
                    emitted.extend(stage.emitted());
                }
            }
            stage.end();
            emitted.extend(stage.emitted());
            emitted.sort();
            assert_eq!(emitted, naive(kind, &sides), "seed {seed}, {kind:?}");
        }
    }
}
