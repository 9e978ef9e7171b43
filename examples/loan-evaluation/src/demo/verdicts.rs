//! Loan results as a table.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Color, Table};

use crate::loan::{LoanResult, LoanStatus};
use crate::terminal::Paint;

/// A verdict, and how long it took from the request to the topic.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// What the evaluation decided.
    pub(super) result: LoanResult,
    /// From sending the request to reading the result; `None` for a request of somebody else.
    pub(super) took: Option<Duration>,
}

/// The table of these verdicts.
pub(super) fn table(verdicts: &[Verdict], paint: Paint) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "Loan",
        "Account",
        "Asked for",
        "Balance",
        "Verdict",
        "Reason",
        "Took",
    ]);
    for Verdict { result, took } in verdicts {
        let dollars = |amount: &dyn std::fmt::Display| {
            Cell::new(format!("${amount}")).set_alignment(CellAlignment::Right)
        };
        let balance = match &result.balance {
            Some(balance) => dollars(balance),
            None => Cell::new("none").set_alignment(CellAlignment::Right),
        };
        let (verdict, colour) = match result.status {
            LoanStatus::Approved => ("approved", Color::Green),
            LoanStatus::Rejected => ("rejected", Color::Red),
        };
        let verdict = Cell::new(verdict);
        let verdict = if paint.colours() {
            verdict.fg(colour)
        } else {
            verdict
        };
        let took = took
            .map(|took| format!("{} ms", took.as_millis()))
            .unwrap_or_default();
        table.add_row([
            Cell::new(result.id.get(..8).unwrap_or(&result.id)),
            Cell::new(&result.account),
            dollars(&result.amount),
            balance,
            verdict,
            Cell::new(&result.reason),
            Cell::new(took).set_alignment(CellAlignment::Right),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_verdict_is_one_readable_line() {
        let result = serde_json::from_str(
            r#"{"id":"0123456789abcdef","account":"001-00101","amount":100,"balance":512.05,
                "status":"approved","reason":"the balance covers it"}"#,
        )
        .unwrap();
        let verdict = Verdict {
            result,
            took: Some(Duration::from_millis(42)),
        };
        let text = table(&[verdict], Paint::detect()).to_string();
        let line = text.lines().find(|line| line.contains("01234567")).unwrap();
        for part in [
            "001-00101",
            "$100",
            "$512.05",
            "approved",
            "the balance covers it",
            "42 ms",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
}
