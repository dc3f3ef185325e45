//! `millrace serve`: one process, nothing to configure.
//!
//! Flow: take the data directory, open the store, see to the root access key, start controller and API, say where,
//! run until told to stop. Jobs run in processes of their own and outlive this one; the
//! next start finds them again. With a database server, several such processes share the work.

mod arguments;
mod artifacts;
mod data_dir;
mod delivery;
mod history;
mod jobs;
mod logs;
mod retention;
mod root_key;
mod shutdown;
mod telemetry;
mod tokens;
mod transfers;
mod wiring;

use std::process::ExitCode;

use anyhow::Context;
pub use arguments::ServeArguments;
use data_dir::{DataDir, Holding};
use millrace_store::Store;
pub use root_key::sealed;

use crate::secrets;

pub fn run(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    telemetry::start(&arguments.log_level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    let holding = match arguments.database_url {
        Some(_) => Holding::Shared,
        None => Holding::Alone,
    };
    let data_dir = DataDir::take(&arguments.data_dir()?, holding)?;
    let listener = arguments.listener().await?;
    let address = listener.local_addr()?;
    let store = match &arguments.database_url {
        Some(url) => Store::connect(url).await,
        // The commands that open it meanwhile change keys and policies, and no application.
        None => Store::open(&data_dir.path().join("millrace.db")).await.map(Store::held_alone),
    };
    let store = store.context("cannot open the database")?.with_quotas(arguments.quotas()?);
    let sealing = secrets::sealing_key(data_dir.path(), arguments.key_file.as_deref())?;
    let root_key = root_key::ensure(&store, &sealing, &arguments.account, data_dir.path()).await?;
    let stopping = shutdown::listen()?;

    let controller = wiring::controller(&arguments, &data_dir, store.clone())?;
    let worker = wiring::snapshot_worker(&arguments, &data_dir, store.clone())?;
    let sweeper = wiring::sweeper(&arguments, &data_dir, store.clone())?;
    let carer = wiring::carer(&arguments, &data_dir, store.clone())?;
    let jobs = wiring::jobs(&arguments, &data_dir, stopping.clone())?;
    let api = wiring::api(
        &arguments,
        &data_dir,
        store.clone(),
        address,
        (sealing, controller.wake(), jobs.clone()),
    )?;
    let router = millrace_api::router(api);
    let delivery = wiring::delivery(&arguments, &data_dir, store.clone())?;
    let delivering = tokio::spawn({
        let stopping = stopping.clone();
        async move {
            if let Some(delivery) = delivery {
                delivery.run(shutdown::asked(stopping)).await;
            }
        }
    });
    let sampling = tokio::spawn({
        let (store, stopping) = (store.clone(), stopping.clone());
        async move { history::sample(&store, &jobs, shutdown::asked(stopping)).await }
    });
    let controlling = tokio::spawn({
        let stopping = stopping.clone();
        async move { controller.run(shutdown::asked(stopping)).await }
    });

    let working = tokio::spawn({
        let stopping = stopping.clone();
        async move { worker.run(shutdown::asked(stopping)).await }
    });

    let sweeping = tokio::spawn({
        let stopping = stopping.clone();
        async move { sweeper.run(shutdown::asked(stopping)).await }
    });

    let caring = tokio::spawn({
        let stopping = stopping.clone();
        async move { carer.run(shutdown::asked(stopping)).await }
    });

    data_dir.announce(address)?;
    arguments::greet(address, data_dir.path(), &arguments.region, &root_key);
    shutdown::serve_until(listener, router, stopping).await?;
    controlling.await.context("the controller failed")?;
    caring.await.context("the care of jobs failed")?;
    working.await.context("the work on snapshots failed")?;
    sweeping.await.context("the sweeping failed")?;
    delivering.await.context("the delivery of logs failed")?;
    sampling.await.context("the noting of metrics failed")?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
