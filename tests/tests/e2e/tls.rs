//! Kafka behind TLS with client certificates and a password: all of it replaced under a running
//! worker.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_kafka::{Cluster as KafkaApi, Guarantee, KafkaCluster, KafkaConfig, TopicSpec};
use millrace_tests::cluster::{Pod, Space, space, wait_until};
use millrace_tests::topic;

use crate::support::{READ_LIMIT, write};

/// Longest wait until mounted Secrets are as new as their objects: the kubelet looks every minute.
const MOUNT_LIMIT: Duration = Duration::from_secs(150);
/// Broker properties of the listener that pods use, over those of `tests/cluster/kafka/start.sh`.
const BROKER: &str = r"
listener.security.protocol.map=PODS:SASL_SSL,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.pods.sasl.enabled.mechanisms=PLAIN
listener.name.pods.ssl.client.auth=required
listener.name.pods.ssl.keystore.type=PEM
listener.name.pods.ssl.keystore.location=/tls/broker.pem
listener.name.pods.ssl.truststore.type=PEM
listener.name.pods.ssl.truststore.location=/tls/ca.crt
";
const LOGIN: &str = "listener.name.pods.plain.sasl.jaas.config=\
    org.apache.kafka.common.security.plain.PlainLoginModule required";

pub(crate) fn new_certificates_and_a_new_password_take_effect_without_a_restart() -> Result<()> {
    let space = Space::new("e2e-tls")?;
    renew(&space, "first")?;
    start_broker(&space)?;
    let kafka = broker(&space)?;
    let topics: Vec<TopicSpec> = ["in", "counts"].map(|name| spec(&space, name)).to_vec();
    kafka.admin()?.create_topics(&topics)?;
    space.kubectl().apply(&app(&space))?;
    space.wait_ready("counts")?;
    let before = space.pod("counts", 0)?;
    write(kafka.as_ref(), &space.own("in"), 1, 10, 100)?;
    wait_counted(&space, kafka.as_ref(), 10)?;

    // Another authority, another certificate on both sides, another password: nothing of the old is
    // good for anything at the broker that starts now.
    renew(&space, "second")?;
    wait_until("the broker's files are new", MOUNT_LIMIT, || {
        let file = ["exec", "broker-0", "--", "cat", "/tls/extra.properties"];
        let text = space.kubectl().run(&file)?;
        Ok(text.contains("second").then_some(()))
    })?;
    let pod = Pod::read(&space.kubectl().expect("pod/broker-0")?);
    space.kill_container(&pod)?;
    wait_until("the broker is back", space::READY_LIMIT, || {
        let pod = Pod::read(&space.kubectl().expect("pod/broker-0")?);
        Ok((pod.ready && pod.restarts > 0).then_some(()))
    })?;
    write(kafka.as_ref(), &space.own("in"), 1, 10, 100)?;
    wait_counted(&space, kafka.as_ref(), 20)?;
    let after = space.pod("counts", 0)?;
    ensure!(
        after.uid == before.uid && after.restarts == 0,
        "the pod was {before:?} and is {after:?}"
    );
    space.wait_ready("counts").map(drop)
}

fn spec(space: &Space, name: &str) -> TopicSpec {
    TopicSpec {
        name: space.own(name),
        partitions: 1,
        replication_factor: -1,
        configs: Default::default(),
    }
}

fn app(space: &Space) -> String {
    let kafka = r#"kafka:
    bootstrapServers: "broker:9092"
    tls:
      caSecret: {name: client, key: ca.crt}
      certificateSecret: {name: client}
    sasl:
      mechanism: PLAIN
      usernameSecret: {name: client, key: username}
      passwordSecret: {name: client, key: password}
"#;
    let plain = r#"kafka: {bootstrapServers: "kafka:9092"}"#;
    space.counts("counts", "").replacen(plain, kafka, 1)
}

/// The cluster's own Kafka, once more, with the listener of pods secured.
fn start_broker(space: &Space) -> Result<()> {
    let file = space.cluster().scripts().join("kafka.yaml");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let namespace = space.kubectl().namespace();
    let yaml = text
        .replace(
            "kafka.default.svc.cluster.local",
            &format!("broker.{namespace}.svc.cluster.local"),
        )
        .replace(
            "name: kafka, namespace: default",
            &format!("name: broker, namespace: {namespace}"),
        )
        .replace("serviceName: kafka", "serviceName: broker")
        .replace(
            "        env:\n",
            "        env:\n        - {name: EXTRA, value: /tls/extra.properties}\n",
        )
        .replace(
            "        volumeMounts:\n",
            "        volumeMounts:\n        - {name: tls, mountPath: /tls}\n",
        )
        .replace(
            "      volumes:\n",
            "      volumes:\n      - {name: tls, secret: {secretName: broker}}\n",
        );
    space.kubectl().apply(&yaml)?;
    let limit = format!("--timeout={}s", space::READY_LIMIT.as_secs());
    let status = ["rollout", "status", "statefulset/broker", &limit];
    space.kubectl().run(&status).map(drop)
}

/// The broker, by its plain listener for the machine under the cluster.
fn broker(space: &Space) -> Result<Arc<dyn KafkaApi>> {
    let ip = space.pod("broker", 0)?.ip;
    let address = format!("{}:9094", ip.context("the broker has no address")?);
    let config = KafkaConfig::new(address, Guarantee::ExactlyOnce);
    Ok(Arc::new(KafkaCluster::new(config)?))
}

/// Makes an authority, a certificate for the broker and one for the application, and puts them, with
/// the password, into the Secrets `broker` and `client`.
fn renew(space: &Space, password: &str) -> Result<()> {
    let folder = tempfile::tempdir().context("make a folder for certificates")?;
    let folder = folder.path();
    let namespace = space.kubectl().namespace();
    let ca = format!("/CN=authority {password}");
    openssl(
        folder,
        &format!("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.crt -subj|{ca}"),
    )?;
    for name in ["broker", "client"] {
        openssl(
            folder,
            &format!(
                "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj|/CN={name}"
            ),
        )?;
        let full = format!("{name}.{namespace}");
        let names = format!("DNS:{name},DNS:{full},DNS:{full}.svc.cluster.local");
        std::fs::write(folder.join("names"), format!("subjectAltName={names}\n"))
            .context("write the certificate's names")?;
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
                 -extfile names -out {name}.crt"
            ),
        )?;
    }
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).with_context(|| format!("read {name}"))
    };
    let secret = |name: &str, data: &[(&str, String)]| {
        let data: serde_json::Map<String, serde_json::Value> = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone().into()))
            .collect();
        let secret = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": data,
        });
        space.kubectl().apply(&secret.to_string()).map(drop)
    };
    let extra = format!("{BROKER}{LOGIN} user_app=\"{password}\";\n");
    let keystore = read("broker.key")? + &read("broker.crt")?;
    secret(
        "broker",
        &[
            ("extra.properties", extra),
            ("broker.pem", keystore),
            ("ca.crt", read("ca.crt")?),
        ],
    )?;
    secret(
        "client",
        &[
            ("ca.crt", read("ca.crt")?),
            ("tls.crt", read("client.crt")?),
            ("tls.key", read("client.key")?),
            ("username", "app".to_owned()),
            ("password", password.to_owned()),
        ],
    )
}

/// Runs `openssl` in a folder; what follows `|` is one last argument.
fn openssl(folder: &Path, line: &str) -> Result<()> {
    let (words, last) = line.split_once('|').unwrap_or((line, ""));
    let output = Command::new("openssl")
        .args(words.split_whitespace())
        .args((!last.is_empty()).then_some(last))
        .current_dir(folder)
        .output()
        .context("run openssl")?;
    ensure!(
        output.status.success(),
        "openssl {line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Waits until each of 10 keys counts so many.
fn wait_counted(space: &Space, kafka: &dyn KafkaApi, each: u64) -> Result<()> {
    let right = format!(r#"{{"count":{each}}}"#);
    wait_until(&format!("10 keys count {each}"), MOUNT_LIMIT, || {
        let (rows, _) = topic::compacted(kafka, &space.own("counts"), READ_LIMIT)?;
        let reached = rows
            .values()
            .filter(|(value, _)| value.replace(' ', "") == right);
        Ok((reached.count() == 10).then_some(()))
    })
    .with_context(|| space.kubectl().describe_all())
}
