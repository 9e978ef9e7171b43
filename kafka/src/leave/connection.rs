//! [`Connection`]: one socket to one broker, plain or TLS, for the one request that librdkafka lacks.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslStream};

use crate::config::KafkaConfig;

/// Shortest wait for an address, whatever the deadline.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// How to speak to the brokers: the client properties that matter for it.
pub(super) struct Security {
    tls: bool,
    sasl: bool,
    settings: BTreeMap<String, String>,
}

impl Security {
    /// What the configuration says as of now; the error is what cannot be done here.
    pub(super) fn of(config: &KafkaConfig) -> std::result::Result<Self, String> {
        let settings = config.settings().map_err(|error| error.to_string())?;
        let protocol = config.security_protocol();
        let security = Self {
            tls: protocol.ends_with("ssl"),
            sasl: protocol.starts_with("sasl"),
            settings,
        };
        for name in [
            "ssl.ca.pem",
            "ssl.certificate.pem",
            "ssl.key.pem",
            "ssl.key.password",
            "ssl.keystore.location",
        ] {
            if security.tls && security.get(name).is_some() {
                return Err(format!("the property {name}"));
            }
        }
        let mechanism = security.mechanism();
        match mechanism.as_deref() {
            None | Some("PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512") => Ok(security),
            Some(other) => Err(format!("the SASL mechanism {other}")),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// The SASL mechanism; `None`: no SASL. librdkafka's default is GSSAPI.
    pub(super) fn mechanism(&self) -> Option<String> {
        let named = || self.get("sasl.mechanism").or(self.get("sasl.mechanisms"));
        self.sasl
            .then(|| named().unwrap_or("GSSAPI").to_uppercase())
    }

    /// SASL user name and password.
    pub(super) fn credentials(&self) -> (&str, &str) {
        (
            self.get("sasl.username").unwrap_or_default(),
            self.get("sasl.password").unwrap_or_default(),
        )
    }

    fn connector(&self) -> std::result::Result<SslConnector, openssl::error::ErrorStack> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        if let Some(file) = self.get("ssl.ca.location") {
            builder.set_ca_file(file)?;
        }
        if let Some(file) = self.get("ssl.certificate.location") {
            builder.set_certificate_chain_file(file)?;
        }
        if let Some(file) = self.get("ssl.key.location") {
            builder.set_private_key_file(file, SslFiletype::PEM)?;
        }
        if self.get("enable.ssl.certificate.verification") == Some("false") {
            builder.set_verify(openssl::ssl::SslVerifyMode::NONE);
        }
        Ok(builder.build())
    }

    fn verifies_hostname(&self) -> bool {
        self.get("ssl.endpoint.identification.algorithm") != Some("none")
    }
}

/// A connection to a broker.
pub(super) enum Connection {
    /// As it is.
    Plain(TcpStream),
    /// Under TLS.
    Tls(SslStream<TcpStream>),
}

impl Connection {
    /// Connects to the first of the host's addresses that answers, and shakes hands.
    pub(super) fn open(
        security: &Security,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Self> {
        let stream = connect(host, port, deadline)?;
        if !security.tls {
            return Ok(Self::Plain(stream));
        }
        let stream = security
            .connector()
            .and_then(|connector| connector.configure())
            .map_err(Error::other)?
            .verify_hostname(security.verifies_hostname())
            .connect(host, stream)
            .map_err(|error| Error::other(error.to_string()))?;
        Ok(Self::Tls(stream))
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream> {
    let timeout = deadline
        .saturating_duration_since(Instant::now())
        .max(WAIT_MIN);
    let mut last = Error::new(ErrorKind::InvalidInput, format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
