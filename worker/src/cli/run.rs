//! `run`: one StreamApp against Kafka.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use clap::Args;
use millrace_kafka::{KafkaCluster, KafkaConfig};
use millrace_worker::app::AppOptions;
use millrace_worker::clock::SystemClock;
use millrace_worker::config::WorkerConfig;
use millrace_worker::state::StateMemory;

use super::input::{self, Overrides, Planned};
use super::service;

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct RunArgs {
    /// File with the StreamApp.
    #[arg(long, short, env = "STREAM_APP_FILE", value_name = "FILE")]
    file: PathBuf,
    /// Name of the StreamApp, where the file has several.
    #[arg(long, env = "STREAM_APP_NAME", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    overrides: Overrides,
    /// state.dir: directory of the local state. One worker per directory.
    #[arg(
        long,
        env = "STATE_DIR",
        value_name = "DIR",
        default_value = "/tmp/millrace"
    )]
    state_dir: PathBuf,
    /// Number of this worker among its peers, from 0. Default: the number at the end of HOSTNAME (as
    /// in a StatefulSet), else 0. Two workers of one application must not have the same.
    #[arg(long, env = "MILLRACE_ORDINAL", value_name = "NUMBER")]
    ordinal: Option<u32>,
    /// Address for health, status, metrics and stores.
    #[arg(
        long,
        env = "MILLRACE_HTTP",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    http: SocketAddr,
}

fn ordinal(given: Option<u32>, hostname: Option<&str>) -> u32 {
    let from_name = || hostname?.rsplit_once('-')?.1.parse().ok();
    given.or_else(from_name).unwrap_or(0)
}

/// The StreamApp to run.
fn choose(args: &RunArgs) -> Result<Planned, String> {
    let mut apps = input::load(&args.file, &args.overrides)?;
    if let Some(name) = &args.name {
        apps.retain(|app| app.document.app.metadata.name.as_deref() == Some(name));
    }
    let names: Vec<&str> = apps
        .iter()
        .filter_map(|app| app.document.app.metadata.name.as_deref())
        .collect();
    match apps.len() {
        1 => apps.pop().ok_or_else(String::new),
        0 => Err(format!(
            "{} has no StreamApp{}",
            args.file.display(),
            args.name
                .as_ref()
                .map(|name| format!(" named {name}"))
                .unwrap_or_default()
        )),
        _ => Err(format!(
            "{} has several StreamApps ({}): choose one with --name",
            args.file.display(),
            names.join(", ")
        )),
    }
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(args: &RunArgs) -> Result<(), String> {
    let app = choose(args)?;
    let ordinal = ordinal(args.ordinal, std::env::var("HOSTNAME").ok().as_deref());
    let config = WorkerConfig::new(&app.document.app, ordinal, args.state_dir.clone());
    let mut kafka = KafkaConfig::new(config.bootstrap_servers.clone(), config.engine.guarantee);
    kafka.properties.clone_from(&config.properties);
    let cluster = KafkaCluster::new(kafka).map_err(|error| error.to_string())?;
    let options = AppOptions {
        config,
        plan: Arc::new(app.plan),
        cluster: Arc::new(cluster),
        clock: Arc::new(SystemClock),
        memory: StateMemory::new(None),
    };
    service::serve(vec![options], args.http, Router::new(), |_| {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ordinal_is_given_or_the_end_of_a_pods_name() {
        assert_eq!(ordinal(Some(7), Some("loan-3")), 7);
        assert_eq!(ordinal(None, Some("loan-evaluation-3")), 3);
        assert_eq!(ordinal(None, Some("laptop")), 0);
        assert_eq!(ordinal(None, Some("my-laptop")), 0);
        assert_eq!(ordinal(None, None), 0);
    }
}
