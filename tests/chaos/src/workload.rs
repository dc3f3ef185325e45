//! The input, the script, and what must come out.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use chrono::DateTime;
use millrace_test_support::nexmark;

use crate::plan::Input;

pub const ROWS_PER_FILE: u64 = 200;
const KEYS: u64 = 7;
/// 2024-01-01, and 10 ms of event time a row: a window of a second holds 100 rows.
const FIRST_MS: i64 = 1_704_067_200_000;
const STEP_MS: u64 = 10;
/// In the one row that closes every window, and in no other.
const LAST_ID: &str = "-1";

/// What the script computes per row.
#[derive(Clone, Copy, Debug)]
pub enum Code {
    Good,
    /// Divides by zero on every row.
    Failing,
    /// Names a column that is not there.
    Impossible,
}

/// Options of the sinks.
const FILES: &str = "'connector' = 'filesystem', 'format' = 'csv', \
                     'sink.rolling-policy.rollover-interval' = '200 ms', \
                     'sink.rolling-policy.check-interval' = '50 ms'";

pub fn script(input: Input, directory: &Path, code: Code) -> String {
    match input {
        Input::Files => over_files(directory, code),
        Input::Nexmark => over_nexmark(directory, code),
    }
}

/// A row-by-row copy and a windowed aggregate of one stream of files.
fn over_files(directory: &Path, code: Code) -> String {
    let amount = match code {
        Code::Good => "amount",
        Code::Failing => "amount / (id - id)",
        Code::Impossible => "no_such_column",
    };
    let directory = directory.display();
    format!(
        "SET 'table.exec.source.idle-timeout' = '500 ms';
CREATE TABLE events (
    id BIGINT, k INT, amount BIGINT, ts TIMESTAMP(3),
    WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{directory}/in', 'format' = 'csv',
        'source.monitor-interval' = '50 ms');
CREATE TABLE copies (id BIGINT, k INT, amount BIGINT)
    WITH ('path' = '{directory}/copies', {FILES});
CREATE TABLE sums (k INT, starts_at TIMESTAMP(3), n BIGINT, total BIGINT)
    WITH ('path' = '{directory}/sums', {FILES});
EXECUTE STATEMENT SET BEGIN
INSERT INTO copies SELECT id, k, {amount} FROM events;
INSERT INTO sums SELECT k, window_start, COUNT(*), SUM(amount)
    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' SECOND))
    GROUP BY k, window_start, window_end;
END;
"
    )
}

/// Kind and id of every event: what is carried over is the place in the stream.
fn over_nexmark(directory: &Path, code: Code) -> String {
    let id = match code {
        Code::Good => "",
        Code::Failing => " / (event_type - event_type)",
        Code::Impossible => " + no_such_column",
    };
    let directory = directory.display();
    format!(
        "CREATE TABLE nexmark (
    event_type INT,
    person ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR,
        state VARCHAR, dateTime TIMESTAMP(3), extra VARCHAR>,
    auction ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT,
        reserve BIGINT, dateTime TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT,
        category BIGINT, extra VARCHAR>,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
        dateTime TIMESTAMP(3), extra VARCHAR>
) WITH ('connector' = 'nexmark', 'first-event.rate' = '5000', 'next-event.rate' = '5000');
CREATE TABLE events (kind INT, id BIGINT) WITH ('path' = '{directory}/events', {FILES});
INSERT INTO events SELECT event_type,
    CASE WHEN event_type = 0 THEN person.id WHEN event_type = 1 THEN auction.id ELSE 0 END{id}
    FROM nexmark;
"
    )
}

/// # Errors
/// The lines are not what the script writes.
pub fn nexmark_events(lines: &[String]) -> anyhow::Result<Vec<nexmark::Event>> {
    let event = |line: &String| {
        let (kind, id) = line.split_once(',').with_context(|| format!("not an event: {line}"))?;
        Ok(nexmark::Event { kind: kind.parse()?, id: id.parse()? })
    };
    lines.iter().map(event).collect()
}

struct Row {
    id: u64,
    key: u64,
    amount: u64,
    at_ms: i64,
}

fn row(id: u64) -> Row {
    let at_ms = FIRST_MS + i64::try_from(id * STEP_MS).expect("a test does not last for ages");
    Row { id, key: id % KEYS, amount: id * 31 % 1000, at_ms }
}

/// File number `file`, its rows in an order that is not that of event time.
pub fn file(file: u64) -> String {
    let first = file * ROWS_PER_FILE;
    let ids = (0..ROWS_PER_FILE).map(|n| first + (n * 37 + file) % ROWS_PER_FILE);
    ids.map(|id| {
        let row = row(id);
        format!("{id},{},{},{}\n", row.key, row.amount, time(row.at_ms))
    })
    .collect()
}

/// The file that closes every window.
pub fn last_file() -> String {
    format!("{LAST_ID},0,0,{}\n", time(FIRST_MS + 1_000_000_000))
}

/// Lines of `copies` after so many files, without the last row's.
pub fn expected_copies(files: u64) -> Vec<String> {
    let rows = (0..files * ROWS_PER_FILE).map(row);
    rows.map(|row| format!("{},{},{}", row.id, row.key, row.amount)).collect()
}

/// Lines of `sums` after so many files.
pub fn expected_sums(files: u64) -> Vec<String> {
    let mut sums: BTreeMap<(u64, i64), (u64, u64)> = BTreeMap::new();
    for row in (0..files * ROWS_PER_FILE).map(row) {
        let window = row.at_ms.div_euclid(1000) * 1000;
        let (count, total) = sums.entry((row.key, window)).or_default();
        *count += 1;
        *total += row.amount;
    }
    let line = |((key, window), (count, total))| format!("{key},{},{count},{total}", time(window));
    sums.into_iter().map(line).collect()
}

/// Output lines without the last row's, and without the fraction that a time may carry
/// when it is zero.
pub fn normal(lines: Vec<String>) -> Vec<String> {
    let last = format!("{LAST_ID},");
    let kept = lines.into_iter().filter(|line| !line.starts_with(&last));
    kept.map(|line| line.replace(".000", "").replace('"', "")).collect()
}

fn time(ms: i64) -> String {
    let moment = DateTime::from_timestamp_millis(ms).expect("within the calendar");
    let text = moment.format("%Y-%m-%d %H:%M:%S%.3f").to_string();
    text.strip_suffix(".000").map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{ROWS_PER_FILE, expected_copies, expected_sums, file};

    #[test]
    fn a_file_holds_each_of_its_rows_once() {
        let text = file(3);
        let mut ids: Vec<u64> = text
            .lines()
            .map(|line| line.split(',').next().expect("an id").parse().expect("a number"))
            .collect();
        ids.sort_unstable();
        let first = 3 * ROWS_PER_FILE;
        assert_eq!(ids, (first..first + ROWS_PER_FILE).collect::<Vec<_>>());
    }

    #[test]
    fn the_sums_count_every_row() {
        let rows: u64 = expected_sums(4)
            .iter()
            .map(|line| line.split(',').nth(2).expect("a count").parse::<u64>().expect("a number"))
            .sum();
        assert_eq!(rows, 4 * ROWS_PER_FILE);
        assert_eq!(u64::try_from(expected_copies(4).len()), Ok(4 * ROWS_PER_FILE));
    }
}
