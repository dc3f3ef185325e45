//! Lookup joins in a running engine: a table that is held whole is there before the first
//! row, is read again when its options say so, and stays as it was when that fails.

mod support;

use std::fs;

use serde_json::Value;
use support::{Engine, Place, Start, wait_until};

const SCRIPT: &str = "
CREATE TABLE orders (id BIGINT, k BIGINT, p AS PROCTIME())
  WITH ('connector' = 'filesystem', 'path' = 'DIR/in', 'format' = 'csv',
        'source.monitor-interval' = '10 ms');
CREATE TABLE names (k BIGINT, name STRING)
  WITH ('connector' = 'filesystem', 'path' = 'DIR/names', 'format' = 'csv' OPTIONS);
CREATE TABLE shown (id BIGINT, name STRING)
  WITH ('connector' = 'filesystem', 'path' = 'DIR/out', 'format' = 'csv');
INSERT INTO shown SELECT o.id, n.name FROM orders AS o
  LEFT JOIN names FOR SYSTEM_TIME AS OF o.p AS n ON n.k = o.k;
";

fn place(options: &str) -> Place {
    let place = Place::new(&SCRIPT.replace(" OPTIONS", options));
    fs::create_dir(place.path("names")).unwrap();
    names(&place, "1,one\n2,two\n");
    place
}

fn names(place: &Place, text: &str) {
    let beside = place.path("names-next");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, place.path("names").join("all.csv")).unwrap();
}

/// A metric of the lookup join: one value a subtask.
fn metric(engine: &Engine, name: &str) -> Vec<u64> {
    let all = engine.get("/metrics").as_str().unwrap().to_owned();
    let start = format!("flink_taskmanager_job_task_operator_{name}{{");
    let lines = all.lines().filter(|line| line.starts_with(&start));
    let values: Vec<u64> =
        lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(values.len(), 2, "{name}: {all}");
    values
}

/// Waits for the job to fail, and to say so with these parts.
fn check_failure(place: &Place, start: &Start, parts: &[&str]) {
    let engine = place.start(start);
    let exceptions = format!("/jobs/{}/exceptions", engine.job());
    wait_until("the failure", || !engine.get(&exceptions)["root-exception"].is_null());
    let root = engine.get(&exceptions)["root-exception"].as_str().unwrap().to_owned();
    parts.iter().for_each(|part| assert!(root.contains(part), "{part}: {root}"));
    engine.shut_down();
    assert!(place.output().is_empty());
}

#[test]
fn b6_14_rows_meet_the_table_as_it_was_read_at_the_start() {
    let place = place("");
    place.input("a", "1,1\n2,2\n3,9\n");
    let engine = place.start(&Start::latest(1, "FLINK-1_18"));
    wait_until("three rows", || place.output().len() == 3);
    names(&place, "9,nine\n");
    place.input("b", "4,9\n5,1\n");
    wait_until("five rows", || place.output().len() == 5);
    assert_eq!(place.output(), ["1,one", "2,two", "3,", "4,", "5,one"]);
    assert_eq!(metric(&engine, "hitCount").iter().sum::<u64>(), 3);
    assert_eq!(metric(&engine, "missCount").iter().sum::<u64>(), 2);
    assert_eq!(metric(&engine, "numCachedRecords"), [2, 2]);
    assert!(metric(&engine, "numCachedBytes")[0] > 0);
    engine.shut_down();
    // The join has no state; another generation reads the table as it is now.
    let engine = place.start(&Start::latest(2, "FLINK-1_18"));
    place.input("c", "6,9\n");
    wait_until("six rows", || place.output().len() == 6);
    assert_eq!(place.output()[5], "6,nine");
    engine.shut_down();
}

#[test]
fn g7_a_table_is_read_again_and_stays_as_it_was_when_that_fails() {
    let place = place(", 'lookup.full-cache.periodic-reload.interval' = '20 ms'");
    let engine = place.start(&Start::latest(1, "FLINK-1_18"));
    place.input("a", "1,9\n");
    wait_until("a row", || place.output() == ["1,"]);
    names(&place, "9,nine\n");
    let loads = metric(&engine, "loadCount")[0];
    wait_until("two more readings", || metric(&engine, "loadCount")[0] >= loads + 2);
    place.input("b", "2,9\n");
    wait_until("a second row", || place.output() == ["1,", "2,nine"]);
    names(&place, "no number,nine\n");
    wait_until("a reading that fails", || metric(&engine, "numLoadFailures")[0] >= 2);
    place.input("c", "3,9\n");
    wait_until("a third row", || place.output() == ["1,", "2,nine", "3,nine"]);
    assert_eq!(engine.state(), "RUNNING");
    engine.shut_down();
}

#[test]
fn b6_14_a_table_that_cannot_be_read_fails_the_start_by_name() {
    let place = place("");
    names(&place, "1,one\nx,two\n");
    let parts =
        ["LookupJoin(table=[default_catalog.default_database.names]", "line 2", "column 'k'"];
    check_failure(&place, &Start::latest(1, "FLINK-1_18"), &parts);
}

#[test]
fn b6_14_a_table_beyond_the_memory_of_the_job_fails_it_by_name() {
    let place = place("");
    let long = "x".repeat(1000);
    let rows: String = (0..70_000).map(|row| format!("{row},{long}\n")).collect();
    names(&place, &rows);
    let start = Start { memory_bytes: Some(64 << 20), ..Start::latest(1, "FLINK-1_18") };
    let verdict: Value = place.check(&start);
    assert_eq!(verdict["ok"], true, "the size of a table is not known before it is read");
    let parts = ["the state of this job takes about", "is of LookupJoin"];
    check_failure(&place, &start, &parts);
}
