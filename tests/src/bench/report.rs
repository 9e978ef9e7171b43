//! The tables for people.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};
use serde_json::Value;

use super::contest::Results;
use super::sides::{Promise, Side};
use super::target::Ratio;
use super::workload::Workload;

/// Numbers of all sides, and the ratios with their targets.
pub(super) fn workload(workload: &Workload, results: &Results) -> String {
    let mut numbers = table(&[
        "",
        "",
        "records/s",
        "CPU µs/record",
        "peak RSS MB",
        "first result ms",
    ]);
    let mut ratios = table(&["", "ratio", "measured", "target", ""]);
    for (promise, sides) in results {
        for (side, one) in sides {
            numbers.add_row(row(
                [&promise.to_string(), &side.to_string()],
                [
                    format!("{:.0}", one.records_per_s),
                    format!("{:.2}", one.cpu_us_per_record),
                    format!("{:.0}", one.peak_rss_bytes / 1e6),
                    format!("{:.0}", one.first_result_ms),
                ],
            ));
        }
        for target in workload.targets {
            let (Some(ours), Some(other)) = (sides.get(&Side::Ours), sides.get(&target.to)) else {
                continue;
            };
            let ratio = target.ratio.of(ours, other);
            let verdict = if target.met(ratio) { "met" } else { "MISSED" };
            ratios.add_row(row(
                [&promise.to_string(), &target.to_string()],
                [format!("{ratio:.2}"), target.bound(), verdict.to_owned()],
            ));
        }
    }
    let mut report = format!("\n{}; 1 thread, medians\n{numbers}\n", workload.title);
    if ratios.row_count() > 0 {
        report += &format!("{ratios}\n");
    }
    report
}

/// Whatever the example measured, one number a line.
pub(super) fn expressions(measured: &Value) -> String {
    let mut table = table(&["expressions", "median"]);
    for (name, value) in measured.as_object().into_iter().flatten() {
        table.add_row(row([name], [value.to_string()]));
    }
    format!("\n{table}\n")
}

/// The rows of the README's tables: every side of every guarantee, and ours beside the peer under exactly
/// once. What was not measured has no row.
pub(super) fn readme(all: &[(&Workload, Results)]) -> String {
    let mut text = String::from(
        "| | | | records/s | CPU per record | peak RSS |\n|---|---|---|---|---|---|\n",
    );
    for (workload, results) in all {
        for (promise, sides) in results {
            for (side, one) in sides {
                text += &format!(
                    "| {} | {} | {} | {} | {:.2} µs | {:.0} MB |\n",
                    workload.name.replace('_', " "),
                    promise.to_string().replace('_', " "),
                    match side {
                        Side::Ours => "Millrace",
                        Side::Peer => "Kafka Streams 4.3",
                        Side::Ceiling => "pass-through",
                    },
                    thousands(one.records_per_s),
                    one.cpu_us_per_record,
                    one.peak_rss_bytes / 1e6
                );
            }
        }
    }
    text += "\n| exactly once | records/s, times the peer's | CPU per record, of the peer's | peak RSS, of \
             the peer's |\n|---|---|---|---|\n";
    for (workload, results) in all {
        let sides = results.get(&Promise::ExactlyOnce);
        let side = |side| sides.and_then(|sides| sides.get(&side));
        if let (Some(ours), Some(peer)) = (side(Side::Ours), side(Side::Peer)) {
            text += &format!(
                "| {} | {:.1} | 1/{:.1} | 1/{:.1} |\n",
                workload.name.replace('_', " "),
                Ratio::Records.of(ours, peer),
                Ratio::Cpu.of(ours, peer).recip(),
                Ratio::Memory.of(ours, peer).recip()
            );
        }
    }
    text
}

/// Rounded to thousands, with a comma: `1,234,000`.
fn thousands(number: f64) -> String {
    let thousands = (number / 1e3).round() as u64;
    if thousands < 1_000 {
        format!("{thousands},000")
    } else {
        format!("{},{:03},000", thousands / 1_000, thousands % 1_000)
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(header.iter().copied());
    table
}

/// Names to the left, numbers to the right.
fn row<const N: usize, const M: usize>(names: [&str; N], numbers: [String; M]) -> Vec<Cell> {
    let names = names.into_iter().map(Cell::new);
    let numbers = numbers
        .into_iter()
        .map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
    names.chain(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_thousands() {
        assert_eq!(thousands(352_600.0), "353,000");
        assert_eq!(thousands(1_005_400.0), "1,005,000");
    }
}
