//! Programs on a cluster, through Flink's REST interface: `/jars`.
//!
//! Guarantees: a job is submitted under the id that the caller chose, so that submitting it
//! again finds it running; every call ends within its timeout; a refusal is Flink's stack
//! trace, in whole, for [`failure`](super::failure) to read.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use crate::error::LauncherError;

/// Planning is slow the first time, and slower on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The client of `/jars`; clones share connections.
#[derive(Clone, Debug)]
pub struct Jars {
    client: Client,
}

/// A program with what it is called with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// As the upload named it.
    pub jar: String,
    /// `None`: that of the JAR's manifest.
    pub entry_class: Option<String>,
    pub arguments: Vec<String>,
    pub parallelism: u32,
}

/// How a job starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub job: String,
    pub savepoint: Option<String>,
    pub allow_non_restored_state: bool,
}

/// The cluster answered that it will not, with a stack trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace(pub String);

impl Jars {
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new() -> Result<Jars, LauncherError> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()
            .map_err(|source| LauncherError::Http { url: "(client)".to_owned(), source })?;
        Ok(Jars { client })
    }

    /// Uploads a program; answers its name on the cluster.
    pub async fn upload(&self, address: &str, jar: Vec<u8>) -> Result<String, LauncherError> {
        // No line of a JAR is this: it has bytes that no text has, and it is compressed.
        const BOUNDARY: &str = "millrace-7f1cbd02e3a64c0c9d1f";
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"jarfile\"; \
             filename=\"application.jar\"\r\nContent-Type: application/x-java-archive\r\n\r\n"
        )
        .into_bytes();
        body.extend(jar);
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let url = format!("http://{address}/jars/upload");
        let answer = self
            .post(&url, kind, body)
            .await?
            .map_err(|trace| LauncherError::Answer { url: url.clone(), problem: trace.0 })?;
        let file = answer["filename"].as_str().unwrap_or_default();
        match file.rsplit('/').next().filter(|name| !name.is_empty()) {
            Some(name) => Ok(name.to_owned()),
            None => Err(LauncherError::Answer { url, problem: "it names no filename".to_owned() }),
        }
    }

    /// Plans the program: its job graph, in Flink's JSON. Nothing is run but the program's
    /// `main`, up to where it would submit its job.
    pub async fn plan(
        &self,
        address: &str,
        program: &Program,
    ) -> Result<Result<Value, Trace>, LauncherError> {
        let url = format!("http://{address}/jars/{}/plan", program.jar);
        let answer = self.post_json(&url, &body(program, None)).await?;
        Ok(answer.map(|mut answer| answer["plan"].take()))
    }

    /// Runs the program. That the job is there already is told by its trace.
    pub async fn run(
        &self,
        address: &str,
        program: &Program,
        run: &Run,
    ) -> Result<Result<(), Trace>, LauncherError> {
        let url = format!("http://{address}/jars/{}/run", program.jar);
        Ok(self.post_json(&url, &body(program, Some(run))).await?.map(drop))
    }

    async fn post_json(
        &self,
        url: &str,
        body: &Value,
    ) -> Result<Result<Value, Trace>, LauncherError> {
        self.post(url, "application/json".to_owned(), body.to_string().into_bytes()).await
    }

    async fn post(
        &self,
        url: &str,
        kind: String,
        body: Vec<u8>,
    ) -> Result<Result<Value, Trace>, LauncherError> {
        let failed = |source| LauncherError::Http { url: url.to_owned(), source };
        let request = self.client.post(url).header("content-type", kind).body(body);
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if !status.is_success() {
            return Ok(Err(Trace(trace(&text))));
        }
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Ok(value)),
            Err(error) => {
                let problem = error.to_string();
                Err(LauncherError::Answer { url: url.to_owned(), problem })
            }
        }
    }
}

fn body(program: &Program, run: Option<&Run>) -> Value {
    let mut body = json!({
        "programArgsList": program.arguments,
        "parallelism": program.parallelism,
    });
    if let Some(class) = &program.entry_class {
        body["entryClass"] = json!(class);
    }
    if let Some(run) = run {
        body["jobId"] = json!(run.job);
        body["allowNonRestoredState"] = json!(run.allow_non_restored_state);
        if let Some(savepoint) = &run.savepoint {
            body["savepointPath"] = json!(savepoint);
        }
    }
    body
}

/// Flink: `{"errors":["Internal server error.","<Exception on server side:…"]}`; the last
/// is the most precise.
fn trace(text: &str) -> String {
    let value: Option<Value> = serde_json::from_str(text).ok();
    let errors = value.as_ref().and_then(|value| value["errors"].as_array());
    let last = errors.and_then(|errors| errors.iter().rev().find_map(Value::as_str));
    last.unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_what_is_given_and_nothing_else() {
        let program = Program { arguments: vec!["a".into()], parallelism: 2, ..Program::default() };
        assert_eq!(body(&program, None), json!({"programArgsList": ["a"], "parallelism": 2}));
        let run = Run { job: "j".into(), savepoint: None, allow_non_restored_state: true };
        let sent = body(&program, Some(&run));
        assert_eq!((&sent["jobId"], &sent["allowNonRestoredState"]), (&json!("j"), &json!(true)));
        assert_eq!(sent.get("savepointPath"), None);
    }

    #[test]
    fn the_last_error_is_the_trace() {
        assert_eq!(trace(r#"{"errors":["Internal server error.","<E\n\tat x"]}"#), "<E\n\tat x");
        assert_eq!(trace("gone"), "gone");
    }
}
