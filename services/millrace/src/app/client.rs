//! The AWS JSON 1.1 protocol over HTTP.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::edge;

const TARGET: &str = "KinesisAnalytics_20180523";
const PATIENCE: Duration = Duration::from_secs(60);

/// The server's answer was an error. Says what to do next where the code tells.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {message}{}", advice(.code))]
pub struct Refused {
    pub code: String,
    pub message: String,
}

fn advice(code: &str) -> &'static str {
    match code {
        "ResourceNotFoundException" => "\nnext: `millrace app list` shows what there is",
        "ResourceInUseException" => {
            "\nnext: `millrace app describe NAME` shows its status, `millrace app operations NAME` \
             what is going on; `millrace app stop NAME --force` ends it"
        }
        "ConcurrentModificationException" => "\nnext: somebody changed it meanwhile; try again",
        "UnsupportedOperationException" => {
            "\nnext: see the operations this server offers in its README"
        }
        _ => "",
    }
}

pub struct Client {
    http: reqwest::Client,
    pub endpoint: String,
    region: String,
}

impl Client {
    pub fn new(endpoint: &str, region: String) -> Client {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Client { http: reqwest::Client::new(), endpoint, region }
    }

    /// One call; `input` must not hold members that are null.
    ///
    /// # Errors
    /// [`Refused`] for an error answer; otherwise what went wrong on the way.
    pub async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        let request = self
            .http
            .post(format!("{}/", self.endpoint))
            .timeout(PATIENCE)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("{TARGET}.{operation}"))
            .header("authorization", self.credential_scope())
            .header("amz-sdk-invocation-id", edge::new_id().to_string())
            .body(input.to_string());
        let answer = request.send().await.with_context(|| self.unreachable())?;
        let accepted = answer.status().is_success();
        let text = answer.text().await.with_context(|| self.unreachable())?;
        let body: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a Millrace server: {text:.100}", self.endpoint))?;
        if accepted { Ok(body) } else { Err(refused(&body).into()) }
    }

    /// A plain GET, its body left to be read.
    ///
    /// # Errors
    /// [`Refused`] for an error answer; otherwise what went wrong on the way.
    pub async fn get(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.get(format!("{}{path}", self.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("authorization", self.credential_scope());
        let answer = request.send().await.with_context(|| self.unreachable())?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.with_context(|| self.unreachable())?;
        Err(refused(&serde_json::from_str(&text).unwrap_or(Value::String(text))).into())
    }

    /// A call of the REST surface.
    ///
    /// # Errors
    /// [`Refused`] for an error answer; otherwise what went wrong on the way.
    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<Value> {
        let mut request = self.http.post(format!("{}{path}", self.endpoint)).timeout(PATIENCE);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("authorization", self.credential_scope());
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.with_context(|| self.unreachable())?;
        let accepted = answer.status().is_success();
        let text = answer.text().await.with_context(|| self.unreachable())?;
        let body: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a Millrace server: {text:.100}", self.endpoint))?;
        if accepted { Ok(body) } else { Err(refused(&body).into()) }
    }

    /// Names the Region as a signature would; nothing is signed: the server listens on
    /// this machine only.
    fn credential_scope(&self) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=millrace/{}/{}/kinesisanalytics/aws4_request, \
             SignedHeaders=host, Signature=none",
            scope_date(edge::now_ms()),
            self.region
        )
    }

    fn unreachable(&self) -> String {
        format!(
            "no server answers at {}; start one with `millrace serve`, or name another with --endpoint",
            self.endpoint
        )
    }
}

fn refused(body: &Value) -> Refused {
    // Of the AWS surface, or a problem of the REST surface: the codes are the same.
    let code = body["__type"].as_str().or(body["code"].as_str()).unwrap_or("Error");
    let texts = ["Message", "message", "detail"].map(|name| body[name].as_str());
    let message = texts.into_iter().flatten().next().unwrap_or_default();
    Refused {
        code: code.rsplit('#').next().unwrap_or(code).to_owned(),
        message: message.to_owned(),
    }
}

/// The day as a signature's scope writes it.
fn scope_date(now_ms: i64) -> String {
    let now = chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_default();
    now.format("%Y%m%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::{refused, scope_date};

    #[test]
    fn the_scope_names_the_day() {
        assert_eq!(scope_date(0), "19700101");
        assert_eq!(scope_date(1_795_356_204_683), "20261122");
    }

    #[test]
    fn an_error_answer_keeps_its_code_and_says_what_to_do() {
        let body =
            serde_json::json!({"__type": "ns#ResourceNotFoundException", "Message": "No a."});
        let text = refused(&body).to_string();
        assert!(text.starts_with("ResourceNotFoundException: No a.\nnext: "), "{text}");
    }
}
