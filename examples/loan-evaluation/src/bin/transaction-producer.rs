//! Writes random transactions to topic `transactions`, at a chosen rate, until stopped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use loan_evaluation::log::{Log, LogOptions, Outcome, Record};
use loan_evaluation::stop::Stop;
use loan_evaluation::terminal::{Paint, say};
use loan_evaluation::transactions::{TOPIC, Transaction, Transactions};

/// Pause between two batches.
const TICK: Duration = Duration::from_millis(20);

/// Most transactions written in one go.
const BATCH_LENGTH: usize = 1_000;

/// How far the program catches up after the log was slow, in seconds of its rate; a longer standstill
/// is not made up for.
const CATCH_UP_SECONDS: f64 = 1.0;

/// Time between two progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(3);

/// Pause before a failed write is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Writes random transactions, at a chosen rate, until stopped
#[derive(Debug, Parser)]
#[command(name = "transaction-producer", version)]
struct Options {
    #[command(flatten)]
    log: LogOptions,

    /// Transactions per second
    #[arg(long, env = "RATE", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,

    /// Number of accounts, from 001-00101 on
    #[arg(long, env = "ACCOUNTS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    accounts: u16,

    /// The same seed gives the same transactions; random by default
    #[arg(long, env = "SEED")]
    seed: Option<u64>,

    /// Stop by itself after this many transactions
    #[arg(long, env = "COUNT")]
    count: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(rand::random);
    let mut stop = Stop::on_signals().context("could not handle signals")?;
    let log = options.log.open("transaction-producer")?;
    say(format_args!(
        "writing {} transactions a second over {} accounts to topic {TOPIC} (seed {seed})",
        options.rate, options.accounts
    ));
    let progress = Progress::default();
    let transactions = Transactions::new(options.accounts, seed);
    let mut producer = Producer {
        log,
        transactions,
        progress: &progress,
        paint: Paint::detect(),
    };
    let (finish, finished) = mpsc::channel();
    thread::scope(|threads| {
        // Apart from the writing, which may be held up for as long as Kafka's client waits for Kafka.
        let reported = &progress;
        threads.spawn(move || reported.report(&finished));
        let count = options.count.unwrap_or(u64::MAX);
        let ran = producer.run(&mut stop, f64::from(options.rate), count);
        drop(finish);
        ran
    })?;
    say(format_args!(
        "stopped after {} transactions",
        progress.done()
    ));
    Ok(())
}

/// How far the producer is, for the lines that say so.
#[derive(Debug, Default)]
struct Progress {
    /// Transactions that were written or may be.
    done: AtomicU64,
    /// Those of them that nobody knows of.
    unknown: AtomicU64,
    last: Mutex<Option<Transaction>>,
}

impl Progress {
    fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Prints a line at intervals, until the other end of the channel is dropped.
    fn report(&self, finished: &Receiver<()>) {
        let paint = Paint::detect();
        let mut before = 0;
        while finished.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            let done = self.done();
            if done == before {
                say(format_args!(
                    "{} the log has confirmed nothing for a while",
                    paint.yellow("waiting:")
                ));
                continue;
            }
            before = done;
            let unknown = match self.unknown.load(Ordering::Acquire) {
                0 => String::new(),
                unknown => paint.yellow(&format!(", {unknown} of unknown outcome")),
            };
            let last = self
                .last
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let last = last.map(|last| format!("{} {:+}", last.account, last.amount.0));
            say(format_args!(
                "{} transactions{unknown}, last: {}",
                paint.bold(&done.to_string()),
                paint.dim(&last.unwrap_or_default()),
            ));
        }
    }
}

struct Producer<'a> {
    log: Box<dyn Log>,
    transactions: Transactions,
    progress: &'a Progress,
    paint: Paint,
}

impl Producer<'_> {
    fn run(&mut self, stop: &mut Stop, rate: f64, count: u64) -> anyhow::Result<()> {
        let mut clock = Instant::now();
        let mut counted_from = 0;
        let mut behind = false;
        loop {
            let done = self.progress.done();
            if done >= count || stop.wait(if behind { Duration::ZERO } else { TICK }) {
                return Ok(());
            }
            let due = counted_from + (clock.elapsed().as_secs_f64() * rate) as u64;
            let owed = due.min(count).saturating_sub(done);
            if owed as f64 > rate * CATCH_UP_SECONDS {
                (clock, counted_from) = (Instant::now(), done);
            }
            let length = usize::try_from(owed)?.min(BATCH_LENGTH);
            behind = owed > length as u64;
            if length > 0 {
                self.write(length, stop)?;
            }
        }
    }

    /// Writes the next transactions, again and again until that succeeds or the program is stopped.
    fn write(&mut self, length: usize, stop: &mut Stop) -> anyhow::Result<()> {
        let batch: Vec<Transaction> = self.transactions.by_ref().take(length).collect();
        let records = batch
            .iter()
            .map(|transaction| Record::new(transaction.account.as_str(), transaction))
            .collect::<Result<Vec<_>, _>>()?;
        loop {
            let written = self
                .log
                .check(TOPIC)
                .and_then(|()| self.log.write(TOPIC, &records));
            match written {
                Ok(()) => break,
                Err(error) if error.outcome == Outcome::Unknown => {
                    // Written twice, they would falsify the balances.
                    self.progress
                        .unknown
                        .fetch_add(length as u64, Ordering::AcqRel);
                    let unknown = self.paint.yellow("unknown:");
                    say(format_args!(
                        "{unknown} {error}; {length} transactions may be written or not"
                    ));
                    break;
                }
                Err(error) => {
                    say(format_args!(
                        "{} {error}; trying again",
                        self.paint.yellow("waiting:")
                    ));
                    if stop.wait(RETRY_PAUSE) {
                        return Ok(());
                    }
                }
            }
        }
        *self
            .progress
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = batch.last().cloned();
        self.progress
            .done
            .fetch_add(length as u64, Ordering::AcqRel);
        Ok(())
    }
}
