//! Golden plans: `tests/explain/<name>.txt`. Set `UPDATE_EXPECT=1` to write them anew.

mod common;

use common::{NEXMARK, TABLES, plan_under, shown};
use expect_test::expect_file;
use millrace_dataflow::RuntimeLevel;

fn check(name: &str, script: &str) {
    let planned = plan_under(RuntimeLevel::Flink1_18, script)
        .unwrap_or_else(|diagnostics| panic!("{name}:\n{}", shown(&diagnostics)));
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let path = format!("{package}/tests/explain/{name}.txt");
    expect_file![path].assert_eq(&planned.explain);
}

fn flights(name: &str, sink: &str, statements: &str) {
    check(name, &format!("{TABLES}{sink};\n{statements}"));
}

fn nexmark(name: &str, sink: &str, statement: &str) {
    check(name, &format!("{NEXMARK}{sink};\n{statement}"));
}

#[test]
fn b1_1_filter_and_projection_are_one_calc() {
    flights(
        "filter_project",
        "CREATE TABLE o (origin STRING, d INT) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT origin, delay + 1 FROM flights WHERE delay > 10 AND dest LIKE 'S%'",
    );
}

#[test]
fn a2_3_metadata_and_computed_columns_are_made_in_the_source() {
    flights(
        "computed_columns",
        "CREATE TABLE o (f STRING, late BOOLEAN) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT file, late FROM flights",
    );
}

#[test]
fn b2_1_group_by_updates() {
    flights(
        "group_by",
        "CREATE TABLE o (origin STRING, n BIGINT, total INT) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT origin, COUNT(*) AS n, SUM(delay) FILTER (WHERE late) AS total
         FROM flights GROUP BY origin HAVING COUNT(*) > 2",
    );
}

#[test]
fn b12_21_a_sink_without_update_before_asks_for_none() {
    flights(
        "group_by_upsert",
        "CREATE TABLE o (origin STRING, n BIGINT) WITH ('connector' = 'blackhole')",
        "INSERT INTO o SELECT origin, COUNT(DISTINCT dest) FROM flights GROUP BY origin",
    );
}

#[test]
fn b2_4_a_global_aggregate_runs_once() {
    flights(
        "global_aggregate",
        "CREATE TABLE o (n BIGINT) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT COUNT(*) FROM flights",
    );
}

#[test]
fn b12_4_an_aggregate_of_an_aggregate_retracts() {
    flights(
        "nested_aggregate",
        "CREATE TABLE o (n BIGINT, k BIGINT) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT n, COUNT(*) FROM
           (SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin) GROUP BY n",
    );
}

#[test]
fn b3_10_a_window_aggregate_assigns_its_windows() {
    flights(
        "tumble",
        "CREATE TABLE o (origin STRING, s TIMESTAMP(3), e TIMESTAMP(3), n BIGINT, m DOUBLE) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT origin, window_start, window_end, COUNT(*), AVG(CAST(delay AS DOUBLE))
         FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
         WHERE delay IS NOT NULL GROUP BY origin, window_start, window_end",
    );
}

#[test]
fn b3_13_windows_cascade_on_window_time() {
    flights(
        "cascade",
        "CREATE TABLE o (e TIMESTAMP(3), n BIGINT) WITH ('connector' = 'filesystem');
         CREATE VIEW hourly AS SELECT origin, window_start AS s, window_end AS e, window_time AS wt, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
         GROUP BY origin, window_start, window_end, window_time",
        "INSERT INTO o SELECT window_end, SUM(n) FROM TABLE(CUMULATE(DATA => TABLE hourly,
           TIMECOL => DESCRIPTOR(wt), STEP => INTERVAL '6' HOURS, SIZE => INTERVAL '1' DAY))
         GROUP BY window_start, window_end",
    );
}

#[test]
fn b3_10_windows_of_a_subquery_are_grouped_again() {
    flights(
        "regroup",
        "CREATE TABLE o (s TIMESTAMP(3), m BIGINT) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT window_start, MAX(n) FROM (
           SELECT window_start, window_end, origin, COUNT(*) AS n
           FROM TABLE(HOP(TABLE flights, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '1' HOUR))
           GROUP BY window_start, window_end, origin)
         GROUP BY window_start, window_end",
    );
}

#[test]
fn b3_8_rows_carry_their_windows_when_an_expression_looks_at_them() {
    flights(
        "attached",
        "CREATE TABLE o (s TIMESTAMP(3), n BIGINT) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT window_start, COUNT(*)
         FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
         WHERE ts > window_start + INTERVAL '30' MINUTE
         GROUP BY window_start, window_end",
    );
}

#[test]
fn b4_1_legacy_windows_in_group_by() {
    flights(
        "legacy_tumble",
        "CREATE TABLE o (s TIMESTAMP(3), origin STRING, n BIGINT, rt TIMESTAMP(3)) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT TUMBLE_START(ts, INTERVAL '1' HOUR), origin, COUNT(*),
           TUMBLE_ROWTIME(ts, INTERVAL '1' HOUR)
         FROM flights GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), origin",
    );
}

#[test]
fn b4_1_sessions_in_group_by() {
    flights(
        "legacy_session",
        "CREATE TABLE o (s TIMESTAMP(3), origin STRING, n BIGINT) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT SESSION_START(ts, INTERVAL '1' HOUR), origin, COUNT(*)
         FROM flights GROUP BY SESSION(ts, INTERVAL '1' HOUR), origin",
    );
}

#[test]
fn b3_14_window_top_n() {
    flights(
        "window_top_n",
        "CREATE TABLE o (s TIMESTAMP(3), origin STRING, n BIGINT, rn BIGINT) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT window_start, origin, n, rn FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS rn FROM (
             SELECT window_start, window_end, origin, COUNT(*) AS n
             FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
             GROUP BY window_start, window_end, origin)) WHERE rn <= 3",
    );
}

#[test]
fn b3_15_window_deduplication() {
    flights(
        "window_deduplication",
        "CREATE TABLE o (origin STRING, delay INT, e TIMESTAMP(3)) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT origin, delay, window_end FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, origin ORDER BY ts DESC) AS rn
           FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))) WHERE rn = 1",
    );
}

#[test]
fn b6_8_interval_join() {
    flights(
        "interval_join",
        "CREATE TABLE o (origin STRING, delay INT, wind DOUBLE) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT f.origin, f.delay, w.wind FROM flights f LEFT JOIN weather AS w
         ON f.origin = w.station AND f.ts BETWEEN w.wts AND w.wts + INTERVAL '1' HOUR AND f.delay > w.wind",
    );
}

#[test]
fn b6_8_interval_join_with_its_condition_in_where() {
    flights(
        "interval_join_where",
        "CREATE TABLE o (origin STRING, wind DOUBLE) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT f.origin, w.wind FROM flights f, weather w
         WHERE UPPER(f.origin) = w.station AND w.wts > f.ts - INTERVAL '10' MINUTE
           AND w.wts <= f.ts AND f.delay > 5 AND w.wind > 1e1",
    );
}

#[test]
fn b9_3_top_n_without_the_rank() {
    flights(
        "top_n",
        "CREATE TABLE o (origin STRING, delay INT) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT origin, delay FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY delay DESC) AS rn FROM flights)
         WHERE rn <= 3 AND delay IS NOT NULL",
    );
}

#[test]
fn b9_2_top_n_of_an_aggregate_with_the_rank() {
    flights(
        "top_n_rank",
        "CREATE TABLE o (rn BIGINT, origin STRING, n BIGINT) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT rn, origin, n FROM (
           SELECT origin, n, ROW_NUMBER() OVER (ORDER BY n DESC, origin) AS rn FROM
             (SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin))
         WHERE rn BETWEEN 2 AND 5",
    );
}

#[test]
fn b9_8_deduplication() {
    flights(
        "deduplicate",
        "CREATE TABLE o (origin STRING, ts TIMESTAMP(3), rn BIGINT) WITH ('connector' = 'print');
         CREATE TABLE p (origin STRING) WITH ('connector' = 'filesystem')",
        "EXECUTE STATEMENT SET BEGIN
         INSERT INTO o SELECT origin, ts, rn FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY ts DESC) AS rn FROM flights)
         WHERE rn = 1;
         INSERT INTO p SELECT origin FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY pt) AS rn FROM flights)
         WHERE rn = 1;
         END",
    );
}

#[test]
fn b8_6_order_by_with_limit() {
    flights(
        "order_limit",
        "CREATE TABLE o (origin STRING) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT origin FROM flights ORDER BY delay DESC, origin LIMIT 10 OFFSET 2",
    );
}

#[test]
fn b8_2_union_and_union_all() {
    flights(
        "union",
        "CREATE TABLE o (a STRING, b BIGINT) WITH ('connector' = 'print')",
        "INSERT INTO o SELECT origin, delay FROM flights UNION ALL SELECT dest, distance FROM flights
         UNION SELECT station, CAST(wind AS BIGINT) FROM weather",
    );
}

#[test]
fn a5_5_a_statement_set_shares_sources_and_equal_sub_plans() {
    flights(
        "statement_set",
        "CREATE TABLE o1 (origin STRING, n BIGINT) WITH ('connector' = 'print');
         CREATE TABLE o2 (origin STRING, n BIGINT) WITH ('connector' = 'print');
         CREATE VIEW counts AS SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin",
        "BEGIN STATEMENT SET;
         INSERT INTO o1 SELECT origin, n FROM counts;
         INSERT INTO o2 SELECT origin, n FROM counts WHERE n > 100;
         END;",
    );
}

#[test]
fn b1_4_values() {
    flights(
        "values",
        "CREATE TABLE o (a BIGINT, b STRING) WITH ('connector' = 'print')",
        "INSERT INTO o VALUES (1, 'a'), (3000000000, 'bc')",
    );
}

#[test]
fn nexmark_q0() {
    nexmark(
        "nexmark_q0",
        "CREATE TABLE nexmark_q0 (auction BIGINT, bidder BIGINT, price BIGINT, dateTime TIMESTAMP(3), extra VARCHAR) WITH ('connector' = 'blackhole')",
        "INSERT INTO nexmark_q0 SELECT auction, bidder, price, dateTime, extra FROM bid;",
    );
}

#[test]
fn nexmark_q1() {
    nexmark(
        "nexmark_q1",
        "CREATE TABLE nexmark_q1 (auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), dateTime TIMESTAMP(3), extra VARCHAR) WITH ('connector' = 'blackhole')",
        "INSERT INTO nexmark_q1 SELECT auction, bidder, 0.908 * price as price, dateTime, extra FROM bid;",
    );
}

#[test]
fn nexmark_q2() {
    nexmark(
        "nexmark_q2",
        "CREATE TABLE nexmark_q2 (auction BIGINT, price BIGINT) WITH ('connector' = 'blackhole')",
        "INSERT INTO nexmark_q2 SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;",
    );
}

#[test]
fn nexmark_q5_counts() {
    nexmark(
        "nexmark_q5_counts",
        "CREATE TABLE q5 (auction BIGINT, num BIGINT, s TIMESTAMP(3)) WITH ('connector' = 'blackhole')",
        "INSERT INTO q5 SELECT auction, count(*) AS num, window_start AS s FROM
           TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
         GROUP BY auction, window_start, window_end",
    );
}

#[test]
fn nexmark_q7_maximum() {
    nexmark(
        "nexmark_q7_maximum",
        "CREATE TABLE q7 (price BIGINT, e TIMESTAMP(3)) WITH ('connector' = 'blackhole')",
        "INSERT INTO q7 SELECT MAX(price) AS maxprice, window_end FROM
           TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
         GROUP BY window_start, window_end",
    );
}

#[test]
fn nexmark_q5_hot_items() {
    nexmark(
        "nexmark_q5",
        "CREATE TABLE q5 (auction BIGINT, num BIGINT) WITH ('connector' = 'filesystem');
         CREATE VIEW counts AS SELECT auction, COUNT(*) AS num, window_start AS s, window_end AS e
         FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
         GROUP BY auction, window_start, window_end",
        "INSERT INTO q5 SELECT c.auction, c.num FROM counts c
         JOIN (SELECT MAX(num) AS most, s, e FROM counts GROUP BY s, e) m
         ON c.s = m.s AND c.e = m.e AND c.num >= m.most",
    );
}

#[test]
fn nexmark_q11_user_sessions() {
    nexmark(
        "nexmark_q11",
        "CREATE TABLE q11 (bidder BIGINT, n BIGINT, s TIMESTAMP(3), e TIMESTAMP(3)) WITH ('connector' = 'filesystem')",
        "INSERT INTO q11 SELECT bidder, COUNT(*), SESSION_START(dateTime, INTERVAL '10' SECOND),
           SESSION_END(dateTime, INTERVAL '10' SECOND)
         FROM bid GROUP BY bidder, SESSION(dateTime, INTERVAL '10' SECOND)",
    );
}

#[test]
fn nexmark_q12() {
    nexmark(
        "nexmark_q12",
        "CREATE TABLE nexmark_q12 (bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3)) WITH ('connector' = 'blackhole');
         CREATE VIEW B AS SELECT *, PROCTIME() as p_time FROM bid",
        "INSERT INTO nexmark_q12 SELECT bidder, count(*) as bid_count, window_start AS starttime, window_end AS endtime
         FROM TABLE(TUMBLE(TABLE B, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
         GROUP BY bidder, window_start, window_end",
    );
}

#[test]
fn a5_12_a_select_at_top_level_is_collected() {
    flights(
        "collect",
        "CREATE VIEW v AS SELECT origin FROM flights",
        "SELECT DISTINCT origin FROM v",
    );
}

const CHANGING: &str = "
CREATE TABLE rates (ver AS 1, currency STRING, rate INT, rts TIMESTAMP(3),
  PRIMARY KEY (currency) NOT ENFORCED, WATERMARK FOR rts AS rts) WITH ('connector' = 'upserts');
CREATE TABLE cdc (id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED)
  WITH ('connector' = 'changes');
";

#[test]
fn b12_20_an_upsert_source_is_normalized_on_its_key() {
    flights(
        "changelog_normalize",
        &format!("{CHANGING} CREATE TABLE o (r INT, n BIGINT) WITH ('connector' = 'print')"),
        "INSERT INTO o SELECT rate, COUNT(*) FROM rates GROUP BY rate",
    );
}

#[test]
fn f1_6_a_changelog_that_may_repeat_itself_is_normalized_when_told_so() {
    flights(
        "cdc_events_duplicate",
        &format!(
            "{CHANGING} CREATE TABLE o (n STRING) WITH ('connector' = 'print');
             SET 'table.exec.source.cdc-events-duplicate' = 'true'"
        ),
        "INSERT INTO o SELECT name FROM cdc",
    );
}

#[test]
fn b12_22_a_sink_whose_key_is_not_the_querys_is_materialized() {
    flights(
        "sink_materialize",
        "CREATE TABLE o (n BIGINT, origin STRING, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'blackhole');
         CREATE TABLE same (origin STRING, n BIGINT, PRIMARY KEY (origin) NOT ENFORCED) WITH ('connector' = 'blackhole')",
        "EXECUTE STATEMENT SET BEGIN
           INSERT INTO o SELECT COUNT(*), origin FROM flights GROUP BY origin;
           INSERT INTO same SELECT origin, COUNT(*) FROM flights GROUP BY origin;
         END",
    );
}

#[test]
fn f1_9_materializing_can_be_forced_and_forbidden() {
    let sink = |policy: &str| {
        format!(
            "CREATE TABLE o (n BIGINT, origin STRING, PRIMARY KEY (n) NOT ENFORCED) WITH ('connector' = 'blackhole');
             SET 'table.exec.sink.upsert-materialize' = '{policy}'"
        )
    };
    let query = "INSERT INTO o SELECT COUNT(*), origin FROM flights GROUP BY origin";
    flights("sink_materialize_none", &sink("NONE"), query);
    let appending = "INSERT INTO o SELECT distance, origin FROM flights";
    flights("sink_materialize_force", &sink("FORCE"), appending);
}

#[test]
fn b6_10_a_temporal_join_with_a_table_and_with_a_view_of_last_rows() {
    flights(
        "temporal_join",
        &format!(
            "{CHANGING} CREATE TABLE o (origin STRING, rate INT, wind DOUBLE) WITH ('connector' = 'filesystem');
             CREATE VIEW winds AS SELECT station, wind, wts FROM (
               SELECT *, ROW_NUMBER() OVER (PARTITION BY station ORDER BY wts DESC) AS rn FROM weather)
             WHERE rn = 1"
        ),
        "INSERT INTO o SELECT f.origin, r.rate, w.wind FROM flights AS f
           JOIN rates FOR SYSTEM_TIME AS OF f.ts AS r ON f.carrier = r.currency AND r.rate > f.delay
           LEFT JOIN winds FOR SYSTEM_TIME AS OF f.ts AS w ON w.station = UPPER(f.origin)
         WHERE f.delay > 3",
    );
}

#[test]
fn b6_14_lookup_joins_with_a_table_and_with_a_view_over_one() {
    flights(
        "lookup_join",
        "CREATE TABLE o (origin STRING, wind DOUBLE, loud STRING) WITH ('connector' = 'filesystem');
         CREATE VIEW windy AS SELECT UPPER(station) AS loud, station AS s, wind * 2 AS twice
           FROM weather WHERE wind > 1",
        "INSERT INTO o SELECT f.origin, w.wind, v.loud FROM flights AS f
           JOIN weather FOR SYSTEM_TIME AS OF f.pt AS w ON f.origin = w.station AND w.wind > f.delay
           LEFT JOIN windy FOR SYSTEM_TIME AS OF f.pt AS v ON v.s = LOWER(f.dest) AND v.twice < 9
         WHERE f.delay > 3",
    );
}

#[test]
fn order_by_an_event_time_without_limit_is_a_temporal_sort() {
    flights(
        "temporal_sort",
        "CREATE TABLE o (origin STRING) WITH ('connector' = 'filesystem')",
        "INSERT INTO o SELECT origin FROM flights ORDER BY ts, delay DESC",
    );
}
