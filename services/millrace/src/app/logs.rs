//! `millrace logs`.

use std::process::ExitCode;

use super::args::LogArguments;
use super::client::Client;
use crate::output;

pub async fn print(client: &Client, arguments: &LogArguments) -> anyhow::Result<ExitCode> {
    let LogArguments { name, follow, tail, search, generation } = arguments;
    let mut path = format!("/v1/applications/{name}/logs?follow={follow}&tail={tail}");
    if let Some(search) = search {
        let escaped: String = search.bytes().map(|byte| format!("%{byte:02X}")).collect();
        path.push_str(&format!("&search={escaped}"));
    }
    if let Some(generation) = generation {
        path.push_str(&format!("&generation={generation}"));
    }
    let mut answer = client.get(&path, &[]).await?;
    while let Some(bytes) = answer.chunk().await? {
        output::write_out(&bytes);
    }
    Ok(ExitCode::SUCCESS)
}
