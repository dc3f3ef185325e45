//! The service under load: the real API, store and reconciler over simulated jobs.
//!
//! It writes one line of JSON to its standard output when it serves (its address), and one
//! for each line that it reads: how long changes have waited for a look since the last
//! one. It ends with its standard input.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use millrace_api::{ApiConfig, ApiState, Limits, LocalArtifacts, NoJobs, NoTokens};
use millrace_auth::throttle::Rate;
use millrace_auth::{KeyStatus, Principal, SealingKey};
use millrace_controller::{Controller, ControllerSettings, Looker};
use millrace_domain::lifecycle::Settings;
use millrace_domain::{ApplicationId, Timestamp};
use millrace_store::{Store, StoredKey};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::account::Account;
use crate::arguments::ServeArguments;
use crate::edge;
use crate::simulated::Simulated;
use crate::statistics::percentiles;

/// Nothing here is worth a secret: the service lives as long as its measurement.
const SEALING: [u8; 32] = [7; 32];
/// A second and account: more than any load here.
const CALLS: u32 = 1_000_000;

/// # Errors
/// The database, or the address, cannot be had.
pub fn serve(arguments: &ServeArguments) -> anyhow::Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(arguments.threads).enable_all();
    builder.build()?.block_on(served(arguments))
}

async fn served(arguments: &ServeArguments) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let store = match &arguments.database_url {
        Some(url) => Store::connect(url).await?,
        None => Store::open(&directory.path().join("millrace.db")).await?.held_alone(),
    };
    let jobs = Arc::new(Simulated::default());
    make_accounts(&store, arguments.accounts).await?;
    let controller = controller(arguments, &store, &jobs);
    let state = state(&store, &jobs, &controller, directory.path());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tell(&json!({ "address": address }))?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let reconciles = tokio::spawn(async move {
        controller.run(async { drop(stopped.await) }).await;
    });
    let serves = tokio::spawn(millrace_api::serve(listener, state));
    let mut asked = questions();
    while asked.recv().await.is_some() {
        tell(&percentiles(jobs.take_lags()))?;
    }
    drop(stop);
    reconciles.await?;
    serves.abort();
    store.close().await;
    Ok(())
}

/// One for each line of the standard input; ends with it.
fn questions() -> mpsc::Receiver<()> {
    let (ask, asked) = mpsc::channel(1);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        lines.map_while(|_| ask.blocking_send(()).ok()).for_each(drop);
    });
    asked
}

fn tell(line: &serde_json::Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("nobody listens")
}

/// Each with its root's access key.
async fn make_accounts(store: &Store, count: u32) -> anyhow::Result<()> {
    for number in 0..count {
        let account = Account::of(number);
        let owner = Principal::of(&account.id, None).context("twelve digits are an account")?;
        let stored = StoredKey {
            sealed: SealingKey::new(&SEALING).seal(&account.key.id, &account.key.secret, [0; 12]),
            id: account.key.id,
            owner,
            status: KeyStatus::Active,
            created_at: Timestamp(edge::now_ms()),
        };
        store.add_access_key(&stored).await?;
    }
    Ok(())
}

fn controller(arguments: &ServeArguments, store: &Store, jobs: &Arc<Simulated>) -> Controller {
    let looker = Looker {
        records: Arc::new(store.clone()),
        launcher: jobs.clone(),
        settings: Settings::default(),
        clock: Arc::new(|| Timestamp(edge::now_ms())),
    };
    // As the real service: with a server, others may share the applications.
    let settings = match arguments.database_url {
        None => ControllerSettings::default(),
        Some(_) => ControllerSettings {
            holder: edge::new_id().to_string(),
            lease: std::time::Duration::from_secs(5),
            ..ControllerSettings::default()
        },
    };
    Controller::new(looker, settings)
}

fn state(
    store: &Store,
    jobs: &Arc<Simulated>,
    controller: &Controller,
    directory: &Path,
) -> ApiState {
    let (wake, changed) = (controller.wake(), jobs.clone());
    ApiState {
        store: store.clone(),
        artifacts: Arc::new(LocalArtifacts::new(directory.join("artifacts"))),
        jobs: Arc::new(NoJobs),
        wake: Arc::new(move |id: &ApplicationId| {
            changed.changed(id);
            wake.application(id);
        }),
        clock: Arc::new(|| Timestamp(edge::now_ms())),
        ids: Arc::new(edge::new_id),
        sealing: Arc::new(SealingKey::new(&SEALING)),
        limits: Arc::new(Limits::new(Rate { per_second: CALLS, burst: CALLS })),
        lately: Arc::default(),
        tokens: Arc::new(NoTokens),
        config: Arc::new(ApiConfig::local(["FLINK-1_18"])),
    }
}
