//! The REST surface of the built program: an application's life, a check before an update,
//! events as they happen, logs, metrics; and the command line that uses it.

use std::process::{Command, Stdio};

use millrace_e2e::{PATIENCE, doubling, output};
use millrace_test_support::cli::Ran;
use millrace_test_support::files::drop_file;
use millrace_test_support::time::until;
use millrace_test_support::{Server, ServerOptions, binary};
use serde_json::{Value, json};

struct Rest<'a>(&'a Server);

impl Rest<'_> {
    fn call(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        self.0.aws().rest(method, path, body)
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.call("GET", path, &Value::Null)?;
        assert_eq!(status, 200, "{path}: {body}");
        Ok(body)
    }

    /// Begins an operation, and waits until it is SUCCESSFUL.
    fn complete(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let (status, begun) = self.call("POST", path, body)?;
        assert_eq!(status, 202, "{path}: {begun}");
        let id = begun["operationId"].as_str().expect("an operation").to_owned();
        let ended = until("the operation's end", PATIENCE, || {
            let operation = self.get(&format!("/v1/applications/orders/operations/{id}"))?;
            Ok(Some(operation).filter(|it| it["status"] != "IN_PROGRESS"))
        })?;
        assert_eq!(ended["status"], "SUCCESSFUL", "{ended}");
        Ok(())
    }
}

fn new(sql: &str) -> Value {
    json!({
        "name": "orders", "runtimeEnvironment": "FLINK-1_18",
        "configuration": {
            "code": { "text": sql },
            "checkpoints": { "intervalMs": 200, "minPauseMs": 0 }
        }
    })
}

/// A running application over files in `work`.
fn running(server: &Server, work: &std::path::Path) -> anyhow::Result<()> {
    let rest = Rest(server);
    let (status, created) = rest.call("POST", "/v1/applications", &new(&doubling(work)))?;
    assert_eq!(status, 201, "{created}");
    rest.complete("/v1/applications/orders/start", &Value::Null)
}

#[test]
fn a_check_says_what_the_update_then_does() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    let rest = Rest(&server);
    drop_file(&work.join("in"), "1.csv", "1,10\n")?;
    running(&server, work)?;
    assert_eq!(output(work, 1)?, ["1,20"]);
    let check = "/v1/applications/orders/updates:check";

    let broken =
        json!({ "currentVersionId": 1, "configuration": { "code": { "text": "SELEC 1" } } });
    let (status, verdict) = rest.call("POST", check, &broken)?;
    assert_eq!((status, &verdict["ok"]), (200, &json!(false)), "{verdict}");
    assert_eq!(verdict["diagnostics"][0]["line"], 1);
    assert_eq!(verdict["job"]["stopped"], false);
    // The update itself is refused with the same words.
    let (_, begun) = rest.call("POST", "/v1/applications/orders/updates", &broken)?;
    let id = begun["operationId"].as_str().expect("an operation").to_owned();
    let path = format!("/v1/applications/orders/operations/{id}");
    let failed = until("the refusal", PATIENCE, || {
        Ok(Some(rest.get(&path)?).filter(|it| it["status"] == "FAILED"))
    })?;
    assert_eq!(failed["failure"]["message"], verdict["refusal"]);

    let sql = doubling(work).replace("amount * 2", "amount * 3");
    assert_ne!(sql, doubling(work));
    let better = json!({ "currentVersionId": 1, "configuration": { "code": { "text": sql } } });
    let before = rest.get("/v1/applications/orders")?;
    let (status, verdict) = rest.call("POST", check, &better)?;
    assert_eq!((status, &verdict["ok"]), (200, &json!(true)), "{verdict}");
    assert_eq!(verdict["changes"][0]["member"], "configuration.code.text");
    assert_eq!(verdict["job"]["stopped"], true);
    let kept: Vec<&Value> = verdict["state"].as_array().into_iter().flatten().collect();
    assert!(!kept.is_empty() && kept.iter().all(|it| it["verdict"] == "restored"), "{verdict}");
    assert!(verdict["plan"]["before"].as_array().is_some_and(|it| it.len() > 1), "{verdict}");
    assert!(verdict["plan"]["changes"].as_array().is_some_and(|it| !it.is_empty()), "{verdict}");
    // Nothing was touched.
    assert_eq!(rest.get("/v1/applications/orders")?, before);

    rest.complete("/v1/applications/orders/updates", &better)?;
    drop_file(&work.join("in"), "2.csv", "2,10\n")?;
    assert_eq!(output(work, 2)?, ["1,20", "2,30"]);
    let again = json!({ "currentVersionId": 3, "runtimeEnvironment": "FLINK-1_19" });
    let (_, verdict) = rest.call("POST", check, &again)?;
    assert!(verdict["job"]["downtime"]["expectedMs"].is_number(), "{verdict}");

    let ran = check_by_command(&server, &["--runtime", "FLINK-1_19"])?;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("the update can be made: version 4 in place of 3"), "{ran:?}");
    let ran = check_by_command(&server, &["--runtime", "FLINK-1_15"])?;
    assert!(ran.code == 1 && ran.stderr.contains("only goes forward"), "{ran:?}");
    Ok(())
}

fn check_by_command(server: &Server, arguments: &[&str]) -> anyhow::Result<Ran> {
    server.millrace(&[&["app", "update", "orders", "--check"], arguments].concat())
}

#[test]
fn events_are_followed_until_the_application_is_gone() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    let (status, created) =
        Rest(&server).call("POST", "/v1/applications", &new(&doubling(work)))?;
    assert_eq!(status, 201, "{created}");
    let mut follow = Command::new(binary::millrace()?);
    follow.args(["events", "-f", "orders", "--output", "json"]);
    follow.env("MILLRACE_ENDPOINT", format!("http://{}", server.address));
    follow.env("MILLRACE_DATA_DIR", work.join("data"));
    let following = follow.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    Rest(&server).complete("/v1/applications/orders/start", &Value::Null)?;
    Rest(&server).complete("/v1/applications/orders/stop", &json!({ "force": true }))?;
    // Long enough for the stream to tell the last of it.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let (status, _) = Rest(&server).call("DELETE", "/v1/applications/orders", &Value::Null)?;
    assert_eq!(status, 202);
    let told = following.wait_with_output()?;
    assert!(told.status.success());
    let events: Vec<Value> = String::from_utf8(told.stdout)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds.first(), Some(&"ApplicationCreated"), "{kinds:?}");
    for kind in ["OperationBegan", "JobStarted", "OperationEnded", "JobStopped"] {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let sequences: Vec<u64> = events.iter().filter_map(|it| it["sequence"].as_u64()).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "each once, in order: {sequences:?}");
    Ok(())
}

#[test]
fn logs_and_metrics_of_the_job_can_be_read() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    drop_file(&work.join("in"), "1.csv", "1,10\n2,20\n")?;
    running(&server, work)?;
    assert_eq!(output(work, 2)?, ["1,20", "2,40"]);
    let metrics = until("metrics", PATIENCE, || {
        let metrics = Rest(&server).get("/v1/applications/orders/metrics")?;
        let noted = metrics["history"].as_array().is_some_and(|history| !history.is_empty());
        Ok(Some(metrics).filter(|_| noted))
    })?;
    let current = &metrics["current"];
    assert_eq!(current["generation"], 1);
    assert!(current["job"]["numberOfCompletedCheckpoints"].as_f64() >= Some(1.0), "{current}");
    let source = &current["vertices"][0];
    assert_eq!(source["status"], "RUNNING", "{current}");
    assert!(source["metrics"]["write-records"].is_number(), "{current}");
    assert!(metrics["history"][0]["values"]["uptime"].is_number(), "{metrics}");

    let all = server.millrace(&["logs", "orders"])?.stdout;
    let last = server.millrace(&["logs", "orders", "--tail", "1"])?.stdout;
    assert!(last.lines().count() == 1 && all.ends_with(&last), "{last}\n{all}");
    let word: String = all.split_whitespace().last().expect("something is logged").to_owned();
    let found = server.millrace(&["app", "logs", "orders", "--search", &word])?.stdout;
    assert!(!found.is_empty() && found.lines().all(|line| all.contains(line)), "{found}");
    let none = server.millrace(&["logs", "orders", "--search", "no such text"])?;
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    Ok(())
}
