//! Ten million keys: how long a checkpoint of them takes, what an incremental one writes,
//! how soon a killed job runs again, and how much memory that needs.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::engine::{self, Engine, between, now};
use super::options::Options;
use super::report::{Row, Table};
use super::scripts::Script;

const KEYS: u64 = 10_000_000;
/// Rows a second once all keys are there, over all keys alike.
const UPDATES: u64 = 100_000;
/// Checkpoints that are looked at.
const CHECKPOINTS: usize = 5;
const MOST: Duration = Duration::from_secs(600);

const SETTINGS: [(&str, &str); 3] = [
    ("execution.checkpointing.interval", "5 s"),
    ("state.backend.incremental", "true"),
    ("table.exec.mini-batch.enabled", "false"),
];

const SCRIPT: &str = "
CREATE TABLE filling (k BIGINT, v BIGINT) WITH ('connector' = 'datagen',
  'rows-per-second' = '1000000000', 'fields.k.kind' = 'sequence', 'fields.k.start' = '1',
  'fields.k.end' = '$KEYS$', 'fields.v.min' = '1', 'fields.v.max' = '1000');
CREATE TABLE updates (k BIGINT, v BIGINT) WITH ('connector' = 'datagen',
  'rows-per-second' = '$UPDATES$', 'fields.k.min' = '1', 'fields.k.max' = '$KEYS$',
  'fields.v.min' = '1', 'fields.v.max' = '1000');
CREATE TABLE sink (k BIGINT, n BIGINT, most BIGINT, total BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sink SELECT k, COUNT(*), MAX(v), SUM(v)
FROM (SELECT * FROM filling UNION ALL SELECT * FROM updates) GROUP BY k;
";

/// One checkpoint, as the engine's REST interface tells of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Checkpoint {
    id: u64,
    took_ms: f64,
    bytes: f64,
    state_bytes: f64,
}

/// # Errors
/// A job fails, or takes too long.
pub fn table(
    program: &Path,
    work: &Path,
    options: &Options,
    parallelism: u16,
) -> Result<Table, String> {
    let mut table = Table::new(options, parallelism);
    let keys = options.events.unwrap_or(KEYS);
    let script =
        SCRIPT.replace("$KEYS$", &keys.to_string()).replace("$UPDATES$", &UPDATES.to_string());
    for backend in &options.backends {
        eprintln!("==> {keys} keys with {backend} at parallelism {parallelism}");
        let place = work.join("state");
        drop(fs::remove_dir_all(&place));
        let own = [("state.backend.type", backend.as_str())];
        let settings: Vec<_> = own.into_iter().chain(SETTINGS).collect();
        let mut row = Row::new(&Script::new(backend, String::new(), keys, options), options);
        let engine = Engine::start(program, &place, &script, parallelism, &settings)?;
        row.figures = before(&engine, keys)?;
        drop(engine);
        let begun = now();
        let engine = Engine::restart(program, &place, parallelism, &settings)?;
        wait_for("the job to run again", || Ok(is_running(&engine.ask(&job(&engine)?)?)))?;
        row.figures.push(("restored_s", begun.elapsed().as_secs_f64()));
        row.figures.push(("restored_mib", engine::resident_mib(engine.child.id())?));
        table.rows.push(row);
    }
    Ok(table)
}

/// Fills the state, and looks at checkpoints of it.
fn before(engine: &Engine, keys: u64) -> Result<Vec<(&'static str, f64)>, String> {
    let begun = now();
    let job = job(engine)?;
    // A source that is done runs on until its job ends: it has written that many.
    let written = format!("\"write-records\":{keys},");
    let has_filled = || Ok(engine.ask(&job)?.contains(&written));
    wait_for("the keys", has_filled)?;
    let filled_s = begun.elapsed().as_secs_f64();
    let path = format!("{job}/checkpoints");
    // The next two hold some of the filling.
    let last = completed(&engine.ask(&path)?).iter().map(|it| it.id).max().unwrap_or(0) + 2;
    let later = || -> Result<Vec<Checkpoint>, String> {
        let all = completed(&engine.ask(&path)?);
        Ok(all.into_iter().filter(|checkpoint| checkpoint.id > last).collect())
    };
    wait_for("checkpoints", || Ok(later()?.len() >= CHECKPOINTS))?;
    let seen = later()?;
    let median = |field: fn(&Checkpoint) -> f64| super::report::median(seen.iter().map(field));
    Ok(vec![
        ("filled_s", filled_s),
        ("checkpoint_ms", median(|it| it.took_ms).unwrap_or(0.0)),
        ("written_mb", median(|it| it.bytes / 1e6).unwrap_or(0.0)),
        ("state_mb", median(|it| it.state_bytes / 1e6).unwrap_or(0.0)),
        ("resident_mib", engine::resident_mib(engine.child.id())?),
        ("peak_mib", engine::usage(engine.child.id())?.1),
    ])
}

fn job(engine: &Engine) -> Result<String, String> {
    let overview = engine.ask("/jobs/overview")?;
    let id = between(&overview, "\"jid\":\"", "\"").ok_or("there is no job")?;
    Ok(format!("/jobs/{id}"))
}

/// All tasks that have not ended do their work.
fn is_running(job: &str) -> bool {
    let waits = ["CREATED", "INITIALIZING", "SCHEDULED", "DEPLOYING"];
    job.contains("\"state\":\"RUNNING\"")
        && !waits.iter().any(|status| job.contains(&format!("\"status\":\"{status}\"")))
}

fn wait_for(what: &str, until: impl Fn() -> Result<bool, String>) -> Result<(), String> {
    let begun = now();
    while !until()? {
        if begun.elapsed() > MOST {
            return Err(format!("waited {} s for {what}", MOST.as_secs()));
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Those of the history.
fn completed(checkpoints: &str) -> Vec<Checkpoint> {
    let Some((_, history)) = checkpoints.split_once("\"history\":") else { return Vec::new() };
    let each = history.split("\"className\":\"completed\"").skip(1);
    each.filter_map(|text| {
        let number = |key: &str| {
            let text = between(text, &format!("\"{key}\":"), ",")?;
            text.trim_end_matches('}').parse::<f64>().ok()
        };
        Some(Checkpoint {
            id: number("id")? as u64,
            took_ms: number("end_to_end_duration")?,
            bytes: number("checkpointed_size")?,
            state_bytes: number("state_size")?,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, completed, is_running};

    #[test]
    fn what_the_engine_says_is_read() {
        let text = r#"{"latest":{"completed":{"className":"completed","id":1}},"history":[
            {"className":"in_progress","id":8,"end_to_end_duration":0},
            {"className":"completed","id":7,"end_to_end_duration":12,"state_size":30,
             "checkpointed_size":4,"tasks":{}}]}"#;
        let want = Checkpoint { id: 7, took_ms: 12.0, bytes: 4.0, state_bytes: 30.0 };
        assert_eq!(completed(text), [want]);
        assert!(is_running(r#"{"state":"RUNNING","vertices":[{"status":"FINISHED"}]}"#));
        assert!(!is_running(r#"{"state":"RUNNING","vertices":[{"status":"INITIALIZING"}]}"#));
        assert!(!is_running(r#"{"state":"RESTARTING"}"#));
    }
}
