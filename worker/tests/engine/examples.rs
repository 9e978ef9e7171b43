//! Goal: the example topologies do what their first lines say. Method: each file as it is, a few records
//! in, what was written compared.

use millrace_kafka::HeadersBuf;
use millrace_worker::testing::{StepDriver, StepOptions};

const MINUTE: i64 = 60_000;

fn example(name: &str) -> StepDriver {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/topologies");
    let yaml = std::fs::read_to_string(format!("{folder}/{name}.yaml")).unwrap();
    StepDriver::new(&yaml, StepOptions::default()).unwrap()
}

/// Feeds `(topic, key, value, time)`; returns `topic key:value@time` of what came out, internal topics
/// left out.
fn fed(driver: &mut StepDriver, records: &[(&str, &str, &str, i64)]) -> Vec<String> {
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or("null".to_owned(), |bytes| {
            String::from_utf8(bytes.to_vec()).unwrap()
        })
    };
    let mut out = Vec::new();
    for (topic, key, value, time) in records {
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        let written = driver.pipe(topic, key, value, *time, &HeadersBuf::new());
        let written = written.unwrap().into_iter();
        out.extend(
            written
                .filter(|record| !record.topic.ends_with("-repartition"))
                .map(|record| {
                    let (key, value) = (text(record.key.as_deref()), text(record.value.as_deref()));
                    format!("{} {key}:{value}@{}", record.topic, record.timestamp)
                }),
        );
    }
    out
}

#[test]
fn the_moving_average_comes_when_its_window_has_closed() {
    let mut driver = example("moving-average");
    let readings = [
        ("readings", "s", "10", 0),
        ("readings", "s", "20", MINUTE),
        ("readings", "s", "60", 2 * MINUTE),
        ("readings", "other", "1", 11 * MINUTE),
    ];
    let out = fed(&mut driver, &readings);
    let last = out.iter().find(|line| line.contains("s@600000")).unwrap();
    assert_eq!(
        last,
        r#"averages s@600000:{"sensor":"s","until":600000,"readings":3,"average":30}@120000"#
    );
}

#[test]
fn an_order_goes_to_the_topic_of_its_country() {
    let mut driver = example("routing");
    let orders = [
        ("orders", "1", r#"{"country":"de"}"#, 5),
        ("orders", "2", r#"{"country":"fr"}"#, 6),
        ("orders", "3", r#"{"country":null}"#, 7),
    ];
    let expected = [
        r#"orders-de 1:{"country":"de"}@5"#,
        r#"orders-fr 2:{"country":"fr"}@6"#,
    ];
    assert_eq!(fed(&mut driver, &orders), expected);
}

#[test]
fn an_album_has_its_artist_as_soon_as_there_is_one() {
    let mut driver = example("foreign-key");
    let records = [
        ("albums", "a", r#"{"title":"A","artist":"x"}"#, 5),
        ("artists", "x", r#"{"name":"X"}"#, 6),
        ("artists", "x", r#"{"name":"Y"}"#, 7),
    ];
    let expected = [
        r#"albums-with-artist a:{"title":"A","artist":null}@5"#,
        r#"albums-with-artist a:{"title":"A","artist":"X"}@6"#,
        r#"albums-with-artist a:{"title":"A","artist":"Y"}@7"#,
    ];
    assert_eq!(fed(&mut driver, &records), expected);
}

#[test]
fn the_best_of_an_hour_come_when_it_has_closed() {
    let mut driver = example("top-orders");
    let order =
        |id: &str, amount: &str| format!(r#"{{"id":"{id}","country":"de","amount":{amount}}}"#);
    let amounts = ["10", "30.50", "20", "5", "25", "20"];
    for (amount, number) in amounts.into_iter().zip(1..) {
        let order = order(&number.to_string(), amount);
        assert!(fed(&mut driver, &[("orders", "k", &order, number * MINUTE)]).is_empty());
    }
    let late = order("late", "1");
    let out = fed(&mut driver, &[("orders", "k", &late, 61 * MINUTE)]);
    let best = r#"[{"id":"2","amount":30.50},{"id":"5","amount":25},{"id":"3","amount":20}]"#;
    let expected = format!(r#"top-orders de@0:{{"country":"de","hour":0,"orders":{best}}}@360000"#);
    assert_eq!(out, [expected]);
}
