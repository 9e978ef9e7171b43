//! Goal: the example topologies run in `worker dev`, as their readers run them first. Method: the program
//! itself, records over HTTP, results over HTTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use millrace_tests::worker::binary;
use serde_json::{Value, json};

/// For a result to come.
const LIMIT: Duration = Duration::from_secs(30);
const MINUTE: i64 = 60_000;

/// `worker dev` of one example.
struct Dev {
    process: Child,
    address: String,
}

impl Drop for Dev {
    fn drop(&mut self) {
        // In memory: nothing is left that an orderly end would save.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Dev {
    fn start(example: &str, options: &[&str]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/topologies");
        let mut process = Command::new(binary().unwrap())
            .args(["dev", &format!("{folder}/{example}.yaml")])
            .args([
                "--http",
                "127.0.0.1:0",
                "--partitions",
                "1",
                "--log",
                "error",
            ])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = said.find_map(|line| {
            let line = line.unwrap();
            let address = line.split_once("http://")?.1.split_once("/topics")?.0;
            Some(address.to_owned())
        });
        let address = address.unwrap();
        Self { process, address }
    }

    fn feed(&self, topic: &str, records: &Value) {
        let url = format!("http://{}/topics/{topic}/records", self.address);
        let body = json!({"records": records}).to_string();
        ureq::post(url).send(body).unwrap();
    }

    /// The keys and values of a topic, as soon as there are so many.
    fn results(&self, topic: &str, count: usize) -> Vec<(String, Value)> {
        self.results_of(topic, count, || {})
    }

    /// As [`Dev::results`], with more input at each look: what has closed is looked for once a second,
    /// and at a record.
    fn results_of(
        &self,
        topic: &str,
        count: usize,
        mut more: impl FnMut(),
    ) -> Vec<(String, Value)> {
        let path = format!("topics/{topic}/records?from=earliest&wait_ms=200");
        let url = format!("http://{}/{path}", self.address);
        let began = Instant::now();
        loop {
            let mut answer = ureq::get(&url).call().unwrap();
            let body = answer.body_mut().read_to_string().unwrap();
            let body: Value = serde_json::from_str(&body).unwrap();
            let records = body["records"].as_array().unwrap();
            let found: Vec<_> = records
                .iter()
                .map(|record| {
                    let key = record["key"].as_str().unwrap().to_owned();
                    (key, record["value"].clone())
                })
                .collect();
            if found.len() >= count {
                return found;
            }
            more();
            assert!(
                began.elapsed() < LIMIT,
                "{topic} has {found:?} after {LIMIT:?}"
            );
        }
    }
}

#[test]
fn the_moving_average_runs_in_dev() {
    let dev = Dev::start("moving-average", &[]);
    let reading =
        |value: i64, minute: i64| json!({"key": "s", "value": value, "timestamp": minute * MINUTE});
    dev.feed(
        "readings",
        &json!([reading(10, 0), reading(20, 1), reading(60, 2)]),
    );
    let later = || dev.feed("readings", &json!([reading(1, 12)]));
    let averages = dev.results_of("averages", 1, later);
    let first = json!({"sensor": "s", "until": 600_000, "readings": 3, "average": 30});
    assert_eq!(averages[0], ("s@600000".to_owned(), first));
}

#[test]
fn the_best_orders_of_an_hour_run_in_dev() {
    let dev = Dev::start("top-orders", &[]);
    let order = |id: &str, amount: i64, minute: i64| {
        let value = json!({"id": id, "country": "de", "amount": amount});
        json!({"key": "k", "value": value, "timestamp": minute * MINUTE})
    };
    let orders = [
        order("1", 10, 1),
        order("2", 30, 2),
        order("3", 20, 3),
        order("4", 25, 4),
    ];
    dev.feed("orders", &json!(orders));
    let later = || dev.feed("orders", &json!([order("later", 1, 62)]));
    let best = dev.results_of("top-orders", 1, later);
    let expected =
        json!([{"id": "2", "amount": 30}, {"id": "4", "amount": 25}, {"id": "3", "amount": 20}]);
    assert_eq!(best[0].1["orders"], expected);
}

#[test]
fn orders_are_routed_by_country_in_dev() {
    let dev = Dev::start("routing", &["--topic", "orders-de", "--topic", "orders-fr"]);
    let order = |key: &str, country: &str| json!({"key": key, "value": {"country": country}});
    dev.feed(
        "orders",
        &json!([order("1", "de"), order("2", "fr"), order("3", "de")]),
    );
    let keys = |topic, count| -> Vec<String> {
        dev.results(topic, count)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    };
    assert_eq!(keys("orders-de", 2), ["1", "3"]);
    assert_eq!(keys("orders-fr", 1), ["2"]);
}

#[test]
fn albums_have_their_artists_in_dev() {
    let dev = Dev::start("foreign-key", &[]);
    dev.feed("artists", &json!([{"key": "x", "value": {"name": "X"}}]));
    dev.feed(
        "albums",
        &json!([{"key": "a", "value": {"title": "A", "artist": "x"}}]),
    );
    // Whichever topic was read first: in the end both are known.
    let both = json!({"title": "A", "artist": "X"});
    let began = Instant::now();
    while dev.results("albums-with-artist", 1).pop().unwrap().1 != both {
        assert!(began.elapsed() < LIMIT);
    }
}
