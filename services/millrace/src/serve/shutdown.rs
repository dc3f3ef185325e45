//! Being told to stop, and stopping.

use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long requests under way may take once the server is stopping.
const GRACE: Duration = Duration::from_secs(5);

/// A value that turns true on SIGINT or SIGTERM.
///
/// # Errors
/// The system gives no signals.
pub fn listen() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let (asked, stopping) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping; jobs run on");
        asked.send_replace(true);
    });
    Ok(stopping)
}

/// Returns once the value is true.
pub async fn asked(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender has gone, which only the end of the process does.
    drop(stopping.wait_for(|asked| *asked).await);
}

/// Serves until asked to stop, then lets requests under way end, for a while.
///
/// # Errors
/// The listener failed.
pub async fn serve_until(
    listener: TcpListener,
    router: axum::Router,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let serving = axum::serve(listener, router).with_graceful_shutdown(asked(stopping.clone()));
    tokio::select! {
        ended = serving.into_future() => ended.context("the server failed"),
        () = grace(stopping) => {
            tracing::warn!("requests were still under way after {GRACE:?}");
            Ok(())
        }
    }
}

async fn grace(stopping: watch::Receiver<bool>) {
    asked(stopping).await;
    tokio::time::sleep(GRACE).await;
}
