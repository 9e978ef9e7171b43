//! REST service that takes loan requests and writes them to topic `loan-requests`.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use loan_evaluation::api;
use loan_evaluation::loan::REQUESTS_TOPIC;
use loan_evaluation::log::LogOptions;
use loan_evaluation::publisher::Publisher;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

/// Longest wait of a request for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Longest wait, after a signal, for requests under way: one body and one answer, and some.
const DRAIN_WITHIN: Duration = Duration::from_secs(12);

/// Takes loan requests over REST: POST /loans {"account":"001-00101","amount":100}
#[derive(Debug, Parser)]
#[command(name = "loan-request-api", version)]
struct Options {
    #[command(flatten)]
    log: LogOptions,

    /// Address to serve on
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8004")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let options = Options::parse();

    let log = options.log.open("loan-request-api")?;
    let listener = TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("could not listen on {} (see --listen)", options.listen))?;
    let (publisher, thread) = Publisher::start(log, REQUESTS_TOPIC, ANSWER_WITHIN)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    info!(address = %listener.local_addr()?, "serving POST /loans");

    let (stopping, mut stop) = tokio::sync::watch::channel(false);
    let mut stop_too = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopping.send_replace(true);
    });
    let serving =
        axum::serve(listener, api::router(publisher)).with_graceful_shutdown(async move {
            let _ = stop.wait_for(|stopping| *stopping).await;
            info!("stopping: requests under way are finished");
        });
    let drained = async move {
        let _ = stop_too.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(DRAIN_WITHIN).await;
    };
    tokio::select! {
        served = serving => {
            served?;
            // Every publisher is dropped now: the thread writes what is in its queue and ends.
            tokio::task::spawn_blocking(|| thread.join()).await?;
            info!("stopped");
        }
        () = drained => warn!("stopped with requests under way after {DRAIN_WITHIN:?}"),
    }
    Ok(())
}
