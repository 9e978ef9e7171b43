//! The loan join: ours, the peer and the ceiling take turns on the same input.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use millrace_crds::stream_app::{ProcessingGuarantee, StreamApp};
use millrace_kafka::{
    Admin, Cluster, Guarantee, KafkaCluster, KafkaConfig, PartitionAssignment, SourceEvent,
    StartOffset, TopicPartition,
};
use serde::Serialize;

use super::child::Program;
use super::input::{self, PARTITIONS, STREAM_TOPIC, TABLE_TOPIC};
use super::{Effort, Measurement, Places, interrupt};
use crate::broker::Broker;

/// Longest wait for a first result.
const FIRST_RESULT_WITHIN: Duration = Duration::from_secs(60);

/// Longest wait for a commit.
const COMMIT_WITHIN: Duration = Duration::from_secs(20);

/// What the ceiling may take beyond its two windows.
const CEILING_EXTRA: Duration = Duration::from_secs(60);

/// Pause between two looks at the committed offsets. A commit comes each 100 ms.
const LOOK_PAUSE: Duration = Duration::from_millis(3);

/// Heap of the peer. The input of a run and its table fit in many times over.
const PEER_HEAP: &str = "-Xmx2g";

/// Medians, by guarantee and side.
pub(super) type LoanJoin = BTreeMap<Promise, BTreeMap<Side, Measurement>>;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    Ours,
    Peer,
    Ceiling,
}

/// Under which guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Promise {
    ExactlyOnce,
    AtLeastOnce,
}

impl Side {
    /// All, in the order of their turns.
    pub(super) const ALL: [Self; 3] = [Self::Ours, Self::Peer, Self::Ceiling];
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Ceiling => "ceiling",
        })
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExactlyOnce => "exactly_once",
            Self::AtLeastOnce => "at_least_once",
        })
    }
}

impl Promise {
    /// Kafka Streams' and our own name for it.
    fn processing_guarantee(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly_once_v2",
            Self::AtLeastOnce => "at_least_once",
        }
    }
}

/// Measures all sides, in turns.
pub(super) fn run(places: &Places, sides: &[Side], effort: Effort) -> anyhow::Result<LoanJoin> {
    let peer = build_peer(places)?;
    println!("starting Apache Kafka");
    let broker = Broker::start()?;
    let bench = Bench::new(places, effort, peer, broker.bootstrap())?;
    input::preload(&bench.cluster, effort.records)?;

    let mut measured: BTreeMap<Promise, BTreeMap<Side, Vec<Measurement>>> = BTreeMap::new();
    let mut runs = 0;
    for round in 1..=effort.rounds {
        for promise in [Promise::ExactlyOnce, Promise::AtLeastOnce] {
            for &side in sides {
                runs += 1;
                let one = bench
                    .measure(side, promise, runs)
                    .with_context(|| format!("{side} under {promise}, round {round}"))?;
                println!(
                    "round {round}/{}  {promise:<13} {side:<8} {:>8.0} records/s  {:>6.2} µs  {:>5.0} MB  \
                     first result {:.0} ms",
                    effort.rounds,
                    one.records_per_s,
                    one.cpu_us_per_record,
                    one.peak_rss_bytes / 1e6,
                    one.first_result_ms
                );
                measured
                    .entry(promise)
                    .or_default()
                    .entry(side)
                    .or_default()
                    .push(one);
            }
        }
    }
    let medians = |(side, all): (Side, Vec<Measurement>)| Some((side, Measurement::median(&all)?));
    Ok(measured
        .into_iter()
        .map(|(promise, sides)| (promise, sides.into_iter().filter_map(medians).collect()))
        .collect())
}

/// Builds the peer where that is not done yet; its folder of jars and classes.
fn build_peer(places: &Places) -> anyhow::Result<PathBuf> {
    let script = places.root.join("tests/bench/peer/build.sh");
    let output = Command::new(&script)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("could not run {}", script.display()))?;
    ensure!(
        output.status.success(),
        "the Kafka Streams peer does not build"
    );
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

/// All that a measurement needs.
struct Bench<'a> {
    places: &'a Places,
    effort: Effort,
    peer: PathBuf,
    servers: String,
    cluster: KafkaCluster,
    admin: Box<dyn Admin>,
    /// The StreamApp that ours runs, as it lies in the repository.
    app: StreamApp,
    /// State, rendered StreamApps and outputs; removed at the end.
    folder: tempfile::TempDir,
}

/// One side's run: its names.
struct Names {
    application_id: String,
    output: String,
    folder: PathBuf,
}

/// What is known at one commit.
struct Sample {
    at: Instant,
    cpu: Duration,
    /// Input records committed, by topic.
    table: u64,
    stream: u64,
}

impl<'a> Bench<'a> {
    fn new(
        places: &'a Places,
        effort: Effort,
        peer: PathBuf,
        servers: String,
    ) -> anyhow::Result<Self> {
        let path = places.root.join("tests/bench/loan-join.yaml");
        let apps = millrace_crds::read(&fs::read_to_string(&path)?, "loan-join.yaml")
            .map_err(|problems| anyhow::anyhow!("{}: {problems:?}", path.display()))?;
        let app = apps
            .into_iter()
            .next()
            .context("loan-join.yaml holds no StreamApp")?;
        let cluster = KafkaCluster::new(KafkaConfig {
            properties: app.spec.kafka.properties.clone(),
            ..KafkaConfig::new(&servers, Guarantee::ExactlyOnce)
        })?;
        let admin = cluster.admin()?;
        let folder = tempfile::Builder::new()
            .prefix("millrace-bench-")
            .tempdir()?;
        Ok(Self {
            places,
            effort,
            peer,
            servers,
            cluster,
            admin,
            app,
            folder,
        })
    }

    fn measure(&self, side: Side, promise: Promise, run: usize) -> anyhow::Result<Measurement> {
        let application_id = format!("bench-{run}-{side}");
        let folder = self.folder.path().join(&application_id);
        fs::create_dir(&folder)?;
        let names = Names {
            output: format!("{application_id}-results"),
            application_id,
            folder,
        };
        input::create(&self.cluster, &names.output)?;
        let measured = match side {
            Side::Ours => self.watch(
                Program::start("ours", &mut self.ours(promise, &names)?, &names.folder)?,
                &names,
            ),
            Side::Peer => self.watch(
                Program::start("peer", &mut self.peer(promise, &names), &names.folder)?,
                &names,
            ),
            Side::Ceiling => self.ceiling(promise, &names),
        };
        let measured = measured?;
        self.clean_up(&names)?;
        Ok(measured)
    }

    fn ours(&self, promise: Promise, names: &Names) -> anyhow::Result<Command> {
        let mut app = self.app.clone();
        app.spec.application_id = Some(names.application_id.clone());
        app.spec.kafka.bootstrap_servers = self.servers.clone();
        app.spec.processing_guarantee = match promise {
            Promise::ExactlyOnce => ProcessingGuarantee::ExactlyOnceV2,
            Promise::AtLeastOnce => ProcessingGuarantee::AtLeastOnce,
        };
        // JSON is YAML.
        let text = serde_json::to_string_pretty(&app)?.replace("bench-results", &names.output);
        let file = names.folder.join("loan-join.yaml");
        fs::write(&file, text)?;
        let mut command = Command::new(self.places.programs.join("millrace-worker"));
        command.arg("run").arg("--file").arg(file);
        command.arg("--state-dir").arg(names.folder.join("state"));
        command.args(["--http", "127.0.0.1:0", "--ordinal", "0"]);
        Ok(command)
    }

    fn peer(&self, promise: Promise, names: &Names) -> Command {
        let mut command = Command::new("java");
        let path = format!("{0}/classes:{0}/lib/*", self.peer.display());
        command.args([PEER_HEAP, "-cp", &path, "dev.millrace.bench.LoanJoin"]);
        command.arg("--state-dir").arg(names.folder.join("state"));
        for (option, value) in [
            ("bootstrap-servers", self.servers.as_str()),
            ("application-id", &names.application_id),
            ("table-topic", TABLE_TOPIC),
            ("stream-topic", STREAM_TOPIC),
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
    fn ceiling(&self, promise: Promise, names: &Names) -> anyhow::Result<Measurement> {
        let Effort {
            warm_up, measured, ..
        } = self.effort;
        let mut command = Command::new(self.places.programs.join("examples/passthrough"));
        for (option, value) in [
            ("bootstrap", self.servers.as_str()),
            ("input", STREAM_TOPIC),
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

    /// Measures a running program from outside, and ends it.
    fn watch(&self, mut program: Program, names: &Names) -> anyhow::Result<Measurement> {
        let first_result = self.first_result(&mut program, &names.output)?;
        interrupt::pause(self.effort.warm_up)?;
        let from = self.sample(&mut program, names)?;
        interrupt::pause(self.effort.measured)?;
        let to = self.sample(&mut program, names)?;
        let peak_rss_bytes = program.peak_rss_bytes()? as f64;
        let status = program.end()?;
        // A JVM that SIGTERM ended in order says 128 + 15.
        ensure!(
            matches!(status.code(), Some(0 | 143)),
            "it ended with {status} after SIGTERM"
        );
        self.check_results(&to, names)?;

        let records = (to.table + to.stream - from.table - from.stream) as f64;
        Ok(Measurement {
            records_per_s: records / (to.at - from.at).as_secs_f64(),
            cpu_us_per_record: (to.cpu - from.cpu).as_secs_f64() * 1e6 / records,
            peak_rss_bytes,
            first_result_ms: first_result.as_secs_f64() * 1e3,
        })
    }

    /// Time from the program's start to the first record in its output.
    fn first_result(&self, program: &mut Program, output: &str) -> anyhow::Result<Duration> {
        let assignment: Vec<_> = partitions(output)
            .into_iter()
            .map(|partition| PartitionAssignment {
                partition,
                start: StartOffset::Earliest,
                slot: 0,
            })
            .collect();
        let mut reader = self.cluster.reader("bench-first-result")?;
        reader.assign(&assignment)?;
        let mut first = None;
        while first.is_none() {
            reader.poll(Duration::from_millis(50), 1, &mut |event| {
                if matches!(event, SourceEvent::Record { .. }) {
                    first = Some(program.started.elapsed());
                }
            })?;
            interrupt::check()?;
            program.expect_running()?;
            ensure!(
                program.started.elapsed() < FIRST_RESULT_WITHIN,
                "no result on {output} within {FIRST_RESULT_WITHIN:?}"
            );
        }
        first.context("no result")
    }

    /// Waits for the next commit and notes what is then known: so that the window's ends do not fall
    /// somewhere between two commits.
    fn sample(&self, program: &mut Program, names: &Names) -> anyhow::Result<Sample> {
        let asked = Instant::now();
        let before = self.committed(names)?;
        loop {
            interrupt::pause(LOOK_PAUSE)?;
            program.expect_running()?;
            let (table, stream) = self.committed(names)?;
            if (table, stream) != before {
                let all = self.effort.records;
                ensure!(
                    table < all && stream < all,
                    "it is through with the input before the window ended: raise --records"
                );
                return Ok(Sample {
                    at: Instant::now(),
                    cpu: program.cpu()?,
                    table,
                    stream,
                });
            }
            ensure!(
                asked.elapsed() < COMMIT_WITHIN,
                "no commit within {COMMIT_WITHIN:?}"
            );
        }
    }

    /// Input records that the group has committed: of the table's topic, of the stream's.
    fn committed(&self, names: &Names) -> anyhow::Result<(u64, u64)> {
        let [table, stream] = [TABLE_TOPIC, STREAM_TOPIC].map(|topic| {
            let offsets = self
                .admin
                .group_offsets(&names.application_id, &partitions(topic))?;
            let offsets = offsets.iter().flatten().map(|committed| committed.offset);
            anyhow::Ok(u64::try_from(offsets.sum::<i64>())?)
        });
        Ok((table?, stream?))
    }

    /// Every stream record has one result: at least as many offsets are taken in the output.
    fn check_results(&self, to: &Sample, names: &Names) -> anyhow::Result<()> {
        let ends = self.admin.watermarks(&partitions(&names.output))?;
        let written: i64 = ends.iter().map(|(start, end)| end - start).sum();
        if u64::try_from(written)? < to.stream {
            bail!(
                "{} stream records are committed, with {written} results",
                to.stream
            );
        }
        Ok(())
    }

    /// Removes state and topics, so that a later run has no more to carry than an earlier one.
    fn clean_up(&self, names: &Names) -> anyhow::Result<()> {
        let topics = self.admin.list_topics()?;
        let own: Vec<&str> = topics
            .iter()
            .map(String::as_str)
            .filter(|topic| topic.starts_with(&format!("{}-", names.application_id)))
            .collect();
        self.admin.delete_topics(&own)?;
        remove(&names.folder)
    }
}

fn partitions(topic: &str) -> Vec<TopicPartition> {
    (0..PARTITIONS)
        .map(|partition| TopicPartition::new(topic, partition))
        .collect()
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    fs::remove_dir_all(folder).with_context(|| format!("could not remove {}", folder.display()))
}
