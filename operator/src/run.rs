//! The operator's process: serves health and metrics, waits to be the leader, then reconciles until it
//! is told to end or loses the lead.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client};
use millrace_crds::StreamApp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::RunArgs;
use crate::context::Context;
use crate::controller;
use crate::decide::Environment;
use crate::http::{HttpState, serve};
use crate::kafka::KafkaPool;
use crate::lease::Election;
use crate::metrics::Metrics;

/// Pause between two looks for the definition of StreamApp.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Longest wait for reconciliations under way when the process ends in order.
const FINISH: Duration = Duration::from_secs(20);

/// Why the process ends, if not in order.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no way to the API server.
    #[error(
        "could not find the API server: {0}; in a pod the service account tells it, elsewhere KUBECONFIG"
    )]
    Client(#[source] Box<kube::Error>),
    /// The health address is taken or refused.
    #[error("could not serve health and metrics on {address}: {source}")]
    Http {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system refused a signal handler.
    #[error("could not listen for SIGTERM: {0}")]
    Signal(#[source] std::io::Error),
    /// Another replica may lead from now on.
    #[error("the lease could not be renewed in time: ending, so that another replica can lead")]
    LostLead,
}

/// Runs.
///
/// # Errors
/// [`RunError`]; the process must end at once, whatever is under way.
pub async fn run(args: RunArgs) -> Result<(), RunError> {
    let client = Client::try_default()
        .await
        .map_err(|error| RunError::Client(Box::new(error)))?;
    let (metrics, registry) = Metrics::new();
    let http = HttpState::new(registry);
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signal)?;
    let address = args.metrics_address;
    tokio::select! {
        served = serve(address, http.clone()) => match served {
            Ok(()) => Ok(()),
            Err(source) => Err(RunError::Http { address, source }),
        },
        ended = lead(args, client, metrics, http, async move {
            terminate.recv().await;
        }) => ended,
    }
}

/// Waits for the lead, and leads.
async fn lead(
    args: RunArgs,
    client: Client,
    metrics: Metrics,
    http: HttpState,
    terminate: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let mut terminate = std::pin::pin!(terminate);
    let leases: Api<Lease> = Api::namespaced(client.clone(), &args.lease_namespace);
    let election = Election::new(leases, &args.lease_name, &args.identity);
    let elected = async {
        wait_for_definition(&client, &args.namespaces()).await;
        election.acquire(|| http.set_ready()).await
    };
    let mut leader = tokio::select! {
        leader = elected => leader,
        () = &mut terminate => return Ok(()),
    };
    metrics.set_leader(true);
    let environment = Environment {
        worker_image: args.worker_image.clone(),
        operator_namespace: args.lease_namespace.clone(),
    };
    let pool = KafkaPool::new();
    let identity = args.identity.clone();
    let context = Context::new(client, pool, metrics.clone(), environment, identity)
        .watching(args.namespaces());
    let (stop, stopped) = watch::channel(false);
    let controllers = controller::run(Arc::new(context), args.concurrency, stopped);
    let mut controllers = std::pin::pin!(controllers);
    let orderly = tokio::select! {
        () = leader.keep() => false,
        () = &mut controllers => true,
        () = &mut terminate => {
            tracing::info!("told to end: finishing what is under way");
            let _nobody_listens = stop.send(true);
            tokio::select! {
                finished = tokio::time::timeout(FINISH, &mut controllers) => finished.is_ok(),
                () = leader.keep() => false,
            }
        }
    };
    metrics.set_leader(false);
    if !orderly {
        return Err(RunError::LostLead);
    }
    leader.release().await;
    Ok(())
}

/// Waits until the API server knows StreamApps and lets us see them.
async fn wait_for_definition(client: &Client, namespaces: &[String]) {
    let api: Api<StreamApp> = match namespaces.first() {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let one = ListParams::default().limit(1);
    loop {
        // Metadata alone: one resource that cannot be read must not keep the others waiting.
        match api.list_metadata(&one).await {
            Ok(_) => return,
            Err(error) => tracing::warn!(
                %error,
                "StreamApps cannot be listed; is the chart millrace-crds installed, and the operator \
                 allowed to see them? Looking again"
            ),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
