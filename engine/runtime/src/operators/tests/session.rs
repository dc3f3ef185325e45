//! SESSION windows: merging, lateness, restores, and recomputation over random input.

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

const GAP_MS: i64 = 10;

/// `SELECT k, SUM(v), window_start, window_end, window_time` over `k, v, ts`.
fn spec(time: WindowTime, retracts: bool) -> Spec {
    let window = WindowAssigner {
        kind: WindowKind::Session { gap_ms: GAP_MS },
        offset_ms: 0,
        time,
        time_zone: None,
    };
    Spec {
        node: Node::WindowAggregate(WindowAggregate {
            window: WindowInput::Assign(window),
            keys: vec![0],
            aggregates: vec![call(AggregateFunction::Sum, Some((1, "INT")), "INT")],
            properties: vec![WindowProperty::Start, WindowProperty::End, WindowProperty::Time],
            retracts,
        }),
        inputs: vec![schema("k STRING, v INT, ts TIMESTAMP(3)")],
        output: schema("k STRING, s INT, ws TIMESTAMP(3), we TIMESTAMP(3), wt TIMESTAMP(3)"),
        changelog: if retracts { ChangelogMode::ALL } else { ChangelogMode::INSERT_ONLY },
        keys: vec![vec![0]],
    }
}

fn rowtime() -> Spec {
    spec(WindowTime::Rowtime(2), false)
}

#[test]
fn b4_1_sessions_that_overlap_or_touch_are_one() {
    check(
        &rowtime(),
        "rows +I[a, 1, 0] +I[a, 2, 10] +I[b, 4, 0] +I[b, 8, 11]
         watermark 9
         => +I[b, 4, 0, 10, 9]
         watermark 19
         => +I[a, 3, 0, 20, 19]
         restore 2
         end
         => +I[b, 8, 11, 21, 20]",
    );
}

#[test]
fn b4_1_a_row_between_sessions_merges_them() {
    for restore in ["", "restore 3"] {
        let script = format!(
            "rows +I[a, 1, 0] +I[a, 2, 30] +I[a, 4, 15] +I[b, 1, 50]
             {restore}
             rows +I[a, 8, 8] +I[a, 16, 23]
             watermark 38
             =>
             watermark 39
             => +I[a, 31, 0, 40, 39]
             end
             => +I[b, 1, 50, 60, 59]"
        );
        check(&rowtime(), &script);
    }
}

#[test]
fn b4_5_a_late_row_counts_in_an_open_session_that_it_touches() {
    check(
        &rowtime(),
        "rows +I[a, 1, 20]
         watermark 25
         rows +I[a, 2, 10] +I[a, 4, 15] +I[b, 1, 15] +I[b, 1, 17]
         late 1
         restore 2
         rows +I[b, 1, 4]
         late 2
         watermark 29
         => +I[a, 7, 10, 30, 29] +I[b, 1, 17, 27, 26]
         rows +I[a, 1, 19] +I[a, 1, 21]
         late 3
         end
         => +I[a, 1, 21, 31, 30]",
    );
}

#[test]
fn e18_sessions_of_the_wall_clock_end_by_it() {
    check(
        &spec(WindowTime::Proctime, false),
        "time 3
         rows +I[a, 1, 0]
         time 9
         rows +I[a, 2, 0] +I[b, 4, 0]
         restore 2
         time 12
         rows +I[b, 1, 0]
         time 19
         => +I[a, 3, 3, 19, 18]
         time 22
         => +I[b, 5, 9, 22, 21]
         rows +I[c, 1, 0]
         watermark 100
         end
         =>",
    );
}

#[test]
fn b4_3_rows_are_taken_back_and_an_emptied_session_is_not_emitted() {
    check(
        &spec(WindowTime::Rowtime(2), true),
        "rows +I[a, 1, 0] +I[a, 2, 5] +I[b, 7, 0] -U[a, 2, 5] +U[a, 4, 6]
         restore 2
         rows -D[b, 7, 0]
         end
         => +I[a, 5, 0, 16, 15]",
    );
}

/// Sessions by going through the events one by one, the sessions of all keys in a list.
fn naive(events: &[(usize, i64, i64)], marks: &[i64]) -> (Vec<String>, u64) {
    let mut open: BTreeMap<(usize, i64), (i64, i64)> = BTreeMap::new();
    let (mut rows, mut late) = (Vec::new(), 0);
    for ((key, value, time), mark) in events.iter().zip(marks) {
        fire(&mut open, *mark, &mut rows);
        let (mut start, mut end, mut sum) = (*time, time + GAP_MS, *value);
        let touching: Vec<_> = open
            .iter()
            .filter(|((k, s), (e, _))| k == key && *s <= end && *e >= start)
            .map(|(place, session)| (*place, *session))
            .collect();
        if touching.is_empty() && end - 1 <= *mark {
            late += 1;
            continue;
        }
        for (place, (other_end, other_sum)) in touching {
            open.remove(&place);
            start = start.min(place.1);
            end = end.max(other_end);
            sum += other_sum;
        }
        open.insert((*key, start), (end, sum));
    }
    fire(&mut open, i64::MAX, &mut rows);
    rows.sort();
    (rows, late)
}

fn fire(open: &mut BTreeMap<(usize, i64), (i64, i64)>, mark: i64, rows: &mut Vec<String>) {
    open.retain(|(key, start), (end, sum)| {
        if *end - 1 <= mark {
            rows.push(format!("+I[k{key}, {sum}, {start}, {end}, {}]", *end - 1));
        }
        *end - 1 > mark
    });
}

#[test]
pub fn sessions_equal_their_recomputation_over_random_input_with_restores() {
    for seed in 1..80 {
        let mut dice = Dice::new(seed);
        let mut stage = Stage::new(&rowtime());
        let (mut events, mut marks) = (Vec::new(), Vec::new());
        let (mut clock, mut mark) = (0, i64::MIN);
        for _ in 0..60 {
            let mut rows = String::new();
            for _ in 0..1 + dice.roll(4) {
                clock += dice.roll(6) as i64;
                let event =
                    (dice.roll(3) as usize, dice.roll(9) as i64, clock - dice.roll(40) as i64);
                rows += &format!("+I[k{}, {}, {}] ", event.0, event.1, event.2);
                events.push(event);
                marks.push(mark);
            }
            stage.rows(0, &rows);
            if dice.one_in(8) {
                stage.restore(1 + dice.roll(4) as u16);
            }
            if dice.one_in(4) {
                mark = mark.max(clock - 12);
                stage.watermark(mark);
            }
        }
        stage.watermark(i64::MAX);
        let mut emitted = stage.emitted();
        emitted.sort();
        let (expected, late) = naive(&events, &marks);
        assert_eq!(emitted, expected, "seed {seed}");
        assert_eq!(stage.late, late, "seed {seed}");
    }
}
