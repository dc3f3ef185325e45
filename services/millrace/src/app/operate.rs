//! Commands that change something.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{CreateArguments, StartArguments, StopArguments, Target, UpdateArguments};
use super::client::Client;
use super::{input, wait};
use crate::output::{self, Format};

pub async fn create(
    client: &Client,
    format: Format,
    arguments: CreateArguments,
) -> anyhow::Result<ExitCode> {
    let answer = client.call("CreateApplication", input::create(&arguments)?).await?;
    let detail = &answer["ApplicationDetail"];
    if arguments.start {
        let request = json!({"ApplicationName": arguments.name});
        let target = Target { name: arguments.name, no_wait: arguments.no_wait };
        return operate(client, format, "StartApplication", request, &target).await;
    }
    match format {
        Format::Json => output::json(detail),
        Format::Text => output::line(&format!(
            "created {name} with {runtime}; start it with `millrace app start {name}`",
            name = arguments.name,
            runtime = arguments.runtime,
        )),
    }
    Ok(ExitCode::SUCCESS)
}

pub async fn start(
    client: &Client,
    format: Format,
    arguments: StartArguments,
) -> anyhow::Result<ExitCode> {
    let mut request = json!({"ApplicationName": arguments.target.name});
    if let Some(run) = input::restore(&arguments.restore) {
        request["RunConfiguration"] = run;
    }
    operate(client, format, "StartApplication", request, &arguments.target).await
}

pub async fn stop(
    client: &Client,
    format: Format,
    arguments: StopArguments,
) -> anyhow::Result<ExitCode> {
    let request = json!({"ApplicationName": arguments.target.name, "Force": arguments.force});
    operate(client, format, "StopApplication", request, &arguments.target).await
}

pub async fn update(
    client: &Client,
    format: Format,
    arguments: UpdateArguments,
) -> anyhow::Result<ExitCode> {
    let detail = described(client, &arguments.target.name).await?;
    let request = input::update(&arguments, &detail)?;
    operate(client, format, "UpdateApplication", request, &arguments.target).await
}

pub async fn rollback(client: &Client, format: Format, target: Target) -> anyhow::Result<ExitCode> {
    let detail = described(client, &target.name).await?;
    let request = json!({
        "ApplicationName": target.name,
        "CurrentApplicationVersionId": detail["ApplicationVersionId"],
    });
    operate(client, format, "RollbackApplication", request, &target).await
}

pub async fn delete(client: &Client, format: Format, target: Target) -> anyhow::Result<ExitCode> {
    let detail = described(client, &target.name).await?;
    let request = json!({
        "ApplicationName": target.name,
        "CreateTimestamp": detail["CreateTimestamp"],
    });
    client.call("DeleteApplication", request).await?;
    if !target.no_wait {
        wait::deletion(client, &target.name).await?;
    }
    match format {
        Format::Json => {
            output::json(&json!({"ApplicationName": target.name, "Deleted": !target.no_wait}))
        }
        Format::Text if target.no_wait => output::line(&format!("deleting {}", target.name)),
        Format::Text => output::line(&format!("deleted {}", target.name)),
    }
    Ok(ExitCode::SUCCESS)
}

async fn described(client: &Client, name: &str) -> anyhow::Result<Value> {
    let answer = client.call("DescribeApplication", json!({"ApplicationName": name})).await?;
    Ok(answer["ApplicationDetail"].clone())
}

/// Sends the request, waits for its operation, says how it ended. The exit code tells
/// a failed operation from a successful one.
async fn operate(
    client: &Client,
    format: Format,
    kind: &str,
    request: Value,
    target: &Target,
) -> anyhow::Result<ExitCode> {
    let name = &target.name;
    let answer = client.call(kind, request).await?;
    let id = answer["OperationId"].as_str().filter(|_| !target.no_wait);
    let Some(id) = id else {
        accepted(format, kind, name, &answer);
        return Ok(ExitCode::SUCCESS);
    };
    let settled = wait::operation(client, name, id, &format!("{kind} {name}")).await?;
    match format {
        Format::Json => output::json(&settled.details),
        Format::Text if settled.succeeded() => output::line(&format!(
            "{kind} {name}: SUCCESSFUL in {:.2} s, {}",
            settled.took.as_secs_f64(),
            summary(&described(client, name).await?)
        )),
        Format::Text => {
            let status = settled.details["OperationStatus"].as_str().unwrap_or("FAILED");
            eprintln!("error: {kind} {name}: {status}: {}", settled.cause());
            eprintln!("the application is {}", summary(&described(client, name).await?));
            eprintln!("next: `millrace app operations {name} {id}`, `millrace app logs {name}`");
        }
    }
    Ok(if settled.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn accepted(format: Format, kind: &str, name: &str, answer: &Value) {
    match (format, answer["OperationId"].as_str()) {
        (Format::Json, _) => output::json(answer),
        (Format::Text, Some(id)) => output::line(&format!(
            "{kind} {name}: accepted as {id}; follow it with `millrace app operations {name} {id}`"
        )),
        (Format::Text, None) => output::line(&format!("{kind} {name}: done")),
    }
}

fn summary(detail: &Value) -> String {
    format!(
        "{} at version {} on {}",
        detail["ApplicationStatus"].as_str().unwrap_or("?"),
        detail["ApplicationVersionId"],
        detail["RuntimeEnvironment"].as_str().unwrap_or("?"),
    )
}
