//! What was written, and what plain arithmetic makes of it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

/// What was written, and what must come out of it.
#[derive(Default)]
pub(super) struct Reference {
    /// Amounts of each account, by input partition, in order; no amount comes twice.
    pub(super) amounts: BTreeMap<String, BTreeMap<i32, Vec<Decimal>>>,
    /// Account of each loan.
    pub(super) loans: BTreeMap<u64, String>,
    pub(super) transactions: u64,
    /// Trader and time of each ask and each bid, by number.
    pub(super) asks: Vec<(u64, i64)>,
    pub(super) bids: Vec<(u64, i64)>,
}

/// Most that a bid may be earlier or later than an ask, ms.
const APART_MS: i64 = 1_000;

impl Reference {
    /// Numbers of the asks and bids of a trader that are near each other.
    pub(super) fn deals(&self) -> Vec<(u64, u64)> {
        let mut deals = Vec::new();
        for (ask, &(seller, asked)) in (0..).zip(&self.asks) {
            for (bid, &(buyer, offered)) in (0..).zip(&self.bids) {
                if seller == buyer && (asked - offered).abs() <= APART_MS {
                    deals.push((ask, bid));
                }
            }
        }
        deals
    }

    pub(super) fn balances(&self) -> BTreeMap<String, Decimal> {
        let sum = |amounts: &BTreeMap<i32, Vec<Decimal>>| amounts.values().flatten().sum();
        self.amounts
            .iter()
            .map(|(account, amounts)| (account.clone(), sum(amounts)))
            .collect()
    }
}
