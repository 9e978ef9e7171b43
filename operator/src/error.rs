//! [`Error`]: why a reconciliation could not be finished. What is wrong with a StreamApp or its Kafka
//! is no error of the operator: it is said in the conditions.

use millrace_kafka as kafka;

/// Result of a step of a reconciliation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A step that failed. All of them are tried again, with a growing pause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not do what was asked.
    #[error("could not {operation} {object}: {}", words(.source))]
    Kubernetes {
        /// What was attempted: a verb.
        operation: &'static str,
        /// On what: kind and name.
        object: String,
        /// The API server's or the connection's own words.
        source: Box<kube::Error>,
    },
    /// Kafka did not do what was asked.
    #[error("{0}")]
    Kafka(#[from] kafka::Error),
    /// An object was rendered that cannot be written as JSON.
    #[error("could not write {object} as JSON: {source}")]
    Encode {
        /// Kind and name.
        object: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// An object of a name that we need is somebody else's. Applying over it would take it away from
    /// them.
    #[error(
        "{0} is there and is not this StreamApp's: give the StreamApp another name, or remove the \
         object if nobody needs it"
    )]
    Foreign(String),
    /// The StreamApp has no name, namespace or uid: the API server never sends such a one.
    #[error("the StreamApp has no {0}")]
    Nameless(&'static str),
    /// A thread that talks to Kafka ended without an answer.
    #[error("a call to Kafka ended without an answer: {0}")]
    Lost(String),
}

/// The API server's own sentence where it gave one, without the dump of the whole answer.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

impl Error {
    /// A failed call to the API server.
    pub fn kubernetes(
        operation: &'static str,
        object: impl Into<String>,
    ) -> impl FnOnce(kube::Error) -> Self {
        let object = object.into();
        move |source| Self::Kubernetes {
            operation,
            object,
            source: Box::new(source),
        }
    }

    /// Stable PascalCase name, for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Kubernetes { source, .. } => match &**source {
                kube::Error::Api(status) if status.is_conflict() => "Conflict",
                kube::Error::Api(status) if status.is_forbidden() => "Forbidden",
                kube::Error::Api(status) if status.is_invalid() => "Invalid",
                kube::Error::Api(status) if status.is_not_found() => "NotFound",
                kube::Error::Api(status) if status.code >= 500 => "ApiServerError",
                kube::Error::Api(_) => "ApiServerRefused",
                _ => "ApiServerUnreachable",
            },
            Self::Kafka(error) => error.kind.reason(),
            Self::Encode { .. } => "Encode",
            Self::Foreign(_) => "Foreign",
            Self::Nameless(_) => "Nameless",
            Self::Lost(_) => "Lost",
        }
    }
}
