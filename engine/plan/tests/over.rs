//! OVER aggregation and UNNEST: plans, refusals, and which edits keep the state
//! (sections B.5 and B.6).

mod common;

use common::{TABLES, plan_under, shown};
use expect_test::{Expect, expect, expect_file};
use millrace_dataflow::RuntimeLevel;
use millrace_plan::OperatorStateMeta;

const BASKETS: &str = "
CREATE TABLE baskets (
  id BIGINT, items ARRAY<STRING>, prices MAP<STRING, DOUBLE>, tags MULTISET<STRING>,
  fruit ARRAY<ROW<name STRING, weight INT>>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts
) WITH ('connector' = 'filesystem', 'path' = '/baskets', 'format' = 'json');
";

fn explained(name: &str, script: &str) {
    let script = format!("{TABLES}{BASKETS}{script}");
    let planned = plan_under(RuntimeLevel::Flink1_18, &script)
        .unwrap_or_else(|diagnostics| panic!("{name}:\n{}", shown(&diagnostics)));
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    expect_file![format!("{package}/tests/explain/{name}.txt")].assert_eq(&planned.explain);
}

/// The plan of a query that stands alone.
fn runs(query: &str) {
    let planned = plan_under(RuntimeLevel::Flink1_18, &format!("{TABLES}{BASKETS}{query}"));
    assert!(planned.is_ok(), "{query}:\n{}", shown(&planned.err().unwrap_or_default()));
}

/// The first problem, as `column+length message [hint]`.
fn refused(query: &str, expected: Expect) {
    let planned = plan_under(RuntimeLevel::Flink1_18, &format!("{TABLES}{BASKETS}{query}"));
    let problems = planned.err().unwrap_or_else(|| panic!("{query} has a plan"));
    let problem = &problems[0];
    let hint = problem.hint.as_ref().map(|hint| format!(" [{hint}]")).unwrap_or_default();
    let text = format!("{}+{} {}{hint}", problem.column, problem.length, problem.message);
    expected.assert_eq(&text);
}

#[test]
fn b5_1_several_aggregates_over_one_window() {
    explained(
        "over_rows",
        "SELECT origin, ts, SUM(delay) OVER w AS total, COUNT(*) OVER w AS n,
           LAST_VALUE(dest) OVER w
         FROM flights
         WINDOW w AS (PARTITION BY origin ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)",
    );
}

#[test]
fn b5_2_the_default_frame_is_a_range_without_a_lower_end() {
    explained(
        "over_default",
        "SELECT dest, MAX(delay + 1) OVER (ORDER BY ts) - delay, LAG(delay, 2, 0) OVER (ORDER BY ts)
         FROM flights WHERE late",
    );
}

#[test]
fn b5_1_by_the_clock() {
    explained(
        "over_proctime",
        "SELECT COUNT(DISTINCT dest) OVER (PARTITION BY UPPER(origin) ORDER BY pt
           RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW) FROM flights",
    );
}

#[test]
fn b5_6_a_number_without_a_filter_is_an_over_aggregation() {
    explained(
        "over_row_number",
        "SELECT origin, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY ts) AS n FROM flights",
    );
    // With the filter it is still a deduplication.
    runs("SELECT origin FROM (SELECT origin, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY ts) AS n
          FROM flights) WHERE n = 1");
}

#[test]
fn b5_1_a_window_may_build_upon_another_and_stand_above_windows() {
    runs(
        "SELECT SUM(delay) OVER (w ROWS 3 PRECEDING), MIN(delay) OVER (v ROWS 3 PRECEDING)
          FROM flights WINDOW w AS (PARTITION BY origin ORDER BY ts), v AS (w)",
    );
    runs(
        "SELECT origin, SUM(COUNT(*)) OVER (PARTITION BY origin ORDER BY window_time) AS total
          FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
          GROUP BY origin, window_start, window_end, window_time",
    );
    runs(
        "SELECT COUNT(*) OVER (ORDER BY window_time)
          FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
          GROUP BY origin, window_start, window_end, window_time",
    );
    runs(
        "SELECT window_start, MAX(n) FROM (
            SELECT window_start, window_end, COUNT(*) OVER (PARTITION BY origin ORDER BY ts) AS n
            FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR)))
          GROUP BY window_start, window_end",
    );
    runs(
        "SELECT SUM(delay) OVER w, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY ts) FROM flights
          WINDOW w AS (PARTITION BY origin ORDER BY ts ROWS UNBOUNDED PRECEDING)",
    );
}

#[test]
fn what_an_over_window_cannot_be_is_said() {
    for (query, expected) in [
        (
            "SELECT SUM(delay) OVER (PARTITION BY origin) FROM flights",
            expect![
                "8+37 OVER windows' ordering in stream mode must be defined on a time attribute."
            ],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY delay) FROM flights",
            expect![
                "8+32 OVER windows' ordering in stream mode must be defined on a time attribute."
            ],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY ts DESC) FROM flights",
            expect!["8+34 The window can only be ordered in ASCENDING mode."],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY ts, delay) FROM flights",
            expect!["8+36 The window can only be ordered by a single time column."],
        ),
        (
            "SELECT ROW_NUMBER() OVER (ORDER BY delay) FROM flights",
            expect![
                "8+34 OVER windows' ordering in stream mode must be defined on a time attribute. [for a Top-N, filter on ROW_NUMBER() in an outer query: SELECT .. FROM (SELECT .., ROW_NUMBER() OVER (..) AS rn FROM t) WHERE rn <= N]"
            ],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY ts), SUM(delay) OVER (PARTITION BY dest ORDER BY ts) FROM flights",
            expect![
                "55+31 All aggregates of one SELECT must be computed on the same OVER window [compute one in a subquery; ROW_NUMBER() counts by ROWS, LAG and an ORDER BY without a frame go by RANGE]"
            ],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY ts), ROW_NUMBER() OVER (ORDER BY ts) FROM flights",
            expect![
                "57+13 All aggregates of one SELECT must be computed on the same OVER window [compute one in a subquery; ROW_NUMBER() counts by ROWS, LAG and an ORDER BY without a frame go by RANGE]"
            ],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM flights",
            expect!["37+40 OVER windows on streaming tables must end with CURRENT ROW"],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY ts ROWS delay PRECEDING) FROM flights",
            expect!["42+5 ROWS takes a whole number, not negative, before PRECEDING"],
        ),
        (
            "SELECT SUM(delay) OVER (ORDER BY ts RANGE 3 PRECEDING) FROM flights",
            expect![
                "43+1 RANGE takes an interval of days to seconds, not negative, before PRECEDING"
            ],
        ),
        (
            "SELECT SUM(delay) FILTER (WHERE late) OVER (ORDER BY ts) FROM flights",
            expect!["33+4 FILTER is not supported with OVER [aggregate CASE WHEN .. THEN .. END]"],
        ),
        (
            "SELECT RANK() OVER (ORDER BY ts) FROM flights",
            expect!["8+25 RANK() is not supported on streaming tables [use ROW_NUMBER()]"],
        ),
        (
            "SELECT LEAD(delay) OVER (ORDER BY ts) FROM flights",
            expect!["8+30 LEAD is not supported on streaming tables"],
        ),
        (
            "SELECT LAG(delay, -1) OVER (ORDER BY ts) FROM flights",
            expect!["19+2 the offset of LAG must be a whole number, not negative"],
        ),
        (
            "SELECT LAG(delay) OVER (ORDER BY ts ROWS 1 PRECEDING) FROM flights",
            expect!["37+16 LAG takes no ROWS or RANGE frame"],
        ),
        (
            "SELECT UPPER(dest) OVER (ORDER BY ts) FROM flights",
            expect!["8+5 OVER must be applied to aggregate function"],
        ),
        (
            "SELECT SUM(delay) OVER v FROM flights WINDOW w AS (ORDER BY ts)",
            expect![
                "24+1 Window 'v' not found [name it in a WINDOW clause: WINDOW w AS (PARTITION BY .. ORDER BY ..)]"
            ],
        ),
        (
            "SELECT SUM(delay) OVER (w ORDER BY pt) FROM flights WINDOW w AS (ORDER BY ts)",
            expect!["36+2 window 'w' has an ORDER BY already"],
        ),
        (
            "SELECT origin FROM flights WHERE COUNT(*) OVER (ORDER BY ts) > 1",
            expect!["34+27 OVER can stand in a SELECT list only"],
        ),
        (
            "SELECT SUM(n) OVER (ORDER BY pt) FROM (SELECT PROCTIME() AS pt, n FROM (SELECT COUNT(*) AS n FROM flights))",
            expect![
                "8+25 StreamPhysicalOverAggregate doesn't support consuming update changes which is produced by node GroupAggregate(select=[COUNT(*) AS n])"
            ],
        ),
    ] {
        refused(query, expected);
    }
}

#[test]
fn b6_17_unnest_of_an_array() {
    explained(
        "unnest",
        "SELECT id, UPPER(item) FROM baskets CROSS JOIN UNNEST(items) AS u(item)
         WHERE id > 3 AND item <> 'none'",
    );
    explained(
        "unnest_left",
        "SELECT b.id, n, w FROM baskets AS b LEFT JOIN UNNEST(b.fruit) AS f(n, w) ON TRUE",
    );
    for query in [
        "SELECT id, name, weight FROM baskets, UNNEST(fruit)",
        "SELECT id, `KEY`, `VALUE` FROM baskets CROSS JOIN UNNEST(prices) AS p",
        "SELECT id, tag FROM baskets CROSS JOIN UNNEST(tags) AS tag",
        "SELECT u.* FROM baskets JOIN UNNEST(ARRAY[id, 7]) AS u(x) ON x > id",
        "SELECT x, y FROM baskets CROSS JOIN UNNEST(items) AS a(x) CROSS JOIN UNNEST(items) AS b(y)",
        "SELECT f.origin, x FROM flights f JOIN weather w ON f.origin = w.station
           AND f.ts BETWEEN w.wts - INTERVAL '1' HOUR AND w.wts
         CROSS JOIN UNNEST(ARRAY[w.wind, 1.0]) AS u(x) WHERE f.delay > 3",
        "SELECT f.origin, x FROM flights f, weather w, UNNEST(ARRAY[w.wind, 1.0]) AS u(x)
         WHERE f.origin = w.station AND f.ts BETWEEN w.wts - INTERVAL '1' HOUR AND w.wts",
        "SELECT v, COUNT(*) FROM (SELECT origin, COLLECT(dest) AS s FROM flights GROUP BY origin)
         CROSS JOIN UNNEST(s) AS t(v) GROUP BY v",
        "SELECT x, COUNT(*) OVER (PARTITION BY x ORDER BY ts) FROM baskets, UNNEST(items) AS u(x)",
    ] {
        runs(query);
    }
}

#[test]
fn what_cannot_be_expanded_is_said() {
    for (query, expected) in [
        (
            "SELECT * FROM UNNEST(ARRAY[1]) AS u(x)",
            expect![
                "15+24 UNNEST as the only relation is not supported [put a table before it: FROM t CROSS JOIN UNNEST(t.a) AS u(x)]"
            ],
        ),
        (
            "SELECT * FROM flights CROSS JOIN UNNEST(delay) AS u(x)",
            expect!["41+5 UNNEST takes an ARRAY, a MAP or a MULTISET, not INT"],
        ),
        (
            "SELECT * FROM baskets CROSS JOIN UNNEST(prices) AS u(x)",
            expect!["52+1 1 column names are given for 2 columns"],
        ),
        (
            "SELECT * FROM baskets RIGHT JOIN UNNEST(items) AS u(x) ON TRUE",
            expect!["34+21 UNNEST stands right of CROSS JOIN, JOIN and LEFT JOIN only"],
        ),
        (
            "SELECT * FROM baskets LEFT JOIN UNNEST(items) AS u(x) ON x = 'a'",
            expect!["33+21 LEFT JOIN UNNEST(..) takes no condition but ON TRUE"],
        ),
        (
            "SELECT * FROM baskets CROSS JOIN UNNEST(items) WITH ORDINALITY AS u(x, n)",
            expect!["48+4 UNNEST .. WITH ORDINALITY came with Flink 2.x"],
        ),
        (
            "SELECT * FROM baskets, LATERAL TABLE(split(items)) AS u(x)",
            expect!["24+35 LATERAL TABLE (a table function) is not offered yet"],
        ),
    ] {
        refused(query, expected);
    }
}

fn state(query: &str) -> Vec<OperatorStateMeta> {
    let script = format!("{TABLES}{BASKETS}{query}");
    let planned = plan_under(RuntimeLevel::Flink1_18, &script).expect("a plan");
    let nodes = planned.graph.nodes.iter().filter_map(|node| {
        let layout = node.state.clone()?;
        Some(OperatorStateMeta { id: node.id.clone(), name: node.name.clone(), layout })
    });
    nodes.filter(|node| node.layout.kind == "over-aggregate").collect()
}

#[test]
fn the_state_of_an_over_window_fits_while_frame_and_calls_stay() {
    let query = |frame: &str, call: &str| {
        format!(
            "SELECT origin, {call} OVER (PARTITION BY origin ORDER BY ts {frame}) AS x FROM flights"
        )
    };
    let base = state(&query("", "SUM(delay)"));
    assert_eq!(base.len(), 1);
    let same = state(&query("RANGE UNBOUNDED PRECEDING", "SUM(delay)").replace("AS x", "AS y"));
    assert_eq!((&base[0].id, &base[0].layout), (&same[0].id, &same[0].layout));
    for other in [query("ROWS UNBOUNDED PRECEDING", "SUM(delay)"), query("", "MAX(delay)")] {
        let other = state(&other);
        assert_eq!(base[0].id, other[0].id);
        assert_ne!(base[0].layout, other[0].layout);
    }
}
