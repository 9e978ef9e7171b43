//! How the operator reaches the Kafka of a StreamApp: `spec.kafka` with what its Secrets hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use millrace_crds::StreamApp;
use millrace_crds::stream_app::KafkaSpec;
use millrace_kafka::{Guarantee, KafkaConfig};

use super::REQUEST_TIMEOUT;

/// Why Kafka cannot be reached with what the Secrets hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessProblem {
    /// Path of the field that names the Secret.
    pub field: &'static str,
    /// Name of the Secret.
    pub secret: String,
    /// The key that is missing or unreadable; `None` where the Secret is.
    pub key: Option<String>,
}

impl fmt::Display for AccessProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, secret, key } = self;
        match key {
            None => write!(
                f,
                "{field}: the Secret `{secret}` does not exist; create it"
            ),
            Some(key) => write!(
                f,
                "{field}: the Secret `{secret}` has no text under the key `{key}`; add it"
            ),
        }
    }
}

/// Names of the Secrets that the way to Kafka needs.
pub fn secret_names(spec: &KafkaSpec) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(tls) = &spec.tls {
        names.extend(tls.ca_secret.iter().map(|secret| secret.name.clone()));
        let certificate = tls.certificate_secret.iter();
        names.extend(certificate.map(|secret| secret.name.clone()));
    }
    if let Some(sasl) = &spec.sasl {
        names.insert(sasl.username_secret.name.clone());
        names.insert(sasl.password_secret.name.clone());
    }
    names
}

/// The admin client's configuration for an application.
///
/// # Errors
/// The first Secret or key that is not there.
pub fn config(
    app: &StreamApp,
    secrets: &BTreeMap<String, Secret>,
) -> Result<KafkaConfig, AccessProblem> {
    let spec = &app.spec.kafka;
    let namespace = app.metadata.namespace.as_deref().unwrap_or("default");
    let servers = servers(&spec.bootstrap_servers, namespace);
    let mut config = KafkaConfig::new(servers, Guarantee::ExactlyOnce);
    config.request_timeout = REQUEST_TIMEOUT;
    config.properties.clone_from(&spec.properties);
    let mut set = |name: &str, value: String| config.properties.insert(name.to_owned(), value);
    if let Some(tls) = &spec.tls {
        if let Some(ca) = &tls.ca_secret {
            let path = "spec.kafka.tls.caSecret";
            set("ssl.ca.pem", value(secrets, path, &ca.name, &ca.key)?);
        }
        if let Some(own) = &tls.certificate_secret {
            let path = "spec.kafka.tls.certificateSecret";
            let of = |key| value(secrets, path, &own.name, key);
            set("ssl.certificate.pem", of(&own.cert_key)?);
            set("ssl.key.pem", of(&own.key_key)?);
        }
        if !tls.verify_hostname {
            set("ssl.endpoint.identification.algorithm", "none".to_owned());
        }
    }
    if let Some(sasl) = &spec.sasl {
        let (user, password) = (&sasl.username_secret, &sasl.password_secret);
        let path = "spec.kafka.sasl.usernameSecret";
        let user = line(&value(secrets, path, &user.name, &user.key)?);
        let path = "spec.kafka.sasl.passwordSecret";
        let password = line(&value(secrets, path, &password.name, &password.key)?);
        set("sasl.mechanism", sasl.mechanism.name().to_owned());
        set("sasl.username", user);
        set("sasl.password", password);
    }
    if let Some(protocol) = spec.security_protocol() {
        set("security.protocol", protocol.to_owned());
    }
    Ok(config)
}

/// The addresses as the application's pods understand them: a name without a dot is a Service of their
/// namespace, and the operator is in another one.
fn servers(servers: &str, namespace: &str) -> String {
    let qualified = servers.split(',').map(|server| {
        let server = server.trim();
        let (scheme, address) = match server.split_once("://") {
            Some((scheme, address)) => (format!("{scheme}://"), address),
            None => (String::new(), server),
        };
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) => (host, format!(":{port}")),
            None => (address, String::new()),
        };
        let service = !host.is_empty() && host != "localhost" && !host.contains(['.', '[', ':']);
        if service {
            format!("{scheme}{host}.{namespace}{port}")
        } else {
            server.to_owned()
        }
    });
    qualified.collect::<Vec<_>>().join(",")
}

fn value(
    secrets: &BTreeMap<String, Secret>,
    field: &'static str,
    name: &str,
    key: &str,
) -> Result<String, AccessProblem> {
    let problem = |key: Option<&str>| AccessProblem {
        field,
        secret: name.to_owned(),
        key: key.map(str::to_owned),
    };
    let secret = secrets.get(name).ok_or_else(|| problem(None))?;
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    bytes
        .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
        .ok_or_else(|| problem(Some(key)))
}

/// A line break at the end of a Secret's value is its editor's, not the password's.
fn line(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::servers;

    #[test]
    fn a_short_name_is_a_service_of_the_applications_namespace() {
        for (written, meant) in [
            ("kafka:9092", "kafka.loans:9092"),
            ("kafka", "kafka.loans"),
            ("a:9092, b:9093", "a.loans:9092,b.loans:9093"),
            ("SASL_SSL://kafka:9092", "SASL_SSL://kafka.loans:9092"),
            ("kafka.prod:9092", "kafka.prod:9092"),
            ("kafka.example.com:9092", "kafka.example.com:9092"),
            ("10.244.0.2:9094", "10.244.0.2:9094"),
            ("[::1]:9092", "[::1]:9092"),
            ("localhost:9092", "localhost:9092"),
        ] {
            assert_eq!(servers(written, "loans"), meant);
        }
    }
}
