//! `run`: one StreamApp against Kafka.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use clap::{Args, ValueEnum};
use millrace_crds::worker_api::env;
use millrace_kafka::{KafkaCluster, KafkaConfig};
use millrace_worker::app::AppOptions;
use millrace_worker::clock::SystemClock;
use millrace_worker::config::WorkerConfig;
use millrace_worker::state::StateMemory;
use millrace_worker::topics::InternalTopics;

use super::Image;
use super::input::{self, Overrides, Planned};
use super::kafka_files::KafkaFilesArgs;
use super::service;

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct RunArgs {
    /// File with the StreamApp. A program with a topology of its own needs none; in a file it may be
    /// given settings, and `topology: {}`.
    #[arg(long, short, env = env::STREAM_APP_FILE, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name of the StreamApp, where the file has several.
    #[arg(long, env = "STREAM_APP_NAME", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    kafka_files: KafkaFilesArgs,
    /// state.dir: directory of the local state. One worker per directory.
    #[arg(
        long,
        env = env::STATE_DIR,
        value_name = "DIR",
        default_value = "/tmp/millrace"
    )]
    state_dir: PathBuf,
    /// Number of this worker among its peers, from 0. Default: the number at the end of HOSTNAME (as
    /// in a StatefulSet), else 0. Two workers of one application must not have the same.
    #[arg(long, env = env::ORDINAL, value_name = "NUMBER")]
    ordinal: Option<u32>,
    /// Directory with the file runtime.json, `{"replicas": 3, "threads": 2}`, which may change while
    /// the worker runs: it starts and ends stream threads, and one whose number is not below
    /// `replicas` commits, leaves the group and waits. Without it replicas and threads are the
    /// StreamApp's.
    #[arg(long, env = env::RUNTIME_DIR, value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
    /// Missing internal topics are created, or waited for until the operator has created them.
    #[arg(long, env = env::INTERNAL_TOPICS, value_enum, default_value = "create")]
    internal_topics: InternalTopicsArg,
    /// Address for health, status, metrics and stores.
    #[arg(
        long,
        env = env::HTTP,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    http: SocketAddr,
}

/// Who makes missing internal topics.
#[derive(Clone, Copy, ValueEnum)]
enum InternalTopicsArg {
    /// This worker.
    Create,
    /// The operator: they are waited for.
    Check,
}

impl From<InternalTopicsArg> for InternalTopics {
    fn from(arg: InternalTopicsArg) -> Self {
        match arg {
            InternalTopicsArg::Create => Self::Create,
            InternalTopicsArg::Check => Self::Check,
        }
    }
}

fn ordinal(given: Option<u32>, hostname: Option<&str>) -> u32 {
    let from_name = || hostname?.rsplit_once('-')?.1.parse().ok();
    given.or_else(from_name).unwrap_or(0)
}

/// The StreamApp to run.
fn choose(args: &RunArgs, image: &Image) -> Result<Planned, String> {
    let Some(file) = &args.file else {
        let own = image.own(&args.overrides)?;
        return match &args.overrides.bootstrap_servers {
            Some(_) => Ok(own),
            None => Err("which Kafka? give --bootstrap-servers or BOOTSTRAP_SERVERS".to_owned()),
        };
    };
    let app = choose_from(file, args, image)?;
    image.check_is_own(&app)?;
    Ok(app)
}

/// The StreamApp of a file.
fn choose_from(file: &Path, args: &RunArgs, image: &Image) -> Result<Planned, String> {
    let mut apps = input::load(file, &args.overrides, image)?;
    if let Some(name) = &args.name {
        apps.retain(|app| app.app.metadata.name.as_deref() == Some(name));
    }
    let names: Vec<&str> = apps
        .iter()
        .filter_map(|app| app.app.metadata.name.as_deref())
        .collect();
    match apps.len() {
        1 => apps.pop().ok_or_else(String::new),
        0 => Err(format!(
            "{} has no StreamApp{}",
            file.display(),
            args.name
                .as_ref()
                .map(|name| format!(" named {name}"))
                .unwrap_or_default()
        )),
        _ => Err(format!(
            "{} has several StreamApps ({}): choose one with --name",
            file.display(),
            names.join(", ")
        )),
    }
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(args: &RunArgs, image: &Image) -> Result<(), String> {
    let app = choose(args, image)?;
    let ordinal = ordinal(args.ordinal, std::env::var("HOSTNAME").ok().as_deref());
    let config = WorkerConfig::new(&app.app, ordinal, args.state_dir.clone());
    let mut kafka = KafkaConfig::new(config.bootstrap_servers.clone(), config.engine.guarantee);
    kafka.properties.clone_from(&config.properties);
    args.kafka_files.apply(&app.app.spec.kafka, &mut kafka);
    let cluster = KafkaCluster::new(kafka).map_err(|error| error.to_string())?;
    let options = AppOptions {
        config,
        plan: Arc::new(app.plan),
        processors: image.processors.clone(),
        cluster: Arc::new(cluster),
        clock: Arc::new(SystemClock),
        memory: StateMemory::new(None),
        internal_topics: args.internal_topics.into(),
        runtime_dir: args.runtime_dir.clone(),
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
