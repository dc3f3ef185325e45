//! `run --job FILE`: the process around a job.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use millrace_runtime::Outcome;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tracing::{error, info};

use crate::description::JobDescription;
use crate::rest;
use crate::session::Session;

/// Another engine has taken the application.
const FENCED: u8 = 3;
/// How long a job may take to end after it was told to.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Why the process ends.
enum Reason {
    Told,
    Fenced(String),
}

pub async fn run(description: JobDescription) -> ExitCode {
    init_log(&description.log_level);
    match serve(description).await {
        Ok(Reason::Told) => ExitCode::SUCCESS,
        Ok(Reason::Fenced(message)) => {
            error!(message, "fenced");
            eprintln!("error: fenced: {message}");
            ExitCode::from(FENCED)
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("error: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn serve(description: JobDescription) -> Result<Reason, Vec<String>> {
    let standby = description.standby;
    let restore = description.restore.clone();
    let allow_non_restored_state = description.allow_non_restored_state;
    let session = Arc::new(Session::prepare(description)?);
    let listener = listen(&session.description.rest_address).await?;
    let address = listener.local_addr().map_err(|error| vec![error.to_string()])?;
    let shut_down = Arc::new(Notify::new());
    let router = rest::router(Arc::clone(&session), Arc::clone(&shut_down));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    if !standby {
        // The first start of a session is never refused.
        let _ = session.start(restore, allow_non_restored_state).await;
    }
    write_endpoint(&session, address)?;
    info!(%address, generation = %session.description.generation, standby, "engine is listening");
    let reason = wait_for_end(&session, &shut_down).await?;
    if tokio::time::timeout(END_WITHIN, session.cancel()).await.is_err() {
        error!("the job does not end; leaving it behind");
    }
    server.abort();
    Ok(reason)
}

async fn listen(address: &str) -> Result<TcpListener, Vec<String>> {
    TcpListener::bind(address)
        .await
        .map_err(|error| vec![format!("cannot listen on {address}: {error}")])
}

async fn wait_for_end(session: &Session, shut_down: &Notify) -> Result<Reason, Vec<String>> {
    let no_signals = |error: std::io::Error| vec![format!("cannot listen for signals: {error}")];
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut outcome = session.outcome();
    tokio::select! {
        _ = terminate.recv() => info!("told to end by SIGTERM"),
        _ = interrupt.recv() => info!("told to end by SIGINT"),
        () = shut_down.notified() => info!("told to end by DELETE /cluster"),
        message = fenced(&mut outcome) => return Ok(Reason::Fenced(message)),
    }
    Ok(Reason::Told)
}

/// Waits for the one end of a job that ends its process, too: any other is to be
/// looked at first.
async fn fenced(outcome: &mut tokio::sync::watch::Receiver<Option<Outcome>>) -> String {
    let is_fenced = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Fenced(_)));
    match outcome.wait_for(is_fenced).await.as_deref() {
        Ok(Some(Outcome::Fenced(message))) => message.clone(),
        _ => std::future::pending().await,
    }
}

/// Written beside and renamed, so that nobody reads half of it.
fn write_endpoint(session: &Session, address: SocketAddr) -> Result<(), Vec<String>> {
    let file = &session.description.endpoint_file;
    let content = json!({
        "pid": std::process::id(),
        "address": address.to_string(),
        "generation": session.description.generation,
        "started_at_ms": session.started_at_ms,
    });
    write_atomically(file, content.to_string().as_bytes())
        .map_err(|error| vec![format!("cannot write {}: {error}", file.display())])
}

fn write_atomically(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, file)
}

fn init_log(level: &str) {
    let level = match level.to_ascii_uppercase().as_str() {
        "DEBUG" => "debug",
        "WARN" => "warn",
        "ERROR" => "error",
        _ => "info",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    // The `millrace` binary may have set one up already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}
