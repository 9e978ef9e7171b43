//! `make fuzz`: random cases through Kafka Streams and through our engine. Exits with 1 when they
//! differ, and prints the smallest case found.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use millrace_tests::oracle::compare::difference;
use millrace_tests::oracle::coverage::Coverage;
use millrace_tests::oracle::shrink::shrink;
use millrace_tests::oracle::{Case, Judge, generate, ours};

/// Compares our engine with Kafka Streams on random topologies and inputs.
#[derive(Debug, Parser)]
struct Args {
    /// Seed of the cases; the same seed gives the same cases. Default: from the clock, and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Number of cases.
    #[arg(long, default_value_t = 10_000)]
    cases: u64,
    /// Number of the first case.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Stops after so many seconds, with the cases done by then.
    #[arg(long)]
    seconds: Option<u64>,
    /// Runs the cases of a file instead, a JSON text each, one per line.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// Prints the StreamApp and both answers of each case, not only differences.
    #[arg(long)]
    verbose: bool,
    /// Goes on after a difference, until there are so many.
    #[arg(long, default_value_t = 1)]
    differences: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(clock_seed);
    let cases: Box<dyn Iterator<Item = Case>> = match &args.replay {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("could not read {}", file.display()))?;
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            let cases: Vec<Case> = lines
                .map(serde_json::from_str)
                .collect::<Result<_, _>>()
                .with_context(|| format!("could not read a case of {}", file.display()))?;
            Box::new(cases.into_iter())
        }
        None => {
            println!("seed {seed}");
            let numbers = args.from..args.from.saturating_add(args.cases);
            Box::new(numbers.map(move |number| generate::case(seed, number)))
        }
    };
    let different = run(&args, cases)?;
    for case in &different {
        report(case, seed)?;
    }
    Ok(if different.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the cases; those that differ.
fn run(args: &Args, cases: impl Iterator<Item = Case>) -> anyhow::Result<Vec<Case>> {
    let began = Instant::now();
    let limit = args.seconds.map(Duration::from_secs);
    let mut judge = Judge::start()?;
    let (mut coverage, mut different) = (Coverage::default(), Vec::new());
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut failing = 0;
    judge.ask_all(cases, |case, answer| {
        let in_time = limit.is_none_or(|limit| began.elapsed() < limit);
        let ours = match ours::run(&case) {
            Ok(ours) => ours,
            Err(error) => {
                *refused.entry(reason(&error)).or_default() += 1;
                return Ok(in_time);
            }
        };
        if args.verbose {
            println!("{}", millrace_tests::oracle::app::stream_app(&case)?);
            println!("Kafka Streams: {}", serde_json::to_string(&answer)?);
            println!("ours: {}", serde_json::to_string(&ours)?);
        }
        coverage.add(&case);
        failing += usize::from(answer.error.is_some());
        if difference(&case, &answer, &ours).is_some() {
            different.push(case);
        }
        Ok(in_time && different.len() < args.differences)
    })?;
    println!("{}", coverage.table());
    for (reason, cases) in &refused {
        println!("{cases} refused by ours: {reason}");
    }
    println!(
        "{} differ, {failing} fail on both sides alike, {:.1} s",
        different.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(different)
}

/// Why a case was refused, without what is particular to it: the last line, names and digits left
/// out.
fn reason(error: &anyhow::Error) -> String {
    let text = error.root_cause().to_string();
    let line = text.lines().last().unwrap_or_default();
    let words = line.split_whitespace();
    let words = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

/// Shrinks a case that differs, and prints it.
fn report(case: &Case, seed: u64) -> anyhow::Result<()> {
    let mut judge = Judge::start()?;
    println!(
        "\ncase {} of seed {seed} differs; as small as it gets:",
        case.id
    );
    match shrink(&mut judge, case)? {
        Some((small, difference)) => {
            for node in &small.nodes {
                println!("  {}", serde_json::to_string(node)?);
            }
            println!("{difference}");
            println!("to replay, in a file: {}", serde_json::to_string(&small)?);
        }
        None => println!(
            "not when run again: the case is {}",
            serde_json::to_string(case)?
        ),
    }
    Ok(())
}

fn clock_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}
