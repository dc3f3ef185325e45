//! The load, phase by phase.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;

use crate::arguments::RunArguments;
use crate::client::{APPLICATIONS_PER_ACCOUNT, Client, creation, update};
use crate::edge;
use crate::statistics::{Taken, percentiles, taken};

/// One account alone may have half as many calls at once as there are workers.
const FEWEST_ACCOUNTS: u32 = 4;
/// Calls at once where none has a time of its own.
const WORKERS: u32 = 32;
/// How long applications may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(600);

/// # Errors
/// A call was refused, or an application is not what its last update said.
pub fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut load = Load::begin(arguments).await?;
        load.create().await?;
        load.start().await?;
        load.idle(arguments.idle_seconds).await?;
        load.read_and_update(arguments).await?;
        load.check().await
    })
}

struct Load {
    service: Service,
    client: Client,
    /// The version of each application.
    versions: Arc<Vec<AtomicU64>>,
}

struct Service {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// When a phase began, and what the service had taken by then.
struct Phase {
    name: &'static str,
    begun: Instant,
    before: Taken,
}

impl Load {
    async fn begin(arguments: &RunArguments) -> anyhow::Result<Load> {
        let accounts =
            arguments.applications.div_ceil(APPLICATIONS_PER_ACCOUNT).max(FEWEST_ACCOUNTS);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg("--accounts").arg(accounts.to_string());
        command.arg("--threads").arg(arguments.service.threads.to_string());
        if let Some(url) = &arguments.service.database_url {
            command.arg("--database-url").arg(url);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("the service does not start")?;
        let stdin = child.stdin.take().context("it has an input")?;
        let stdout = child.stdout.take().context("it has an output")?;
        let mut service = Service { child, stdin, lines: BufReader::new(stdout).lines() };
        let first = service.line().await?;
        let address = first["address"].as_str().context("it tells its address")?;
        let client = Client::new(address.to_owned(), accounts)?;
        let versions = (0..arguments.applications).map(|_| AtomicU64::new(1)).collect();
        Ok(Load { service, client, versions: Arc::new(versions) })
    }

    fn applications(&self) -> u32 {
        self.versions.len() as u32
    }

    async fn create(&mut self) -> anyhow::Result<()> {
        let phase = self.phase("create")?;
        let took = self.each("CreateApplication", creation()).await?;
        self.end(phase, json!({ "calls": percentiles(took) })).await
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        let phase = self.phase("start")?;
        let took = self.each("StartApplication", json!({})).await?;
        self.until_running().await?;
        self.end(phase, json!({ "calls": percentiles(took) })).await
    }

    async fn idle(&mut self, seconds: u32) -> anyhow::Result<()> {
        let phase = self.phase("idle")?;
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
        self.end(phase, json!({})).await
    }

    /// The same call of every application.
    async fn each(&self, operation: &'static str, body: Value) -> anyhow::Result<Vec<Duration>> {
        let next = Arc::new(AtomicU32::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (client, next, body) = (self.client.clone(), next.clone(), body.clone());
            let applications = self.applications();
            workers.spawn(async move {
                let mut took = Vec::new();
                loop {
                    let application = next.fetch_add(1, Ordering::Relaxed);
                    if application >= applications {
                        return anyhow::Ok(took);
                    }
                    let begun = edge::instant();
                    client.call(application, operation, body.clone()).await?;
                    took.push(begun.elapsed());
                }
            });
        }
        let mut took = Vec::new();
        while let Some(worker) = workers.join_next().await {
            took.extend(worker??);
        }
        Ok(took)
    }

    async fn until_running(&self) -> anyhow::Result<()> {
        let deadline = edge::instant() + PATIENCE;
        for application in 0..self.applications() {
            loop {
                let detail = self.describe(application).await?;
                if detail["ApplicationStatus"] == "RUNNING" {
                    break;
                }
                ensure!(edge::instant() < deadline, "{detail} does not come to rest");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    async fn describe(&self, application: u32) -> anyhow::Result<Value> {
        let answer = self.client.call(application, "DescribeApplication", json!({})).await?;
        Ok(answer["ApplicationDetail"].clone())
    }

    async fn read_and_update(&mut self, arguments: &RunArguments) -> anyhow::Result<()> {
        let phase = self.phase("read and update")?;
        let seconds = arguments.seconds;
        let (client, applications) = (self.client.clone(), self.applications());
        let reads = paced(arguments.reads, seconds, move |number| {
            let client = client.clone();
            // A stride that meets all, far from each other.
            let application = (u64::from(number) * 7_919 % u64::from(applications)) as u32;
            async move { client.call(application, "DescribeApplication", json!({})).await.map(drop) }
        });
        let (client, versions) = (self.client.clone(), self.versions.clone());
        let updates = paced(arguments.updates, seconds, move |number| {
            let (client, versions) = (client.clone(), versions.clone());
            async move {
                let application = number % versions.len() as u32;
                let version = &versions[application as usize];
                let body = update(version.load(Ordering::Relaxed));
                client.call(application, "UpdateApplication", body).await?;
                version.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        });
        let (reads, updates) = tokio::join!(reads, updates);
        let (reads, updates) = (reads?, updates?);
        let figures = json!({ "reads": percentiles(reads), "updates": percentiles(updates) });
        self.end(phase, figures).await
    }

    /// Every application runs what its last update said.
    async fn check(&mut self) -> anyhow::Result<()> {
        let phase = self.phase("check")?;
        self.until_running().await?;
        for (application, version) in (0..).zip(self.versions.iter()) {
            let detail = self.describe(application).await?;
            let expected = version.load(Ordering::Relaxed);
            let found = detail["ApplicationVersionId"].as_u64();
            ensure!(
                found == Some(expected) && detail["ApplicationStatus"] == "RUNNING",
                "application {application} is not RUNNING at version {expected}: {detail}"
            );
        }
        self.end(phase, json!({ "applications": self.applications() })).await
    }

    fn phase(&self, name: &'static str) -> anyhow::Result<Phase> {
        Ok(Phase { name, begun: edge::instant(), before: taken(self.service.pid()?)? })
    }

    /// Prints what the phase has shown.
    async fn end(&mut self, phase: Phase, mut figures: Value) -> anyhow::Result<()> {
        let (wall_s, after) = (phase.begun.elapsed().as_secs_f64(), taken(self.service.pid()?)?);
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        figures["phase"] = phase.name.into();
        figures["wall_s"] = rounded(wall_s).into();
        figures["service_cpus"] = rounded((after.cpu_s - phase.before.cpu_s) / wall_s).into();
        figures["service_memory_mib"] = rounded(after.memory_mib).into();
        figures["reconcile_lag"] = self.service.ask().await?;
        println!("{figures}");
        Ok(())
    }
}

impl Service {
    fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the service has ended")
    }

    async fn ask(&mut self) -> anyhow::Result<Value> {
        self.stdin.write_all(b"report\n").await?;
        self.line().await
    }

    async fn line(&mut self) -> anyhow::Result<Value> {
        match self.lines.next_line().await? {
            Some(line) => Ok(serde_json::from_str(&line)?),
            None => bail!("the service has ended"),
        }
    }
}

/// Makes `rate` calls a second, each at its time whether others have been answered or not;
/// how long each took from its time on.
async fn paced<F>(rate: u32, seconds: u32, call: impl Fn(u32) -> F) -> anyhow::Result<Vec<Duration>>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let begun = edge::instant();
    let mut calls = JoinSet::new();
    let mut took = Vec::new();
    for number in 0..rate * seconds {
        let at = begun + Duration::from_secs(1) * number / rate;
        tokio::time::sleep_until(at.into()).await;
        let call = call(number);
        calls.spawn(async move {
            call.await?;
            anyhow::Ok(at.elapsed())
        });
        while let Some(call) = calls.try_join_next() {
            took.push(call??);
        }
    }
    while let Some(call) = calls.join_next().await {
        took.push(call??);
    }
    Ok(took)
}
