//! The loan example's two applications in Rust give the records that they give in YAML.

use millrace_worker::data::{Exact, Json};
use millrace_worker::dsl::{Grouped, Joined, StreamsBuilder};
use serde::{Deserialize, Serialize};

use crate::support::Driven;

#[derive(Serialize, Deserialize)]
struct Transaction {
    amount: Exact,
}

#[derive(Serialize, Deserialize)]
struct Balance {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    balance: Exact,
}

#[derive(Serialize, Deserialize)]
struct Request {
    id: String,
    account: String,
    amount: Exact,
}

#[derive(Serialize, Deserialize)]
struct Verdict {
    id: String,
    account: String,
    amount: Exact,
    balance: Option<Exact>,
    status: String,
    reason: String,
}

fn balances() -> StreamsBuilder {
    let builder = StreamsBuilder::new();
    builder
        .stream::<String, Json<Transaction>>("transactions")
        .group_by_key(Grouped::new())
        .aggregate(
            || {
                Json(Balance {
                    account: None,
                    balance: Exact::default(),
                })
            },
            |account, transaction, Json(before)| {
                Json(Balance {
                    account: Some(account.clone()),
                    balance: Exact(before.balance.0 + transaction.amount.0),
                })
            },
            "balances",
        )
        .to_stream()
        .to("account-balances");
    builder
}

fn verdict(request: &Request, balance: Option<&Json<Balance>>) -> Verdict {
    let balance = balance.map(|balance| balance.balance);
    let (status, reason) = match balance {
        None => ("rejected", "unknown account"),
        Some(balance) if balance >= request.amount => ("approved", "the balance covers the amount"),
        Some(_) => ("rejected", "the balance does not cover the amount"),
    };
    Verdict {
        id: request.id.clone(),
        account: request.account.clone(),
        amount: request.amount,
        balance,
        status: status.to_owned(),
        reason: reason.to_owned(),
    }
}

fn evaluation() -> StreamsBuilder {
    let builder = StreamsBuilder::new();
    let balances = builder.table::<String, Json<Balance>>("account-balances");
    let requests = builder.stream::<String, Json<Request>>("loan-requests");
    requests
        .left_join_table(
            &balances,
            |request, balance| Json(verdict(request, balance)),
            Joined::new(),
        )
        .to("loan-evaluation-results");
    builder
}

fn yaml(name: &str) -> Driven {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/loan-evaluation");
    Driven::yaml(&std::fs::read_to_string(format!("{folder}/{name}.yaml")).unwrap())
}

/// Feeds both; their outputs are the same, byte by byte.
fn same(mut rust: Driven, mut yaml: Driven, records: &[(&str, &str, String)]) -> Vec<String> {
    let mut all = Vec::new();
    for ((topic, key, value), time) in records.iter().zip(0..) {
        let out = rust.feed(topic, key, value, time);
        assert_eq!(out, yaml.feed(topic, key, value, time));
        all.extend(out);
    }
    all
}

#[test]
fn balances_are_the_same() {
    let amounts = ["12.30", "-2.3", "0", "1000000000000000.01", "7"];
    let records: Vec<_> = amounts
        .iter()
        .zip(["a", "b", "a", "a", "b"])
        .map(|(amount, account)| {
            let value = format!(r#"{{"account":"{account}","amount":{amount}}}"#);
            ("transactions", account, value)
        })
        .collect();
    let out = same(Driven::of(&balances()), yaml("account-balances"), &records);
    assert_eq!(out.len(), records.len());
    assert!(
        out[3].contains(r#"{"account":"a","balance":1000000000000012.31}"#),
        "{out:?}"
    );
}

#[test]
fn verdicts_are_the_same() {
    let request = |amount: &str| format!(r#"{{"id":"r","account":"a","amount":{amount}}}"#);
    let balance = |amount: &str| format!(r#"{{"account":"a","balance":{amount}}}"#);
    let records = [
        ("loan-requests", "a", request("10")),
        ("account-balances", "a", balance("99.99")),
        ("loan-requests", "a", request("99.99")),
        ("loan-requests", "a", request("100.00")),
        ("account-balances", "a", balance("100")),
        ("loan-requests", "a", request("100.00")),
    ];
    let out = same(Driven::of(&evaluation()), yaml("loan-evaluation"), &records);
    let approved = out.iter().filter(|line| line.contains("approved")).count();
    assert_eq!((out.len(), approved), (4, 2));
}
