//! `millrace app scaling`: by which rule an application is scaled.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{ScalingArguments, ScalingRule};
use super::client::Client;
use super::show::text;
use crate::output::{self, Format, pairs};

/// Chooses the rule where one is given; then prints what is in force.
pub async fn scaling(
    client: &Client,
    format: Format,
    arguments: &ScalingArguments,
) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/applications/{}", arguments.name);
    let application: Value = match arguments.rule {
        Some(rule) => {
            let body = body(rule, arguments.target);
            client.put(&format!("{path}/scaling"), &body).await?["application"].take()
        }
        None => serde_json::from_str(&client.get(&path, &[]).await?.text().await?)?,
    };
    match format {
        Format::Json => output::json(&application["scaling"]),
        Format::Text => output::line(&lines(&application)),
    }
    Ok(ExitCode::SUCCESS)
}

fn body(rule: ScalingRule, target: Option<u8>) -> Value {
    let rule = match rule {
        ScalingRule::Cpu => "CPU",
        ScalingRule::Rate => "RATE",
    };
    match target {
        Some(percent) => json!({ "rule": rule, "targetUtilization": percent }),
        None => json!({ "rule": rule }),
    }
}

fn lines(application: &Value) -> String {
    let scaling = &application["scaling"];
    let mut told = vec![("rule", text(&scaling["rule"]).to_lowercase())];
    if !scaling["targetUtilization"].is_null() {
        told.push(("target", format!("{} %", text(&scaling["targetUtilization"]))));
    }
    told.push(("parallelism now", text(&application["currentParallelism"])));
    if !scaling["held"].is_null() {
        told.push(("held", text(&scaling["held"])));
    }
    pairs(&told).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_told_with_what_holds_it() {
        let application = json!({ "currentParallelism": 4, "scaling": {
            "rule": "RATE", "targetUtilization": 70, "held": "4 is the most" } });
        let told = lines(&application);
        for said in ["rate", "70 %", "4 is the most"] {
            assert!(told.contains(said), "{told}");
        }
        assert_eq!(body(ScalingRule::Cpu, None), json!({ "rule": "CPU" }));
        let rate = json!({ "rule": "RATE", "targetUtilization": 60 });
        assert_eq!(body(ScalingRule::Rate, Some(60)), rate);
    }
}
