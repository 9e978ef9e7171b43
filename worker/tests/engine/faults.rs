//! Goal: whatever fails, and whenever, results under exactly-once are as if nothing had. Method: the
//! loan evaluation and a join of two streams with two to three members run through faults drawn from a seed (every fault the
//! faulty log knows, crashes that lose what was not on disk, clean restarts, members that come and
//! go, lost disks); then all is healed, and outputs, stores and changelogs are compared with what
//! plain arithmetic over the input says. Beside that, every planned fault must have fired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

use millrace_embedded::{Call, Fault, FaultPlan, FaultyCluster};
use millrace_worker::error::EngineError;
use millrace_worker::testing::{DriverError, DriverOptions, TopologyDriver};

use super::support::{Random, app};

mod reference;

use reference::Reference;

/// Seeds of one run; `MILLRACE_SEEDS=FROM..TO` chooses others.
const SEEDS: std::ops::Range<u64> = 0..200;
const ACCOUNTS: u64 = 7;
const PARTITIONS: i32 = 2;
const PASSES: u64 = 80;

const LOAN: &str = r#"
  state: {flush: {records: 40, intervalMs: 500}}
  topology:
    streams:
      transactions: {topic: transactions}
      loan-requests: {topic: loan-requests}
      evaluated:
        from: loan-requests
        steps:
        - leftJoin:
            table: account-balances
            value: '{"id": left.id, "balance": right == null ? null : right.balance}'
        to: {topic: verdicts}
      asks: {topic: asks}
      bids: {topic: bids}
      deals:
        from: asks
        steps:
        - join:
            stream: bids
            before: 1s
            after: 1s
            grace: 1h
            name: deals
            value: '{"ask": left, "bid": right, "end": 0}'
        to: {topic: deals}
    tables:
      balances:
        from: transactions
        steps:
        - groupBy: {key: value.account, name: by-account}
        - aggregate:
            name: balances
            initial: '{"balance": 0}'
            value: '{"balance": aggregate.balance + value.amount}'
        to: {topic: account-balances}
      account-balances: {topic: account-balances, store: account-balances-table}
"#;

const FAULTS: &[(Call, Fault, u32)] = &[
    (Call::Commit, Fault::ReplyLost, 20_000),
    (Call::Commit, Fault::RequestLost, 20_000),
    (Call::Commit, Fault::Abort, 20_000),
    (Call::Commit, Fault::Fenced, 10_000),
    (Call::Commit, Fault::Delay(Duration::from_secs(11)), 4_000),
    (Call::Send, Fault::Abort, 1_000),
    (Call::Send, Fault::Fenced, 500),
    (Call::Flush, Fault::Unavailable, 10_000),
    (Call::Flush, Fault::Abort, 10_000),
    (Call::SendOffsets, Fault::Unavailable, 10_000),
    (Call::SendOffsets, Fault::Abort, 10_000),
    (Call::SendOffsets, Fault::Fenced, 10_000),
    (Call::InitTransactions, Fault::Unavailable, 100_000),
    (Call::InitTransactions, Fault::Fenced, 50_000),
    (Call::Committed, Fault::Unavailable, 100_000),
    (Call::CommitOffsets, Fault::ReplyLost, 100_000),
    (Call::CommitOffsets, Fault::RequestLost, 100_000),
    (Call::CommitOffsets, Fault::Unavailable, 100_000),
    (Call::CommitOffsets, Fault::Fenced, 50_000),
    (Call::Poll, Fault::Unavailable, 5_000),
    (Call::Poll, Fault::Fenced, 3_000),
    (Call::Poll, Fault::SessionLoss, 10_000),
    (Call::Poll, Fault::Delay(Duration::from_secs(4)), 3_000),
    (Call::ReaderPoll, Fault::Unavailable, 50_000),
    (Call::Admin, Fault::Unavailable, 50_000),
];

fn fault_plan(seed: u64) -> FaultPlan {
    let plan = FaultPlan::seeded(seed);
    FAULTS
        .iter()
        .fold(plan, |plan, &(call, fault, per_million)| {
            plan.sometimes(call, fault, per_million).unwrap()
        })
}

/// One run.
struct Simulation {
    seed: u64,
    random: Random,
    driver: TopologyDriver,
    log: FaultyCluster,
    reference: Reference,
    acts: BTreeMap<&'static str, u64>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let options = DriverOptions {
            partitions: PARTITIONS,
            members: 0,
            rows_wait: Duration::from_millis(seed % 2 * 300),
            ..Default::default()
        };
        let mut driver = TopologyDriver::with_options(&app(LOAN), &options).unwrap();
        let inner = Arc::new(driver.cluster().clone());
        let log = FaultyCluster::new(inner, fault_plan(seed), driver.clock().clone());
        driver.reach_log_through(Arc::new(log.clone()));
        let (random, reference) = (Random(seed), Reference::default());
        Self {
            seed,
            random,
            driver,
            log,
            reference,
            acts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.acts.entry(what).or_default() += 1;
    }

    fn run(&mut self) {
        self.start(0);
        self.start(1);
        for _ in 0..PASSES {
            for _ in 0..self.random.below(6) {
                self.produce();
                self.trade();
            }
            let time = Duration::from_millis(self.random.below(80));
            self.driver.clock().advance(time);
            for ordinal in self.driver.ordinals() {
                // Not every member has a turn each time.
                if self.random.percent(80) {
                    self.step(ordinal);
                }
            }
            self.act();
        }
        self.heal();
        self.verify();
    }

    fn produce(&mut self) {
        let account = self.random.below(ACCOUNTS);
        let now = self.driver.now_ms();
        if self.random.percent(75) {
            self.reference.transactions += 1;
            let number = self.reference.transactions;
            // Account 0 has no transactions: its loans find no balance.
            let account = format!("account-{}", account.max(1));
            let amount = Decimal::new(i64::try_from(number).unwrap() * 101, 2);
            let value = format!(r#"{{"account":"{account}","amount":{amount}}}"#);
            let key = format!("transaction-{number}");
            let at = self
                .driver
                .produce("transactions", Some(&key), Some(&value), now)
                .unwrap();
            let amounts = self.reference.amounts.entry(account).or_default();
            amounts.entry(at.0).or_default().push(amount);
        } else {
            let id = self.reference.loans.len() as u64;
            let account = format!("account-{account}");
            let value = format!(r#"{{"id":{id},"amount":100}}"#);
            self.driver
                .produce("loan-requests", Some(&account), Some(&value), now)
                .unwrap();
            self.reference.loans.insert(id, account);
        }
    }

    /// An ask or a bid, early or late by up to two seconds.
    fn trade(&mut self) {
        let trader = self.random.below(ACCOUNTS);
        let time = self.driver.now_ms() - i64::try_from(self.random.below(2_000)).unwrap();
        let (topic, all) = if self.random.percent(50) {
            ("asks", &mut self.reference.asks)
        } else {
            ("bids", &mut self.reference.bids)
        };
        let (key, number) = (format!("trader-{trader}"), all.len().to_string());
        all.push((trader, time));
        self.driver
            .produce(topic, Some(&key), Some(&number), time)
            .unwrap();
    }

    fn start(&mut self, ordinal: u32) {
        self.driver
            .start(ordinal)
            .unwrap_or_else(|error| match error {
                // A member that does not reach the log at its start tries again later.
                DriverError::Engine(EngineError::Log(_)) => {}
                error => panic!("seed {}: {error}", self.seed),
            });
    }

    fn step(&mut self, ordinal: u32) {
        match self.driver.step(ordinal) {
            Ok(()) => {}
            // Too many faults in a row: the process ends and is started again.
            Err(DriverError::Engine(EngineError::GaveUp { .. })) => self.count("gave up"),
            Err(error) => panic!("seed {}, member {ordinal}: {error}", self.seed),
        }
    }

    /// What operators, kernels and disks do.
    fn act(&mut self) {
        let ordinal = u32::try_from(self.random.below(3)).unwrap();
        let runs = self.driver.member(ordinal).is_some();
        match self.random.below(100) {
            0..4 if runs => {
                self.driver.crash(ordinal).unwrap();
                self.count("crash");
            }
            4..6 if runs => {
                let leave = self.random.percent(50);
                // A clean end that meets a fault is a crash for the others.
                match self.driver.close(ordinal, leave) {
                    Ok(()) => self.count("clean end"),
                    Err(DriverError::Engine(EngineError::Log(_))) => self.count("failed end"),
                    Err(error) => panic!("seed {}, closing {ordinal}: {error}", self.seed),
                }
            }
            6..7 if !runs && self.driver.state_dir(ordinal).exists() => {
                self.driver.empty_state(ordinal).unwrap();
                self.count("lost disk");
            }
            7..8 => {
                self.driver.clock().advance(Duration::from_secs(11));
                self.count("standstill");
            }
            8..10 => {
                for topic in [
                    "app-balances-changelog",
                    "app-account-balances-table-changelog",
                ] {
                    self.driver.cluster().compact(topic).unwrap();
                }
                self.count("compaction");
            }
            10..40 if !runs => self.start(ordinal),
            _ => {}
        }
    }

    fn heal(&mut self) {
        self.log.disarm();
        for _ in 0..20 {
            self.produce();
            self.trade();
        }
        for ordinal in 0..2 {
            if self.driver.member(ordinal).is_none() {
                self.driver.start(ordinal).unwrap();
            }
        }
        self.driver
            .run_until_idle()
            .unwrap_or_else(|error| panic!("seed {}, after healing: {error}", self.seed));
    }

    fn verify(&self) {
        let seed = self.seed;
        let sequences = self.verify_balances();
        self.verify_verdicts(&sequences);
        self.verify_deals();
        let expected = self.reference.balances();
        for store in ["balances", "account-balances-table"] {
            let rows = self.driver.rows(store).unwrap();
            let changelog = self
                .driver
                .compacted(&format!("app-{store}-changelog"))
                .unwrap();
            assert_eq!(
                rows, changelog,
                "seed {seed}: store {store} is not its changelog"
            );
            let found: BTreeMap<String, Decimal> = rows
                .iter()
                .map(|(key, (_, value))| (text(key), balance(value).unwrap()))
                .collect();
            assert_eq!(
                found, expected,
                "seed {seed}: store {store} has other balances"
            );
        }
        let dead = self.driver.read("app-dead-letter").unwrap();
        assert!(dead.is_empty(), "seed {seed}: {} dead letters", dead.len());
    }

    /// Each transaction counts once, in the order of its input partition. Returns the balances of
    /// each account, in order.
    fn verify_balances(&self) -> BTreeMap<String, Vec<Decimal>> {
        let seed = self.seed;
        let mut sequences: BTreeMap<String, Vec<Decimal>> = BTreeMap::new();
        for record in self.driver.read("account-balances").unwrap() {
            let balance = balance(record.value.as_ref().unwrap()).unwrap();
            sequences
                .entry(text(record.key.as_ref().unwrap()))
                .or_default()
                .push(balance);
        }
        for (account, by_partition) in &self.reference.amounts {
            let balances = sequences.get(account).cloned().unwrap_or_default();
            let mut left: BTreeMap<i32, &[Decimal]> = by_partition
                .iter()
                .map(|(&partition, amounts)| (partition, &amounts[..]))
                .collect();
            let mut before = Decimal::ZERO;
            for (index, balance) in balances.iter().enumerate() {
                let amount = balance - before;
                before = *balance;
                let next = left
                    .values_mut()
                    .find(|amounts| amounts.first() == Some(&amount));
                let Some(next) = next else {
                    panic!(
                        "seed {seed}: balance {index} of {account} is {balance}, {amount} more than \
                         the one before: no transaction that was next has this amount ({left:?})"
                    );
                };
                *next = &next[1..];
            }
            let lost: Vec<_> = left.values().flat_map(|amounts| amounts.iter()).collect();
            assert!(
                lost.is_empty(),
                "seed {seed}: transactions of {account} not counted: {lost:?}"
            );
        }
        sequences
    }

    /// Each ask and bid of a trader that are near each other have met once.
    fn verify_deals(&self) {
        let deals = self.driver.read("deals").unwrap();
        let number = |value: &[u8], name| number(value, name).to_string().parse().unwrap();
        let mut found: Vec<(u64, u64)> = deals
            .iter()
            .map(|deal| deal.value.as_ref().unwrap())
            .map(|deal| (number(deal, "\"ask\":"), number(deal, "\"bid\":")))
            .collect();
        found.sort_unstable();
        assert_eq!(found, self.reference.deals(), "seed {}", self.seed);
    }

    /// Each loan has one verdict, with a balance its account had, and never an older one than before.
    fn verify_verdicts(&self, sequences: &BTreeMap<String, Vec<Decimal>>) {
        let seed = self.seed;
        let mut seen = BTreeSet::new();
        let mut last: BTreeMap<String, usize> = BTreeMap::new();
        for record in self.driver.read("verdicts").unwrap() {
            let account = text(record.key.as_ref().unwrap());
            let value = record.value.as_ref().unwrap();
            let id = number(value, "\"id\":").to_string().parse().unwrap();
            assert!(seen.insert(id), "seed {seed}: loan {id} has two verdicts");
            assert_eq!(
                self.reference.loans.get(&id),
                Some(&account),
                "seed {seed}, loan {id}"
            );
            let place = match balance(value) {
                None => 0,
                Some(balance) => {
                    let known = sequences
                        .get(&account)
                        .and_then(|balances| balances.iter().position(|known| *known == balance));
                    1 + known.unwrap_or_else(|| {
                        panic!("seed {seed}: loan {id} saw {balance}, which {account} never had")
                    })
                }
            };
            let before = last.insert(account.clone(), place).unwrap_or(0);
            assert!(
                place >= before,
                "seed {seed}: {account} went back at loan {id}"
            );
        }
        let all: BTreeSet<u64> = self.reference.loans.keys().copied().collect();
        assert_eq!(seen, all, "seed {seed}: loans without a verdict");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The number after a name in flat JSON.
fn number(value: &[u8], name: &str) -> Decimal {
    let text = text(value);
    let start = text.find(name).unwrap() + name.len();
    let rest = &text[start..];
    rest[..rest.find([',', '}']).unwrap()]
        .trim()
        .parse()
        .unwrap()
}

fn balance(value: &[u8]) -> Option<Decimal> {
    (!text(value).contains("\"balance\":null")).then(|| number(value, "\"balance\":"))
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("MILLRACE_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = range.split_once("..").unwrap();
    from.parse().unwrap()..to.parse().unwrap()
}

/// What fired, by fault, and what happened, by act.
#[derive(Default)]
struct Fired {
    faults: BTreeMap<(Call, Fault), u64>,
    acts: BTreeMap<&'static str, u64>,
}

impl Fired {
    fn add(&mut self, other: &Self) {
        for (&fault, times) in &other.faults {
            *self.faults.entry(fault).or_default() += times;
        }
        for (&act, times) in &other.acts {
            *self.acts.entry(act).or_default() += times;
        }
    }
}

fn run(seeds: impl Iterator<Item = u64>) -> Fired {
    let mut fired = Fired::default();
    for seed in seeds {
        let mut simulation = Simulation::new(seed);
        simulation.run();
        fired.add(&Fired {
            faults: simulation.log.fired(),
            acts: simulation.acts,
        });
    }
    fired
}

#[test]
fn whatever_fails_results_are_as_if_nothing_had() {
    // Runs share nothing, so two at a time are the same runs.
    let mut fired = Fired::default();
    std::thread::scope(|scope| {
        let halves =
            [0, 1].map(|half| scope.spawn(move || run(seeds().filter(|seed| seed % 2 == half))));
        for half in halves {
            fired.add(&half.join().expect("the panic's message names the seed"));
        }
    });
    println!("{:#?}\n{:#?}", fired.faults, fired.acts);
    for (call, fault, _) in FAULTS {
        assert!(
            fired.faults.contains_key(&(*call, *fault)),
            "{fault:?} never befell {call:?}"
        );
    }
    for act in [
        "crash",
        "clean end",
        "lost disk",
        "standstill",
        "compaction",
    ] {
        assert!(fired.acts.contains_key(act), "{act} never happened");
    }
}
