//! Mini-batches from a script's SETs to its rows, at more than one subtask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use millrace_dataflow::RuntimeLevel;
use millrace_worker::run_foreground;

const ROWS: &str = "a,1,1970-01-01 00:00:01
a,2,1970-01-01 00:00:02
b,5,1970-01-01 00:00:03
a,3,1970-01-01 00:00:08
b,7,1970-01-01 00:00:14
a,4,1970-01-01 00:00:21
c,9,1970-01-01 00:00:22
";

const ON: &str = "SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '1 h';
SET 'table.exec.mini-batch.size' = '1000';";

/// What a SELECT over `t (k, v, ts)` gives, in any order.
async fn check(settings: &str, query: &str, expected: &[&str]) {
    let mut seen = rows(settings, query).await;
    seen.sort();
    assert_eq!(seen, expected, "{query}");
}

/// What the one row of a global aggregate is in the end.
async fn check_last(settings: &str, query: &str, expected: &str) {
    let seen = rows(settings, query).await;
    let last = seen.last().map(|row| row.trim_start_matches(['+', 'I', 'U']));
    assert_eq!(last, Some(expected), "{query}: {seen:?}");
}

async fn rows(settings: &str, query: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("rows.csv"), ROWS).unwrap();
    let script = format!(
        "{settings}
         CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '30' SECOND)
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
         {query};",
        directory.path().display()
    );
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let level = RuntimeLevel::Flink1_18;
    let mut job = run_foreground(&script, level, 2, &BTreeMap::new(), move |rows| {
        let options = FormatOptions::default();
        let columns: Vec<ArrayFormatter> = rows
            .batch
            .record
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..rows.batch.num_rows() {
            let values: Vec<String> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            sink.lock().unwrap().push(format!("{}[{}]", rows.batch.kind(row), values.join(", ")));
        }
    })
    .unwrap();
    job.wait().await.unwrap();
    seen.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_2_groups_tell_of_their_net_change_at_the_end_of_input() {
    let query = "SELECT k, SUM(v), COUNT(DISTINCT v) FROM t GROUP BY k";
    check(ON, query, &["+I[a, 10, 4]", "+I[b, 12, 2]", "+I[c, 9, 1]"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_1_the_phases_of_an_aggregation_change_no_result() {
    let of_rows = "SELECT k, SUM(v), COUNT(DISTINCT v), MAX(v) FROM t GROUP BY k";
    let of_updates = "SELECT COUNT(*), SUM(s), MIN(s), COUNT(DISTINCT n) FROM
         (SELECT k, SUM(v) AS s, COUNT(*) AS n FROM t GROUP BY k)";
    for strategy in ["AUTO", "TWO_PHASE", "ONE_PHASE"] {
        let on = format!("{ON} SET 'table.optimizer.agg-phase-strategy' = '{strategy}';");
        check(&on, of_rows, &["+I[a, 10, 4, 4]", "+I[b, 12, 2, 7]", "+I[c, 9, 1, 9]"]).await;
        // The second phases of the inner aggregate may end one after another.
        check_last(&on, of_updates, "[3, 31, 9, 3]").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b12_4_an_aggregate_of_an_aggregate_sees_net_changes() {
    let query = "SELECT n, COUNT(*) FROM (SELECT k, COUNT(*) AS n FROM t GROUP BY k) GROUP BY n";
    check(ON, query, &["+I[1, 1]", "+I[2, 1]", "+I[4, 1]"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e_23_windows_give_what_they_give_without_mini_batches() {
    let query = "SELECT k, SUM(v), EXTRACT(SECOND FROM window_end)
         FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY k, window_start, window_end";
    let expected = ["+I[a, 4, 30]", "+I[a, 6, 10]", "+I[b, 5, 10]", "+I[b, 7, 20]", "+I[c, 9, 30]"];
    for settings in ["", ON] {
        check(settings, query, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b9_11_deduplication_tells_of_the_last_row() {
    let query = "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER
         (PARTITION BY k ORDER BY PROCTIME() DESC) AS rn FROM t) WHERE rn = 1";
    check(ON, query, &["+I[a, 4]", "+I[b, 7]", "+I[c, 9]"]).await;
}
