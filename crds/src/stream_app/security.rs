//! [`TlsSpec`] and [`SaslSpec`]: how the application reaches its Kafka, with all secrets in Secrets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// One value of a Secret in the namespace of the StreamApp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    pub name: String,
    /// Key in the Secret's data, 1 to 253 characters.
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    #[schemars(regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// TLS to the brokers. New certificates in the Secrets take effect without a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsSpec {
    /// Certificates (PEM) of the authorities that sign the brokers' certificates. Default: those of the
    /// worker's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret: Option<SecretKey>,
    /// The application's own certificate, where brokers ask for one (mTLS). Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_secret: Option<CertificateSecret>,
    /// Whether a broker's certificate must name the host that was connected to. Default: true.
    #[serde(default = "yes")]
    pub verify_hostname: bool,
}

impl Default for TlsSpec {
    fn default() -> Self {
        Self {
            ca_secret: None,
            certificate_secret: None,
            verify_hostname: true,
        }
    }
}

/// A certificate with its private key, in a Secret such as those of type `kubernetes.io/tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    pub name: String,
    /// Key of the certificate chain (PEM). Default: `tls.crt`.
    #[serde(default = "tls_crt")]
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    #[schemars(regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub cert_key: String,
    /// Key of the private key (PEM, not encrypted). Default: `tls.key`.
    #[serde(default = "tls_key")]
    #[schemars(length(min = 1, max = limits::OBJECT_NAME_LENGTH))]
    #[schemars(regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key_key: String,
}

/// User and password at the brokers. A new password in the Secret takes effect without a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SaslSpec {
    /// Mechanism. With `PLAIN` set `tls` as well: it sends the password as it is.
    pub mechanism: SaslMechanism,
    /// The user's name.
    pub username_secret: SecretKey,
    /// The password.
    pub password_secret: SecretKey,
}

/// A SASL mechanism, by its registered name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline, transform = crate::topology::field_describes)]
pub enum SaslMechanism {
    /// User and password as they are (RFC 4616).
    #[serde(rename = "PLAIN")]
    Plain,
    /// Salted challenge and response with SHA-256 (RFC 7677).
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Salted challenge and response with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// The registered name, as in Kafka's `sasl.mechanism`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

fn yes() -> bool {
    true
}

fn tls_crt() -> String {
    "tls.crt".to_owned()
}

fn tls_key() -> String {
    "tls.key".to_owned()
}
