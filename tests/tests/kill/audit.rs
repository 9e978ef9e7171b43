//! What must hold when everything is processed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_kafka::{Cluster, partitioner};
use millrace_tests::ledger::{self, Ledger};
use millrace_tests::topic::{self, Table};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fleet::{App, FLUSH_RECORDS, Fleet, Names, PARTITIONS};

/// Longest time of reading a topic.
const READ_LIMIT: Duration = Duration::from_secs(120);
/// Longest wait until a commit that the log has is in the store.
const STORE_LIMIT: Duration = Duration::from_secs(20);
/// A restart restores less than this share of the changelog.
const TAIL_PERCENT_MAX: u64 = 20;

/// A run whose input is processed.
pub(crate) struct Finished<'r> {
    /// Names of its topics.
    pub(crate) names: &'r Names,
    /// The broker.
    pub(crate) cluster: &'r dyn Cluster,
    /// Its workers, which still run.
    pub(crate) fleet: &'r mut Fleet,
    /// What was written.
    pub(crate) ledger: Ledger,
    /// Its seed.
    pub(crate) seed: u64,
}

fn values(rows: &Table) -> impl Iterator<Item = (&str, &str)> {
    rows.iter()
        .map(|(account, (value, _))| (account.as_str(), value.as_str()))
}

/// All of it.
pub(crate) fn exactly_once(mut run: Finished<'_>) -> Result<()> {
    let balances = run.names.topic("account-balances");
    let results = run.names.topic("loan-evaluation-results");

    let mut audit = run.ledger.balance_audit();
    let count = topic::read(run.cluster, &balances, READ_LIMIT, &mut |row| {
        audit.next(row)
    })?;
    audit.finish().with_context(|| balances.clone())?;
    println!("{balances}: {count} records, each the next running sum of its account");

    let mut audit = run.ledger.verdict_audit();
    topic::read(run.cluster, &results, READ_LIMIT, &mut |row| {
        audit.next(row)
    })?;
    let count = audit.finish().with_context(|| results.clone())?;
    println!("{results}: {count} verdicts, one for each loan");

    let (last, _) = topic::compacted(run.cluster, &balances, READ_LIMIT)?;
    run.ledger.check_table(&balances, values(&last))?;
    for app in [App::Balances, App::Evaluation] {
        run.check_state(app, &last)?;
        run.check_restores(app)?;
        run.check_emptied_state(app, &last)?;
    }
    run.check_no_dead_letters()
}

/// Nothing is lost; counts and verdicts may be there twice, and a table may count a transaction
/// twice.
pub(crate) fn at_least_once(mut run: Finished<'_>) -> Result<()> {
    let balances = run.names.topic("account-balances");
    let results = run.names.topic("loan-evaluation-results");
    let mut audit = run.ledger.verdict_audit();
    topic::read(run.cluster, &results, READ_LIMIT, &mut |row| {
        audit.next_at_least_once(row)
    })?;
    let count = audit.finish().with_context(|| results.clone())?;
    println!(
        "{results}: {count} verdicts for {} loans",
        run.ledger.loans()
    );
    let (last, _) = topic::compacted(run.cluster, &balances, READ_LIMIT)?;
    ledger::check_nothing_lost(&run.ledger, values(&last))?;
    for app in [App::Balances, App::Evaluation] {
        let changelog = run.names.changelog(app);
        let (rows, _) = topic::compacted(run.cluster, &changelog, READ_LIMIT)?;
        ensure_same(&changelog, &rows, &balances, &last)?;
        run.wait_stored(app, &rows)?;
    }
    run.check_no_dead_letters()
}

/// The answer of `/stores/{store}/{key}`.
#[derive(Deserialize)]
struct StoredRow<'a> {
    key: String,
    #[serde(borrow)]
    value: &'a RawValue,
    timestamp: i64,
}

impl Finished<'_> {
    /// Changelog (read here, apart from the engine) == balances == store.
    fn check_state(&mut self, app: App, balances: &Table) -> Result<()> {
        let changelog = self.names.changelog(app);
        let (rows, count) = topic::compacted(self.cluster, &changelog, READ_LIMIT)?;
        self.ledger.check_table(&changelog, values(&rows))?;
        ensure_same(&changelog, &rows, "account-balances", balances)?;
        self.wait_stored(app, &rows)?;
        println!(
            "{changelog}: {count} records, {} rows, equal to store and balances",
            rows.len()
        );
        Ok(())
    }

    /// The store's rows as queries see them. A commit reaches the store just after the log; equality
    /// must come, and stay.
    fn wait_stored(&mut self, app: App, rows: &Table) -> Result<()> {
        let began = Instant::now();
        for (account, row) in rows {
            while let Err(error) = self.check_stored(app, account, row) {
                if began.elapsed() >= STORE_LIMIT {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn check_stored(&mut self, app: App, account: &str, row: &(String, i64)) -> Result<()> {
        let body = self.fleet.stored(app, account)?;
        let stored: StoredRow<'_> =
            serde_json::from_str(&body).with_context(|| format!("read the row {body}"))?;
        ensure!(stored.key == account, "asked for {account}, got {body}");
        ensure!(
            (stored.value.get(), stored.timestamp) == (row.0.as_str(), row.1),
            "{app:?}: the store has {body} and the changelog {row:?}"
        );
        Ok(())
    }

    /// Restarts restored the tail alone.
    fn check_restores(&self, app: App) -> Result<()> {
        let changelog = self.names.changelog(app);
        // Rows of one commit: each key once.
        let mut live: HashMap<String, u64> = HashMap::new();
        for (account, _) in self.ledger.balances() {
            let partition = partitioner::partition(account.as_bytes(), PARTITIONS);
            *live.entry(format!("0_{partition}")).or_default() += 1;
        }
        let mut records: HashMap<String, u64> = HashMap::new();
        topic::read(self.cluster, &changelog, READ_LIMIT, &mut |row| {
            *records
                .entry(format!("0_{}", row.at.partition.partition))
                .or_default() += 1;
            Ok(())
        })?;
        let restores = self.fleet.restores(app)?;
        let tails: Vec<_> = restores.iter().filter(|restore| restore.stayed).collect();
        for restore in &tails {
            let bound = FLUSH_RECORDS + live[&restore.task];
            let total = records[&restore.task];
            ensure!(
                restore.records <= bound,
                "{app:?} worker {} restored {} records of task {} at {}; the flush bound and one commit \
                 are {bound}",
                restore.worker,
                restore.records,
                restore.task,
                restore.at
            );
            ensure!(
                restore.records * 100 < total * TAIL_PERCENT_MAX,
                "{app:?} restored {} of {total} records of task {}",
                restore.records,
                restore.task
            );
        }
        let most = tails
            .iter()
            .map(|restore| restore.records)
            .max()
            .unwrap_or_default();
        println!(
            "{changelog}: {} restarts of tasks restored at most {most} records; {} tasks moved",
            tails.len(),
            restores.len() - tails.len()
        );
        ensure!(
            !tails.is_empty(),
            "no restart of {app:?} was seen in the logs"
        );
        Ok(())
    }

    /// Without its state directory an application restores everything, to the same rows.
    fn check_emptied_state(&mut self, app: App, balances: &Table) -> Result<()> {
        let changelog = self.names.changelog(app);
        let (_, count) = topic::compacted(self.cluster, &changelog, READ_LIMIT)?;
        let restored = self.fleet.start_over_without_state(app)?;
        ensure!(
            restored == count,
            "{app:?} restored {restored} records into an emptied directory; {changelog} has {count}"
        );
        self.wait_stored(app, balances)?;
        println!("{changelog}: all {restored} records restored into an emptied directory");
        Ok(())
    }

    fn check_no_dead_letters(&self) -> Result<()> {
        for app in [App::Balances, App::Evaluation] {
            let dead_letters = format!("{}-dead-letter", self.names.id(app));
            let count = topic::read(self.cluster, &dead_letters, READ_LIMIT, &mut |_| Ok(()))?;
            ensure!(
                count == 0,
                "{count} records in {dead_letters}; seed {}",
                self.seed
            );
        }
        Ok(())
    }
}

fn ensure_same(name: &str, rows: &Table, other_name: &str, other: &Table) -> Result<()> {
    for (account, row) in rows {
        ensure!(
            other.get(account) == Some(row),
            "account {account}: {name} has {row:?} and {other_name} {:?}",
            other.get(account)
        );
    }
    ensure!(
        rows.len() == other.len(),
        "{name} has {} accounts and {other_name} {}",
        rows.len(),
        other.len()
    );
    Ok(())
}
