//! Where the secrets of Kafka's TLS and SASL are: by option, or where the operator mounts what the
//! StreamApp names.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use millrace_crds::stream_app::{KafkaSpec, SaslMechanism};
use millrace_crds::worker_api::{self as api, env};
use millrace_kafka::{KafkaConfig, KafkaFiles};

/// Options of TLS and SASL. New content of the files takes effect without a restart.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct KafkaFilesArgs {
    /// Certificates (PEM) of the authorities that sign the brokers' certificates.
    #[arg(long, env = env::KAFKA_CA_FILE, value_name = "FILE")]
    kafka_ca_file: Option<PathBuf>,
    /// The client's certificate chain (PEM).
    #[arg(long, env = env::KAFKA_CERTIFICATE_FILE, value_name = "FILE")]
    kafka_certificate_file: Option<PathBuf>,
    /// The key of the client's certificate (PEM, not encrypted).
    #[arg(long, env = env::KAFKA_KEY_FILE, value_name = "FILE")]
    kafka_key_file: Option<PathBuf>,
    /// SASL mechanism.
    #[arg(long, env = env::KAFKA_SASL_MECHANISM, value_enum, value_name = "MECHANISM")]
    kafka_sasl_mechanism: Option<MechanismArg>,
    /// File with the SASL user name.
    #[arg(long, env = env::KAFKA_SASL_USERNAME_FILE, value_name = "FILE")]
    kafka_sasl_username_file: Option<PathBuf>,
    /// File with the SASL password.
    #[arg(long, env = env::KAFKA_SASL_PASSWORD_FILE, value_name = "FILE")]
    kafka_sasl_password_file: Option<PathBuf>,
}

/// A SASL mechanism by its registered name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MechanismArg {
    #[value(name = "PLAIN")]
    Plain,
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}

impl From<MechanismArg> for SaslMechanism {
    fn from(arg: MechanismArg) -> Self {
        match arg {
            MechanismArg::Plain => Self::Plain,
            MechanismArg::ScramSha256 => Self::ScramSha256,
            MechanismArg::ScramSha512 => Self::ScramSha512,
        }
    }
}

impl KafkaFilesArgs {
    /// Puts files, mechanism and protocol into a configuration that has the StreamApp's properties.
    pub(super) fn apply(&self, spec: &KafkaSpec, config: &mut KafkaConfig) {
        let (tls, sasl) = (spec.tls.as_ref(), spec.sasl.as_ref());
        let has_ca = tls.is_some_and(|tls| tls.ca_secret.is_some());
        let has_certificate = tls.is_some_and(|tls| tls.certificate_secret.is_some());
        let file = |given: &Option<PathBuf>, mounted: &str, declared: bool| {
            given
                .clone()
                .or_else(|| declared.then(|| PathBuf::from(mounted)))
        };
        let certificate = &self.kafka_certificate_file;
        let username = &self.kafka_sasl_username_file;
        let password = &self.kafka_sasl_password_file;
        config.files = KafkaFiles {
            ca: file(&self.kafka_ca_file, api::KAFKA_CA_FILE, has_ca),
            certificate: file(certificate, api::KAFKA_CERTIFICATE_FILE, has_certificate),
            key: file(&self.kafka_key_file, api::KAFKA_KEY_FILE, has_certificate),
            sasl_username: file(username, api::KAFKA_SASL_USERNAME_FILE, sasl.is_some()),
            sasl_password: file(password, api::KAFKA_SASL_PASSWORD_FILE, sasl.is_some()),
        };
        let given = self.kafka_sasl_mechanism.map(SaslMechanism::from);
        let mechanism = given.or(sasl.map(|sasl| sasl.mechanism));
        let with_tls = tls.is_some() || config.files.ca.is_some() || config.files.key.is_some();
        let protocol = match (with_tls, mechanism.is_some()) {
            (true, true) => Some("sasl_ssl"),
            (true, false) => Some("ssl"),
            (false, true) => Some("sasl_plaintext"),
            // The properties may say it.
            (false, false) => None,
        };
        let mut set = |name: &str, value: &str| {
            config.properties.insert(name.to_owned(), value.to_owned());
        };
        if let Some(protocol) = protocol {
            set("security.protocol", protocol);
        }
        if let Some(mechanism) = mechanism {
            set("sasl.mechanism", mechanism.name());
        }
        if tls.is_some_and(|tls| !tls.verify_hostname) {
            set("ssl.endpoint.identification.algorithm", "none");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millrace_crds::read::read_documents;
    use millrace_kafka::Guarantee;

    fn config(kafka: &str, args: &KafkaFilesArgs) -> KafkaConfig {
        let yaml = format!(
            "apiVersion: millrace.dev/v1alpha1\nkind: StreamApp\nmetadata: {{name: app}}\nspec:\n  \
             kafka: {kafka}\n  topology: {{streams: {{a: {{topic: a, to: {{topic: b}}}}}}}}\n"
        );
        let document = read_documents(&yaml, "test").unwrap().remove(0);
        let spec = &document.app.spec.kafka;
        let mut config = KafkaConfig::new("kafka:9092", Guarantee::ExactlyOnce);
        config.properties.clone_from(&spec.properties);
        args.apply(spec, &mut config);
        config
    }

    #[test]
    fn what_the_streamapp_names_is_where_the_operator_mounts_it() {
        let config = config(
            "{bootstrapServers: 'k:9092', tls: {caSecret: {name: ca, key: any}, verifyHostname: \
             false}, sasl: {mechanism: SCRAM-SHA-512, usernameSecret: {name: u, key: u}, \
             passwordSecret: {name: p, key: p}}}",
            &KafkaFilesArgs::default(),
        );
        let files = &config.files;
        assert_eq!(files.ca.as_deref(), Some(api::KAFKA_CA_FILE.as_ref()));
        assert_eq!(files.key, None);
        let password = files.sasl_password.as_deref();
        assert_eq!(password, Some(api::KAFKA_SASL_PASSWORD_FILE.as_ref()));
        assert_eq!(config.properties["security.protocol"], "sasl_ssl");
        assert_eq!(config.properties["sasl.mechanism"], "SCRAM-SHA-512");
        let verify = &config.properties["ssl.endpoint.identification.algorithm"];
        assert_eq!(verify, "none");
    }

    #[test]
    fn without_any_of_it_the_properties_stay_as_they_are() {
        let config = config(
            "{bootstrapServers: 'k:9092', properties: {security.protocol: ssl}}",
            &KafkaFilesArgs::default(),
        );
        assert!(config.files.is_empty());
        assert_eq!(config.properties["security.protocol"], "ssl");
        assert_eq!(config.properties.len(), 1);
    }

    #[test]
    fn a_file_that_is_given_is_taken_and_asks_for_its_protocol() {
        let args = KafkaFilesArgs {
            kafka_ca_file: Some("/my/ca.pem".into()),
            ..KafkaFilesArgs::default()
        };
        let config = config("{bootstrapServers: 'k:9092'}", &args);
        assert_eq!(config.files.ca.as_deref(), Some("/my/ca.pem".as_ref()));
        assert_eq!(config.properties["security.protocol"], "ssl");
    }
}
