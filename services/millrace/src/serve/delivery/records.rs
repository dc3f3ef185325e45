//! From what a job logs to the records that AWS writes of it.
//!
//! AWS: "Working with CloudWatch Logs" of Managed Service for Apache Flink; a record is one
//! JSON object with these members.

use chrono::{DateTime, NaiveDateTime};
use serde_json::json;

/// What CloudWatch Logs takes of one message; it allows a little more.
const MOST_BYTES: usize = 200 * 1024;

/// A line of a log, with those behind it that have no time of their own (a stack trace).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub at_ms: i64,
    pub level: String,
    pub text: String,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    pub arn: &'a str,
    pub version: u64,
}

impl Record {
    /// The message of the record's event.
    pub fn message(&self, of: Of<'_>) -> String {
        let (logger, text) = match self.text.split_once(": ") {
            Some((logger, text)) if !logger.contains(char::is_whitespace) => (logger, text),
            _ => ("", self.text.as_str()),
        };
        json!({
            "applicationARN": of.arn,
            "applicationVersionId": of.version.to_string(),
            "locationInformation": "",
            "logger": logger,
            "message": shortened(text),
            "messageSchemaVersion": "1",
            "messageType": self.level,
            "threadName": "",
        })
        .to_string()
    }
}

fn shortened(text: &str) -> &str {
    let end = text.floor_char_boundary(MOST_BYTES);
    &text[..end]
}

/// The records of whole lines. What comes before the first time belongs to a record that
/// was given earlier, and is one of its own at `now_ms`.
pub fn records(text: &str, now_ms: i64) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for line in text.lines() {
        match (begun(line), records.last_mut()) {
            (Some(record), _) => records.push(record),
            (None, Some(last)) => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            (None, None) => {
                let (level, text) = ("INFO".to_owned(), line.to_owned());
                records.push(Record { at_ms: now_ms, level, text });
            }
        }
    }
    records
}

/// A line that begins with a time and a level: `2026-11-23T13:18:52.852Z  INFO text` of our
/// engine, `2026-11-23 13:18:52,852 INFO text` of Apache Flink.
fn begun(line: &str) -> Option<Record> {
    let ours = || {
        let (time, rest) = line.split_once(' ')?;
        Some((DateTime::parse_from_rfc3339(time).ok()?.timestamp_millis(), rest))
    };
    let flinks = || {
        let (time, rest) = line.split_at_checked(23)?;
        let time = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S,%3f").ok()?;
        Some((time.and_utc().timestamp_millis(), rest))
    };
    let (at_ms, rest) = ours().or_else(flinks)?;
    let (level, text) = rest.trim_start().split_once(' ')?;
    let known = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level);
    known.then(|| Record { at_ms, level: level.to_owned(), text: text.trim_start().to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn lines_without_a_time_belong_to_the_one_before() {
        let check = |text: &str, want: &[(i64, &str, &str)]| {
            let records = records(text, 7);
            let found: Vec<(i64, &str, &str)> =
                records.iter().map(|it| (it.at_ms, it.level.as_str(), it.text.as_str())).collect();
            assert_eq!(found, want, "{text}");
        };
        check("", &[]);
        check(
            "2026-11-23T13:18:52.852Z  INFO millrace: begun\n\
             2026-11-23T13:18:53Z ERROR millrace: the job failed\n  caused by: no space\n",
            &[
                (1_795_439_932_852, "INFO", "millrace: begun"),
                (1_795_439_933_000, "ERROR", "millrace: the job failed\n  caused by: no space"),
            ],
        );
        check(
            "\tat org.example.Job\n2026-11-23 13:18:52,852 WARN  jobmanager Slots - none\n",
            &[
                (7, "INFO", "\tat org.example.Job"),
                (1_795_439_932_852, "WARN", "jobmanager Slots - none"),
            ],
        );
        check(
            "2026-11-23T13:18:52Z is no level\n",
            &[(7, "INFO", "2026-11-23T13:18:52Z is no level")],
        );
    }

    #[test]
    fn a_message_is_as_aws_writes_it() {
        let text = format!("millrace_runtime::job: {}", "é".repeat(MOST_BYTES));
        let record = Record { at_ms: 1, level: "WARN".to_owned(), text };
        let message = record.message(Of { arn: "arn:aws:x", version: 3 });
        let message: Value = serde_json::from_str(&message).expect("JSON");
        assert_eq!(message["applicationVersionId"], "3");
        assert_eq!(message["messageType"], "WARN");
        assert_eq!(message["logger"], "millrace_runtime::job");
        assert!(message["message"].as_str().expect("a text").len() <= MOST_BYTES);
    }
}
