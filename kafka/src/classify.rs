//! What librdkafka's and Kafka's error codes mean to the engine: the one place that decides an
//! [`ErrorKind`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::identity::{Identity, is_refusal};
use crate::native::{Code, NativeError, PartitionResult};

/// Pause between two tries of a call.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Where the cluster is, to be named in errors, and whether it knows us.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The bootstrap servers, as configured.
    pub(crate) servers: Arc<str>,
    identity: Arc<Identity>,
}

impl Site {
    pub(crate) fn new(servers: &str) -> Self {
        Self {
            servers: servers.into(),
            identity: Arc::default(),
        }
    }

    /// The cluster has answered a request.
    pub(crate) fn answered(&self) {
        self.identity.accept();
    }

    /// The kind of a code that came outside a transaction. A cluster that refuses an identity that it
    /// took before is as good as away, for a while.
    pub(crate) fn kind(&self, code: Code) -> ErrorKind {
        if is_refusal(code) && self.identity.may_pass(Instant::now()) {
            return ErrorKind::Unavailable;
        }
        kind_of(code)
    }

    /// An error of a call outside a transaction.
    pub(crate) fn error(&self, operation: impl Into<String>, error: &NativeError) -> Error {
        self.error_of_kind(self.kind(error.code), operation, error)
    }

    /// An error whose kind the caller knows better.
    pub(crate) fn error_of_kind(
        &self,
        kind: ErrorKind,
        operation: impl Into<String>,
        error: &NativeError,
    ) -> Error {
        let message = if is_unreachable(error.code) {
            format!("could not reach Kafka at {}: {error}", self.servers)
        } else if is_refusal(error.code) && kind == ErrorKind::Unavailable {
            format!(
                "Kafka at {} refuses the identity that it took before: {error}; it is tried again, also \
                 with new TLS or SASL files",
                self.servers
            )
        } else {
            error.message.clone()
        };
        Error::new(kind, operation, message)
    }

    /// Repeats a call until it succeeds for each partition, fails for good, or `timeout` is over.
    /// `call` gets the time that is left.
    pub(crate) fn retry(
        &self,
        operation: &str,
        timeout: Duration,
        mut call: impl FnMut(Duration) -> Result<Vec<PartitionResult>, NativeError>,
    ) -> Result<Vec<PartitionResult>> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (error, partition) = match call(left) {
                Ok(results) => match results.iter().find_map(|r| Some((r.error.clone()?, r))) {
                    None => {
                        self.answered();
                        return Ok(results);
                    }
                    Some((error, result)) => (error, Some(result.partition.clone())),
                },
                Err(error) => (error, None),
            };
            let again = is_transient(error.code) || is_unreachable(error.code);
            if !again || Instant::now() + RETRY_PAUSE >= deadline {
                let error = self.error(operation, &error);
                return Err(match partition {
                    Some(partition) => error.on(partition),
                    None => error,
                });
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }
}

/// The kind of a code that came outside a transaction, from a cluster that has never answered.
pub(crate) fn kind_of(code: Code) -> ErrorKind {
    use Code::*;
    match code {
        code if is_fenced(code) => ErrorKind::Fenced,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE | RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE => {
            ErrorKind::TooLarge
        }
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID
        | RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        // "No leaders found", for a partition nobody knows.
        | RD_KAFKA_RESP_ERR__NOENT
        | RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION => ErrorKind::UnknownTopic,
        RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE | RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET => {
            ErrorKind::OffsetOutOfRange
        }
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
        | RD_KAFKA_RESP_ERR__AUTHENTICATION
        | RD_KAFKA_RESP_ERR__SSL => ErrorKind::Denied,
        RD_KAFKA_RESP_ERR__INVALID_ARG
        | RD_KAFKA_RESP_ERR__CONFLICT
        | RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE
        | RD_KAFKA_RESP_ERR_INVALID_CONFIG
        | RD_KAFKA_RESP_ERR_INVALID_REQUEST
        | RD_KAFKA_RESP_ERR_INVALID_PARTITIONS
        | RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR
        | RD_KAFKA_RESP_ERR_INVALID_GROUP_ID
        | RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT
        | RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT
        | RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
        | RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL
        | RD_KAFKA_RESP_ERR_POLICY_VIOLATION => ErrorKind::Config,
        code if is_unreachable(code) || is_transient(code) => ErrorKind::Unavailable,
        _ => ErrorKind::Fatal,
    }
}

/// Another member or producer has taken over. `INVALID_TXN_STATE` is among them: brokers answer it to
/// a commit that races with the transaction's timeout, whose abort has moved the producer's epoch on
/// (KAFKA-20785).
pub(crate) fn is_fenced(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        RD_KAFKA_RESP_ERR__FENCED
            | RD_KAFKA_RESP_ERR_PRODUCER_FENCED
            | RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
            | RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING
            | RD_KAFKA_RESP_ERR_INVALID_TXN_STATE
            | RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
            | RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
            | RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
            | RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST
    )
}

/// No broker answered.
pub(crate) fn is_unreachable(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        RD_KAFKA_RESP_ERR__TIMED_OUT
            | RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE
            | RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
            | RD_KAFKA_RESP_ERR__TRANSPORT
            | RD_KAFKA_RESP_ERR__RESOLVE
            | RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
            | RD_KAFKA_RESP_ERR__WAIT_COORD
            | RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION
    )
}

/// A broker answered that it cannot do it now; nothing has happened.
pub(crate) fn is_transient(code: Code) -> bool {
    use Code::*;
    matches!(
        code,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
            | RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
            | RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
            | RD_KAFKA_RESP_ERR_NOT_COORDINATOR
            | RD_KAFKA_RESP_ERR_NOT_CONTROLLER
            | RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE
            | RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
            | RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
            | RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE
            | RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS
            | RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
            | RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS
            | RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
            | RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS
            | RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED
            | RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP
            | RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
            | RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH
            | RD_KAFKA_RESP_ERR__QUEUE_FULL
            | RD_KAFKA_RESP_ERR__RETRY
            | RD_KAFKA_RESP_ERR__IN_PROGRESS
    )
}

/// The coordinator of a group or transaction is moving or loading: the call may be made again.
pub(crate) fn is_coordinator_moving(code: Code) -> bool {
    matches!(
        code,
        Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
            | Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR
    )
}

/// The step of a transaction that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `init_transactions`, `begin`, `send_offsets`, `abort`.
    Other,
    /// `commit`: an error without a verdict leaves the outcome unknown.
    Commit,
}

/// The kind of an error that a transactional call gave up with (after retries). librdkafka sorts
/// them: fatal, to be aborted, or retriable; and none of these means fatal (its INTRODUCTION.md).
pub(crate) fn transaction_kind(step: Step, error: &NativeError) -> ErrorKind {
    if is_fenced(error.code) {
        return ErrorKind::Fenced;
    }
    if error.fatal {
        return ErrorKind::Fatal;
    }
    if error.abort {
        return ErrorKind::Abort;
    }
    match (step, kind_of(error.code)) {
        (Step::Commit, _) if error.retriable || is_unreachable(error.code) => ErrorKind::Unknown,
        (Step::Commit, ErrorKind::Unavailable) => ErrorKind::Unknown,
        (Step::Other, _) if error.retriable => ErrorKind::Unavailable,
        (_, kind) => kind,
    }
}

/// The kind of a record's delivery failure.
pub(crate) fn delivery_kind(transactional: bool, code: Code) -> ErrorKind {
    match kind_of(code) {
        // The record is lost, and others may have arrived after it.
        ErrorKind::Unavailable | ErrorKind::Fatal if transactional => ErrorKind::Abort,
        ErrorKind::Unavailable => ErrorKind::Unknown,
        kind => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: Code) -> NativeError {
        NativeError::with_message(code, "words")
    }

    #[test]
    fn a_newer_member_or_producer_means_fenced_in_every_step() {
        for code in [
            Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
            Code::RD_KAFKA_RESP_ERR__FENCED,
            Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            Code::RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
        ] {
            let abortable = NativeError {
                abort: true,
                ..error(code)
            };
            let fatal = NativeError {
                fatal: true,
                ..error(code)
            };
            for error in [error(code), abortable, fatal] {
                assert_eq!(transaction_kind(Step::Commit, &error), ErrorKind::Fenced);
                assert_eq!(transaction_kind(Step::Other, &error), ErrorKind::Fenced);
            }
        }
    }

    #[test]
    fn a_commit_without_a_verdict_has_an_unknown_outcome() {
        let timeout = error(Code::RD_KAFKA_RESP_ERR__TIMED_OUT);
        let retriable = NativeError {
            retriable: true,
            ..timeout.clone()
        };
        let coordinator = error(Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
        for error in [&timeout, &retriable, &coordinator] {
            assert_eq!(transaction_kind(Step::Commit, error), ErrorKind::Unknown);
            assert_eq!(transaction_kind(Step::Other, error), ErrorKind::Unavailable);
        }
    }

    #[test]
    fn an_error_without_any_flag_is_fatal() {
        let bug = error(Code::RD_KAFKA_RESP_ERR__STATE);
        assert_eq!(transaction_kind(Step::Commit, &bug), ErrorKind::Fatal);
    }

    #[test]
    fn a_lost_record_aborts_a_transaction_and_is_unknown_outside_one() {
        let code = Code::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
        assert_eq!(delivery_kind(true, code), ErrorKind::Abort);
        assert_eq!(delivery_kind(false, code), ErrorKind::Unknown);
        let large = Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        assert_eq!(delivery_kind(true, large), ErrorKind::TooLarge);
    }

    #[test]
    fn errors_of_an_absent_broker_name_the_servers() {
        let site = Site::new("kafka:9092");
        let error = site.error("list topics", &error(Code::RD_KAFKA_RESP_ERR__TRANSPORT));
        assert_eq!(
            error.to_string(),
            "could not list topics: could not reach Kafka at kafka:9092: words"
        );
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }
}
