//! State and memory: what happens when state outgrows it.

mod support;

use support::{Place, Start, wait_until};

/// Keeps a row for each id. `OPTIONS` stands for settings.
const FIRST_OF_EACH: &str = "
SET 'restart-strategy.type' = 'none';
OPTIONS
CREATE TABLE source_t (id BIGINT, name STRING, p AS PROCTIME()) WITH (
  'connector' = 'filesystem', 'path' = 'DIR/in', 'format' = 'csv',
  'source.monitor-interval' = '10 ms');
CREATE TABLE sink_t (id BIGINT, name STRING) WITH (
  'connector' = 'filesystem', 'path' = 'DIR/out', 'format' = 'csv');
INSERT INTO sink_t SELECT id, name FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id, name ORDER BY p) AS n FROM source_t)
WHERE n = 1;";

const KEYS: u64 = 20_000;

/// Each key `times` times.
fn input(place: &Place, name: &str, times: u64) {
    let ids = (0..times * KEYS).map(|at| at % KEYS);
    let text: String = ids.map(|id| format!("{id},TheNameOfNumber{id:08}\n")).collect();
    place.input(name, &text);
}

#[test]
fn state_beyond_the_limit_fails_the_job_and_says_what_to_do() {
    let place = Place::new(&FIRST_OF_EACH.replace("OPTIONS", ""));
    input(&place, "1.csv", 1);
    let mut start = Start::latest(1, "FLINK-1_20");
    start.memory_bytes = Some(1 << 20);
    let engine = place.start(&start);
    wait_until("the end of the job", || engine.state() == "FAILED");
    let exceptions = engine.get(&format!("/jobs/{}/exceptions", engine.job())).to_string();
    for part in ["Deduplicate", "512.0 KiB", "state.backend.type to rocksdb", "Processing Units"] {
        assert!(exceptions.contains(part), "{part}: {exceptions}");
    }
    engine.shut_down();
}

#[test]
fn what_state_takes_is_among_the_metrics_of_its_task() {
    let place = Place::new(&FIRST_OF_EACH.replace("OPTIONS", ""));
    input(&place, "1.csv", 2);
    let engine = place.start(&Start::latest(1, "FLINK-1_20"));
    wait_until("all keys", || place.output().len() as u64 == KEYS);
    let job = engine.job();
    let vertices = engine.get(&format!("/jobs/{job}"))["vertices"].clone();
    let names = "0.stateMemoryBytes,1.stateMemoryBytes,0.stateStoredBytes";
    let taken = |vertex: &serde_json::Value| -> u64 {
        let id = vertex["id"].as_str().unwrap();
        let path = format!("/jobs/{job}/vertices/{id}/metrics?get={names}");
        let metrics = engine.get(&path);
        metrics.as_array().unwrap().iter().map(value).sum()
    };
    let bytes: u64 = vertices.as_array().unwrap().iter().map(taken).sum();
    assert!(bytes > 50 * KEYS && bytes < 500 * KEYS, "{bytes} bytes for {KEYS} keys");
    let metrics = engine.get("/metrics");
    let of_operator: u64 = metrics
        .as_str()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("flink_taskmanager_job_task_operator_stateMemoryBytes{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(of_operator, bytes, "operators take what their tasks do");
    engine.shut_down();
}

fn value(metric: &serde_json::Value) -> u64 {
    metric["value"].as_str().unwrap().parse().unwrap()
}

/// Managed memory for tables of some hundred keys.
const SMALL: &str = "
SET 'state.backend.type' = 'rocksdb';
SET 'state.backend.incremental' = 'true';
SET 'taskmanager.memory.managed.size' = '64 kb';";

fn expected() -> Vec<String> {
    let mut lines: Vec<String> =
        (0..KEYS).map(|id| format!("{id},TheNameOfNumber{id:08}")).collect();
    lines.sort();
    lines
}

/// Every key once: none is lost, and none is taken for new again.
fn check_output(place: &Place) {
    let (output, expected) = (place.output(), expected());
    let differs = output.iter().zip(&expected).find(|(row, wanted)| row != wanted);
    assert_eq!((output.len(), differs), (expected.len(), None));
}

/// The greatest memory of any task's tables, and what all their stores hold.
fn state_of(engine: &support::Engine) -> (u64, u64) {
    let job = engine.job();
    let vertices = engine.get(&format!("/jobs/{job}"))["vertices"].clone();
    let (mut greatest, mut stored) = (0, 0);
    for vertex in vertices.as_array().unwrap() {
        let id = vertex["id"].as_str().unwrap();
        for subtask in 0..vertex["parallelism"].as_u64().unwrap() {
            let names = format!("{subtask}.stateMemoryBytes,{subtask}.stateStoredBytes");
            let path = format!("/jobs/{job}/vertices/{id}/metrics?get={names}");
            let metrics = engine.get(&path);
            greatest = greatest.max(value(&metrics[0]));
            stored += value(&metrics[1]);
        }
    }
    (greatest, stored)
}

#[test]
fn state_of_twenty_times_the_managed_memory_stays_on_disk_through_crashes_and_rescaling() {
    let place = Place::new(&FIRST_OF_EACH.replace("OPTIONS", SMALL));
    for generation in 1..=5 {
        let mut start = Start::latest(generation, "FLINK-1_20");
        start.parallelism = [2, 3, 1, 2, 1][generation as usize - 1];
        let engine = place.start(&start);
        input(&place, &format!("{generation}.csv"), 1);
        let completed = engine.completed();
        wait_until("two checkpoints", || engine.completed() > completed + 1);
        if generation < 5 {
            engine.kill();
            continue;
        }
        wait_until("all keys", || place.output().len() as u64 >= KEYS);
        let (memory, stored) = state_of(&engine);
        assert!(memory <= 128 * 1024, "{memory} bytes of tables");
        assert!(stored > 20 * 64 * 1024, "{stored} bytes in stores");
        engine.stop(serde_json::json!({}));
        engine.shut_down();
    }
    check_output(&place);
}

#[test]
fn state_moves_between_memory_and_disk_by_savepoints() {
    let place = Place::new(&FIRST_OF_EACH.replace("OPTIONS", ""));
    input(&place, "1.csv", 1);
    for (generation, options) in [(1, ""), (2, SMALL), (3, ""), (4, SMALL)] {
        place.script(&FIRST_OF_EACH.replace("OPTIONS", options));
        let mut start = Start::latest(generation, "FLINK-1_20");
        start.parallelism = 1 + generation as u16 % 3;
        let engine = place.start(&start);
        wait_until("all keys", || place.output().len() as u64 >= KEYS);
        input(&place, &format!("{generation}-again.csv"), 1);
        let completed = engine.completed();
        wait_until("checkpoints", || engine.completed() > completed + 2);
        engine.stop(serde_json::json!({}));
        engine.shut_down();
    }
    check_output(&place);
}
