//! A tiny client of the AWS JSON 1.1 protocol, which signs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use millrace_auth::signature::{Request, Signer};
use millrace_auth::{NewAccessKey, SERVICE};
use serde_json::{Value, json};

use crate::http;
use crate::time::{until, wall_ms};

/// An error answer: the code from `__type`, and its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl std::error::Error for AwsError {}

/// Speaks to one address, `127.0.0.1:8181`, with one access key.
#[derive(Clone, Debug)]
pub struct Aws {
    pub address: String,
    pub key: NewAccessKey,
}

static CALLS: AtomicU64 = AtomicU64::new(0);

impl Aws {
    /// One call under a fresh invocation id.
    ///
    /// # Errors
    /// [`AwsError`] for an error answer; anything else for no answer.
    pub fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        let number = CALLS.fetch_add(1, Ordering::Relaxed);
        self.call_as(&format!("test-{}-{number}", std::process::id()), operation, input)
    }

    /// One call under the given `amz-sdk-invocation-id`: a retry uses the same again.
    ///
    /// # Errors
    /// As [`Aws::call`].
    pub fn call_as(
        &self,
        invocation: &str,
        operation: &str,
        input: Value,
    ) -> anyhow::Result<Value> {
        let target = format!("KinesisAnalytics_20180523.{operation}");
        let headers = [
            ("amz-sdk-invocation-id", invocation),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        let body = input.to_string();
        let signed = self.signed(("POST", "/"), &headers, &body);
        let headers: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (*name, value.as_str())).chain(headers).collect();
        let answer = http::request(&self.address, "POST", "/", &headers, &body)?;
        let body: Value = serde_json::from_str(&answer.body)
            .with_context(|| format!("{operation}: not JSON: {:.200}", answer.body))?;
        if answer.status == 200 {
            return Ok(body);
        }
        let code = body["__type"].as_str().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        let message = body["Message"].as_str().or(body["message"].as_str()).unwrap_or_default();
        Err(AwsError { status: answer.status, code, message: message.to_owned() }.into())
    }

    /// A call of the REST surface: its status and its body. `null` is no body.
    ///
    /// # Errors
    /// There was no answer.
    pub fn rest(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let json = [("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let signed = self.signed((method, path), &json, &body);
        let headers: Vec<(&str, &str)> =
            signed.iter().map(|(name, value)| (*name, value.as_str())).chain(json).collect();
        let answer = http::request(&self.address, method, path, &headers, &body)?;
        Ok((answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null)))
    }

    /// The headers that a signature adds.
    fn signed(
        &self,
        (method, target): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> [(&'static str, String); 2] {
        let (now_ms, address) = (wall_ms(), self.address.as_str());
        let date = Signer::date(now_ms);
        let added = [("host", address), ("x-amz-date", date.as_str())];
        let headers: Vec<(&str, &[u8])> =
            headers.iter().chain(&added).map(|(name, value)| (*name, value.as_bytes())).collect();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request { method, path, query, headers: &headers };
        let (key, region) = (self.key.clone(), "us-east-1".to_owned());
        let signer = Signer { key, region, service: SERVICE.to_owned() };
        let authorization = signer.authorization(&request, body.as_bytes(), now_ms);
        [("x-amz-date", date), ("authorization", authorization)]
    }

    pub fn describe(&self, name: &str) -> anyhow::Result<Value> {
        let answer = self.call("DescribeApplication", json!({"ApplicationName": name}))?;
        Ok(answer["ApplicationDetail"].clone())
    }

    /// The operation once it is no longer IN_PROGRESS. A server that is down meanwhile
    /// is waited for.
    pub fn settled(&self, name: &str, id: &str, timeout: Duration) -> anyhow::Result<Value> {
        let what = format!("operation {id} of {name}");
        until(&what, timeout, || {
            let input = json!({"ApplicationName": name, "OperationId": id});
            let answer = match self.call("DescribeApplicationOperation", input) {
                Ok(answer) => answer,
                Err(failure) if failure.is::<AwsError>() => return Err(failure),
                Err(_) => return Ok(None),
            };
            let details = answer["ApplicationOperationInfoDetails"].clone();
            Ok((details["OperationStatus"] != "IN_PROGRESS").then_some(details))
        })
    }

    /// Calls, then waits for the operation that the answer names to be SUCCESSFUL.
    ///
    /// # Errors
    /// It was refused, did not end in time, or ended otherwise: with its own error text.
    pub fn complete(
        &self,
        operation: &str,
        input: Value,
        timeout: Duration,
    ) -> anyhow::Result<Value> {
        let name = input["ApplicationName"].as_str().context("no ApplicationName")?.to_owned();
        let answer = self.call(operation, input)?;
        let id = answer["OperationId"].as_str().context("no OperationId in the answer")?;
        let details = self.settled(&name, id, timeout)?;
        if details["OperationStatus"] != "SUCCESSFUL" {
            bail!("{operation} of {name}: {details}");
        }
        Ok(details)
    }
}
