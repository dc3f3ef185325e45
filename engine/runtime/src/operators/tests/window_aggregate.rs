//! Window aggregation and the windowing table function on its own.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{
    AggregateFunction, Operator as Node, WindowAggregate, WindowAssigner, WindowInput, WindowKind,
    WindowProperty, WindowTime,
};

use super::group_aggregate::call;
use super::naive::Dice;
use super::stage::{Spec, Stage, check};
use super::text::schema;
use crate::operators::window::slices::Slices;

const TUMBLE: WindowKind = WindowKind::Tumble { size_ms: 10 };
const HOP: WindowKind = WindowKind::Hop { slide_ms: 5, size_ms: 15 };
const CUMULATE: WindowKind = WindowKind::Cumulate { step_ms: 5, size_ms: 15 };

fn assigner(kind: WindowKind) -> WindowAssigner {
    WindowAssigner { kind, offset_ms: 0, time: WindowTime::Rowtime(2), time_zone: None }
}

/// `SELECT k, SUM(v), window_start, window_end, window_time` over `k, v, ts`.
fn spec(window: WindowInput) -> Spec {
    Spec {
        node: Node::WindowAggregate(WindowAggregate {
            window,
            keys: vec![0],
            aggregates: vec![call(AggregateFunction::Sum, Some((1, "INT")), "INT")],
            properties: vec![WindowProperty::Start, WindowProperty::End, WindowProperty::Time],
            retracts: false,
        }),
        inputs: vec![schema("k STRING, v INT, ts TIMESTAMP(3)")],
        output: schema("k STRING, s INT, ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP(3)"),
        changelog: ChangelogMode::INSERT_ONLY,
        keys: vec![vec![0]],
    }
}

fn assign(kind: WindowKind) -> Spec {
    spec(WindowInput::Assign(assigner(kind)))
}

#[test]
fn b3_10_a_window_fires_when_the_watermark_reaches_its_last_millisecond() {
    check(
        &assign(TUMBLE),
        "rows +I[a, 1, 0] +I[b, 2, 9] +I[a, 4, 5] +I[a, 8, 10]
         watermark 8
         =>
         restore 3
         watermark 9
         => +I[a, 5, 0, 10, 9] +I[b, 2, 0, 10, 9]
         restore 1
         end
         => +I[a, 8, 10, 20, 19]",
    );
}

#[test]
fn b3_17_a_row_is_late_when_all_its_windows_have_fired() {
    check(
        &assign(TUMBLE),
        "rows +I[a, 1, 3]
         watermark 9
         => +I[a, 1, 0, 10, 9]
         rows +I[a, 1, 9] +I[a, 2, 10] +I[a, 4, -1]
         late 2
         restore 2
         rows +I[a, 1, 9]
         late 3
         end
         => +I[a, 2, 10, 20, 19]",
    );
    check(
        &assign(HOP),
        "watermark 7
         rows +I[a, 1, 4] +I[b, 1, -11]
         late 1
         watermark 9
         => +I[a, 1, -5, 10, 9]
         rows +I[a, 2, 1] +I[a, 4, -6]
         late 2
         restore 4
         rows +I[a, 8, 4]
         end
         => +I[a, 11, 0, 15, 14]",
    );
    check(
        &assign(CUMULATE),
        "rows +I[a, 1, 2]
         watermark 4
         => +I[a, 1, 0, 5, 4]
         rows +I[a, 2, 3] +I[b, 1, 4]
         restore 3
         watermark 9
         => +I[a, 3, 0, 10, 9] +I[b, 1, 0, 10, 9]
         rows +I[a, 4, 12]
         restore 1
         watermark 14
         => +I[a, 7, 0, 15, 14] +I[b, 1, 0, 15, 14]
         rows +I[a, 1, 14]
         late 1
         end
         =>",
    );
}

#[test]
fn b3_19_windows_fire_in_order_of_their_ends() {
    check(
        &assign(HOP),
        "rows +I[a, 1, 7] +I[a, 2, 22]
         end
         => +I[a, 1, -5, 10, 9] +I[a, 1, 0, 15, 14] +I[a, 1, 5, 20, 19] +I[a, 2, 10, 25, 24] \
            +I[a, 2, 15, 30, 29] +I[a, 2, 20, 35, 34]",
    );
}

#[test]
fn b3_10_attached_windows_fire_by_their_own_end() {
    let mut attached = spec(WindowInput::Attached { start: 2, end: 3 });
    attached.inputs = vec![schema("k STRING, v INT, ws TIMESTAMP(3), we TIMESTAMP(3)")];
    check(
        &attached,
        "rows +I[a, 1, 0, 10] +I[a, 2, 0, 10] +I[a, 4, 5, 10] +I[a, 8, 10, 20]
         watermark 9
         => +I[a, 3, 0, 10, 9] +I[a, 4, 5, 10, 9]
         restore 2
         rows +I[a, 1, 0, 10]
         late 1
         end
         => +I[a, 8, 10, 20, 19]",
    );
}

#[test]
fn e18_windows_of_the_wall_clock_fire_by_it_and_not_at_the_end() {
    let mut spec = assign(TUMBLE);
    if let Node::WindowAggregate(config) = &mut spec.node {
        config.window =
            WindowInput::Assign(WindowAssigner { time: WindowTime::Proctime, ..assigner(TUMBLE) });
    }
    check(
        &spec,
        "time 3
         rows +I[a, 1, 0]
         time 9
         rows +I[a, 2, 0]
         restore 2
         time 10
         => +I[a, 3, 0, 10, 9]
         rows +I[b, 1, 0]
         watermark 100
         end
         =>",
    );
}

#[test]
fn e20_windows_over_instants_lie_on_the_wall_clock_of_the_session() {
    let day = WindowKind::Tumble { size_ms: 86_400_000 };
    let zoned = WindowAssigner { time_zone: Some("America/New_York".into()), ..assigner(day) };
    let mut spec = spec(WindowInput::Assign(zoned));
    spec.inputs = vec![schema("k STRING, v INT, ts TIMESTAMP_LTZ(3)")];
    spec.output = schema("k STRING, s INT, ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP_LTZ(3)");
    // 2013-03-10 has 23 hours: from 05:00 UTC to 04:00 UTC the next day.
    check(
        &spec,
        "rows +I[a, 1, 1362891600000] +I[a, 2, 1362974399999] +I[a, 4, 1362974400000]
         watermark 1362974399998
         =>
         watermark 1362974399999
         => +I[a, 3, 1362873600000, 1362960000000, 1362974399999]
         end
         => +I[a, 4, 1362960000000, 1363046400000, 1363060799999]",
    );
}

#[test]
fn a_null_time_fails_the_job() {
    let spec = assign(TUMBLE);
    let batch = super::text::batch(&spec.inputs[0], "+I[a, 1, NULL]");
    let error = Stage::new(&spec).try_batch(0, &batch).expect_err("no time");
    assert!(error.to_string().contains("NULL in its time attribute"), "{error}");
}

#[test]
fn b3_8_the_table_function_alone_copies_rows_and_drops_none() {
    let alone = |kind| Spec {
        node: Node::WindowAssign { window: assigner(kind) },
        output: schema(
            "k STRING, v INT, ts TIMESTAMP(3), ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP(3)",
        ),
        ..assign(kind)
    };
    check(
        &alone(HOP),
        "watermark 100
         rows +I[a, 1, 7] +I[b, 2, 9]
         => +I[a, 1, 7, 5, 20, 19] +I[a, 1, 7, 0, 15, 14] +I[a, 1, 7, -5, 10, 9] \
            +I[b, 2, 9, 5, 20, 19] +I[b, 2, 9, 0, 15, 14] +I[b, 2, 9, -5, 10, 9]",
    );
    check(&alone(CUMULATE), "rows +I[a, 1, 7] \n => +I[a, 1, 7, 0, 10, 9] +I[a, 1, 7, 0, 15, 14]");
}

/// A row counts in each of its windows that has not fired when it comes; a window with
/// any such row is emitted once, when the watermark passes.
fn naive(kind: WindowKind, events: &[(usize, i64, i64)], marks: &[i64]) -> Vec<String> {
    let slices = Slices::new(&assigner(kind));
    let mut sums = BTreeMap::<_, i64>::new();
    for (position, (key, (value, time))) in
        events.iter().map(|(key, value, time)| (key, (value, time))).enumerate()
    {
        let counted = slices.windows_of(*time);
        for window in counted.into_iter().filter(|window| window.end - 1 > marks[position]) {
            *sums.entry((window, *key)).or_default() += value;
        }
    }
    let rows = sums.iter().map(|((window, key), sum)| {
        format!("+I[k{key}, {sum}, {}, {}, {}]", window.start, window.end, window.end - 1)
    });
    rows.collect()
}

#[test]
pub fn windows_equal_their_recomputation_over_random_input_with_restores() {
    for seed in 1..60 {
        for kind in [TUMBLE, HOP, CUMULATE] {
            let mut dice = Dice::new(seed);
            let mut stage = Stage::new(&assign(kind));
            let (mut events, mut marks) = (Vec::new(), Vec::new());
            let (mut clock, mut mark) = (0, i64::MIN);
            for _ in 0..60 {
                clock += dice.roll(4) as i64;
                let event =
                    (dice.roll(3) as usize, dice.roll(9) as i64, clock - dice.roll(25) as i64);
                stage.rows(0, &format!("+I[k{}, {}, {}]", event.0, event.1, event.2));
                events.push(event);
                marks.push(mark);
                if dice.one_in(8) {
                    stage.restore(1 + dice.roll(4) as u16);
                }
                if dice.one_in(5) {
                    mark = mark.max(clock - 8);
                    stage.watermark(mark);
                }
            }
            stage.watermark(i64::MAX);
            let mut emitted = stage.emitted();
            emitted.sort();
            let mut expected = naive(kind, &events, &marks);
            expected.sort();
            assert_eq!(emitted, expected, "seed {seed}, {kind:?}");
        }
    }
}
