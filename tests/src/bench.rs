//! `make bench`: Millrace beside Kafka Streams and beside a bare pass-through, on one real broker, in
//! one run.
//!
//! ```text
//!             preloaded once                      one at a time, taking turns
//!   bench-balances (table) ──┐   ┌── ours     millrace-worker run, tests/bench/loan-join.yaml
//!                            ├──►┼── peer     tests/bench/peer: the same in Kafka Streams
//!   bench-requests (stream) ─┘   └── ceiling  kafka/examples/passthrough.rs: poll, produce, commit
//! ```
//!
//! Nothing is measured inside the programs: records are what the group has committed, CPU and memory
//! are the process's own from `/proc`, the first result is the first one that a read_committed reader
//! sees. This module starts programs and reads numbers; it never processes a record itself.

mod child;
mod expressions;
mod input;
mod interrupt;
mod loan_join;
mod measure;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value};

use loan_join::Side;
pub use measure::Measurement;

/// Where the results go, below the project's root.
const RESULTS: &str = "bench-results.json";

/// Measures Millrace beside Kafka Streams and a bare pass-through
#[derive(Clone, Debug, Parser)]
pub struct Options {
    /// Measure this alone
    #[arg(long)]
    only: Option<Part>,

    /// Of the loan join, run these sides alone; the results are not written
    #[arg(long, value_delimiter = ',', default_values_t = Side::ALL)]
    sides: Vec<Side>,

    /// One short round, to see that everything works; its numbers mean nothing
    #[arg(long)]
    quick: bool,

    /// Rounds; the medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Records preloaded into each of the two input topics
    #[arg(long, default_value_t = 8_000_000)]
    records: u64,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Part {
    LoanJoin,
    Expressions,
}

/// How long and how often is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    rounds: usize,
    records: u64,
    warm_up: Duration,
    measured: Duration,
}

impl Options {
    fn effort(&self) -> Effort {
        if self.quick {
            let (warm_up, measured) = (Duration::from_secs(1), Duration::from_secs(2));
            Effort {
                rounds: 1,
                records: 3_000_000,
                warm_up,
                measured,
            }
        } else {
            let window = Duration::from_secs(10);
            let (rounds, records) = (self.rounds.max(1), self.records);
            Effort {
                rounds,
                records,
                warm_up: window,
                measured: window,
            }
        }
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
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

/// Runs the benchmark, prints a table, and writes `bench-results.json` at the project's root. A part
/// that is not measured keeps what the file held of it.
///
/// # Errors
/// What failed, for people. Every program that was started has ended then.
pub fn run(options: &Options) -> anyhow::Result<()> {
    interrupt::install()?;
    let places = Places::find()?;
    let path = places.root.join(RESULTS);
    let mut results: Map<String, Value> = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} holds something else", path.display()))?,
        Err(_) => Map::new(),
    };
    if options.wants(Part::Expressions) {
        let measured = expressions::run(&places)?;
        println!("{}", report::expressions(&measured));
        results.insert("expressions".to_owned(), measured);
    }
    if options.wants(Part::LoanJoin) {
        let measured = loan_join::run(&places, &options.sides, options.effort())?;
        println!("{}", report::loan_join(&measured));
        results.insert("loan_join".to_owned(), serde_json::to_value(&measured)?);
    }
    if options.quick || options.sides.len() < Side::ALL.len() {
        println!("no whole run: {RESULTS} is left as it was");
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&results)? + "\n";
    std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}
