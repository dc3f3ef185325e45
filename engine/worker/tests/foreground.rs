//! Scripts in the foreground.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use millrace_dataflow::RuntimeLevel;
use millrace_worker::{ForegroundError, run_foreground};

/// Runs a script with one SELECT of (kind, BIGINT) rows to its end.
async fn check(script: &str, parallelism: u16, expected: &[(&str, i64)]) {
    let seen: Arc<Mutex<Vec<(String, i64)>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let mut job = run_foreground(
        script,
        RuntimeLevel::Flink1_18,
        parallelism,
        &BTreeMap::new(),
        move |rows| {
            let values = rows.batch.record.column(0).as_primitive::<Int64Type>().clone();
            let mut seen = sink.lock().unwrap();
            for row in 0..rows.batch.num_rows() {
                seen.push((rows.batch.kind(row).to_string(), values.value(row)));
            }
        },
    )
    .unwrap();
    assert_eq!(job.columns.as_ref().map(|columns| columns.len()), Some(1));
    job.wait().await.unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    let expected: Vec<(String, i64)> =
        expected.iter().map(|(kind, value)| ((*kind).to_owned(), *value)).collect();
    assert_eq!(seen, expected);
}

const NUMBERS: &str = "CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen',
  'number-of-rows' = '10', 'fields.n.kind' = 'sequence',
  'fields.n.start' = '1', 'fields.n.end' = '10');";

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_with_their_kinds_and_the_job_ends_with_its_input() {
    check(&format!("{NUMBERS} SELECT n FROM numbers WHERE n > 8;"), 2, &[("+I", 9), ("+I", 10)])
        .await;
    let script = "SELECT COUNT(*) FROM (VALUES (1), (2)) AS t(a);";
    check(script, 1, &[("+I", 1), ("+U", 2), ("-U", 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_asks_ends_at_once_with_its_reports() {
    let script = format!("{NUMBERS} EXPLAIN SELECT n FROM numbers;");
    let settings = BTreeMap::new();
    let mut asked = run_foreground(&script, RuntimeLevel::Flink1_18, 1, &settings, |_| {}).unwrap();
    asked.wait().await.unwrap();
    assert!(asked.reports[0].contains("numbers"), "{:?}", asked.reports);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_script_is_shown_by_its_problems() {
    let settings = BTreeMap::new();
    let started = run_foreground("SELECT x;", RuntimeLevel::Flink1_18, 1, &settings, |_| {});
    let Err(ForegroundError::Script(problems)) = started else { panic!("x is nowhere") };
    assert_eq!(problems[0].line, 1);
}

/// The third row is older than the second: late, when each row's watermark goes at once.
#[tokio::test(flavor = "multi_thread")]
async fn e4_on_event_every_row_that_raises_the_watermark_sends_it() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("1.csv"), "1000\n5000\n2000\n").unwrap();
    let table = format!(
        "CREATE TABLE t (at_ms BIGINT, ts AS TO_TIMESTAMP_LTZ(at_ms, 3), WATERMARK FOR ts AS ts)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv' OPTION);",
        directory.path().display()
    );
    let query = "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND))
         GROUP BY window_start, window_end;";
    let on_event = table.replace("OPTION", ", 'scan.watermark.emit.strategy' = 'on-event'");
    let periodic = table.replace("OPTION", "");
    check(&format!("{periodic} {query}"), 1, &[("+I", 1); 3]).await;
    check(&format!("{on_event} {query}"), 1, &[("+I", 1); 2]).await;
    let always = format!("SET 'pipeline.auto-watermark-interval' = '0'; {periodic}");
    check(&format!("{always} {query}"), 1, &[("+I", 1); 2]).await;
}

const TIMED: &str = "CREATE TABLE timed (n BIGINT, pt AS PROCTIME(),
  ts AS TO_TIMESTAMP_LTZ(n * 1000, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10', 'fields.n.kind' = 'sequence',
  'fields.n.start' = '1', 'fields.n.end' = '10');";

#[tokio::test(flavor = "multi_thread")]
async fn b5_1_over_windows_run_by_event_time_and_by_the_clock() {
    let query = "SELECT SUM(n) OVER w FROM timed
      WINDOW w AS (PARTITION BY MOD(n, 2) ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);";
    let sums = [1, 2, 4, 6, 8, 10, 12, 14, 16, 18].map(|sum| ("+I", sum));
    check(&format!("{TIMED} {query}"), 3, &sums).await;
    let query =
        "SELECT COUNT(*) OVER (ORDER BY ts RANGE INTERVAL '2' SECOND PRECEDING) FROM timed;";
    let counts = [1, 2, 3, 3, 3, 3, 3, 3, 3, 3].map(|count| ("+I", count));
    check(&format!("{TIMED} {query}"), 2, &counts).await;
    let query = "SELECT ROW_NUMBER() OVER (ORDER BY pt) FROM timed;";
    let numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|number| ("+I", number));
    check(&format!("{TIMED} {query}"), 2, &numbers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_17_unnest_makes_a_row_of_each_element() {
    let query = "SELECT x + d FROM timed CROSS JOIN UNNEST(ARRAY[n, n * 10]) AS u(x)
      LEFT JOIN UNNEST(MAP[n, 5]) AS m(k, d) ON TRUE WHERE n > 8;";
    let rows = [14, 15, 95, 105].map(|value| ("+I", value));
    check(&format!("{TIMED} {query}"), 2, &rows).await;
    let query = "SELECT COUNT(v) FROM (SELECT COLLECT(n) AS s FROM timed)
      CROSS JOIN UNNEST(s) AS t(v) HAVING COUNT(v) = 10;";
    check(&format!("{TIMED} {query}"), 1, &[("+U", 10)]).await;
}

// Number n is of key n mod 2 and of the time 10 n; what is asked for at that time, of
// the other key, is the number before it.
const HISTORY: &str = "CREATE TABLE history (n BIGINT, k AS MOD(n, 2),
  ts AS TO_TIMESTAMP_LTZ(n * 10, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen',
  'number-of-rows' = '5', 'fields.n.kind' = 'sequence',
  'fields.n.start' = '1', 'fields.n.end' = '5');
CREATE VIEW latest AS SELECT n, k, ts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM history) WHERE rn = 1;";

#[tokio::test(flavor = "multi_thread")]
async fn b6_10_a_temporal_join_meets_the_versions_of_a_view() {
    let script = format!(
        "{HISTORY} SELECT v.n FROM history AS h
           JOIN latest FOR SYSTEM_TIME AS OF h.ts AS v ON v.k = MOD(h.n + 1, 2);"
    );
    check(&script, 1, &[("+I", 1), ("+I", 2), ("+I", 3), ("+I", 4)]).await;
    let script = format!(
        "{HISTORY} SELECT COALESCE(v.n, -1) FROM history AS h
           LEFT JOIN latest FOR SYSTEM_TIME AS OF h.ts AS v ON v.k = MOD(h.n + 1, 2) AND v.n < 4;"
    );
    check(&script, 1, &[("+I", -1), ("+I", -1), ("+I", 1), ("+I", 2), ("+I", 3)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_by_an_event_time_gives_every_row_once() {
    let script = format!("{HISTORY} SELECT n FROM history WHERE n <> 3 ORDER BY ts, k DESC;");
    check(&script, 2, &[("+I", 1), ("+I", 2), ("+I", 4), ("+I", 5)]).await;
}
