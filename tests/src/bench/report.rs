//! The table for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use serde_json::Value;

use super::loan_join::{LoanJoin, Side};

/// Numbers of all sides, and the ratios with their targets.
pub(super) fn loan_join(results: &LoanJoin) -> String {
    let mut numbers = Table::new();
    numbers.load_style(UTF8_FULL_CONDENSED);
    numbers.set_header([
        "",
        "",
        "records/s",
        "CPU µs/record",
        "peak RSS MB",
        "first result ms",
    ]);
    let mut ratios = Table::new();
    ratios.load_style(UTF8_FULL_CONDENSED);
    ratios.set_header(["", "ratio", "measured", "target", ""]);
    for (guarantee, sides) in results {
        for (side, one) in sides {
            numbers.add_row(row(
                [&guarantee.to_string(), &side.to_string()],
                [
                    format!("{:.0}", one.records_per_s),
                    format!("{:.2}", one.cpu_us_per_record),
                    format!("{:.0}", one.peak_rss_bytes / 1e6),
                    format!("{:.0}", one.first_result_ms),
                ],
            ));
        }
        let (Some(ours), Some(peer), Some(ceiling)) = (
            sides.get(&Side::Ours),
            sides.get(&Side::Peer),
            sides.get(&Side::Ceiling),
        ) else {
            continue;
        };
        for (name, ratio, target) in [
            (
                "records/s, ours : peer",
                ours.records_per_s / peer.records_per_s,
                AtLeast(3.5),
            ),
            (
                "CPU per record, ours : peer",
                ours.cpu_us_per_record / peer.cpu_us_per_record,
                AtMost(0.2),
            ),
            (
                "CPU per record, ours : ceiling",
                ours.cpu_us_per_record / ceiling.cpu_us_per_record,
                AtMost(2.6),
            ),
            (
                "peak RSS, ours : peer",
                ours.peak_rss_bytes / peer.peak_rss_bytes,
                AtMost(0.2),
            ),
        ] {
            let verdict = if target.met(ratio) { "met" } else { "MISSED" };
            ratios.add_row(row(
                [&guarantee.to_string(), name],
                [
                    format!("{ratio:.2}"),
                    target.to_string(),
                    verdict.to_owned(),
                ],
            ));
        }
    }
    let mut report = format!("\nLoan join, 1 thread, medians\n{numbers}\n");
    if ratios.row_count() > 0 {
        report += &format!("{ratios}\n");
    }
    report
}

/// Whatever the example measured, one number a line.
pub(super) fn expressions(measured: &Value) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["expressions", "median"]);
    for (name, value) in measured.as_object().into_iter().flatten() {
        table.add_row(row([name], [value.to_string()]));
    }
    format!("\n{table}\n")
}

use Target::{AtLeast, AtMost};

/// What a ratio should be: the first targets of the loan join.
#[derive(Clone, Copy, Debug)]
enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn met(self, ratio: f64) -> bool {
        match self {
            AtLeast(bound) => ratio >= bound,
            AtMost(bound) => ratio <= bound,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AtLeast(bound) => write!(f, ">= {bound}"),
            AtMost(bound) => write!(f, "<= {bound}"),
        }
    }
}

/// Names to the left, numbers to the right.
fn row<const N: usize, const M: usize>(names: [&str; N], numbers: [String; M]) -> Vec<Cell> {
    let names = names.into_iter().map(Cell::new);
    let numbers = numbers
        .into_iter()
        .map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
    names.chain(numbers).collect()
}
