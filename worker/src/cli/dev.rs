//! `dev`: all StreamApps of a folder in one process, on the embedded log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, SystemClock as LogClock};
use millrace_kafka::{Cluster, TopicSpec};
use millrace_worker::app::AppOptions;
use millrace_worker::clock::SystemClock;
use millrace_worker::config::WorkerConfig;
use millrace_worker::http::topics;
use millrace_worker::state::StateMemory;
use millrace_worker::topics::{InternalTopics, external_topics};

use super::Image;
use super::input::{self, Overrides, Planned};
use super::{out, service};

/// Arguments of `dev`.
#[derive(Args)]
pub(super) struct DevArgs {
    /// Files or folders of StreamApps. A program with a topology of its own runs that too, and needs
    /// none.
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// Keeps topics and state in this directory over restarts. Default: in memory, state in a
    /// temporary directory that is removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Partitions of the topics that the StreamApps read and write.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(i32).range(1..=1000))]
    partitions: i32,
    /// A further topic to make, such as one that records name (`topicFrom`) or that a `topicPattern`
    /// takes in; may be given several times.
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,
    /// Address for topics, health, status, metrics and stores.
    #[arg(
        long,
        env = "MILLRACE_HTTP",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    http: SocketAddr,
}

/// A directory that is removed at the end, if it is ours.
struct StateDir {
    path: PathBuf,
    remove: bool,
}

impl Drop for StateDir {
    fn drop(&mut self) {
        if self.remove {
            let _gone = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn state_dir(data: Option<&Path>) -> StateDir {
    match data {
        Some(data) => StateDir {
            path: data.join("state"),
            remove: false,
        },
        None => {
            let name = format!("millrace-dev-{}", std::process::id());
            StateDir {
                path: std::env::temp_dir().join(name),
                remove: true,
            }
        }
    }
}

/// Runs until SIGTERM or SIGINT.
pub(super) fn dev(args: &DevArgs, image: &Image) -> Result<(), String> {
    let apps = apps(args, image)?;
    refuse_same_id(&apps)?;
    let options = EmbeddedOptions::default();
    let cluster = match &args.data {
        None => EmbeddedCluster::in_memory(options, LogClock::new()),
        Some(data) => EmbeddedCluster::open(&data.join("log"), options, LogClock::new())
            .map_err(|error| error.to_string())?,
    };
    create_topics(&cluster, &apps, args)?;
    let state = state_dir(args.data.as_deref());
    let memory = StateMemory::new(None);
    let names: Vec<String> = apps
        .iter()
        .map(|app| app.plan.application_id.clone())
        .collect();
    let options = apps
        .into_iter()
        .map(|app| {
            let mut config = WorkerConfig::new(&app.app, 0, state.path.clone());
            // One process stands for all replicas.
            config.replicas = 1;
            AppOptions {
                config,
                plan: Arc::new(app.plan),
                processors: image.processors.clone(),
                cluster: Arc::new(cluster.clone()),
                clock: Arc::new(SystemClock),
                memory: memory.clone(),
                internal_topics: InternalTopics::Create,
                runtime_dir: None,
            }
        })
        .collect();
    let address = args.http;
    service::serve(options, address, topics::router(cluster), |address| {
        announce(&names, address);
    })
}

/// The StreamApps of the files; and that of the program's own topology, unless one of them is it.
fn apps(args: &DevArgs, image: &Image) -> Result<Vec<Planned>, String> {
    let overrides = Overrides::default();
    let mut apps = Vec::new();
    for file in input::files(&args.paths)? {
        apps.extend(input::load(&file, &overrides, image)?);
    }
    if let Some(own) = &image.own {
        let is_own = |app: &Planned| own.differences(&app.app).is_empty();
        if !apps.iter().any(is_own) {
            apps.insert(0, image.own(&overrides)?);
        }
    }
    if apps.is_empty() {
        return Err("there is no StreamApp to run: name files or folders of some".to_owned());
    }
    Ok(apps)
}

fn announce(names: &[String], address: SocketAddr) {
    let text = format!(
        "running {} on the embedded log\n  \
           topics   http://{address}/topics\n  \
           status   http://{address}/status\n  \
           stores   http://{address}/stores/STORE/KEY",
        names.join(", ")
    );
    if let Err(error) = out::line(text) {
        // The applications run all the same.
        tracing::warn!("{error}");
    }
}

fn refuse_same_id(apps: &[Planned]) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for app in apps {
        let name = app.app.metadata.name.clone().unwrap_or_default();
        if let Some(other) = seen.insert(app.plan.application_id.clone(), name.clone()) {
            return Err(format!(
                "StreamApps {other} and {name} have the same application id {}: they would share \
                 topics, offsets and state; give one another spec.applicationId",
                app.plan.application_id
            ));
        }
    }
    Ok(())
}

/// Creates the topics that the StreamApps read and write, and those that were asked for: there is
/// nobody else here to do it.
fn create_topics(
    cluster: &EmbeddedCluster,
    apps: &[Planned],
    args: &DevArgs,
) -> Result<(), String> {
    let mut names: Vec<&str> = args.topics.iter().map(String::as_str).collect();
    for app in apps {
        let (sources, sinks) = external_topics(&app.plan);
        names.extend(sources.into_iter().chain(sinks));
    }
    names.sort_unstable();
    names.dedup();
    let specs: Vec<TopicSpec> = names
        .into_iter()
        .map(|name| TopicSpec {
            name: name.to_owned(),
            partitions: args.partitions,
            replication_factor: -1,
            configs: BTreeMap::new(),
        })
        .collect();
    let admin = cluster.admin().map_err(|error| error.to_string())?;
    admin
        .create_topics(&specs)
        .map_err(|error| error.to_string())
}
