//! A broker that wants TLS and SASL: credentials come from files, renewed ones are taken while the
//! worker runs, and a thread that goes leaves the group also here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use millrace_tests::broker::{Broker, BrokerOptions, free_port};
use millrace_tests::worker::{LIMIT, WorkerProcess};

use super::feed::{Feed, by_input};
use super::rebalance::{COUNTS, ids};
use super::support::Scene;
use super::threads::{Runtime, assert_counted, shared_out, with_topics};

/// A mounted Secret: its files are behind a link that changes in one step.
struct Secret {
    folder: PathBuf,
    versions: u32,
}

impl Secret {
    fn new(folder: PathBuf, user: &str, password: &str) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let mut secret = Self {
            folder,
            versions: 0,
        };
        secret.put(user, password);
        secret
    }

    fn put(&mut self, user: &str, password: &str) {
        self.versions += 1;
        let version = self.folder.join(format!("..{}", self.versions));
        std::fs::create_dir(&version).unwrap();
        std::fs::write(version.join("username"), user).unwrap();
        std::fs::write(version.join("password"), format!("{password}\n")).unwrap();
        let link = self.folder.join("..new");
        std::os::unix::fs::symlink(&version, &link).unwrap();
        std::fs::rename(link, self.folder.join("data")).unwrap();
    }

    fn path(&self, key: &str) -> String {
        self.folder.join("data").join(key).display().to_string()
    }
}

/// A certificate for `localhost` that is its own authority; and a file with its key as well, as the
/// broker wants it.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let [key, certificate, both] =
        ["key.pem", "ca.pem", "broker.pem"].map(|file| folder.join(file));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "30", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("run openssl; scripts/setup.sh installs it");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let text = [&key, &certificate].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::write(&both, text.concat()).unwrap();
    (certificate, both)
}

#[test]
fn renewed_credentials_are_taken_without_a_restart_and_wrong_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, pem) = certificate(folder.path());
    let port = free_port().unwrap();
    let users = [("alice", "wonderland"), ("bob", "builder")];
    let options = BrokerOptions::new().secure_listener(port, &pem, &users);
    let broker = Broker::start_with(&options).unwrap();
    let scene = with_topics(Scene::on(&broker, "secured"));
    let runtime = Runtime::new(&scene);
    runtime.want(1, 2);
    let app = scene.app("counts", COUNTS);
    let mut secret = Secret::new(folder.path().join("sasl"), "alice", "wonderland");
    let mut worker = scene
        .worker(&app, 0)
        .bootstrap(format!("localhost:{port}"))
        .arg(runtime.arg())
        .env("KAFKA_CA_FILE", ca.display().to_string())
        .env("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
        .env("KAFKA_SASL_USERNAME_FILE", secret.path("username"))
        .env("KAFKA_SASL_PASSWORD_FILE", secret.path("password"))
        .start()
        .unwrap();
    let before = shared_out(&mut worker, 2);
    let feed = Feed::start(&scene);

    secret.put("alice", "not-hers");
    worker
        .wait_for_log("the old ones stay in use", 2 * LIMIT)
        .unwrap();
    secret.put("bob", "builder");
    worker
        .wait_for_log("files have changed: new clients, in turn", 2 * LIMIT)
        .unwrap();
    // Each thread says so when it has closed and when it is back.
    worker
        .wait_until("both threads back", LIMIT, |worker| Ok(starts(worker, 4)))
        .unwrap();
    assert_eq!(
        shared_out(&mut worker, 2),
        before,
        "each thread has its own tasks again"
    );
    assert_eq!(
        worker.status().unwrap().restored(),
        0,
        "nothing was restored"
    );

    // The second thread leaves: its tasks are taken over long before its session would end.
    runtime.want(1, 1);
    let began = std::time::Instant::now();
    shared_out(&mut worker, 1);
    let took = began.elapsed();
    println!(
        "{}: tasks of a thread that left are back after {took:?}",
        scene.id
    );
    assert!(took < Duration::from_secs(7), "{took:?}");

    let fed = feed.stop();
    worker.wait_caught_up(LIMIT).unwrap();
    assert_eq!(ids(&worker.status().unwrap()).len(), 6);
    assert_counted(&scene, &fed, &BTreeSet::new());
    for secret in ["wonderland", "not-hers", "builder"] {
        assert!(!worker.log().contains(secret), "a password is in the log");
    }
    let status = worker.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "{}", worker.log_tail());
}

/// That so many stream threads have started by now.
fn starts(worker: &WorkerProcess, count: usize) -> Option<()> {
    (worker.log().matches("stream thread starts").count() == count).then_some(())
}

#[test]
fn a_broker_with_a_new_certificate_is_waited_for_until_its_authority_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, pem) = certificate(folder.path());
    let port = free_port().unwrap();
    let users = [("alice", "wonderland")];
    let options = BrokerOptions::new().secure_listener(port, &pem, &users);
    let broker = Broker::start_with(&options).unwrap();
    let scene = with_topics(Scene::on(&broker, "renewed"));
    let app = scene.app("counts", COUNTS);
    let secret = Secret::new(folder.path().join("sasl"), "alice", "wonderland");
    // What a mounted Secret with the authority would be.
    let trusted = folder.path().join("trusted.pem");
    std::fs::copy(&ca, &trusted).unwrap();
    let mut worker = scene
        .worker(&app, 0)
        .bootstrap(format!("localhost:{port}"))
        .env("KAFKA_CA_FILE", trusted.display().to_string())
        .env("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
        .env("KAFKA_SASL_USERNAME_FILE", secret.path("username"))
        .env("KAFKA_SASL_PASSWORD_FILE", secret.path("password"))
        .start()
        .unwrap();
    shared_out(&mut worker, 1);
    let feed = Feed::start(&scene);
    std::thread::sleep(Duration::from_secs(1));
    let fed = feed.stop();
    worker.wait_caught_up(LIMIT).unwrap();

    certificate(folder.path());
    broker.stop().unwrap();
    broker.restart().unwrap();
    worker
        .wait_for_log("certificate verify failed", LIMIT)
        .unwrap();
    // As long as the kubelet may take, it must not give up; some of librdkafka's tries are enough here.
    std::thread::sleep(Duration::from_secs(5));
    assert!(worker.is_running(), "{}", worker.log_tail());
    std::fs::copy(&ca, &trusted).unwrap();
    worker
        .wait_until("a thread with the new authority", 2 * LIMIT, |worker| {
            Ok(starts(worker, 2))
        })
        .unwrap();
    let feed = Feed::start(&scene);
    std::thread::sleep(Duration::from_secs(1));
    let all = fed.count + feed.stop().count;
    worker.wait_caught_up(2 * LIMIT).unwrap();
    for (partition, outputs) in by_input(&scene.read_at_least("out-a", 3 * all)) {
        let counts: Vec<usize> = outputs.iter().map(|r| r.value().parse().unwrap()).collect();
        assert_eq!(
            counts,
            (1..=all).collect::<Vec<_>>(),
            "partition {partition}"
        );
    }
    let status = worker.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "{}", worker.log_tail());
}
