//! Starts the sides of a workload: ours, the peer and the ceiling, each with names of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use millrace_crds::stream_app::StreamApp;
use millrace_kafka::{Admin, Cluster, Guarantee, KafkaCluster, KafkaConfig};

use super::child::Program;
use super::input::{self, Input};
use super::sides::{Promise, Side};
use super::workload::Workload;
use super::{Measurement, Places, app};

/// What the ceiling may take beyond its two windows.
const CEILING_EXTRA: Duration = Duration::from_secs(60);

/// Heap of the peer. The input of a run and its tables fit in many times over.
const PEER_HEAP: &str = "-Xmx2g";

/// A workload, ready to run on a broker.
pub(super) struct Runner<'a> {
    pub(super) workload: &'a Workload,
    places: &'a Places,
    /// The peer's jars and classes.
    peer: &'a Path,
    servers: &'a str,
    pub(super) cluster: KafkaCluster,
    pub(super) admin: Box<dyn Admin>,
    app: StreamApp,
    /// State, rendered StreamApps and outputs; removed at the end.
    folder: tempfile::TempDir,
}

/// One side's run: its names.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) application_id: String,
    pub(super) input: Input,
    pub(super) output: String,
    pub(super) folder: PathBuf,
}

/// Builds the peer where that is not done yet; its folder of jars and classes.
pub(super) fn build_peer(places: &Places) -> anyhow::Result<PathBuf> {
    let script = places.root.join("tests/bench/peer/build.sh");
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not run {}", script.display()))?;
    ensure!(
        output.status.success(),
        "the Kafka Streams peer does not build"
    );
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        workload: &'a Workload,
        places: &'a Places,
        peer: &'a Path,
        servers: &'a str,
    ) -> anyhow::Result<Self> {
        let app = app::read(&places.root.join("tests/bench"), workload.app)?;
        let cluster = KafkaCluster::new(KafkaConfig {
            properties: app.spec.kafka.properties.clone(),
            ..KafkaConfig::new(servers, Guarantee::ExactlyOnce)
        })?;
        let admin = cluster.admin()?;
        let folder = tempfile::Builder::new()
            .prefix("millrace-bench-")
            .tempdir()?;
        Ok(Self {
            workload,
            places,
            peer,
            servers,
            cluster,
            admin,
            app,
            folder,
        })
    }

    /// Names for a run of a side, with its folder and its output topic made; `run` tells it from others.
    pub(super) fn prepare(&self, side: Side, run: &str, input: &Input) -> anyhow::Result<Names> {
        let workload = self.workload.name.replace('_', "-");
        let application_id = format!("bench-{workload}-{run}-{side}");
        let folder = self.folder.path().join(&application_id);
        fs::create_dir(&folder)?;
        let names = Names {
            output: format!("{application_id}-results"),
            application_id,
            input: input.clone(),
            folder,
        };
        input::create(&self.cluster, &names.output)?;
        Ok(names)
    }

    /// Starts ours or the peer.
    pub(super) fn start(
        &self,
        side: Side,
        promise: Promise,
        names: &Names,
    ) -> anyhow::Result<Program> {
        let mut command = match side {
            Side::Ours => self.ours(promise, names)?,
            _ => self.peer(promise, names),
        };
        Program::start(&side.to_string(), &mut command, &names.folder)
    }

    fn ours(&self, promise: Promise, names: &Names) -> anyhow::Result<Command> {
        let file = names.folder.join(self.workload.app);
        fs::write(&file, app::render(&self.app, self.servers, promise, names)?)?;
        let mut command = Command::new(self.places.programs.join("millrace-worker"));
        command.arg("run").arg("--file").arg(file);
        command.arg("--state-dir").arg(names.folder.join("state"));
        command.args(["--http", "127.0.0.1:0", "--ordinal", "0"]);
        Ok(command)
    }

    fn peer(&self, promise: Promise, names: &Names) -> Command {
        let mut command = Command::new("java");
        let path = format!("{0}/classes:{0}/lib/*", self.peer.display());
        command.args([PEER_HEAP, "-cp", &path, "dev.millrace.bench.Peer"]);
        command.arg("--state-dir").arg(names.folder.join("state"));
        for (option, value) in [
            ("workload", self.workload.name),
            ("bootstrap-servers", self.servers),
            ("application-id", &names.application_id),
            ("balances-topic", &names.input.balances),
            ("requests-topic", &names.input.requests),
            ("output-topic", &names.output),
            ("guarantee", promise.processing_guarantee()),
            (
                "commit-interval-ms",
                &self.app.spec.commit_interval_ms().to_string(),
            ),
            ("threads", "1"),
            // What the engine's own producers always ask for.
            ("producer.acks", "all"),
        ] {
            command.arg(format!("--{option}")).arg(value);
        }
        for (name, value) in &self.app.spec.kafka.properties {
            command.arg(format!("--producer.{name}")).arg(value);
        }
        command
    }

    /// The pass-through measures itself: it has no group whose offsets could be watched.
    pub(super) fn ceiling(
        &self,
        promise: Promise,
        window: [Duration; 2],
        names: &Names,
    ) -> anyhow::Result<Measurement> {
        let [warm_up, measured] = window;
        let mut command = Command::new(self.places.programs.join("examples/passthrough"));
        for (option, value) in [
            ("bootstrap", self.servers),
            ("input", &names.input.requests),
            ("output", &names.output),
            ("guarantee", &promise.to_string()),
            ("warm-up", &warm_up.as_secs().to_string()),
            ("measured", &measured.as_secs().to_string()),
        ] {
            command.arg(format!("--{option}")).arg(value);
        }
        let program = Program::start("ceiling", &mut command, &names.folder)?;
        let printed = program.finish(warm_up + measured + CEILING_EXTRA)?;
        let json = printed.lines().rfind(|line| line.starts_with('{'));
        let json = json.with_context(|| format!("it printed no JSON:\n{printed}"))?;
        serde_json::from_str(json).with_context(|| format!("it printed bad JSON: {json}"))
    }

    /// Removes state and topics, so that a later run has no more to carry than an earlier one.
    pub(super) fn clean_up(&self, names: &Names) -> anyhow::Result<()> {
        let topics = self.admin.list_topics()?;
        let own: Vec<&str> = topics
            .iter()
            .map(String::as_str)
            .filter(|topic| topic.starts_with(&format!("{}-", names.application_id)))
            .collect();
        self.admin.delete_topics(&own)?;
        fs::remove_dir_all(&names.folder)
            .with_context(|| format!("could not remove {}", names.folder.display()))
    }
}
