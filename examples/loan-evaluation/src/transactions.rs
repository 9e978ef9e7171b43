//! Random transactions whose balances stay believable.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::amount::Amount;

/// Topic the transactions go to.
pub const TOPIC: &str = "transactions";

/// A record of topic `transactions`, keyed by account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Whose balance it changes.
    pub account: Account,
    /// By how much, in dollars with two decimals: positive is a deposit.
    pub amount: Amount,
}

/// First deposit into each account, in cents.
const OPENING_CENTS: std::ops::RangeInclusive<i64> = 50_000..=100_000;

/// Any later transaction, in cents. A withdrawal takes at most half of [`BALANCE_LOW_CENTS`], so that
/// no balance falls below $500.
const LATER_CENTS: std::ops::RangeInclusive<i64> = 1..=50_000;

/// Below this balance there are deposits only, in cents.
const BALANCE_LOW_CENTS: i64 = 100_000;

/// Above this balance there are withdrawals only, in cents.
const BALANCE_HIGH_CENTS: i64 = 400_000;

/// Share of deposits in between.
const DEPOSIT_SHARE: f64 = 0.55;

/// An endless sequence of transactions, the same for the same seed. Every account starts with a
/// deposit of at least $500 (the first one first of all) and stays between $500 and $4,500: a loan
/// of $100 is always covered and one of $90,000 never. That holds for one run; every further run
/// over the same topics adds another such balance on top.
#[derive(Debug)]
pub struct Transactions {
    random: StdRng,
    /// Balance of each opened account, in cents.
    balances: Vec<i64>,
    accounts: u16,
}

impl Transactions {
    /// Over `accounts` accounts (at least 1), starting at `001-00101`.
    pub fn new(accounts: u16, seed: u64) -> Self {
        let accounts = accounts.max(1);
        Self {
            random: StdRng::seed_from_u64(seed),
            balances: Vec::new(),
            accounts,
        }
    }
}

impl Iterator for Transactions {
    type Item = Transaction;

    fn next(&mut self) -> Option<Transaction> {
        let opened = self.balances.len();
        let (index, cents) = if opened < usize::from(self.accounts) {
            self.balances.push(0);
            (opened, self.random.random_range(OPENING_CENTS))
        } else {
            let index = self.random.random_range(0..opened);
            let cents = self.random.random_range(LATER_CENTS);
            let deposit = match self.balances[index] {
                ..BALANCE_LOW_CENTS => true,
                BALANCE_LOW_CENTS..=BALANCE_HIGH_CENTS => self.random.random_bool(DEPOSIT_SHARE),
                _ => false,
            };
            (index, if deposit { cents } else { -cents })
        };
        self.balances[index] += cents;
        let account = Account::nth(u16::try_from(index).unwrap_or(u16::MAX));
        Some(Transaction {
            account,
            amount: Amount::from_cents(cents),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use rust_decimal::Decimal;

    use super::*;

    #[test]
    fn balances_stay_between_500_and_4500_from_the_first_deposit_on() {
        for seed in 0..20 {
            let mut balances: HashMap<Account, Decimal> = HashMap::new();
            for transaction in Transactions::new(20, seed).take(20_000) {
                let balance = balances.entry(transaction.account).or_default();
                *balance += transaction.amount.0;
                let bounds = Decimal::from(500)..=Decimal::from(4500);
                assert!(bounds.contains(balance), "seed {seed}: balance {balance}");
            }
            assert_eq!(balances.len(), 20);
        }
    }

    #[test]
    fn the_first_transaction_is_a_deposit_of_500_or_more_into_the_first_account() {
        for seed in 0..100 {
            let first = Transactions::new(20, seed).next().unwrap();
            assert_eq!(first.account.as_str(), "001-00101");
            assert!(first.amount >= Amount::from_cents(50_000));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_transactions() {
        let take = |seed| Transactions::new(5, seed).take(100).collect::<Vec<_>>();
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn amounts_are_written_with_two_digits() {
        let transaction = Transaction {
            account: Account::nth(0),
            amount: Amount::from_cents(1_230),
        };
        let json = serde_json::to_string(&transaction).unwrap();
        assert_eq!(json, r#"{"account":"001-00101","amount":12.30}"#);
    }
}
