//! Queries over windows from their text to their rows, at more than one subtask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use millrace_dataflow::RuntimeLevel;
use millrace_worker::run_foreground;

/// Key, value, seconds since the epoch.
const ROWS: &str = "a,1,1970-01-01 00:00:01
a,2,1970-01-01 00:00:02
b,5,1970-01-01 00:00:03
a,3,1970-01-01 00:00:08
b,7,1970-01-01 00:00:14
a,4,1970-01-01 00:00:21
c,9,1970-01-01 00:00:22
";

/// What a SELECT over `t (k, v, ts)` gives, in any order.
async fn check(query: &str, expected: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rows.csv"), ROWS).unwrap();
    let script = format!(
        "CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '30' SECOND)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
         {query};",
        directory.path().display()
    );
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let settings = BTreeMap::new();
    let level = RuntimeLevel::Flink1_19;
    let mut job = run_foreground(&script, level, 2, &settings, move |rows| {
        let record = &rows.batch.record;
        let options = FormatOptions::default();
        let columns: Vec<ArrayFormatter> = record
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..record.num_rows() {
            let values: Vec<String> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            let kind = rows.batch.kind(row);
            sink.lock().unwrap().push(format!("{kind}[{}]", values.join(", ")));
        }
    })
    .unwrap();
    job.wait().await.unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    assert_eq!(seen, expected, "{query}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_1_sessions_of_group_by() {
    check(
        "SELECT k, SUM(v), EXTRACT(SECOND FROM SESSION_START(ts, INTERVAL '6' SECOND)),
           EXTRACT(SECOND FROM SESSION_END(ts, INTERVAL '6' SECOND))
         FROM t GROUP BY k, SESSION(ts, INTERVAL '6' SECOND)",
        &[
            "+I[a, 4, 21, 27]",
            "+I[a, 6, 1, 14]",
            "+I[b, 5, 3, 9]",
            "+I[b, 7, 14, 20]",
            "+I[c, 9, 22, 28]",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_4_sessions_of_the_windowing_function() {
    check(
        "SELECT k, COUNT(*), EXTRACT(SECOND FROM window_end)
         FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '6' SECOND))
         GROUP BY k, window_start, window_end",
        &["+I[a, 1, 27]", "+I[a, 3, 14]", "+I[b, 1, 20]", "+I[b, 1, 9]", "+I[c, 1, 28]"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_14_the_best_key_of_each_window() {
    check(
        "SELECT k, total, rn FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY total DESC) AS rn
           FROM (SELECT k, SUM(v) AS total, window_start, window_end
                 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
                 GROUP BY k, window_start, window_end)) WHERE rn <= 1",
        &["+I[a, 6, 1]", "+I[b, 7, 1]", "+I[c, 9, 1]"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_15_the_last_row_of_each_key_and_window() {
    check(
        "SELECT k, v FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY ts DESC) AS rn
           FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn = 1",
        &["+I[a, 3]", "+I[a, 4]", "+I[b, 5]", "+I[b, 7]", "+I[c, 9]"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_16_the_hottest_keys_by_a_join_with_the_maximum() {
    check(
        "WITH sums AS (SELECT k, SUM(v) AS total, window_start AS s, window_end AS e
                       FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
                       GROUP BY k, window_start, window_end)
         SELECT a.k, a.total FROM sums a
         JOIN (SELECT MAX(total) AS most, s, e FROM sums GROUP BY s, e) b
         ON a.s = b.s AND a.e = b.e AND a.total >= b.most",
        &["+I[a, 6]", "+I[b, 7]", "+I[c, 9]"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_16_a_left_join_pads_what_has_no_match_in_its_window() {
    check(
        "WITH w AS (SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)))
         SELECT l.k, l.v, r.v FROM (SELECT * FROM w WHERE k = 'b') l
         LEFT JOIN (SELECT * FROM w WHERE v = 3) r
         ON l.window_start = r.window_start AND l.window_end = r.window_end AND l.v > r.v",
        &["+I[b, 5, 3]", "+I[b, 7, ]"],
    )
    .await;
}

/// The last row of each key so far: what it was before is taken back.
const LATEST: &str = "CREATE VIEW latest AS SELECT k, v, ts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn = 1;";

#[tokio::test(flavor = "multi_thread")]
async fn b4_3_windows_over_updates_count_what_is_left() {
    let expected = ["+I[a, 4, 20]", "+I[b, 7, 10]", "+I[c, 9, 20]"];
    let legacy = format!(
        "{LATEST} SELECT k, SUM(v), EXTRACT(SECOND FROM TUMBLE_START(ts, INTERVAL '10' SECOND))
         FROM latest GROUP BY k, TUMBLE(ts, INTERVAL '10' SECOND)"
    );
    check(&legacy, &expected).await;
    let function = format!(
        "{LATEST} SELECT k, SUM(v), EXTRACT(SECOND FROM window_start)
         FROM TABLE(TUMBLE(TABLE latest, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY k, window_start, window_end"
    );
    check(&function, &expected).await;
}
