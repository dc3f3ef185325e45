//! `millrace app …`: a client of the AWS API, as boto3 is one.
//!
//! Must not know: store, controller, engine. It speaks only HTTP to an endpoint, which
//! may be another machine's.

mod args;
mod check;
mod client;
mod credentials;
mod events;
mod input;
mod logs;
mod operate;
mod scaling;
mod show;
mod top;
mod transfer;
mod wait;

use std::process::ExitCode;

pub use args::{
    AppArguments, AppCommand, EventArguments, LogArguments, Shortcut, TopArguments,
    TransferArguments,
};
use client::Client;

pub fn run(arguments: AppArguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(dispatch(arguments))
}

async fn dispatch(arguments: AppArguments) -> anyhow::Result<ExitCode> {
    let key = credentials::find(&arguments)?;
    let client = Client::new(&arguments.endpoint, arguments.region, key)?;
    let format = arguments.output;
    match arguments.command {
        AppCommand::Create(create) => operate::create(&client, format, create).await,
        AppCommand::Start(start) => operate::start(&client, format, start).await,
        AppCommand::Stop(stop) => operate::stop(&client, format, stop).await,
        AppCommand::Update(update) if update.check => check::check(&client, format, &update).await,
        AppCommand::Update(update) => operate::update(&client, format, update).await,
        AppCommand::Rollback(target) => operate::rollback(&client, format, target).await,
        AppCommand::Delete(target) => operate::delete(&client, format, target).await,
        AppCommand::Describe { name } => show::describe(&client, format, &name).await,
        AppCommand::List => show::list(&client, format).await,
        AppCommand::Snapshots(snapshots) => show::snapshots(&client, format, snapshots).await,
        AppCommand::Operations { name, id } => {
            show::operations(&client, format, &name, id.as_deref()).await
        }
        AppCommand::Versions { name, id } => show::versions(&client, format, &name, id).await,
        AppCommand::Scaling(arguments) => scaling::scaling(&client, format, &arguments).await,
        AppCommand::Events(events) => {
            events::print(&client, format, &events.name, events.follow).await
        }
        AppCommand::Logs(arguments) => logs::print(&client, &arguments).await,
        AppCommand::Dashboard(arguments) => show::dashboard(&client, format, &arguments).await,
        AppCommand::Top(arguments) => top::top(&client, format, &arguments).await,
        AppCommand::Snapshot(command) => transfer::run(&client, format, command).await,
    }
}
