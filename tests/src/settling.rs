//! Whether a broker is about to end a transaction, read from its own transaction log.
//!
//! Why anybody asks: a broker of Kafka 4.3 that is killed between "prepared" and "complete" may lose
//! the end of that transaction (`docs/decisions/006-dropped-markers.md`), which is no property of the
//! program under test.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use millrace_kafka::Cluster;

use crate::topic;

/// The broker's own log of transactions.
const TRANSACTION_LOG: &str = "__transaction_state";
/// Where the state stands in a record's value: after the version (2 bytes), the producer's id (8) and
/// epoch (2), and the timeout (4).
const STATE_AT: usize = 16;
/// States between the decision to commit or abort and the last marker: `PrepareCommit`,
/// `PrepareAbort`, `PrepareEpochFence`.
const SETTLING: [u8; 3] = [2, 3, 6];
/// Longest reading of the transaction log.
const READ_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Waits until the broker has no transaction whose end is decided and not written everywhere. The
/// clients must have stopped to commit before.
pub fn wait_until_settled(cluster: &dyn Cluster, limit: Duration) -> Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let settling = settling(cluster)?;
        if settling.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the transactions {settling:?} are not settled after {limit:?}"
        );
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Transactions whose end is decided and not written everywhere.
fn settling(cluster: &dyn Cluster) -> Result<Vec<String>> {
    let mut states: BTreeMap<Vec<u8>, u8> = BTreeMap::new();
    topic::read(cluster, TRANSACTION_LOG, READ_LIMIT, &mut |row| {
        let key = row.key.with_context(|| format!("{}: no key", row.at))?;
        match row.value {
            Some(value) => {
                let state = value.get(STATE_AT);
                let state = state.with_context(|| format!("{}: too short", row.at))?;
                states.insert(key.to_vec(), *state);
            }
            None => {
                states.remove(key);
            }
        }
        Ok(())
    })?;
    Ok(states
        .into_iter()
        .filter(|(_, state)| SETTLING.contains(state))
        .map(|(key, _)| String::from_utf8_lossy(&key).into_owned())
        .collect())
}
