//! Writes random transactions to topic `transactions`, at a chosen rate, until stopped.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use loan_evaluation::log::{Log, LogOptions, Outcome, Record};
use loan_evaluation::stop::Stop;
use loan_evaluation::terminal::Paint;
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
#[command(version)]
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
    let mut producer = Producer {
        log: options.log.open("transaction-producer")?,
        transactions: Transactions::new(options.accounts, seed),
        paint: Paint::detect(),
        done: 0,
        unknown: 0,
        last: None,
    };
    println!(
        "writing {} transactions a second over {} accounts to topic {TOPIC} (seed {seed})",
        options.rate, options.accounts
    );
    producer.run(
        &mut stop,
        f64::from(options.rate),
        options.count.unwrap_or(u64::MAX),
    )?;
    println!("stopped after {} transactions", producer.done);
    Ok(())
}

struct Producer {
    log: Box<dyn Log>,
    transactions: Transactions,
    paint: Paint,
    /// Transactions that were written or may be.
    done: u64,
    /// Those of them that nobody knows of.
    unknown: u64,
    last: Option<Transaction>,
}

impl Producer {
    fn run(&mut self, stop: &mut Stop, rate: f64, count: u64) -> anyhow::Result<()> {
        let mut clock = Instant::now();
        let mut counted_from = 0;
        let mut reported = Instant::now();
        let mut behind = false;
        while self.done < count && !stop.wait(if behind { Duration::ZERO } else { TICK }) {
            let due = counted_from + (clock.elapsed().as_secs_f64() * rate) as u64;
            let owed = due.min(count).saturating_sub(self.done);
            if owed as f64 > rate * CATCH_UP_SECONDS {
                (clock, counted_from) = (Instant::now(), self.done);
            }
            let length = usize::try_from(owed)?.min(BATCH_LENGTH);
            behind = owed > length as u64;
            if length > 0 {
                self.write(length, stop)?;
            }
            if reported.elapsed() >= PROGRESS_INTERVAL {
                reported = Instant::now();
                self.report();
            }
        }
        Ok(())
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
                    self.unknown += length as u64;
                    println!(
                        "{} {error}; {length} transactions may be written or not",
                        self.paint.yellow("unknown:")
                    );
                    break;
                }
                Err(error) => {
                    println!("{} {error}; trying again", self.paint.yellow("waiting:"));
                    if stop.wait(RETRY_PAUSE) {
                        return Ok(());
                    }
                }
            }
        }
        self.done += length as u64;
        self.last = batch.into_iter().next_back();
        Ok(())
    }

    fn report(&self) {
        let Some(last) = &self.last else { return };
        let unknown = if self.unknown > 0 {
            self.paint
                .yellow(&format!(", {} of unknown outcome", self.unknown))
        } else {
            String::new()
        };
        println!(
            "{} transactions{unknown}, last: {} {}",
            self.paint.bold(&self.done.to_string()),
            last.account,
            self.paint.dim(&format!("{:+}", last.amount.0)),
        );
    }
}
