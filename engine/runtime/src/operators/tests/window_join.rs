//! Window join: what is paired and padded, lateness, and nested loops over random input.

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{JoinKind, Operator as Node, WindowBounds, WindowJoin};

use super::naive::Dice;
use super::stage::{Spec, Stage, check};
use super::text::schema;

/// On equal windows and `k`.
fn spec(kind: JoinKind) -> Spec {
    let window = WindowBounds { start: 2, end: 3 };
    Spec {
        node: Node::WindowJoin(WindowJoin {
            kind,
            left_window: window,
            right_window: window,
            left_keys: vec![0],
            right_keys: vec![0],
            residual: None,
            time_zone: None,
        }),
        inputs: vec![
            schema("k STRING, v INT, ws TIMESTAMP(3), we TIMESTAMP(3)"),
            schema("rk STRING, rv INT, rs TIMESTAMP(3), re TIMESTAMP(3)"),
        ],
        output: schema(
            "k STRING, v INT, ws TIMESTAMP(3), we TIMESTAMP(3), rk STRING, rv INT, rs TIMESTAMP(3), re TIMESTAMP(3)",
        ),
        changelog: ChangelogMode::INSERT_ONLY,
        keys: vec![vec![0], vec![0]],
    }
}

const SCRIPT: &str = "left +I[a, 1, 0, 10] +I[b, 2, 0, 10] +I[a, 3, 10, 20] +I[NULL, 4, 0, 10]
     right +I[a, 5, 0, 10] +I[c, 6, 0, 10] +I[NULL, 7, 0, 10] +I[a, 8, 0, 10]
     watermark 8
     =>
     restore 3
     watermark 9";

fn first_window(kind: JoinKind, expected: &str) {
    check(&spec(kind), &format!("{SCRIPT}\n => {expected}\n restore 1\n"));
}

#[test]
pub fn b3_16_rows_of_one_window_are_joined_when_it_ends() {
    let pairs = "+I[a, 1, 0, 10, a, 5, 0, 10] +I[a, 1, 0, 10, a, 8, 0, 10]";
    let left = "+I[b, 2, 0, 10, NULL, NULL, NULL, NULL] +I[NULL, 4, 0, 10, NULL, NULL, NULL, NULL]";
    let right =
        "+I[NULL, NULL, NULL, NULL, c, 6, 0, 10] +I[NULL, NULL, NULL, NULL, NULL, 7, 0, 10]";
    first_window(JoinKind::Inner, pairs);
    first_window(JoinKind::Left, &format!("{pairs} {left}"));
    first_window(JoinKind::Right, &format!("{pairs} {right}"));
    first_window(JoinKind::Full, &format!("{pairs} {left} {right}"));
}

#[test]
pub fn b3_16_rows_of_a_window_that_has_fired_are_late() {
    check(
        &spec(JoinKind::Left),
        "left +I[a, 1, 0, 10] +I[a, 2, 5, 15]
         watermark 9
         => +I[a, 1, 0, 10, NULL, NULL, NULL, NULL]
         right +I[a, 1, 0, 10] +I[a, 2, 5, 15]
         late 1
         restore 2
         left +I[a, 4, 0, 10]
         late 2
         end
         => +I[a, 2, 5, 15, a, 2, 5, 15]",
    );
}

type Row = (u64, u64, i64);

fn shown(row: Option<&Row>) -> String {
    match row {
        None => "NULL, NULL, NULL, NULL".to_owned(),
        Some((key, value, start)) => format!("k{key}, {value}, {start}, {}", start + 10),
    }
}

fn naive(kind: JoinKind, sides: &[Vec<Row>; 2]) -> Vec<String> {
    let mut rows = Vec::new();
    let equal = |l: &Row, r: &Row| l.0 == r.0 && l.2 == r.2;
    for left in &sides[0] {
        let matches: Vec<&Row> = sides[1].iter().filter(|right| equal(left, right)).collect();
        rows.extend(matches.iter().map(|right| (Some(left), Some(*right))));
        if matches.is_empty() && matches!(kind, JoinKind::Left | JoinKind::Full) {
            rows.push((Some(left), None));
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let alone = sides[1].iter().filter(|right| !sides[0].iter().any(|l| equal(l, right)));
        rows.extend(alone.map(|right| (None, Some(right))));
    }
    let text = |(left, right)| format!("+I[{}, {}]", shown(left), shown(right));
    let mut rows: Vec<String> = rows.into_iter().map(text).collect();
    rows.sort();
    rows
}

#[test]
pub fn joins_equal_nested_loops_over_random_input_with_restores() {
    for seed in 1..40 {
        for kind in [JoinKind::Inner, JoinKind::Left, JoinKind::Right, JoinKind::Full] {
            let mut dice = Dice::new(seed);
            let mut stage = Stage::new(&spec(kind));
            let mut kept: [Vec<Row>; 2] = Default::default();
            let (mut mark, mut late) = (i64::MIN, 0);
            for step in 0..40_i64 {
                let side = dice.roll(2) as usize;
                let mut rows = String::new();
                for _ in 0..1 + dice.roll(5) {
                    let start = (step / 4 - dice.roll(3) as i64) * 10;
                    let row = (dice.roll(4), dice.roll(100), start);
                    rows += &format!("+I[{}] ", shown(Some(&row)));
                    if start + 9 > mark { kept[side].push(row) } else { late += 1 }
                }
                stage.rows(side, &rows);
                if dice.one_in(8) {
                    stage.restore(1 + dice.roll(4) as u16);
                }
                if dice.one_in(4) {
                    mark = mark.max(step / 4 * 10 - 6);
                    stage.watermark(mark);
                }
            }
            stage.watermark(i64::MAX);
            let mut emitted = stage.emitted();
            emitted.sort();
            assert_eq!(emitted, naive(kind, &kept), "seed {seed}, {kind:?}");
            assert_eq!(stage.late, late, "seed {seed}, {kind:?}");
        }
    }
}
