//! The StreamApps of the loan example are read, planned and laid out.

use std::collections::BTreeMap;

use millrace_crds::plan::{Aggregation, Expression, NodeKind, Plan};
use millrace_crds::read::read_documents;
use millrace_expr::{Bump, Value, json};

fn plan_of(file: &str) -> Plan {
    let path = format!(
        "{}/../examples/loan-evaluation/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let documents =
        read_documents(&text, file).unwrap_or_else(|problems| panic!("{}", problems[0]));
    assert_eq!(documents.len(), 1);
    documents[0].plan().unwrap_or_else(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", texts.join("\n"))
    })
}

#[test]
fn account_balances_is_one_subtopology_without_repartitioning() {
    let plan = plan_of("account-balances.yaml");
    assert_eq!(plan.subtopologies.len(), 1);
    assert_eq!(
        plan.stores[0].changelog.as_deref().unwrap(),
        "account-balances-balances-changelog"
    );
    let counts = BTreeMap::from([("transactions".to_owned(), 3)]);
    let layout = plan.layout(&counts).unwrap();
    assert_eq!(layout.partitions, [3]);
    assert_eq!(layout.internal_partitions["account-balances-tasks"], 3);
}

#[test]
fn loan_evaluation_joins_requests_with_the_table_of_balances() {
    let plan = plan_of("loan-evaluation.yaml");
    assert_eq!(plan.subtopologies.len(), 1);
    assert_eq!(
        plan.stores[0].changelog.as_deref().unwrap(),
        "loan-evaluation-account-balances-table-changelog"
    );
    let copartitioned: Vec<&str> = plan.subtopologies[0].copartitioned[0]
        .iter()
        .map(|topic| topic.name())
        .collect();
    assert_eq!(copartitioned, ["account-balances", "loan-requests"]);
}

/// The JSON text that an expression of the example gives for JSON inputs.
fn evaluate(expression: &Expression, inputs: &[&str]) -> String {
    let arena = Bump::new();
    let values: Vec<Value<'_>> = inputs
        .iter()
        .map(|input| json::parse(input.as_bytes(), &arena).unwrap())
        .collect();
    let result = expression.eval(&values, &arena).unwrap();
    let mut text = Vec::new();
    json::write(&result, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_balance_is_the_exact_sum_of_its_transactions() {
    let plan = plan_of("account-balances.yaml");
    let aggregation = plan.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Aggregate {
            aggregation: Aggregation::Aggregate { initial, update },
            ..
        } => Some((initial, update)),
        _ => None,
    });
    let (initial, update) = aggregation.unwrap();
    let mut balance = evaluate(initial, &[]);
    for amount in ["0.10", "0.20", "12.30", "-2.60"] {
        let transaction = format!("{{\"account\":\"001-00101\",\"amount\":{amount}}}");
        balance = evaluate(update, &["\"001-00101\"", &transaction, &balance]);
    }
    assert_eq!(balance, r#"{"account":"001-00101","balance":10.00}"#);
}

#[test]
fn a_loan_is_approved_rejected_or_rejected_for_want_of_an_account() {
    let plan = plan_of("loan-evaluation.yaml");
    let value = plan.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::StreamTableJoin { value, .. } => Some(value),
        _ => None,
    });
    let verdict = |amount: &str, balance: &str| {
        let request = format!("{{\"id\":\"7\",\"account\":\"001-00101\",\"amount\":{amount}}}");
        evaluate(value.unwrap(), &["\"001-00101\"", &request, balance])
    };
    let balance = r#"{"account":"001-00101","balance":1234.56}"#;
    assert_eq!(
        verdict("100", balance),
        r#"{"id":"7","account":"001-00101","amount":100,"balance":1234.56,"status":"approved","reason":"the balance covers the amount"}"#
    );
    assert_eq!(
        verdict("90000", balance),
        r#"{"id":"7","account":"001-00101","amount":90000,"balance":1234.56,"status":"rejected","reason":"the balance does not cover the amount"}"#
    );
    assert_eq!(
        verdict("100", "null"),
        r#"{"id":"7","account":"001-00101","amount":100,"balance":null,"status":"rejected","reason":"unknown account"}"#
    );
    assert!(verdict("1234.56", balance).contains("approved"));
    assert!(verdict("1234.57", balance).contains("rejected"));
}
