//! One trial: the plan carried out, then the output compared.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use millrace_test_support::files::{difference, drop_file, lines};
use millrace_test_support::postgres::Postgres;
use millrace_test_support::time::until;
use millrace_test_support::{Aws, AwsError, Server, ServerOptions, engines, nexmark};
use serde_json::{Value, json};

use crate::plan::{Action, Input, Plan, RUNTIMES, Request, Victim};
use crate::workload::{self, Code};

const NAME: &str = "trial";
const REPLICAS: usize = 3;
const CREATED: Duration = Duration::from_secs(60);
/// For everything that a kill may delay: lease, restart, restore, verification.
const SETTLED: Duration = Duration::from_secs(90);
const OUTPUT: Duration = Duration::from_secs(60);
/// After the last expected row: would more come?
const EXCESS: Duration = Duration::from_millis(600);
const FEEDING: Duration = Duration::from_millis(40);

/// With one server that keeps its database in a file.
///
/// # Errors
/// Rows were lost or repeated, or the application did not come back; with the plan,
/// what differs, and the operations. The directory is kept then.
pub fn run(seed: u64) -> anyhow::Result<()> {
    carry_out(seed, None)
}

/// With three replicas on one PostgreSQL server: a killed one leaves the others, and each
/// kill of a server also ends every connection to the database.
///
/// # Errors
/// As [`run`].
pub fn run_replicated(seed: u64, database: Postgres) -> anyhow::Result<()> {
    carry_out(seed, Some(database))
}

fn carry_out(seed: u64, database: Option<Postgres>) -> anyhow::Result<()> {
    let plan = Plan::draw(seed);
    let directory = tempfile::Builder::new().prefix("millrace-chaos-").tempdir()?;
    let outcome = Trial::start(&plan, directory.path(), database).and_then(|mut trial| {
        let outcome = trial.carry_out();
        outcome.with_context(|| format!("operations: {:#}", trial.operations()))
    });
    outcome.with_context(|| format!("{plan}kept in {}", keep(directory).display()))
}

/// Called only for a failure: a context is made only then.
fn keep(directory: tempfile::TempDir) -> PathBuf {
    directory.keep()
}

struct Trial<'a> {
    plan: &'a Plan,
    directory: &'a Path,
    options: ServerOptions,
    /// Never empty.
    servers: Vec<Server>,
    /// Which is asked next, and killed next.
    turn: Cell<usize>,
    /// Goes last.
    database: Option<Postgres>,
    /// Index of the runtime that was asked for last.
    runtime: usize,
    snapshots: u32,
}

impl Trial<'_> {
    fn start<'a>(
        plan: &'a Plan,
        directory: &'a Path,
        database: Option<Postgres>,
    ) -> anyhow::Result<Trial<'a>> {
        let mut options = ServerOptions::default();
        let replicas = if database.is_some() { REPLICAS } else { 1 };
        if let Some(server) = &database {
            options.more.extend(["--database-url".to_owned(), server.url()]);
        }
        let start = |_| Server::start(&directory.join("data"), &options);
        let servers = (0..replicas).map(start).collect::<anyhow::Result<_>>()?;
        let (runtime, turn) = (plan.runtime, Cell::new(0));
        let trial =
            Trial { plan, directory, options, servers, turn, database, runtime, snapshots: 0 };
        std::fs::create_dir_all(directory.join("in"))?;
        trial.aws().call("CreateApplication", trial.create())?;
        trial.aws().complete("StartApplication", json!({"ApplicationName": NAME}), CREATED)?;
        Ok(trial)
    }

    /// A replica after the other: what one accepted, all know.
    fn aws(&self) -> Aws {
        self.turn.set(self.turn.get() + 1);
        self.servers[self.turn.get() % self.servers.len()].aws()
    }

    fn carry_out(&mut self) -> anyhow::Result<()> {
        match self.plan.input {
            Input::Files => self.over_files(),
            Input::Nexmark => self.over_nexmark(),
        }
    }

    fn over_nexmark(&mut self) -> anyhow::Result<()> {
        self.do_steps()?;
        self.heal()?;
        // The stop makes everything before it visible, and nothing comes after it.
        self.aws().complete("StopApplication", json!({"ApplicationName": NAME}), SETTLED)?;
        let events = workload::nexmark_events(&self.output("events")?)?;
        ensure!(!events.is_empty(), "no events at all");
        nexmark::whole_beginning(&events).map(drop)
    }

    fn over_files(&mut self) -> anyhow::Result<()> {
        let feeder = Feeder::start(self.directory.join("in"));
        self.do_steps()?;
        self.heal()?;
        let files = feeder.stop()?;
        self.compare(files)
    }

    fn do_steps(&mut self) -> anyhow::Result<()> {
        for step in &self.plan.steps {
            std::thread::sleep(step.after);
            match &step.action {
                Action::Ask(request) => self.ask(request)?,
                Action::Kill(victim) => self.kill(*victim)?,
            }
        }
        Ok(())
    }

    /// A request may be refused for the moment that it falls into; any other refusal
    /// fails the trial.
    fn ask(&mut self, request: &Request) -> anyhow::Result<()> {
        let (operation, input) = self.request(request)?;
        let Err(failure) = self.aws().call(operation, input) else { return Ok(()) };
        match failure.downcast_ref::<AwsError>() {
            Some(AwsError { code, .. }) if for_the_moment(code) => Ok(()),
            _ => Err(failure.context(operation)),
        }
    }

    fn request(&mut self, request: &Request) -> anyhow::Result<(&'static str, Value)> {
        Ok(match request {
            Request::Upgrade { parallelism } => {
                self.runtime = (self.runtime + 1).min(RUNTIMES.len() - 1);
                let parallelism = match self.plan.input {
                    Input::Files => *parallelism,
                    Input::Nexmark => 1,
                };
                ("UpdateApplication", self.update(Code::Good, parallelism)?)
            }
            Request::FailingUpdate => {
                ("UpdateApplication", self.update(Code::Failing, self.plan.parallelism)?)
            }
            Request::ImpossibleUpdate => {
                ("UpdateApplication", self.update(Code::Impossible, self.plan.parallelism)?)
            }
            Request::Snapshot => {
                self.snapshots += 1;
                let name = format!("s{}", self.snapshots);
                let input = json!({"ApplicationName": NAME, "SnapshotName": name});
                ("CreateApplicationSnapshot", input)
            }
            Request::Rollback => {
                let version = &self.aws().describe(NAME)?["ApplicationVersionId"];
                let input =
                    json!({"ApplicationName": NAME, "CurrentApplicationVersionId": version});
                ("RollbackApplication", input)
            }
            Request::Stop => ("StopApplication", json!({"ApplicationName": NAME})),
            Request::ForceStop => {
                ("StopApplication", json!({"ApplicationName": NAME, "Force": true}))
            }
        })
    }

    fn create(&self) -> Value {
        json!({
            "ApplicationName": NAME,
            "RuntimeEnvironment": RUNTIMES[self.plan.runtime],
            "ServiceExecutionRole": "arn:aws:iam::000000000000:role/test",
            "ApplicationConfiguration": {
                "ApplicationCodeConfiguration": {
                    "CodeContentType": "PLAINTEXT",
                    "CodeContent": {"TextContent": self.script(Code::Good)},
                },
                "FlinkApplicationConfiguration": {
                    "CheckpointConfiguration": {
                        "ConfigurationType": "CUSTOM", "CheckpointingEnabled": true,
                        "CheckpointInterval": 150, "MinPauseBetweenCheckpoints": 0,
                    },
                    "ParallelismConfiguration": {
                        "ConfigurationType": "CUSTOM", "Parallelism": self.plan.parallelism,
                        "ParallelismPerKPU": 1, "AutoScalingEnabled": false,
                    },
                },
                "ApplicationSystemRollbackConfiguration": {"RollbackEnabled": true},
            },
        })
    }

    fn script(&self, code: Code) -> String {
        workload::script(self.plan.input, self.directory, code)
    }

    fn update(&self, code: Code, parallelism: u16) -> anyhow::Result<Value> {
        let version = &self.aws().describe(NAME)?["ApplicationVersionId"];
        Ok(json!({
            "ApplicationName": NAME,
            "CurrentApplicationVersionId": version,
            "RuntimeEnvironmentUpdate": RUNTIMES[self.runtime],
            "ApplicationConfigurationUpdate": {
                "ApplicationCodeConfigurationUpdate": {
                    "CodeContentUpdate":
                        {"TextContentUpdate": self.script(code)},
                },
                "FlinkApplicationConfigurationUpdate": {"ParallelismConfigurationUpdate": {
                    "ConfigurationTypeUpdate": "CUSTOM", "ParallelismUpdate": parallelism,
                }},
            },
        }))
    }

    fn kill(&mut self, victim: Victim) -> anyhow::Result<()> {
        let data = self.directory.join("data");
        if matches!(victim, Victim::Engine | Victim::Both(_)) {
            engines::kill_all(&data);
        }
        if let Victim::Server(down) | Victim::Both(down) = victim {
            let killed = self.turn.get() % self.servers.len();
            self.servers[killed].kill()?;
            if let Some(database) = &self.database {
                database.end_connections()?;
            }
            if matches!(victim, Victim::Both(_)) {
                engines::kill_all(&data);
            }
            std::thread::sleep(down);
            self.restart(killed, &data)?;
        }
        Ok(())
    }

    /// A new server on the same data directory. The old one is dead already; dropping
    /// its handle must not take the engines with it.
    fn restart(&mut self, killed: usize, data: &Path) -> anyhow::Result<()> {
        let new = Server::start(data, &self.options)?;
        std::mem::replace(&mut self.servers[killed], new).forget();
        Ok(())
    }

    /// Waits for whatever is going on to end, and starts the application when that left
    /// it stopped.
    fn heal(&self) -> anyhow::Result<()> {
        for _ in 0..3 {
            let status = until("the application settled", SETTLED, || self.settled_status())?;
            if status == "RUNNING" {
                return Ok(());
            }
            self.mend()?;
            self.aws().complete("StartApplication", json!({"ApplicationName": NAME}), SETTLED)?;
        }
        bail!("started three times, and not RUNNING")
    }

    /// A stopped application takes code that fails without trying it, and a forced stop
    /// leaves the code of the update that it cut off: then the good code is put back.
    fn mend(&self) -> anyhow::Result<()> {
        let detail = self.aws().describe(NAME)?;
        let code = &detail["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"];
        if code["CodeContentDescription"]["TextContent"] == self.script(Code::Good) {
            return Ok(());
        }
        let update = self.update(Code::Good, self.plan.parallelism)?;
        self.aws().complete("UpdateApplication", update, SETTLED).map(drop)
    }

    fn settled_status(&self) -> anyhow::Result<Option<String>> {
        let open = json!({"ApplicationName": NAME, "OperationStatus": "IN_PROGRESS"});
        let open = self.aws().call("ListApplicationOperations", open)?;
        if open["ApplicationOperationInfoList"].as_array().is_some_and(|list| !list.is_empty()) {
            return Ok(None);
        }
        let detail = self.aws().describe(NAME)?;
        let status = detail["ApplicationStatus"].as_str().unwrap_or_default();
        Ok(["RUNNING", "READY", "ROLLED_BACK"].contains(&status).then(|| status.to_owned()))
    }

    fn compare(&self, files: u64) -> anyhow::Result<()> {
        let outputs = [
            ("copies", workload::expected_copies(files)),
            ("sums", workload::expected_sums(files)),
        ];
        let [(copies, rows), (sums, windows)] = &outputs;
        self.wait_for(copies, rows)?;
        // Only now: an idle reader may be given the last rows while another reads this
        // one, and then they are late, as in Flink.
        drop_file(&self.directory.join("in"), "zzz-last.csv", &workload::last_file())?;
        self.wait_for(sums, windows)?;
        std::thread::sleep(EXCESS);
        for (name, expected) in &outputs {
            let differing = difference(expected, &self.output(name)?);
            if !differing.is_empty() {
                bail!("{name} is not that of an undisturbed run:\n{}", differing.join("\n"));
            }
        }
        Ok(())
    }

    fn wait_for(&self, name: &str, expected: &[String]) -> anyhow::Result<()> {
        let complete = || Ok((self.output(name)?.len() >= expected.len()).then_some(()));
        until(&format!("{} rows of {name}", expected.len()), OUTPUT, complete).with_context(|| {
            let differing = self.output(name).map(|actual| difference(expected, &actual));
            differing.unwrap_or_default().join("\n")
        })
    }

    fn output(&self, name: &str) -> anyhow::Result<Vec<String>> {
        Ok(workload::normal(lines(&self.directory.join(name))?))
    }

    fn operations(&self) -> Value {
        let input = json!({"ApplicationName": NAME});
        let listed = self.aws().call("ListApplicationOperations", input).unwrap_or_default();
        let ids = listed["ApplicationOperationInfoList"].as_array().cloned().unwrap_or_default();
        let details = ids.iter().map(|info| {
            let input = json!({"ApplicationName": NAME, "OperationId": info["OperationId"]});
            self.aws().call("DescribeApplicationOperation", input).unwrap_or_default()
        });
        Value::Array(details.collect())
    }
}

fn for_the_moment(code: &str) -> bool {
    ["ResourceInUseException", "ConcurrentModificationException", "InvalidRequestException"]
        .contains(&code)
}

/// Drops one file after the other until it is told to stop.
struct Feeder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

impl Feeder {
    fn start(directory: PathBuf) -> Feeder {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut files = 0;
            while !stopped.load(Ordering::Relaxed) {
                drop_file(&directory, &format!("{files:08}.csv"), &workload::file(files))?;
                files += 1;
                std::thread::sleep(FEEDING);
            }
            Ok(files)
        });
        Feeder { stop, thread }
    }

    /// How many files were dropped.
    fn stop(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the feeder does not panic")
    }
}
