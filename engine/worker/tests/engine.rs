//! The engine's program from outside.

mod support;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use support::{Place, Start, wait_until};

const COPY: &str = "
CREATE TABLE source_t (id BIGINT, name STRING) WITH (
  'connector' = 'filesystem', 'path' = 'DIR/in', 'format' = 'csv',
  'source.monitor-interval' = '10 ms');
CREATE TABLE sink_t (id BIGINT) WITH (
  'connector' = 'filesystem', 'path' = 'DIR/out', 'format' = 'csv');
INSERT INTO sink_t SELECT id FROM source_t;";

const FILE_ROWS: u64 = 300;

fn input(place: &Place, file: u64) {
    let rows = file * FILE_ROWS..(file + 1) * FILE_ROWS;
    let text: String = rows.map(|id| format!("{id},row {id}\n")).collect();
    place.input(&format!("{file:03}.csv"), &text);
}

fn expected(files: u64) -> Vec<String> {
    let mut ids: Vec<String> = (0..files * FILE_ROWS).map(|id| id.to_string()).collect();
    ids.sort();
    ids
}

#[test]
fn killed_at_any_moment_it_neither_loses_nor_repeats_a_row() {
    let mut rng = StdRng::seed_from_u64(7);
    let place = Place::new(COPY);
    let levels = ["FLINK-1_15", "FLINK-1_18", "FLINK-1_19", "FLINK-1_20"];
    for generation in 1..=8 {
        let mut start = Start::latest(generation, levels[(generation as usize - 1) / 2]);
        start.parallelism = rng.random_range(1..4);
        let engine = place.start(&start);
        for half in 0..2 {
            input(&place, (generation - 1) * 2 + half);
            std::thread::sleep(Duration::from_millis(rng.random_range(0..60)));
        }
        engine.kill();
    }
    let engine = place.start(&Start::latest(9, "FLINK-1_20"));
    wait_until("all rows", || place.output().len() >= expected(16).len());
    engine.stop(json!({}));
    engine.shut_down();
    assert_eq!(place.output(), expected(16));
}

#[test]
fn an_upgrade_from_standby_and_back_keeps_every_row() {
    let place = Place::new(COPY);
    let old = place.start(&Start::latest(1, "FLINK-1_15"));
    input(&place, 0);
    wait_until("the first rows", || place.output().len() as u64 == FILE_ROWS);
    let mut upgrade = Start::latest(2, "FLINK-1_18");
    upgrade.standby = true;
    upgrade.hold_commits = true;
    assert_eq!(place.check(&upgrade)["ok"], true);
    let new = place.start(&upgrade);
    assert_eq!(new.get("/jobs/overview"), json!({ "jobs": [] }));
    let target = place.path("sp").to_str().unwrap().to_owned();
    assert_eq!(old.stop(json!({ "targetDirectory": target })), target);
    assert_eq!(old.state(), "FINISHED");
    let body = json!({ "savepointPath": target, "allowNonRestoredState": false });
    let (status, _) = new.request("POST", "/jars/main/run", Some(body.clone()));
    assert_eq!(status, 200);
    let (status, _) = new.request("POST", "/jars/main/run", Some(body));
    assert_eq!(status, 409);
    input(&place, 1);
    let held = new.completed();
    wait_until("checkpoints", || new.completed() > held + 3);
    assert_eq!(place.output().len() as u64, FILE_ROWS, "commits are held");
    let job = new.job();
    assert_eq!(new.request("POST", &format!("/jobs/{job}/release-commits"), None).0, 200);
    wait_until("the second rows", || place.output().len() as u64 == 2 * FILE_ROWS);
    let back = new.stop(json!({ "runtime": "FLINK-1_15" }));
    old.shut_down();
    new.shut_down();
    let mut start = Start::latest(3, "FLINK-1_15");
    start.restore = json!({ "kind": "snapshot", "location": back });
    assert_eq!(place.check(&start)["operators"][0]["verdict"], "restored");
    let again = place.start(&start);
    input(&place, 2);
    wait_until("the third rows", || place.output().len() as u64 == 3 * FILE_ROWS);
    again.shut_down();
    assert_eq!(place.output(), expected(3));
}

#[test]
fn a_fenced_engine_says_so_and_ends_with_its_own_code() {
    let place = Place::new(COPY);
    let old = place.start(&Start::latest(1, "FLINK-1_18"));
    wait_until("a checkpoint", || old.completed() > 0);
    let new = place.start(&Start::latest(2, "FLINK-1_18"));
    assert_eq!(old.exit_code(), Some(3));
    let log = std::fs::read_to_string(place.path("engine-1.log")).unwrap();
    assert!(log.contains("error: fenced: generation 1 is fenced: generation 2 claimed"), "{log}");
    let late = place.run_to_end(&Start::latest(1, "FLINK-1_18"));
    assert_eq!(late.status.code(), Some(3));
    new.shut_down();
}

#[test]
fn check_refuses_what_cannot_run_and_stops_nobody() {
    let place = Place::new(COPY);
    let running = place.start(&Start::latest(1, "FLINK-1_18"));
    wait_until("a checkpoint", || running.completed() > 0);
    place.script(&COPY.replace("SELECT id FROM", "SELECT missing FROM"));
    let verdict = place.check(&Start::latest(2, "FLINK-1_18"));
    assert_eq!(verdict["ok"], false);
    assert_eq!(verdict["diagnostics"][0]["line"], 7);
    assert_eq!(running.state(), "RUNNING");
    running.shut_down();
}

#[test]
fn an_older_level_refuses_a_named_snapshot_and_goes_on_from_the_applications_own_state() {
    let place = Place::new(COPY);
    let newer = place.start(&Start::latest(1, "FLINK-1_20"));
    input(&place, 0);
    wait_until("the first rows", || place.output().len() as u64 == FILE_ROWS);
    let snapshot = newer.stop(json!({}));
    newer.shut_down();
    let mut named = Start::latest(2, "FLINK-1_15");
    named.restore = json!({ "kind": "snapshot", "location": snapshot });
    let message = place.check(&named)["diagnostics"][0]["message"].to_string();
    assert!(message.contains("FLINK-1_20") && message.contains("FLINK-1_15"), "{message}");
    // Nobody is left to write the older format.
    let crashing = place.start(&Start::latest(2, "FLINK-1_20"));
    input(&place, 1);
    wait_until("the second rows", || place.output().len() as u64 == 2 * FILE_ROWS);
    crashing.kill();
    assert_eq!(place.check(&Start::latest(3, "FLINK-1_15"))["ok"], true);
    let older = place.start(&Start::latest(3, "FLINK-1_15"));
    input(&place, 2);
    wait_until("the third rows", || place.output().len() as u64 == 3 * FILE_ROWS);
    older.shut_down();
    assert_eq!(place.output(), expected(3));
}

#[test]
fn a_script_that_cannot_run_ends_the_engine_with_its_problem() {
    let place = Place::new("INSERT INTO nowhere SELECT 1;");
    let output = place.run_to_end(&Start::latest(1, "FLINK-1_18"));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("error: line 1") && text.contains("nowhere"), "{text}");
}

#[test]
fn sigterm_ends_it_and_the_last_checkpoint_stays() {
    let place = Place::new(COPY);
    let engine = place.start(&Start::latest(1, "FLINK-1_18"));
    input(&place, 0);
    wait_until("the rows", || place.output().len() as u64 == FILE_ROWS);
    let pid = engine.pid().to_string();
    assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    assert_eq!(engine.exit_code(), Some(0));
    let verdict = place.check(&Start::latest(2, "FLINK-1_18"));
    assert!(verdict["restored_checkpoint"].as_u64().unwrap() > 0);
}

#[test]
fn a_failure_shows_its_root_cause_and_the_restarts() {
    let place = Place::new(COPY);
    place.input("bad.csv", "one,row\n");
    let engine = place.start(&Start::latest(1, "FLINK-1_18"));
    let job = engine.job();
    let exceptions = format!("/jobs/{job}/exceptions");
    wait_until("the failure", || !engine.get(&exceptions)["root-exception"].is_null());
    let root = engine.get(&exceptions)["root-exception"].as_str().unwrap().to_owned();
    assert!(root.contains("bad.csv"), "{root}");
    let restarts = engine.get(&format!("/jobs/{job}/metrics?get=numRestarts"));
    assert_ne!(restarts[0]["value"], "0");
    assert!(engine.get("/metrics").as_str().unwrap().contains("flink_jobmanager_job_numRestarts{"));
    assert_eq!(engine.request("GET", "/jobs/none", None).0, 404);
    engine.shut_down();
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Flink's command line reads these with a parser that takes no unknown field.
#[test]
fn i1_4_answers_have_the_fields_of_flinks_strict_client_and_no_others() {
    let overview = [
        "duration",
        "end-time",
        "jid",
        "last-modification",
        "name",
        "start-time",
        "state",
        "tasks",
    ];
    let details = [
        "duration",
        "end-time",
        "isStoppable",
        "jid",
        "maxParallelism",
        "name",
        "now",
        "plan",
        "start-time",
        "state",
        "status-counts",
        "timestamps",
        "vertices",
    ];
    let completed = [
        "alignment_buffered",
        "checkpoint_type",
        "checkpointed_size",
        "className",
        "discarded",
        "end_to_end_duration",
        "external_path",
        "id",
        "is_savepoint",
        "latest_ack_timestamp",
        "num_acknowledged_subtasks",
        "num_subtasks",
        "persisted_data",
        "processed_data",
        "savepointFormat",
        "state_size",
        "status",
        "tasks",
        "trigger_timestamp",
    ];
    for (generation, level) in [(1, "FLINK-1_18"), (2, "FLINK-1_19")] {
        let place = Place::new(COPY);
        let engine = place.start(&Start::latest(generation, level));
        wait_until("a checkpoint", || engine.completed() > 0);
        assert_eq!(keys(&engine.get("/v1/jobs/overview")["jobs"][0]), overview);
        let answer = engine.get(&format!("/v1/jobs/{}", engine.job()));
        let found = keys(&answer);
        let found: Vec<_> = found.into_iter().filter(|key| *key != "job-type").collect();
        assert_eq!(found, details);
        assert_eq!(answer.get("job-type").is_some(), level == "FLINK-1_19");
        let checkpoints = engine.get(&format!("/v1/jobs/{}/checkpoints", engine.job()));
        assert_eq!(keys(&checkpoints["latest"]["completed"]), completed);
        let took = &checkpoints["summary"]["end_to_end_duration"];
        assert!(took["p50"].is_f64() && took["max"].as_i64() >= took["min"].as_i64(), "{took}");
        engine.shut_down();
    }
}

#[test]
fn i1_36_the_web_dashboards_calls_are_answered() {
    let place = Place::new(COPY);
    let mut start = Start::latest(1, "FLINK-1_18");
    start.parallelism = 2;
    let engine = place.start(&start);
    input(&place, 0);
    wait_until("the rows", || place.output().len() as u64 == FILE_ROWS);
    let job = format!("/v1/jobs/{}", engine.job());
    let vertex = engine.get(&job)["vertices"][0]["id"].as_str().expect("an id").to_owned();
    let vertex = format!("{job}/vertices/{vertex}");
    let named = |path: &str, key: &str| {
        let answer = engine.get(path);
        assert!(answer.get(key).is_some(), "{path}: {answer}");
    };
    named(&format!("{job}/accumulators"), "user-task-accumulators");
    named(&format!("{vertex}/accumulators"), "user-accumulators");
    named(&format!("{vertex}/subtasktimes"), "subtasks");
    named(&format!("{vertex}/taskmanagers"), "taskmanagers");
    named(&format!("{vertex}/subtasks/1"), "metrics");
    named("/v1/taskmanagers/embedded", "allocatedSlots");
    named("/v1/jars", "files");
    named("/v1/datasets", "dataSets");
    let latest = engine.get(&format!("{job}/checkpoints"))["latest"]["completed"]["id"].clone();
    let details = engine.get(&format!("{job}/checkpoints/details/{latest}"));
    let tasks = details["tasks"].as_object().expect("by vertex");
    let sum: u64 = tasks.values().map(|task| task["state_size"].as_u64().unwrap()).sum();
    assert_eq!(details["state_size"].as_u64().map(|all| all >= sum), Some(true), "{details}");
    for (vertex, task) in tasks {
        assert_eq!(task["status"], "COMPLETED");
        let path = format!("{job}/checkpoints/details/{latest}/subtasks/{vertex}");
        let of_vertex = engine.get(&path);
        let subtasks = of_vertex["subtasks"].as_array().expect("a list");
        assert_eq!(json!(subtasks.len()), task["num_subtasks"]);
        for subtask in subtasks {
            assert_eq!(subtask["className"], "completed", "{subtask}");
            assert!(subtask["checkpoint"]["sync"].is_u64() && subtask["start_delay"].is_i64());
        }
        assert!(of_vertex["summary"]["checkpoint_duration"]["async"]["p99"].is_f64());
    }
    let unknown = format!("{job}/checkpoints/details/{latest}/subtasks/none");
    assert_eq!(engine.request("GET", &unknown, None).0, 404);
    assert_eq!(engine.request("GET", &format!("{job}/checkpoints/details/999"), None).0, 404);
    let rows = engine.get(&format!("{vertex}/subtasks/metrics?get=numRecordsIn&agg=sum"));
    assert_eq!(rows, json!([{ "id": "numRecordsIn", "sum": FILE_ROWS as f64 }]));
    let slots = engine.get("/v1/jobmanager/metrics?get=taskSlotsTotal");
    assert_eq!(slots, json!([{ "id": "taskSlotsTotal", "value": "2" }]));
    let restarts = engine.get("/v1/jobs/metrics?get=numRestarts&agg=max");
    assert_eq!(restarts, json!([{ "id": "numRestarts", "max": 0.0 }]));
    assert_eq!(engine.request("GET", &format!("{vertex}/subtasks/2"), None).0, 404);
    assert_eq!(engine.request("GET", "/v1/taskmanagers/other", None).0, 404);
    let bad = format!("{vertex}/subtasks/metrics?get=a&subtasks=x");
    assert_eq!(engine.request("GET", &bad, None).0, 400);
    engine.shut_down();
}

#[test]
fn i1_21_a_savepoint_is_disposed_of_unless_a_start_needs_it() {
    let place = Place::new(COPY);
    let engine = place.start(&Start::latest(1, "FLINK-1_18"));
    input(&place, 0);
    wait_until("the rows", || place.output().len() as u64 == FILE_ROWS);
    let job = engine.job();
    let [outer, last] = ["sp", "last"].map(|name| place.path(name).to_str().unwrap().to_owned());
    let save = |target: &str| {
        let body = json!({ "target-directory": target });
        engine.finished(&format!("/jobs/{job}/savepoints"), body)["location"].clone()
    };
    assert_eq!(save(&outer), outer);
    // Nothing is left for the same directory but a place within.
    let inner = save(&outer).as_str().expect("a location").to_owned();
    assert_ne!(inner, outer);
    let dispose =
        |path: &str| engine.finished("/savepoint-disposal", json!({ "savepoint-path": path }));
    let failure = |answer: serde_json::Value| {
        answer["failure-cause"]["stack-trace"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(dispose(&outer), json!({}));
    let gone = failure(dispose(&outer));
    assert!(gone.contains("there is no snapshot"), "{gone}");
    assert!(std::path::Path::new(&inner).join("_metadata").exists(), "another savepoint");
    let before = engine.completed();
    wait_until("a checkpoint", || engine.completed() > before + 1);
    let checkpoints = engine.get(&format!("/jobs/{job}/checkpoints"));
    let path = checkpoints["latest"]["completed"]["external_path"].as_str().expect("a path");
    let refused = failure(dispose(path));
    // It may be gone already.
    assert!(refused.contains("checkpoint") || refused.contains("no snapshot"), "{refused}");
    assert_eq!(engine.stop(json!({ "targetDirectory": last })), last);
    let refused = failure(dispose(&last));
    assert!(refused.contains("a start needs it"), "{refused}");
    assert_eq!(dispose(&inner), json!({}));
    engine.shut_down();
    let next = place.start(&Start::latest(2, "FLINK-1_18"));
    input(&place, 1);
    wait_until("all rows", || place.output().len() as u64 == 2 * FILE_ROWS);
    next.shut_down();
    assert_eq!(place.output(), expected(2));
}

const ALIGNED: &str = "
CREATE TABLE a (id INT, at_ms BIGINT, ts AS TO_TIMESTAMP_LTZ(at_ms, 3),
  WATERMARK FOR ts AS ts) WITH (
  'connector' = 'filesystem', 'path' = 'DIR/in/a', 'format' = 'csv',
  'source.monitor-interval' = '10 ms', 'scan.watermark.alignment.group' = 'g',
  'scan.watermark.alignment.max-drift' = '10 s',
  'scan.watermark.alignment.update-interval' = '20 ms');
CREATE TABLE b WITH ('path' = 'DIR/in/b') LIKE a (OVERWRITING OPTIONS);
CREATE TABLE sink_t (id INT) WITH (
  'connector' = 'filesystem', 'path' = 'DIR/out', 'format' = 'csv');
INSERT INTO sink_t SELECT id FROM a UNION ALL SELECT id FROM b;";

#[test]
fn e7_a_source_that_is_far_ahead_waits_for_the_others_of_its_group() {
    let place = Place::new(ALIGNED);
    for name in ["in/a", "in/b"] {
        std::fs::create_dir(place.path(name)).unwrap();
    }
    let mut start = Start::latest(1, "FLINK-1_18");
    start.parallelism = 1;
    let engine = place.start(&start);
    place.input("a/1.csv", "1,1000\n");
    wait_until("the first row", || place.output() == ["1"]);
    place.input("b/1.csv", "2,100000\n");
    wait_until("a row from ahead", || place.output() == ["1", "2"]);
    std::thread::sleep(Duration::from_millis(100));
    place.input("b/2.csv", "3,100001\n");
    let completed = engine.completed();
    wait_until("checkpoints", || engine.completed() > completed + 15);
    assert_eq!(place.output(), ["1", "2"], "b waits for a");
    place.input("a/2.csv", "4,95000\n");
    wait_until("all rows", || place.output() == ["1", "2", "3", "4"]);
    engine.shut_down();
}
