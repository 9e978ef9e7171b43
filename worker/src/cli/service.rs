//! What `run` and `dev` share: applications and HTTP from start to SIGTERM to exit code.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use millrace_worker::app::{App, AppOptions};
use millrace_worker::http::{self, HttpState};
use tokio::signal::unix::{SignalKind, signal};

/// Time from SIGTERM to the end, below Kubernetes' default grace period of 30 s.
const GRACE: Duration = Duration::from_secs(25);
/// How often the end of an application is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Runs applications and serves HTTP until a signal or until one fails.
pub(super) fn serve(
    options: Vec<AppOptions>,
    address: SocketAddr,
    more_routes: Router,
    started: impl FnOnce(SocketAddr),
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|error| format!("could not start the HTTP threads: {error}"))?;
    runtime.block_on(async {
        let listener = http::bind(address).await?;
        // Port 0 asks for any free one: tell which it is.
        let address = listener.local_addr().unwrap_or(address);
        let mut term = signal(SignalKind::terminate())
            .map_err(|error| format!("could not listen for SIGTERM: {error}"))?;
        let mut interrupt = signal(SignalKind::interrupt())
            .map_err(|error| format!("could not listen for SIGINT: {error}"))?;
        let apps = options
            .into_iter()
            .map(|options| App::start(options).map_err(|error| error.to_string()))
            .collect::<Result<Vec<_>, _>>()?;
        let state = HttpState::new(apps.iter().map(App::shared).collect());
        let (stop_http, http_stopped) = tokio::sync::oneshot::channel::<()>();
        let router = http::router(state).merge(more_routes);
        let server = tokio::spawn(http::serve(listener, router, async {
            // An error is the sender's end, which means the same.
            let _ended = http_stopped.await;
        }));
        tracing::info!(%address, "HTTP is up");
        started(address);
        tokio::select! {
            _ = term.recv() => tracing::info!("SIGTERM: finishing"),
            _ = interrupt.recv() => tracing::info!("SIGINT: finishing"),
            () = any_finished(&apps) => {}
        }
        let result = finish(apps).await;
        drop(stop_http);
        let _ended = tokio::time::timeout(Duration::from_secs(2), server).await;
        result
    })
}

async fn any_finished(apps: &[App]) {
    while !apps.iter().any(App::is_finished) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Ends all applications within the grace period; the error is the first that failed.
async fn finish(apps: Vec<App>) -> Result<(), String> {
    apps.iter().for_each(App::stop);
    let began = Instant::now();
    while !apps.iter().all(App::is_finished) {
        if began.elapsed() >= GRACE {
            return Err(format!(
                "not finished {} s after the signal; ending: what is not committed is processed \
                 again at the next start",
                GRACE.as_secs()
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
    let mut result = Ok(());
    for app in apps {
        let name = Arc::clone(&app.shared().plan).application_id.clone();
        result = result.and(app.join().map_err(|error| format!("{name}: {error}")));
    }
    result
}
