//! Flink's own command line against this engine: list, savepoint, its disposal, stop, and
//! list again.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = "
CREATE TABLE n (k INT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');
CREATE TABLE counts (k INT, c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO counts SELECT k, COUNT(*) FROM n GROUP BY k;
";

const CONFIGURATION: &str = "
jobmanager.rpc.address: 127.0.0.1
jobmanager.memory.process.size: 1024m
taskmanager.memory.process.size: 1024m
rest.address: 127.0.0.1
";

/// An engine of its own that ends with the check.
struct Engine {
    child: Child,
    address: String,
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Flink's client says of a running job, of its savepoint and of its end.
///
/// # Errors
/// The step that failed, with the client's output.
pub fn check(program: &Path, libraries: &Path, work: &Path) -> Result<String, String> {
    let place = work.join("cli");
    let say = |cause: std::io::Error| format!("cannot prepare {}: {cause}", place.display());
    fs::create_dir_all(place.join("conf")).map_err(say)?;
    fs::write(place.join("conf/flink-conf.yaml"), CONFIGURATION).map_err(say)?;
    fs::write(place.join("main.sql"), SCRIPT).map_err(say)?;
    let engine = start(program, &place)?;
    let flink = |arguments: &[&str]| ask(libraries, &place, &engine.address, arguments);
    let listed = flink(&["list"])?;
    let line = listed.lines().find(|line| line.contains("cli-check (RUNNING)"));
    let job = line.and_then(|line| line.split(" : ").nth(1));
    let job = job.ok_or_else(|| format!("flink list names no running job:\n{listed}"))?.trim();
    let [first, last] = ["first", "last"].map(|name| place.join(name).display().to_string());
    expect(&flink(&["savepoint", job, &first])?, &format!("Savepoint completed. Path: {first}"))?;
    expect(&flink(&["savepoint", "-d", &first])?, &format!("Savepoint '{first}' disposed"))?;
    let stopped = flink(&["stop", "--savepointPath", &last, job])?;
    expect(&stopped, &format!("Savepoint completed. Path: {last}"))?;
    expect(&flink(&["list", "-a"])?, "cli-check (FINISHED)")?;
    Ok("list, savepoint, savepoint --dispose, stop work".to_owned())
}

fn expect(output: &str, wanted: &str) -> Result<(), String> {
    if output.contains(wanted) { Ok(()) } else { Err(format!("no {wanted:?} in:\n{output}")) }
}

fn start(program: &Path, place: &Path) -> Result<Engine, String> {
    let at = |name: &str| place.join(name).display().to_string();
    let job = format!(
        r#"{{"application": "cli", "name": "cli-check", "generation": 1, "runtime": "FLINK-1_18",
        "script": "{}", "state": "{}", "restore": {{"kind": "none"}}, "parallelism": 1,
        "settings": {{"execution.checkpointing.interval": "1 s"}}, "rest_address": "127.0.0.1:0",
        "endpoint_file": "{}"}}"#,
        at("main.sql"),
        at("state"),
        at("endpoint.json")
    );
    fs::write(place.join("job.json"), job).map_err(|cause| cause.to_string())?;
    let mut command = Command::new(program);
    command.args(["engine", "run", "--job"]).arg(place.join("job.json"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.map_err(|cause| format!("cannot start the engine: {cause}"))?;
    let mut engine = Engine { child, address: String::new() };
    for _ in 0..200 {
        let endpoint = fs::read_to_string(place.join("endpoint.json")).unwrap_or_default();
        let address = endpoint.split("\"address\":\"").nth(1);
        if let Some(address) = address.and_then(|rest| rest.split('"').next()) {
            address.clone_into(&mut engine.address);
            return Ok(engine);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err("the engine does not say where it listens".to_owned())
}

fn ask(
    libraries: &Path,
    place: &Path,
    address: &str,
    arguments: &[&str],
) -> Result<String, String> {
    let mut java = Command::new("java");
    java.env("FLINK_CONF_DIR", place.join("conf")).arg("-Xmx256m").arg("-cp");
    java.arg(format!("{}/*", libraries.display()));
    java.arg("org.apache.flink.client.cli.CliFrontend").arg(arguments[0]);
    java.args(["-m", address]).args(&arguments[1..]);
    let output = java.output().map_err(|cause| format!("cannot run java: {cause}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("flink {}: {text}\n{errors}", arguments.join(" ")))
}
