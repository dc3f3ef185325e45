//! `millrace app update --check`: the verdict on an update that is not made.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::args::{RestoreArguments, SettingArguments, SnapshotSwitch, Switch, UpdateArguments};
use super::client::Client;
use super::input::{self, Code};
use super::show::text;
use crate::output::{self, Format};

/// Prints the verdict; the exit code is 1 for one that refuses.
pub async fn check(
    client: &Client,
    format: Format,
    arguments: &UpdateArguments,
) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/applications/{}/updates:check", arguments.target.name);
    let verdict = client.post(&path, &[("if-match", "*")], &body(arguments)?).await?;
    match format {
        Format::Json => output::json(&verdict),
        Format::Text => lines(&verdict).iter().for_each(|line| output::line(line)),
    }
    Ok(if verdict["ok"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The update as the REST surface takes it.
fn body(arguments: &UpdateArguments) -> anyhow::Result<Value> {
    let mut configuration = settings(&arguments.settings)?;
    if let Some(code) = input::read_code(&arguments.code)? {
        configuration.insert("code".into(), of_code(code));
    }
    let mut body = Map::new();
    if !configuration.is_empty() {
        body.insert("configuration".into(), configuration.into());
    }
    if let Some(runtime) = &arguments.runtime {
        body.insert("runtimeEnvironment".into(), json!(runtime));
    }
    if let Some(restore) = restore(&arguments.restore) {
        body.insert("restore".into(), restore);
    }
    Ok(body.into())
}

fn of_code(code: Code) -> Value {
    match code {
        Code::Text(text) => json!({ "text": text }),
        Code::Zip(bytes) => json!({ "zip": bytes }),
        Code::S3 { bucket, key } => json!({ "s3": { "bucketArn": bucket, "key": key } }),
    }
}

fn settings(arguments: &SettingArguments) -> anyhow::Result<Map<String, Value>> {
    let mut configuration = Map::new();
    let switched = |switch: Switch| json!({ "enabled": switch == Switch::On });
    if let Some(parallelism) = arguments.parallelism {
        configuration.insert("parallelism".into(), json!({ "parallelism": parallelism }));
    }
    if let Some(interval_ms) = arguments.checkpoint_interval {
        let checkpoints = json!({
            "enabled": true,
            "intervalMs": interval_ms,
            "minPauseMs": input::min_pause_ms(interval_ms),
        });
        configuration.insert("checkpoints".into(), checkpoints);
    }
    if let Some(switch) = arguments.system_rollback {
        configuration.insert("rollback".into(), switched(switch));
    }
    if let Some(switch) = arguments.snapshots {
        let mut snapshots = json!({ "enabled": switch != SnapshotSwitch::Off });
        if switch == SnapshotSwitch::Enhanced {
            snapshots["mode"] = json!("ENHANCED_SNAPSHOTS");
        }
        configuration.insert("snapshots".into(), snapshots);
    }
    if let Some(engine) = arguments.engine {
        configuration.insert("engine".into(), json!(engine.word()));
    }
    if !arguments.properties.is_empty() {
        let groups = input::groups(&arguments.properties)?;
        let groups: Map<String, Value> =
            groups.into_iter().map(|(id, map)| (id, map.into())).collect();
        configuration.insert("propertyGroups".into(), groups.into());
    }
    Ok(configuration)
}

fn restore(arguments: &RestoreArguments) -> Option<Value> {
    let mut restore = Map::new();
    if let Some(snapshot) = &arguments.from_snapshot {
        let member = if input::is_arn(snapshot) { "snapshotArn" } else { "snapshotName" };
        restore.insert(member.into(), json!(snapshot));
    } else if arguments.skip_restore {
        restore.insert("type".into(), json!("SKIP_RESTORE_FROM_SNAPSHOT"));
    }
    if arguments.allow_non_restored_state {
        restore.insert("allowNonRestoredState".into(), json!(true));
    }
    (!restore.is_empty()).then(|| restore.into())
}

/// The verdict for people.
fn lines(verdict: &Value) -> Vec<String> {
    let mut lines = vec![match verdict["refusal"].as_str() {
        None => format!(
            "the update can be made: version {} in place of {}",
            verdict["toVersionId"], verdict["fromVersionId"]
        ),
        Some(refusal) => format!("the update would be refused: {refusal}"),
    }];
    let each = |member: &str| verdict[member].as_array().cloned().unwrap_or_default();
    for change in each("changes") {
        let (before, after) = (short(&change["before"]), short(&change["after"]));
        lines.push(format!("  {}: {before} becomes {after}", text(&change["member"])));
    }
    for diagnostic in each("diagnostics") {
        let place = match &diagnostic["line"] {
            Value::Null => String::new(),
            line => format!(" line {line}, column {}:", diagnostic["column"]),
        };
        let (severity, message) = (text(&diagnostic["severity"]), text(&diagnostic["message"]));
        lines.push(format!("  {severity}:{place} {message}"));
    }
    for change in verdict["plan"]["changes"].as_array().into_iter().flatten() {
        let name = change["after"].as_str().or(change["before"].as_str()).unwrap_or_default();
        lines.push(format!("  operator {}: {name}", text(&change["change"])));
    }
    for state in each("state") {
        let reason = state["reason"].as_str().map(|it| format!(": {it}")).unwrap_or_default();
        let (verdict, name) = (text(&state["verdict"]), text(&state["name"]));
        lines.push(format!("  state {verdict}: {name}{reason}"));
    }
    lines.push(impact(&verdict["job"]));
    lines
}

fn impact(job: &Value) -> String {
    if job["stopped"] != true {
        return "no running job is stopped".to_owned();
    }
    match job["downtime"]["expectedMs"].as_i64() {
        Some(ms) => format!("the job is stopped for about {ms} ms, as at the last update"),
        None => "the job is stopped and the new one goes on from its state".to_owned(),
    }
}

/// Code would fill the screen.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lines;

    #[test]
    fn a_verdict_is_told_in_lines() {
        let verdict = json!({
            "ok": false, "refusal": "Operator agg is dropped: gone.",
            "fromVersionId": 1, "toVersionId": 2,
            "changes": [{ "member": "runtimeEnvironment", "before": "FLINK-1_18", "after": "FLINK-1_19" }],
            "diagnostics": [{ "severity": "warning", "line": 3, "column": 8, "message": "slow" }],
            "plan": { "changes": [{ "change": "removed", "id": "1", "before": "agg" }] },
            "state": [{ "id": "1", "name": "agg", "verdict": "dropped", "reason": "gone" }],
            "job": { "runs": true, "stopped": false }
        });
        assert_eq!(
            lines(&verdict),
            [
                "the update would be refused: Operator agg is dropped: gone.",
                "  runtimeEnvironment: \"FLINK-1_18\" becomes \"FLINK-1_19\"",
                "  warning: line 3, column 8: slow",
                "  operator removed: agg",
                "  state dropped: agg: gone",
                "no running job is stopped",
            ]
        );
    }
}
