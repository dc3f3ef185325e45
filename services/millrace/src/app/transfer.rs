//! `millrace snapshot …`: snapshots of the account, taken, deleted, to and from S3.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::args::{
    ExportArguments, ImportArguments, KeepArguments, LabelArguments, TransferCommand,
};
use super::client::Client;
use super::{input, show, wait};
use crate::output::{self, Format};

pub async fn run(
    client: &Client,
    format: Format,
    command: TransferCommand,
) -> anyhow::Result<ExitCode> {
    match command {
        TransferCommand::List => list(client, format).await,
        TransferCommand::Create(arguments) => create(client, format, &arguments).await,
        TransferCommand::Delete { name, no_wait } => delete(client, format, &name, no_wait).await,
        TransferCommand::Export(arguments) => export(client, format, &arguments).await,
        TransferCommand::Import(arguments) => import(client, format, &arguments).await,
    }
}

async fn list(client: &Client, format: Format) -> anyhow::Result<ExitCode> {
    let found = show::pages(client, "ListSnapshots", json!({}), "SnapshotInfoList").await?;
    let columns = [
        "SnapshotName",
        "SnapshotStatus",
        "SourceApplicationName",
        "SnapshotInitiatorOperation",
        "SnapshotCreationTimestamp",
    ];
    let headings = ["NAME", "STATUS", "APPLICATION", "MADE BY", "CREATED"];
    let empty = "no snapshots; `millrace snapshot import NAME s3://BUCKET/PREFIX` makes one";
    show::rows(format, &found, &headings, &columns, empty)
}

async fn create(
    client: &Client,
    format: Format,
    arguments: &KeepArguments,
) -> anyhow::Result<ExitCode> {
    let name = &arguments.name;
    let mut request = json!({ "ApplicationName": arguments.application, "SnapshotName": name });
    label(&mut request, &arguments.label)?;
    let answer = client.call("CreateSnapshot", request).await?;
    let what = format!("taking snapshot {name}");
    let arn = answer["SnapshotArn"].clone();
    follow(client, format, name, answer, (&what, arguments.no_wait), |_| {
        format!("took {name} of {} as {}", arguments.application, arn.as_str().unwrap_or_default())
    })
    .await
}

async fn delete(
    client: &Client,
    format: Format,
    name: &str,
    no_wait: bool,
) -> anyhow::Result<ExitCode> {
    let found = client.call("DescribeSnapshot", json!({ "SnapshotName": name })).await?;
    let request = json!({
        "SnapshotName": name,
        "SnapshotCreationTimestamp": found["SnapshotInfoDetails"]["SnapshotCreationTimestamp"],
    });
    let answer = client.call("DeleteSnapshot", request).await?;
    let what = format!("deleting snapshot {name}");
    follow(client, format, name, answer, (&what, no_wait), |_| format!("deleted {name}")).await
}

fn label(request: &mut Value, label: &LabelArguments) -> anyhow::Result<()> {
    if !label.description.is_empty() {
        request["SnapshotDescription"] = json!(label.description);
    }
    if !label.tags.is_empty() {
        let tags = label.tags.iter().map(|tag| input::tag_of(tag));
        request["Tags"] = Value::Array(tags.collect::<anyhow::Result<_>>()?);
    }
    Ok(())
}

async fn export(
    client: &Client,
    format: Format,
    arguments: &ExportArguments,
) -> anyhow::Result<ExitCode> {
    let request = json!({
        "SnapshotName": arguments.name,
        "ExportDestinationConfiguration": {
            "DestinationType": "S3",
            "ExportRoleArn": arguments.transfer.role,
            "DestinationS3PrefixLocation": place(&arguments.place)?,
        },
    });
    let answer = client.call("ExportSnapshot", request).await?;
    let what = format!("exporting {}", arguments.name);
    follow(client, format, &arguments.name, answer, (&what, arguments.transfer.no_wait), |ended| {
        let written = &ended["SnapshotDestinationLocationDescription"]["S3PrefixLocation"];
        let prefix = written["ExportedPrefix"].as_str().unwrap_or_default();
        let (bucket, _) = split(&arguments.place).unwrap_or_default();
        format!("exported {} to s3://{bucket}/{prefix}", arguments.name)
    })
    .await
}

async fn import(
    client: &Client,
    format: Format,
    arguments: &ImportArguments,
) -> anyhow::Result<ExitCode> {
    let mut request = json!({
        "SnapshotName": arguments.name,
        "ImportSourceConfiguration": {
            "SourceType": "S3",
            "ImportRoleArn": arguments.transfer.role,
            "SourceS3PrefixLocation": place(&arguments.place)?,
        },
    });
    label(&mut request, &arguments.label)?;
    let answer = client.call("ImportSnapshot", request).await?;
    let what = format!("importing {}", arguments.name);
    let arn = answer["SnapshotArn"].clone();
    follow(client, format, &arguments.name, answer, (&what, arguments.transfer.no_wait), |_| {
        format!("imported {} as {}", arguments.name, arn.as_str().unwrap_or_default())
    })
    .await
}

/// Waits for the operation, says how it ended. The exit code tells a failed one.
async fn follow(
    client: &Client,
    format: Format,
    name: &str,
    answer: Value,
    (what, no_wait): (&str, bool),
    succeeded: impl FnOnce(&Value) -> String,
) -> anyhow::Result<ExitCode> {
    let id = answer["SnapshotOperationId"].as_str().unwrap_or_default();
    if no_wait {
        match format {
            Format::Json => output::json(&answer),
            Format::Text => output::line(&format!("{what}: accepted as {id}")),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let ended = wait::snapshot_operation(client, name, id, what).await?;
    let is_done = ended["SnapshotOperationStatus"] == "SUCCESSFUL";
    match format {
        Format::Json => output::json(&ended),
        Format::Text if is_done => output::line(&succeeded(&ended)),
        Format::Text => {
            let cause = &ended["SnapshotOperationFailureDetails"]["ErrorInfo"]["ErrorString"];
            eprintln!("error: {what}: {}", cause.as_str().unwrap_or("no cause was recorded"));
        }
    }
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn place(url: &str) -> anyhow::Result<Value> {
    let (bucket, prefix) = split(url)?;
    Ok(json!({ "BucketARN": format!("arn:aws:s3:::{bucket}"), "KeyPrefix": prefix }))
}

fn split(url: &str) -> anyhow::Result<(&str, &str)> {
    let parts = url.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let parts = parts.filter(|(bucket, prefix)| !bucket.is_empty() && !prefix.is_empty());
    parts.with_context(|| format!("{url:?} is no place: write s3://BUCKET/PREFIX"))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_place_is_a_bucket_and_a_prefix() {
        assert_eq!(split("s3://b/p/q").expect("a place"), ("b", "p/q"));
        for bad in ["b/p", "s3://b", "s3://b/", "s3:///p", ""] {
            let error = split(bad).expect_err(bad).to_string();
            assert!(error.contains("s3://BUCKET/PREFIX"), "{error}");
        }
    }
}
