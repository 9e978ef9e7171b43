//! `make bench`: Millrace beside Kafka Streams and beside a bare pass-through, on one real broker, in
//! one run.
//!
//! ```text
//!             preloaded once                      one at a time, taking turns
//!   bench-balances ──┐   ┌── ours     millrace-worker run, tests/bench/<workload>.yaml
//!                    ├──►┼── peer     tests/bench/peer: the same in Kafka Streams
//!   bench-requests ──┘   └── ceiling  kafka/examples/passthrough.rs: poll, produce, commit
//! ```
//!
//! `workload` lists what is measured. Before that, both sides go through a small input and must write
//! the same results. Nothing is measured inside the programs: records are what the group has committed,
//! CPU and memory are the process's own from `/proc`, the first result is the first one that a
//! read_committed reader sees. This module starts programs and reads numbers; it never processes a record
//! itself.

mod app;
mod check;
mod child;
mod contest;
mod expressions;
mod input;
mod interrupt;
mod measure;
mod report;
mod runner;
mod sides;
mod target;
mod watch;
mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use serde_json::{Map, Value};

use crate::broker::Broker;
use contest::Results;
use input::Input;
pub use measure::Measurement;
use millrace_kafka::{Guarantee, KafkaCluster, KafkaConfig};
use runner::Runner;
use sides::Side;
use workload::{WORKLOADS, Workload};

/// Where the results go, below the project's root.
const RESULTS: &str = "bench-results.json";

/// Measures Millrace beside Kafka Streams and a bare pass-through
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Measure these alone: `expressions`, or workloads
    #[arg(long, value_delimiter = ',', value_parser = parts())]
    only: Vec<String>,

    /// Run these sides alone; the results are not written
    #[arg(long, value_delimiter = ',', default_values_t = Side::ALL)]
    sides: Vec<Side>,

    /// Print the README's tables from the last results, and measure nothing
    #[arg(long)]
    readme: bool,

    /// One short round, to see that everything works; its numbers mean nothing
    #[arg(long)]
    quick: bool,

    /// Rounds; the medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Records preloaded into each of the two input topics
    #[arg(long, default_value_t = 12_000_000)]
    records: u64,
}

/// The part that is no workload.
const EXPRESSIONS: &str = "expressions";

/// The names of all parts.
fn parts() -> Vec<&'static str> {
    let workloads = WORKLOADS.iter().map(|workload| workload.name);
    std::iter::once(EXPRESSIONS).chain(workloads).collect()
}

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    rounds: usize,
    records: u64,
    /// Warm-up and measured time; `None`: the workload's own.
    window: Option<[Duration; 2]>,
}

impl Options {
    fn effort(&self) -> Effort {
        if self.quick {
            Effort {
                rounds: 1,
                records: 3_000_000,
                window: Some(contest::QUICK),
            }
        } else {
            Effort {
                rounds: self.rounds.max(1),
                records: self.records,
                window: None,
            }
        }
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

/// Where the bench finds what it starts.
#[derive(Clone, Debug)]
struct Places {
    /// The project's root.
    root: PathBuf,
    /// The folder of the built programs.
    programs: PathBuf,
}

impl Places {
    fn find() -> anyhow::Result<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = tests
            .parent()
            .context("the tests crate has no parent folder")?;
        let bench = std::env::current_exe().context("could not find this program's folder")?;
        let programs = bench.parent().context("this program has no folder")?;
        Ok(Self {
            root: root.to_owned(),
            programs: programs.to_owned(),
        })
    }
}

/// Runs the benchmark, prints tables, and writes `bench-results.json` at the project's root. A part
/// that is not measured keeps what the file held of it.
///
/// # Errors
/// What failed, for people. Every program that was started has ended then. What was measured before is
/// written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let places = Places::find()?;
    let path = places.root.join(RESULTS);
    let mut results = read_results(&path)?;
    if options.readme {
        println!("{}", report::readme(&measured_workloads(&results)?));
        return Ok(());
    }
    interrupt::install()?;
    let whole = !options.quick && options.sides.len() == Side::ALL.len();
    let mut keep = |part: &str, measured: Value| {
        results.insert(part.to_owned(), measured);
        if whole {
            write_results(&path, &results)
        } else {
            Ok(())
        }
    };
    if options.wants(EXPRESSIONS) {
        let measured = expressions::run(&places)?;
        println!("{}", report::expressions(&measured));
        keep(EXPRESSIONS, measured)?;
    }
    let wanted: Vec<&Workload> = WORKLOADS
        .iter()
        .filter(|workload| options.wants(workload.name))
        .collect();
    let mut tables = String::new();
    run_workloads(options, &places, &wanted, &mut |workload, measured| {
        let table = report::workload(workload, &measured);
        println!("{table}");
        tables += &table;
        keep(workload.name, serde_json::to_value(&measured)?)
    })?;
    if wanted.len() > 1 {
        println!("\nAll of them once more:\n{tables}");
    }
    if whole {
        println!("written to {}", path.display());
    } else {
        println!("no whole run: {RESULTS} is left as it was");
    }
    Ok(())
}

/// Measures workloads one after the other, on one broker and one input.
fn run_workloads(
    options: &Options,
    places: &Places,
    wanted: &[&Workload],
    done: &mut dyn FnMut(&Workload, Results) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let peer = runner::build_peer(places)?;
    println!("starting Apache Kafka");
    let broker = Broker::start()?;
    let servers = broker.bootstrap();
    let effort = options.effort();
    let (checked, measured) = (Input::checked(), Input::measured(effort.records));
    let cluster = KafkaCluster::new(KafkaConfig::new(&servers, Guarantee::ExactlyOnce))?;
    checked.preload(&cluster)?;
    measured.preload(&cluster)?;
    for workload in wanted {
        let runner = Runner::new(workload, places, &peer, &servers)?;
        let results = contest::run(&runner, &options.sides, effort, (&checked, &measured))?;
        done(workload, results)?;
    }
    Ok(())
}

fn read_results(path: &Path) -> anyhow::Result<Map<String, Value>> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} holds something else", path.display())),
        Err(_) => Ok(Map::new()),
    }
}

fn write_results(path: &Path, results: &Map<String, Value>) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(results)? + "\n";
    std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

/// The workloads that the results file has numbers of.
fn measured_workloads(
    results: &Map<String, Value>,
) -> anyhow::Result<Vec<(&'static Workload, Results)>> {
    let found = WORKLOADS.iter().filter_map(|workload| {
        let measured = results.get(workload.name)?.clone();
        Some((workload, measured))
    });
    found
        .map(|(workload, measured)| Ok((workload, serde_json::from_value(measured)?)))
        .collect()
}
