//! What `millrace serve` forgets by itself, as its command line says.

use clap::Args;
use millrace_domain::retention::{Keep, Retention, TagRule};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Args, Clone, Debug)]
pub struct RetentionArguments {
    /// Days that ended operations and events are kept
    #[arg(long, env = "MILLRACE_KEEP_HISTORY", default_value = "90", value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    keep_history: u32,
    /// How many generations of a job keep their files
    #[arg(long, env = "MILLRACE_KEEP_RUNS", default_value = "20", value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..))]
    keep_runs: u32,
    /// How many snapshots of each application are kept that the service took in stops, updates
    /// and rollbacks; those that a start or a rollback needs are [default: all]
    #[arg(long, env = "MILLRACE_KEEP_AUTOMATIC_SNAPSHOTS", value_name = "NUMBER")]
    keep_automatic_snapshots: Option<u32>,
    /// Days that those snapshots are kept [default: for ever]
    #[arg(long, env = "MILLRACE_KEEP_AUTOMATIC_SNAPSHOTS_FOR", value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(..=100_000))]
    keep_automatic_snapshots_for: Option<u32>,
    /// How many snapshots of each application are kept that were asked for by name, or
    /// imported [default: all]
    #[arg(long, env = "MILLRACE_KEEP_NAMED_SNAPSHOTS", value_name = "NUMBER")]
    keep_named_snapshots: Option<u32>,
    /// Days that those snapshots are kept [default: for ever]
    #[arg(long, env = "MILLRACE_KEEP_NAMED_SNAPSHOTS_FOR", value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(..=100_000))]
    keep_named_snapshots_for: Option<u32>,
    /// Snapshots with this tag are always kept: KEY or KEY=VALUE; several times
    #[arg(long, env = "MILLRACE_KEEP_TAGGED", value_delimiter = ' ', value_name = "TAG")]
    keep_tagged: Vec<TagRule>,
}

impl RetentionArguments {
    pub fn retention(&self) -> Retention {
        let keep = |count: Option<u32>, days: Option<u32>| Keep {
            count,
            age_ms: days.map(|days| i64::from(days) * DAY_MS),
        };
        Retention {
            history_ms: i64::from(self.keep_history) * DAY_MS,
            runs: self.keep_runs as usize,
            automatic: keep(self.keep_automatic_snapshots, self.keep_automatic_snapshots_for),
            named: keep(self.keep_named_snapshots, self.keep_named_snapshots_for),
            tags: self.keep_tagged.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        retention: RetentionArguments,
    }

    fn read(line: &[&str]) -> Result<Retention, clap::Error> {
        let line = Line::try_parse_from([&["serve"], line].concat())?;
        Ok(line.retention.retention())
    }

    #[test]
    fn nothing_said_keeps_all_snapshots() {
        assert_eq!(read(&[]).expect("nothing is needed"), Retention::default());
    }

    #[test]
    fn days_and_numbers_are_what_is_kept() {
        let line = ["--keep-automatic-snapshots", "5", "--keep-named-snapshots-for", "30"];
        let retention = read(&line).expect("a line");
        assert_eq!(retention.automatic, Keep { count: Some(5), age_ms: None });
        assert_eq!(retention.named, Keep { count: None, age_ms: Some(30 * DAY_MS) });
        let tags = read(&["--keep-tagged", "a", "--keep-tagged", "b=c"]).expect("a line").tags;
        assert_eq!(tags.len(), 2);
        assert!(read(&["--keep-runs", "0"]).is_err() && read(&["--keep-history", "0"]).is_err());
        assert!(read(&["--keep-tagged", "=x"]).is_err());
    }
}
