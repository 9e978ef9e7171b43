//! A load of transactions and loan requests at a chosen rate, entered into a [`Ledger`] as they are
//! written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use millrace_kafka::{
    Cluster, Headers, OutRecord, ProducerOptions, RecordSink, TopicHandle, partitioner,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rust_decimal::Decimal;

use crate::ledger::Ledger;

/// Time between two bursts: each is flushed, so that what counts as written is acknowledged.
const BURST: Duration = Duration::from_millis(50);
/// Most records of one burst: after a pause of the machine the load catches up in steps.
const BURST_RECORDS_MAX: u64 = 5_000;
/// One of so many records is a loan request.
const LOAN_EVERY: u64 = 5;
/// One of so many loan requests is for an account without transactions.
const STRANGER_EVERY: u64 = 50;

/// What is written.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Seed of accounts and amounts.
    pub seed: u64,
    /// Topic of the transactions.
    pub transactions: String,
    /// Topic of the loan requests.
    pub loan_requests: String,
    /// Partitions of both.
    pub partitions: i32,
    /// Number of accounts.
    pub accounts: u32,
    /// Transactions and loan requests per second, together.
    pub records_per_s: u64,
    /// Whether some amounts are negative.
    pub withdrawals: bool,
}

/// A load under way on a thread of its own.
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Result<Ledger>>,
}

impl Load {
    /// Starts writing.
    pub fn start(cluster: Arc<dyn Cluster>, options: LoadOptions) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = std::thread::Builder::new()
            .name("load".to_owned())
            .spawn(move || Writer::new(cluster.as_ref(), options)?.run(&stopped, &counter))
            .context("start the load's thread")?;
        Ok(Self {
            stop,
            acknowledged,
            thread,
        })
    }

    /// Records acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Fails when the load has ended by itself.
    pub fn expect_running(&self) -> Result<()> {
        if self.thread.is_finished() {
            Err(anyhow!("the load has ended"))
        } else {
            Ok(())
        }
    }

    /// Stops writing. The ledger has exactly what was acknowledged: a record that was not fails this
    /// call.
    pub fn stop(self) -> Result<Ledger> {
        self.stop.store(true, Ordering::Release);
        self.thread
            .join()
            .map_err(|_| anyhow!("the load's thread panicked"))?
    }
}

struct Writer {
    options: LoadOptions,
    sink: Box<dyn RecordSink>,
    transactions: TopicHandle,
    loan_requests: TopicHandle,
    random: StdRng,
    ledger: Ledger,
    written: u64,
}

impl Writer {
    fn new(cluster: &dyn Cluster, options: LoadOptions) -> Result<Self> {
        let client_id = "load".to_owned();
        let mut sink = cluster.producer(&ProducerOptions {
            transactional_id: None,
            client_id,
        })?;
        let transactions = sink.topic(&options.transactions)?;
        let loan_requests = sink.topic(&options.loan_requests)?;
        let random = StdRng::seed_from_u64(options.seed);
        let ledger = Ledger::default();
        Ok(Self {
            options,
            sink,
            transactions,
            loan_requests,
            random,
            ledger,
            written: 0,
        })
    }

    fn run(mut self, stop: &AtomicBool, acknowledged: &AtomicU64) -> Result<Ledger> {
        let mut due = 0.0;
        let mut last = Instant::now();
        while !stop.load(Ordering::Acquire) {
            due += last.elapsed().as_secs_f64() * self.options.records_per_s as f64;
            last = Instant::now();
            let burst = (due as u64).min(BURST_RECORDS_MAX);
            due -= burst as f64;
            for _ in 0..burst {
                self.write_one()?;
            }
            self.sink.flush().context("the load could not be written")?;
            acknowledged.store(self.written, Ordering::Release);
            std::thread::sleep(BURST.saturating_sub(last.elapsed()));
        }
        Ok(self.ledger)
    }

    fn write_one(&mut self) -> Result<()> {
        self.written += 1;
        if self.written.is_multiple_of(LOAN_EVERY) {
            self.loan()
        } else {
            self.transaction()
        }
    }

    fn transaction(&mut self) -> Result<()> {
        let account = account(self.random.random_range(0..self.options.accounts));
        let amount = loop {
            let least = if self.options.withdrawals { -4_000 } else { 1 };
            let amount = Decimal::new(self.random.random_range(least..10_000), 2);
            if !amount.is_zero() && self.ledger.allows(&account, amount) {
                break amount;
            }
        };
        let value = format!(r#"{{"account":"{account}","amount":{amount}}}"#);
        self.send(self.transactions, &account, &value)?;
        self.ledger.transaction(&account, amount);
        Ok(())
    }

    fn loan(&mut self) -> Result<()> {
        let number = self.written / LOAN_EVERY;
        let accounts = self.options.accounts;
        // Strangers' numbers come after all others.
        let first = if number.is_multiple_of(STRANGER_EVERY) {
            accounts
        } else {
            0
        };
        let account = account(first + self.random.random_range(0..accounts));
        let amount = Decimal::new(self.random.random_range(1..1_000_000), 2);
        let id = format!("loan-{number}");
        let value = format!(r#"{{"id":"{id}","account":"{account}","amount":{amount}}}"#);
        self.send(self.loan_requests, &account, &value)?;
        self.ledger.loan(&id, &account, amount);
        Ok(())
    }

    fn send(&mut self, topic: TopicHandle, key: &str, value: &str) -> Result<()> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
        let key = key.as_bytes();
        self.sink.send(&OutRecord {
            topic,
            partition: partitioner::partition(key, self.options.partitions),
            timestamp,
            key: Some(key),
            value: Some(value.as_bytes()),
            headers: Headers::EMPTY,
        })?;
        Ok(())
    }
}

fn account(number: u32) -> String {
    format!("001-{number:05}")
}
