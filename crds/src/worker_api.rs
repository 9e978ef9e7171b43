//! The contract between the operator and the worker: what the operator mounts and sets, what the
//! worker answers. Both sides use these types and names; neither spells them out again.
//!
//! ```text
//!   operator ── ConfigMap <app>-runtime ──► runtime.json      RuntimeSettings, read once a second
//!            ── Secrets ──────────────────► /etc/millrace/kafka/{ca,client,sasl}/…
//!            ◄─ GET /status ────────────── WorkerStatus
//! ```
//!
//! Everything that may change while pods run is in files that Kubernetes refreshes in place, never in
//! the pod template: so neither `kubectl scale` nor a renewed certificate restarts a pod.

mod runtime;
mod status;

pub use runtime::{RuntimeProblem, RuntimeSettings};
pub use status::{
    ApplicationStatus, InputStatus, RestoreStatus, TaskState, TaskStatus, ThreadStatus,
    WorkerPhase, WorkerStatus,
};

/// Port of a worker's HTTP in its pod.
pub const HTTP_PORT: u16 = 8080;

/// Directory where the operator mounts the runtime ConfigMap (as a directory: a `subPath` is never
/// refreshed).
pub const RUNTIME_DIR: &str = "/etc/millrace/runtime";

/// Name of the file in the runtime directory, and key in the ConfigMap: a [`RuntimeSettings`].
pub const RUNTIME_FILE: &str = "runtime.json";

/// Directory where the operator mounts what Kafka's TLS and SASL need.
pub const KAFKA_FILES_DIR: &str = "/etc/millrace/kafka";

/// Certificates of the authorities that sign the brokers' certificates, PEM. There if
/// `spec.kafka.tls` names a CA Secret.
pub const KAFKA_CA_FILE: &str = "/etc/millrace/kafka/ca/ca.crt";

/// The client's certificate chain, PEM. There if `spec.kafka.tls` names a certificate Secret.
pub const KAFKA_CERTIFICATE_FILE: &str = "/etc/millrace/kafka/client/tls.crt";

/// The key of the client's certificate, PEM, without a password.
pub const KAFKA_KEY_FILE: &str = "/etc/millrace/kafka/client/tls.key";

/// SASL user name; a line break at the end is not part of it. There if `spec.kafka.sasl` is set.
pub const KAFKA_SASL_USERNAME_FILE: &str = "/etc/millrace/kafka/sasl/username";

/// SASL password; a line break at the end is not part of it.
pub const KAFKA_SASL_PASSWORD_FILE: &str = "/etc/millrace/kafka/sasl/password";

/// Environment variables of the worker that the operator sets.
pub mod env {
    /// Address of health, status, metrics and stores. Default: `127.0.0.1:8080`, so that nothing is
    /// open to others unless told; in a pod `0.0.0.0:8080`.
    pub const HTTP: &str = "MILLRACE_HTTP";
    /// Number of the worker among its peers. Default: the number at the end of `HOSTNAME`, which in a
    /// StatefulSet's pod is its ordinal.
    pub const ORDINAL: &str = "MILLRACE_ORDINAL";
    /// File with the StreamApp.
    pub const STREAM_APP_FILE: &str = "STREAM_APP_FILE";
    /// Directory of the local state.
    pub const STATE_DIR: &str = "STATE_DIR";
    /// Directory with [`RUNTIME_FILE`](super::RUNTIME_FILE). Without it replicas and threads are the
    /// StreamApp's.
    pub const RUNTIME_DIR: &str = "MILLRACE_RUNTIME_DIR";
    /// `create` (default): the worker makes missing internal topics. `check`: it waits for whoever
    /// makes them, the operator.
    pub const INTERNAL_TOPICS: &str = "MILLRACE_INTERNAL_TOPICS";
    /// File with the brokers' authorities. Default:
    /// [`KAFKA_CA_FILE`](super::KAFKA_CA_FILE) where the StreamApp's `spec.kafka.tls` names a Secret.
    pub const KAFKA_CA_FILE: &str = "KAFKA_CA_FILE";
    /// File with the client's certificate chain.
    pub const KAFKA_CERTIFICATE_FILE: &str = "KAFKA_CERTIFICATE_FILE";
    /// File with the client's key.
    pub const KAFKA_KEY_FILE: &str = "KAFKA_KEY_FILE";
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub const KAFKA_SASL_MECHANISM: &str = "KAFKA_SASL_MECHANISM";
    /// File with the SASL user name.
    pub const KAFKA_SASL_USERNAME_FILE: &str = "KAFKA_SASL_USERNAME_FILE";
    /// File with the SASL password.
    pub const KAFKA_SASL_PASSWORD_FILE: &str = "KAFKA_SASL_PASSWORD_FILE";
}
