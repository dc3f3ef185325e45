//! Regular joins: kinds of what is emitted, and nested loops over random changelogs.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::Int32Type;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{Join, JoinEmits, JoinKind, Operator as Node};
use millrace_dataflow::{EvalContext, EvalError, Evaluate, Expression};

use super::naive::{Bag, Dice};
use super::stage::{Spec, Stage, check};
use super::text::{data_type, schema};

const INNER: JoinEmits = JoinEmits::Pairs(JoinKind::Inner);
const LEFT: JoinEmits = JoinEmits::Pairs(JoinKind::Left);
const RIGHT: JoinEmits = JoinEmits::Pairs(JoinKind::Right);
const FULL: JoinEmits = JoinEmits::Pairs(JoinKind::Full);
const ALL: [JoinEmits; 6] = [INNER, LEFT, RIGHT, FULL, JoinEmits::Semi, JoinEmits::Anti];

/// `l.v < r.v`.
#[derive(Debug)]
struct Less;

impl Evaluate for Less {
    fn evaluate(&self, batch: &RecordBatch, _: &EvalContext) -> Result<ArrayRef, EvalError> {
        let [left, right] = [1, 3].map(|at| batch.column(at).as_primitive::<Int32Type>());
        let less: BooleanArray = left.iter().zip(right).map(|(l, r)| Some(l? < r?)).collect();
        Ok(Arc::new(less))
    }
}

pub fn spec(emits: JoinEmits) -> Spec {
    let output = match emits {
        JoinEmits::Pairs(_) => "k STRING, v INT, rk STRING, rv INT",
        _ => "k STRING, v INT",
    };
    Spec {
        node: Node::Join(Join {
            emits,
            left_keys: vec![0],
            right_keys: vec![0],
            null_safe: vec![false],
            residual: None,
            retracts: [true, true],
            state_ttl_ms: [0, 0],
        }),
        inputs: vec![schema("k STRING, v INT"), schema("rk STRING, rv INT")],
        output: schema(output),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0], vec![0]],
    }
}

fn config(spec: &mut Spec) -> &mut Join {
    match &mut spec.node {
        Node::Join(config) => config,
        other => unreachable!("{other:?}"),
    }
}

fn with_less(mut spec: Spec) -> Spec {
    config(&mut spec).residual = Some(Expression {
        run: Arc::new(Less),
        data_type: data_type("BOOLEAN"),
        digest: "<($1, $3)".into(),
        column: None,
    });
    spec
}

#[test]
fn b6_1_an_inner_join_hands_kinds_on() {
    check(
        &spec(INNER),
        "left +I[a, 1] +I[a, 2] +I[b, 3] +I[NULL, 4]
         right +I[a, 9] +U[b, 8] +I[NULL, 7] +I[c, 6]
         => +I[a, 1, a, 9] +I[a, 2, a, 9] +U[b, 3, b, 8]
         restore 3
         left -U[a, 1] +U[a, 5] -D[b, 3]
         => -U[a, 1, a, 9] +U[a, 5, a, 9] -D[b, 3, b, 8]
         right -D[a, 9]
         => -D[a, 5, a, 9] -D[a, 2, a, 9]",
    );
}

#[test]
fn b6_3_a_left_join_pads_with_inserts_and_takes_back_with_deletes() {
    check(
        &spec(LEFT),
        "left +I[a, 1] +U[NULL, 2]
         => +I[a, 1, NULL, NULL] +I[NULL, 2, NULL, NULL]
         right +U[a, 9]
         => -D[a, 1, NULL, NULL] +I[a, 1, a, 9]
         right +I[a, 8]
         => +I[a, 1, a, 8]
         restore 2
         right -D[a, 9]
         => -D[a, 1, a, 9]
         right -U[a, 8]
         => -U[a, 1, a, 8] +I[a, 1, NULL, NULL]
         left -U[a, 1] +U[a, 3] -U[NULL, 2]
         => -D[a, 1, NULL, NULL] +I[a, 3, NULL, NULL] -D[NULL, 2, NULL, NULL]
         right +I[a, 7]
         => -D[a, 3, NULL, NULL] +I[a, 3, a, 7]
         left -U[a, 3]
         => -D[a, 3, a, 7]",
    );
}

#[test]
fn b6_3_right_and_full_joins_pad_their_sides() {
    check(
        &spec(RIGHT),
        "right +I[a, 1]
         => +I[NULL, NULL, a, 1]
         left +I[a, 2] +I[b, 3]
         => -D[NULL, NULL, a, 1] +I[a, 2, a, 1]",
    );
    check(
        &spec(FULL),
        "right +I[a, 1] +I[NULL, 5]
         => +I[NULL, NULL, a, 1] +I[NULL, NULL, NULL, 5]
         left +I[a, 2] +I[a, 3] +I[b, 4]
         => -D[NULL, NULL, a, 1] +I[a, 2, a, 1] +I[a, 3, a, 1] +I[b, 4, NULL, NULL]
         restore 4
         left -D[a, 2] -D[a, 3]
         => -D[a, 2, a, 1] -D[a, 3, a, 1] +I[NULL, NULL, a, 1]",
    );
}

#[test]
fn b6_4_a_null_safe_key_matches_null() {
    let mut safe = spec(LEFT);
    config(&mut safe).null_safe = vec![true];
    check(
        &safe,
        "right +I[NULL, 1]
         left +I[NULL, 2]
         => +I[NULL, 2, NULL, 1]
         restore 3
         right -D[NULL, 1]
         => -D[NULL, 2, NULL, 1] +I[NULL, 2, NULL, NULL]",
    );
}

#[test]
fn equal_rows_are_counted() {
    check(
        &spec(LEFT),
        "left +I[a, 1] +I[a, 1]
         => +I[a, 1, NULL, NULL] +I[a, 1, NULL, NULL]
         restore 2
         right +I[a, 2]
         => -D[a, 1, NULL, NULL] -D[a, 1, NULL, NULL] +I[a, 1, a, 2] +I[a, 1, a, 2]
         left -D[a, 1]
         => -D[a, 1, a, 2]
         right -D[a, 2]
         => -D[a, 1, a, 2] +I[a, 1, NULL, NULL]",
    );
}

#[test]
fn b6_2_without_keys_all_rows_meet_and_the_condition_decides() {
    let mut theta = with_less(spec(INNER));
    config(&mut theta).left_keys.clear();
    config(&mut theta).right_keys.clear();
    config(&mut theta).null_safe.clear();
    theta.keys = vec![vec![], vec![]];
    check(
        &theta,
        "left +I[a, 1] +I[b, 5] +I[NULL, NULL]
         right +I[x, 3] +I[y, 9]
         => +I[a, 1, x, 3] +I[a, 1, y, 9] +I[b, 5, y, 9]
         restore 1
         left -D[a, 1]
         => -D[a, 1, x, 3] -D[a, 1, y, 9]",
    );
}

#[test]
fn b6_1_the_rest_of_the_condition_decides_what_matched() {
    check(
        &with_less(spec(LEFT)),
        "right +I[a, 3] +I[a, NULL]
         left +I[a, 1] +I[a, 5]
         => +I[a, 1, a, 3] +I[a, 5, NULL, NULL]
         right +I[a, 9]
         => -D[a, 5, NULL, NULL] +I[a, 1, a, 9] +I[a, 5, a, 9]
         restore 2
         right -D[a, 9]
         => -D[a, 1, a, 9] -D[a, 5, a, 9] +I[a, 5, NULL, NULL]",
    );
}

#[test]
fn b6_6_semi_and_anti_joins_show_left_rows() {
    check(
        &spec(JoinEmits::Semi),
        "left +I[a, 1] +I[NULL, 2]
         =>
         right +U[a, 9] +I[a, 8]
         => +U[a, 1]
         restore 2
         left +I[a, 3]
         => +I[a, 3]
         right -D[a, 9]
         =>
         left -U[a, 1]
         => -U[a, 1]
         right -D[a, 8]
         => -D[a, 3]",
    );
    check(
        &spec(JoinEmits::Anti),
        "left +I[a, 1] +U[NULL, 2]
         => +I[a, 1] +U[NULL, 2]
         right +U[a, 9] +I[a, 8]
         => -D[a, 1]
         restore 2
         left +I[a, 3] +I[b, 4]
         => +I[b, 4]
         right -U[a, 9] -D[a, 8]
         => +I[a, 1] +I[a, 3]
         left -U[a, 1] -U[NULL, 2]
         => -U[a, 1] -U[NULL, 2]",
    );
}

#[test]
fn b13_1_each_side_has_its_own_time_to_live() {
    let mut mortal = spec(INNER);
    config(&mut mortal).state_ttl_ms = [100, 0];
    check(
        &mortal,
        "left +I[a, 1]
         right +I[a, 2]
         => +I[a, 1, a, 2]
         time 60
         left +I[a, 3]
         => +I[a, 3, a, 2]
         restore 2
         time 100
         right +I[a, 4]
         => +I[a, 3, a, 4]
         time 160
         restore 1
         right +I[a, 5]
         =>
         left +I[a, 1]
         => +I[a, 1, a, 2] +I[a, 1, a, 4] +I[a, 1, a, 5]",
    );
}

#[test]
fn b13_1_forgotten_rows_leave_nothing_behind() {
    let mut mortal = spec(FULL);
    config(&mut mortal).state_ttl_ms = [100, 100];
    let mut stage = Stage::new(&mortal);
    for at in 0..50 {
        stage.rows(at % 2, &format!("+I[k{at}, 1]"));
    }
    stage.time(100);
    for _ in 0..20 {
        stage.rows(0, "-D[none, 0]");
    }
    assert_eq!(stage.snapshot(), vec![]);
}

#[test]
fn more_pairs_than_a_batch_holds_come_in_several() {
    let mut stage = Stage::new(&spec(INNER));
    for at in 0..100 {
        stage.rows(0, &format!("+I[a, {at}]"));
    }
    stage.rows(1, &(0..100).map(|at| format!("+I[a, {at}]")).collect::<String>());
    let rows = stage.emitted();
    assert_eq!(rows.len(), 10_000);
    assert_eq!((rows[0].as_str(), rows[9_999].as_str()), ("+I[a, 0, a, 0]", "+I[a, 99, a, 99]"));
}

type Live = Vec<(String, String)>;

fn nested_loops(emits: JoinEmits, less: bool, [lefts, rights]: &[Live; 2]) -> Bag {
    let matches = |left: &(String, String), right: &(String, String)| {
        let number = |text: &str| text.parse::<i64>().ok();
        let passes = || match (number(&left.1), number(&right.1)) {
            (Some(left), Some(right)) => left < right,
            _ => false,
        };
        left.0 != "NULL" && left.0 == right.0 && (!less || passes())
    };
    let mut bag = Bag::default();
    let mut add = |cells: &[&str]| bag.apply(&format!("+I[{}]", cells.join(", ")));
    for left in lefts {
        let found: Vec<_> = rights.iter().filter(|right| matches(left, right)).collect();
        match emits {
            JoinEmits::Semi if !found.is_empty() => add(&[&left.0, &left.1]),
            JoinEmits::Anti if found.is_empty() => add(&[&left.0, &left.1]),
            JoinEmits::Semi | JoinEmits::Anti => {}
            _ => found.iter().for_each(|right| add(&[&left.0, &left.1, &right.0, &right.1])),
        }
        if matches!(emits, LEFT | FULL) && found.is_empty() {
            add(&[&left.0, &left.1, "NULL", "NULL"]);
        }
    }
    for right in rights.iter().filter(|_| matches!(emits, RIGHT | FULL)) {
        if !lefts.iter().any(|left| matches(left, right)) {
            add(&["NULL", "NULL", &right.0, &right.1]);
        }
    }
    bag
}

/// Some changes of one side, each fitting what is there.
fn changes(dice: &mut Dice, live: &mut Live, retracts: bool) -> String {
    let mut text = String::new();
    for _ in 0..1 + dice.roll(6) {
        if retracts && !live.is_empty() && dice.roll(5) < 2 {
            let (key, value) = live.remove(dice.roll(live.len() as u64) as usize);
            let kind = if dice.one_in(2) { "-D" } else { "-U" };
            text += &format!("{kind}[{key}, {value}]");
        } else {
            let key = ["a", "b", "c", "NULL"][dice.roll(4) as usize].to_owned();
            let value = match dice.roll(6) {
                5 => "NULL".to_owned(),
                value => value.to_string(),
            };
            let kind = if retracts && dice.one_in(2) { "+U" } else { "+I" };
            text += &format!("{kind}[{key}, {value}]");
            live.push((key, value));
        }
    }
    text
}

fn compare(seed: u64, emits: JoinEmits, less: bool, retracts: [bool; 2]) {
    let mut dice = Dice::new(seed);
    let mut spec = if less { with_less(spec(emits)) } else { spec(emits) };
    config(&mut spec).retracts = retracts;
    let mut stage = Stage::new(&spec);
    let mut sides: [Live; 2] = Default::default();
    let mut bag = Bag::default();
    for batch in 0..25 {
        let side = dice.roll(2) as usize;
        let rows = changes(&mut dice, &mut sides[side], retracts[side]);
        stage.rows(side, &rows);
        stage.emitted().iter().for_each(|row| bag.apply(row));
        let expected = nested_loops(emits, less, &sides);
        assert_eq!(bag, expected, "seed {seed}, batch {batch}, {emits:?}, {rows}");
        if dice.one_in(5) {
            stage.restore(1 + dice.roll(4) as u16);
        }
    }
}

#[test]
pub fn joins_equal_nested_loops_over_random_changelogs_with_restores() {
    for seed in 1..25 {
        for emits in ALL {
            for less in [false, true] {
                for retracts in [[false, false], [true, false], [false, true], [true, true]] {
                    compare(seed, emits, less, retracts);
                }
            }
        }
    }
}
