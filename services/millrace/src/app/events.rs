//! `millrace events`: what happened to an application, and what happens.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, Refused};
use super::show::text;
use crate::output::{self, Format};

/// Events shown before those that follow.
const SHOWN: u32 = 50;
/// Before coming back to a server that ended the stream.
const PAUSE: Duration = Duration::from_secs(1);

/// Prints the last events, oldest first; with `follow` also those to come, until the
/// application is gone.
pub async fn print(
    client: &Client,
    format: Format,
    name: &str,
    follow: bool,
) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/applications/{name}/events");
    let answer = client.get(&format!("{path}?limit={SHOWN}"), &[]).await?;
    let list: Value = serde_json::from_str(&answer.text().await?)?;
    let events = list["events"].as_array().cloned().unwrap_or_default();
    for event in events.iter().rev() {
        show(format, event);
    }
    let mut last = events.first().and_then(|event| event["sequence"].as_u64()).unwrap_or(0);
    match follow {
        true => go_on(client, format, &path, &mut last).await,
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Prints what follows `last`, until the application is gone.
async fn go_on(
    client: &Client,
    format: Format,
    path: &str,
    last: &mut u64,
) -> anyhow::Result<ExitCode> {
    loop {
        match stream(client, format, path, last).await {
            Ok(()) => tokio::time::sleep(PAUSE).await,
            Err(failure) if is_gone(&failure) => return Ok(ExitCode::SUCCESS),
            Err(failure) => return Err(failure),
        }
    }
}

fn is_gone(failure: &anyhow::Error) -> bool {
    let refused = failure.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.code == "ResourceNotFoundException")
}

/// Prints what comes until the stream ends, and notes where it was.
async fn stream(client: &Client, format: Format, path: &str, last: &mut u64) -> anyhow::Result<()> {
    let from = last.to_string();
    let headers = [("accept", "text/event-stream"), ("last-event-id", from.as_str())];
    let mut answer = client.get(path, &headers).await?;
    let mut received = Vec::new();
    // A stream that breaks off is one that ended: the next one goes on there.
    while let Ok(Some(bytes)) = answer.chunk().await {
        received.extend_from_slice(&bytes);
        for event in taken(&mut received) {
            *last = event["sequence"].as_u64().unwrap_or(*last);
            show(format, &event);
        }
    }
    Ok(())
}

/// The whole events received, taken out. Each has its data in one line.
fn taken(received: &mut Vec<u8>) -> Vec<Value> {
    let mut events = Vec::new();
    while let Some(end) = received.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = received.drain(..=end).collect();
        let data = line.strip_prefix(b"data: ".as_slice());
        events.extend(data.and_then(|data| serde_json::from_slice::<Value>(data).ok()));
    }
    events
}

/// JSON is a line for each event.
fn show(format: Format, event: &Value) {
    match format {
        Format::Json => output::line(&event.to_string()),
        Format::Text => output::line(&format!(
            "{}  {:<13}  {}",
            text(&event["at"]),
            text(&event["status"]),
            text(&event["message"])
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn events_are_taken_whole_however_they_come() {
        let mut received = b"retry: 1000\n\nid: 1\nevent: X\ndata: {\"sequence\":1}\n\nda".to_vec();
        assert_eq!(taken(&mut received).len(), 1);
        received.extend_from_slice(b"ta: {\"sequence\":2}\n");
        assert_eq!(taken(&mut received)[0]["sequence"], 2);
        assert!(received.is_empty());
    }
}
