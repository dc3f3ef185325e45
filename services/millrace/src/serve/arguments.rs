//! The command line of `millrace serve`, and what it says once it listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use millrace_api::S3Location;
use millrace_domain::quota::QuotaBook;
use tokio::net::TcpListener;

use super::retention::RetentionArguments;
use super::root_key::RootKey;
use crate::place;

#[derive(Args)]
pub struct ServeArguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "MILLRACE_LISTEN", default_value = "127.0.0.1:8181")]
    pub listen: String,
    /// Where everything is kept [default: ~/.local/share/millrace]
    #[arg(long, env = "MILLRACE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The key that the secrets of access keys are sealed under: 64 hexadecimal digits
    /// [default: a file in the data directory, made at the first start]
    #[arg(long, env = "MILLRACE_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// A PostgreSQL database to keep applications in, shared by replicas that also share
    /// the data directory: postgres://USER:PASSWORD@HOST/NAME [default: a file there]
    #[arg(long, env = "MILLRACE_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// How long a job must stay up before its start or update counts as successful
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub stability_window: Duration,
    /// Between two samples of each running job: what the rules of automatic scaling and of
    /// health count as a minute
    #[arg(long, env = "MILLRACE_CARE_PERIOD", default_value = "60s", value_parser = period,
          value_name = "TIME")]
    pub care_period: Duration,
    /// An S3 endpoint to fetch application code from, and to copy snapshots to and from; keys
    /// from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long, env = "MILLRACE_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// A directory that stands for S3 in exports and imports of snapshots: each directory in
    /// it is a bucket
    #[arg(long, env = "MILLRACE_S3_DIRECTORY", value_name = "DIR", conflicts_with = "s3_endpoint")]
    pub s3_directory: Option<PathBuf>,
    /// A CloudWatch Logs endpoint to deliver logs to, for applications with a logging option; keys
    /// from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
    #[arg(long, env = "MILLRACE_LOGS_ENDPOINT", value_name = "URL")]
    pub logs_endpoint: Option<String>,
    /// Where in S3 code and snapshots may come from: s3://BUCKET/PREFIX for all accounts, or
    /// ACCOUNT=s3://BUCKET/PREFIX; several times [default: anywhere, for --account alone]
    #[arg(long, env = "MILLRACE_S3_ALLOW", value_delimiter = ' ', value_name = "LOCATION")]
    pub s3_allow: Vec<S3Location>,
    /// Where in S3 snapshots may be exported to, as --s3-allow says it; several times [default:
    /// anywhere, for --account alone]
    #[arg(long, env = "MILLRACE_S3_EXPORT", value_delimiter = ' ', value_name = "LOCATION")]
    pub s3_export: Vec<S3Location>,
    /// The account whose root access key the first start makes
    #[arg(long, env = "MILLRACE_ACCOUNT", default_value = "000000000000", value_parser = place::account)]
    pub account: String,
    /// Where clients reach this server: what links to dashboards begin with [default: where it
    /// listens]
    #[arg(long, env = "MILLRACE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// The Region served
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub region: String,
    /// Other Regions served too, with commas between
    #[arg(long, env = "MILLRACE_REGIONS", value_delimiter = ',', value_name = "REGIONS")]
    pub more_regions: Vec<String>,
    /// The identity providers whose bearer tokens the REST API takes: a JSON file, described
    /// in services/design/access.md
    #[arg(long, env = "MILLRACE_TRUST", value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// What accounts may have, where that is not what AWS has: a JSON file, described in
    /// services/design/access.md
    #[arg(long, env = "MILLRACE_QUOTAS", value_name = "FILE")]
    pub quotas: Option<PathBuf>,
    #[command(flatten)]
    pub retention: RetentionArguments,
    /// How many calls a second each user may make; ten times as many at once after a rest
    #[arg(long, env = "MILLRACE_CALL_RATE", default_value = "100", value_name = "CALLS",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub call_rate: u32,
    /// What to log on stderr: error, warn, info, debug, or a tracing filter
    #[arg(long, env = "MILLRACE_LOG", default_value = "info")]
    pub log_level: String,
}

impl ServeArguments {
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        place::data_dir(self.data_dir.as_deref())
    }

    /// # Errors
    /// The file of quotas cannot be read, or is none.
    pub fn quotas(&self) -> anyhow::Result<Arc<QuotaBook>> {
        let Some(path) = &self.quotas else { return Ok(Arc::default()) };
        let shown = path.display();
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read the quotas in {shown}"))?;
        match QuotaBook::read(&text) {
            Ok(book) => Ok(Arc::new(book)),
            Err(problem) => bail!("the quotas in {shown} cannot be: {problem}"),
        }
    }

    /// All Regions served, that of applications by default first.
    pub fn regions(&self) -> Vec<String> {
        let mut regions = vec![self.region.clone()];
        regions.extend(self.more_regions.iter().filter(|more| **more != self.region).cloned());
        regions
    }

    pub async fn listener(&self) -> anyhow::Result<TcpListener> {
        TcpListener::bind(&self.listen).await.with_context(|| {
            format!("cannot listen on {}; give another with --listen 127.0.0.1:PORT", self.listen)
        })
    }
}

/// Tells where the server is and how to reach it, on stderr.
pub fn greet(address: SocketAddr, data_dir: &Path, region: &str, root_key: &RootKey) {
    let directory = data_dir.display();
    let own = match place::data_dir(None) {
        Ok(default) if default == data_dir => String::new(),
        _ => format!(" --data-dir {directory}"),
    };
    let key = match root_key {
        RootKey::Made => "The root access key was made now: it is in",
        RootKey::There => "The root access key is in",
        RootKey::Gone => "An access key is made with `millrace keys create`; tools look for one in",
    };
    eprintln!(
        "Millrace listens on http://{address}, data in {directory}
{key} {directory}/credentials

  export AWS_ENDPOINT_URL_KINESIS_ANALYTICS_V2=http://{address} AWS_REGION={region}
  export AWS_SHARED_CREDENTIALS_FILE={directory}/credentials
  aws kinesisanalyticsv2 list-applications
  millrace app list --endpoint http://{address}{own}

Ctrl-C stops the server; jobs run on, and the next start finds them."
    );
}

/// `2s`, `200ms` or `1m`.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|failure| failure.to_string())
}

/// As [`duration`], and long enough to measure in.
fn period(text: &str) -> Result<Duration, String> {
    let period = duration(text)?;
    let least = Duration::from_millis(100);
    if period < least { Err("a period is at least 100ms".to_owned()) } else { Ok(period) }
}

fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.trim().parse().context("a time is a number and ms, s or m: 2s")?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        unit => bail!("{unit:?} is not a unit of time; use ms, s or m"),
    };
    let total = number.checked_mul(milliseconds).context("longer than any window")?;
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse_duration;

    #[test]
    fn times_have_a_unit() {
        let check = |text: &str, ms: u64| {
            assert_eq!(parse_duration(text).expect(text), Duration::from_millis(ms));
        };
        check("2s", 2_000);
        check("200ms", 200);
        check("1m", 60_000);
        for bad in ["2", "s", "-1s", "2h", "", "99999999999999999999s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
