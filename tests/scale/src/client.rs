//! Signed calls over HTTP, as an SDK makes them.

use std::time::Duration;

use anyhow::{Context, bail};
use millrace_auth::SERVICE;
use millrace_auth::signature::{Request, Signer};
use serde_json::{Value, json};

use crate::account::Account;
use crate::edge;

/// AWS: applications per account and Region.
pub const APPLICATIONS_PER_ACCOUNT: u32 = 100;
const REGION: &str = "us-east-1";
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    address: String,
    accounts: Vec<Signer>,
}

impl Client {
    /// # Errors
    /// There is no HTTP client to be had.
    pub fn new(address: String, accounts: u32) -> anyhow::Result<Client> {
        let signer = |number| Signer {
            key: Account::of(number).key,
            region: REGION.to_owned(),
            service: SERVICE.to_owned(),
        };
        let http = reqwest::Client::builder().timeout(TIMEOUT).build()?;
        Ok(Client { http, address, accounts: (0..accounts).map(signer).collect() })
    }

    /// # Errors
    /// It is refused, or nobody answers.
    pub async fn call(
        &self,
        application: u32,
        operation: &str,
        mut body: Value,
    ) -> anyhow::Result<Value> {
        body["ApplicationName"] = name(application).into();
        let body = body.to_string();
        let at_ms = edge::now_ms();
        let target = format!("KinesisAnalytics_20180523.{operation}");
        let (date, length) = (Signer::date(at_ms), body.len().to_string());
        let headers: [(&str, &str); 5] = [
            ("content-length", &length),
            ("content-type", "application/x-amz-json-1.1"),
            ("host", &self.address),
            ("x-amz-date", &date),
            ("x-amz-target", &target),
        ];
        let signed: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let request = Request { method: "POST", path: "/", query: "", headers: &signed };
        // Neighbours are of different accounts: one account has few calls at once.
        let signer = &self.accounts[application as usize % self.accounts.len()];
        let authorization = signer.authorization(&request, body.as_bytes(), at_ms);
        let mut request = self.http.post(format!("http://{}/", self.address));
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, *value);
        }
        let response = request.header("authorization", authorization).body(body).send().await?;
        let status = response.status();
        let answer = response.text().await?;
        if !status.is_success() {
            bail!("{operation} of {} was answered {status}: {answer}", name(application));
        }
        serde_json::from_str(&answer).with_context(|| format!("{operation} gave no JSON"))
    }
}

/// Unique within its account.
pub fn name(application: u32) -> String {
    format!("application-{application}")
}

/// The least request that creates an application which can start.
pub fn creation() -> Value {
    json!({
        "RuntimeEnvironment": "FLINK-1_18",
        "ServiceExecutionRole": "arn:aws:iam::000000000000:role/scale",
        "ApplicationConfiguration": {
            "ApplicationCodeConfiguration": {
                "CodeContentType": "PLAINTEXT",
                "CodeContent": { "TextContent": "SELECT 1" },
            },
            "EnvironmentProperties": { "PropertyGroups": [properties(0)] },
        },
    })
}

/// To a new version.
pub fn update(version: u64) -> Value {
    json!({
        "CurrentApplicationVersionId": version,
        "ApplicationConfigurationUpdate": {
            "EnvironmentPropertyUpdates": { "PropertyGroups": [properties(version)] },
        },
    })
}

fn properties(number: u64) -> Value {
    json!({ "PropertyGroupId": "load", "PropertyMap": { "number": number.to_string() } })
}
