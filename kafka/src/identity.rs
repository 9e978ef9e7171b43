//! [`Identity`]: whether a cluster that refuses who we are has taken it before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::native::Code;

/// Certificates and passwords change on both sides, and not at the same moment: the kubelet looks after
/// changed Secrets once a minute. So long a refusal may pass by itself.
const PATIENCE: Duration = Duration::from_secs(180);
/// A refusal that is so long ago was another trouble. Longer than the longest pause between two of
/// librdkafka's tries to connect.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// What a cluster has said to our identity, for all clients of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    accepted: AtomicBool,
    /// When it was first and last refused in a row.
    refused: Mutex<Option<(Instant, Instant)>>,
}

impl Identity {
    /// The cluster has answered a request.
    pub(crate) fn accept(&self) {
        self.accepted.store(true, Ordering::Release);
    }

    /// Notes a refusal; whether it may pass by itself. Not where it was never accepted: then it is
    /// wrong, and who starts the program waits for the answer.
    pub(crate) fn may_pass(&self, now: Instant) -> bool {
        if !self.accepted.load(Ordering::Acquire) {
            return false;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let first = match *refused {
            Some((first, last)) if now.saturating_duration_since(last) < FORGOTTEN => first,
            _ => now,
        };
        *refused = Some((first, now));
        now.saturating_duration_since(first) < PATIENCE
    }
}

/// Whether a code refuses who we are, not what we may do.
pub(crate) fn is_refusal(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
            | RD_KAFKA_RESP_ERR__AUTHENTICATION
            | RD_KAFKA_RESP_ERR__SSL
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_identity_that_was_accepted_is_tried_again_and_not_for_ever() {
        let identity = Identity::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!identity.may_pass(at(0)), "never accepted");
        identity.accept();
        for seconds in (0..180).step_by(10) {
            assert!(identity.may_pass(at(seconds)), "after {seconds} s");
        }
        assert!(!identity.may_pass(at(180)));
        assert!(!identity.may_pass(at(230)));
        assert!(identity.may_pass(at(300)), "another trouble");
    }
}
