//! Which part is given what.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_s3::Client;
use millrace_api::{ApiConfig, ApiState, Limits, LocalArtifacts, NoTokens, S3Locations, Tokens};
use millrace_auth::SealingKey;
use millrace_auth::throttle::Rate;
use millrace_controller::{
    CareSettings, Carer, Controller, ControllerSettings, Looker, Records, SnapshotWorker, Sweeper,
    Wake, WorkSettings,
};
use millrace_domain::lifecycle::Settings;
use millrace_domain::runtime_environment::{CATALOGUE, Standing};
use millrace_domain::{ApplicationId, OperationId, Timestamp};
use millrace_launcher::flink::{Distributions, FlinkSettings};
use millrace_launcher::{Engines, Launcher, LocalSettings};
use millrace_store::Store;
use tokio::sync::watch;

use super::arguments::ServeArguments;
use super::artifacts::{self, ServedArtifacts};
use super::data_dir::DataDir;
use super::delivery::{CloudWatchLogs, Delivery};
use super::jobs::LocalJobs;
use super::tokens::TrustedIssuers;
use super::transfers::{Depot, Directory, S3, Transfers};
use crate::edge;

/// Much longer than a step takes, and than clocks of replicas differ.
const REPLICA_LEASE: Duration = Duration::from_secs(5);

/// Jobs run as processes of this very program: `millrace engine run …`.
pub fn controller(
    arguments: &ServeArguments,
    data_dir: &DataDir,
    store: Store,
) -> anyhow::Result<Controller> {
    let launcher = launcher(arguments, data_dir)?;
    let stability_ms = i64::try_from(arguments.stability_window.as_millis())
        .context("a stability window is not as long as that")?;
    let looker = Looker {
        records: Arc::new(store),
        launcher: Arc::new(launcher),
        settings: Settings { stability_ms, ..Settings::default() },
        clock: clock(),
    };
    Ok(Controller::new(looker, controller_settings(arguments)))
}

/// Alone, a restarted server takes its own leases back at once. A replica has a name that no
/// other ever had, and a lease short enough that another goes on soon after it has died.
fn controller_settings(arguments: &ServeArguments) -> ControllerSettings {
    match arguments.database_url {
        None => ControllerSettings::default(),
        Some(_) => ControllerSettings {
            holder: edge::new_id().to_string(),
            lease: REPLICA_LEASE,
            ..ControllerSettings::default()
        },
    }
}

/// Its launcher starts nothing: it measures running jobs.
pub fn carer(
    arguments: &ServeArguments,
    data_dir: &DataDir,
    store: Store,
) -> anyhow::Result<Carer> {
    let parts: (Arc<dyn Records>, Arc<dyn Launcher>) =
        (Arc::new(store), Arc::new(launcher(arguments, data_dir)?));
    let ids = || OperationId::new(edge::new_id().to_string()).expect("a UUID is one");
    let settings = CareSettings {
        period: arguments.care_period,
        // As the engine tells its own: it is this very program.
        release: Some(concat!("millrace ", env!("CARGO_PKG_VERSION")).to_owned()),
        quotas: arguments.quotas()?,
    };
    Ok(Carer::new(parts, clock(), Arc::new(ids), settings))
}

/// None: logs are delivered nowhere.
pub fn delivery(
    arguments: &ServeArguments,
    data_dir: &DataDir,
    store: Store,
) -> anyhow::Result<Option<Delivery>> {
    let Some(endpoint) = &arguments.logs_endpoint else { return Ok(None) };
    let cloud_watch = CloudWatchLogs::at(endpoint)?;
    Ok(Some(Delivery { store, cloud_watch, applications: data_dir.path().join("applications") }))
}

/// Its launcher starts nothing: it removes files of snapshots.
pub fn snapshot_worker(
    arguments: &ServeArguments,
    data_dir: &DataDir,
    store: Store,
) -> anyhow::Result<SnapshotWorker> {
    let kept = data_dir.path().join("snapshots");
    let mut private = vec![data_dir.path().to_owned()];
    private.extend(arguments.key_file.clone());
    Ok(SnapshotWorker {
        store,
        launcher: Arc::new(launcher(arguments, data_dir)?),
        files: Arc::new(Transfers::new(kept, private, depot(arguments))),
        clock: clock(),
        settings: WorkSettings::default(),
    })
}

/// Its launcher starts nothing: it removes files of past runs.
pub fn sweeper(
    arguments: &ServeArguments,
    data_dir: &DataDir,
    store: Store,
) -> anyhow::Result<Sweeper> {
    let id = || OperationId::new(edge::new_id().to_string()).expect("a UUID is an operation id");
    Ok(Sweeper {
        store,
        launcher: Arc::new(launcher(arguments, data_dir)?),
        clock: clock(),
        ids: Arc::new(id),
        retention: arguments.retention.retention(),
    })
}

fn depot(arguments: &ServeArguments) -> Option<Arc<dyn Depot>> {
    match (s3_client(arguments), &arguments.s3_directory) {
        (Some(client), _) => Some(Arc::new(S3(client))),
        (None, Some(directory)) => Some(Arc::new(Directory::new(directory.clone()))),
        (None, None) => None,
    }
}

fn s3_client(arguments: &ServeArguments) -> Option<Client> {
    let endpoint = arguments.s3_endpoint.as_deref()?;
    Some(artifacts::client(endpoint, &arguments.region))
}

/// The embedded engine, and Apache Flink where a release of it is installed.
fn launcher(arguments: &ServeArguments, data_dir: &DataDir) -> anyhow::Result<Engines> {
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    let mut embedded = LocalSettings::new(data_dir.path().to_owned(), program);
    embedded.private.extend(arguments.key_file.clone());
    let mut flink = FlinkSettings::new(data_dir.path().to_owned());
    flink.private.extend(arguments.key_file.clone());
    Ok(Engines::new(embedded, flink)?)
}

pub fn api(
    arguments: &ServeArguments,
    data_dir: &DataDir,
    store: Store,
    address: SocketAddr,
    (sealing, wake, jobs): (SealingKey, Wake, Arc<LocalJobs>),
) -> anyhow::Result<ApiState> {
    let flink = Distributions::of_data_directory(data_dir.path());
    let mut offered = Vec::new();
    for runtime in CATALOGUE {
        // What the embedded engine has not, an installed release of Flink may have.
        if runtime.standing == Standing::Offered || flink.serving(runtime.name)?.is_some() {
            offered.push(runtime.name.to_owned());
        }
    }
    let local = LocalArtifacts::new(data_dir.path().join("artifacts"));
    Ok(ApiState {
        store,
        jobs,
        artifacts: Arc::new(ServedArtifacts::new(local, s3_client(arguments))),
        wake: Arc::new(move |id: &ApplicationId| wake.application(id)),
        clock: clock(),
        ids: Arc::new(edge::new_id),
        sealing: Arc::new(sealing),
        limits: Arc::new(Limits::new(rate(arguments))),
        lately: Arc::default(),
        tokens: tokens(arguments)?,
        config: Arc::new(ApiConfig {
            account: arguments.account.clone(),
            region: arguments.region.clone(),
            regions: arguments.regions(),
            public_url: public_url(arguments, address),
            s3_locations: S3Locations::of_account(arguments.account.clone())
                .with(arguments.s3_allow.clone()),
            s3_exports: S3Locations::of_account(arguments.account.clone())
                .with(arguments.s3_export.clone()),
            copies_snapshots: arguments.s3_endpoint.is_some() || arguments.s3_directory.is_some(),
            runtimes: offered,
        }),
    })
}

/// Its launcher starts nothing either: it asks running jobs, and the planner.
pub fn jobs(
    arguments: &ServeArguments,
    data_dir: &DataDir,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<Arc<LocalJobs>> {
    let applications = data_dir.path().join("applications");
    Ok(Arc::new(LocalJobs::new(launcher(arguments, data_dir)?, applications, stopping)))
}

fn public_url(arguments: &ServeArguments, address: SocketAddr) -> String {
    let given = arguments.public_url.clone();
    let url = given.unwrap_or_else(|| format!("http://{address}"));
    url.trim_end_matches('/').to_owned()
}

fn tokens(arguments: &ServeArguments) -> anyhow::Result<Arc<dyn Tokens>> {
    Ok(match &arguments.trust {
        Some(path) => Arc::new(TrustedIssuers::read(path)?),
        None => Arc::new(NoTokens),
    })
}

fn rate(arguments: &ServeArguments) -> Rate {
    Rate { per_second: arguments.call_rate, burst: arguments.call_rate.saturating_mul(10) }
}

fn clock() -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
    Arc::new(|| Timestamp(edge::now_ms()))
}
