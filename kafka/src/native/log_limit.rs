//! How often a client may repeat in the log that its brokers are away.
//!
//! With the brokers away librdkafka logs each try of each connection: many lines a second and client,
//! for as long as it lasts. One line in [`INTERVAL`] says the same. Owns the counts alone; what
//! librdkafka tells by other ways (error events, results of calls) does not come past here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A client's lines of one sort are at least this far apart.
const INTERVAL: Duration = Duration::from_secs(10);

/// Sorts of lines that are counted apart: a refused password must not go under in lost connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sort {
    /// Connections that fail or break.
    Connection,
    /// Certificates and passwords that are refused.
    Security,
}

/// What is known of one client's lines of one sort.
#[derive(Debug)]
struct Told {
    at: Instant,
    /// Lines held back since.
    held_back: u32,
}

/// The counts of all clients, by the client's address; a client that is destroyed is forgotten.
#[derive(Debug, Default)]
pub(super) struct LogLimit(Mutex<Option<HashMap<(usize, Sort), Told>>>);

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To be logged, with the number of lines held back before it.
    Tell(u32),
    /// To be held back.
    HoldBack,
}

impl LogLimit {
    /// Nothing told yet.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Decides about a line of a client. Lines that are not about connections always pass.
    pub(super) fn decide(
        &self,
        client: usize,
        facility: &str,
        line: &str,
        now: Instant,
    ) -> Verdict {
        let Some(sort) = sort_of(facility, line) else {
            return Verdict::Tell(0);
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = all.get_or_insert_default();
        let fresh = Told {
            at: now,
            held_back: 0,
        };
        match clients.get_mut(&(client, sort)) {
            Some(told) if now.duration_since(told.at) < INTERVAL => {
                told.held_back = told.held_back.saturating_add(1);
                Verdict::HoldBack
            }
            Some(told) => Verdict::Tell(std::mem::replace(told, fresh).held_back),
            None => {
                clients.insert((client, sort), fresh);
                Verdict::Tell(0)
            }
        }
    }

    /// Forgets a client.
    pub(super) fn forget(&self, client: usize) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(clients) = &mut *all {
            clients.retain(|(of, _), _| *of != client);
        }
    }
}

/// librdkafka's facilities of connections are `FAIL` (one connection) and `ERROR` (errors of the client
/// as a whole, among them "all brokers are down").
fn sort_of(facility: &str, line: &str) -> Option<Sort> {
    if !matches!(facility, "FAIL" | "ERROR") {
        return None;
    }
    let about = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if about(&["SASL", "SSL", "uthenticat", "ertificate"]) {
        Some(Sort::Security)
    } else {
        Some(Sort::Connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: &str = "[thrd:kafka:9092/1]: 2/2 brokers are down";

    #[test]
    fn a_client_repeats_itself_once_in_the_interval_and_says_how_often_it_did_not() {
        let (limit, began) = (LogLimit::new(), Instant::now());
        assert_eq!(limit.decide(1, "ERROR", AWAY, began), Verdict::Tell(0));
        for step in 1..100 {
            let now = began + Duration::from_millis(step * 100);
            let verdict = limit.decide(1, "FAIL", "Connection refused", now);
            assert_eq!(verdict, Verdict::HoldBack);
        }
        let later = began + INTERVAL;
        assert_eq!(limit.decide(1, "ERROR", AWAY, later), Verdict::Tell(99));
        assert_eq!(limit.decide(1, "ERROR", AWAY, later), Verdict::HoldBack);
    }

    #[test]
    fn other_clients_other_lines_and_refused_passwords_are_not_held_back() {
        let (limit, now) = (LogLimit::new(), Instant::now());
        assert_eq!(limit.decide(1, "ERROR", AWAY, now), Verdict::Tell(0));
        assert_eq!(limit.decide(2, "ERROR", AWAY, now), Verdict::Tell(0));
        for _ in 0..2 {
            let verdict = limit.decide(1, "SESSTMOUT", "session timed out", now);
            assert_eq!(verdict, Verdict::Tell(0));
        }
        let refused = "SASL authentication error: invalid password";
        assert_eq!(limit.decide(1, "FAIL", refused, now), Verdict::Tell(0));
        assert_eq!(limit.decide(1, "FAIL", refused, now), Verdict::HoldBack);
    }

    #[test]
    fn a_new_client_at_the_address_of_an_old_one_begins_anew() {
        let (limit, now) = (LogLimit::new(), Instant::now());
        assert_eq!(limit.decide(1, "ERROR", AWAY, now), Verdict::Tell(0));
        limit.forget(1);
        assert_eq!(limit.decide(1, "ERROR", AWAY, now), Verdict::Tell(0));
    }
}
