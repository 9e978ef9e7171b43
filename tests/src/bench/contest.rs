//! A workload's sides take turns on the same input, round by round; the medians count.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;

use super::input::Input;
use super::runner::Runner;
use super::sides::{Promise, Side};
use super::workload::Workload;
use super::{Effort, Measurement, check, watch};

/// Medians, by guarantee and side.
pub(super) type Results = BTreeMap<Promise, BTreeMap<Side, Measurement>>;

/// Compares the results of both sides, then measures those sides that are wanted.
pub(super) fn run(
    runner: &Runner<'_>,
    sides: &[Side],
    effort: Effort,
    (checked, measured): (&Input, &Input),
) -> anyhow::Result<Results> {
    let Workload { name, title, .. } = runner.workload;
    println!("\n{name}: {title}");
    let results = check::run(runner, checked).with_context(|| format!("{name}, compared"))?;
    println!("ours and the peer have the same {results} results of a small input");

    let mut all: BTreeMap<Promise, BTreeMap<Side, Vec<Measurement>>> = BTreeMap::new();
    for round in 1..=effort.rounds {
        for &promise in runner.workload.promises {
            for &side in runner.workload.sides {
                if !sides.contains(&side) {
                    continue;
                }
                let one = measure(runner, (side, promise), round, effort, measured)
                    .with_context(|| format!("{name}: {side} under {promise}, round {round}"))?;
                println!(
                    "round {round}/{}  {promise:<13} {side:<8} {:>8.0} records/s  {:>6.2} µs  {:>5.0} MB  \
                     first result {:.0} ms",
                    effort.rounds,
                    one.records_per_s,
                    one.cpu_us_per_record,
                    one.peak_rss_bytes / 1e6,
                    one.first_result_ms
                );
                let sides = all.entry(promise).or_default();
                sides.entry(side).or_default().push(one);
            }
        }
    }
    let medians = |(side, all): (Side, Vec<Measurement>)| Some((side, Measurement::median(&all)?));
    Ok(all
        .into_iter()
        .map(|(promise, sides)| (promise, sides.into_iter().filter_map(medians).collect()))
        .collect())
}

fn measure(
    runner: &Runner<'_>,
    (side, promise): (Side, Promise),
    round: usize,
    effort: Effort,
    input: &Input,
) -> anyhow::Result<Measurement> {
    let window = effort.window.unwrap_or([runner.workload.window; 2]);
    let names = runner.prepare(side, &format!("{promise}-{round}"), input)?;
    let measured = match side {
        Side::Ceiling => runner.ceiling(promise, window, &names)?,
        Side::Ours | Side::Peer => {
            let program = runner.start(side, promise, &names)?;
            watch::measure(runner, program, window, &names)?
        }
    };
    runner.clean_up(&names)?;
    Ok(measured)
}

/// Warm-up and measured time of a quick round.
pub(super) const QUICK: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
