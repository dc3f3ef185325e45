//! The command line of `millrace serve`, and what it says once it listens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::net::TcpListener;

#[derive(Args)]
pub struct ServeArguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, env = "MILLRACE_LISTEN", default_value = "127.0.0.1:8181")]
    pub listen: String,
    /// Where everything is kept [default: ~/.local/share/millrace]
    #[arg(long, env = "MILLRACE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A PostgreSQL database to keep applications in, shared by replicas that also share
    /// the data directory: postgres://USER:PASSWORD@HOST/NAME [default: a file there]
    #[arg(long, env = "MILLRACE_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// How long a job must stay up before its start or update counts as successful
    #[arg(long, default_value = "2s", value_parser = duration, value_name = "TIME")]
    pub stability_window: Duration,
    /// An S3 endpoint to fetch application code from; keys from AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY
    #[arg(long, env = "MILLRACE_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// The account that applications belong to
    #[arg(long, default_value = "000000000000", value_parser = account)]
    pub account: String,
    /// The Region of applications whose request names none
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub region: String,
    /// What to log on stderr: error, warn, info, debug, or a tracing filter
    #[arg(long, env = "MILLRACE_LOG", default_value = "info")]
    pub log_level: String,
}

impl ServeArguments {
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(directory) = &self.data_dir {
            return Ok(directory.clone());
        }
        let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"))
        });
        let base = base.context("there is no HOME to keep data in; give --data-dir DIR")?;
        Ok(base.join("millrace"))
    }

    pub async fn listener(&self) -> anyhow::Result<TcpListener> {
        TcpListener::bind(&self.listen).await.with_context(|| {
            format!("cannot listen on {}; give another with --listen 127.0.0.1:PORT", self.listen)
        })
    }
}

/// Tells where the server is and how to reach it, on stderr.
pub fn greet(address: SocketAddr, data_dir: &Path, region: &str) {
    eprintln!(
        "Millrace listens on http://{address}, data in {}

  export AWS_ENDPOINT_URL_KINESIS_ANALYTICS_V2=http://{address} AWS_REGION={region}
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws kinesisanalyticsv2 list-applications
  millrace app list --endpoint http://{address}

Ctrl-C stops the server; jobs run on, and the next start finds them.",
        data_dir.display()
    );
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("an AWS account is 12 digits".to_owned())
}

/// `2s`, `200ms` or `1m`.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|failure| failure.to_string())
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

    use super::{account, parse_duration};

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

    #[test]
    fn accounts_are_twelve_digits() {
        assert!(account("000000000000").is_ok());
        assert!(account("12345678901").is_err());
        assert!(account("12345678901x").is_err());
    }
}
