//! What the service does by itself with a running job.

use millrace_e2e::PATIENCE;
use millrace_test_support::time::until;
use millrace_test_support::{Server, ServerOptions};
use serde_json::{Value, json};

/// As fast as it can, for as long as it may.
const BUSY: &str = "
CREATE TABLE made (k BIGINT, v BIGINT) WITH (
    'connector' = 'datagen', 'rows-per-second' = '1000000000',
    'fields.k.min' = '0', 'fields.k.max' = '1000');
CREATE TABLE sums (k BIGINT, v BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO sums SELECT k, SUM(v) FROM made GROUP BY k;
";

#[test]
fn a_busy_job_is_scaled_by_the_rule_of_rates_with_its_reason() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    // What the rule calls a minute.
    let more = vec!["--care-period".to_owned(), "500ms".to_owned()];
    let options = ServerOptions { more, ..ServerOptions::default() };
    let server = Server::start(&directory.path().join("data"), &options)?;
    let aws = server.aws();
    let created = json!({
        "name": "busy", "runtimeEnvironment": "FLINK-1_18",
        "configuration": { "code": { "text": BUSY } }
    });
    let (status, answer) = aws.rest("POST", "/v1/applications", &created)?;
    assert_eq!(status, 201, "{answer}");
    let chosen =
        server.millrace(&["app", "scaling", "busy", "--rule", "rate", "--target", "60"])?;
    assert_eq!(chosen.code, 0, "{}", chosen.stderr);
    aws.complete("StartApplication", json!({ "ApplicationName": "busy" }), PATIENCE)?;
    until("a scaled job", PATIENCE, || {
        let (_, shown) = aws.rest("GET", "/v1/applications/busy", &Value::Null)?;
        let scaled = shown["currentParallelism"].as_u64() > Some(1);
        Ok((scaled && shown["status"] == "RUNNING").then_some(()))
    })?;
    let detail = aws.describe("busy")?;
    assert_eq!(detail["ApplicationVersionId"], 1, "scaling makes no version");
    let parallelism = &detail["ApplicationConfigurationDescription"]["FlinkApplicationConfigurationDescription"]
        ["ParallelismConfigurationDescription"];
    assert_eq!(parallelism["Parallelism"], 1);
    assert!(parallelism["CurrentParallelism"].as_u64() > Some(1), "{parallelism}");
    let (_, told) = aws.rest("GET", "/v1/applications/busy/events", &Value::Null)?;
    let messages: Vec<&str> = told["events"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|event| event["message"].as_str())
        .collect();
    let says = |text: &str| messages.iter().any(|message| message.contains(text));
    assert!(says("RUNNING became AUTOSCALING") && says("AUTOSCALING became RUNNING"), "{told}");
    assert!(says("Autoscaling began: ") && says("shall be 60 % busy: parallelism 1 to"), "{told}");
    assert!(says("Autoscaling ended SUCCESSFUL"), "{told}");
    Ok(())
}
