//! What Rust types become in records, and back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fmt::Debug;

use millrace_expr::json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Status {
    Open,
    Since(i64),
    Between(i64, i64),
    Closed { by: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    text: String,
    letter: char,
    count: u32,
    large: u64,
    ratio: f64,
    amount: Exact,
    perhaps: Option<Exact>,
    nothing: Option<i64>,
    pair: (i32, bool),
    statuses: Vec<Status>,
    by_number: BTreeMap<u8, String>,
}

fn there_and_back<T>(value: &T) -> String
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + Debug + PartialEq + 'static,
{
    let arena = Bump::new();
    let written = Json(value.clone()).to_value(&arena).unwrap();
    let mut bytes = Vec::new();
    json::write(&written, &mut bytes).unwrap();
    let read = json::parse(arena.alloc_slice_copy(&bytes), &arena).unwrap();
    assert_eq!(&Json::<T>::from_value(read).unwrap().0, value);
    String::from_utf8(bytes).unwrap()
}

fn everything() -> Everything {
    Everything {
        text: "a \"b\"".to_owned(),
        letter: 'ß',
        count: 7,
        large: u64::MAX,
        ratio: 0.1,
        amount: Exact(parse_decimal("1234567890123456789.10")),
        perhaps: Some(Exact(parse_decimal("5"))),
        nothing: None,
        pair: (-1, true),
        statuses: vec![
            Status::Open,
            Status::Since(3),
            Status::Between(3, 4),
            Status::Closed { by: "x".to_owned() },
        ],
        by_number: BTreeMap::from([(1, "one".to_owned())]),
    }
}

fn parse_decimal(text: &str) -> Decimal {
    millrace_expr::parse_decimal(text).unwrap()
}

#[test]
fn a_type_that_serde_knows_is_read_as_it_was_written() {
    let text = there_and_back(&everything());
    assert_eq!(
        text,
        r#"{"text":"a \"b\"","letter":"ß","count":7,"large":18446744073709551615,"ratio":0.1,"amount":1234567890123456789.10,"perhaps":5,"nothing":null,"pair":[-1,true],"statuses":["Open",{"Since":3},{"Between":[3,4]},{"Closed":{"by":"x"}}],"by_number":{"1":"one"}}"#
    );
}

#[test]
fn json_is_written_as_serde_json_writes_it_where_no_number_is_exact() {
    let status = Status::Closed { by: "y".to_owned() };
    assert_eq!(
        there_and_back(&status),
        serde_json::to_string(&status).unwrap()
    );
}

#[test]
fn a_number_that_is_no_double_is_refused_where_only_a_double_could_take_it() {
    let arena = Bump::new();
    let read = |text: &'static str| {
        let value = json::parse(text.as_bytes(), &arena).unwrap();
        Json::<serde_json::Value>::from_value(value).map(|json| json.0)
    };
    assert_eq!(read("[0.5]").unwrap(), serde_json::json!([0.5]));
    let error = read("[1.2345678901234567891]").unwrap_err().to_string();
    assert!(error.contains("read it into `Exact`"), "{error}");
}

#[test]
fn what_does_not_fit_is_said_with_what_was_expected() {
    let said = |error: DataError| error.to_string();
    assert_eq!(
        said(String::from_value(Value::Null).unwrap_err()),
        "expected a string, found null; where there may be none, use `Option`"
    );
    assert_eq!(
        said(i32::from_value(Value::Int(1 << 40)).unwrap_err()),
        "1099511627776 does not fit into an `i32`; use `i64`"
    );
    let arena = Bump::new();
    let value = json::parse(br#"{"text": 1}"#, &arena).unwrap();
    let error = said(Json::<Everything>::from_value(value).unwrap_err());
    assert!(error.contains("expected a string"), "{error}");
}

#[test]
fn each_plain_type_is_read_as_it_was_written() {
    fn check<T: Data + Debug + PartialEq>(value: &T) {
        let arena = Bump::new();
        let written = value.to_value(&arena).unwrap();
        assert_eq!(&T::from_value(written).unwrap(), value);
    }
    check(&"text".to_owned());
    check(&-7_i32);
    check(&i64::MAX);
    check(&0.25_f64);
    check(&parse_decimal("12.30"));
    check(&vec![0_u8, 255]);
    check(&true);
    check(&Some(1_i64));
    check(&None::<String>);
}
