//! [`KafkaFiles`]: where the secrets of TLS and SASL are, and whether they have changed.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// A longer file is no certificate, key or password.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Files that TLS and SASL need. Each client reads them when it is made, so a renewed file counts from
/// the next client on; [`Cluster::refresh`](crate::Cluster::refresh) tells when it is time for new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaFiles {
    /// Certificates of the authorities that sign the brokers' certificates, PEM. `None`: the
    /// system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate chain, PEM; with `key`.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM, without a password; with `certificate`.
    pub key: Option<PathBuf>,
    /// SASL user name; white space at the end is not part of it. With `sasl_password`.
    pub sasl_username: Option<PathBuf>,
    /// SASL password; white space at the end is not part of it. With `sasl_username`.
    pub sasl_password: Option<PathBuf>,
}

impl KafkaFiles {
    fn all(&self) -> impl Iterator<Item = &Path> {
        let all = [
            &self.ca,
            &self.certificate,
            &self.key,
            &self.sasl_username,
            &self.sasl_password,
        ];
        all.into_iter().flatten().map(PathBuf::as_path)
    }

    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Refuses half a pair.
    pub(crate) fn check(&self) -> Result<()> {
        for (one, other, names) in [
            (&self.certificate, &self.key, "a certificate and its key"),
            (
                &self.sasl_username,
                &self.sasl_password,
                "a SASL user name and its password",
            ),
        ] {
            if one.is_some() != other.is_some() {
                return Err(Error::new(
                    ErrorKind::Config,
                    "accept the Kafka configuration",
                    format!("{names} go together; name both files or none"),
                ));
            }
        }
        Ok(())
    }

    /// The properties of a client made now.
    pub(crate) fn properties(&self) -> Result<Vec<(&'static str, String)>> {
        let mut properties = Vec::new();
        // By path: of a PEM text librdkafka would take the first certificate of a chain only.
        for (name, path) in [
            ("ssl.ca.location", &self.ca),
            ("ssl.certificate.location", &self.certificate),
            ("ssl.key.location", &self.key),
        ] {
            if let Some(path) = path {
                properties.push((name, path.display().to_string()));
            }
        }
        for (name, path) in [
            ("sasl.username", &self.sasl_username),
            ("sasl.password", &self.sasl_password),
        ] {
            if let Some(path) = path {
                let text = String::from_utf8(read(path)?)
                    .map_err(|_| failed(path, "it is not UTF-8 text".to_owned()))?;
                properties.push((name, text.trim_end().to_owned()));
            }
        }
        Ok(properties)
    }

    /// A number that changes with the files' content.
    pub(crate) fn fingerprint(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        for path in self.all() {
            read(path)?.hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|error| failed(path, error.to_string()))?;
    if bytes.is_empty() || bytes.len() > FILE_BYTES_MAX {
        let message = format!("it has {} bytes, which no such file has", bytes.len());
        return Err(failed(path, message));
    }
    Ok(bytes)
}

/// A file that is not there now may be in a moment: a mounted Secret is replaced as a whole.
fn failed(path: &Path, message: String) -> Error {
    let operation = format!("read {}, which TLS or SASL to Kafka needs", path.display());
    Error::new(ErrorKind::Unavailable, operation, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("kafka-files-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn user_and_password_are_read_without_the_line_break_that_editors_add() {
        let folder = folder("sasl");
        let (user, password) = (folder.join("username"), folder.join("password"));
        std::fs::write(&user, "loans\n").unwrap();
        std::fs::write(&password, " hunter2 \r\n").unwrap();
        let files = KafkaFiles {
            sasl_username: Some(user.clone()),
            sasl_password: Some(password.clone()),
            ..KafkaFiles::default()
        };
        let expected = [("sasl.username", "loans"), ("sasl.password", " hunter2")];
        let expected = expected.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(files.properties().unwrap(), expected);

        let before = files.fingerprint().unwrap();
        assert_eq!(files.fingerprint().unwrap(), before);
        std::fs::write(&password, "hunter3").unwrap();
        assert_ne!(files.fingerprint().unwrap(), before);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_away_is_named_and_may_come_back() {
        let files = KafkaFiles {
            sasl_username: Some("/nowhere/username".into()),
            sasl_password: Some("/nowhere/password".into()),
            ..KafkaFiles::default()
        };
        let error = files.properties().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.to_string().contains("/nowhere/username"), "{error}");
    }

    #[test]
    fn half_a_pair_is_refused() {
        let files = KafkaFiles {
            key: Some("/nowhere/tls.key".into()),
            ..KafkaFiles::default()
        };
        let error = files.check().unwrap_err().to_string();
        assert!(error.contains("a certificate and its key"), "{error}");
    }
}
