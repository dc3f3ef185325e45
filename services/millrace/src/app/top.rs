//! `millrace top`: what all running applications do, the busiest first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use super::args::TopArguments;
use super::client::Client;
use super::show::{pages, text};
use crate::output::{self, Format, table};

/// Applications asked at once: fewer than an account's calls in work.
const AT_ONCE: usize = 8;
const HEADINGS: [&str; 9] =
    ["NAME", "STATUS", "SLOTS", "ROWS/S", "BUSY", "HELD UP", "STATE", "RESTARTS", "UP"];

/// Prints a table every so often: for ever on a terminal, once otherwise.
pub async fn top(
    client: &Client,
    format: Format,
    arguments: &TopArguments,
) -> anyhow::Result<ExitCode> {
    let on_terminal = std::io::stdout().is_terminal();
    let mut left = arguments.count.or((!on_terminal).then_some(1));
    let mut before = readings(client).await?;
    while left != Some(0) {
        tokio::time::sleep(Duration::from_secs(arguments.every)).await;
        let now = readings(client).await?;
        let lines = lines(&before, &now);
        match format {
            Format::Json => {
                let all = Value::Array(lines.iter().map(Line::json).collect());
                output::line(&all.to_string());
            }
            Format::Text => {
                if on_terminal {
                    output::write_out(b"\x1b[H\x1b[2J");
                }
                let rows: Vec<Vec<String>> = lines.iter().map(Line::cells).collect();
                output::line(&table(&HEADINGS, &rows));
            }
        }
        before = now;
        left = left.map(|left| left - 1);
    }
    Ok(ExitCode::SUCCESS)
}

/// An application as it was listed, and what its job measured then, if there is one.
#[derive(Clone, Debug)]
struct Reading {
    status: String,
    metrics: Value,
}

async fn readings(client: &Client) -> anyhow::Result<BTreeMap<String, Reading>> {
    let listed = pages(client, "ListApplications", json!({}), "ApplicationSummaries").await?;
    let asked = futures::stream::iter(listed).map(|listed| reading(client, listed));
    let read: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    Ok(read.into_iter().flatten().collect())
}

/// None: the application has gone meanwhile, or may not be looked at.
async fn reading(client: &Client, listed: Value) -> Option<(String, Reading)> {
    let (name, status) = (text(&listed["ApplicationName"]), text(&listed["ApplicationStatus"]));
    let path = format!("/v1/applications/{name}/metrics");
    let answer = client.get(&path, &[]).await.ok()?.text().await.ok()?;
    let metrics = serde_json::from_str::<Value>(&answer).ok()?;
    Some((name, Reading { status, metrics: metrics["current"].clone() }))
}

/// What is shown of one application; `None` where nothing was measured.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    name: String,
    status: String,
    /// Of the widest vertex.
    parallelism: Option<u64>,
    /// That its sources gave.
    rows_per_second: Option<f64>,
    /// Of the time of the vertex that is busiest, and of the one that waits most for those
    /// behind it: 0 to 1.
    busy: Option<f64>,
    held_up: Option<f64>,
    checkpoint_bytes: Option<f64>,
    restarts: Option<f64>,
    up_ms: Option<f64>,
}

fn lines(before: &BTreeMap<String, Reading>, now: &BTreeMap<String, Reading>) -> Vec<Line> {
    let none = Value::Null;
    let mut lines: Vec<Line> = now
        .iter()
        .map(|(name, reading)| {
            let before = before.get(name).map_or(&none, |reading| &reading.metrics);
            line(name, reading, before)
        })
        .collect();
    // Busy to a thousandth: names keep their order among those at rest.
    lines.sort_by_key(|line| Reverse(line.busy.map(|busy| (busy * 1000.0) as i64)));
    lines
}

fn line(name: &str, reading: &Reading, before: &Value) -> Line {
    let metrics = &reading.metrics;
    let job = |metric: &str| metrics["job"][metric].as_f64();
    let spent = Spent::between(before, metrics);
    let vertices = metrics["vertices"].as_array().map_or(&[][..], Vec::as_slice);
    Line {
        name: name.to_owned(),
        status: reading.status.clone(),
        parallelism: vertices.iter().filter_map(|it| it["parallelism"].as_u64()).max(),
        rows_per_second: spent.as_ref().map(Spent::rows_per_second),
        busy: spent.as_ref().map(|spent| spent.most("accumulated-busy-time")),
        held_up: spent.as_ref().map(|spent| spent.most("accumulated-backpressured-time")),
        checkpoint_bytes: job("lastCheckpointFullSize").or(job("lastCheckpointSize")),
        restarts: job("numRestarts"),
        up_ms: job("uptime"),
    }
}

/// Two readings of one run of a job.
struct Spent<'a> {
    /// The same vertex before and now.
    vertices: Vec<(&'a Value, &'a Value)>,
    seconds: f64,
}

impl<'a> Spent<'a> {
    /// None when they are not of one run: counters began anew.
    fn between(before: &'a Value, now: &'a Value) -> Option<Spent<'a>> {
        let up_ms = |reading: &Value| reading["job"]["uptime"].as_f64();
        let seconds = (up_ms(now)? - up_ms(before)?) / 1e3;
        if before["generation"] != now["generation"] || seconds <= 0.0 {
            return None;
        }
        let vertices = before["vertices"].as_array()?.iter().zip(now["vertices"].as_array()?);
        Some(Spent { vertices: vertices.collect(), seconds })
    }

    fn grown(metric: &str, (before, now): &(&Value, &Value)) -> f64 {
        let of = |vertex: &Value| vertex["metrics"][metric].as_f64().unwrap_or(0.0);
        (of(now) - of(before)).max(0.0)
    }

    /// Sources are the vertices that begin with a scan. Apache Flink does not count what they
    /// read, only what they hand on.
    fn rows_per_second(&self) -> f64 {
        let is_source = |vertex: &Value| {
            let name = vertex["name"].as_str().unwrap_or_default();
            name.starts_with("Source:") || name.starts_with("TableSourceScan")
        };
        let sources = self.vertices.iter().filter(|(_, now)| is_source(now));
        let rows = sources.map(|both| {
            Spent::grown("read-records", both).max(Spent::grown("write-records", both))
        });
        rows.sum::<f64>() / self.seconds
    }

    /// The greatest share of its time that a vertex spent so.
    fn most(&self, metric: &str) -> f64 {
        let share = |both: &(&Value, &Value)| {
            let slots = both.1["parallelism"].as_u64().unwrap_or(1).max(1) as f64;
            (Spent::grown(metric, both) / 1e3 / self.seconds / slots).min(1.0)
        };
        self.vertices.iter().map(share).fold(0.0, f64::max)
    }
}

impl Line {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "status": self.status,
            "parallelism": self.parallelism,
            "rowsPerSecond": self.rows_per_second,
            "busy": self.busy,
            "backpressured": self.held_up,
            "checkpointBytes": self.checkpoint_bytes,
            "restarts": self.restarts,
            "uptimeMs": self.up_ms,
        })
    }

    fn cells(&self) -> Vec<String> {
        let shown = |value: Option<f64>, show: fn(f64) -> String| {
            value.map_or_else(|| "-".to_owned(), show)
        };
        vec![
            self.name.clone(),
            self.status.clone(),
            self.parallelism.map_or_else(|| "-".to_owned(), |slots| slots.to_string()),
            shown(self.rows_per_second, |rows| scaled(rows, 1000.0, &["", "k", "M", "G"])),
            shown(self.busy, percent),
            shown(self.held_up, percent),
            shown(self.checkpoint_bytes, |bytes| {
                scaled(bytes, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB"])
            }),
            shown(self.restarts, |restarts| format!("{restarts:.0}")),
            shown(self.up_ms, |ms| age(ms / 1e3)),
        ]
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Three digits that count.
fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut at = 0;
    while value >= step && at + 1 < units.len() {
        value /= step;
        at += 1;
    }
    let digits = if value >= 100.0 || at == 0 { 0 } else { 1 };
    format!("{value:.digits$}{}", units[at])
}

fn age(seconds: f64) -> String {
    let seconds = seconds as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(generation: u64, up_ms: u64, rows: u64, busy_ms: u64) -> Value {
        json!({
            "generation": generation,
            "job": { "uptime": up_ms, "numRestarts": 1, "lastCheckpointFullSize": 2_621_440 },
            "vertices": [
                { "name": "TableSourceScan(table=[[s]])", "parallelism": 2,
                  "metrics": { "read-records": rows, "accumulated-busy-time": busy_ms } },
                { "name": "GroupAggregate", "parallelism": 1,
                  "metrics": { "read-records": rows, "accumulated-busy-time": busy_ms / 10,
                               "accumulated-backpressured-time": busy_ms / 2 } },
            ],
        })
    }

    fn shown(before: Value, now: Value) -> String {
        line("orders", &Reading { status: "RUNNING".to_owned(), metrics: now }, &before)
            .cells()
            .join(" | ")
    }

    #[test]
    fn a_line_is_what_came_between_two_readings_of_one_run() {
        let check = |before: Value, now: Value, want: &str| assert_eq!(shown(before, now), want);
        let later = || reading(1, 62_000, 31_000, 3_000);
        check(
            reading(1, 60_000, 1_000, 1_000),
            later(),
            "orders | RUNNING | 2 | 15.0k | 50 % | 50 % | 2.5 MiB | 1 | 1 min",
        );
        let unknown = "orders | RUNNING | 2 | - | - | - | 2.5 MiB | 1 | 1 min";
        check(reading(2, 60_000, 1_000, 1_000), later(), unknown);
        check(reading(1, 70_000, 1_000, 1_000), later(), unknown);
        check(Value::Null, later(), unknown);
        check(later(), Value::Null, "orders | RUNNING | - | - | - | - | - | - | -");
    }

    #[test]
    fn the_busiest_comes_first_and_names_keep_their_order() {
        let of = |metrics: &dyn Fn(u64) -> Value| -> BTreeMap<String, Reading> {
            let busy = [("a", 10), ("b", 2_000), ("c", 10), ("d", 500)];
            let all = busy.map(|(name, ms)| (name.to_owned(), metrics(ms)));
            all.map(|(name, metrics)| (name, Reading { status: String::new(), metrics })).into()
        };
        let before = of(&|_| reading(1, 60_000, 0, 0));
        let mut now = of(&|busy_ms| reading(1, 62_000, 0, busy_ms));
        now.insert("0".to_owned(), Reading { status: String::new(), metrics: Value::Null });
        let names: Vec<String> = lines(&before, &now).into_iter().map(|line| line.name).collect();
        assert_eq!(names, ["b", "d", "a", "c", "0"]);
    }

    #[test]
    fn numbers_are_shown_short() {
        let check = |value: f64, want: &str| {
            assert_eq!(scaled(value, 1000.0, &["", "k", "M"]), want);
        };
        check(0.0, "0");
        check(999.0, "999");
        check(1_000.0, "1.0k");
        check(123_456.0, "123k");
        check(9_999_999_999.0, "10000M");
        assert_eq!(age(59.9), "59 s");
        assert_eq!(age(7_300.0), "2 h");
        assert_eq!(age(200_000.0), "2 d");
    }
}
