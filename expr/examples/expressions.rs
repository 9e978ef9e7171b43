//! How fast records go through an expression, on one core: the loan join of the examples.
//!
//! `cargo run --release -p millrace-expr --example expressions [-- --json]` prints a table, or one
//! JSON object for `make bench`. Every figure is the median of [`REPETITIONS`] runs.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use millrace_expr::{Bump, Expr, Scope, Type, Value, compile, json};

/// Runs of each measurement.
const REPETITIONS: usize = 15;

/// How long one run lasts at least.
const RUN: Duration = Duration::from_millis(200);

/// Joins gone through in turn: approved, rejected, and without a balance.
const RECORDS: usize = 256;

const LOAN_JOIN: &str = r#"{"account": left.account, "amount": left.amount,
    "status": right != null && right.balance >= left.amount ? "approved" : "rejected"}"#;

/// The medians, in the units of `bench-results.json`.
struct Figures {
    /// From parsed records to the output value.
    evals_per_s: f64,
    /// Reading one loan request of about 40 bytes.
    parse_ns: f64,
    /// Writing one output value of about 60 bytes.
    write_ns: f64,
    /// From the bytes of both records to the bytes of the output.
    records_per_s: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let figures = measure()?;
    if std::env::args().any(|argument| argument == "--json") {
        println!(
            "{{\"expressions\":{{\"evals_per_s\":{:.0},\"parse_ns\":{:.1},\"write_ns\":{:.1},\
             \"records_per_s\":{:.0}}}}}",
            figures.evals_per_s, figures.parse_ns, figures.write_ns, figures.records_per_s
        );
        return Ok(());
    }
    println!("loan join expression, one core, median of {REPETITIONS}");
    println!(
        "  evaluate            {:>8.2} M/s",
        figures.evals_per_s / 1e6
    );
    println!("  parse a request     {:>8.1} ns", figures.parse_ns);
    println!("  write a result      {:>8.1} ns", figures.write_ns);
    println!(
        "  parse + eval + write{:>8.2} M/s",
        figures.records_per_s / 1e6
    );
    Ok(())
}

fn measure() -> Result<Figures, Box<dyn Error>> {
    let scope = Scope::new()
        .with("left", Type::Any)
        .with("right", Type::Any);
    let join = compile(LOAN_JOIN, &scope, &Type::Any).map_err(|error| error.excerpt())?;
    let (lefts, rights) = records();
    let arena = Bump::new();
    let mut inputs = Vec::with_capacity(RECORDS);
    for (left, right) in lefts.iter().zip(&rights) {
        inputs.push([json::parse(left, &arena)?, json::parse(right, &arena)?]);
    }
    let mut outputs = Vec::with_capacity(RECORDS);
    for input in &inputs {
        outputs.push(join.eval(input, &arena)?);
    }
    let mut text = Vec::with_capacity(RECORDS * 128);
    let evaluate = run(|out| {
        inputs
            .iter()
            .all(|input| done(join.eval(black_box(input), out)))
    })?;
    let parse = run(|out| {
        lefts
            .iter()
            .all(|left| done(json::parse(black_box(left), out)))
    })?;
    let write = run(|_| {
        text.clear();
        outputs
            .iter()
            .all(|output| done(json::write(black_box(output), &mut text)))
    })?;
    let mut text = Vec::with_capacity(RECORDS * 128);
    let whole = run(|out| {
        text.clear();
        lefts
            .iter()
            .zip(&rights)
            .all(|(left, right)| done(pass(&join, left, right, out, &mut text)))
    })?;
    Ok(Figures {
        evals_per_s: 1e9 / evaluate,
        parse_ns: parse,
        write_ns: write,
        records_per_s: 1e9 / whole,
    })
}

/// One record from bytes to bytes.
fn pass<'r>(
    join: &'r Expr,
    left: &'r [u8],
    right: &'r [u8],
    arena: &'r Bump,
    out: &mut Vec<u8>,
) -> Result<(), Box<dyn Error>> {
    let input: [Value<'r>; 2] = [json::parse(left, arena)?, json::parse(right, arena)?];
    json::write(&join.eval(&input, arena)?, out)?;
    Ok(())
}

/// Requests, and the balances they meet: every fourth is too low, every eighth is missing.
fn records() -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let account = |i: usize| format!("{:03}-{:05}", i % 1_000, 101 + i * 7);
    let lefts = (0..RECORDS)
        .map(|i| format!("{{\"account\":\"{}\",\"amount\":{}}}", account(i), 100 + i).into_bytes());
    let rights = (0..RECORDS).map(|i| match i % 8 {
        7 => b"null".to_vec(),
        n => {
            let whole = if n % 4 == 3 { 5 } else { 1_234 };
            format!("{{\"account\":\"{}\",\"balance\":{whole}.56}}", account(i)).into_bytes()
        }
    });
    (lefts.collect(), rights.collect())
}

/// Keeps the result from being optimised away, and says whether it is one.
fn done<T, E>(result: Result<T, E>) -> bool {
    black_box(result).is_ok()
}

/// What this thread has had of a core, so that other programs do not count. `None` where the system
/// does not tell; then wall time stands in.
fn cpu_time() -> Option<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    statistics
        .split(' ')
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}

/// Nanoseconds a record: the median over runs of a round of [`RECORDS`] each, with an arena that is
/// emptied after every round, as the engine does after every batch.
fn run(mut round: impl FnMut(&Bump) -> bool) -> Result<f64, Box<dyn Error>> {
    let mut arena = Bump::new();
    let mut nanos = Vec::with_capacity(REPETITIONS);
    // The first run warms up and is not counted.
    for repetition in 0..=REPETITIONS {
        let (start, start_of_cpu) = (Instant::now(), cpu_time());
        let mut rounds = 0_u32;
        while start.elapsed() < RUN {
            for _ in 0..16 {
                if !round(&arena) {
                    return Err("a record failed".into());
                }
                arena.reset();
            }
            rounds += 16;
        }
        if repetition > 0 {
            let records = f64::from(rounds) * RECORDS as f64;
            let time = cpu_time()
                .zip(start_of_cpu)
                .map(|(end, start)| end.saturating_sub(start));
            nanos.push(time.unwrap_or(start.elapsed()).as_secs_f64() * 1e9 / records);
        }
    }
    nanos.sort_by(f64::total_cmp);
    Ok(nanos[REPETITIONS / 2])
}
