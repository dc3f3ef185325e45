//! OVER aggregation: frames, peers, late rows, state, and a recomputation over all
//! rows of each key for random input out of order.

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{
    AggregateCall, AggregateFunction as F, Operator as Node, Over, OverFrame, WindowTime,
};

use super::group_aggregate::call;
use super::naive::Dice;
use super::stage::{Spec, Stage, check};
use super::text::{data_type, schema};

const INPUT: &str = "k STRING, v INT, ts TIMESTAMP(3)";

fn spec(frame: OverFrame, calls: Vec<AggregateCall>, output: &str) -> Spec {
    Spec {
        node: Node::Over(Over {
            partition: vec![0],
            time: WindowTime::Rowtime(2),
            frame,
            calls,
            state_ttl_ms: 0,
        }),
        inputs: vec![schema(INPUT)],
        output: schema(&format!("{INPUT}, {output}")),
        changelog: ChangelogMode::INSERT_ONLY,
        keys: vec![vec![0]],
    }
}

fn config(spec: &mut Spec) -> &mut Over {
    match &mut spec.node {
        Node::Over(config) => config,
        other => unreachable!("{other:?}"),
    }
}

fn sum() -> Vec<AggregateCall> {
    vec![call(F::Sum, Some((1, "INT")), "INT")]
}

fn sum_by(frame: OverFrame) -> Spec {
    spec(frame, sum(), "s INT")
}

fn by_the_clock(frame: OverFrame) -> Spec {
    let mut spec = sum_by(frame);
    config(&mut spec).time = WindowTime::Proctime;
    spec
}

#[test]
fn b5_2_rows_of_equal_time_share_a_result_by_range_and_not_by_rows() {
    let script = "rows +I[a, 1, 10] +I[b, 9, 10] +I[a, 2, 5] +I[a, 3, 10]
         watermark 4
         =>
         restore 3
         watermark 10
         =>";
    check(
        &sum_by(OverFrame::UnboundedRange),
        &format!("{script} +I[a, 2, 5, 2] +I[a, 1, 10, 6] +I[b, 9, 10, 9] +I[a, 3, 10, 6]"),
    );
    check(
        &sum_by(OverFrame::UnboundedRows),
        &format!("{script} +I[a, 2, 5, 2] +I[a, 1, 10, 3] +I[b, 9, 10, 9] +I[a, 3, 10, 6]"),
    );
}

#[test]
fn b5_1_a_bounded_frame_loses_rows() {
    check(
        &sum_by(OverFrame::Rows(1)),
        "rows +I[a, 1, 1] +I[a, 2, 2] +I[a, 4, 3]
         watermark 2
         => +I[a, 1, 1, 1] +I[a, 2, 2, 3]
         restore 2
         watermark 3
         => +I[a, 4, 3, 6]
         restore 1
         rows +I[a, 8, 3] +I[a, NULL, 9] +I[a, 16, 9]
         end
         => +I[a, NULL, 9, 4] +I[a, 16, 9, 16]
         late 1",
    );
    check(
        &sum_by(OverFrame::Range(10)),
        "rows +I[a, 1, 1] +I[a, 2, 11] +I[a, 4, 12] +I[a, 8, 12]
         watermark 12
         => +I[a, 1, 1, 1] +I[a, 2, 11, 3] +I[a, 4, 12, 14] +I[a, 8, 12, 14]
         restore 2
         rows +I[a, 16, 22]
         end
         => +I[a, 16, 22, 28]",
    );
    check(
        &sum_by(OverFrame::Range(0)),
        "rows +I[a, 1, 1] +I[a, 2, 1] +I[a, 4, 2]
         end
         => +I[a, 1, 1, 3] +I[a, 2, 1, 3] +I[a, 4, 2, 4]",
    );
    check(
        &sum_by(OverFrame::Rows(0)),
        "rows +I[a, 1, 1] +I[a, 2, 1]
         end
         => +I[a, 1, 1, 1] +I[a, 2, 1, 2]",
    );
}

#[test]
fn b5_4_late_is_what_the_watermark_has_passed() {
    for frame in [OverFrame::UnboundedRange, OverFrame::UnboundedRows] {
        check(
            &sum_by(frame),
            "rows +I[a, 1, 100]
             watermark 100
             => +I[a, 1, 100, 1]
             restore 2
             rows +I[a, 2, 100] +I[b, 2, 99] +I[a, 3, 101]
             late 2
             end
             => +I[a, 3, 101, 4]",
        );
    }
}

#[test]
fn b5_5_in_a_bounded_frame_late_is_what_its_own_key_has_passed() {
    for frame in [OverFrame::Rows(5), OverFrame::Range(500)] {
        check(
            &sum_by(frame),
            "rows +I[a, 1, 90]
             watermark 100
             => +I[a, 1, 90, 1]
             restore 2
             rows +I[a, 2, 90] +I[a, 3, 91] +I[b, 4, 5]
             late 1
             =>
             watermark 101
             => +I[b, 4, 5, 4] +I[a, 3, 91, 4]",
        );
    }
}

#[test]
fn b5_7_lag_is_a_value_some_rows_ago_or_the_default_for_null() {
    let lag = |offset: u32, arguments: Vec<usize>| AggregateCall {
        function: F::Lag { offset },
        argument_types: arguments.iter().map(|_| data_type("INT")).collect(),
        arguments,
        distinct: false,
        filter: None,
        output: data_type("INT"),
    };
    let calls = vec![lag(1, vec![1]), lag(2, vec![1, 1]), lag(0, vec![1])];
    check(
        &spec(OverFrame::UnboundedRange, calls, "one INT, two INT, none INT"),
        "rows +I[a, 1, 1] +I[a, NULL, 2] +I[a, 3, 3] +I[a, 4, 4]
         watermark 2
         => +I[a, 1, 1, NULL, 1, 1] +I[a, NULL, 2, 1, NULL, NULL]
         restore 3
         end
         => +I[a, 3, 3, NULL, 1, 3] +I[a, 4, 4, 3, 4, 4]",
    );
}

#[test]
fn by_the_clock_rows_come_out_at_once_each_with_its_own_result() {
    for frame in [OverFrame::UnboundedRange, OverFrame::UnboundedRows] {
        check(
            &by_the_clock(frame),
            "time 5
             rows +I[a, 1, 0] +I[a, 2, 0] +I[b, 3, 0]
             => +I[a, 1, 0, 1] +I[a, 2, 0, 3] +I[b, 3, 0, 3]
             restore 2
             rows +I[a, 4, 0]
             => +I[a, 4, 0, 7]",
        );
    }
    check(
        &by_the_clock(OverFrame::Rows(1)),
        "rows +I[a, 1, 0] +I[a, 2, 0]
         => +I[a, 1, 0, 1] +I[a, 2, 0, 3]
         restore 2
         rows +I[a, 4, 0] +I[a, 8, 0]
         => +I[a, 4, 0, 6] +I[a, 8, 0, 12]
         end",
    );
}

#[test]
fn by_the_clock_a_range_waits_for_the_end_of_the_millisecond() {
    check(
        &by_the_clock(OverFrame::Range(10)),
        "time 100
         rows +I[a, 1, 0]
         rows +I[a, 2, 0]
         =>
         restore 2
         time 101
         => +I[a, 1, 0, 3] +I[a, 2, 0, 3]
         restore 1
         time 110
         rows +I[a, 4, 0]
         time 111
         => +I[a, 4, 0, 7]
         rows +I[a, 8, 0]
         time 112
         => +I[a, 8, 0, 12]
         rows +I[a, 16, 0]
         end
         =>",
    );
}

fn keys_held(stage: &mut Stage) -> usize {
    stage.snapshot().into_iter().filter(|entry| entry.table < 3).count()
}

#[test]
fn b5_10_idle_state_goes_by_time_to_live_but_not_while_rows_wait() {
    let mut spec = sum_by(OverFrame::UnboundedRows);
    config(&mut spec).state_ttl_ms = 50;
    check(
        &spec,
        "time 100
         rows +I[a, 1, 10] +I[b, 1, 1000]
         watermark 10
         => +I[a, 1, 10, 1]
         time 149
         restore 2
         rows +I[a, 2, 20]
         watermark 20
         => +I[a, 2, 20, 3]
         time 199
         rows +I[a, 4, 30]
         time 400
         restore 1
         end
         => +I[a, 4, 30, 4] +I[b, 1, 1000, 1]",
    );
    let mut spec = by_the_clock(OverFrame::Rows(5));
    config(&mut spec).state_ttl_ms = 50;
    let mut stage = Stage::new(&spec);
    stage.rows(0, "+I[a, 1, 0] +I[b, 2, 0]");
    stage.time(49);
    stage.rows(0, "+I[a, 4, 0]");
    stage.time(60);
    stage.rows(0, "+I[c, 8, 0]");
    assert_eq!(keys_held(&mut stage), 5, "a with two rows, c with one");
    stage.rows(0, "+I[b, 16, 0]");
    assert_eq!(stage.emitted().last().map(String::as_str), Some("+I[b, 16, 0, 16]"));
}

#[test]
fn a_bounded_range_is_dropped_when_time_has_passed_it() {
    let mut stage = Stage::new(&sum_by(OverFrame::Range(10)));
    stage.rows(0, "+I[a, 1, 100] +I[a, 2, 105] +I[b, 1, 100]");
    stage.watermark(115);
    // Half the range past the end of the frame: b's, then a's, which grew.
    assert_eq!(keys_held(&mut stage), 5);
    stage.watermark(116);
    assert_eq!(keys_held(&mut stage), 0, "105 + 10 + 1 is covered by the first plan");
    stage.rows(0, "+I[a, 8, 108]");
    stage.watermark(117);
    assert_eq!(stage.emitted().last().map(String::as_str), Some("+I[a, 8, 108, 8]"));
}

/// Everything the naive oracle computes.
fn all_calls() -> Vec<AggregateCall> {
    vec![
        call(F::CountStar, None, "BIGINT"),
        call(F::Sum, Some((1, "INT")), "INT"),
        call(F::Min, Some((1, "INT")), "INT"),
        call(F::Max, Some((1, "INT")), "INT"),
        call(F::FirstValue, Some((1, "INT")), "INT"),
        call(F::LastValue, Some((1, "INT")), "INT"),
        AggregateCall { distinct: true, ..call(F::Count, Some((1, "INT")), "BIGINT") },
    ]
}

const RESULTS: &str = "n BIGINT, s INT, lo INT, hi INT, f INT, l INT, d BIGINT";

#[derive(Clone, Debug)]
struct Event {
    key: String,
    value: Option<i64>,
    time: i64,
}

/// The rows of the frame of `rows[at]`, of one key in order of time and arrival.
fn naive_frame(frame: OverFrame, rows: &[Event], at: usize) -> Vec<Event> {
    let time = rows[at].time;
    let last_peer = rows.iter().rposition(|row| row.time == time).expect("itself");
    let end = if frame.has_peers() { last_peer } else { at };
    let start = match frame {
        OverFrame::UnboundedRows | OverFrame::UnboundedRange => 0,
        OverFrame::Rows(preceding) => at.saturating_sub(preceding as usize),
        OverFrame::Range(ms) => rows.partition_point(|row| row.time < time - ms),
    };
    rows[start..=end].to_vec()
}

fn show(value: Option<i64>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

fn naive(frame: OverFrame, rows: &[Event], at: usize) -> String {
    let inside = naive_frame(frame, rows, at);
    let values: Vec<i64> = inside.iter().filter_map(|row| row.value).collect();
    let mut distinct = values.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let row = &rows[at];
    let sum = (!values.is_empty()).then(|| values.iter().sum());
    let results = [sum, distinct.first().copied(), distinct.last().copied()];
    let ends = [values.first().copied(), values.last().copied()];
    let results: Vec<String> = results.into_iter().chain(ends).map(show).collect();
    format!(
        "+I[{}, {}, {}, {}, {}, {}]",
        row.key,
        show(row.value),
        row.time,
        inside.len(),
        results.join(", "),
        distinct.len()
    )
}

fn expected(frame: OverFrame, events: &[Event]) -> Vec<String> {
    let mut rows = Vec::new();
    for key in ["a", "b", "NULL"] {
        let mut of_key: Vec<Event> =
            events.iter().filter(|event| event.key == key).cloned().collect();
        of_key.sort_by_key(|event| event.time);
        rows.extend((0..of_key.len()).map(|at| naive(frame, &of_key, at)));
    }
    rows.sort();
    rows
}

#[test]
pub fn equals_a_recomputation_over_random_input_out_of_order_with_restores() {
    let frames = [
        OverFrame::UnboundedRange,
        OverFrame::UnboundedRows,
        OverFrame::Rows(0),
        OverFrame::Rows(3),
        OverFrame::Range(7),
        OverFrame::Range(40),
    ];
    for (seed, frame) in (1..40).flat_map(|seed| frames.map(|frame| (seed, frame))) {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(&spec(frame, all_calls(), RESULTS));
        let (mut clock, mut events, mut emitted) = (0, Vec::new(), Vec::new());
        for _ in 0..80 {
            clock += dice.roll(5) as i64;
            let key = ["a", "b", "NULL"][dice.roll(3) as usize].to_owned();
            let value = (!dice.one_in(6)).then(|| dice.roll(9) as i64);
            let event = Event { key, value, time: clock - dice.roll(6) as i64 };
            stage.rows(0, &format!("+I[{}, {}, {}]", event.key, show(value), event.time));
            events.push(event);
            if dice.one_in(8) {
                stage.restore(1 + dice.roll(4) as u16);
            }
            if dice.one_in(4) {
                stage.watermark(stage.watermark.0.max(clock - 6));
            }
            emitted.extend(stage.emitted());
        }
        stage.end();
        emitted.extend(stage.emitted());
        emitted.sort();
        assert_eq!(emitted, expected(frame, &events), "seed {seed}, {frame:?}");
        assert_eq!(stage.late, 0);
        let waiting = stage.snapshot().into_iter().filter(|entry| entry.table == 1).count();
        assert_eq!(waiting, 0, "nothing waits after the end");
    }
}

#[test]
fn many_rows_of_one_firing_come_out_in_order_of_time_in_several_batches() {
    let mut stage = Stage::new(&sum_by(OverFrame::UnboundedRange));
    // 10,000 rows backwards, two a millisecond.
    for batch in 0..10 {
        let times = (0..1000).map(|row| 5000 - (batch * 1000 + row) / 2);
        let rows: Vec<String> = times.map(|time| format!("+I[a, 1, {time}]")).collect();
        stage.rows(0, &rows.join(" "));
    }
    stage.end();
    let emitted = stage.emitted();
    assert_eq!(emitted.len(), 10_000);
    for (at, row) in emitted.iter().enumerate() {
        let pair = at as i64 / 2;
        assert_eq!(*row, format!("+I[a, 1, {}, {}]", pair + 1, 2 * (pair + 1)));
    }
}
