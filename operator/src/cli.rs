//! What the operator is told when it starts: flags, each with an environment variable.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The Millrace operator: runs StreamApps as StatefulSets of workers.
#[derive(Debug, Parser)]
#[command(name = "millrace-operator", version)]
pub struct Cli {
    /// What to do. Default: `run`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Settings of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Watches StreamApps and runs them (the default).
    Run,
    /// Prints the places at which `CRASH_AT` can end the operator, for tests.
    CrashPoints,
}

/// Settings of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Namespaces to watch, separated by commas. Default: all.
    #[arg(long, env = "WATCH_NAMESPACES", value_delimiter = ',', global = true)]
    pub watch_namespaces: Vec<String>,
    /// Image of the workers of StreamApps that name none.
    #[arg(
        long,
        env = "WORKER_IMAGE",
        default_value = concat!("millrace/worker:", env!("CARGO_PKG_VERSION")),
        global = true
    )]
    pub worker_image: String,
    /// Address of health and metrics.
    #[arg(
        long,
        env = "METRICS_ADDRESS",
        default_value = "0.0.0.0:8080",
        global = true
    )]
    pub metrics_address: SocketAddr,
    /// Namespace of the operator: of its lease, and from which it may connect to workers. In a pod the
    /// chart sets it.
    #[arg(
        long,
        env = "LEASE_NAMESPACE",
        default_value = "default",
        global = true
    )]
    pub lease_namespace: String,
    /// Name of the lease that the operator's replicas divide.
    #[arg(
        long,
        env = "LEASE_NAME",
        default_value = "millrace-operator",
        global = true
    )]
    pub lease_name: String,
    /// Name of this replica in the lease, different for each.
    #[arg(long, env = "POD_NAME", default_value_t = own_name(), global = true)]
    pub identity: String,
    /// Reconciliations that may run at once, 1 to 100.
    #[arg(
        long,
        env = "CONCURRENCY",
        default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=100),
        global = true
    )]
    pub concurrency: u16,
    /// Form of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json, global = true)]
    pub log_format: LogFormat,
}

/// Form of the log lines. `RUST_LOG` says which are written (default `info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For eyes.
    Text,
}

impl RunArgs {
    /// The namespaces to watch, each once; none is all of them.
    pub fn namespaces(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .watch_namespaces
            .iter()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// A name for a process outside a cluster.
fn own_name() -> String {
    format!("millrace-operator-{}", std::process::id())
}
