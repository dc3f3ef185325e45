//! From source to sink at half of what a core can do: events carry the time at which they
//! were due, and the last column before the sink is the time then.
//!
//! What a core can do is found with the settings that the delays are measured with, and
//! with the events of so long a run that the start of the process counts for little.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::engine::{self, Engine, now};
use super::options::Options;
use super::report::{Row, Table};
use super::scripts::Script;

/// What is measured after this.
const SETTLED: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(20);
/// Events of the run that shows how many a second there can be.
const UNPACED: u64 = 20_000_000;
/// One row in so many is looked at.
const SAMPLED: u32 = 997;

const SETTINGS: [(&str, &str); 3] = [
    ("execution.checkpointing.interval", "1 s"),
    ("table.local-time-zone", "UTC"),
    ("table.exec.mini-batch.enabled", "false"),
];

const SOURCE: &str = "
CREATE TABLE events (event_type INT,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR,
          dateTime TIMESTAMP(3), extra VARCHAR>)
  WITH ('connector' = 'nexmark', $PACE$);
CREATE TABLE sink (due TIMESTAMP(3), seen TIMESTAMP_LTZ(3)) WITH ($SINK$);
";

const STATELESS: &str = "INSERT INTO sink SELECT due, CURRENT_ROW_TIMESTAMP()
FROM (SELECT bid.dateTime AS due, bid.price AS price FROM events WHERE event_type = 2)
WHERE MOD(price, $SAMPLED$) = 0;";

const KEYED: &str = "INSERT INTO sink SELECT due, CURRENT_ROW_TIMESTAMP()
FROM (SELECT bid.bidder AS bidder, MAX(bid.dateTime) AS due, COUNT(*) AS n
      FROM events WHERE event_type = 2 GROUP BY bid.bidder)
WHERE MOD(n, $SAMPLED$) = 0;";

/// # Errors
/// A job fails.
pub fn table(
    program: &Path,
    work: &Path,
    options: &Options,
    parallelism: u16,
) -> Result<Table, String> {
    let mut table = Table::new(options, parallelism);
    for (name, query) in [("stateless", STATELESS), ("keyed", KEYED)] {
        let query = format!("{SOURCE}{query}").replace("$SAMPLED$", &SAMPLED.to_string());
        let most = fastest(program, work, options, (name, &query), parallelism)?;
        let rate = most / 2.0;
        let (mut delays, machine_ms) = delays(program, work, &query, rate as u64, parallelism)?;
        delays.sort_unstable();
        let at = |part: f64| delays.get((delays.len() as f64 * part) as usize).map_or(0, |ms| *ms);
        let mut row = Row::new(&Script::new(name, String::new(), 0, options), options);
        row.figures = vec![
            ("k_events_per_second", rate / 1e3),
            ("least_ms", at(0.0) as f64),
            ("p50_ms", at(0.5) as f64),
            ("p90_ms", at(0.9) as f64),
            ("p99_ms", at(0.99) as f64),
            ("max_ms", delays.last().map_or(0.0, |ms| *ms as f64)),
            ("machine_max_ms", machine_ms),
            ("samples", delays.len() as f64),
        ];
        table.rows.push(row);
    }
    Ok(table)
}

/// Events a second without a limit.
fn fastest(
    program: &Path,
    work: &Path,
    options: &Options,
    (name, query): (&str, &str),
    parallelism: u16,
) -> Result<f64, String> {
    let pace = "'events.num' = '$EVENTS$', 'max-emit-speed' = 'true'";
    let text = query.replace("$PACE$", pace).replace("$SINK$", "'connector' = 'blackhole'");
    let script = Script::new(name, text, UNPACED, options);
    let run = engine::run_with(program, work, &script, parallelism, &SETTINGS)?;
    Ok(script.events as f64 / run.wall_s)
}

/// Milliseconds of the sampled rows, once the job has settled; and what the machine kept
/// another process waiting meanwhile that had nothing to do.
fn delays(
    program: &Path,
    work: &Path,
    query: &str,
    rate: u64,
    parallelism: u16,
) -> Result<(Vec<i64>, f64), String> {
    let place = work.join("latency");
    drop(fs::remove_dir_all(&place));
    let pace = format!("'first-event.rate' = '{rate}', 'next-event.rate' = '{rate}'");
    let text = query.replace("$PACE$", &pace).replace("$SINK$", "'connector' = 'print'");
    let engine = Engine::start(program, &place, &text, parallelism, &SETTINGS)?;
    sleep(SETTLED);
    let output = place.join("output");
    let skipped = fs::metadata(&output).map_err(|cause| cause.to_string())?.len();
    let machine_ms = longest_wait_ms(MEASURED);
    let overview = engine.ask("/jobs/overview")?;
    drop(engine);
    if !overview.contains("\"state\":\"RUNNING\"") {
        return Err(format!("the job does not run: {overview}"));
    }
    let text = fs::read_to_string(&output).map_err(|cause| cause.to_string())?;
    let measured = text.get(usize::try_from(skipped).unwrap_or(0)..).unwrap_or_default();
    Ok((measured.lines().skip(1).filter_map(delay_ms).collect(), machine_ms))
}

/// How much later than it asked for a thread woke up at worst.
fn longest_wait_ms(during: Duration) -> f64 {
    let (begun, step) = (now(), Duration::from_millis(1));
    let mut longest = Duration::ZERO;
    while begun.elapsed() < during {
        let asked = now();
        sleep(step);
        longest = longest.max(asked.elapsed().saturating_sub(step));
    }
    longest.as_secs_f64() * 1e3
}

/// `+I[2024-01-01T00:00:00.001, 2024-01-01T00:00:00.004Z]` is 3 ms late.
fn delay_ms(line: &str) -> Option<i64> {
    if line.starts_with("-U") {
        return None;
    }
    let (due, seen) = line.split_once('[')?.1.trim_end_matches(']').split_once(", ")?;
    Some((of_day_ms(seen)? - of_day_ms(due)?).rem_euclid(86_400_000))
}

fn of_day_ms(time: &str) -> Option<i64> {
    let clock = time.split_once(['T', ' '])?.1.trim_end_matches('Z');
    let mut parts = clock.split(':');
    let (hours, minutes): (i64, i64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let seconds: f64 = parts.next().unwrap_or("0").parse().ok()?;
    Some((hours * 60 + minutes) * 60_000 + (seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::delay_ms;

    #[test]
    fn a_delay_is_read_from_a_printed_row() {
        let check = |line: &str, want: Option<i64>| assert_eq!(delay_ms(line), want, "{line}");
        check("+I[2024-01-01T00:00:00.001, 2024-01-01T00:00:00.004Z]", Some(3));
        check("+U[2024-01-01T23:59:59.999, 2024-01-02T00:00Z]", Some(1));
        check("-U[2024-01-01T00:00, 2024-01-01T00:00:01Z]", None);
        check("+I[2024-01", None);
    }
}
