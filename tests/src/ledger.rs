//! What was written to the log and acknowledged, and what must therefore be read back: the books that
//! the kill test is checked against.
//!
//! Owns the arithmetic, apart from the engine's: amounts are added with `rust_decimal` at the moment
//! they are written. Never reads or writes a topic itself.
//!
//! All running sums of an account differ from one another (the load chooses amounts so), so that a
//! balance names the one transaction after which it was right, and going back shows.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::topic::Row;

/// One account: its running sums.
#[derive(Debug, Default)]
struct Account {
    /// The balance after each transaction.
    sums: Vec<Decimal>,
    /// The transaction after which the balance was this.
    index: HashMap<Decimal, usize>,
}

/// A loan that was asked for.
#[derive(Debug)]
struct Loan {
    account: String,
    amount: Decimal,
}

/// Everything written, in the order in which it was written.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<String, Account>,
    loans: HashMap<String, Loan>,
    transactions: u64,
}

/// The value of `account-balances`, of both stores and of both changelogs.
#[derive(Deserialize)]
struct BalanceValue<'a> {
    account: String,
    #[serde(borrow)]
    balance: &'a RawValue,
}

/// The value of `loan-evaluation-results`.
#[derive(Deserialize)]
struct VerdictValue<'a> {
    id: String,
    account: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    #[serde(borrow)]
    balance: Option<&'a RawValue>,
    status: String,
}

impl Ledger {
    /// Whether an amount may be the next transaction of an account: its new balance is one the
    /// account never had.
    pub fn allows(&self, account: &str, amount: Decimal) -> bool {
        let Some(known) = self.accounts.get(account) else {
            return true;
        };
        let sum = known.sums.last().copied().unwrap_or_default() + amount;
        !known.index.contains_key(&sum)
    }

    /// Enters a transaction; call in the order of writing.
    pub fn transaction(&mut self, account: &str, amount: Decimal) {
        let known = match self.accounts.get_mut(account) {
            Some(known) => known,
            None => self.accounts.entry(account.to_owned()).or_default(),
        };
        let sum = known.sums.last().copied().unwrap_or_default() + amount;
        known.index.insert(sum, known.sums.len());
        known.sums.push(sum);
        self.transactions += 1;
    }

    /// Enters a loan request.
    pub fn loan(&mut self, id: &str, account: &str, amount: Decimal) {
        let account = account.to_owned();
        self.loans.insert(id.to_owned(), Loan { account, amount });
    }

    /// Transactions written.
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Loans asked for.
    pub fn loans(&self) -> usize {
        self.loans.len()
    }

    /// Every account with transactions, and its exact balance, sorted by account.
    pub fn balances(&self) -> impl Iterator<Item = (&str, Decimal)> {
        self.accounts
            .iter()
            .filter_map(|(account, known)| Some((account.as_str(), *known.sums.last()?)))
    }

    /// Starts a check of the balance topic, record by record.
    pub fn balance_audit(&self) -> BalanceAudit<'_> {
        BalanceAudit {
            ledger: self,
            seen: HashMap::new(),
        }
    }

    /// Starts a check of the verdict topic, record by record.
    pub fn verdict_audit(&self) -> VerdictAudit<'_> {
        VerdictAudit {
            ledger: self,
            seen: HashMap::new(),
            last: HashMap::new(),
        }
    }

    /// Checks that a table (store, compacted changelog, last values of a topic) holds exactly the
    /// balances: every account, nothing else. `name` says where the rows come from.
    pub fn check_table<'r>(
        &self,
        name: &str,
        rows: impl IntoIterator<Item = (&'r str, &'r str)>,
    ) -> Result<()> {
        let mut missing: BTreeMap<&str, Decimal> = self.balances().collect();
        for (account, value) in rows {
            let balance = balance_of(account, value).with_context(|| name.to_owned())?;
            let Some(exact) = missing.remove(account) else {
                bail!("{name} has account {account}, which is unknown or there twice: {value}");
            };
            ensure!(
                balance == exact,
                "{name}: account {account} has {balance} and {exact} was paid in (it is {})",
                self.position(account, balance)
            );
        }
        if let Some((account, exact)) = missing.iter().next() {
            let count = missing.len();
            bail!("{name} misses {count} accounts, the first is {account} with {exact}");
        }
        Ok(())
    }

    /// Where in an account's history a balance is, for people.
    fn position(&self, account: &str, balance: Decimal) -> String {
        match self.accounts.get(account) {
            None => "of an unknown account".to_owned(),
            Some(known) => match known.index.get(&balance) {
                None => "at no time the account's balance".to_owned(),
                Some(at) => format!("the balance after {} of {}", at + 1, known.sums.len()),
            },
        }
    }
}

/// Reads the balance of a table's row, whose value names the account as well.
fn balance_of(account: &str, value: &str) -> Result<Decimal> {
    let read: BalanceValue<'_> =
        serde_json::from_str(value).with_context(|| format!("read the balance {value}"))?;
    ensure!(
        read.account == account,
        "the row of account {account} is of another: {value}"
    );
    decimal(read.balance)
}

fn decimal(text: &RawValue) -> Result<Decimal> {
    let text = text.get();
    Decimal::from_str_exact(text).with_context(|| format!("read the decimal {text}"))
}

fn text_of<'r>(row: &'r Row<'_>, part: &str, bytes: Option<&'r [u8]>) -> Result<&'r str> {
    let bytes = bytes.with_context(|| format!("{}: the {part} is null", row.at))?;
    std::str::from_utf8(bytes).with_context(|| format!("{}: the {part} is not text", row.at))
}

/// Checks that the records of an account are its running sums, in order.
pub struct BalanceAudit<'l> {
    ledger: &'l Ledger,
    /// Records of each account so far.
    seen: HashMap<String, usize>,
}

impl BalanceAudit<'_> {
    /// Exactly once: each record is the account's next running sum.
    pub fn next(&mut self, row: &Row<'_>) -> Result<()> {
        let account = text_of(row, "key", row.key)?;
        let balance = balance_of(account, text_of(row, "value", row.value)?)
            .with_context(|| row.at.to_string())?;
        let seen = self.seen.entry(account.to_owned()).or_default();
        let sums = self
            .ledger
            .accounts
            .get(account)
            .map_or(&[][..], |known| &known.sums);
        let place = self.ledger.position(account, balance);
        match sums.get(*seen) {
            Some(&exact) => ensure!(
                balance == exact,
                "{}: record {} of account {account} is {balance} and must be {exact} (it is {place})",
                row.at,
                *seen + 1
            ),
            None => bail!(
                "{}: record {} of account {account} is {balance}, after the last of {} (it is {place})",
                row.at,
                *seen + 1,
                sums.len()
            ),
        }
        *seen += 1;
        Ok(())
    }

    /// Nothing may be missing at the end.
    pub fn finish(self) -> Result<()> {
        for (account, known) in &self.ledger.accounts {
            let seen = self.seen.get(account).copied().unwrap_or_default();
            let written = known.sums.len();
            ensure!(
                seen == written,
                "account {account} has {seen} of {written} balances"
            );
        }
        Ok(())
    }
}

/// Checks that each loan has one verdict, on a balance that its account had, never on an older one
/// than the verdict before.
pub struct VerdictAudit<'l> {
    ledger: &'l Ledger,
    /// Where the verdict of each loan is, and how many it has.
    seen: HashMap<String, (String, usize)>,
    /// By account: the transaction whose balance the last verdict was on.
    last: HashMap<String, usize>,
}

impl VerdictAudit<'_> {
    /// Takes the next verdict; the rules of exactly once.
    pub fn next(&mut self, row: &Row<'_>) -> Result<()> {
        let text = text_of(row, "value", row.value)?;
        let verdict = self.enter(row, text)?;
        if let (first, 2..) = &self.seen[&verdict.id] {
            bail!(
                "{}: loan {} has a second verdict; the first is at {first}",
                row.at,
                verdict.id
            );
        }
        let account = &verdict.account;
        let Some(balance) = verdict.balance.map(decimal).transpose()? else {
            ensure!(
                !self.last.contains_key(account),
                "{}: account {account} was known before and is unknown now: {text}",
                row.at
            );
            return Ok(());
        };
        let place = self.ledger.position(account, balance);
        let known = self.ledger.accounts.get(account);
        let Some(&index) = known.and_then(|known| known.index.get(&balance)) else {
            bail!(
                "{}: a verdict on {balance}, which is {place}: {text}",
                row.at
            );
        };
        if let Some(&last) = self.last.get(account) {
            ensure!(
                index >= last,
                "{}: account {account} went back from the balance after {} to {place}: {text}",
                row.at,
                last + 1
            );
        }
        self.last.insert(account.clone(), index);
        Ok(())
    }

    /// Takes the next verdict; the weaker rules of at least once: it may be there already, and on a
    /// balance that counts transactions twice.
    pub fn next_at_least_once(&mut self, row: &Row<'_>) -> Result<()> {
        let text = text_of(row, "value", row.value)?;
        self.enter(row, text).map(drop)
    }

    /// What holds under both guarantees: the loan was asked for, and the verdict fits its balance.
    fn enter<'r>(&mut self, row: &Row<'_>, text: &'r str) -> Result<VerdictValue<'r>> {
        let verdict: VerdictValue<'r> = serde_json::from_str(text)
            .with_context(|| format!("{}: read the verdict {text}", row.at))?;
        let Some(loan) = self.ledger.loans.get(&verdict.id) else {
            bail!(
                "{}: a verdict on a loan that nobody asked for: {text}",
                row.at
            );
        };
        ensure!(
            loan.account == verdict.account && loan.amount == decimal(verdict.amount)?,
            "{}: the loan was {} for {}: {text}",
            row.at,
            loan.amount,
            loan.account
        );
        let balance = verdict.balance.map(decimal).transpose()?;
        let approved = balance.is_some_and(|balance| balance >= loan.amount);
        let status = if approved { "approved" } else { "rejected" };
        ensure!(
            verdict.status == status,
            "{}: must be {status}: {text}",
            row.at
        );
        self.seen
            .entry(verdict.id.clone())
            .or_insert_with(|| (row.at.to_string(), 0))
            .1 += 1;
        Ok(verdict)
    }

    /// No loan may be without a verdict at the end. Returns the number of verdicts.
    pub fn finish(self) -> Result<usize> {
        let missing: Vec<&str> = self
            .ledger
            .loans
            .keys()
            .filter(|id| !self.seen.contains_key(*id))
            .map(String::as_str)
            .collect();
        if let Some(first) = missing.first() {
            let account = &self.ledger.loans[*first].account;
            bail!(
                "{} of {} loans have no verdict, one is {first} of account {account}",
                missing.len(),
                self.ledger.loans.len()
            );
        }
        Ok(self.seen.values().map(|(_, count)| count).sum())
    }
}

/// At least once: no balance may be less than what was paid in. (With deposits alone: a transaction
/// that counts twice only adds.)
pub fn check_nothing_lost<'r>(
    ledger: &Ledger,
    rows: impl IntoIterator<Item = (&'r str, &'r str)>,
) -> Result<()> {
    let rows: HashMap<&str, &str> = rows.into_iter().collect();
    for (account, exact) in ledger.balances() {
        let value = rows
            .get(account)
            .with_context(|| format!("account {account} has no balance"))?;
        let balance = balance_of(account, value)?;
        ensure!(
            balance >= exact,
            "account {account} has {balance} and {exact} was paid in"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use millrace_kafka::TopicPartition;

    use super::*;
    use crate::topic::At;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.transaction("001-00101", Decimal::new(1230, 2));
        ledger.transaction("001-00101", Decimal::new(-30, 2));
        ledger.transaction("001-00102", Decimal::new(5, 1));
        ledger.loan("a", "001-00101", Decimal::new(10, 0));
        ledger.loan("b", "001-00101", Decimal::new(12, 0));
        ledger
    }

    fn at(offset: i64) -> At {
        At {
            partition: TopicPartition::new("t", 0),
            offset,
        }
    }

    fn row<'r>(offset: i64, key: &'r str, value: &'r str) -> Row<'r> {
        Row {
            at: at(offset),
            timestamp: 0,
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
        }
    }

    fn balance(account: &str, balance: &str) -> String {
        format!(r#"{{"account":"{account}","balance":{balance}}}"#)
    }

    fn verdict(id: &str, amount: &str, balance: &str, status: &str) -> String {
        format!(
            r#"{{"id":"{id}","account":"001-00101","amount":{amount},"balance":{balance},"status":"{status}"}}"#
        )
    }

    fn audit_balances(balances: &[(&str, &str)]) -> Result<()> {
        let ledger = ledger();
        let mut audit = ledger.balance_audit();
        for (account, sum) in balances {
            audit.next(&row(0, account, &balance(account, sum)))?;
        }
        audit.finish()
    }

    #[test]
    fn running_sums_in_order_pass_and_any_other_sequence_is_found() {
        let good = [
            ("001-00101", "12.3"),
            ("001-00102", "0.50"),
            ("001-00101", "12.00"),
        ];
        audit_balances(&good).unwrap();
        for wrong in [
            vec![good[0], good[1]],
            vec![good[0], good[1], good[2], good[2]],
            vec![good[1], good[2], good[0]],
            vec![good[0], good[1], ("001-00101", "12.01")],
        ] {
            let error = audit_balances(&wrong).unwrap_err().to_string();
            assert!(error.contains("001-00101"), "{error}");
        }
    }

    #[test]
    fn a_second_missing_or_backward_verdict_is_found() {
        let ledger = ledger();
        let audit = |verdicts: &[String]| {
            let mut audit = ledger.verdict_audit();
            for (offset, verdict) in (0..).zip(verdicts) {
                audit.next(&row(offset, "001-00101", verdict))?;
            }
            audit.finish()
        };
        let a = verdict("a", "10", "null", "rejected");
        let b = verdict("b", "12", "12.00", "approved");
        assert_eq!(audit(&[a.clone(), b.clone()]).unwrap(), 2);
        for (wrong, message) in [
            (vec![a.clone(), b.clone(), a.clone()], "second verdict"),
            (vec![a.clone()], "no verdict"),
            (
                vec![b.clone(), verdict("a", "10", "12.30", "approved")],
                "went back",
            ),
            (vec![b.clone(), a.clone()], "unknown now"),
            (vec![verdict("a", "10", "11", "approved")], "at no time"),
            (
                vec![verdict("a", "10", "12.00", "rejected")],
                "must be approved",
            ),
            (
                vec![verdict("c", "10", "12.00", "approved")],
                "nobody asked",
            ),
            (
                vec![verdict("a", "11", "12.00", "approved")],
                "the loan was 10",
            ),
        ] {
            let error = audit(&wrong).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_table_must_have_every_account_once_with_its_exact_sum() {
        let ledger = ledger();
        let (one, two) = (balance("001-00101", "12"), balance("001-00102", "0.5"));
        let rows = [("001-00101", one.as_str()), ("001-00102", two.as_str())];
        ledger.check_table("t", rows).unwrap();
        assert!(ledger.check_table("t", rows[..1].to_vec()).is_err());
        assert!(
            ledger
                .check_table("t", [rows[0], rows[1], rows[1]])
                .is_err()
        );
        let old = balance("001-00101", "12.3");
        let error = ledger
            .check_table("t", [("001-00101", old.as_str()), rows[1]])
            .unwrap_err();
        assert!(
            error.to_string().contains("the balance after 1 of 2"),
            "{error}"
        );
        check_nothing_lost(&ledger, [("001-00101", old.as_str()), rows[1]]).unwrap();
        assert!(check_nothing_lost(&ledger, [rows[1]]).is_err());
    }
}
