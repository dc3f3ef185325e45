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
