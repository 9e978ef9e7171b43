//! Secrets of `spec.kafka`, mounted as files where the worker looks for them. Kubernetes refreshes the
//! files when a Secret changes: new certificates and passwords need no restart.

use std::path::Path;

use k8s_openapi::api::core::v1::{
    KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeMount, VolumeProjection,
};
use millrace_crds::stream_app::KafkaSpec;
use millrace_crds::worker_api::{
    KAFKA_CA_FILE, KAFKA_CERTIFICATE_FILE, KAFKA_KEY_FILE, KAFKA_SASL_PASSWORD_FILE,
    KAFKA_SASL_USERNAME_FILE,
};

/// Readable for the pod's group alone.
const MODE: i32 = 0o440;

/// One value of a Secret, and the file it becomes.
struct File<'a> {
    secret: &'a str,
    key: &'a str,
    path: &'static str,
}

/// Volumes and mounts of all Secrets that `spec.kafka` names.
pub(super) fn volumes(kafka: &KafkaSpec) -> Vec<(Volume, VolumeMount)> {
    let mut found = Vec::new();
    let tls = kafka.tls.as_ref();
    if let Some(ca) = tls.and_then(|tls| tls.ca_secret.as_ref()) {
        let files = [File {
            secret: &ca.name,
            key: &ca.key,
            path: KAFKA_CA_FILE,
        }];
        found.extend(volume("kafka-ca", &files));
    }
    if let Some(own) = tls.and_then(|tls| tls.certificate_secret.as_ref()) {
        let file = |key, path| File {
            secret: &own.name,
            key,
            path,
        };
        let files = [
            file(&own.cert_key, KAFKA_CERTIFICATE_FILE),
            file(&own.key_key, KAFKA_KEY_FILE),
        ];
        found.extend(volume("kafka-client", &files));
    }
    if let Some(sasl) = &kafka.sasl {
        let files = [
            (&sasl.username_secret, KAFKA_SASL_USERNAME_FILE),
            (&sasl.password_secret, KAFKA_SASL_PASSWORD_FILE),
        ]
        .map(|(secret, path)| File {
            secret: &secret.name,
            key: &secret.key,
            path,
        });
        found.extend(volume("kafka-sasl", &files));
    }
    found
}

/// A volume of files that stand in one directory.
fn volume(name: &str, files: &[File<'_>]) -> Option<(Volume, VolumeMount)> {
    let directory = Path::new(files.first()?.path).parent()?.to_str()?;
    let sources = files.iter().map(|file| VolumeProjection {
        secret: Some(SecretProjection {
            name: file.secret.to_owned(),
            items: Some(vec![KeyToPath {
                key: file.key.to_owned(),
                path: file_name(file.path),
                ..KeyToPath::default()
            }]),
            optional: None,
        }),
        ..VolumeProjection::default()
    });
    let volume = Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(MODE),
            sources: Some(sources.collect()),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    };
    Some((volume, super::container::read_only(name, directory)))
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}
