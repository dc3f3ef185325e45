//! Commands that only look.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{DashboardArguments, SnapshotArguments};
use super::client::Client;
use super::wait;
use crate::output::{self, Format, pairs, table};

pub async fn describe(client: &Client, format: Format, name: &str) -> anyhow::Result<ExitCode> {
    let answer = client.call("DescribeApplication", json!({"ApplicationName": name})).await?;
    let detail = &answer["ApplicationDetail"];
    let flink =
        &detail["ApplicationConfigurationDescription"]["FlinkApplicationConfigurationDescription"];
    show(format, detail, || {
        pairs(&[
            ("name", text(&detail["ApplicationName"])),
            ("status", text(&detail["ApplicationStatus"])),
            ("version", text(&detail["ApplicationVersionId"])),
            ("runtime", text(&detail["RuntimeEnvironment"])),
            ("parallelism", parallelism(&flink["ParallelismConfigurationDescription"])),
            (
                "checkpoints every",
                format!(
                    "{} ms",
                    text(&flink["CheckpointConfigurationDescription"]["CheckpointInterval"])
                ),
            ),
            ("created", time(&detail["CreateTimestamp"])),
            ("updated", time(&detail["LastUpdateTimestamp"])),
            ("ARN", text(&detail["ApplicationARN"])),
        ])
    })
}

pub async fn dashboard(
    client: &Client,
    format: Format,
    arguments: &DashboardArguments,
) -> anyhow::Result<ExitCode> {
    let input = json!({
        "ApplicationName": arguments.name,
        "UrlType": "FLINK_DASHBOARD_URL",
        "SessionExpirationDurationInSeconds": arguments.session,
    });
    let answer = client.call("CreateApplicationPresignedUrl", input).await?;
    show(format, &answer, || text(&answer["AuthorizedUrl"]))
}

/// With the one now, where the service has scaled it.
fn parallelism(described: &Value) -> String {
    let (asked, now) = (&described["Parallelism"], &described["CurrentParallelism"]);
    match now.is_null() || now == asked {
        true => text(asked),
        false => format!("{}, now {}", text(asked), text(now)),
    }
}

pub async fn list(client: &Client, format: Format) -> anyhow::Result<ExitCode> {
    let found = pages(client, "ListApplications", json!({}), "ApplicationSummaries").await?;
    let columns =
        ["ApplicationName", "ApplicationStatus", "ApplicationVersionId", "RuntimeEnvironment"];
    let empty = "no applications; `millrace app create NAME --sql FILE` makes one";
    rows(format, &found, &["NAME", "STATUS", "VERSION", "RUNTIME"], &columns, empty)
}

pub async fn operations(
    client: &Client,
    format: Format,
    name: &str,
    id: Option<&str>,
) -> anyhow::Result<ExitCode> {
    if let Some(id) = id {
        let input = json!({"ApplicationName": name, "OperationId": id});
        let answer = client.call("DescribeApplicationOperation", input).await?;
        let details = &answer["ApplicationOperationInfoDetails"];
        return show(format, details, || operation_text(details));
    }
    let input = json!({"ApplicationName": name});
    let found =
        pages(client, "ListApplicationOperations", input, "ApplicationOperationInfoList").await?;
    let columns = ["OperationId", "Operation", "OperationStatus", "StartTime", "EndTime"];
    let headings = ["ID", "OPERATION", "STATUS", "STARTED", "ENDED"];
    rows(format, &found, &headings, &columns, "no operations yet")
}

fn operation_text(details: &Value) -> String {
    let versions = &details["ApplicationVersionChangeDetails"];
    let failure = &details["OperationFailureDetails"];
    pairs(&[
        ("operation", text(&details["Operation"])),
        ("status", text(&details["OperationStatus"])),
        ("started", time(&details["StartTime"])),
        ("ended", time(&details["EndTime"])),
        ("from version", text(&versions["ApplicationVersionUpdatedFrom"])),
        ("to version", text(&versions["ApplicationVersionUpdatedTo"])),
        ("cause", text(&failure["ErrorInfo"]["ErrorString"])),
        ("rolled back by", text(&failure["RollbackOperationId"])),
    ])
}

pub async fn versions(
    client: &Client,
    format: Format,
    name: &str,
    id: Option<u64>,
) -> anyhow::Result<ExitCode> {
    if let Some(id) = id {
        let input = json!({"ApplicationName": name, "ApplicationVersionId": id});
        let answer = client.call("DescribeApplicationVersion", input).await?;
        // Its shape is all there is to show, so people get it as JSON as well.
        output::json(&answer["ApplicationVersionDetail"]);
        return Ok(ExitCode::SUCCESS);
    }
    let input = json!({"ApplicationName": name});
    let found =
        pages(client, "ListApplicationVersions", input, "ApplicationVersionSummaries").await?;
    let columns = ["ApplicationVersionId", "ApplicationStatus"];
    rows(format, &found, &["VERSION", "STATUS"], &columns, "no versions")
}

pub async fn snapshots(
    client: &Client,
    format: Format,
    arguments: SnapshotArguments,
) -> anyhow::Result<ExitCode> {
    if let Some(snapshot) = &arguments.create {
        return create_snapshot(client, format, &arguments, snapshot).await;
    }
    if let Some(snapshot) = &arguments.delete {
        return delete_snapshot(client, format, &arguments.name, snapshot).await;
    }
    let input = json!({"ApplicationName": arguments.name});
    let found = pages(client, "ListApplicationSnapshots", input, "SnapshotSummaries").await?;
    let columns = [
        "SnapshotName",
        "SnapshotStatus",
        "ApplicationVersionId",
        "RuntimeEnvironment",
        "SnapshotCreationTimestamp",
    ];
    let headings = ["NAME", "STATUS", "VERSION", "RUNTIME", "CREATED"];
    let empty = "no snapshots; a stop takes one, `--create SNAPSHOT` takes one now";
    rows(format, &found, &headings, &columns, empty)
}

async fn create_snapshot(
    client: &Client,
    format: Format,
    arguments: &SnapshotArguments,
    snapshot: &str,
) -> anyhow::Result<ExitCode> {
    let name = &arguments.name;
    let input = json!({"ApplicationName": name, "SnapshotName": snapshot});
    client.call("CreateApplicationSnapshot", input).await?;
    if arguments.no_wait {
        return show(format, &json!({"SnapshotName": snapshot}), || {
            format!("taking snapshot {snapshot}")
        });
    }
    let details = wait::snapshot(client, name, snapshot).await?;
    show(format, &details, || format!("snapshot {snapshot} of {name} is READY"))
}

async fn delete_snapshot(
    client: &Client,
    format: Format,
    name: &str,
    snapshot: &str,
) -> anyhow::Result<ExitCode> {
    let input = json!({"ApplicationName": name, "SnapshotName": snapshot});
    let answer = client.call("DescribeApplicationSnapshot", input).await?;
    let request = json!({
        "ApplicationName": name,
        "SnapshotName": snapshot,
        "SnapshotCreationTimestamp": answer["SnapshotDetails"]["SnapshotCreationTimestamp"],
    });
    client.call("DeleteApplicationSnapshot", request).await?;
    show(format, &json!({"SnapshotName": snapshot}), || {
        format!("deleted snapshot {snapshot} of {name}")
    })
}

/// All pages of a list, as one.
pub async fn pages(
    client: &Client,
    operation: &str,
    input: Value,
    member: &str,
) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut request = input;
    loop {
        let answer = client.call(operation, request.clone()).await?;
        all.extend(answer[member].as_array().cloned().unwrap_or_default());
        match answer["NextToken"].as_str() {
            Some(token) => request["NextToken"] = json!(token),
            None => return Ok(all),
        }
    }
}

fn show(format: Format, value: &Value, text: impl FnOnce() -> String) -> anyhow::Result<ExitCode> {
    match format {
        Format::Json => output::json(value),
        Format::Text => output::line(&text()),
    }
    Ok(ExitCode::SUCCESS)
}

pub fn rows(
    format: Format,
    found: &[Value],
    headings: &[&str],
    columns: &[&str],
    empty: &str,
) -> anyhow::Result<ExitCode> {
    let cell = |row: &Value, column: &str| {
        if column.contains("Time") { time(&row[column]) } else { text(&row[column]) }
    };
    let cells: Vec<Vec<String>> =
        found.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    match format {
        Format::Json => output::json(&json!(found)),
        Format::Text if cells.is_empty() => eprintln!("{empty}"),
        Format::Text => output::line(&table(headings, &cells)),
    }
    Ok(ExitCode::SUCCESS)
}

/// A value as a person reads it; what is absent is a dash.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Epoch seconds as a UTC time to the second.
fn time(value: &Value) -> String {
    let Some(seconds) = value.as_f64() else { return text(value) };
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are shown")]
    let moment = chrono::DateTime::from_timestamp(seconds as i64, 0);
    moment.map_or_else(|| text(value), |moment| moment.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{text, time};

    #[test]
    fn values_are_shown_as_people_read_them() {
        assert_eq!(time(&json!(1_795_356_204.683)), "2026-11-22 14:03:24Z");
        assert_eq!(time(&json!(null)), "-");
        assert_eq!(text(&json!(3)), "3");
        assert_eq!(text(&json!("a")), "a");
    }
}
