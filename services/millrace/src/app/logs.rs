//! `millrace app logs`.

use std::process::ExitCode;

use super::client::Client;
use crate::output;

pub async fn print(client: &Client, name: &str, follow: bool) -> anyhow::Result<ExitCode> {
    let mut answer = client.get(&format!("/v1/applications/{name}/logs?follow={follow}")).await?;
    while let Some(bytes) = answer.chunk().await? {
        output::write_out(&bytes);
    }
    Ok(ExitCode::SUCCESS)
}
