//! The story, step by step.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use millrace_test_support::cli::millrace;
use millrace_test_support::files::finished_files;
use millrace_test_support::time::{now, until, wall_ms};
use millrace_test_support::{Aws, Server, ServerOptions};
use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::script::{self, Fault, RATE};

const NAME: &str = "auction-house";
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to let rows flow between two steps, so that there is something to see.
const FLOW: Duration = Duration::from_millis(1_500);

/// Seconds.
#[derive(Default)]
pub struct Times {
    first_row: f64,
    upgrade_gap: f64,
    refusal: f64,
    rollback_gap: f64,
}

impl Times {
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("start to first row", self.first_row),
            ("upgrade: last row of the old to first of the new", self.upgrade_gap),
            ("impossible update refused", self.refusal),
            ("failing update: rows stood still until put back", self.rollback_gap),
        ]
    }
}

/// Wall-clock milliseconds around something, for looking it up among the rows.
struct Around {
    from_ms: i64,
    to_ms: i64,
}

/// # Errors
/// A step went otherwise than told, or a row was lost or repeated.
pub fn tell() -> anyhow::Result<Times> {
    let directory = tempfile::Builder::new().prefix("millrace-demo-").tempdir()?;
    let options = ServerOptions { stability_window: "500ms".into(), ..ServerOptions::default() };
    let server = Server::start(&directory.path().join("data"), &options)?;
    let story =
        Story { aws: server.aws(), out: directory.path().join("out"), directory: directory.path() };
    println!(
        "Millrace serves on http://{}; a nexmark stream of {RATE} events a second, into files",
        server.address
    );
    let outcome = story.tell();
    if outcome.is_err() {
        let log = std::fs::read_to_string(&server.log).unwrap_or_default();
        eprintln!("the server logged:\n{log}");
    }
    outcome
}

struct Story<'a> {
    aws: Aws,
    out: PathBuf,
    directory: &'a Path,
}

impl Story<'_> {
    fn tell(&self) -> anyhow::Result<Times> {
        let mut times = Times { first_row: self.start()?, ..Times::default() };
        self.flow()?;
        let upgrade = self.upgrade()?;
        self.flow()?;
        times.refusal = self.refuse()?;
        let rollback = self.fail_and_put_back()?;
        self.flow()?;
        self.stop()?;
        self.compare()?;

        let evidence = Evidence::read(&self.out)?;
        times.upgrade_gap = evidence.longest_silence(upgrade.from_ms, upgrade.to_ms);
        times.rollback_gap = evidence.longest_silence(rollback.from_ms, rollback.to_ms);
        println!("times, by the rows' own time of writing");
        for (name, seconds) in times.named() {
            println!("  {name:<50} {seconds:>7.3} s");
        }
        Ok(times)
    }

    fn start(&self) -> anyhow::Result<f64> {
        self.aws.call("CreateApplication", self.create())?;
        let started = now();
        let answer = self.aws.call("StartApplication", json!({"ApplicationName": NAME}))?;
        let operation = operation_id(&answer)?;
        until("the first row", PATIENCE, || {
            self.has_not_failed(operation)?;
            Ok(self.any_row()?.then_some(()))
        })?;
        let first_row = started.elapsed();
        let details = self.aws.settled(NAME, operation, PATIENCE)?;
        successful(&details)?;
        told(
            started,
            "created on FLINK-1_15 and started",
            &format!("first row after {first_row:.2?}"),
        );
        Ok(first_row.as_secs_f64())
    }

    fn has_not_failed(&self, operation: &str) -> anyhow::Result<()> {
        let input = json!({"ApplicationName": NAME, "OperationId": operation});
        let answer = self.aws.call("DescribeApplicationOperation", input)?;
        let details = &answer["ApplicationOperationInfoDetails"];
        ensure!(details["OperationStatus"] != "FAILED", "not started: {details}");
        Ok(())
    }

    fn any_row(&self) -> anyhow::Result<bool> {
        Ok(!finished_files(&self.out.join("events"))?.is_empty())
    }

    fn flow(&self) -> anyhow::Result<()> {
        let before = Evidence::read(&self.out)?.len();
        std::thread::sleep(FLOW);
        let after = Evidence::read(&self.out)?.len();
        ensure!(after > before, "no row arrived in {FLOW:?}");
        println!("           rows arriving: {before}, then {after}");
        Ok(())
    }

    fn upgrade(&self) -> anyhow::Result<Around> {
        let (started, from_ms) = (now(), wall_ms());
        let mut input = self.update_input()?;
        input["RuntimeEnvironmentUpdate"] = json!("FLINK-1_18");
        self.aws.complete("UpdateApplication", input, PATIENCE)?;
        let detail = self.aws.describe(NAME)?;
        ensure!(detail["RuntimeEnvironment"] == "FLINK-1_18", "{detail}");
        told(
            started,
            "upgraded to FLINK-1_18 in place",
            "SUCCESSFUL, after a checkpoint and a stable window",
        );
        Ok(Around { from_ms, to_ms: wall_ms() })
    }

    fn refuse(&self) -> anyhow::Result<f64> {
        let started = now();
        let details = self.update_code(Fault::UnknownColumn)?;
        let took = started.elapsed();
        let cause = failure(&details)?;
        ensure!(cause.contains("nobody"), "the cause does not name the column: {cause}");
        let status = self.aws.describe(NAME)?["ApplicationStatus"].clone();
        ensure!(status == "RUNNING", "the application is {status}");
        told(
            started,
            "an impossible update",
            &format!("FAILED before the stop: {}", first_line(&cause)),
        );
        Ok(took.as_secs_f64())
    }

    fn fail_and_put_back(&self) -> anyhow::Result<Around> {
        let (started, from_ms) = (now(), wall_ms());
        let details = self.update_code(Fault::DivisionByZero)?;
        let cause = failure(&details)?;
        let rollback = details["OperationFailureDetails"]["RollbackOperationId"].as_str();
        let rollback = rollback.context("the failed operation names no rollback")?;
        successful(&self.aws.settled(NAME, rollback, PATIENCE)?)?;
        let detail = self.aws.describe(NAME)?;
        ensure!(detail["ApplicationStatus"] == "RUNNING", "{detail}");
        told(
            started,
            "an update that fails",
            &format!("put back by itself: {}", first_line(&cause)),
        );
        Ok(Around { from_ms, to_ms: wall_ms() })
    }

    fn stop(&self) -> anyhow::Result<()> {
        let started = now();
        self.aws.complete("StopApplication", json!({"ApplicationName": NAME}), PATIENCE)?;
        told(started, "stopped", "with a snapshot");
        Ok(())
    }

    fn compare(&self) -> anyhow::Result<()> {
        let started = now();
        let evidence = Evidence::read(&self.out)?;
        let [persons, auctions, bids] = evidence.whole_beginning()?;
        let undisturbed = self.directory.join("undisturbed");
        let script = self.directory.join("undisturbed.sql");
        std::fs::write(&script, script::undisturbed(&undisturbed, evidence.len()))?;
        let ran = millrace("", &["sql", "run", &script.display().to_string()])?;
        ensure!(ran.code == 0, "the undisturbed run failed: {}", ran.stderr);
        evidence.equals(&undisturbed)?;
        let windows = evidence.counts_agree()?;
        let said = format!(
            "{} events out, each exactly once: {persons} persons, {auctions} auctions, {bids} bids; \
             equal to an undisturbed run; {windows} counted seconds agree",
            evidence.len()
        );
        told(started, "compared", &said);
        Ok(())
    }

    fn create(&self) -> Value {
        json!({
            "ApplicationName": NAME,
            "RuntimeEnvironment": "FLINK-1_15",
            "ServiceExecutionRole": "arn:aws:iam::000000000000:role/demo",
            "ApplicationConfiguration": {
                "ApplicationCodeConfiguration": {
                    "CodeContentType": "PLAINTEXT",
                    "CodeContent": {"TextContent": script::application(&self.out, Fault::None)},
                },
                "FlinkApplicationConfiguration": {"CheckpointConfiguration": {
                    "ConfigurationType": "CUSTOM", "CheckpointingEnabled": true,
                    "CheckpointInterval": 100, "MinPauseBetweenCheckpoints": 0,
                }},
                "ApplicationSystemRollbackConfiguration": {"RollbackEnabled": true},
            },
        })
    }

    fn update_input(&self) -> anyhow::Result<Value> {
        let version = &self.aws.describe(NAME)?["ApplicationVersionId"];
        Ok(json!({"ApplicationName": NAME, "CurrentApplicationVersionId": version}))
    }

    fn update_code(&self, fault: Fault) -> anyhow::Result<Value> {
        let mut input = self.update_input()?;
        let script = script::application(&self.out, fault);
        input["ApplicationConfigurationUpdate"] = json!({
            "ApplicationCodeConfigurationUpdate": {"CodeContentUpdate": {"TextContentUpdate": script}},
        });
        let answer = self.aws.call("UpdateApplication", input)?;
        self.aws.settled(NAME, operation_id(&answer)?, PATIENCE)
    }
}

fn told(started: Instant, what: &str, how: &str) {
    println!("{:>7.2} s  {what}: {how}", started.elapsed().as_secs_f64());
}

fn operation_id(answer: &Value) -> anyhow::Result<&str> {
    answer["OperationId"].as_str().context("the answer names no operation")
}

fn successful(details: &Value) -> anyhow::Result<()> {
    ensure!(details["OperationStatus"] == "SUCCESSFUL", "not successful: {details}");
    Ok(())
}

/// The cause of an operation that must have failed.
fn failure(details: &Value) -> anyhow::Result<String> {
    ensure!(details["OperationStatus"] == "FAILED", "not failed: {details}");
    let cause = details["OperationFailureDetails"]["ErrorInfo"]["ErrorString"].as_str();
    cause.map(str::to_owned).context("it failed without a cause")
}

/// As much of a cause as fits a line.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or(text);
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
