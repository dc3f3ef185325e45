//! CloudWatch Logs, as far as a writer of logs needs it: `PutLogEvents`.

use std::time::Duration;

use anyhow::Context;
use millrace_auth::signature::{Request, Signer};
use millrace_auth::{AccessKeyId, NewAccessKey, SecretKey};
use reqwest::Url;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

/// A log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub region: String,
    pub account: String,
    pub group: String,
    pub name: String,
}

impl Stream {
    /// `arn:aws:logs:REGION:ACCOUNT:log-group:GROUP:log-stream:STREAM`
    pub fn of_arn(arn: &str) -> Option<Stream> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, _, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (group, name) = rest.strip_prefix("log-group:")?.split_once(":log-stream:")?;
        let whole = scheme == "arn" && service == "logs" && !group.is_empty() && !name.is_empty();
        whole.then(|| Stream {
            region: region.to_owned(),
            account: account.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// An event: when, in milliseconds, and what.
pub type Event = (i64, String);

/// Why events were not taken.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// CloudWatch Logs says why; `code` is its name for it.
    #[error("{code}: {message}")]
    Refused { code: String, message: String },
    #[error("CloudWatch Logs did not answer")]
    NoAnswer(#[source] anyhow::Error),
}

/// Writes with one key to the CloudWatch Logs at one endpoint.
#[derive(Clone, Debug)]
pub struct CloudWatchLogs {
    http: reqwest::Client,
    endpoint: Url,
    key: NewAccessKey,
    token: Option<String>,
}

impl CloudWatchLogs {
    /// With the key of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if it is there,
    /// `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// The endpoint is none, or there is no such key.
    pub fn at(endpoint: &str) -> anyhow::Result<CloudWatchLogs> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = Url::parse(endpoint)
            .with_context(|| format!("--logs-endpoint {endpoint:?} is no URL"))?;
        let needed = "log delivery needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        let id = AccessKeyId::new(&variable("AWS_ACCESS_KEY_ID").context(needed)?);
        let secret = SecretKey::new(&variable("AWS_SECRET_ACCESS_KEY").context(needed)?);
        let key = NewAccessKey {
            id: id.map_err(|_| anyhow::anyhow!("AWS_ACCESS_KEY_ID is no access key"))?,
            secret: secret.map_err(|_| anyhow::anyhow!("AWS_SECRET_ACCESS_KEY is no secret"))?,
        };
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(CloudWatchLogs { http, endpoint, key, token: variable("AWS_SESSION_TOKEN") })
    }

    /// Appends events, oldest first; answers how many of them are too old or too new for the
    /// stream and were left out.
    ///
    /// # Errors
    /// None was taken.
    pub async fn put(
        &self,
        stream: &Stream,
        events: &[Event],
        now_ms: i64,
    ) -> Result<u64, PutError> {
        let event = |(at_ms, message): &Event| json!({ "timestamp": at_ms, "message": message });
        let body = json!({
            "logGroupName": stream.group,
            "logStreamName": stream.name,
            "logEvents": events.iter().map(event).collect::<Vec<_>>(),
        })
        .to_string();
        let answer = self.request(stream, body, now_ms).send().await;
        let answer = answer.map_err(|error| PutError::NoAnswer(error.into()))?;
        let taken = answer.status().is_success();
        let text = answer.text().await.map_err(|error| PutError::NoAnswer(error.into()))?;
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if !taken {
            return Err(refused(&body));
        }
        Ok(left_out(&body["rejectedLogEventsInfo"], events.len() as u64))
    }

    fn request(&self, stream: &Stream, body: String, now_ms: i64) -> reqwest::RequestBuilder {
        let host = self.endpoint.host_str().unwrap_or_default();
        let port = self.endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("host", format!("{host}{port}")),
            ("x-amz-date", Signer::date(now_ms)),
            ("x-amz-target", "Logs_20140328.PutLogEvents".to_owned()),
        ];
        headers.extend(self.token.clone().map(|token| ("x-amz-security-token", token)));
        let signed: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let request = Request { method: "POST", path: "/", query: "", headers: &signed };
        let signer = Signer {
            key: self.key.clone(),
            region: stream.region.clone(),
            service: "logs".to_owned(),
        };
        let authorization = signer.authorization(&request, body.as_bytes(), now_ms);
        let request = self.http.post(self.endpoint.clone()).header("authorization", authorization);
        headers
            .into_iter()
            .fold(request, |request, (name, value)| request.header(name, value))
            .body(body)
    }
}

fn refused(body: &Value) -> PutError {
    let code = body["__type"].as_str().unwrap_or("Error");
    let message = body["message"].as_str().or(body["Message"].as_str()).unwrap_or_default();
    PutError::Refused {
        code: code.rsplit('#').next().unwrap_or(code).to_owned(),
        message: message.to_owned(),
    }
}

/// AWS: indexes into the events, ends exclusive, start inclusive.
fn left_out(info: &Value, all: u64) -> u64 {
    let end = |name: &str| info[name].as_u64().unwrap_or(0);
    let old = end("tooOldLogEventEndIndex").max(end("expiredLogEventEndIndex"));
    let new =
        info["tooNewLogEventStartIndex"].as_u64().map_or(0, |start| all.saturating_sub(start));
    old + new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_from_its_arn() {
        let check = |arn: &str, want: Option<(&str, &str)>| {
            let stream = Stream::of_arn(arn);
            let found = stream.as_ref().map(|it| (it.group.as_str(), it.name.as_str()));
            assert_eq!(found, want, "{arn}");
        };
        let begin = "arn:aws:logs:us-east-1:000000000000";
        check(&format!("{begin}:log-group:/jobs/a:log-stream:b:c"), Some(("/jobs/a", "b:c")));
        check(&format!("{begin}:log-group:a:log-stream:"), None);
        check(&format!("{begin}:log-group:a"), None);
        check("arn:aws:s3:::bucket", None);
    }

    #[test]
    fn events_that_were_left_out_are_counted() {
        let check = |info: Value, want: u64| assert_eq!(left_out(&info, 10), want, "{info}");
        check(Value::Null, 0);
        check(json!({ "tooOldLogEventEndIndex": 3 }), 3);
        check(json!({ "expiredLogEventEndIndex": 4, "tooNewLogEventStartIndex": 8 }), 6);
    }
}
