//! The AWS JSON 1.1 protocol over HTTP, signed.

use std::time::Duration;

use anyhow::Context;
use millrace_auth::signature::{Request as Signed, Signer};
use millrace_auth::{NewAccessKey, SERVICE};
use reqwest::{Method, Url};
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
        "UnrecognizedClientException" | "InvalidSignatureException" => {
            "\nnext: is this the server that the access key is of? It is taken from --profile, the \
             server's data directory (--data-dir), or the AWS environment; `millrace keys list` \
             on the server's machine shows those there are"
        }
        "AccessDeniedException" => {
            "\nnext: `millrace policy simulate` on the server's machine shows which policy decides"
        }
        "UnsupportedOperationException" => {
            "\nnext: see the operations this server offers in its README"
        }
        _ => "",
    }
}

pub struct Client {
    http: reqwest::Client,
    pub endpoint: String,
    signer: Signer,
}

impl Client {
    /// # Errors
    /// The endpoint is no URL.
    pub fn new(endpoint: &str, region: String, key: NewAccessKey) -> anyhow::Result<Client> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        url(&endpoint, "/")?;
        let signer = Signer { key, region, service: SERVICE.to_owned() };
        Ok(Client { http: reqwest::Client::new(), endpoint, signer })
    }

    /// One call; `input` must not hold members that are null.
    ///
    /// # Errors
    /// [`Refused`] for an error answer; otherwise what went wrong on the way.
    pub async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        let headers = vec![
            ("amz-sdk-invocation-id", edge::new_id().to_string()),
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", format!("{TARGET}.{operation}")),
        ];
        let request = self.signed(Method::POST, "/", headers, input.to_string())?;
        let answer = request.timeout(PATIENCE).send().await.with_context(|| self.unreachable())?;
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
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<reqwest::Response> {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let request = self.signed(Method::GET, path, headers, String::new())?;
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
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> anyhow::Result<Value> {
        self.send(Method::POST, path, headers, body).await
    }

    /// As [`Client::post`].
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send(Method::PUT, path, &[], body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> anyhow::Result<Value> {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let headers = headers.chain([("content-type", "application/json".to_owned())]).collect();
        let request = self.signed(method, path, headers, body.to_string())?;
        let answer = request.timeout(PATIENCE).send().await.with_context(|| self.unreachable())?;
        let accepted = answer.status().is_success();
        let text = answer.text().await.with_context(|| self.unreachable())?;
        let body: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a Millrace server: {text:.100}", self.endpoint))?;
        if accepted { Ok(body) } else { Err(refused(&body).into()) }
    }

    /// Signs all of `headers`, where the request goes, and when.
    fn signed(
        &self,
        method: Method,
        path: &str,
        mut headers: Vec<(&'static str, String)>,
        body: String,
    ) -> anyhow::Result<reqwest::RequestBuilder> {
        let (url, now_ms) = (url(&self.endpoint, path)?, edge::now_ms());
        headers.push(("host", host(&url)));
        headers.push(("x-amz-date", Signer::date(now_ms)));
        let signed: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let request = Signed {
            method: method.as_str(),
            path: url.path(),
            query: url.query().unwrap_or_default(),
            headers: &signed,
        };
        let authorization = self.signer.authorization(&request, body.as_bytes(), now_ms);
        let mut request = self.http.request(method, url).header("authorization", authorization);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok(request.body(body))
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

fn url(endpoint: &str, path: &str) -> anyhow::Result<Url> {
    let url = Url::parse(&format!("{endpoint}{path}")).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.with_context(|| format!("{endpoint:?} is no endpoint: write http://127.0.0.1:8181"))
}

/// As the `Host` header has it: the port unless it is the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::{host, refused, url};

    #[test]
    fn the_host_is_signed_as_it_is_sent() {
        let check = |endpoint: &str, expected: &str| {
            assert_eq!(host(&url(endpoint, "/").expect("a URL")), expected);
        };
        check("http://127.0.0.1:8181", "127.0.0.1:8181");
        check("https://millrace.example", "millrace.example");
        check("https://millrace.example:443", "millrace.example");
        check("http://[::1]:8181", "[::1]:8181");
        for bad in ["127.0.0.1:8181", "", "ftp://x", "http://"] {
            assert!(url(bad, "/").is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_answer_keeps_its_code_and_says_what_to_do() {
        let body =
            serde_json::json!({"__type": "ns#ResourceNotFoundException", "Message": "No a."});
        let text = refused(&body).to_string();
        assert!(text.starts_with("ResourceNotFoundException: No a.\nnext: "), "{text}");
    }
}
