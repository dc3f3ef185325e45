//! `millrace serve`: one process, nothing to configure.
//!
//! Flow: take the data directory, open the store, start controller and API, say where,
//! run until told to stop. Jobs run in processes of their own and outlive this one; the
//! next start finds them again.

mod arguments;
mod data_dir;
mod logs;
mod s3;
mod shutdown;
mod telemetry;

use std::process::ExitCode;

use anyhow::Context;
pub use arguments::ServeArguments;
use data_dir::DataDir;
use millrace_store::Store;

pub fn run(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    telemetry::start(&arguments.log_level);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: ServeArguments) -> anyhow::Result<ExitCode> {
    let data_dir = DataDir::take(&arguments.data_dir()?)?;
    let listener = arguments.listener().await?;
    let address = listener.local_addr()?;
    let store = Store::open(&data_dir.path().join("millrace.db"))
        .await
        .context("cannot open the database")?;
    let stopping = shutdown::listen()?;
    let logs = logs::Logs {
        store: store.clone(),
        account: arguments.account.clone(),
        region: arguments.region.clone(),
        applications: data_dir.path().join("applications"),
        stopping: stopping.clone(),
    };
    let router = logs::router(logs);
    data_dir.announce(address)?;
    arguments::greet(address, data_dir.path(), &arguments.region);
    shutdown::serve_until(listener, router, stopping).await?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
