//! Interval join: bounds, padding, late rows, and nested loops over random input.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::Int32Type;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{IntervalJoin, JoinKind, Operator as Node, WindowTime};
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

fn spec(kind: JoinKind, lower_ms: i64, upper_ms: i64) -> Spec {
    Spec {
        node: Node::IntervalJoin(IntervalJoin {
            kind,
            left_keys: vec![0],
            right_keys: vec![0],
            left_time: WindowTime::Rowtime(2),
            right_time: WindowTime::Rowtime(2),
            lower_ms,
            upper_ms,
            residual: None,
        }),
        inputs: vec![
            schema("k STRING, v INT, ts TIMESTAMP(3)"),
            schema("rk STRING, rv INT, rts TIMESTAMP(3)"),
        ],
        output: schema("k STRING, v INT, ts TIMESTAMP(3), rk STRING, rv INT, rts TIMESTAMP(3)"),
        changelog: ChangelogMode::INSERT_ONLY,
        keys: vec![vec![0], vec![0]],
    }
}

fn config(spec: &mut Spec) -> &mut IntervalJoin {
    match &mut spec.node {
        Node::IntervalJoin(config) => config,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn b6_8_both_bounds_are_inclusive() {
    check(
        &spec(JoinKind::Inner, -5, 10),
        "right +I[a, 1, 100]
         left +I[a, 1, 94] +I[a, 2, 95] +I[a, 3, 110] +I[a, 4, 111] +I[b, 5, 100]
         => +I[a, 2, 95, a, 1, 100] +I[a, 3, 110, a, 1, 100]
         restore 3
         right +I[a, 2, 105] +I[NULL, 1, 95]
         => +I[a, 3, 110, a, 2, 105] +I[a, 4, 111, a, 2, 105]
         left +I[NULL, 1, 95]
         end
         =>",
    );
}

#[test]
fn b6_9_an_unmatched_row_is_padded_once_its_interval_is_closed() {
    let script = "left +I[a, 1, 100] +I[b, 1, 100] +I[NULL, 1, 100]
         right +I[a, 1, 105]
         => +I[a, 1, 100, a, 1, 105]
         watermark 105
         restore 2
         =>
         watermark 106";
    let left = " => +I[b, 1, 100, NULL, NULL, NULL] +I[NULL, 1, 100, NULL, NULL, NULL]";
    check(&spec(JoinKind::Left, -5, 0), &format!("{script}\n{left}\n end \n =>"));
    check(&spec(JoinKind::Inner, -5, 0), &format!("{script}\n =>\n end \n =>"));
    check(
        &spec(JoinKind::Right, -5, 0),
        "right +I[a, 1, 100] +I[b, 1, 104]
         left +I[a, 1, 99]
         => +I[a, 1, 99, a, 1, 100]
         restore 3
         watermark 105
         => +I[NULL, NULL, NULL, b, 1, 104]",
    );
    check(
        &spec(JoinKind::Full, 0, 0),
        "left +I[a, 1, 1]
         right +I[b, 2, 1]
         end
         => +I[a, 1, 1, NULL, NULL, NULL] +I[NULL, NULL, NULL, b, 2, 1]",
    );
}

#[test]
fn e15_a_late_row_joins_what_is_kept_and_is_padded_at_once() {
    check(
        &spec(JoinKind::Full, -10, 10),
        "right +I[a, 1, 100]
         watermark 108
         left +I[a, 1, 95] +I[a, 2, 98] +I[b, 3, 95] +I[b, 4, 99]
         => +I[a, 1, 95, a, 1, 100] +I[a, 2, 98, a, 1, 100] +I[b, 3, 95, NULL, NULL, NULL]
         right +I[a, 2, 90]
         => +I[NULL, NULL, NULL, a, 2, 90]
         watermark 110
         => +I[b, 4, 99, NULL, NULL, NULL]",
    );
}

#[test]
fn the_rest_of_the_condition_decides_what_matched() {
    let mut left = spec(JoinKind::Left, -10, 10);
    config(&mut left).residual = Some(Expression {
        run: Arc::new(Differs),
        data_type: data_type("BOOLEAN"),
        digest: "<>($1, $4)".into(),
        column: None,
    });
    check(
        &left,
        "right +I[a, 1, 100] +I[a, 2, 100]
         left +I[a, 1, 100] +I[a, NULL, 100]
         => +I[a, 1, 100, a, 2, 100]
         end
         => +I[a, NULL, 100, NULL, NULL, NULL]",
    );
}

#[test]
fn e18_by_the_wall_clock_rows_go_by_timers() {
    let mut full = spec(JoinKind::Left, -10, 0);
    config(&mut full).left_time = WindowTime::Proctime;
    config(&mut full).right_time = WindowTime::Proctime;
    check(
        &full,
        "time 100
         left +I[a, 1, 0] +I[b, 1, 0]
         time 110
         right +I[a, 2, 0]
         => +I[a, 1, 0, a, 2, 0]
         time 111
         => +I[b, 1, 0, NULL, NULL, NULL]
         left +I[c, 1, 0]
         restore 2
         watermark 9000
         =>
         time 200
         => +I[c, 1, 0, NULL, NULL, NULL]
         left +I[d, 1, 0]
         end
         =>",
    );
}

#[test]
fn e15_the_watermark_follows_behind_the_rows_that_may_still_be_joined() {
    // Left rows from 20 before to 10 after a right row meet it.
    let mut stage = Stage::new(&spec(JoinKind::Inner, -20, 10));
    assert_eq!(stage.watermark_delay_ms(), 20);
    stage.rows(1, "+I[a, 1, 120]");
    stage.watermark(119);
    stage.rows(0, "+I[a, 1, 120]");
    assert_eq!(on_time(&mut stage).len(), 1);
    assert_eq!(Stage::new(&spec(JoinKind::Inner, -5, 30)).watermark_delay_ms(), 30);
    assert_eq!(Stage::new(&spec(JoinKind::Inner, 5, 8)).watermark_delay_ms(), 8);
    let mut by_the_clock = spec(JoinKind::Inner, -20, 10);
    config(&mut by_the_clock).left_time = WindowTime::Proctime;
    config(&mut by_the_clock).right_time = WindowTime::Proctime;
    assert_eq!(Stage::new(&by_the_clock).watermark_delay_ms(), 0);
}

/// What was emitted, none of it late by the watermark that follows it.
fn on_time(stage: &mut Stage) -> Vec<String> {
    let passed_on = stage.watermark.0.saturating_sub(stage.watermark_delay_ms());
    let rows = stage.emitted();
    for row in &rows {
        let cells: Vec<&str> = row.trim_end_matches(']').split(", ").collect();
        let times = [cells[2], cells[5]].into_iter().filter_map(|cell| cell.parse::<i64>().ok());
        assert!(times.min().is_some_and(|time| time > passed_on), "{row} behind {passed_on}");
    }
    rows
}

type Event = (String, i64, i64);

fn nested_loops(kind: JoinKind, bounds: (i64, i64), sides: &[Vec<Event>; 2]) -> Vec<String> {
    let show = |(key, value, time): &Event| format!("{key}, {value}, {time}");
    let matches = |left: &Event, right: &Event| {
        left.0 != "NULL"
            && left.0 == right.0
            && (right.2 + bounds.0..=right.2 + bounds.1).contains(&left.2)
    };
    let [lefts, rights] = sides;
    let mut rows = Vec::new();
    for left in lefts {
        let found = rights.iter().filter(|right| matches(left, right));
        rows.extend(found.map(|right| format!("+I[{}, {}]", show(left), show(right))));
    }
    if matches!(kind, JoinKind::Left | JoinKind::Full) {
        let alone = lefts.iter().filter(|left| !rights.iter().any(|right| matches(left, right)));
        rows.extend(alone.map(|left| format!("+I[{}, NULL, NULL, NULL]", show(left))));
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let alone = rights.iter().filter(|right| !lefts.iter().any(|left| matches(left, right)));
        rows.extend(alone.map(|right| format!("+I[NULL, NULL, NULL, {}]", show(right))));
    }
    rows.sort();
    rows
}

#[test]
pub fn joins_equal_nested_loops_over_random_input_with_restores() {
    for seed in 1..60 {
        for kind in [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full] {
            let mut dice = Dice::new(seed);
            let bounds = (dice.roll(20) as i64 - 15, dice.roll(15) as i64 + 5);
            let mut stage = Stage::new(&spec(kind, bounds.0, bounds.1));
            let mut sides = [Vec::new(), Vec::new()];
            let (mut clock, mut emitted) = (0, Vec::new());
            for _ in 0..60 {
                clock += dice.roll(5) as i64;
                let key = ["a", "b", "NULL"][dice.roll(3) as usize].to_owned();
                let event = (key, dice.roll(9) as i64, clock - dice.roll(6) as i64);
                let side = dice.roll(2) as usize;
                stage.rows(side, &format!("+I[{}, {}, {}]", event.0, event.1, event.2));
                sides[side].push(event);
                emitted.extend(on_time(&mut stage));
                if dice.one_in(8) {
                    stage.restore(1 + dice.roll(4) as u16);
                }
                if dice.one_in(4) {
                    stage.watermark(stage.watermark.0.max(clock - 6));
                    emitted.extend(stage.emitted());
                }
            }
            stage.watermark(i64::MAX);
            emitted.extend(stage.emitted());
            emitted.sort();
            let expected = nested_loops(kind, bounds, &sides);
            assert_eq!(emitted, expected, "seed {seed}, {kind:?}, {bounds:?}");
            let kept = stage.snapshot().into_iter().filter(|entry| entry.table < 2).count();
            assert_eq!(kept, 0, "all state is dropped at the end");
        }
    }
}
