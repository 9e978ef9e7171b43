//! Before a workload is measured: both sides go through a small input, and must write the same results.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::input::Input;
use super::runner::Runner;
use super::sides::{Promise, Side};
use super::watch;
use crate::topic;

/// Longest time for reading the results.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// A result: partition, key, timestamp, value; compared in this order, because the two sides may take turns
/// between keys differently.
type Row = (i32, Vec<u8>, i64, Vec<u8>);

/// Runs both sides over an input and compares their results; how many there are.
pub(super) fn run(runner: &Runner<'_>, input: &Input) -> anyhow::Result<usize> {
    let ours = results(runner, Side::Ours, input)?;
    let peer = results(runner, Side::Peer, input)?;
    let different = ours.iter().zip(&peer).find(|(ours, peer)| ours != peer);
    if let Some((ours, peer)) = different {
        anyhow::bail!(
            "the results differ: ours has {}, the peer has {}",
            readable(ours),
            readable(peer)
        );
    }
    ensure!(
        ours.len() == peer.len() && !ours.is_empty(),
        "ours has {} results, the peer has {}",
        ours.len(),
        peer.len()
    );
    Ok(ours.len())
}

fn results(runner: &Runner<'_>, side: Side, input: &Input) -> anyhow::Result<Vec<Row>> {
    let names = runner.prepare(side, "check", input)?;
    let program = runner.start(side, Promise::ExactlyOnce, &names)?;
    watch::run_through(runner, program, &names).with_context(|| side.to_string())?;
    let mut rows: Vec<Row> = vec![];
    topic::read(&runner.cluster, &names.output, READ_WITHIN, &mut |row| {
        let bytes = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
        let partition = row.at.partition.partition;
        rows.push((partition, bytes(row.key), row.timestamp, bytes(row.value)));
        Ok(())
    })?;
    runner.clean_up(&names)?;
    rows.sort();
    Ok(rows)
}

fn readable((partition, key, timestamp, value): &Row) -> String {
    format!(
        "{} → {} at {timestamp} in partition {partition}",
        key.escape_ascii(),
        value.escape_ascii()
    )
}
