//! The kill test: workers of the loan evaluation are killed at random moments, and aborted at every
//! named point of a commit, under load on a real broker. Afterwards everything that was written must
//! have been counted once.
//!
//! `make soak KILLS=300` (variable `MILLRACE_KILLS`) kills more often; `MILLRACE_SEED` repeats a run's
//! choices.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "kill/audit.rs"]
mod audit;
#[path = "kill/fleet.rs"]
mod fleet;
#[path = "kill/history.rs"]
mod history;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_kafka::{Cluster, Guarantee, TopicSpec};
use millrace_tests::broker::Broker;
use millrace_tests::load::{Load, LoadOptions};
use millrace_worker::crash;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustix::process::Signal;

use fleet::{App, Fleet, Names, PARTITIONS};

/// Kills where the environment names no number.
const KILLS: u32 = 20;
/// Kills of the run at least once.
const KILLS_AT_LEAST_ONCE: u32 = 6;
/// Accounts with transactions.
const ACCOUNTS: u32 = 600;
/// Transactions and loan requests per second: what is asked for, and what must have been reached.
const LOAD_PER_S: u64 = 6_000;
const LOAD_PER_S_LEAST: u64 = 5_000;
/// Longest life of a worker that works, and of one that is killed while it starts.
const LIFE_MAX_MS: u64 = 1_200;
const START_MAX_MS: u64 = 600;
/// One of so many kills hits a worker while it starts.
const KILL_STARTING_EVERY: u32 = 4;
/// Longest wait until what was written has been processed, after the load has stopped.
const DRAIN_LIMIT: Duration = Duration::from_secs(90);

#[test]
fn under_exactly_once_nothing_is_lost_or_counted_twice_however_workers_end() {
    let kills = number("MILLRACE_KILLS").map_or(KILLS, |kills| kills as u32);
    run(Guarantee::ExactlyOnce, |run| {
        run.kill_at_random(kills)?;
        run.crash_at_every_point(&crash::POINTS)?;
        run.freeze_past_the_session()?;
        let fleet = run.finish_load()?;
        audit::exactly_once(fleet)
    });
}

#[test]
fn under_at_least_once_nothing_is_lost_however_workers_end() {
    run(Guarantee::AtLeastOnce, |run| {
        run.kill_at_random(KILLS_AT_LEAST_ONCE)?;
        // Outputs are there and their offsets are not: everything since the last commit comes twice.
        run.crash_at_every_point(&["after-flush"])?;
        let fleet = run.finish_load()?;
        audit::at_least_once(fleet)
    });
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

/// A broker, a load and workers.
struct Run {
    names: Names,
    seed: u64,
    random: StdRng,
    cluster: Arc<dyn Cluster>,
    load: Option<(Load, Instant)>,
    fleet: Fleet,
}

/// Prepares a run and does with it what the test is about. A failure shows the seed and the ends of
/// all logs.
fn run(guarantee: Guarantee, body: impl FnOnce(&mut Run) -> Result<()>) {
    // One after the other: each run needs the machine.
    static MACHINE: Mutex<()> = Mutex::new(());
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = number("MILLRACE_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    println!("seed {seed} (MILLRACE_SEED={seed} makes the same choices)");
    let broker = Broker::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(guarantee, seed, &broker, folder.path())
        .unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
    if let Err(error) = body(&mut run) {
        let kept = folder.keep();
        panic!(
            "seed {seed}: {error:#}\n{}\nstate and logs are kept in {}",
            run.fleet.log_tails(),
            kept.display()
        );
    }
}

impl Run {
    fn start(
        guarantee: Guarantee,
        seed: u64,
        broker: &Broker,
        folder: &std::path::Path,
    ) -> Result<Self> {
        let prefix = match guarantee {
            Guarantee::ExactlyOnce => "once",
            Guarantee::AtLeastOnce => "least",
        };
        let names = Names::new(prefix);
        let cluster: Arc<dyn Cluster> = Arc::new(broker.cluster(Guarantee::AtLeastOnce)?);
        let topics: Vec<TopicSpec> = names
            .topics()
            .into_iter()
            .map(|name| TopicSpec {
                name,
                partitions: PARTITIONS,
                replication_factor: 1,
                configs: BTreeMap::new(),
            })
            .collect();
        cluster.admin()?.create_topics(&topics)?;
        let mut fleet = Fleet::start(&names, guarantee, &broker.bootstrap(), folder)?;
        let load = LoadOptions {
            seed,
            transactions: names.topic("transactions"),
            loan_requests: names.topic("loan-requests"),
            partitions: PARTITIONS,
            accounts: ACCOUNTS,
            records_per_s: LOAD_PER_S,
            // At least once may count a transaction twice, which must show as more, never as less.
            withdrawals: guarantee == Guarantee::ExactlyOnce,
        };
        let began = Instant::now();
        let load = Load::start(Arc::clone(&cluster), load)?;
        for member in &mut fleet.members {
            member.wait_working()?;
        }
        let random = StdRng::seed_from_u64(seed);
        let load = Some((load, began));
        Ok(Self {
            names,
            seed,
            random,
            cluster,
            load,
            fleet,
        })
    }

    fn expect_load(&self) -> Result<()> {
        self.load
            .as_ref()
            .map_or(Ok(()), |(load, _)| load.expect_running())
    }

    /// Kills random workers after random times, and starts each again at once.
    fn kill_at_random(&mut self, kills: u32) -> Result<()> {
        for kill in 1..=kills {
            self.expect_load()?;
            let victim = self.random.random_range(0..self.fleet.members.len());
            let starting = kill.is_multiple_of(KILL_STARTING_EVERY);
            let member = &mut self.fleet.members[victim];
            let life = if starting {
                member.kill()?;
                member.restart()?;
                self.random.random_range(0..START_MAX_MS)
            } else {
                member.wait_working()?;
                self.random.random_range(0..LIFE_MAX_MS)
            };
            // Not a wait for anything: the moment of the kill is what is random.
            std::thread::sleep(Duration::from_millis(life));
            println!(
                "kill {kill}: {} after {life} ms, starting: {starting}",
                member.name()
            );
            member
                .kill()
                .and_then(|()| member.restart())
                .with_context(|| format!("kill {kill}"))?;
        }
        Ok(())
    }

    /// Every point, at a worker of each application.
    fn crash_at_every_point(&mut self, points: &[&str]) -> Result<()> {
        for point in points {
            for app in [App::Balances, App::Evaluation] {
                self.expect_load()?;
                // The flush to disk comes every few seconds only.
                let most = if *point == "during-sst-flush" { 1 } else { 8 };
                let n = self.random.random_range(1..=most);
                let pick = self.random.random_range(0..self.fleet.of(app).count());
                let member = self.fleet.of(app).nth(pick).context("there are workers")?;
                member.wait_working()?;
                println!("crash at {point}:{n}: {}", member.name());
                member.crash_at(point, n)?;
            }
        }
        Ok(())
    }

    /// A zombie: one worker of each application is frozen until the other has taken all its tasks
    /// over, and goes on as if nothing had been.
    fn freeze_past_the_session(&mut self) -> Result<()> {
        let pick = self.random.random_range(0..2);
        let frozen = [pick, 2 + self.random.random_range(0..2)];
        for member in &mut self.fleet.members {
            member.wait_working()?;
        }
        for index in frozen {
            println!("freeze {}", self.fleet.members[index].name());
            self.fleet.members[index].process.signal(Signal::STOP)?;
        }
        for index in frozen {
            self.fleet.partner(index).wait_alone()?;
        }
        for index in frozen {
            self.fleet.members[index].process.signal(Signal::CONT)?;
        }
        for index in frozen {
            let member = &mut self.fleet.members[index];
            // It has tasks again, and all of them run.
            member
                .process
                .wait_ready(1)
                .with_context(|| member.name())?;
        }
        Ok(())
    }

    /// Stops the load and waits until everything is processed.
    fn finish_load(&mut self) -> Result<audit::Finished<'_>> {
        let (load, began) = self.load.take().context("the load runs")?;
        let took = began.elapsed();
        let ledger = load.stop()?;
        let written = ledger.transactions() + ledger.loans() as u64;
        let rate = (written as f64 / took.as_secs_f64()) as u64;
        println!("{written} records in {took:.0?}: {rate}/s");
        ensure!(
            rate >= LOAD_PER_S_LEAST,
            "the load was {rate}/s and must be {LOAD_PER_S_LEAST}/s"
        );
        let began = Instant::now();
        for app in [App::Balances, App::Evaluation] {
            self.fleet
                .wait_drained(self.cluster.as_ref(), app, DRAIN_LIMIT)?;
            self.fleet.wait_caught_up(app)?;
        }
        println!(
            "all processed {:.1?} after the last record",
            began.elapsed()
        );
        let (names, cluster, fleet) = (&self.names, self.cluster.as_ref(), &mut self.fleet);
        Ok(audit::Finished {
            names,
            cluster,
            fleet,
            ledger,
            seed: self.seed,
        })
    }
}
