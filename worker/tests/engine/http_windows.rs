//! Goal: the windows of a key are answered over HTTP, whatever kind of store holds them. Method: an
//! application with its real threads on the embedded log and the worker's own routes; asked until the
//! last record shows, at most 30 s.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_crds::read::read_documents;
use millrace_embedded::{EmbeddedCluster, EmbeddedOptions, SystemClock as LogClock};
use millrace_kafka::{Cluster, HeadersBuf, TopicSpec};
use millrace_worker::api::Processors;
use millrace_worker::app::{App, AppOptions};
use millrace_worker::clock::SystemClock;
use millrace_worker::config::WorkerConfig;
use millrace_worker::http::{self, HttpState};
use millrace_worker::state::StateMemory;
use millrace_worker::testing::TempDir;
use millrace_worker::topics::InternalTopics;

use crate::support::app;

const LIMIT: Duration = Duration::from_secs(30);
const TOPOLOGY: &str = "  topology:
    streams:
      in: {topic: in}
    tables:
      tumbling:
        from: in
        steps: [groupByKey: {}, windowedBy: {tumbling: {size: 10s}, retention: 1h}, count: {name: tumbling}]
      sliding:
        from: in
        steps: [groupByKey: {}, windowedBy: {sliding: {difference: 5s}, retention: 1h}, count: {name: sliding}]
      sessions:
        from: in
        steps: [groupByKey: {}, windowedBy: {session: {gap: 5s}, retention: 1h}, count: {name: sessions}]
      again: {from: tumbling, steps: [filter: value > 1], store: again}
";

/// An application that runs, and where it is asked.
struct Scene {
    app: Option<App>,
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

impl Scene {
    /// Starts the application over these records: key and time.
    fn new(records: &[(&str, i64)]) -> Self {
        let log = EmbeddedCluster::in_memory(EmbeddedOptions::default(), LogClock::new());
        let spec = TopicSpec {
            name: "in".to_owned(),
            partitions: 1,
            replication_factor: -1,
            configs: BTreeMap::new(),
        };
        log.admin().unwrap().create_topics(&[spec]).unwrap();
        for (key, time) in records {
            let (key, value) = (Some(key.as_bytes()), Some(&b"1"[..]));
            log.produce("in", None, Some(*time), key, value, &HeadersBuf::new())
                .unwrap();
        }
        let folder = TempDir::new();
        let document = read_documents(&app(TOPOLOGY), "test").unwrap().remove(0);
        let app = App::start(AppOptions {
            config: WorkerConfig::new(&document.app, 0, folder.path().to_owned()),
            plan: Arc::new(document.plan().unwrap()),
            cluster: Arc::new(log),
            clock: Arc::new(SystemClock),
            memory: StateMemory::new(Some(64 << 20)),
            internal_topics: InternalTopics::Create,
            runtime_dir: None,
            processors: Processors::new(),
        })
        .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime.block_on(http::bind(any)).unwrap();
        let address = listener.local_addr().unwrap();
        let router = http::router(HttpState::new(vec![app.shared()]));
        runtime.spawn(http::serve(listener, router, std::future::pending()));
        Self {
            app: Some(app),
            address,
            _runtime: runtime,
            _folder: folder,
        }
    }

    /// Status and body of a path.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Asks until the answer has this part.
    fn await_part(&self, path: &str, part: &str) {
        let began = Instant::now();
        loop {
            let (status, body) = self.get(path);
            if status == 200 && body.contains(part) {
                return;
            }
            assert!(began.elapsed() < LIMIT, "{path}: {status} {body}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `start-end: value @timestamp` of each window of an answer.
    fn windows(&self, path: &str) -> Vec<String> {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["key"], "a");
        let windows = body["windows"].as_array().unwrap().iter();
        windows
            .map(|window| {
                let number = |field: &str| window[field].as_i64().unwrap();
                let (start, end) = (number("start"), number("end"));
                format!(
                    "{start}-{end}: {} @{}",
                    number("value"),
                    number("timestamp")
                )
            })
            .collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(app) = self.app.take() {
            app.stop();
            let _ended = app.join();
        }
    }
}

#[test]
fn the_windows_of_a_key_are_answered_in_a_range_of_time() {
    // A key that begins like the other one, whose rows may lie between.
    let scene = Scene::new(&[
        ("a", 1_000),
        ("ab", 1_000),
        ("a", 2_000),
        ("a", 12_000),
        ("a", 21_000),
    ]);
    for store in ["tumbling", "sliding", "sessions"] {
        scene.await_part(&format!("/stores/{store}/a"), "\"timestamp\":21000");
    }

    let tumbling = [
        "0-10000: 2 @2000",
        "10000-20000: 1 @12000",
        "20000-30000: 1 @21000",
    ];
    assert_eq!(scene.windows("/stores/tumbling/a"), tumbling);
    assert_eq!(
        scene.windows("/stores/tumbling/a?from=10000"),
        tumbling[1..]
    );
    assert_eq!(
        scene.windows("/stores/tumbling/a?from=1&to=19999"),
        tumbling[1..2]
    );

    let sessions = [
        "1000-2000: 2 @2000",
        "12000-12000: 1 @12000",
        "21000-21000: 1 @21000",
    ];
    assert_eq!(scene.windows("/stores/sessions/a"), sessions);
    // Those that overlap the range.
    assert_eq!(
        scene.windows("/stores/sessions/a?from=2000&to=12000"),
        sessions[..2]
    );

    // Both ends of a sliding window are in it: (difference before each record, and after it where
    // another one is within reach).
    let sliding = scene.windows("/stores/sliding/a");
    assert!(
        sliding.contains(&"1001-6001: 1 @2000".to_owned()),
        "{sliding:?}"
    );

    // A table computed from a windowed one.
    scene.await_part("/stores/again/a", "\"timestamp\":2000");
    assert_eq!(scene.windows("/stores/again/a"), tumbling[..1]);
}

#[test]
fn a_key_without_windows_in_the_range_is_not_found() {
    let scene = Scene::new(&[("a", 1_000)]);
    scene.await_part("/stores/tumbling/a", "\"timestamp\":1000");
    let (status, body) = scene.get("/stores/tumbling/a?from=10000");
    assert_eq!(status, 404);
    assert!(
        body.contains("store tumbling has no window of key a in this range"),
        "{body}"
    );
    assert_eq!(scene.get("/stores/tumbling/other").0, 404);
    assert_eq!(scene.get("/stores/tumbling/a?from=x").0, 400);
}
