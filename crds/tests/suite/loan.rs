//! The StreamApps of the loan example are read, planned and laid out.

use std::collections::BTreeMap;

use millrace_crds::plan::{Plan, describe};
use millrace_crds::read::read_documents;

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
    println!("{}", describe(&plan));
    assert_eq!(plan.subtopologies.len(), 1);
    assert_eq!(
        plan.stores[0].changelog,
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
    println!("{}", describe(&plan));
    assert_eq!(plan.subtopologies.len(), 1);
    assert_eq!(
        plan.stores[0].changelog,
        "loan-evaluation-account-balances-table-changelog"
    );
    let copartitioned: Vec<&str> = plan.subtopologies[0].copartitioned[0]
        .iter()
        .map(|topic| topic.name())
        .collect();
    assert_eq!(copartitioned, ["account-balances", "loan-requests"]);
}
